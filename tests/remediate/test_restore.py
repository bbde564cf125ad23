"""What brings back what was changed for heat: which step is due of whom, when, and what it waits for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Attempt, Category, Incident, Phase, Reason, Severity
from agent.model.loops import RAISE_EVERY_S, SAFE_K
from agent.model.memory import Done, Setpoint
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading, Reach
from agent.remediate.restore import CALM_S, OVER_FLOW, SPARE_K, TRY_AGAIN_S, WARM_SHARE, owed, stands
from tests.factory import EPOCH, NOMINAL_TH, healthy
from tests.remediate.loop_bench import BASE_C, DESIGN_LPM, UNIT
from tests.remediate.test_sleep_on import OTHER_UNIT, two_loops

NOW = EPOCH + 100_000.0
FIRST, SECOND = IncidentId("inc-000001"), IncidentId("inc-000002")
HASHED_S = 400.0
COOL_C = 60.0
CHIP_C, BOARD_C = two_loops().miners[0].limits.chip_c, two_loops().miners[0].limits.board_c
M1, M2, M3, M4, M5, M6 = (MinerId(f"m{k}") for k in range(1, 7))


class World:
    """Two loops of three miners that are well, and two incidents whose runs are over; nothing is owed yet."""

    def __init__(self) -> None:
        self.view, self.memory = SiteView(two_loops()), State()
        for incident, loop in ((FIRST, "loop-1"), (SECOND, "loop-2")):
            self.memory.incidents[incident] = Incident(
                id=incident,
                category=Category.THERMAL,
                cause=Reason.LOOP_HOT,
                severity=Severity.HIGH,
                members=(M1,),
                evidence={},
                detected_at=EPOCH,
                alerted_at=EPOCH,
                domain=f"loop:{loop}",
                phase=Phase.CLOSED,
            )
        self.now, self.worked_s = NOW - HASHED_S, 90_000.0
        for unit in (UNIT, OTHER_UNIT):
            self.read(unit, at=NOW - CALM_S)
        self.hash()

    def read(self, unit: Any = UNIT, *, at: float | None = None, **told: Any) -> None:
        well: dict[str, Any] = {
            "supply_c": BASE_C,
            "setpoint_c": BASE_C,
            "flow_lpm": DESIGN_LPM,
            "flow_setpoint_lpm": DESIGN_LPM,
            "pumps_ok": True,
            "leak": False,
        }
        self.view.put_cooling(unit, self.now if at is None else at, CoolingReading(**(well | told)))

    def hash(self, share: float = 1.0, *, still_s: float = 0.0, chip_c: float | None = COOL_C, **told: Any) -> None:
        """Let time pass in which everybody hashes at that share of what it aims at, once it has stood still a while."""
        began = self.now
        while self.now < began + HASHED_S:
            self.now += 20.0
            self.worked_s += 20.0 * share * (self.now > began + still_s)
            reply = msgspec.structs.replace(healthy(9e4, work_s=self.worked_s), chip_max_c=chip_c, **told)
            for row in range(6):
                self.view.put_answer(row, self.now, reply)
        for unit in (UNIT, OTHER_UNIT):
            self.read(unit)

    def change(self, incident: IncidentId = FIRST, **fields: Any) -> None:
        self.memory.incidents[incident] = replace(self.memory.incidents[incident], **fields)

    def opened(self, incident: IncidentId) -> None:
        self.change(incident, phase=Phase.REMEDIATING)
        self.memory._open[incident] = None

    def due(self, after_s: float = 0.0) -> dict[str, Action]:
        found = owed(self.memory, self.view, self.now + after_s)
        assert len({incident.id for incident, _ in found}) == len(found), "one action for each incident"
        return {incident.id: action for incident, action in found}


@pytest.fixture
def world() -> World:
    return World()


def test_who_changed_nothing_owes_nothing(world: World) -> None:
    assert world.due() == {}
    assert not stands(world.memory, FIRST)


# -- setpoints -------------------------------------------------------------------------------------------------------


def moved(world: World, verb: Verb = Verb.SET_SUPPLY, *, base: float = BASE_C, at: float = NOW - RAISE_EVERY_S) -> None:
    """Let each loop's incident have moved it, and the units tell where they are."""
    for unit, incident in ((UNIT, FIRST), (OTHER_UNIT, SECOND)):
        world.memory.setpoints[unit, verb] = Setpoint(incident, base, (base,), at)


