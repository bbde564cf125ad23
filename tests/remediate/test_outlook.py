"""What happens next, told of every state an incident can be in: what it waits for, until when, and where that leads."""

import msgspec
import pytest

from agent.model.action import Action, Result, Verb
from agent.model.events import (
    ApprovalAsked,
    ApprovalGiven,
    Closed,
    Escalated,
    IncidentOpened,
    Judged,
    Moved,
)
from agent.model.ids import ApprovalId, IncidentId
from agent.model.incident import Category, Outcome, Phase, Reason, Severity
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Transition, Wait
from agent.model.topology import Miner
from agent.remediate.outlook import CLEARED, Outlook, Way, meanings, outlook, waits
from agent.remediate.reconcile import deferred_s
from agent.report.needed import needed
from agent.shipped import load_playbooks
from playbooks.hardware import PLAYBOOK as HARDWARE
from tests.factory import EPOCH, NOMINAL_W, miner
from tests.ledger.builder import INCIDENT, MINER, RUN, Story

(PLAYBOOK,) = (table.playbook for table in load_playbooks() if table.playbook.name == "stuck_miner")
OFF = Action(Verb.POWER_OFF, MINER)


def ahead(story: Story, playbook: Playbook | None = PLAYBOOK, *, known: bool = True) -> Outlook:
    return outlook(story.state, story.state.incidents[INCIDENT], playbook, miner(1) if known else None)


def running(state: str) -> Story:
    return Story().opened().running(state)


def leads(told: Outlook) -> dict[str, str]:
    return {way.when: way.then for way in told.ways}


@pytest.mark.parametrize("state", sorted(PLAYBOOK.steps))
def test_every_state_says_what_it_waits_for_and_where_that_leads(state: str) -> None:
    step, told = PLAYBOOK.steps[state], ahead(running(state))
    led = {t.dest for t in PLAYBOOK.transitions if t.source == state}
    match step:
        case Wait():
            assert told.until == EPOCH + step.duration_s
        case Check():
            assert told.until == EPOCH + step.limit_s(miner(1))
        case Act():
            assert "guards" in told.waits_for
            led = {t.dest for t in PLAYBOOK.transitions if (t.source, t.trigger) == (state, PLAYBOOK.on_recovered)}
        case Escalate():
            assert step.reason in told.waits_for
        case Resolve():
            assert "ends" in told.waits_for
    assert {way.then.partition(" ")[0] for way in told.ways} == led


def test_without_the_inventory_only_what_depends_on_the_model_is_open() -> None:
    depends = next(s for s, step in PLAYBOOK.steps.items() if isinstance(step, Check) and callable(step.within_s))
    assert ahead(running(depends), known=False).until is None
    fixed = next(s for s, step in PLAYBOOK.steps.items() if isinstance(step, Wait))
    assert ahead(running(fixed), known=False).until is not None


def test_an_action_under_way_has_until_its_timeout() -> None:
    told = ahead(running("power_off").intended(Verb.POWER_OFF, EPOCH + 5.0))
    assert told.waits_for.startswith("the outcome of power_off m1")
    assert told.until is not None
    assert told.until > EPOCH + 5.0
    assert set(leads(told)) == {"done", "not done"}


def test_a_guard_that_puts_it_off_is_named() -> None:
    judged = Judged(
        incident=INCIDENT, run=RUN, state="power_off", action=OFF, gate="cooldown", verdict="defer", reason="cooldown"
    )
    told = ahead(running("power_off").tell(judged, EPOCH + 1))
    assert told.waits_for == "the guard cooldown, about power_off m1: cooldown"
    assert leads(told)["put off until then"] == "a person has it"


