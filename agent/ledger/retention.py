"""Retention: whole segments of old events leave the ledger for files of their own, with their anchors.

No row is deleted. A segment becomes a read-only file beside the ledger, itself a ledger whose beginning lies in the
segment before; the ledger is written anew behind it, with what the agent remembers at that point, and its chain goes
on. The archive is whole and on the disk before the ledger is replaced, by one rename.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw

from agent.clock import Clock
from agent.ledger import checkpoint, database
from agent.ledger.chain import Row, decode, encode
from agent.ledger.fold import State
from agent.ledger.queries import remember
from agent.ledger.reader import Segment, end_of_archives, proven, rows
from agent.ledger.writer import INSERT, Job, Writer
from agent.model.errors import PolicyError
from agent.model.events import Actor, Archived
from agent.model.incident import Phase

READ_ONLY = 0o444

_Entry = tuple[int, int, str, str, bytes]
"""What the ledger keeps of an archive, as its table has it."""
_ENTER = "INSERT INTO archives (first_seq, last_seq, last_hash, file, checkpoint) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a segment ends: after that event, with what was remembered then."""

    seq: int
    head: str
    stored: bytes


def archive(path: Path, before: float, clock: Clock) -> Segment:
    """Move the events before a time (UTC s) into an archive, up to the last moment at which nothing was under way.

    Raises:
        LedgerError: an agent runs on it, it is not sound, or cannot be written; everything is as it was.
        PolicyError: there is nothing to archive.
    """
    path = path.resolve()
    with closing(database.claim(path)):
        steps = database.migrations()
        database.open_owned(path, steps).close()
        since, head = end_of_archives(path)
        live = list(proven(path, rows(path, since), since_seq=since, head=head))
        cut = _cut(path, live, before)
        first = since + 1
        file = path.with_name(f"{path.stem}.{first:09d}-{cut.seq:09d}{path.suffix}")
        parts = [row for row in live if row.seq <= cut.seq], [row for row in live if row.seq > cut.seq]
        entries = _entries(path)
        _write(file, entries, parts[0], steps)
        made = Segment(first, cut.seq, cut.head, file.name)
        entry = (first, cut.seq, cut.head, file.name, cut.stored)
        event = Archived(
            first_seq=first, last_seq=cut.seq, head=cut.head, file=file.name, checkpoint=checkpoint.digest(cut.stored)
        )
        last = Job(round(clock.now() * 1000.0), Actor.OPERATOR, [encode(event)])
        _replace(path, [*entries, entry], parts[1], steps, last=last)
    return made


def _cut(path: Path, live: Sequence[Row], before: float) -> Cut:
    """Return the last place before a time where nothing was in flight or owed, and every open incident a person's."""
    state, last = State(), None
    remember(path, state, live=False)
    for row in live:
        if row.at_ms / 1000.0 >= before:
            break
        state.apply(decode(row))
        last = row if _is_at_rest(state) else last
    if last is None:
        raise PolicyError(
            f"ledger {path}: expected events before that time with nothing under way after them; there are none:"
            " name a later date"
        )
    state = State()
    remember(path, state, live=False)
    for row in live[: last.seq - live[0].seq + 1]:
        state.apply(decode(row))
    return Cut(last.seq, last.hash, checkpoint.pack(state))


def _is_at_rest(state: State) -> bool:
    owed = state.flying or state.duties or state.setpoints or state.asleep or state.derated
    return not owed and all(incident.phase is Phase.ESCALATED for incident in state.open_incidents)


def _entries(path: Path) -> list[_Entry]:
    with closing(database.open_reader(path, database.migrations())) as connection:
        found = connection.execute(
            "SELECT first_seq, last_seq, last_hash, file, checkpoint FROM archives ORDER BY last_seq"
        )
        return list(found)


def _write(
    file: Path,
    entries: Iterable[_Entry],
    events: Iterable[Row],
    steps: Sequence[database.Migration],
) -> None:
    """Write an archive, or write one anew that was begun before; it has its name once it is whole and proven."""
    fresh = _fresh(file)
    _fill(fresh, entries, events, steps)
    fresh.chmod(READ_ONLY)
    fresh.replace(file)
    _sync(file.parent)


def _replace(
    path: Path,
    entries: Iterable[_Entry],
    events: Iterable[Row],
    steps: Sequence[database.Migration],
    *,
    last: Job,
) -> None:
    """Write the ledger anew behind its archives, and put it in the place of the old one."""
    fresh = _fresh(path)
    _fill(fresh, entries, events, steps)
    try:
        with closing(apsw.Connection(str(fresh))) as connection:
            connection.pragma("synchronous", "FULL")
            (outcome,) = Writer(connection, path).commit([last])
        if isinstance(outcome, Exception):
            raise outcome
        # A write-ahead log that stayed behind would be taken for the new file's.
        with closing(apsw.Connection(str(path))) as old:
            old.set_busy_timeout(database.BUSY_MS)
            old.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            old.pragma("journal_mode", "delete")
    except apsw.Error as error:
        raise database.explain(path, error) from error
    fresh.replace(path)
    _sync(path.parent)


def _fresh(file: Path) -> Path:
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    return fresh


def _fill(
    fresh: Path,
    entries: Iterable[_Entry],
    events: Iterable[Row],
    steps: Sequence[database.Migration],
) -> None:
    """Make a ledger of these archives and events, on the disk, in one file, and read it back."""
    try:
        with closing(apsw.Connection(str(fresh))) as connection:
            database.migrate(connection, steps)
            connection.pragma("synchronous", "FULL")
            with connection:
                connection.executemany(_ENTER, entries)
                connection.executemany(INSERT, events)
        since, head = end_of_archives(fresh)
        for _ in proven(fresh, rows(fresh, since), since_seq=since, head=head):
            pass
    except apsw.Error as error:
        raise database.explain(fresh, error) from error


def _sync(folder: Path) -> None:
    """Have a rename survive a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
