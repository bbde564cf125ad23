"""The fold: what a sequence of events means."""

from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.events import (
    AgentStarted,
    AgentStopped,
    AnyEvent,
    Closed,
    Escalated,
    ImageReleased,
    IncidentRelapsed,
    Intended,
    Judged,
    Mitigated,
    Moved,
    NoticeDue,
    NoticeSettled,
    RunStarted,
    Settled,
    WindowEnded,
)
from agent.model.ids import ChannelId, ImageId, IncidentId, MinerId, NoticeId, RunId, WindowId
from agent.model.incident import Category, Outcome, Phase, Reason
from agent.model.notice import Topic
from agent.model.topology import Outlet
from agent.model.windows import EndReason
from tests.factory import EPOCH, PDU
from tests.ledger.builder import INCIDENT, MINER, RUN, Story
from tests.ledger.examples import LIFE

OUTLET = Outlet(PDU, 1)
STARTED = next(event for event in LIFE if isinstance(event, AgentStarted))


def test_timestamps_of_a_resolved_incident() -> None:
    story = Story().opened(EPOCH).running("hold", EPOCH + 2)
    story.intended(Verb.RESTART, EPOCH + 70).settled(Verb.RESTART, EPOCH + 71)
    story.tell(Mitigated(incident=INCIDENT), EPOCH + 300).tell(
        Closed(incident=INCIDENT, outcome=Outcome.AUTO_RESOLVED), EPOCH + 600
    )
    incident = story.state.incidents[INCIDENT]
    assert incident.detected_at == incident.alerted_at == EPOCH
    assert incident.remediation_started_at == EPOCH + 70
    assert (incident.mitigated_at, incident.resolved_at) == (EPOCH + 300, EPOCH + 600)
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert story.state.open_incidents == []


def test_an_intent_flies_until_it_settles() -> None:
    story = Story().opened().running("restart").intended(Verb.RESTART, EPOCH + 5)
    incident = story.state.incidents[INCIDENT]
    assert incident.in_flight is not None
    assert INCIDENT in story.state.flying
    story.settled(Verb.RESTART, EPOCH + 6, Result.FAILED, to_state="reboot")
    incident = story.state.incidents[INCIDENT]
    assert incident.in_flight is None
    assert incident.attempts[0].result is Result.FAILED
    assert incident.run is not None
    assert incident.run.path == ("restart", "reboot")
    assert story.state.flying == {}


def test_a_power_off_is_a_duty_from_its_intent_until_a_switch_on_is_verified() -> None:
    story = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH)
    assert story.state.duties == {OUTLET: INCIDENT}
    story.settled(Verb.POWER_OFF, EPOCH + 5, Result.FAILED)
    assert story.state.duties == {OUTLET: INCIDENT}, "an error does not prove that the relay stayed"
    story.intended(Verb.POWER_ON, EPOCH + 40).settled(Verb.POWER_ON, EPOCH + 45, Result.UNKNOWN)
    assert story.state.duties == {OUTLET: INCIDENT}
    story.intended(Verb.POWER_ON, EPOCH + 100).settled(Verb.POWER_ON, EPOCH + 102)
    assert story.state.duties == {}
    assert story.state.switched_on[OUTLET] == EPOCH + 102


def test_power_offs_are_counted_for_a_day() -> None:
    story = Story().opened().running("power_off")
    for hour in (0, 1, 30):
        story.intended(Verb.POWER_OFF, EPOCH + hour * 3600).settled(Verb.POWER_OFF, EPOCH + hour * 3600 + 5)
    assert story.state.power_offs[MINER] == (EPOCH + 30 * 3600 + 5,)


def test_a_power_off_counts_from_its_outcome_which_is_never_before_the_relay_moved() -> None:
    story = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH)
    assert story.state.power_offs[MINER] == (EPOCH,)
    story.settled(Verb.POWER_OFF, EPOCH + 25, Result.UNKNOWN)
    assert story.state.power_offs[MINER] == (EPOCH + 25,)


