"""The agent suspects itself: what fires, what blinks, what explains what, and the one incident that comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.detect.itself import CLEAR_S, HOLD_S, SelfDetector, SelfThresholds
from agent.guard.order import judge
from agent.model.action import Verb
from agent.model.events import AnyEvent, Closed, IncidentOpened, IncidentRelapsed, IncidentUpdated, Mitigated
from agent.model.guard import Defer, GuardReason
from agent.model.ids import IncidentId
from agent.model.incident import Outcome, Reason, Severity
from agent.model.itself import CAUSES, Itself, Part
from agent.model.telemetry import Reach
from agent.observe.itself import SETTLED_S, WallClock
from agent.triage.itself import suspect
from agent.triage.limits import TriageLimits
from tests.bench import Bench
from tests.factory import EPOCH, site
from tests.guard.test_gates import OTHER, request
from tests.ledger.builder import INCIDENT, Story

BAD = {Part.LEDGER: 5.0, Part.LOOP: 3.0, Part.CLOCK: 3600.0}
EVERY_S = 2.0


class Watch:
    """The agent judging itself every 2 s, and the ledger of it; site time in s."""

    def __init__(self, story: Story | None = None) -> None:
        self.itself = Itself()
        self.story = story or Story()
        self.detector = SelfDetector(SelfThresholds())
        self.now = 0.0

    def run(self, for_s: float, *bad: Part) -> list[AnyEvent]:
        """Let time pass with these parts bad and all others good; return what was recorded."""
        told: list[AnyEvent] = []
        until = self.now + for_s
        while self.now < until:
            self.now += EVERY_S
            at = EPOCH + self.now
            for part in Part:
                self.itself[part].put(BAD.get(part, 1.0) if part in bad else 0.0, at)
            events = suspect(self.story.state, self.detector.judge(self.itself, at), TriageLimits(), at)
            for event in events:
                self.story.tell(event, at)
            told += events
        return told


@pytest.mark.parametrize("part", Part)
def test_each_part_opens_one_incident_about_nobody_and_ends_it_by_itself(part: Part) -> None:
    watch = Watch()
    assert watch.run(600.0) == []
    (opened,) = watch.run(HOLD_S[part] + 2 * EVERY_S, part)
    assert isinstance(opened, IncidentOpened)
    assert (opened.cause, opened.members, opened.detected_at) == (CAUSES[part], (), EPOCH + 602.0)
    assert part.value in opened.evidence
    assert watch.run(3600.0, part) == []
    mitigated, closed = watch.run(CLEAR_S + 2 * EVERY_S)
    assert isinstance(mitigated, Mitigated)
    assert isinstance(closed, Closed)
    assert closed.outcome is Outcome.SELF_RECOVERED
    own = watch.story.state.own_incident
    assert own is not None
    assert own.is_own
    assert watch.story.state.open_incidents == []


@pytest.mark.parametrize("part", [part for part in Part if HOLD_S[part] > EVERY_S])
def test_what_blinks_is_nothing(part: Part) -> None:
    watch = Watch()
    for _ in range(100):
        assert watch.run(EVERY_S, part) == []
        assert watch.run(EVERY_S) == []


def test_what_was_never_measured_is_never_at_fault() -> None:
    detector = SelfDetector(SelfThresholds())
    assert [detector.judge(Itself(), EPOCH + at) for at in range(100)] == [None] * 100


def test_the_network_explains_the_nameservers_and_takes_over_their_incident() -> None:
    watch = Watch()
    (opened,) = watch.run(60.0, Part.DNS)
    (updated,) = watch.run(60.0, Part.DNS, Part.GATEWAY)
    assert isinstance(opened, IncidentOpened)
    assert isinstance(updated, IncidentUpdated)
    assert (opened.cause, updated.cause) == (Reason.OWN_DNS, Reason.OWN_NETWORK)
    assert (opened.severity, updated.severity) == (Severity.MEDIUM, Severity.HIGH)
    assert len(watch.story.state.incidents) == 1


def test_the_same_again_within_the_hour_is_a_relapse_and_later_a_new_one() -> None:
    watch = Watch()
    watch.run(60.0, Part.LINK)
    watch.run(120.0)
    assert isinstance(watch.run(60.0, Part.LINK)[0], IncidentRelapsed)
    watch.run(4000.0)
    assert isinstance(watch.run(60.0, Part.LINK)[0], IncidentOpened)
    assert len(watch.story.state.incidents) == 2


@pytest.mark.parametrize("part", Part)
def test_a_restart_in_the_middle_neither_forgets_nor_repeats_it(part: Part) -> None:
    before = Watch()
    before.run(60.0, part)
    own = before.story.state.own_incident
    assert own is not None
    after = Watch(before.story)
    after.now = before.now
    after.detector.restore(own.began, own.cause, EPOCH + after.now)
    assert after.run(30.0, part) == []
    assert isinstance(after.run(2 * CLEAR_S)[-1], Closed)


@given(
    st.lists(st.tuples(st.sampled_from([*Part, None]), st.floats(1.0, 300.0)), max_size=12),
)
def test_whatever_comes_there_is_one_at_a_time_and_none_when_all_is_well(
    spans: list[tuple[Part | None, float]],
) -> None:
    watch = Watch()
    for part, for_s in spans:
        watch.run(for_s, *([] if part is None else [part]))
        assert sum(i.is_open for i in watch.story.state.incidents.values()) <= 1
    watch.run(2 * CLEAR_S)
    assert watch.story.state.open_incidents == []
    assert [r.at for r in watch.story.records] == sorted(r.at for r in watch.story.records)


# -- what follows from it ----------------------------------------------------------------------------------------------


def _own(story: Story, at: float = EPOCH + 900.0) -> Story:
    return story.tell(
        IncidentOpened(
            incident=OTHER,
            category=story.state.incidents[INCIDENT].category,
            cause=Reason.OWN_DNS,
            severity=Severity.MEDIUM,
            members=(),
            detected_at=at,
            evidence={},
            domain="host:agent",
        ),
        at,
    )


def test_everything_waits_but_safety_and_what_is_owed() -> None:
    story = _own(Story().opened().running("power_off"))
    assert judge(request(Verb.REBOOT, story)) == ("itself", Defer(EPOCH + 1010.0, GuardReason.OWN_TROUBLE))
    hot = Story().opened()
    hot.tell(
        IncidentUpdated(incident=INCIDENT, cause=Reason.COOLING_LOST, severity=Severity.CRITICAL, evidence={}), EPOCH
    )
    assert judge(request(Verb.SLEEP, _own(hot)))[0] == "all"
    owed = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    assert judge(request(Verb.POWER_ON, _own(owed)))[0] == "all"


def test_a_run_goes_on_where_it_stood_when_the_trouble_began() -> None:
    story = _own(Story().opened().running("wait", EPOCH + 600.0), at=EPOCH + 700.0)
    story.tell(Closed(incident=OTHER, outcome=Outcome.SELF_RECOVERED), EPOCH + 4300.0)
    run = story.state.incidents[INCIDENT].run
    assert run is not None
    assert EPOCH + 4300.0 - run.entered_at == 100.0


def test_a_run_that_owes_a_switch_on_is_not_held() -> None:
    story = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    _own(story, at=EPOCH + 10.0).tell(Closed(incident=OTHER, outcome=Outcome.SELF_RECOVERED), EPOCH + 4300.0)
    run = story.state.incidents[INCIDENT].run
    assert run is not None
    assert run.entered_at == EPOCH + 5
    assert story.state.owes(INCIDENT)
    assert not story.state.owes(IncidentId("inc-000009"))


# -- the wall clock, and hearing nobody --------------------------------------------------------------------------------


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_a_clock_that_was_set_counts_until_it_is_put_right_or_has_run_on_evenly(by_s: float) -> None:
    clock = WallClock(0.3)
    assert clock.moved_s(0.3 + by_s, 10.0) == 3600.0
    assert clock.moved_s(0.3, 20.0) == 0.0
    assert clock.moved_s(0.3 + by_s, 30.0) == 3600.0
    assert clock.moved_s(0.3 + by_s, 29.0 + SETTLED_S) == 3600.0
    assert clock.moved_s(0.3 + by_s, 30.0 + SETTLED_S) == 0.0


def test_a_clock_that_is_trimmed_was_not_set() -> None:
    clock = WallClock(0.0)
    assert max(clock.moved_s(0.0005 * at, float(at)) for at in range(100_000)) == 0.0


def test_it_is_blind_while_its_network_is_out_and_nobody_answers() -> None:
    itself = Itself()
    itself[Part.LINK].put(0.0, 0.0)
    itself.hear(0.0, 0.0, 16.0)
    assert not itself.blind
    itself[Part.LINK].put(1.0, 10.0)
    itself.hear(9.0, 10.0, 16.0)
    assert itself.blind
    itself[Part.LINK].put(0.0, 20.0)
    itself.hear(9.0, 20.0, 16.0)
    assert itself.blind
    itself.hear(25.0, 37.0, 16.0)
    assert not itself.blind


def test_a_silent_router_blinds_nobody_whom_miners_answer() -> None:
    itself = Itself()
    itself[Part.GATEWAY].put(1.0, 10.0)
    itself.hear(10.5, 11.0, 16.0)
    assert not itself.blind


def test_who_hears_nobody_judges_nobody() -> None:
    bench = Bench(site(2))
    bench.view.itself.blind = True
    bench.world.reply = Reach.SILENT
    bench.run(900.0)
    assert bench.events == []
    bench.view.itself.blind = False
    bench.run(900.0)
    assert bench.incident.members == ("m1",)
