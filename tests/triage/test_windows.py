"""Announced windows: what they make of expected state and of incidents, excused time; selectors, orders, schedules."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.events import AnyEvent, Closed, IncidentOpened, WindowEnded, WindowSet
from agent.model.ids import IncidentId, MinerId, WindowId
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.model.scope import miners_in
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Telemetry
from agent.model.topology import FAMILY_TRAITS, Family
from agent.model.windows import EndReason, Purpose, Windows
from agent.triage.announced import ended_by
from agent.triage.expected import ExpectedState
from agent.triage.limits import TriageLimits
from agent.triage.orders import MOST_OPEN, Order, begin, end
from agent.triage.returning import ASK_S
from agent.triage.schedule import Schedule, Timetable
from tests.factory import EPOCH, NOMINAL_TH, healthy, miner, site
from tests.ledger.builder import INCIDENT, Story

HOUR_S = 3600.0
GRACE_S = FAMILY_TRAITS[Family.ANTMINER_STOCK].boot_grace_s
RESTORE_S = TriageLimits().restore_s
OF = site(4)


def window(
    miners: tuple[str, ...] = ("m1", "m2"),
    *,
    name: str = "w-000001",
    purpose: Purpose = Purpose.CURTAILED,
    share: float = 0.0,
    until: float = EPOCH + HOUR_S,
) -> WindowSet:
    return WindowSet(
        window=WindowId(name),
        purpose=purpose,
        scope=("miner:*",),
        miners=tuple(MinerId(m) for m in miners),
        share=share,
        until=until,
        why="",
    )


def ended(name: str = "w-000001") -> WindowEnded:
    return WindowEnded(window=WindowId(name), reason=EndReason.RESUMED)


class World:
    """Four miners that answer, and what was announced of them."""

    def __init__(self) -> None:
        self.view = SiteView(OF)
        self.story = Story()
        self.state = ExpectedState(self.view)
        for row in range(4):
            self.awake(row, EPOCH)

    def awake(self, row: int, at: float, rate_th: float = NOMINAL_TH) -> None:
        self.view.put_answer(row, at, healthy(9e4, rate_th=rate_th))

    def sleeps(self, row: int, at: float) -> None:
        self.view.put_answer(row, at, Telemetry(elapsed_s=9e4, hashrate_th=0.0, suspended=True))

    def look(self, now: float) -> list[Expected]:
        self.state.update(self.view, self.story.state, now)
        return [Expected(int(e)) for e in self.view.expected]


@pytest.fixture
def world() -> World:
    return World()


def test_what_was_announced_goes_before_what_is_seen(world: World) -> None:
    world.story.tell(window(), EPOCH)
    world.story.tell(window(("m3",), name="w-000002", purpose=Purpose.MAINTENANCE), EPOCH)
    world.story.tell(window(("m4",), name="w-000003", share=0.5), EPOCH)
    world.sleeps(0, EPOCH + 5.0)
    assert world.look(EPOCH + 10.0) == [
        Expected.CURTAILED,
        Expected.CURTAILED,
        Expected.MAINTENANCE,
        Expected.DERATED,
    ]
    assert world.view.target_th().tolist() == [NOMINAL_TH] * 3 + [NOMINAL_TH / 2.0]
    assert world.view.watched().tolist() == [False, False, False, True]
    assert world.view.asleep().tolist() == [True, True, True, False]
    assert world.view.may_be_hot().tolist() == [False, True, True, True], "who does not sleep may overheat all the same"


def test_maintenance_goes_before_a_curtailment(world: World) -> None:
    world.story.tell(window(("m1",)), EPOCH)
    world.story.tell(window(("m1",), name="w-000002", purpose=Purpose.MAINTENANCE), EPOCH)
    assert world.look(EPOCH + 1.0)[0] is Expected.MAINTENANCE
    world.story.tell(ended("w-000002"), EPOCH + 2.0)
    assert world.look(EPOCH + 3.0)[0] is Expected.CURTAILED


def test_who_comes_back_is_booting_until_it_is_well_or_had_its_time(world: World) -> None:
    world.story.tell(window(("m1", "m2", "m3")), EPOCH)
    for row in (0, 1, 2):
        world.sleeps(row, EPOCH + 5.0)
    world.look(EPOCH + 10.0)
    over = EPOCH + HOUR_S
    world.story.tell(ended(), over)
    assert world.look(over + 1.0)[:3] == [Expected.SUSPENDED] * 3, "they sleep on for a while: others wake them"
    world.awake(0, over + 60.0, rate_th=10.0)
    world.awake(1, over + 60.0)
    assert world.look(over + 60.0)[:3] == [Expected.BOOTING, Expected.RUNNING, Expected.SUSPENDED]
    assert world.view.excused.tolist() == [True, False, True, False]
    late = over + 60.0 + GRACE_S
    assert world.look(late - 1.0)[0] is Expected.BOOTING
    assert world.look(late)[0] is Expected.RUNNING, "awake for its family's time, and still slow: that is its own"
    last = over + 60.0 + RESTORE_S + GRACE_S
    assert world.look(last - 1.0)[2] is Expected.SUSPENDED
    assert world.view.excused[2]
    assert world.look(last)[2] is Expected.SUSPENDED
    assert not world.view.excused[2], "if many sleep on with it, that is nobody's announced doing"
    assert world.view.asleep_since[2] == last
    assert world.look(last + ASK_S - 1.0)[2] is Expected.SUSPENDED
    assert world.look(last + ASK_S)[2] is Expected.RUNNING, "nobody has woken it, or it does not wake"
    assert world.look(last + ASK_S + 1.0)[2] is Expected.RUNNING
    assert not world.view.excused.any()


def test_who_sleeps_on_is_still_to_come_while_others_of_the_window_go_on_waking(world: World) -> None:
    """Batch by batch the last of 2,000 miners are woken twenty minutes after the first: they had been called stuck."""
    world.story.tell(window(("m1", "m2", "m3")), EPOCH)
    for row in range(4):
        world.sleeps(row, EPOCH + 5.0)
    world.look(EPOCH + 10.0)
    over = EPOCH + HOUR_S
    world.story.tell(ended(), over)
    world.look(over)
    for row, woken in ((0, over + 500.0), (1, over + 1000.0)):
        world.awake(row, woken)
        assert world.look(woken)[row] is Expected.RUNNING
    last = over + 1000.0 + RESTORE_S + GRACE_S
    world.awake(3, last - 60.0)
    assert world.look(last - 1.0)[2] is Expected.SUSPENDED, "the fourth was of no window: its waking says nothing"
    world.look(last)
    assert world.look(last + ASK_S)[2] is Expected.RUNNING


def test_a_restart_of_the_agent_changes_nothing_about_who_comes_back(world: World) -> None:
    world.story.tell(window(("m1",)), EPOCH).tell(ended(), EPOCH + HOUR_S)
    world.awake(0, EPOCH + HOUR_S, rate_th=10.0)
    world.look(EPOCH + HOUR_S + 1.0)
    world.state = ExpectedState(world.view)
    assert world.look(EPOCH + HOUR_S + RESTORE_S)[0] is Expected.BOOTING
    assert world.look(EPOCH + HOUR_S + RESTORE_S + GRACE_S)[0] is Expected.RUNNING


def test_who_wakes_from_a_sleep_that_nobody_announced_gets_its_familys_time(world: World) -> None:
    world.sleeps(0, EPOCH)
    assert world.look(EPOCH + 1.0)[0] is Expected.SUSPENDED
    world.awake(0, EPOCH + 600.0, rate_th=1.0)
    assert world.look(EPOCH + 600.0)[0] is Expected.BOOTING
    assert world.look(EPOCH + 600.0 + GRACE_S)[0] is Expected.RUNNING


def test_who_sleeps_when_people_have_worked_on_it_was_told_by_somebody_else(world: World) -> None:
    """From the soak: a loop was curtailed in the last seconds of a rack's maintenance, and four were restarted."""
    world.story.tell(window(("m1", "m2"), purpose=Purpose.MAINTENANCE), EPOCH)
    over = EPOCH + HOUR_S
    world.sleeps(0, over - 9.0)
    world.look(over - 5.0)
    assert world.view.excused.tolist() == [True, True, False, False]
    world.story.tell(ended(), over)
    world.awake(1, over + 5.0, rate_th=10.0)
    assert world.look(over + 10.0)[:2] == [Expected.SUSPENDED, Expected.BOOTING]
    assert world.view.excused.tolist() == [False, True, False, False], "what it shows is nobody's announced doing"
    assert world.look(over + RESTORE_S + GRACE_S + 60.0)[0] is Expected.SUSPENDED, "it is asked about, not called stuck"


