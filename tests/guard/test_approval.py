"""The gate that has a person confirm each action: what it waits for, what it takes for an answer, whom it spares."""

from dataclasses import replace

import msgspec
import pytest

from agent.guard import approval
from agent.guard.approval import AGAIN_S, ANEW_S
from agent.guard.limits import GuardLimits
from agent.guard.order import GATES, judge
from agent.guard.request import Request
from agent.model.action import Action, Risk, Verb
from agent.model.events import ApprovalAsked, ApprovalDenied, ApprovalGiven, Intended
from agent.model.guard import Allow, Defer, GuardReason, Mode, Refuse
from agent.model.ids import ApprovalId, MinerId, PoolId
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from tests.bench import Bench
from tests.factory import EPOCH, put_outlets, site
from tests.ledger.builder import INCIDENT, MINER, RUN, Story

FIRST, SECOND = ApprovalId("ap-000001"), ApprovalId("ap-000002")
ALLOW_S = GuardLimits().approval_s
AWAITS = GuardReason.AWAITING_APPROVAL


def story() -> Story:
    return Story().opened().running("reboot")


def request(told: Story, now: float, action: Action | None = None, *, mode: Mode = Mode.APPROVE) -> Request:
    view = SiteView(site(6))
    put_outlets(view, now - 5.0)
    view.polled_at.fill(now - 5.0)
    return Request(
        action or Action(verb=Verb.REBOOT, miner=MINER),
        told.state.incidents[INCIDENT],
        now,
        view,
        told.state,
        (),
        GuardLimits(),
        dict.fromkeys(Risk, mode),
        run=RUN,
        state="reboot",
    )


def asked(told: Story, at: float, action: Action | None = None) -> ApprovalAsked:
    """Ask as the stages do, and put it on record."""
    wanted = request(told, at, action)
    assert approval.is_due(wanted)
    event = approval.question(wanted, {}, ahead=0)
    told.tell(event, at)
    return event


def given(told: Story, at: float, which: ApprovalId = FIRST) -> None:
    told.tell(ApprovalGiven(approval=which, incident=INCIDENT), at)


def told_to_wait(told: Story, now: float) -> float:
    gate, verdict = judge(request(told, now))
    assert gate == "approval"
    assert isinstance(verdict, Defer)
    assert verdict.reason is AWAITS
    return verdict.until


def test_it_is_the_last_gate() -> None:
    assert GATES[-1] is approval.approval


def test_nobody_is_asked_in_other_modes() -> None:
    assert judge(request(story(), EPOCH + 9, mode=Mode.AUTO)) == ("all", Allow())
    assert judge(request(story(), EPOCH + 9, mode=Mode.OBSERVE))[0] == "mode"
    assert approval.granted(request(story(), EPOCH + 9, mode=Mode.AUTO)) is None


def test_a_look_needs_no_confirmation() -> None:
    logs = Action(verb=Verb.COLLECT_LOGS, miner=MINER)
    assert judge(request(story(), EPOCH + 9, logs)) == ("all", Allow())


def test_what_is_owed_needs_no_confirmation_but_what_begins_a_cycle_does() -> None:
    told = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    (outlet,) = told.state.duties
    on = Action(verb=Verb.POWER_ON, miner=MINER, outlets=(outlet,))
    off = Action(verb=Verb.POWER_OFF, miner=MINER, outlets=(outlet,))
    assert judge(request(told, EPOCH + 40, on)) == ("all", Allow())
    assert approval.approval(request(told, EPOCH + 40, off)) == Defer(EPOCH + 40 + ALLOW_S, AWAITS)


def test_it_waits_for_the_answer_and_takes_it_once() -> None:
    told = story()
    until = told_to_wait(told, EPOCH + 10)
    assert asked(told, EPOCH + 10).expires_at == until == EPOCH + 10 + ALLOW_S
    assert told_to_wait(told, EPOCH + 60) == until
    assert not approval.is_due(request(told, EPOCH + 60)), "nobody is asked twice"
    given(told, EPOCH + 70)
    wanted = request(told, EPOCH + 72)
    assert judge(wanted) == ("all", Allow())
    assert approval.granted(wanted) == FIRST
    told.tell(
        Intended(incident=INCIDENT, run=RUN, state="reboot", attempt=1, action=wanted.action, approval=FIRST),
        EPOCH + 72,
    )
    again = replace(request(told, EPOCH + 80), incident=told.state.incidents[INCIDENT])
    assert approval.approval(again) == Defer(EPOCH + 80 + ALLOW_S, AWAITS), "used up"
    assert approval.is_due(again)


