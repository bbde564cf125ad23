"""Sleep on: who hashes or starts on a loop whose cooling is lost is put to sleep, each time, and not for ever."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agent.ledger.fold import State
from agent.model.action import Result, Verb
from agent.model.cooling import CALM_FLOW
from agent.model.ids import CoolingUnitId, IncidentId, MinerId
from agent.model.incident import Attempt, Category, Incident, Phase, Reason, Severity
from agent.model.loops import FRESH_S, RUNAWAY_K
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading, Reach
from agent.model.thermal import TAKES_S
from agent.model.topology import Cooling, Site
from agent.remediate.sleep_on import MOST, owed
from tests.factory import EPOCH, NOMINAL_TH, healthy, miner
from tests.remediate.loop_bench import BASE_C, DESIGN_LPM, UNIT, LoopBench, loop_site

NOW = EPOCH + 3600.0
READ_AT = NOW - 5.0
OTHER_UNIT = CoolingUnitId("cdu-2")


def two_loops() -> Site:
    """m1 to m3 on one loop, m4 to m6 on another."""
    first = loop_site(3, Cooling.HYDRO)
    others = tuple(replace(miner(k), loop="loop-2", cooling=Cooling.HYDRO) for k in (4, 5, 6))
    units = (*first.cooling_units, replace(first.cooling_units[0], id=OTHER_UNIT, loop="loop-2"))
    return replace(first, miners=(*first.miners, *others), cooling_units=units)


def ordered(number: int, at: float, settled_at: float | None = None, verb: Verb = Verb.SLEEP) -> Attempt:
    return Attempt(number, verb, "sleep_on", at, Result.OK, settled_at=settled_at)


class World:
    """Two loops whose cooling is lost, everybody on both hashing, and an incident of each that a person has."""

    def __init__(self) -> None:
        self.view, self.memory = SiteView(two_loops()), State()
        self.lost(1, "loop-1")
        self.lost(2, "loop-2")
        for row in range(6):
            self.view.put_answer(row, READ_AT, healthy(9e4))

    def lost(self, number: int, loop: str) -> None:
        incident = Incident(
            id=IncidentId(f"inc-{number:06d}"),
            category=Category.THERMAL,
            cause=Reason.COOLING_LOST,
            severity=Severity.CRITICAL,
            members=(MinerId("m1"),),
            evidence={},
            detected_at=EPOCH,
            alerted_at=EPOCH,
            domain=f"loop:{loop}",
            phase=Phase.ESCALATED,
        )
        self.memory.incidents[incident.id] = incident
        self.memory._open[incident.id] = None

    def change(self, **fields: Any) -> None:
        """Let the first loop's incident be another."""
        first = next(iter(self.memory.incidents))
        self.memory.incidents[first] = replace(self.memory.incidents[first], **fields)

    def told(self, at: float, settled_at: float | None = None, miners: tuple[str, ...] = ("m1", "m2", "m3")) -> None:
        """Let these of the first loop have been told to sleep."""
        self.change(attempts=(ordered(1, at, settled_at),))
        done = IncidentId("inc-000001"), settled_at or at
        self.memory.asleep.update(dict.fromkeys(map(MinerId, miners), done))

    def says(self, row: int, began_at: float, *, sleeps: bool | None = False, said_at: float = NOW - 4.0) -> None:
        """Let it answer without hashing, by a process begun then, and say whether it was told to sleep."""
        self.view.put_answer(row, NOW - 4.0, healthy(NOW - 4.0 - began_at, rate_th=0.0))
        self.view.suspended.value[row] = np.nan if sleeps is None else float(sleeps)
        self.view.suspended.at[row] = said_at

    def calm(self) -> None:
        """Let the first loop's unit be read to hold its supply with all its flow."""
        well = CoolingReading(supply_c=BASE_C, setpoint_c=BASE_C, flow_lpm=DESIGN_LPM, pumps_ok=True, leak=False)
        self.view.put_cooling(UNIT, NOW - 3.0, well)

    def reads(self, at: float = NOW - 3.0, **otherwise: Any) -> None:
        """Let the first loop's unit be read a little too warm to be calm, or otherwise."""
        warm = {"supply_c": BASE_C + 2.0, "setpoint_c": BASE_C, "flow_lpm": DESIGN_LPM, "pumps_ok": True}
        self.view.put_cooling(UNIT, at, CoolingReading(**{**warm, **otherwise}))

    def due(self, now: float = NOW) -> dict[str, tuple[MinerId, ...]]:
        found = owed(self.memory, self.view, now)
        assert {action.verb for _, action in found} <= {Verb.SLEEP}
        return {incident.id: action.targets for incident, action in found}