def test_a_question_to_a_person_says_how_to_answer_until_it_is_answered() -> None:
    number = ApprovalId("ap-000001")
    judged = Judged(
        incident=INCIDENT,
        run=RUN,
        state="power_off",
        action=OFF,
        gate="approval",
        verdict="defer",
        reason="awaiting_approval",
    )
    asked = ApprovalAsked(
        approval=number, incident=INCIDENT, run=RUN, state="power_off", action=OFF, evidence={}, expires_at=EPOCH + 99
    )
    story = running("power_off").tell(judged, EPOCH + 1).tell(asked, EPOCH + 1)
    told = ahead(story)
    assert (told.waits_for, told.until) == ("a person to confirm power_off m1", EPOCH + 99)
    assert told.answer is not None
    assert "terrahash approve ap-000001" in told.answer
    story.tell(ApprovalGiven(approval=number, incident=INCIDENT), EPOCH + 2)
    assert ahead(story).answer is None


def test_other_phases() -> None:
    assert "its playbook begins" in ahead(Story().opened()).waits_for
    assert "another than it began with" in ahead(running("hold"), None).waits_for
    escalated = running("hold").tell(Escalated(incident=INCIDENT, reason="no_power_draw", tried=(), evidence={}), EPOCH)
    assert escalated.state.incidents[INCIDENT].phase is Phase.ESCALATED
    assert (ahead(escalated).waits_for, leads(ahead(escalated))[CLEARED]) == (
        f"a person (no_power_draw): {needed('no_power_draw')}",
        "closed as human_resolved",
    )


def test_what_is_owed_is_told_even_when_it_is_over() -> None:
    story = running("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 1, Result.OK)
    story.tell(Closed(incident=INCIDENT, outcome=Outcome.AUTO_RESOLVED), EPOCH + 2)
    assert (
        ahead(story).waits_for
        == "nothing: it is over, auto_resolved; 1 of its outlets are still to be switched on again"
    )


def test_a_move_is_seen() -> None:
    story = running("hold").tell(
        Moved(incident=INCIDENT, run=RUN, trigger="held", from_state="hold", to_state="gather"), EPOCH + 60
    )
    assert ahead(story).waits_for == "what is seen, in gather"


def test_while_the_agent_has_trouble_of_its_own_everything_stands_still() -> None:
    story, own = running("hold"), IncidentId("inc-000002")
    opened = IncidentOpened(
        incident=own,
        category=Category.OTHER,
        cause=Reason.OWN_NETWORK,
        severity=Severity.HIGH,
        members=(),
        detected_at=EPOCH,
        evidence={},
    )
    story.tell(opened, EPOCH + 1)
    assert "its waits stand still" in ahead(story).waits_for
    assert "holds everything else" in outlook(story.state, story.state.incidents[own], None, None).waits_for
    story.tell(Closed(incident=own, outcome=Outcome.SELF_RECOVERED), EPOCH + 2)
    assert ahead(story).until is not None


def test_conditions_that_lead_the_same_way_are_all_said() -> None:
    told = meanings(HARDWARE)
    assert told["sort", "cycle"] == "A hashboard is lost; or: Its supply cuts out"
    assert told["sort", "fan"].startswith("A fan stands still")


def a_thing(_: object) -> bool:
    """Something is so.

    And why.
    """
    return True


def other(_: object) -> bool:
    return True


def as_told(miner: Miner) -> float:
    return miner.power_w


BENCH = Playbook(
    "stuck_miner",
    Category.STUCK,
    "act",
    {
        "act": Act(Verb.REBOOT, "ok", "no", unless=a_thing),
        "wait": Wait(90.0, "go"),
        "look": Check((Arm(a_thing, "so"), Arm(other, "else")), 600.0, "late"),
        "watch": Check((), as_told, "late"),
        "sort": Check((Arm(a_thing, "so"),), 0.0, "late"),
        "end": Resolve(),
        "ask": Escalate("beyond_us"),
    },
    tuple(
        Transition(*row)
        for row in (
            ("ok", "act", "wait"),
            ("no", "act", "ask"),
            ("recovered", "act", "end"),
            ("go", "wait", "look"),
            ("so", "look", "act"),
            ("else", "look", "watch"),
            ("late", "look", "ask"),
            ("late", "watch", "sort"),
            ("so", "sort", "end"),
            ("late", "sort", "ask"),
            ("recovered", "look", "end"),
        )
    ),
)
"""One step of each sort; what a word of it says is told in full."""

ASKED = "ask (a person: beyond_us)"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("act", Outlook("the guards, about reboot", EPOCH + deferred_s(Verb.REBOOT), (Way(CLEARED, "end"),))),
        ("wait", Outlook("time to pass", EPOCH + 90.0, (Way("then", "look"),))),
        (
            "look",
            Outlook(
                "what is seen, in look",
                EPOCH + 600.0,
                (
                    Way(CLEARED, "end"),
                    Way("Something is so", "act (reboot)"),
                    Way("other", "watch"),
                    Way("none of it in time", ASKED),
                ),
            ),
        ),
        ("watch", Outlook("what is seen, in watch", EPOCH + NOMINAL_W, (Way("none of it in time", "sort"),))),
        ("end", Outlook("the next tick, at which it ends")),
        ("ask", Outlook("a person: beyond_us")),
    ],
)
def test_each_sort_of_step_in_its_own_words(state: str, told: Outlook) -> None:
    assert ahead(running(state), BENCH) == told
    by_model = state == "watch"
    assert ahead(running(state), BENCH, known=False).until == (None if by_model else told.until)


