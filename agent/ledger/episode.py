"""One incident with what happened to the agent and the site meanwhile, out of a ledger's rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.ledger.chain import Row
from agent.ledger.database import LedgerError
from agent.ledger.queries import fold
from agent.ledger.reader import decoded
from agent.model.events import (
    AgentStarted,
    AgentStopped,
    AnyEvent,
    HoldChanged,
    NoticeDue,
    NoticeSettled,
    OutletsTrusted,
    Record,
    StormBegan,
    StormOver,
    WindowEnded,
    WindowSet,
)
from agent.model.ids import IncidentId, MinerId, NoticeId, WindowId
from agent.model.incident import Incident

_STARTED = str(AgentStarted.__struct_config__.tag)
_SURROUNDINGS = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        AgentStopped,
        HoldChanged,
        NoticeSettled,
        OutletsTrusted,
        StormBegan,
        StormOver,
        WindowEnded,
        WindowSet,
    )
)
"""Events of no incident's own that say what became of one, or why nothing did."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One incident as it stands, and everything that has to do with it, in order.

    Attributes:
        records: its own, and what happened to the agent, to its announcements and its notices while it lasted.
        started: the start of the agent before the first of them; None where the ledger has none.
    """

    incident: Incident
    records: tuple[Record, ...]
    started: Record | None


def episode(rows: Iterable[Row], incident: IncidentId, path: Path) -> Episode | None:
    """Return the episode of an incident; None where the rows have none of that id.

    Args:
        rows: in the order of seq, from the ledger's beginning as far as can be had.
        incident: whose.
        path: of what they came from.

    Raises:
        LedgerError: a row is none that this version knows, or the incident's first events are missing.
    """
    own: list[Record] = []
    found: list[Record] = []
    started: Record | None = None
    meanwhile = _Meanwhile()
    for row in rows:
        if row.incident == incident:
            record = decoded(path, row)
            own.append(record)
            found.append(record)
            meanwhile.follow(record.event)
        elif row.kind == _STARTED and not own:
            started = decoded(path, row)
        elif own and (row.kind == _STARTED or row.kind in _SURROUNDINGS):
            record = decoded(path, row)
            if meanwhile.concerns(record.event):
                found.append(record)
    if not own:
        return None
    state = fold(path, own)
    if incident not in state.incidents:
        raise LedgerError(f"{path}: expected the event that opened {incident}; got later ones alone: it cannot be told")
    last = found.index(own[-1])
    over = not state.incidents[incident].is_open
    told = [r for k, r in enumerate(found) if k <= last or not over or isinstance(r.event, NoticeSettled)]
    return Episode(state.incidents[incident], tuple(told), started)


class _Meanwhile:
    """What an incident has to do with, as far as its records have told."""

    def __init__(self) -> None:
        self._notices: set[NoticeId] = set()
        self._windows: set[WindowId] = set()
        self._members: set[MinerId] = set()

    def follow(self, event: AnyEvent) -> None:
        """Take in one of the incident's own events."""
        self._members.update(getattr(event, "members", ()))
        if isinstance(event, NoticeDue):
            self._notices.add(event.notice)

    def concerns(self, event: AnyEvent) -> bool:
        """Whether an event of no incident's own has to do with it."""
        match event:
            case NoticeSettled():
                return not self._notices.isdisjoint(event.notices)
            case WindowSet() if not self._members.isdisjoint(event.miners):
                self._windows.add(event.window)
                return True
            case WindowSet() | WindowEnded():
                return event.window in self._windows
            case _:
                return True
