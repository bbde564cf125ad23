"""Questions to a ledger: filters, one incident's history, and a ledger that contradicts itself."""

from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from agent.ledger import queries
from agent.ledger.reader import read
from agent.ledger.store import Ledger, LedgerError
from agent.model.events import AgentStarted, AnyEvent, IncidentOpened, IncidentReclassified, IncidentRelapsed, Mitigated
from agent.model.ids import IncidentId
from agent.model.incident import Category, Outcome
from tests.ledger.examples import EPOCH_S, INC, LIFE, OPENED, HandClock

OTHER = IncidentId("inc-000002")


async def write(path: Path, *events: AnyEvent) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    await ledger.append(events)
    await ledger.close()


def other(event: AnyEvent) -> AnyEvent:
    """Return the same event of another incident, of another category and a day later."""
    if isinstance(event, IncidentOpened):
        return msgspec.structs.replace(
            event, incident=OTHER, category=Category.POOL, detected_at=event.detected_at + 86400.0
        )
    if isinstance(event, IncidentReclassified):
        return msgspec.structs.replace(event, incident=OTHER, category=Category.POOL)
    return msgspec.structs.replace(event, incident=OTHER)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a ledger with two interleaved incidents: the first closed, the second on its way."""
    path = tmp_path / "ledger.sqlite3"
    first_spell = takewhile(lambda event: not isinstance(event, IncidentRelapsed), LIFE[1:])
    lived = [event for event in first_spell for event in (event, other(event))]
    await write(path, LIFE[0], *lived[:-1])
    return path


def test_the_history_of_an_incident_is_what_the_whole_ledger_says_of_it(path: Path) -> None:
    whole = queries.fold(path, read(path)).incidents
    assert [incident.outcome for incident in whole.values()] == [Outcome.AUTO_RESOLVED, Outcome.OPEN]
    for incident in whole.values():
        found = queries.history(path, incident.id)
        assert found is not None
        assert found.incident == incident
        assert all(getattr(record.event, "incident", None) == incident.id for record in found.records)
    assert queries.history(path, IncidentId("inc-000003")) is None


def test_incidents_are_filtered_and_in_the_order_opened(path: Path) -> None:
    def ids(**wanted: object) -> list[str]:
        return [incident.id for incident in queries.incidents(path, **wanted)]  # type: ignore[arg-type]

    assert ids() == [INC, OTHER]
    assert ids(only_open=True) == [OTHER]
    assert ids(category=Category.STUCK) == [INC]
    assert ids(since=EPOCH_S) == [OTHER]
    assert ids(since=OPENED.detected_at) == [INC, OTHER]
    assert ids(category=Category.STUCK, only_open=True) == []


async def test_an_event_of_an_incident_never_opened_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    await write(path, OPENED, Mitigated(incident=OTHER))
    with pytest.raises(LedgerError, match="event 2 speaks of 'inc-000002', which no event before it opened"):
        queries.incidents(path)
    with pytest.raises(LedgerError, match="verify the ledger"):
        queries.history(path, OTHER)


async def test_the_guards_are_those_of_the_agent_that_was_started_last(path: Path, tmp_path: Path) -> None:
    (started,) = [event for event in LIFE[:1] if isinstance(event, AgentStarted)]
    later = msgspec.structs.replace(started, gates=("hold", "mode"))
    await write(path, later, other(OPENED))
    assert queries.gates(path) == ("hold", "mode")
    await write(tmp_path / "new.sqlite3", OPENED)
    assert queries.gates(tmp_path / "new.sqlite3") == (), "nobody was started on it"
