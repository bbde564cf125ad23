"""Reconcile at its edges; what it does along a playbook is in tests/playbooks."""

from dataclasses import replace

import pytest

from agent.model.action import Action, Result, Verb
from agent.model.events import Closed, Escalated, IncidentRelapsed
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Outcome, Phase, Reason
from agent.model.playbook import Act, Situation
from agent.model.site_view import SiteView
from agent.model.topology import Outlet
from agent.remediate import duty
from agent.remediate.machine import Table
from agent.remediate.reconcile import (
    DEFERRED_S,
    FLASH_DEFERRED_S,
    INTERRUPTED,
    MOST_RESUMES,
    RECHECK_S,
    Begin,
    Close,
    HandOver,
    Hold,
    Move,
    Perform,
    action_of,
    outcome,
    reconcile,
    taken_up,
)
from playbooks.firmware_crash import PLAYBOOK as FIRMWARE_CRASH
from playbooks.hot_miner import PLAYBOOK as HOT_MINER
from playbooks.stuck_miner import GATHER_S, HOLD_S
from tests.bench import TABLES
from tests.factory import EPOCH, PDU, miner, put_outlets, put_ports, site
from tests.ledger.builder import INCIDENT, Story

TABLE = next(iter(TABLES))


def situation(story: Story, now: float, *, recovered: bool = False) -> Situation:
    view = SiteView(site(2))
    incident = story.state.incidents[INCIDENT]
    assert incident.run is not None
    return Situation(now, incident, incident.run, view.site.miners[0], view.row(view.site.miners[0].id), recovered)


def instead(step: Act) -> Table:
    """The table with another step in place of the restart."""
    return Table(replace(TABLE.playbook, steps={**TABLE.playbook.steps, "restart": step}))


def story(state: str = "restart") -> Story:
    return Story().opened().running(state, fingerprint=TABLE.fingerprint)


def test_an_action_is_wanted_until_the_guards_have_put_it_off_for_an_hour() -> None:
    decision = reconcile(situation(story(), EPOCH + DEFERRED_S - 1.0), TABLE)
    assert isinstance(decision, Perform)
    assert decision.action.verb is Verb.RESTART
    assert reconcile(situation(story(), EPOCH + DEFERRED_S), TABLE) == HandOver("deferred_too_long")


def test_while_a_person_may_answer_it_is_not_put_off_too_long() -> None:
    waiting = situation(story(), EPOCH + 9.0 * DEFERRED_S)
    assert isinstance(reconcile(waiting, TABLE, answer_by=EPOCH + 12.0 * DEFERRED_S), Perform)
    expired = reconcile(waiting, TABLE, answer_by=EPOCH + 8.5 * DEFERRED_S)
    assert isinstance(expired, Perform), "the guard says why it is refused"
    assert reconcile(waiting, TABLE, answer_by=EPOCH + 8.0 * DEFERRED_S) == HandOver("deferred_too_long")


def test_a_flash_may_be_put_off_for_longer() -> None:
    table = Table(FIRMWARE_CRASH)
    waiting = Story().opened().running("flash", fingerprint=table.fingerprint)
    assert reconcile(situation(waiting, EPOCH + DEFERRED_S), table) != HandOver("deferred_too_long")
    assert reconcile(situation(waiting, EPOCH + FLASH_DEFERRED_S), table) == HandOver("deferred_too_long")


def test_what_makes_an_act_needless_holds_it_up() -> None:
    table = instead(Act(Verb.RESTART, "accepted", "failed", unless=lambda _: True))
    assert reconcile(situation(story(), EPOCH + 9.0), table) == Hold(EPOCH + 9.0 + RECHECK_S)


def test_a_wait_lasts_its_time_and_a_check_takes_its_first_arm_or_its_otherwise() -> None:
    assert reconcile(situation(story("hold"), EPOCH + HOLD_S - 1.0), TABLE) == Hold(EPOCH + HOLD_S)
    assert reconcile(situation(story("hold"), EPOCH + HOLD_S), TABLE) == Move("held", "gather")
    assert reconcile(situation(story("gather"), EPOCH + GATHER_S - 1.0), TABLE) == Hold(EPOCH + GATHER_S)
    assert reconcile(situation(story("gather"), EPOCH + GATHER_S), TABLE) == Move("unread", "judge")
    read = situation(story("gather"), EPOCH + 2.0)
    put_outlets(read.row.view, EPOCH + 1.0)
    put_ports(read.row.view, EPOCH + 1.0, 0)
    assert reconcile(read, TABLE) == Move("gathered", "judge")


def test_a_run_ends_as_its_end_says_and_sooner_where_its_symptom_is_gone() -> None:
    assert reconcile(situation(story("ask_undecided"), EPOCH + 1.0), TABLE) == HandOver("evidence_missing")
    gone = situation(story("gather"), EPOCH + 1.0, recovered=True)
    assert reconcile(gone, TABLE) == Move("recovered", "resolved")
    assert isinstance(reconcile(situation(story("dwell"), EPOCH + 1.0, recovered=True), TABLE), Hold), "no row for it"