@pytest.mark.parametrize("answered", [False, True])
def test_it_expires_answered_or_not(answered: bool) -> None:
    told = story()
    expires_at = asked(told, EPOCH + 10).expires_at
    if answered:
        given(told, EPOCH + 20)
    assert judge(request(told, expires_at - 0.001))[1] == (Allow() if answered else Defer(expires_at, AWAITS))
    assert judge(request(told, expires_at)) == ("approval", Refuse(GuardReason.APPROVAL_EXPIRED))


def test_a_denial_is_a_refusal_with_the_person_s_words() -> None:
    told = story()
    asked(told, EPOCH + 10)
    told.tell(ApprovalDenied(approval=FIRST, incident=INCIDENT, why="the owner is at it"), EPOCH + 20)
    wanted = request(told, EPOCH + 22)
    assert judge(wanted) == ("approval", Refuse(GuardReason.APPROVAL_DENIED))
    assert approval.denial(wanted) == "the owner is at it"


POOLED = Action(verb=Verb.SWITCH_POOL, miner=MINER, others=(MinerId("m2"), MinerId("m3")), pool=PoolId("backup"))


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (POOLED, True),
        (msgspec.structs.replace(POOLED, others=(MinerId("m3"),)), True),
        (msgspec.structs.replace(POOLED, miner=MinerId("m3"), others=()), True),
        (msgspec.structs.replace(POOLED, others=(MinerId("m2"), MinerId("m4"))), False),
        (msgspec.structs.replace(POOLED, pool=PoolId("third")), False),
        (Action(verb=Verb.RESTART, miner=MINER), False),
    ],
)
def test_it_holds_for_the_same_thing_and_for_less_of_it(wanted: Action, holds: bool) -> None:
    told = story()
    asked(told, EPOCH + 10, POOLED)
    given(told, EPOCH + 20)
    verdict = approval.approval(request(told, EPOCH + 30, wanted))
    assert verdict == (Allow() if holds else Defer(EPOCH + 30 + ALLOW_S, AWAITS))


def test_what_is_wanted_instead_is_asked_instead_and_not_at_every_tick() -> None:
    told = story()
    more = msgspec.structs.replace(POOLED, others=(*POOLED.others, MinerId("m4")))
    asked(told, EPOCH + 10, POOLED)
    assert not approval.is_due(request(told, EPOCH + 10 + ANEW_S - 1, more))
    assert asked(told, EPOCH + 10 + ANEW_S, more).replaces == (FIRST,)
    assert told.state.approvals[SECOND].is_pending(EPOCH + 100)
    given(told, EPOCH + 100, SECOND)
    assert approval.granted(request(told, EPOCH + 101, POOLED)) == SECOND


def test_the_answer_to_one_step_is_none_to_the_next_run() -> None:
    told = story()
    asked(told, EPOCH + 10)
    given(told, EPOCH + 20)
    later = replace(request(told, EPOCH + 30), state="reboot_again")
    assert approval.approval(later) == Defer(EPOCH + 30 + ALLOW_S, AWAITS)


def test_what_is_wanted_outside_a_run_is_asked_again_the_next_shift() -> None:
    told = story()
    home = replace(request(told, EPOCH + 10, POOLED), run=None, state="fail_back")
    told.tell(approval.question(home, {}, ahead=0), EPOCH + 10)
    told.tell(ApprovalDenied(approval=FIRST, incident=INCIDENT, why="not during the auction"), EPOCH + 20)
    denied = replace(home, now=EPOCH + 10 + AGAIN_S - 1)
    assert approval.approval(denied) == Refuse(GuardReason.APPROVAL_DENIED)
    assert not approval.is_due(denied)
    assert approval.is_due(replace(home, now=EPOCH + 10 + AGAIN_S))


@pytest.mark.parametrize(("answered", "reason"), [(True, ""), (False, "approval_expired")])
def test_a_site_without_a_night_shift_is_waited_for_as_long_as_it_says(answered: bool, reason: str) -> None:
    bench = Bench(site(2), mode=Mode.APPROVE, guard=GuardLimits(approval_s=1.5 * 3600.0))
    bench.world.reply, bench.world.power_w = Reach.REFUSED, 60.0
    bench.run(1.2 * 3600.0)
    (question,) = bench.state.approvals.values()
    assert question.is_pending(bench.now)
    if answered:
        bench._commit([ApprovalGiven(approval=question.id, incident=bench.incident.id)])
    bench.run(1800.0, until=lambda: bool(bench.verbs) or bench.incident.escalated_at is not None)
    assert (bool(bench.verbs), bench.incident.escalation_reason) == (answered, reason)