def test_who_was_curtailed_and_worked_on_is_still_to_be_woken(world: World) -> None:
    world.story.tell(window(("m1",)), EPOCH)
    world.sleeps(0, EPOCH + 5.0)
    world.story.tell(window(("m1",), name="w-000002", purpose=Purpose.MAINTENANCE), EPOCH + 60.0)
    over = EPOCH + HOUR_S
    world.story.tell(ended(), over)
    world.look(over + 1.0)
    world.story.tell(ended("w-000002"), over + 60.0)
    assert world.look(over + 61.0)[0] is Expected.SUSPENDED
    assert world.view.excused[0]
    world.look(over + 60.0 + RESTORE_S + GRACE_S)
    assert world.look(over + 60.0 + RESTORE_S + GRACE_S + ASK_S)[0] is Expected.RUNNING, "nobody has woken it"


def test_all_of_a_window_that_sleep_on_are_asked_about_together_and_nobody_is_called_stuck(world: World) -> None:
    """From the soak: a rack was curtailed for longer than announced, and restarted miner by miner."""
    world.story.tell(window(("m1", "m2", "m3")), EPOCH)
    for row in range(3):
        world.sleeps(row, EPOCH + 5.0)
    over = EPOCH + HOUR_S
    world.story.tell(ended(), over)
    world.look(over)
    world.state._returning._grace_s[1:3] += 500.0
    late = over + RESTORE_S + GRACE_S
    world.look(late)
    assert world.view.asleep_since[:3].tolist() == [late] * 3, "those of other families with the first"
    asked = IncidentOpened(
        incident=INCIDENT,
        category=Category.OTHER,
        cause=Reason.CURTAILED,
        severity=Severity.HIGH,
        members=(MinerId("m1"), MinerId("m2"), MinerId("m3")),
        detected_at=late,
        evidence={},
        domain="site",
    )
    world.story.tell(asked, late + 60.0)
    assert world.look(late + 5 * HOUR_S)[:3] == [Expected.SUSPENDED] * 3
    world.awake(0, late + 5 * HOUR_S, rate_th=10.0)
    assert world.look(late + 5 * HOUR_S)[:3] == [Expected.BOOTING, Expected.SUSPENDED, Expected.SUSPENDED]
    world.story.tell(Closed(incident=INCIDENT, outcome=Outcome.HUMAN_RESOLVED), late + 5 * HOUR_S)
    assert world.look(late + 9 * HOUR_S)[1:3] == [Expected.RUNNING] * 2, "and nobody has woken them since"


