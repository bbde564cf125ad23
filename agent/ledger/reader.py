"""Reads a ledger, beside the daemon that writes it or without one. Never writes, never waits for the writer."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from agent.ledger import database
from agent.ledger.chain import GENESIS, Broken, Row, Sound, decode, fault, verify
from agent.ledger.database import LedgerError
from agent.model.events import IncidentOpened, Record
from agent.model.ids import IncidentId

PAGE = 1_000
"""Rows a statement fetches: short reads, so that a slow reader does not hold up the writer's checkpoints."""

_ALL = "SELECT seq, at_ms, actor, kind, incident, body, prev, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_ARCHIVES = "SELECT first_seq, last_seq, last_hash, file FROM archives ORDER BY last_seq"
_CHECKPOINT = "SELECT checkpoint FROM archives ORDER BY last_seq DESC LIMIT 1"
_OF_INCIDENT = (
    "SELECT seq, at_ms, actor, kind, incident, body, prev, hash FROM events"
    " WHERE seq > ? AND incident = ? ORDER BY seq LIMIT ?"
)


class Segment(NamedTuple):
    """A segment of older events: the first and the last of them, the last one's hash, the file beside the ledger."""

    first_seq: int
    last_seq: int
    last_hash: str
    file: str


def archives(path: Path) -> list[Segment]:
    """Return the segments that have left the ledger, the oldest first; raises as `rows`."""
    with closing(database.open_reader(path, database.migrations())) as connection:
        return _archives(connection)


def end_of_archives(path: Path) -> tuple[int, str]:
    """Return seq and hash of the last event that has left the ledger; those before the first where none has."""
    kept = archives(path)
    return (kept[-1].last_seq, kept[-1].last_hash) if kept else (0, GENESIS)


def last_checkpoint(path: Path) -> bytes | None:
    """Return what the ledger keeps of all that has left it, as `agent.ledger.checkpoint` packs it; None for nothing."""
    with closing(database.open_reader(path, database.migrations())) as connection:
        found: bytes | None = connection.execute(_CHECKPOINT).get
        return found


def rules_changed(path: Path) -> list[str]:
    """Return which of the ledger's own rules are not as they were made; raises as `rows`."""
    steps = database.migrations()
    with closing(database.open_reader(path, steps)) as connection:
        return database.rules_changed(connection, steps)


def rows(path: Path, since_seq: int = 0, incident: IncidentId | None = None) -> Iterator[Row]:
    """Return the stored rows after `since_seq`, in order, those in archives first; of one incident if named.

    Raises:
        LedgerError: at the call where the ledger cannot be opened, or an archive that is needed is not beside it; while
            iterating where it turns out damaged.
    """
    connection = database.open_reader(path, database.migrations())
    try:
        older = [] if _begins_here(connection, incident) else _archives(connection)
        files = [_beside(path, one) for one in older if one.last_seq > since_seq]
    except apsw.Error as error:
        raise database.explain(path, error) from error
    return chain.from_iterable(
        (*(_of_file(file, since_seq, incident) for file in files), _pages(connection, path, since_seq, incident))
    )


def read(path: Path, since_seq: int = 0, incident: IncidentId | None = None) -> Iterator[Record]:
    """Return the records after `since_seq`, in order; of one incident only, where one is named.

    Raises:
        LedgerError: as `rows`; also for an event that this version cannot read.
    """
    return (decoded(path, row) for row in rows(path, since_seq, incident))


def proven(path: Path, stored: Iterable[Row], *, since_seq: int = 0, head: str = GENESIS) -> Iterator[Row]:
    """Yield rows that follow the event `since_seq`, whose hash was `head`, each once it is seen to be as written.

    Raises:
        LedgerError: one is not.
    """
    seq = since_seq
    for row in stored:
        if (broken := fault(row, seq, head)) is not None:
            raise LedgerError(
                f"ledger {path}: event {broken.seq} is not as it was written ({broken.flaw}): the file is damaged or"
                " was changed by hand; keep it, see terrahash audit verify, and restore a backup or begin a new one"
            )
        seq, head = row.seq, row.hash
        yield row


def audit(path: Path) -> Sound | Broken:
    """Verify the hash chain of a whole ledger; LedgerError if it cannot be read."""
    return verify(rows(path))


def decoded(path: Path, row: Row) -> Record:
    """Return the record that a row of the ledger at `path` stands for; LedgerError if this version knows none such."""
    try:
        return decode(row)
    except (ValueError, msgspec.MsgspecError) as error:
        raise LedgerError(
            f"ledger {path}: event {row.seq} ({row.kind!r}) is none this version knows; {error}:"
            " upgrade the agent, or verify the ledger's chain"
        ) from error


def _archives(connection: apsw.Connection) -> list[Segment]:
    return [Segment._make(columns) for columns in connection.execute(_ARCHIVES)]


def _begins_here(connection: apsw.Connection, incident: IncidentId | None) -> bool:
    """Whether that incident was opened in the live part, so that no archive has anything of it."""
    if incident is None:
        return False
    first = connection.execute("SELECT kind FROM events WHERE incident = ? ORDER BY seq LIMIT 1", (incident,)).get
    return bool(first == IncidentOpened.__struct_config__.tag)


def _beside(path: Path, one: Segment) -> Path:
    file = path.resolve().with_name(one.file)
    if not file.is_file():
        raise LedgerError(
            f"ledger {path}: events {one.first_seq} to {one.last_seq} are in the archive {one.file}, which is not"
            f" beside it: put it back into {file.parent}"
        )
    return file


def _of_file(file: Path, since_seq: int, incident: IncidentId | None) -> Iterator[Row]:
    yield from _pages(database.open_reader(file, database.migrations()), file, since_seq, incident)


def _misspelt(connection: apsw.Connection, statement: str, asked: tuple[object, ...]) -> list[Row]:
    """Read rows with text that is no UTF-8 any more: what cannot be read is replaced, and the chain shows where."""
    columns = "seq, at_ms, actor, kind, incident, body, prev, hash"
    raw = ", ".join(name if name in ("seq", "at_ms") else f"CAST({name} AS BLOB)" for name in columns.split(", "))
    found = connection.execute(statement.replace(columns, raw, 1), asked)
    return [Row._make(v.decode(errors="replace") if isinstance(v, bytes) else v for v in row) for row in found]


def _pages(connection: apsw.Connection, path: Path, seq: int, incident: IncidentId | None) -> Iterator[Row]:
    try:
        while True:
            statement, asked = (_ALL, (seq, PAGE)) if incident is None else (_OF_INCIDENT, (seq, incident, PAGE))
            try:
                page = [Row._make(columns) for columns in connection.execute(statement, asked)]
            except UnicodeDecodeError:
                page = _misspelt(connection, statement, asked)
            yield from page
            if len(page) < PAGE:
                return
            seq = page[-1].seq
    except apsw.Error as error:
        raise database.explain(path, error) from error
    finally:
        connection.close()