def test_a_run_under_which_the_agent_broke_off_four_times_is_a_persons() -> None:
    seen = situation(story(), EPOCH + 1.0)
    for resumes, is_over in ((MOST_RESUMES, False), (MOST_RESUMES + 1, True)):
        run = replace(seen.run, resumes=resumes)
        assert (reconcile(replace(seen, run=run), TABLE) == HandOver("resumed_too_often")) is is_over


def test_power_verbs_name_every_outlet_and_no_other_does() -> None:
    corded = miner(3, outlets=(3, 9))
    assert action_of(Verb.POWER_OFF, corded) == Action(Verb.POWER_OFF, corded.id, corded.outlets)
    assert action_of(Verb.RESTART, corded) == Action(Verb.RESTART, corded.id)


def test_after_a_window_a_run_begins_anew_unless_it_looks_what_its_deed_did() -> None:
    def after(told: Story, running: Table | None = TABLE) -> Begin | Move:
        return taken_up(told.state.incidents[INCIDENT], TABLE, running)

    def acted(to_state: str) -> Story:
        return story().intended(Verb.RESTART, EPOCH).settled(Verb.RESTART, EPOCH + 1.0, to_state=to_state)

    assert after(story("judge")) == Begin(TABLE), "nothing was done"
    assert after(acted("after_restart")) == Move(INTERRUPTED, "after_restart")
    assert after(acted("dwell")) == Move(INTERRUPTED, "dwell")
    assert after(acted("reboot")) == Begin(TABLE), "it would act on what it saw before"
    assert after(acted("after_restart"), None) == Begin(TABLE), "its playbook has changed"
    assert after(acted("x").running("judge", EPOCH + 5.0, TABLE.fingerprint)) == Begin(TABLE), "a run before it did"


def test_nothing_is_decided_while_an_action_is_in_flight() -> None:
    flying = story().intended(Verb.RESTART, EPOCH + 1.0)
    assert isinstance(reconcile(situation(flying, EPOCH + 9e4), TABLE), Hold)


def test_a_run_never_goes_on_under_another_table() -> None:
    other = Story().opened().running("restart", fingerprint="another")
    assert reconcile(situation(other, EPOCH + 1.0), TABLES.running(other.state.incidents[INCIDENT])) == HandOver(
        "playbook_changed"
    )


def test_an_escalated_incident_ends_when_its_symptom_does() -> None:
    asked = story().tell(Escalated(incident=INCIDENT, reason="x", tried=(), evidence={}), EPOCH + 1.0)
    assert isinstance(reconcile(situation(asked, EPOCH + 2.0), TABLE), Hold)
    assert reconcile(situation(asked, EPOCH + 2.0, recovered=True), TABLE) == Close(Outcome.HUMAN_RESOLVED)


def test_what_a_run_leaves_to_a_person_is_no_escalation_and_is_forgotten_when_it_relapses() -> None:
    hot = Table(HOT_MINER)
    told = Story().opened().running("resolved_derated", fingerprint=hot.fingerprint)
    told.intended(Verb.DERATE, EPOCH).settled(Verb.DERATE, EPOCH + 1.0, to_state="resolved_derated")
    close = reconcile(situation(told, EPOCH + 2.0, recovered=True), hot)
    assert close == Close(Outcome.AUTO_RESOLVED, "clean_or_mend_fan")
    told.tell(Closed(incident=INCIDENT, outcome=close.outcome, leaves=close.leaves), EPOCH + 3.0)
    incident = told.state.incidents[INCIDENT]
    assert (incident.outcome, incident.leaves, incident.escalated_at) == (
        Outcome.AUTO_RESOLVED,
        "clean_or_mend_fan",
        None,
    )
    again = IncidentRelapsed(incident=INCIDENT, cause=Reason.OVERHEATED, detected_at=EPOCH + 9.0, evidence={})
    told.tell(again, EPOCH + 9.0)
    assert told.state.incidents[INCIDENT].leaves == ""


@pytest.mark.parametrize(
    ("result", "ended"),
    [
        (Result.OK, Outcome.AUTO_RESOLVED),
        (Result.UNKNOWN, Outcome.AUTO_RESOLVED),
        (Result.FAILED, Outcome.SELF_RECOVERED),
    ],
)
def test_only_what_may_have_happened_can_have_fixed_it(result: Result, ended: Outcome) -> None:
    told = story().intended(Verb.RESTART, EPOCH).settled(Verb.RESTART, EPOCH + 1.0, result)
    assert outcome(told.state.incidents[INCIDENT]) is ended