def test_a_window_ends_by_itself() -> None:
    story = Story().tell(window(), EPOCH)
    assert ended_by(story.state.windows, EPOCH + HOUR_S - 1.0) == []
    (event,) = ended_by(story.state.windows, EPOCH + HOUR_S)
    assert event == WindowEnded(window=WindowId("w-000001"), reason=EndReason.EXPIRED)
    story.tell(event, EPOCH + HOUR_S)
    assert story.state.windows.open == {}
    assert [w.ended_at for w in story.state.windows.past] == [EPOCH + HOUR_S]


# -- excused time ------------------------------------------------------------------------------------------------------


def test_excused_is_the_time_in_which_all_members_were_away() -> None:
    story = Story().tell(window(("m1", "m2")), EPOCH + 100.0)
    story.tell(window(("m1", "m2", "m3"), name="w-000002"), EPOCH + 300.0)
    story.tell(ended(), EPOCH + 400.0).tell(ended("w-000002"), EPOCH + 500.0)
    windows = story.state.windows
    pair = (MinerId("m1"), MinerId("m2"))
    assert windows.excused_s(pair, EPOCH, EPOCH + 1000.0) == 400.0, "what two windows have counts once"
    assert windows.excused_s(pair, EPOCH + 350.0, EPOCH + 450.0) == 100.0
    assert windows.excused_s((MinerId("m1"), MinerId("m3")), EPOCH, EPOCH + 1000.0) == 200.0
    assert windows.excused_s((MinerId("m4"),), EPOCH, EPOCH + 1000.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(1, 1e4)), max_size=6), st.floats(0, 1e4), st.floats(0, 1e4))
def test_excused_is_never_negative_and_never_more_than_the_time_itself(
    spans: list[tuple[float, float]], since: float, lasts_s: float
) -> None:
    story = Story()
    for number, (began, lasted) in enumerate(spans):
        story.tell(window(("m1",), name=f"w-{number}"), EPOCH + began)
        story.tell(ended(f"w-{number}"), EPOCH + began + lasted)
    start = EPOCH + since
    assert 0.0 <= story.state.windows.excused_s((MinerId("m1"),), start, start + lasts_s) <= lasts_s + 1e-6


# -- selectors and orders ----------------------------------------------------------------------------------------------


def test_selectors_mean_miners_in_the_sites_order() -> None:
    assert miners_in(OF, ("miner:m[34]", "miner:m1")) == ("m1", "m3", "m4")
    assert miners_in(OF, ("pdu:pdu-1",)) == miners_in(OF, ("switch:sw-1",)) == miners_in(OF, ("site:test",))


