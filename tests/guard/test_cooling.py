"""The gates of setpoints, each by itself: the unit, who moved it, who is moving it, its bounds, its steps."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.guard.limits import GuardLimits
from agent.guard.moved import moved
from agent.guard.one_writer import one_writer
from agent.guard.order import judge
from agent.guard.request import Request
from agent.guard.setpoint import setpoint
from agent.guard.step import step
from agent.guard.unit import unit
from agent.ledger import moving
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import Closed
from agent.model.guard import Allow, Defer, GuardReason, Mode, Refuse, Verdict
from agent.model.ids import CoolingUnitId, IncidentId, MinerId
from agent.model.incident import Outcome
from agent.model.loops import more_lpm
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading
from agent.model.topology import Cooling, CoolingUnit, Site
from tests.factory import EPOCH, miner, site
from tests.ledger.builder import INCIDENT, MINER, Story

UNIT = CoolingUnitId("cdu")
BASE_C, LEAST_C, MOST_C = 35.0, 25.0, 40.0
DESIGN_LPM, LEAST_LPM = 180.0, 153.0
NOW = EPOCH + 10_000.0
OTHER = IncidentId("inc-000002")
WELL = CoolingReading(
    supply_c=35.0,
    flow_lpm=180.0,
    setpoint_c=35.0,
    flow_setpoint_lpm=180.0,
    is_remote=True,
    leak=False,
    dew_point_c=15.0,
)


def cooled(kind: Cooling = Cooling.HYDRO) -> Site:
    miners = tuple(replace(miner(k), loop="loop-1", cooling=kind) for k in (1, 2, 3))
    driven = CoolingUnit(UNIT, "10.0.3.1", "ocp_rpu2", "loop-1", kind, BASE_C, LEAST_C, MOST_C, DESIGN_LPM, LEAST_LPM)
    return replace(site(miners), cooling_units=(driven,))


def supply(to: float | None, was: float | None = BASE_C, of: CoolingUnitId | None = UNIT) -> Action:
    return Action(verb=Verb.SET_SUPPLY, miner=MINER, unit=of, supply_c=to, was=was)


def flow(to: float | None, was: float | None = DESIGN_LPM) -> Action:
    return Action(verb=Verb.SET_FLOW, miner=MINER, unit=UNIT, flow_lpm=to, was=was)


def story() -> Story:
    told = Story().opened()
    return told.opened(EPOCH + 1.0, OTHER, MinerId("m2"))


def written(
    told: Story, action: Action, at: float, *, result: Result | None = Result.OK, by: IncidentId = INCIDENT
) -> Story:
    """Note a write of a setpoint as the ledger would."""
    moving.intended(told.state, action, by, at)
    if result is not None:
        moving.settled(told.state, action, result, at + 5.0)
    return told


def ask(
    action: Action,
    told: Story | None = None,
    *,
    shows: CoolingReading | None = WELL,
    read_s: float = 5.0,
    kind: Cooling = Cooling.HYDRO,
    now: float = NOW,
) -> Request:
    """Ask about an action of the first incident; `shows` is what the unit told `read_s` ago, None for never."""
    memory, view = (told or story()).state, SiteView(cooled(kind))
    if shows is not None:
        view.put_cooling(UNIT, now - read_s, shows)
    modes = dict.fromkeys(Risk, Mode.AUTO)
    return Request(action, memory.incidents[INCIDENT], now, view, memory, (), GuardLimits(), modes)


Gate = Callable[[Request], Verdict]


@pytest.mark.parametrize("gate", [unit, moved, one_writer, setpoint, step])
def test_what_is_about_no_unit_is_none_of_their_business(gate: Gate) -> None:
    assert gate(ask(Action(verb=Verb.RESTART, miner=MINER))) == Allow()


def test_a_first_step_on_a_quiet_loop_is_allowed_by_all() -> None:
    assert judge(ask(supply(33.0))) == ("all", Allow())
    assert judge(ask(flow(198.0))) == ("all", Allow())


# -- the unit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shows", "read_s", "reason"),
    [
        (None, 5.0, GuardReason.UNIT_UNREAD),
        (WELL, 61.0, GuardReason.UNIT_UNREAD),
        ({"leak": True}, 5.0, GuardReason.LEAK),
        ({"alarms": ("level",)}, 5.0, GuardReason.UNIT_ALARM),
        ({"is_remote": False}, 5.0, GuardReason.LOCAL_MODE),
        ({"is_remote": None}, 5.0, GuardReason.LOCAL_MODE),
    ],
)
@pytest.mark.parametrize("action", [supply(33.0), flow(198.0)], ids=["supply", "flow"])
def test_a_unit_that_must_be_left_alone(action: Action, shows: object, read_s: float, reason: GuardReason) -> None:
    reading = reading_of(shows)
    assert unit(ask(action, shows=reading, read_s=read_s)) == Refuse(reason)
    assert unit(ask(replaced(action, of=CoolingUnitId("another")))) == Refuse(GuardReason.UNIT_UNREAD)


def test_a_unit_whose_sensor_lies_is_told_nothing() -> None:
    asked = ask(supply(33.0))
    asked.view.cooling.doubted[0] = True
    assert unit(asked) == Refuse(GuardReason.UNIT_DOUBTED)


@pytest.mark.parametrize(
    ("design_lpm", "step_lpm", "aim", "wanted"),
    [
        (180.0, 0.1, 180.0, 198.0),
        (18.0, 0.1, 18.0, 19.8),
        (8.0, 0.1, 8.0, 8.8),
        (0.8, 0.1, 0.8, None),
        (9.0, 1.0, 9.0, None),
        (12.0, 1.0, 12.0, 13.0),
        (4.0, 0.1, 0.8, 0.9),
        (18.0, 0.1, 19.8, None),
    ],
)
def test_a_flow_is_raised_in_steps_that_the_unit_knows(
    design_lpm: float, step_lpm: float, aim: float, wanted: float | None
) -> None:
    """A tenth at a time where that is a step at all, one step at the least, never beyond a tenth above the design."""
    (spec,) = cooled(Cooling.HYDRO).cooling_units
    small = replace(spec, design_flow_lpm=design_lpm, flow_step_lpm=step_lpm)
    view = SiteView(replace(cooled(Cooling.HYDRO), cooling_units=(small,)))
    view.put_cooling(UNIT, NOW - 5.0, reading_of({"flow_lpm": 0.8 * design_lpm, "flow_setpoint_lpm": aim}) or WELL)
    assert more_lpm(view, small, NOW) == wanted


def reading_of(shows: object) -> CoolingReading | None:
    if not isinstance(shows, dict):
        return shows if isinstance(shows, CoolingReading) else None
    told = {name: getattr(WELL, name) for name in WELL.__struct_fields__}
    return CoolingReading(**(told | shows))


def replaced(action: Action, *, of: CoolingUnitId) -> Action:
    return Action(
        verb=action.verb, miner=MINER, unit=of, supply_c=action.supply_c, flow_lpm=action.flow_lpm, was=action.was
    )


# -- who moved it ------------------------------------------------------------------------------------------------------


def test_a_setpoint_that_somebody_else_moved_is_theirs() -> None:
    refused = Refuse(GuardReason.SETPOINT_MOVED)
    for shown_c in (34.0, 36.0, None):
        assert moved(ask(supply(33.0, shown_c), shows=reading_of({"setpoint_c": shown_c}))) == refused
    assert moved(ask(supply(33.0, None))) == refused
    assert moved(ask(supply(33.0, 34.0))) == refused, "it is not what the action goes out from"
    assert moved(ask(flow(198.0), shows=reading_of({"flow_setpoint_lpm": 170.0}))) == refused
    assert moved(ask(supply(33.0), read_s=61.0)) == refused, "nothing fresh tells"


@pytest.mark.parametrize(
    ("result", "shown_c", "allowed"),
    [
        (Result.OK, 33.0, True),
        (Result.OK, 34.0, False),
        (None, 33.0, True),
        (None, 35.0, True),
        (Result.UNKNOWN, 33.0, True),
        (Result.UNKNOWN, 35.0, True),
        (Result.UNKNOWN, 34.0, False),
        (Result.FAILED, 35.0, True),
        (Result.FAILED, 33.0, False),
    ],
)
def test_what_the_agent_wrote_or_may_have_written_is_its_own(
    result: Result | None, shown_c: float, allowed: bool
) -> None:
    told = written(story(), supply(33.0), NOW - 3600.0, result=result)
    asked = ask(supply(shown_c - 1.0, shown_c), told, shows=reading_of({"setpoint_c": shown_c}))
    assert moved(asked) == (Allow() if allowed else Refuse(GuardReason.SETPOINT_MOVED))


# -- who is moving it --------------------------------------------------------------------------------------------------


def test_a_unit_has_one_writer_until_its_incident_is_over() -> None:
    told = written(story(), supply(33.0), NOW - 3600.0, by=OTHER)
    assert one_writer(ask(supply(31.0, 33.0), told)) == Refuse(GuardReason.ANOTHERS_SETPOINT)
    assert one_writer(ask(flow(198.0), told)) == Allow(), "the other register is free"
    told.tell(Closed(incident=OTHER, outcome=Outcome.AUTO_RESOLVED), NOW - 60.0)
    assert one_writer(ask(supply(31.0, 33.0), told)) == Allow()
    own = written(story(), supply(33.0), NOW - 3600.0)
    assert one_writer(ask(supply(31.0, 33.0), own)) == Allow()


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "was", "dew_c", "allowed"),
    [
        (33.0, 35.0, 15.0, True),
        (30.0, 32.0, 15.0, True),
        (29.0, 31.0, 15.0, False),  # more than 5 K below the base
        (33.0, 35.0, 31.0, True),
        (33.0, 35.0, 31.1, False),  # less than 2 K above the dew point
        (24.0, 26.0, 5.0, False),
        (41.0, 40.0, 5.0, False),
        (36.0, 35.0, 15.0, False),  # up, and not on the way back to anything
        (None, 35.0, 15.0, False),
        (33.0, None, 15.0, False),
    ],
)
def test_bounds_of_a_supply(to: float | None, was: float | None, dew_c: float, allowed: bool) -> None:
    asked = ask(supply(to, was), shows=reading_of({"dew_point_c": dew_c, "setpoint_c": was}))
    assert setpoint(asked) == (Allow() if allowed else Refuse(GuardReason.SETPOINT_BOUNDS))


def test_without_a_dew_point_nothing_is_lowered_and_what_was_lowered_comes_back() -> None:
    told = written(story(), supply(33.0), NOW - 3600.0)
    dry = reading_of({"dew_point_c": None, "setpoint_c": 33.0})
    assert setpoint(ask(supply(31.0, 33.0), told, shows=dry)) == Refuse(GuardReason.HUMIDITY_UNKNOWN)
    assert setpoint(ask(supply(34.0, 33.0), told, shows=dry)) == Allow()
    assert setpoint(ask(supply(35.0, 33.0), told, shows=dry)) == Allow()
    assert setpoint(ask(supply(36.0, 33.0), told, shows=dry)) == Refuse(GuardReason.SETPOINT_BOUNDS)


def test_the_more_humid_of_two_witnesses_counts() -> None:
    humid = reading_of({"dew_point_c": 15.0, "ambient_c": 36.0, "humidity": 0.8})  # 32.0 °C
    assert setpoint(ask(supply(33.0), shows=humid)) == Refuse(GuardReason.SETPOINT_BOUNDS)


@pytest.mark.parametrize(
    ("to", "allowed"), [(198.0, True), (199.0, False), (153.0, True), (152.0, False), (None, False)]
)
def test_bounds_of_a_flow(to: float | None, allowed: bool) -> None:
    assert setpoint(ask(flow(to))) == (Allow() if allowed else Refuse(GuardReason.SETPOINT_BOUNDS))


def test_a_unit_that_the_site_does_not_have_has_no_bounds() -> None:
    asked = ask(supply(33.0, of=CoolingUnitId("another")))
    assert setpoint(asked) == Refuse(GuardReason.SETPOINT_BOUNDS)
    assert moved(asked) == Refuse(GuardReason.SETPOINT_MOVED)


# -- steps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "was", "allowed"),
    [(33.0, 35.0, True), (32.9, 35.0, False), (34.0, 33.0, True), (34.1, 33.0, False), (29.9, 31.0, False)],
)
def test_steps_are_small(to: float, was: float, allowed: bool) -> None:
    assert step(ask(supply(to, was))) == (Allow() if allowed else Refuse(GuardReason.SETPOINT_STEP))


@pytest.mark.parametrize(
    ("kind", "to", "apart_s"),
    [(Cooling.HYDRO, 31.0, 600.0), (Cooling.IMMERSION, 31.0, 1500.0), (Cooling.HYDRO, 34.0, 1800.0)],
)
def test_a_step_waits_for_the_loop_to_have_settled(kind: Cooling, to: float, apart_s: float) -> None:
    at = NOW - 300.0
    told = written(written(story(), supply(34.0), at - 3600.0), supply(33.0, 34.0), at)
    assert step(ask(supply(to, 33.0), told, kind=kind)) == Defer(at + apart_s, GuardReason.SETTLING)
    assert step(ask(supply(to, 33.0), told, kind=kind, now=at + apart_s)) == Allow()


def test_a_write_that_was_seen_not_to_happen_is_not_waited_for_and_an_unknown_one_is() -> None:
    for result, waits in ((Result.FAILED, False), (Result.UNKNOWN, True), (None, True)):
        told = written(story(), supply(33.0), NOW - 60.0, result=result)
        assert isinstance(step(ask(supply(33.0), told)), Defer) is waits


def test_a_flow_is_none_of_the_steps() -> None:
    assert step(ask(flow(198.0), written(story(), supply(33.0), NOW - 60.0))) == Allow()