@pytest.mark.parametrize(
    ("found_c", "target_c"),
    [(32.0, 33.0), (34.0, 35.0), (34.5, 35.0), (34.97, 35.0), (35.04, 35.0), (35.2, None)],
)
def test_a_supply_goes_back_by_a_degree_at_a_time_and_not_where_somebody_has_moved_it(
    world: World, found_c: float, target_c: float | None
) -> None:
    moved(world)
    world.read(setpoint_c=found_c)
    action = world.due().get(FIRST)
    assert (None if action is None else (action.verb, action.miner, action.unit, action.was, action.supply_c)) == (
        None if target_c is None else (Verb.SET_SUPPLY, M1, UNIT, found_c, target_c)
    )
    assert SECOND in world.due()


@pytest.mark.parametrize(("share", "is_due"), [(OVER_FLOW - 0.01, False), (OVER_FLOW + 0.001, True)])
def test_a_flow_goes_back_once_the_pumps_bring_too_much(world: World, share: float, is_due: bool) -> None:
    moved(world, Verb.SET_FLOW, base=DESIGN_LPM)
    world.read(flow_lpm=share * DESIGN_LPM, flow_setpoint_lpm=59.0)
    action = world.due().get(FIRST)
    wanted = Action(verb=Verb.SET_FLOW, miner=M1, unit=UNIT, flow_lpm=DESIGN_LPM, was=59.0)
    assert action == (wanted if is_due else None)


def hot(world: World, rows: int = 3) -> None:
    for row in range(rows):
        reply = msgspec.structs.replace(healthy(9e4), chip_max_c=CHIP_C - SAFE_K + 0.5)
        world.view.put_answer(row, NOW, reply)


def begins_anew(world: World) -> None:
    world.read(at=world.now - 30.0, leak=True)
    world.read(setpoint_c=33.0)


SETPOINT_WAITS = {
    "its run goes on": lambda w: w.change(phase=Phase.REMEDIATING),
    "an order is in flight": lambda w: w.change(attempts=(Attempt(1, Verb.SET_SUPPLY, "x", NOW),)),
    "it was moved half an hour ago": lambda w: w.memory.setpoints.update(
        {(UNIT, Verb.SET_SUPPLY): Setpoint(FIRST, BASE_C, (BASE_C,), NOW - RAISE_EVERY_S + 1.0)}
    ),
    "its miners are hot": hot,
    "it is well for a moment only": begins_anew,
    "a unit that the inventory has no longer": lambda w: w.memory.setpoints.update(
        {("gone", Verb.SET_SUPPLY): w.memory.setpoints.pop((UNIT, Verb.SET_SUPPLY))}
    ),
}


@pytest.mark.parametrize("why", SETPOINT_WAITS.values(), ids=SETPOINT_WAITS)
def test_a_supply_waits_and_keeps_no_other_waiting(world: World, why: Callable[[World], None]) -> None:
    moved(world)
    for unit in (UNIT, OTHER_UNIT):
        world.read(unit, setpoint_c=33.0)
    assert set(world.due()) == {FIRST, SECOND}
    why(world)
    assert set(world.due()) == {SECOND}
    assert stands(world.memory, FIRST)


def test_a_unit_that_was_not_read_lately_is_left_alone(world: World) -> None:
    moved(world)
    assert world.due(after_s=59.0)
    assert world.due(after_s=61.0) == {}


def test_a_loop_with_an_incident_of_its_own_is_that_ones(world: World) -> None:
    moved(world)
    third = IncidentId("inc-000003")
    world.memory.incidents[third] = replace(world.memory.incidents[FIRST], id=third)
    world.opened(third)
    assert set(world.due()) == {SECOND}
    world.change(third, domain="loop:loop-3")
    assert set(world.due()) == {FIRST, SECOND}
    world.memory._open.clear()
    world.change(FIRST, phase=Phase.ESCALATED)
    world.memory._open[FIRST] = None
    assert set(world.due()) == {FIRST, SECOND}, "its own incident is no reason"


# -- sleep -----------------------------------------------------------------------------------------------------------


def asleep(world: World, *miners: MinerId, incident: IncidentId = FIRST) -> None:
    world.memory.asleep.update(dict.fromkeys(miners, (incident, EPOCH)))


def woken(world: World, *miners: MinerId, at: float = NOW - CALM_S) -> None:
    for miner in miners:
        world.memory.settled[miner] = Done(Action(verb=Verb.WAKE, miner=miner), at, Result.OK)


