"""The hash chain: it holds for what was written, and names the first event that was not."""

import hashlib
import json
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.chain import GENESIS, Broken, Flaw, Row, Sound, decode, digest, encode, verify
from agent.ledger.reader import audit, rows
from agent.ledger.store import Ledger
from agent.model.errors import InvariantError
from agent.model.events import AnyEvent, IncidentOpened, IncidentUpdated
from agent.model.incident import Category, Reason, Severity
from tests.ledger.examples import ANY_EVENT, EPOCH_S, INC, KINDS, LIFE, HandClock

LAST = len(LIFE)

TRIGGERS = ("events_are_never_updated", "events_are_never_deleted", "events_are_appended")


def chained(events: list[AnyEvent]) -> list[Row]:
    """Link events the way the writer does."""
    linked: list[Row] = []
    for seq, event in enumerate(events, start=1):
        body, prev = encode(event), linked[-1].hash if linked else GENESIS
        own = digest(seq=seq, at_ms=1000 * seq, actor="agent", kind=body.kind, body=body.text, prev=prev)
        linked.append(Row(seq, 1000 * seq, "agent", body.kind, body.incident, body.text, prev, own))
    return linked


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    await ledger.append(LIFE)
    await ledger.close()
    return path


def tamper(path: Path, statement: str) -> None:
    """Do what someone with the file and a shell can do."""
    connection = apsw.Connection(str(path))
    for trigger in TRIGGERS:
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement)
    connection.close()


def test_the_examples_cover_every_kind_of_event() -> None:
    assert {type(event) for event in LIFE} == set(KINDS)


@pytest.mark.parametrize("event", LIFE, ids=lambda event: type(event).__name__)
def test_every_kind_of_event_survives_its_json(event: AnyEvent) -> None:
    body = encode(event)
    assert body.event == event
    assert body.kind == json.loads(body.text)["kind"]
    assert body.incident == json.loads(body.text).get("incident")
    (row,) = chained([event])
    assert decode(row).event == event


@given(ANY_EVENT)
def test_the_json_is_canonical(event: AnyEvent) -> None:
    body = encode(event)
    assert encode(body.event).text == body.text
    fields = json.loads(body.text)
    assert list(fields) == sorted(fields)
    assert "\n" not in body.text


def test_what_is_missing_or_infinite_becomes_null_and_numpy_scalars_become_numbers() -> None:
    seen = {"w": float("nan"), "a": float("inf"), "th": np.float64(1.5), "n": np.int64(3), "up": np.bool_(True)}
    event = IncidentUpdated(incident=INC, cause=Reason.UNRESPONSIVE, severity=Severity.LOW, evidence=seen)  # type: ignore[arg-type]
    body = encode(event)
    assert isinstance(body.event, IncidentUpdated)
    assert body.event.evidence == {"w": None, "a": None, "th": 1.5, "n": 3, "up": True}
    assert [type(body.event.evidence[key]) for key in ("th", "n", "up")] == [float, int, bool]


@pytest.mark.parametrize("detected_at", [float("nan"), "noon", None, np.zeros(2)])
def test_a_value_against_its_declaration_is_our_bug(detected_at: object) -> None:
    event = IncidentOpened(
        incident=INC,
        category=Category.STUCK,
        cause=Reason.UNRESPONSIVE,
        severity=Severity.LOW,
        members=(),
        detected_at=detected_at,  # type: ignore[arg-type]
        evidence={},
    )
    with pytest.raises(InvariantError, match="'incident_opened'"):
        encode(event)


def test_text_that_is_no_unicode_is_our_bug() -> None:
    event = IncidentUpdated(incident=INC, cause=Reason.UNRESPONSIVE, severity=Severity.LOW, evidence={"x": "\ud800"})
    with pytest.raises(InvariantError, match="'incident_updated'"):
        encode(event)


