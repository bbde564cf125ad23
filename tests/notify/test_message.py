"""The words: what each topic says, what it never says, and the commands that answer it."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.guard.storm import is_stormy
from agent.model.action import Action, Verb
from agent.model.events import (
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    Closed,
    HoldChanged,
    IncidentOpened,
    IncidentRelapsed,
    Judged,
    NoticeSettled,
    StormBegan,
    StormOver,
)
from agent.model.guard import GuardReason
from agent.model.ids import ApprovalId, ChannelId, IncidentId, MinerId
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.model.notice import Topic
from agent.notify.due import FLICKERS_S, due
from agent.notify.message import BODY_CHARS, TITLE_CHARS, Message, compose
from tests.factory import EPOCH
from tests.ledger.builder import INCIDENT, Story
from tests.notify.bench import APPRISE, HOOK, SECRET_PATH, escalation

OWN = IncidentOpened(
    incident=IncidentId("inc-000001"),
    category=Category.OTHER,
    cause=Reason.OWN_CLOCK,
    severity=Severity.MEDIUM,
    members=(),
    detected_at=EPOCH,
    evidence={"clock_moved_s": 3600.0},
    domain="host:agent",
)


def asked(number: int = 1, verb: Verb = Verb.POWER_OFF) -> ApprovalAsked:
    return ApprovalAsked(
        approval=ApprovalId(f"ap-{number:06d}"),
        incident=IncidentId("inc-000001"),
        run=None,
        state="power_off",
        action=Action(verb=verb, miner=MinerId("m1")),
        evidence={"draw_w": 12.0},
        expires_at=EPOCH + 1800.0,
    )


def told(*events: AnyEvent, story: Story | None = None) -> Story:
    """Return the story after these events, each with the notices that go with it."""
    story = story or Story()
    for event in events:
        notices = due([event], story.state, [HOOK, APPRISE], EPOCH)
        for one in (event, *notices):
            story.tell(one, EPOCH)
    return story


def message(story: Story, now: float = EPOCH + 60.0) -> Message:
    notices = list(story.state.notices.values())
    return compose("north", notices, story.state, now, lambda text: text.replace(SECRET_PATH, "[redacted]"))


def test_an_escalation_says_what_was_seen_and_tried_and_how_to_look() -> None:
    story = Story()
    opened, escalated = escalation(1)
    story = told(opened, story=story)
    story.intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    said = message(told(escalated, story=story))
    assert said.title == "[north] needs you: m1: stuck, unresponsive"
    for part in ("severity 3", "rack=r1", "Tried: power off, ok", "still stuck", "terrahash explain inc-000001"):
        assert part in said.body


def test_no_secret_no_login_and_no_log_is_told() -> None:
    said = message(told(*escalation(1)))
    everything = said.title + said.body + json.dumps(said.facts)
    for private in ("thief.1", "long", SECRET_PATH):
        assert private not in everything
    assert "[redacted]" in said.body


def test_an_approval_says_what_is_wanted_until_when_and_both_answers() -> None:
    story = told(*escalation(1)[:1], asked())
    said = message(story)
    assert said.title == "[north] may it? power off m1"
    for part in ("terrahash approve ap-000001", "terrahash deny ap-000001 --why", "draw_w=12", "08:30:00Z"):
        assert part in said.body, said.body
    given_by = ApprovalGiven(approval=ApprovalId("ap-000001"), incident=IncidentId("inc-000001"))
    late = message(story.tell(given_by, EPOCH + 10))
    assert "terrahash approve" not in late.body
    assert "waits for no answer" in late.body


def test_the_agents_own_trouble_says_what_it_does_and_what_to_do() -> None:
    said = message(told(OWN))
    assert said.title == "[north] the agent holds: own clock"
    for part in ("clock_moved_s=3600", "set the clock", "Everything waits", "the agent itself"):
        assert part in said.body, said.body


def test_an_outlet_that_stays_off_for_people_at_work_is_told_at_once_and_only_then() -> None:
    story = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    story.tell(HoldChanged(why="electrician"), EPOCH + 6)
    owed = story.state.incidents[INCIDENT]
    on = Action(verb=Verb.POWER_ON, miner=owed.members[0], outlets=tuple(story.state.duties))

    def waits(reason: GuardReason, action: Action = on) -> Judged:
        return Judged(
            incident=INCIDENT,
            run=None,
            state="duty",
            action=action,
            gate="g",
            verdict="defer",
            reason=reason,
            until=0.0,
        )

    off = msgspec.structs.replace(on, verb=Verb.POWER_OFF)
    assert due([waits(GuardReason.INRUSH), waits(GuardReason.HELD, off)], story.state, [HOOK], EPOCH) == []
    said = message(told(waits(GuardReason.HELD), story=story))
    assert said.title.startswith("[north] stays off for the sake of people at work: m1")
    for part in ("outlets_off=pdu-1/1", "electrician", "terrahash release", "terrahash explain inc-000001"):
        assert part in said.body
    story.intended(Verb.POWER_ON, EPOCH + 20).settled(Verb.POWER_ON, EPOCH + 22)
    assert "switched on again by now" in message(story).body


def test_a_storm_says_how_many() -> None:
    said = message(told(StormBegan(ill=200)))
    assert "200 miners" in said.title
    assert "terrahash status" in said.body
    assert told(StormOver()).state.notices == {}
    assert is_stormy(200, 480, 0.4)


def test_what_is_over_by_now_is_said_to_be() -> None:
    story = told(*escalation(1))
    story.tell(Closed(incident=IncidentId("inc-000001"), outcome=Outcome.HUMAN_RESOLVED), EPOCH + 30.0)
    assert "It is over by now" in message(story).body


def test_each_state_is_told_once() -> None:
    story = told(OWN)
    for well_s, numbers in ((60.0, ["no-000001"]), (FLICKERS_S, ["no-000001", "no-000002"])):
        story.tell(Closed(incident=OWN.incident, outcome=Outcome.SELF_RECOVERED), EPOCH)
        again = IncidentRelapsed(incident=OWN.incident, cause=OWN.cause, detected_at=EPOCH + well_s, evidence={})
        assert list(told(again, story=story).state.notices) == numbers
    for channel in (HOOK, APPRISE):
        settled = NoticeSettled(notices=tuple(story.state.notices), channel=channel.id, delivered=True, tries=1)
        story.tell(settled, EPOCH + 60.0)
    assert story.state.notices == {}
    story.tell(NoticeSettled(notices=(), channel=ChannelId("hook"), delivered=True, tries=1), EPOCH + 61.0)
    assert list(told(asked(), story=story).state.notices) == ["no-000003"]


def test_whoever_was_told_is_told_once_that_it_is_over_and_nobody_else() -> None:
    closed = Closed(incident=IncidentId("inc-000001"), outcome=Outcome.HUMAN_RESOLVED)
    untold = told(escalation(1)[0], closed)
    assert untold.state.notices == {}, "nobody had heard of it"
    story = told(*escalation(1), closed)
    assert [n.topic for n in story.state.notices.values()] == [Topic.ESCALATION, Topic.OVER]
    said = message(story)
    assert said.title == "[north] over: m1: stuck, unresponsive", (
        "what is over asks for nobody, however late it goes out"
    )
    for part in ("human resolved", "Needed: nothing", "terrahash explain inc-000001"):
        assert part in said.body
    assert len(said.facts["notices"]) == 1
    assert story.state.told_of == {}
    again = IncidentRelapsed(
        incident=IncidentId("inc-000001"), cause=Reason.UNRESPONSIVE, detected_at=EPOCH, evidence={}
    )
    assert len(told(again, closed, story=story).state.notices) == 2, "it came back and went, and nobody was asked"
    left = msgspec.structs.replace(closed, leaves="find_what_made_it_hot")
    assert "find what made it hot" in message(told(*escalation(1), left)).body


def test_what_a_person_allowed_is_told_to_be_over_and_a_storm_too() -> None:
    closed = Closed(incident=IncidentId("inc-000001"), outcome=Outcome.ASSISTED)
    story = told(*escalation(1)[:1], asked(), closed)
    assert "It is over: assisted" in message(story).body
    storm = told(StormBegan(ill=200), StormOver())
    assert [n.topic for n in storm.state.notices.values()] == [Topic.STORM, Topic.OVER]
    assert "2 notices" in message(storm).title


def test_the_agents_own_trouble_is_over_when_it_has_not_come_back_for_a_while() -> None:
    story = told(OWN, Closed(incident=OWN.incident, outcome=Outcome.SELF_RECOVERED))
    assert due([], story.state, [HOOK], EPOCH + FLICKERS_S - 1.0) == []
    (over,) = due([], story.state, [HOOK], EPOCH + FLICKERS_S)
    assert (over.topic, over.incident) == (Topic.OVER, OWN.incident)
    assert due([], story.tell(over, EPOCH + FLICKERS_S).state, [HOOK], EPOCH + 2 * FLICKERS_S) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.text(max_size=400))
def test_whatever_the_evidence_a_message_is_printable_and_of_a_bounded_length(number: int, text: str) -> None:
    story = Story()
    for k in range(1, number + 1):
        opened, escalated = escalation(k)
        escalated.evidence["note"] = text
        story = told(opened, escalated, story=story)
    said = message(story)
    assert len(said.title) <= TITLE_CHARS
    assert len(said.body) <= BODY_CHARS
    assert (said.title + said.body.replace("\n", "")).isprintable()
    assert said.id == "no-000001"
