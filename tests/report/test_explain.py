"""The page that says why: every line fits, nothing steers the terminal, and what the ledger has is on it."""

from collections.abc import Sequence

import msgspec
import pytest

from agent.ledger.fold import State
from agent.model.events import Actor, AnyEvent, IncidentOpened, Judged, Record
from agent.report.explain import ALLOW, UNASKED, WIDTH, Explanation, explain, following, page
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