def test_anybody_can_redo_the_hash() -> None:
    text = f'7\n1772366400123\nagent\nagent_stopped\n{GENESIS}\n{{"kind":"agent_stopped","reason":"é"}}'
    assert hashlib.sha256(text.encode()).hexdigest() == digest(
        seq=7,
        at_ms=1772366400123,
        actor="agent",
        kind="agent_stopped",
        body='{"kind":"agent_stopped","reason":"é"}',
        prev=GENESIS,
    )


def test_an_empty_ledger_and_a_whole_one_are_sound() -> None:
    linked = chained(list(LIFE))
    assert verify([]) == Sound(0, GENESIS)
    assert verify(linked) == Sound(len(LIFE), linked[-1].hash)
    assert verify(linked[4:], since_seq=4, head=linked[3].hash) == Sound(len(LIFE) - 4, linked[-1].hash)


@given(st.lists(ANY_EVENT, min_size=1, max_size=6), st.data())
def test_any_change_of_any_field_is_found_at_its_event(events: list[AnyEvent], data: st.DataObject) -> None:
    linked = chained(events)
    at = data.draw(st.integers(0, len(linked) - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("at_ms", linked[at].at_ms + 1),
                ("actor", "operator"),
                ("kind", "moved"),
                ("incident", "inc-999999"),
                ("body", linked[at].body.replace("{", "{ ", 1)),
                ("prev", "1" * 64),
                ("hash", "2" * 64),
            ]
        )
    )
    linked[at] = linked[at]._replace(**{field: value})
    found = verify(linked)
    assert isinstance(found, Broken)
    assert found.seq == at + 1


@given(st.lists(ANY_EVENT, min_size=2, max_size=6), st.data())
def test_a_missing_event_is_named(events: list[AnyEvent], data: st.DataObject) -> None:
    linked = chained(events)
    gone = data.draw(st.integers(0, len(linked) - 2))
    del linked[gone]
    assert verify(linked) == Broken(gone + 1, Flaw.GAP)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE events SET body = replace(body, 'power_off', 'power_on') WHERE seq = 7", Broken(7, Flaw.CHANGED)),
        ("UPDATE events SET at_ms = at_ms - 60000 WHERE seq = 5", Broken(5, Flaw.CHANGED)),
        ("UPDATE events SET actor = 'operator' WHERE seq = 6", Broken(6, Flaw.CHANGED)),
        ("UPDATE events SET incident = 'inc-000002' WHERE seq = 4", Broken(4, Flaw.MISFILED)),
        ("UPDATE events SET kind = 'moved' WHERE seq = 4", Broken(4, Flaw.CHANGED)),
        ("DELETE FROM events WHERE seq = 3", Broken(3, Flaw.GAP)),
        ("DELETE FROM events WHERE seq < 3", Broken(1, Flaw.GAP)),
        ("UPDATE events SET prev = hash WHERE seq = 8", Broken(8, Flaw.WRONG_PREV)),
        (
            f"INSERT INTO events SELECT {LAST + 1}, at_ms, actor, kind, incident, body, prev, hash FROM events "
            f"WHERE seq = {LAST}",
            Broken(LAST + 1, Flaw.WRONG_PREV),
        ),
    ],
)
def test_with_the_triggers_dropped_the_first_bad_event_is_named(path: Path, statement: str, found: Broken) -> None:
    assert isinstance(audit(path), Sound)
    tamper(path, statement)
    assert audit(path) == found


def test_a_tail_cut_off_shows_against_a_head_kept_elsewhere(path: Path) -> None:
    kept = audit(path)
    tamper(path, "DELETE FROM events WHERE seq > 10")
    assert audit(path) == Sound(10, next(row.hash for row in rows(path, since_seq=9))) != kept


def test_rows_hold_the_time_in_milliseconds() -> None:
    (row,) = chained([LIFE[0]])
    assert decode(row._replace(at_ms=round(EPOCH_S * 1000) + 7)).at == EPOCH_S + 0.007
