"""Questions to a ledger, answered by folding it: which incidents, and everything about one. Read-only."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from agent.ledger.chain import decode
from agent.ledger.checkpoint import digest, unpack
from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.ledger.reader import decoded, end_of_archives, last_checkpoint, proven, read, rows
from agent.model.events import AgentStarted, Archived, Record
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident


@dataclass(frozen=True, slots=True)
class History:
    """One incident as it stands, and the records that made it so, in order."""

    incident: Incident
    records: tuple[Record, ...]


def fold(path: Path, records: Iterable[Record]) -> State:
    """Return the state after `records`, which came from the ledger at `path`.

    Raises:
        LedgerError: an event speaks of an incident that was never opened.
    """
    state = State()
    for record in records:
        _apply(path, record, state)
    return state


def remember(path: Path, state: State, *, live: bool = True) -> float:
    """Put into an empty state what a ledger adds up to, proving its chain; return the UTC s of the last event.

    What has left for archives comes from the checkpoint that the ledger keeps of it; where another version of the agent
    made that, from the archives. With `live` false nothing that came later is taken in.

    Raises:
        LedgerError: the ledger cannot be read, or is not as it was written.
    """
    since, head = end_of_archives(path)
    stored = last_checkpoint(path)
    if stored is not None:
        _recall(path, stored, since, state)
    last_at = 0.0
    for row in proven(path, rows(path, since), since_seq=since, head=head) if live else ():
        record = decoded(path, row)
        event = record.event
        if isinstance(event, Archived) and event.last_seq == since and digest(stored or b"") != event.checkpoint:
            raise LedgerError(
                f"ledger {path}: what it keeps of events up to {since} is not what event {record.seq} vouches for: the"
                " file was changed by hand; restore a backup, or begin a new one"
            )
        _apply(path, record, state)
        last_at = record.at
    return last_at


def _recall(path: Path, stored: bytes, since: int, state: State) -> None:
    try:
        unpack(stored, state)
    except LedgerError:
        for row in proven(path, takewhile(lambda row: row.seq <= since, rows(path))):
            _apply(path, decoded(path, row), state)


def _apply(path: Path, record: Record, state: State) -> None:
    try:
        state.apply(record)
    except KeyError as error:
        raise LedgerError(
            f"ledger {path}: event {record.seq} speaks of {error}, which no event before it opened:"
            " events are missing, verify the ledger's chain"
        ) from error


def current(path: Path) -> State:
    """Return what a ledger adds up to; raises as `remember`."""
    state = State()
    remember(path, state)
    return state


def incidents(
    path: Path, *, only_open: bool = False, category: Category | None = None, since: float | None = None
) -> list[Incident]:
    """Return the incidents of a ledger in the order opened; those detected at `since` (UTC s) or later, if given.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return [
        incident
        for incident in current(path).incidents.values()
        if (incident.is_open or not only_open)
        and category in (None, incident.category)
        and (since is None or incident.detected_at >= since)
    ]


def history(path: Path, incident: IncidentId) -> History | None:
    """Return one incident with its records, None if the ledger has none of that id.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    # An incident's state follows from its own events alone, so the index spares reading the others.
    records = tuple(read(path, incident=incident))
    if not records:
        return None
    return History(fold(path, records).incidents[incident], records)


def gates(path: Path) -> tuple[str, ...]:
    """Return the guards in the order in which the agent that was started last asks them.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    last = None
    for row in rows(path):
        if row.kind == AgentStarted.__struct_config__.tag:
            last = row
    event = None if last is None else decode(last).event
    return event.gates if isinstance(event, AgentStarted) else ()