def test_a_relapse_reopens_the_same_incident_and_takes_its_resolution_back() -> None:
    story = Story().opened().running("hold").tell(Closed(incident=INCIDENT, outcome=Outcome.AUTO_RESOLVED), EPOCH + 500)
    story.tell(
        IncidentRelapsed(incident=INCIDENT, cause=Reason.NOT_HASHING, detected_at=EPOCH + 900, evidence={}), EPOCH + 900
    )
    incident = story.state.incidents[INCIDENT]
    assert incident.phase is Phase.OPEN
    assert incident.resolved_at is None
    assert incident.relapses == 1
    assert incident.run is None
    assert story.state.next_run(incident) == "inc-000001/run-2"
    assert [i.id for i in story.state.open_incidents] == [INCIDENT]
    assert story.state.latest(Category.STUCK, MINER) == incident


def test_a_move_and_an_escalation() -> None:
    story = Story().opened().running("hold", EPOCH)
    story.tell(Moved(incident=INCIDENT, run=RUN, trigger="held", from_state="hold", to_state="gather"), EPOCH + 60)
    story.tell(Escalated(incident=INCIDENT, reason="no_power_draw", tried=(), evidence={}), EPOCH + 90)
    incident = story.state.incidents[INCIDENT]
    assert incident.run is not None
    assert (incident.run.state, incident.run.entered_at) == ("gather", EPOCH + 60)
    assert (incident.phase, incident.escalated_at) == (Phase.ESCALATED, EPOCH + 90)
    assert incident.is_open


@given(st.lists(st.sampled_from([Verb.POWER_OFF, Verb.POWER_ON]), max_size=12), st.data())
def test_a_duty_never_disappears_without_a_verified_switch_on(verbs: list[Verb], data: st.DataObject) -> None:
    story = Story().opened().running("power_off")
    owed = False
    for number, verb in enumerate(verbs):
        result = data.draw(st.sampled_from(list(Result)))
        story.intended(verb, EPOCH + number).settled(verb, EPOCH + number + 0.5, result)
        owed = True if verb is Verb.POWER_OFF else owed and result is not Result.OK
        assert bool(story.state.duties) == owed


def test_a_run_that_is_taken_up_again_has_the_whole_time_of_its_state() -> None:
    story = Story()
    story.tell(STARTED, EPOCH).opened(EPOCH + 5).running("after_power", EPOCH + 10).tell(STARTED, EPOCH + 500)
    run = story.state.incidents[INCIDENT].run
    assert run is not None
    assert (run.entered_at, run.resumes) == (EPOCH + 500, 1)
    story.tell(AgentStopped(reason="SIGTERM"), EPOCH + 600).tell(STARTED, EPOCH + 700)
    run = story.state.incidents[INCIDENT].run
    assert run is not None
    assert (run.entered_at, run.resumes) == (EPOCH + 700, 1), "a stop in order is no crash"


@given(st.integers(min_value=0, max_value=6))
def test_folding_in_two_parts_gives_the_same_memory(cut: int) -> None:
    story = Story().opened().running("restart").intended(Verb.RESTART, EPOCH + 1).settled(Verb.RESTART, EPOCH + 2)
    story.intended(Verb.POWER_OFF, EPOCH + 3).settled(Verb.POWER_OFF, EPOCH + 4)
    state = State()
    for record in story.records[:cut]:
        state.apply(record)
    for record in story.records[cut:]:
        state.apply(record)
    assert state.incidents == story.state.incidents
    assert state.duties == story.state.duties


# -- flashes -----------------------------------------------------------------------------------------------------------

IMAGE = ImageId("f" * 64)
OTHER, OTHERS_MINER = IncidentId("inc-000002"), MinerId("m2")


def flashed(story: Story, incident: IncidentId, at: float) -> Story:
    """Have an incident's miner flashed with the image, and the image's version seen on it."""
    run, miner = RunId(f"{incident}/run-1"), story.state.incidents[incident].members[0]
    started = RunStarted(incident=incident, run=run, playbook="firmware_crash", fingerprint="f", state="flash")
    story.tell(started, at)
    for verb in (Verb.FLASH, Verb.VERIFY_FIRMWARE):
        action = Action(verb=verb, miner=miner, image=IMAGE)
        story.tell(Intended(incident=incident, run=run, state=verb, attempt=1, action=action), at)
        story.tell(
            Settled(
                incident=incident,
                run=run,
                attempt=1,
                action=action,
                result=Result.OK,
                detail="",
                from_state=verb,
                to_state=verb,
                trigger="t",
            ),
            at,
        )
    return story


