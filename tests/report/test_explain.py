"""The page that says why: every line fits, nothing steers the terminal, and what the ledger has is on it."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.fold import State
from agent.model.events import Actor, AnyEvent, IncidentOpened, Judged, Record
from agent.model.incident import Category, Evidence, Reason
from agent.report.explain import ALLOW, UNASKED, WIDTH, Explanation, explain, following, page
from agent.report.rivals import rivals
from tests.ledger.examples import EPOCH_S, INC, LIFE, OPENED

GATES = ("target", "mode", "cooldown", "approval")
INCIDENTS_OWN = tuple(event for event in LIFE if getattr(event, "incident", None) == INC)


def told(events: Sequence[AnyEvent], gates: Sequence[str] = GATES) -> Explanation:
    state, records = State(), []
    for seq, event in enumerate(events, start=1):
        records.append(Record(seq, EPOCH_S + 10.0 * seq, Actor.AGENT, event, "", ""))
        state.apply(records[-1])
    return explain(state.incidents[INC], records, gates, {("gather", "done"): "All was read"})


@pytest.mark.parametrize("number", range(1, len(INCIDENTS_OWN) + 1))
def test_every_line_fits_whatever_has_happened_so_far(number: int) -> None:
    for line in page(told(INCIDENTS_OWN[:number])):
        assert len(line) <= WIDTH
        assert line.isprintable()


def test_it_has_what_was_decided_by_whom_and_why() -> None:
    text = "\n".join(page(told(INCIDENTS_OWN)))
    for words in (
        "inc-000001: stuck",
        "playbook stuck_miner, in gather",
        "gather → power_off, done: All was read",
        "cooldown: defer: cooldown, until 2026-03-01 12:00:05Z",
        "not asked then: approval",
        "allowed by all: target, mode, cooldown, approval",
        "ap-000001 approved by kim",
        "ap-000002 denied by kim: the owner is at it",
        "power_off r1-m07 [pdu-a/7 pdu-b/7]: ok (0.0 A)",
        "shares 24",
    ):
        assert words in text, words


def test_each_gate_has_its_verdict() -> None:
    (judged,) = [event for event in LIFE if isinstance(event, Judged)]
    (verdicts,) = told([OPENED, judged]).guards
    assert verdicts.gates == {"target": ALLOW, "mode": ALLOW, "cooldown": "defer: cooldown", "approval": UNASKED}
    (unknown,) = told([OPENED, judged], gates=()).guards
    assert unknown.gates == {"cooldown": "defer: cooldown"}


def test_the_shared_causes_are_listed_with_their_scores() -> None:
    shared = "switch:sw-1 +41.2 (12 of 12); rack:r1 +3.9 (12 of 24); chance"
    opened: IncidentOpened = msgspec.structs.replace(OPENED, evidence={"considered": shared, "miners": 12})
    explanation = told([opened])
    assert explanation.weighed == tuple(shared.split("; "))
    assert explanation.seen == {"miners": 12}
    lines = list(page(explanation))
    assert "  switch:sw-1 +41.2 (12 of 12): chosen" in lines
    assert "  rack:r1 +3.9 (12 of 24)" in lines


def test_what_was_seen_is_what_it_was_decided_on_and_the_proof_what_came_of_it() -> None:
    explanation = told(INCIDENTS_OWN[: 1 + [type(e).__name__ for e in INCIDENTS_OWN].index("Closed")])
    assert explanation.seen["misses"] == 6
    assert explanation.proof == {"shares": 24}


def test_what_comes_next_fits_too() -> None:
    lines = list(following("what is seen, " * 12, EPOCH_S, [("x " * 90, "y")], "terrahash approve ap-000001"))
    assert all(len(line) <= WIDTH for line in lines)
    assert "2026-03-01 12:00:00Z" in "\n".join(lines)


HUNG: Evidence = {"reach": "silent", "draw_w": 60.0, "nominal_w": 3250.0, "port_up": True, "process_age_s": 90_000.0}
SIGNS: list[tuple[Evidence, Reason, str, str, str]] = [
    (HUNG, Reason.UNRESPONSIVE, "its board or process hangs", "it draws 2% of its power", "cut off from the network"),
    (
        {"reach": "silent", "outlets": "pdu-a/7 on 0 W, pdu-b/7 on 1 W", "port_up": False},
        Reason.UNRESPONSIVE,
        "without power",
        "its outlets give 1 W",
        "its board or process hangs",
    ),
    (
        {"reach": "silent", "draw_w": 3200.0, "nominal_w": 3250.0, "port_up": False},
        Reason.CUT_OFF,
        "cut off from the network",
        "it draws 98% of its power: it works; its port has no link",
        "without power",
    ),
    (
        {"reach": "refused", "restarts": 3, "codes": "90x"},
        Reason.BOOT_LOOP,
        "its firmware crashes",
        "its process began anew 3 times; it says so itself: 90x",
        "without power",
    ),
    (
        {"reach": "answered", "hashrate_th": 0.0, "expected_th": 110.0, "outlets": "pdu-a/7 on unmetered"},
        Reason.NOT_HASHING,
        "its board or process hangs",
        "it answers, at 0 of 110 TH/s",
        "cut off from the network",
    ),
]


@pytest.mark.parametrize(("seen", "cause", "name", "speaks_for", "spoken_against"), SIGNS)
def test_one_miners_symptom_is_told_apart_by_what_was_seen(
    *, seen: Evidence, cause: Reason, name: str, speaks_for: str, spoken_against: str
) -> None:
    found = {rival.cause: rival for rival in rivals(Category.STUCK, cause, seen)}
    assert speaks_for in "; ".join(found[name].supports)
    assert found[spoken_against].opposes
    assert found["told to sleep"].opposes
    assert found["the agent's own doing"].opposes
    (chosen,) = [rival for rival in found.values() if rival.chosen]
    assert next(iter(found.values())) == chosen


def test_the_page_has_the_causes_of_one_device_alone_and_of_no_shared_one() -> None:
    opened = msgspec.structs.replace(OPENED, evidence=HUNG, cause=Reason.UNRESPONSIVE)
    text = "\n".join(page(told([opened])))
    assert "Causes considered" in text
    assert "its board or process hangs (chosen). for: nothing answers" in text
    assert "told to sleep. against: no window had it" in text
    assert "Causes considered" not in "\n".join(page(told([msgspec.structs.replace(opened, domain="rack:r1")])))
    assert rivals(Category.OTHER, Reason.BOARD_LOST, HUNG) == ()


@given(st.dictionaries(st.sampled_from([*HUNG, "outlets", "restarts", "codes"]), st.none() | st.text() | st.floats()))
def test_whatever_the_evidence_a_page_can_be_made(seen: Evidence) -> None:
    assert rivals(Category.STUCK, Reason.CRASHED, {"reach": None, **seen})