def test_a_few_are_woken_first_then_more_then_all_that_are_left(world: World) -> None:
    asleep(world, M1, M2, M3)
    assert world.due() == {FIRST: Action(verb=Verb.WAKE, miner=M1)}
    world.memory.asleep.pop(M1)
    woken(world, M1, at=NOW - CALM_S + 1.0)
    assert world.due() == {}, "each wave only where the loop has borne the one before"
    woken(world, M1)
    assert world.due() == {FIRST: Action(verb=Verb.WAKE, miner=M2, others=(M3,))}
    woken(world, M1, M2, M4)
    asleep(world, M2, M3)
    assert world.due()[FIRST].targets == (M2, M3)


@pytest.mark.parametrize(
    ("warm", "of", "doubted", "waits"),
    [
        (1, 1, False, False),
        (2, 2, False, True),
        (2, 0, False, False),
        (1, 0, True, False),
        (2, 0, True, True),
    ],
)
def test_only_most_of_those_who_were_woken_keep_the_others_asleep(
    world: World, warm: int, of: int, doubted: bool, waits: bool
) -> None:
    """Seeds 106384 and 301622 of the soak: one or two that were clogged kept all others asleep, for good.

    Args:
        world: a loop of four.
        warm: so many are warm, the first ones.
        of: so many were woken.
        doubted: the unit's sensor is, so that all are asked.
        waits: whether the last is left asleep.
    """
    asleep(world, M3)
    woken(world, *(M1, M2)[:of])
    hot(world, warm)
    world.view.cooling.doubted[0] = doubted
    assert (FIRST not in world.due()) is waits


def test_others_on_the_loop_do_not_count_who_were_not_woken(world: World) -> None:
    asleep(world, M1, M2)
    world.memory.settled[M3] = Done(Action(verb=Verb.DERATE, miner=M3, share=0.8), NOW, Result.OK)
    woken(world, M5, at=NOW - 10.0)
    assert world.due() == {FIRST: Action(verb=Verb.WAKE, miner=M1)}, "nor who was on another"


def test_two_incidents_wake_their_own_each_on_a_loop_that_is_well(world: World) -> None:
    asleep(world, M1)
    asleep(world, M4, incident=SECOND)
    assert {incident: action.targets for incident, action in world.due().items()} == {FIRST: (M1,), SECOND: (M4,)}
    begins_anew(world)
    assert set(world.due()) == {SECOND}
    world.change(SECOND, phase=Phase.REMEDIATING)
    assert world.due() == {}


def test_who_is_on_no_loop_is_woken_and_who_left_the_inventory_is_not(world: World) -> None:
    asleep(world, MinerId("gone"))
    assert world.due() == {}
    asleep(world, M1, M2)
    world.view.cooling.unit_of[0] = -1
    begins_anew(world)
    assert set(world.due()[FIRST].targets) >= {M1, M2}


# -- deratings -------------------------------------------------------------------------------------------------------


def derated(world: World, *miners: MinerId, share: float = 0.8, since_s: float = RAISE_EVERY_S) -> None:
    world.memory.derated.update(dict.fromkeys(miners, (share, FIRST, NOW - since_s)))


def in_full(world: World) -> tuple[MinerId, ...]:
    action = world.due().get(FIRST)
    assert action is None or (action.verb, action.share) == (Verb.DERATE, 1.0)
    return () if action is None else action.targets


def test_all_that_would_stay_cool_run_in_full_again(world: World) -> None:
    derated(world, M1, M2, M4)
    assert in_full(world) == (M1, M2, M4)
    assert stands(world.memory, FIRST)
    assert not stands(world.memory, SECOND)


@pytest.mark.parametrize(("inlet_c", "base_c"), [(20.0, 20.0), (None, BASE_C)])
@pytest.mark.parametrize(("left_k", "may"), [(SPARE_K + 0.1, True), (SPARE_K - 0.1, False)])
def test_what_a_miner_would_be_in_full_is_worked_out_from_what_it_is_given(
    world: World, inlet_c: float | None, base_c: float, left_k: float, may: bool
) -> None:
    derated(world, M1, share=0.5)
    shown_c = base_c + 0.5 * (CHIP_C - left_k - base_c)
    world.hash(chip_c=shown_c, inlet_c=inlet_c)
    assert in_full(world) == ((M1,) if may else ())