@pytest.fixture
def world() -> World:
    return World()


def test_all_that_hash_on_either_loop_are_put_to_sleep(world: World) -> None:
    assert world.due() == {"inc-000001": ("m1", "m2", "m3"), "inc-000002": ("m4", "m5", "m6")}


@pytest.mark.parametrize(
    "otherwise",
    [
        pytest.param(lambda w: w.change(cause=Reason.LOOP_HOT), id="a loop that is only hot"),
        pytest.param(lambda w: w.change(phase=Phase.REMEDIATING), id="its run goes on"),
        pytest.param(lambda w: w.change(attempts=(Attempt(1, Verb.SLEEP, "x", EPOCH),)), id="an order is in flight"),
        pytest.param(lambda w: w.change(domain="loop:gone"), id="no such loop in the inventory"),
        pytest.param(
            lambda w: w.change(attempts=tuple(ordered(k, EPOCH + k) for k in range(MOST))), id="told often enough"
        ),
        pytest.param(lambda w: w.told(READ_AT - TAKES_S + 1.0), id="told just now"),
        pytest.param(lambda w: w.told(NOW - 600.0, settled_at=READ_AT - TAKES_S + 1.0), id="that settled just now"),
        pytest.param(lambda w: w.change(attempts=(ordered(1, NOW - TAKES_S + 1.0),)), id="others were told just now"),
        pytest.param(World.calm, id="it is cooled again"),
        pytest.param(World.reads, id="it is cooled again, and warm from those who were woken"),
        pytest.param(lambda w: w.reads(supply_c=BASE_C + RUNAWAY_K), id="warmer still, and all of its flow"),
        pytest.param(lambda w: w.reads(flow_lpm=CALM_FLOW * DESIGN_LPM), id="warm, and enough of its flow"),
        pytest.param(lambda w: w.reads(pumps_ok=None), id="warm, and its unit tells no pumps"),
    ],
)
def test_one_loop_is_left_alone_and_the_other_is_not(world: World, otherwise: Callable[[World], None]) -> None:
    otherwise(world)
    assert world.due() == {"inc-000002": ("m4", "m5", "m6")}


@pytest.mark.parametrize(
    "otherwise",
    [
        pytest.param(lambda w: w.reads(supply_c=BASE_C + RUNAWAY_K + 0.1), id="a supply that runs away"),
        pytest.param(lambda w: w.reads(flow_lpm=0.8 * DESIGN_LPM), id="too little flow"),
        pytest.param(lambda w: w.reads(flow_lpm=None), id="nothing tells its flow"),
        pytest.param(lambda w: w.reads(supply_c=None), id="nothing tells its supply"),
        pytest.param(lambda w: w.reads(pumps_ok=False), id="no pump"),
        pytest.param(lambda w: w.reads(at=NOW - FRESH_S - 1.0), id="a unit that has been silent since"),
    ],
)
def test_a_loop_of_which_it_is_not_known_that_it_is_cooled_is_none(
    world: World, otherwise: Callable[[World], None]
) -> None:
    otherwise(world)
    assert world.due()["inc-000001"] == ("m1", "m2", "m3")


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda w: w.change(attempts=tuple(ordered(k, EPOCH + k) for k in range(MOST - 1))),
        lambda w: w.told(NOW - 600.0, settled_at=READ_AT - TAKES_S),
        lambda w: w.told(READ_AT - TAKES_S),
        lambda w: w.change(attempts=tuple(ordered(k, NOW - 1.0, verb=Verb.DERATE) for k in range(MOST))),
    ],
    ids=["not yet often enough", "settled a while ago", "told a while ago", "told something else"],
)
def test_it_is_told_again_while_it_helps(world: World, otherwise: Callable[[World], None]) -> None:
    otherwise(world)
    assert world.due()["inc-000001"] == ("m1", "m2", "m3")


def test_only_who_hashes_is_told(world: World) -> None:
    world.told(NOW - 600.0)
    world.view.put_answer(0, NOW - 4.0, healthy(9e4, rate_th=0.04 * NOMINAL_TH))
    world.view.put_miss(1, NOW - 4.0, Reach.SILENT)
    world.view.put_answer(3, NOW - 4.0, healthy(9e4, rate_th=0.06 * NOMINAL_TH))
    assert world.due() == {"inc-000001": ("m3",), "inc-000002": ("m4", "m5", "m6")}