def test_a_duty_is_retried_ever_more_slowly_and_never_given_up() -> None:
    told = story("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH)
    told.tell(Escalated(incident=INCIDENT, reason="pdu_failed", tried=(), evidence={}), EPOCH)
    now, waits = EPOCH, []
    for _ in range(8):
        since = now
        while not duty.owed(told.state, now):
            now += 1.0
        waits.append(now - since)
        told.intended(Verb.POWER_ON, now).settled(Verb.POWER_ON, now, Result.FAILED)
    assert waits == [0.0, 60.0, 120.0, 240.0, 480.0, 960.0, 960.0, 960.0]
    assert told.state.incidents[INCIDENT].phase is Phase.ESCALATED
    told.intended(Verb.POWER_ON, now).settled(Verb.POWER_ON, now, Result.OK)
    assert duty.owed(told.state, now + 1e6) == []


def test_each_incident_owes_its_own_outlets_on_its_own_miner() -> None:
    second = IncidentId("inc-000002")
    told = story("power_off").intended(Verb.POWER_OFF, EPOCH, outlets=(9, 1)).settled(Verb.POWER_OFF, EPOCH)
    told.opened(incident=second, miner=MinerId("m2"))
    told.intended(Verb.POWER_OFF, EPOCH, outlets=(2,), incident=second)
    told.settled(Verb.POWER_OFF, EPOCH, outlets=(2,), incident=second)
    told.tell(Escalated(incident=second, reason="pdu_failed", tried=(), evidence={}), EPOCH)
    ((incident, action),) = duty.owed(told.state, EPOCH + 1.0)
    assert incident.id == second, "the first one's run goes on"
    assert action == Action(Verb.POWER_ON, MinerId("m2"), (Outlet(PDU, 2),))
    told.tell(Escalated(incident=INCIDENT, reason="pdu_failed", tried=(), evidence={}), EPOCH)
    first, _ = duty.owed(told.state, EPOCH + 1.0)
    assert first[1] == Action(Verb.POWER_ON, MinerId("m1"), (Outlet(PDU, 1), Outlet(PDU, 9)))


def test_a_run_that_is_still_going_pays_its_own_debt() -> None:
    told = story("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH)
    assert duty.owed(told.state, EPOCH + 1e6) == []


def relapsed(outcome: Outcome, *, escalated: bool) -> Story:
    told = story()
    if escalated:
        told.tell(Escalated(incident=INCIDENT, reason="x", tried=(), evidence={}), EPOCH + 1.0)
    told.tell(Closed(incident=INCIDENT, outcome=outcome), EPOCH + 10.0)
    again = IncidentRelapsed(incident=INCIDENT, cause=Reason.UNRESPONSIVE, detected_at=EPOCH + 20.0, evidence={})
    return told.tell(again, EPOCH + 20.0)


def test_what_a_person_mended_and_the_agent_mended_again_was_both_of_them() -> None:
    again = relapsed(Outcome.HUMAN_RESOLVED, escalated=True)
    assert outcome(again.state.incidents[INCIDENT]) is Outcome.HUMAN_RESOLVED, "nothing was done this time"
    again.intended(Verb.RESTART, EPOCH + 30.0).settled(Verb.RESTART, EPOCH + 31.0)
    assert outcome(again.state.incidents[INCIDENT]) is Outcome.ASSISTED
    again.tell(Escalated(incident=INCIDENT, reason="x", tried=(), evidence={}), EPOCH + 40.0)
    assert outcome(again.state.incidents[INCIDENT]) is Outcome.HUMAN_RESOLVED


def test_what_the_agent_mended_twice_is_its_own() -> None:
    again = relapsed(Outcome.AUTO_RESOLVED, escalated=False)
    again.intended(Verb.RESTART, EPOCH + 30.0).settled(Verb.RESTART, EPOCH + 31.0)
    assert outcome(again.state.incidents[INCIDENT]) is Outcome.AUTO_RESOLVED


@pytest.mark.parametrize(
    ("verb", "result", "after_s", "asked_again", "ended"),
    [
        (Verb.RESTART, Result.OK, 5.0, False, Outcome.ASSISTED),
        (Verb.RESTART, Result.UNKNOWN, 0.0, False, Outcome.ASSISTED),
        (Verb.RESTART, Result.FAILED, 5.0, False, Outcome.HUMAN_RESOLVED),
        (Verb.RESTART, Result.OK, -5.0, False, Outcome.HUMAN_RESOLVED),
        (Verb.COLLECT_LOGS, Result.OK, 5.0, False, Outcome.HUMAN_RESOLVED),
        (Verb.RESTART, Result.OK, 5.0, True, Outcome.HUMAN_RESOLVED),
    ],
)
def test_who_only_gave_his_word_had_help_of_the_agent(
    verb: Verb, result: Result, after_s: float, asked_again: bool, ended: Outcome
) -> None:
    answered_at = EPOCH + 60.0
    told = story().intended(verb, answered_at + after_s).settled(verb, answered_at + after_s, result)
    told.tell(Escalated(incident=INCIDENT, reason="image_frozen", tried=(), evidence={}), EPOCH + 1.0)
    incident = replace(told.state.incidents[INCIDENT], answered_at=answered_at)
    if asked_again:
        incident = replace(incident, escalated_at=answered_at + 30.0)
    assert outcome(incident) is ended