def test_where_nobody_tells_what_it_is_given_it_counts_as_cold(world: World) -> None:
    derated(world, M1, share=0.5)
    world.view.cooling.unit_of[:] = -1
    world.hash(chip_c=10.0 + 0.5 * (CHIP_C - SPARE_K - 10.0) + 0.1)
    assert in_full(world) == ()
    world.hash(chip_c=10.0 + 0.5 * (CHIP_C - SPARE_K - 10.0) - 0.1)
    assert in_full(world) == (M1,)


def test_a_unit_that_never_told_its_supply_is_known_by_its_miners(world: World) -> None:
    derated(world, M1)
    world.view.cooling.supply_c.value[:] = np.nan
    world.view.cooling.calm_since[:] = np.nan
    assert in_full(world) == (M1,)
    world.view.chip_max_c.value[1:3] = CHIP_C - 2.0
    assert in_full(world) == ()
    world.view.chip_max_c.value[1:3] = COOL_C
    assert in_full(world) == (M1,)
    world.view.cooling.read_at[:] = NOW - 3600.0
    assert in_full(world) == (), "nobody knows any more what that unit does"


def of_rejects(world: World) -> None:
    world.change(category=Category.REJECTS)
    derated(world, M1, since_s=TRY_AGAIN_S - 1.0)


def stood_still(world: World) -> None:
    world.hash(still_s=200.0)


def just_stopped(world: World) -> None:
    """Its pool client hung seconds ago: in a liquid it is cool at once, and the work of minutes is nearly whole."""
    reply = healthy(9e4, rate_th=0.2 * NOMINAL_TH, work_s=world.worked_s + 15.0)
    world.view.put_answer(0, world.now + 20.0, msgspec.structs.replace(reply, chip_max_c=COOL_C))


DERATING_WAITS = {
    "its run goes on": lambda w: w.change(phase=Phase.REMEDIATING),
    "it was told half an hour ago": lambda w: derated(w, M1, since_s=RAISE_EVERY_S - 1.0),
    "it was told a day ago, for its rejects": of_rejects,
    "it misses polls": lambda w: w.view.put_miss(0, NOW, Reach.SILENT),
    "its loop is well for a moment only": begins_anew,
    "its boards would be hot": lambda w: w.hash(board_max_c=BOARD_C - 2.0),
    "nothing tells how hot it is": lambda w: w.view.chip_max_c.at.fill(NOW - 61.0),
    "it has just started again": stood_still,
    "it has just stopped": just_stopped,
    "it hashes less than it was told": lambda w: w.hash(WARM_SHARE - 0.02),
    "it left the inventory": lambda w: w.memory.derated.update({MinerId("gone"): w.memory.derated.pop(M1)}),
}


@pytest.mark.parametrize("why", DERATING_WAITS.values(), ids=DERATING_WAITS)
def test_a_derating_stays_while_nothing_says_that_it_may_go(world: World, why: Callable[[World], None]) -> None:
    derated(world, M1)
    assert in_full(world) == (M1,)
    why(world)
    assert in_full(world) == ()


def test_who_was_derated_for_its_rejects_is_tried_again_after_a_day_and_boards_count_too(world: World) -> None:
    world.change(category=Category.REJECTS)
    derated(world, M1, since_s=TRY_AGAIN_S)
    assert in_full(world) == (M1,)
    world.hash(WARM_SHARE + 0.02, board_max_c=40.0, chip_c=None)
    assert in_full(world) == (M1,), "boards alone tell"


def test_one_incident_does_one_thing_at_a_time_the_loop_first_then_who_sleeps(world: World) -> None:
    derated(world, M3)
    assert world.due()[FIRST].verb is Verb.DERATE
    asleep(world, M1)
    assert world.due()[FIRST].verb is Verb.WAKE
    moved(world)
    world.memory.setpoints.pop((OTHER_UNIT, Verb.SET_SUPPLY))
    assert world.due()[FIRST].verb is Verb.SET_SUPPLY


@pytest.mark.parametrize("change", [derated, asleep, moved])
def test_what_stands_is_told_of_the_incident_that_changed_it(world: World, change: Callable[..., None]) -> None:
    change(world, *(() if change is moved else (M1,)))
    world.memory.setpoints.pop((OTHER_UNIT, Verb.SET_SUPPLY), None)
    assert (stands(world.memory, FIRST), stands(world.memory, SECOND)) == (True, False)