@pytest.mark.parametrize("scope", [(), ("",), ("rack:",), ("m1",), ("rack:r1",), ("planet:x",), ("miner:*",) * 65])
def test_what_means_nobody_is_an_error_never_all(scope: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError):
        miners_in(OF, scope)


def asked(purpose: Purpose, *, lasts_s: float, share: float = 0.0) -> Order:
    return Order(purpose=purpose, scope=("miner:m1",), until=EPOCH + lasts_s, share=share)


def test_a_maintenance_lasts_twelve_hours_at_the_most() -> None:
    memory = Story().state
    (event,) = begin(OF, asked(Purpose.MAINTENANCE, lasts_s=12 * HOUR_S))(memory, EPOCH)
    assert isinstance(event, WindowSet)
    assert (event.window, event.miners) == ("w-000001", ("m1",))
    for lasts_s in (12 * HOUR_S + 1.0, 0.0, -5.0):
        with pytest.raises(PolicyError, match="within 12 h"):
            begin(OF, asked(Purpose.MAINTENANCE, lasts_s=lasts_s))(memory, EPOCH)
    with pytest.raises(PolicyError, match="nobody is curtailed"):
        begin(OF, asked(Purpose.CURTAILED, lasts_s=60.0, share=1.0))(memory, EPOCH)


def test_windows_are_no_more_than_can_be_kept() -> None:
    story = Story()
    for number in range(1, MOST_OPEN + 1):
        story.tell(window(name=f"w-{number:06d}"), EPOCH)
    with pytest.raises(PolicyError, match=f"{MOST_OPEN} windows last already"):
        begin(OF, asked(Purpose.MAINTENANCE, lasts_s=HOUR_S))(story.state, EPOCH)
    story.tell(ended(), EPOCH)
    begin(OF, asked(Purpose.MAINTENANCE, lasts_s=HOUR_S))(story.state, EPOCH)


def test_windows_end_by_their_id_or_by_selectors_that_they_lie_within() -> None:
    story = Story().tell(window(("m1", "m2")), EPOCH).tell(window(("m3",), name="schedule:x"), EPOCH)
    assert end(OF, ("w-000001",))(story.state, EPOCH) == (ended(),)
    assert end(OF, ("schedule:x",))(story.state, EPOCH) == (ended("schedule:x"),)
    assert end(OF, ("site:test",))(story.state, EPOCH) == [ended(), ended("schedule:x")]
    with pytest.raises(PolicyError, match="w-000001 has others too"):
        end(OF, ("miner:m1",))(story.state, EPOCH)
    with pytest.raises(PolicyError, match="id of a window that lasts"):
        end(OF, ("w-000009",))(story.state, EPOCH)
    with pytest.raises(PolicyError, match="id of a window that lasts"):
        end(OF, ("schedule:y",))(story.state, EPOCH)


# -- schedules ---------------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


def nightly(begins: time = time(22), ends: time = time(6), days: str = "0123456") -> Schedule:
    return Schedule(
        name="night",
        purpose=Purpose.CURTAILED,
        scope=("site:test",),
        miners=tuple(m.id for m in OF.miners),
        share=0.0,
        days=frozenset(map(int, days)),
        begins=begins,
        ends=ends,
        zone=BERLIN,
        why="tariff",
    )


def utc(*of: int) -> float:
    return datetime(*of, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


def test_a_window_over_midnight_belongs_to_the_day_it_begins() -> None:
    friday = nightly(days="4")  # 2026-01-09 is a Friday
    assert friday.around(utc(2026, 1, 9, 20, 59)) is None
    assert friday.around(utc(2026, 1, 9, 21, 0)) == (utc(2026, 1, 9, 21), utc(2026, 1, 10, 5))
    assert friday.around(utc(2026, 1, 10, 4, 59)) is not None
    assert friday.around(utc(2026, 1, 10, 5, 0)) is None
    assert friday.around(utc(2026, 1, 10, 22, 0)) is None
    assert friday.changes_after(utc(2026, 1, 10, 5, 0)) == utc(2026, 1, 16, 21)


def test_it_follows_the_clock_when_that_is_put_forward_and_back() -> None:
    assert nightly().around(utc(2026, 3, 28, 23)) == (utc(2026, 3, 28, 21), utc(2026, 3, 29, 4)), "seven hours"
    assert nightly().around(utc(2026, 10, 24, 23)) == (utc(2026, 10, 24, 20), utc(2026, 10, 25, 5)), "nine hours"
    missing, twice = nightly(time(1), time(2, 30)), nightly(time(2, 30), time(5))
    assert missing.around(utc(2026, 3, 29, 0, 30)) == (utc(2026, 3, 29, 0), utc(2026, 3, 29, 1, 30)), "03:30, not 01:30"
    assert missing.around(utc(2026, 10, 25, 0)) == (utc(2026, 10, 24, 23), utc(2026, 10, 25, 1, 30)), "the later 02:30"
    assert twice.around(utc(2026, 10, 25, 1)) == (utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 4)), "the earlier 02:30"