def test_what_is_judged_or_under_way_is_told_with_its_ways_and_its_time() -> None:
    reboot = Action(Verb.REBOOT, MINER)
    judged = Judged(
        incident=INCIDENT, run=RUN, state="act", action=reboot, gate="approval", verdict="defer", reason="cooldown"
    )
    until, cleared = EPOCH + deferred_s(Verb.REBOOT), Way(CLEARED, "end")
    assert ahead(running("act").tell(judged, EPOCH + 1), BENCH) == Outlook(
        "the guard approval, about reboot m1: cooldown",
        until,
        (Way("allowed", "it is done"), Way("put off until then", "a person has it"), cleared),
    )
    story = running("act").tell(msgspec.structs.replace(judged, reason="awaiting_approval"), EPOCH + 1)
    assert ahead(story, BENCH).waits_for == "the guard approval, about reboot m1: awaiting_approval", "nobody is asked"
    asked = ApprovalAsked(
        approval=ApprovalId("ap-000001"),
        incident=INCIDENT,
        run=RUN,
        state="act",
        action=reboot,
        evidence={},
        expires_at=EPOCH + 99,
    )
    ways = (
        Way("approved", "it is done, once every guard allows it"),
        Way("denied, or no answer in time", "a person has it"),
        Way(CLEARED, "it is not done"),
    )
    assert ahead(story.tell(asked, EPOCH + 1), BENCH).ways == ways
    elsewhere = story.tell(msgspec.structs.replace(judged, reason="cooldown"), EPOCH + 2)
    assert ahead(elsewhere, BENCH).answer is None, "it has been asked, and waits for something else"
    under_way = ahead(running("act").intended(Verb.REBOOT, EPOCH + 5.0, outlets=()), BENCH)
    assert under_way.ways == (), "nothing is known of a state of that name"


def test_outside_a_run_in_its_own_words() -> None:
    assert ahead(Story().opened(), BENCH) == Outlook("the next tick, at which its playbook begins")
    changed = "the next tick: its playbook is another than it began with"
    assert ahead(running("act"), None) == Outlook(changed, ways=(Way("then", "a person has it"),))


def test_what_each_state_waits_for() -> None:
    assert waits(BENCH) == {
        "act": "the guards, about reboot, unless this is so: Something is so",
        "wait": "time to pass, 1 min 30 s",
        "look": "one of these, for 10 min at most: Something is so; other",
        "watch": "the symptom to clear",
        "sort": "nothing: it goes by which of these is so now: Something is so",
    }
    plain = Playbook("p", Category.STUCK, "act", {"act": Act(Verb.REBOOT, "ok", "no")}, ())
    assert waits(plain) == {"act": "the guards, about reboot"}
    timed = Playbook(
        "p", Category.STUCK, "a", {"a": Check((), 60.0, "late"), "b": Check((Arm(a_thing, "x"),), as_told, "y")}, ()
    )
    assert waits(timed) == {"a": "the symptom to clear, for 1 min at most", "b": "one of these: Something is so"}
