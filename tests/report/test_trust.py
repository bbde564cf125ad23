"""The trust ladder and what would have been done: folded from records, by definitions that a hand can check."""

from dataclasses import dataclass, field

import pytest

from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import (
    Actor,
    AgentStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    Closed,
    Escalated,
    IncidentOpened,
    IncidentRelapsed,
    Judged,
    Record,
    RunStarted,
    Settled,
)
from agent.model.guard import Mode
from agent.model.ids import ApprovalId, IncidentId, MinerId, RunId
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.report.figures import Rate, wilson
from agent.report.trust import APPROVE_FROM, AUTO_FROM, Rung, ladder
from agent.report.would_have import NEEDLESS_S, would_have
from tests.factory import EPOCH

MINER = MinerId("m1")
OFF, RESTART = Action(Verb.POWER_OFF, MINER), Action(Verb.RESTART, MINER)


@dataclass
class Tale:
    """A ledger of one playbook's incidents, told one after another."""

    mode: Mode
    table: str = "new"
    records: list[Record] = field(default_factory=list)
    at: float = EPOCH
    incidents: int = 0

    def tell(self, *events: AnyEvent, after_s: float = 10.0) -> None:
        for event in events:
            self.at += after_s
            self.records.append(Record(len(self.records) + 1, self.at, Actor.AGENT, event, "", ""))

    def start(self) -> list[Rung]:
        """Start once more, and return the ladder."""
        trust = {"stuck_miner": dict.fromkeys(("soft", "power"), self.mode)}
        self.tell(
            AgentStarted(
                version="1",
                site="s",
                config_fingerprint="c",
                playbooks={"stuck_miner": "new"},
                simulated=False,
                trust=trust,
            )
        )
        return ladder(self.records)

    def begin(self) -> tuple[IncidentId, RunId]:
        self.incidents += 1
        incident = IncidentId(f"inc-{self.incidents}")
        run = RunId(f"{incident}/run-1")
        opened = IncidentOpened(
            incident=incident,
            category=Category.STUCK,
            cause=Reason.UNRESPONSIVE,
            severity=Severity.MEDIUM,
            members=(MINER,),
            detected_at=self.at,
            evidence={},
        )
        began = RunStarted(incident=incident, run=run, playbook="stuck_miner", fingerprint=self.table, state="judge")
        self.tell(opened, began)
        return incident, run

    def acted(
        self, *actions: Action, outcome: Outcome | None = Outcome.ASSISTED, result: Result = Result.OK
    ) -> IncidentId:
        incident, run = self.begin()
        for action in actions:
            self.tell(
                Settled(
                    incident=incident,
                    run=run,
                    attempt=1,
                    action=action,
                    result=result,
                    detail="",
                    from_state="a",
                    to_state="b",
                    trigger="t",
                )
            )
        if outcome is None:
            self.tell(Escalated(incident=incident, reason="exhausted", tried=(), evidence={}))
        self.tell(Closed(incident=incident, outcome=outcome or Outcome.HUMAN_RESOLVED))
        return incident

    def denied(self, action: Action) -> None:
        incident, run = self.begin()
        number = ApprovalId(f"ap-{self.incidents}")
        self.tell(
            ApprovalAsked(
                approval=number, incident=incident, run=run, state="a", action=action, evidence={}, expires_at=self.at
            ),
            ApprovalDenied(approval=number, incident=incident, why="no"),
            Escalated(incident=incident, reason="approval_denied", tried=(), evidence={}),
        )

    def kept_back(self, action: Action, *, well_after_s: float | None) -> None:
        incident, run = self.begin()
        self.tell(
            Judged(
                incident=incident,
                run=run,
                state="a",
                action=action,
                gate="mode",
                verdict="refuse",
                reason="observe_mode",
            )
        )
        if well_after_s is not None:
            self.tell(Closed(incident=incident, outcome=Outcome.HUMAN_RESOLVED), after_s=well_after_s)


def rung(rungs: list[Rung], risk: Risk) -> Rung:
    (found,) = [r for r in rungs if r.risk is risk]
    return found


def test_a_run_counts_for_the_most_invasive_step_that_was_done() -> None:
    tale = Tale(Mode.APPROVE)
    tale.acted(RESTART)
    tale.acted(RESTART, OFF, outcome=Outcome.AUTO_RESOLVED)
    tale.acted(OFF, result=Result.FAILED, outcome=Outcome.SELF_RECOVERED)
    rungs = tale.start()
    assert rung(rungs, Risk.SOFT).shown == Rate(1, 1)
    assert rung(rungs, Risk.POWER).shown == Rate(1, 1)


def test_what_ended_with_a_person_came_back_or_was_denied_did_not_end_well() -> None:
    tale = Tale(Mode.APPROVE)
    tale.acted(OFF)
    tale.acted(OFF, outcome=None)
    again = tale.acted(OFF)
    tale.tell(IncidentRelapsed(incident=again, cause=Reason.UNRESPONSIVE, detected_at=tale.at, evidence={}))
    tale.denied(OFF)
    rungs = tale.start()
    assert rung(rungs, Risk.POWER).shown == Rate(1, 4)
    assert rung(rungs, Risk.SOFT).shown == Rate(0, 0)


@pytest.mark.parametrize(("risk", "action"), [(Risk.SOFT, RESTART), (Risk.POWER, OFF)])
def test_the_next_rung_is_proposed_at_its_bound_and_not_one_run_before(risk: Risk, action: Action) -> None:
    tale, runs = Tale(Mode.APPROVE), {Risk.SOFT: 9, Risk.POWER: 22}[risk]
    for _ in range(runs - 1):
        tale.acted(action)
    before = rung(tale.start(), risk)
    assert (before.next, before.wants, before.more) == (Mode.AUTO, AUTO_FROM[risk], 1)
    tale.acted(action)
    assert rung(tale.start(), risk).more == 0
    assert wilson(runs, runs)[0] >= AUTO_FROM[risk] > wilson(runs - 1, runs - 1)[0]


def test_a_changed_table_begins_anew() -> None:
    tale = Tale(Mode.APPROVE, table="old")
    tale.acted(RESTART)
    assert rung(tale.start(), Risk.SOFT).shown == Rate(0, 0)


def test_the_highest_rung_wants_nothing_and_is_doubted_when_it_surely_fails() -> None:
    tale = Tale(Mode.AUTO)
    assert (rung(tale.start(), Risk.SOFT).next, rung(tale.start(), Risk.SOFT).doubtful) == (None, False)
    for _ in range(10):
        tale.acted(RESTART, outcome=None)
    assert rung(tale.start(), Risk.SOFT).doubtful


def test_under_observe_it_counts_what_was_kept_back_and_needed() -> None:
    tale = Tale(Mode.OBSERVE)
    for _ in range(4):
        tale.kept_back(OFF, well_after_s=NEEDLESS_S)
    tale.kept_back(RESTART, well_after_s=NEEDLESS_S - 1.0)
    tale.kept_back(RESTART, well_after_s=None)
    rungs = tale.start()
    power, soft = rung(rungs, Risk.POWER), rung(rungs, Risk.SOFT)
    assert (power.shown, power.next, power.wants, power.more) == (Rate(4, 4), Mode.APPROVE, APPROVE_FROM, 0)
    assert soft.shown == Rate(0, 1), "what is still open a moment later cannot be told yet"
    assert [case.was_needed for case in would_have(tale.records)] == [True] * 4 + [False, None]


def test_an_empty_ledger_has_no_ladder() -> None:
    assert ladder([]) == []