def test_who_has_not_answered_since_the_last_order_is_waited_for(world: World) -> None:
    world.told(NOW - TAKES_S - 20.0)
    for row in (0, 1):
        world.view.answered_at[row] = NOW - TAKES_S - 30.0
    assert world.due()["inc-000001"] == ("m3",)


def test_who_hashes_is_not_kept_waiting_by_an_order_to_others(world: World) -> None:
    world.told(NOW - TAKES_S - 1.0, miners=("m1", "m2"))
    assert world.due()["inc-000001"] == ("m3",)


TOLD_AT = NOW - 300.0


@pytest.mark.parametrize(
    ("start", "told"),
    [
        pytest.param({"began_at": TOLD_AT + 200.0}, True, id="its process is younger than the order"),
        pytest.param({"began_at": TOLD_AT - 50.0}, True, id="it began as the order was under way"),
        pytest.param({"began_at": TOLD_AT - 70.0}, False, id="its process was there to hear it"),
        pytest.param({"began_at": TOLD_AT + 200.0, "sleeps": True}, False, id="it says that it sleeps"),
        pytest.param({"began_at": TOLD_AT + 200.0, "sleeps": None}, False, id="nobody has asked it"),
        pytest.param({"began_at": TOLD_AT + 200.0, "said_at": TOLD_AT + 190.0}, False, id="nor since it began"),
        pytest.param({"began_at": TOLD_AT - 50.0, "said_at": TOLD_AT - 1.0}, False, id="nor since it was told"),
    ],
)
def test_who_starts_and_says_that_it_does_not_sleep_is_told_before_it_hashes(
    world: World, start: dict[str, Any], told: bool
) -> None:
    world.told(TOLD_AT)
    for row in (1, 2):
        world.says(row, TOLD_AT - 9e4)
    world.says(0, **start)
    assert world.due().get("inc-000001") == (("m1",) if told else None)


def test_one_that_starts_and_is_silent_again_is_waited_for(world: World) -> None:
    world.told(TOLD_AT)
    for row in range(3):
        world.says(row, TOLD_AT + 200.0)
        world.view.put_miss(row, NOW - 1.0, Reach.SILENT)
    assert "inc-000001" not in world.due()


def test_one_that_does_not_take_it_is_told_once_for_each_start(world: World) -> None:
    world.told(TOLD_AT)
    for row in (1, 2):
        world.says(row, TOLD_AT - 9e4)
    world.says(0, TOLD_AT + 100.0)
    assert world.due()["inc-000001"] == ("m1",)
    world.told(NOW - 100.0, miners=("m1",))
    assert "inc-000001" not in world.due()
    world.says(0, NOW - 50.0)
    assert world.due()["inc-000001"] == ("m1",)


def test_one_that_begins_again_by_itself_on_a_lost_loop_sleeps_again_in_the_end() -> None:
    bench = LoopBench(miners=4)
    bench.world.wear = 1.0
    bench.run(600.0)
    assert len(bench.world.asleep) == 4
    bench.world.asleep.discard(MinerId("m3"))
    bench.run(120.0)
    assert len(bench.world.asleep) == 4


@pytest.mark.parametrize("starts_after_s", [40.0, 60.0, 80.0])
def test_who_begins_to_hash_while_the_others_are_waited_for_is_told_again_as_soon_as_that_shows(
    starts_after_s: float,
) -> None:
    """It hashed for 70 s on a cold plate in which nothing flowed: until a minute since the order to all was up."""
    bench = LoopBench()
    late, steps = bench.site.miners[0].id, 20.0
    bench.world.wear = 1.0
    while late not in bench.world.asleep:
        bench.run(steps)
    bench.run(starts_after_s)
    bench.world.asleep.discard(late)
    hashed_s = 0.0
    while late not in bench.world.asleep:
        bench.run(steps)
        hashed_s += steps
    assert hashed_s <= 40.0
    (incident,) = bench.memory.incidents.values()
    assert [a.verb for a in incident.attempts] == [Verb.SLEEP, Verb.SLEEP]
    bench.run(300.0)
    assert incident.cause is Reason.COOLING_LOST
    assert bench.memory.incidents[incident.id].escalation_reason == "cooling_lost"


def test_who_begins_to_hash_before_all_others_sleep_is_not_waited_for_until_their_time_is_up() -> None:
    """In a tank, whose miners are not stopped by their heat within the time that all are given to fall asleep."""
    bench = LoopBench(kind=Cooling.IMMERSION)
    late = bench.site.miners[0].id
    bench.world.wear = 1.0
    while late not in bench.world.asleep:
        bench.run(20.0)
    bench.world.asleep.discard(late)
    bench.run(60.0)
    assert late in bench.world.asleep
