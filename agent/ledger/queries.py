"""Questions to a ledger, answered by folding it: which incidents, and everything about one. Read-only."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.ledger.chain import decode
from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.ledger.reader import read, rows
from agent.model.events import AgentStarted, Record
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
        try:
            state.apply(record)
        except KeyError as error:
            raise LedgerError(
                f"ledger {path}: event {record.seq} speaks of {error}, which no event before it opened:"
                " events are missing, verify the ledger's chain"
            ) from error
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
        for incident in fold(path, read(path)).incidents.values()
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