@given(st.integers(0, 366 * 1440), st.times(), st.times(), st.sets(st.sampled_from("0123456"), min_size=1))
def test_a_change_comes_after_now_and_nothing_changes_before_it(
    minute: int, begins: time, ends: time, days: set[str]
) -> None:
    schedule = nightly(begins.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0), "".join(days))
    now = utc(2026, 1, 1) + minute * 60.0
    change = schedule.changes_after(now)
    assert change > now
    for at in np.linspace(now, min(change, now + 8 * 86_400.0), 20)[:-1].tolist():
        assert schedule.around(at) == schedule.around(now)


def told(table: Timetable, story: Story, now: float) -> list[AnyEvent]:
    if not table.is_due(now):
        return []
    events = table.due(story.state, now)
    for event in events:
        story.tell(event, now)
    return events


def test_the_timetable_begins_a_window_once_and_what_a_person_ended_stays_ended() -> None:
    story, table, at = Story(), Timetable((nightly(),)), utc(2026, 1, 9, 21)
    assert told(table, story, at - 1.0) == []
    (event,) = told(table, story, at)
    assert isinstance(event, WindowSet)
    assert (event.window, event.until, event.why) == ("schedule:night", utc(2026, 1, 10, 5), "tariff")
    assert told(table, story, at + 60.0) == []
    assert told(Timetable((nightly(),)), story, at + 60.0) == [], "nor after a restart"
    story.tell(ended("schedule:night"), at + 120.0)
    assert told(Timetable((nightly(),)), story, at + 180.0) == []
    assert [type(e) for e in told(table, story, at + 86_400.0)] == [WindowSet]


def test_what_the_configuration_does_not_have_any_more_ends_and_what_it_changed_changes() -> None:
    story, at = Story(), utc(2026, 1, 9, 23)
    told(Timetable((nightly(),)), story, at)
    (event,) = told(Timetable((nightly(ends=time(7)),)), story, at + 60.0)
    assert isinstance(event, WindowSet)
    assert event.until == utc(2026, 1, 10, 6)
    assert told(Timetable(()), story, at + 120.0) == [
        WindowEnded(window=WindowId("schedule:night"), reason=EndReason.REMOVED)
    ]


def test_a_schedule_that_lost_the_present_span_ends_its_window_at_once() -> None:
    """Somebody took this night out of the schedule while it lasts: who is asleep for it is woken, not left to dawn."""
    story, at = Story(), utc(2026, 1, 9, 23)
    told(Timetable((nightly(),)), story, at)
    another_day = nightly(days="0")
    assert told(Timetable((another_day,)), story, at + 60.0) == [
        WindowEnded(window=WindowId("schedule:night"), reason=EndReason.REMOVED)
    ]
    assert told(Timetable((another_day,)), story, at + 120.0) == []


def test_what_befell_a_miner_that_left_the_inventory_says_nothing_of_the_others(world: World) -> None:
    """The ledger remembers miners for good; the inventory does not have them all any more."""
    gone, story = MinerId("m9"), world.story
    story.opened(EPOCH, IncidentId("inc-000002"), gone)
    story.state.fell[gone] = story.state.fell[MinerId("m1")] = EPOCH
    story.intended(Verb.RESTART, EPOCH, incident=IncidentId("inc-000002"))
    state = ExpectedState(world.view)
    state.update(world.view, story.state, EPOCH + 1.0)
    assert list(world.view.expected) == [Expected.BOOTING, Expected.RUNNING, Expected.RUNNING, Expected.RUNNING]
    state.update(world.view, story.state, EPOCH + GRACE_S)
    assert list(world.view.expected) == [Expected.RUNNING] * 4, "for as long as a boot may take"


def test_a_window_is_forgotten_once_nothing_needs_it() -> None:
    story = Story()
    for day in range(3):
        at = EPOCH + day * 86_400.0
        story.tell(window(("m1",)), at).tell(ended(), at + 60.0)
    windows: Windows = story.state.windows
    assert len(windows.past) == 2, "one from yesterday, to the day, and today's"
    assert windows.opened == 3
    assert miner(1).id in windows.past[0].miners
