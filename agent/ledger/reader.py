"""Reads a ledger, beside the daemon that writes it or without one. Never writes, never waits for the writer."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from agent.ledger import database
from agent.ledger.chain import Broken, Row, Sound, decode, verify
from agent.ledger.database import LedgerError
from agent.model.events import Record
from agent.model.ids import IncidentId

PAGE = 1_000
"""Rows a statement fetches: short reads, so that a slow reader does not hold up the writer's checkpoints."""

_ALL = "SELECT seq, at_ms, actor, kind, incident, body, prev, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_OF_INCIDENT = (
    "SELECT seq, at_ms, actor, kind, incident, body, prev, hash FROM events"
    " WHERE seq > ? AND incident = ? ORDER BY seq LIMIT ?"
)


def rows(path: Path, since_seq: int = 0, incident: IncidentId | None = None) -> Iterator[Row]:
    """Return the stored rows after `since_seq`, in order; of one incident only, where one is named.

    Raises:
        LedgerError: at the call where the ledger cannot be opened, while iterating where it turns out damaged.
    """
    connection = database.open_reader(path, database.migrations())
    return _pages(connection, path, since_seq, incident)


def read(path: Path, since_seq: int = 0, incident: IncidentId | None = None) -> Iterator[Record]:
    """Return the records after `since_seq`, in order; of one incident only, where one is named.

    Raises:
        LedgerError: as `rows`; also for an event that this version cannot read.
    """
    return (decoded(path, row) for row in rows(path, since_seq, incident))


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


def _pages(connection: apsw.Connection, path: Path, seq: int, incident: IncidentId | None) -> Iterator[Row]:
    try:
        while True:
            if incident is None:
                cursor = connection.execute(_ALL, (seq, PAGE))
            else:
                cursor = connection.execute(_OF_INCIDENT, (seq, incident, PAGE))
            page = [Row._make(columns) for columns in cursor]
            yield from page
            if len(page) < PAGE:
                return
            seq = page[-1].seq
    except apsw.Error as error:
        raise database.explain(path, error) from error
    finally:
        connection.close()