def escalated(incident: IncidentId, reason: str = "flash_unproven") -> AnyEvent:
    return Escalated(incident=incident, reason=reason, tried=(), evidence={})


def closed(incident: IncidentId) -> AnyEvent:
    return Closed(incident=incident, outcome=Outcome.AUTO_RESOLVED)


def two() -> Story:
    """Two miners flashed with one image; the second one's run is still watched."""
    story = Story().opened(EPOCH).opened(EPOCH, OTHER, OTHERS_MINER)
    return flashed(flashed(story, INCIDENT, EPOCH + 1.0), OTHER, EPOCH + 2.0)


def test_an_image_that_is_frozen_by_one_miner_is_not_proven_by_another() -> None:
    story = two().tell(escalated(INCIDENT), EPOCH + 3.0)
    assert story.state.frozen[IMAGE].miner == MINER
    story.tell(closed(OTHER), EPOCH + 4.0)
    assert OTHERS_MINER not in story.state.flashes
    assert story.state.proven == {}
    assert two().tell(closed(OTHER), EPOCH + 4.0).state.proven == {IMAGE: {OTHERS_MINER: EPOCH + 4.0}}


def test_a_release_ends_what_waits_for_a_person_and_not_a_proof_that_is_under_way() -> None:
    waiting = IncidentId("inc-000003")
    story = two().opened(EPOCH + 2.5, waiting, MinerId("m3")).tell(escalated(INCIDENT), EPOCH + 3.0)
    story.tell(RunStarted(incident=waiting, run=RunId("r"), playbook="p", fingerprint="f", state="s"), EPOCH + 3.0)
    flash = Action(verb=Verb.FLASH, miner=MinerId("m3"), image=IMAGE)
    refused = Judged(
        incident=waiting, run=None, state="flash", action=flash, gate="flash", verdict="refuse", reason="image_frozen"
    )
    story.tell(refused, EPOCH + 4.0).tell(escalated(waiting, "image_frozen"), EPOCH + 4.0)
    story.tell(ImageReleased(image=IMAGE), EPOCH + 5.0)
    assert (story.state.frozen, set(story.state.flashes)) == ({}, {OTHERS_MINER})
    taken_up = story.state.incidents[waiting]
    assert (taken_up.phase, taken_up.run, taken_up.answered_at) == (Phase.OPEN, None, EPOCH + 5.0)
    assert story.state.incidents[INCIDENT].phase is Phase.ESCALATED, "its board is a person's all the same"
    story.tell(closed(OTHER), EPOCH + 6.0)
    assert story.state.proven == {IMAGE: {OTHERS_MINER: EPOCH + 6.0}}


# -- notices and windows -----------------------------------------------------------------------------------------------


def due(number: str, topic: Topic) -> NoticeDue:
    return NoticeDue(notice=NoticeId(number), topic=topic, channels=(ChannelId("a"), ChannelId("b")), incident=INCIDENT)


def taken(number: str, channel: str) -> NoticeSettled:
    return NoticeSettled(notices=(NoticeId(number),), channel=ChannelId(channel), delivered=True, tries=1)


def test_people_are_owed_word_of_the_end_until_they_were_told_it_and_each_channel_its_own() -> None:
    story = Story().opened(EPOCH).tell(due("n-1", Topic.ESCALATION), EPOCH)
    assert list(story.state.told_of) == [INCIDENT]
    story.tell(taken("n-1", "a"), EPOCH + 1.0)
    assert story.state.notices[NoticeId("n-1")].waiting == ("b",)
    story.tell(taken("n-1", "b"), EPOCH + 2.0).tell(taken("n-1", "b"), EPOCH + 2.0)
    assert story.state.notices == {}, "sent once more by who died in between, and settled once more"
    story.tell(due("n-2", Topic.OVER), EPOCH + 3.0)
    assert story.state.told_of == {}


def test_a_slice_of_a_ledger_may_end_a_window_that_began_before_it() -> None:
    story = Story().opened(EPOCH)
    story.tell(WindowEnded(window=WindowId("w-000001"), reason=EndReason.RESUMED), EPOCH + 1.0)
    assert (story.state.windows.open, story.state.windows.past) == ({}, [])
