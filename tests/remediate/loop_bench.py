"""A coolant loop as a few equations, and the deciding column before it: what is written is judged as it is written.

Time passes in steps of 20 s. The bench is the ledger, the wire and the person at the unit's panel.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from agent.app import modes_of, stages
from agent.config import load
from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.events import Actor, AnyEvent, Intended, Record
from agent.model.ids import CoolingUnitId, MinerId
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading
from agent.model.topology import Cooling, CoolingUnit, Site
from agent.remediate.settle import settled
from agent.shipped import load_playbooks
from tests.factory import EPOCH, NOMINAL_TH, miner, site

STEP_S = 20.0
UNIT = CoolingUnitId("cdu")
BASE_C, MIN_C, MAX_C = 35.0, 25.0, 40.0
DESIGN_LPM = 54.0
RISE_K = 26.0
DEW_MARGIN_K = 2.0

TABLES = load_playbooks()
SETTINGS = load(Path(__file__).parents[2] / "config.example.yaml")
"""What it says of thresholds and limits: nothing, so that all of them are the defaults."""

STOP_C = 95.0
STALLED_K_PER_S = {Cooling.HYDRO: 0.82, Cooling.IMMERSION: 0.035}
"""How fast chips get hotter where nothing flows: facts "detection", section 5."""


def loop_site(miners: int, kind: Cooling) -> Site:
    """Miners on one loop with one unit."""
    members = tuple(replace(miner(k), loop="loop-1", cooling=kind) for k in range(1, miners + 1))
    unit = CoolingUnit(
        UNIT, "10.0.3.1", "ocp_rpu2", "loop-1", kind, BASE_C, MIN_C, MAX_C, DESIGN_LPM, 0.85 * DESIGN_LPM
    )
    return replace(site(members), cooling_units=(unit,))


@dataclass
class World:
    """What is so, whatever anybody knows of it.

    Attributes:
        resistance: between chips and coolant over the usual one, for all miners alike. wear: flow that is missing.
        wet_bulb_c, dew_c, ambient_c: the weather. health: of the coolers.
        tells_humidity, speaks, local, leak: the unit's troubles.
        by_hand: somebody has set the supply at the panel.
        stopped: those whose firmware has stopped them for their heat. stalled_k: by how much chips are hotter since
            nothing flows.
        sensor_k: how much too much the unit's sensor of the supply shows; stuck_c: what it shows whatever is so.
        outcome: what becomes of the next writes: taken and told, taken and the answer lost, lost altogether, refused.
    """

    setpoint_c: float = BASE_C
    flow_setpoint_lpm: float = DESIGN_LPM
    supply_c: float = BASE_C
    resistance: float = 1.0
    wear: float = 0.0
    wet_bulb_c: float = 20.0
    health: float = 1.0
    dew_c: float = 15.0
    ambient_c: float = 30.0
    tells_humidity: bool = True
    speaks: bool = True
    local: bool = False
    leak: bool = False
    sensor_k: float = 0.0
    stuck_c: float | None = None
    by_hand: bool = False
    outcome: str = "told"
    shares: dict[MinerId, float] = field(default_factory=dict)
    asleep: set[MinerId] = field(default_factory=set)
    stopped: set[MinerId] = field(default_factory=set)
    stalled_k: float = 0.0

    def pass_time(self, dt: float, miners: int, kind: Cooling) -> None:
        """Let the supply follow its setpoint as far as the coolers can, and chips get hotter where nothing flows."""
        heat = sum(self.share(MinerId(f"m{k}")) for k in range(1, miners + 1)) / miners
        best_c = self.wet_bulb_c + 10.0 * heat / max(self.health, 1e-3)
        self.supply_c += (max(self.setpoint_c, min(best_c, 80.0)) - self.supply_c) * (1.0 - math.exp(-dt / 100.0))
        self.stalled_k = self.stalled_k + STALLED_K_PER_S[kind] * dt if self.wear > 0.95 and heat > 0.0 else 0.0
        if not self.stalled_k:
            self.stopped.clear()
        self.stopped |= {
            m for k in range(1, miners + 1) if self.stalled_k and self.chip_c(m := MinerId(f"m{k}")) >= STOP_C
        }

    def share(self, miner: MinerId) -> float:
        """Return the share of its power at which a miner runs."""
        return 0.0 if miner in self.asleep | self.stopped else self.shares.get(miner, 1.0)

    def chip_c(self, miner: MinerId) -> float:
        """Return a miner's hottest chip."""
        return self.supply_c + RISE_K * self.resistance * self.share(miner) * (1.0 + 0.6 * self.wear) + self.stalled_k

    @property
    def floor_c(self) -> float:
        """The coldest supply that may be asked for."""
        return max(self.dew_c + DEW_MARGIN_K, MIN_C)


@dataclass
class Write:
    """One write that reached the unit."""

    at: float
    verb: Verb
    was: float
    value: float


class LoopBench:
    """One loop, run by the agent's stages.

    Attributes:
        world: what is so. writes: every write that reached the unit. broken: what was done that must not be.
    """

    def __init__(self, *, miners: int = 8, kind: Cooling = Cooling.HYDRO) -> None:
        self.kind = kind
        self.site = loop_site(miners, kind)
        self.world = World()
        self.writes: list[Write] = []
        self.broken: list[str] = []
        self.now = EPOCH
        self._n = miners
        self._work = np.zeros(miners)
        self._records: list[Record] = []
        self.memory = State()
        self.view = SiteView(self.site)
        self._flying: list[tuple[float, Intended, Result]] = []
        self._begin()
        self.run(1200.0)

    def _begin(self) -> None:
        """Have everything decide that decides in the agent, as it does there."""
        settings = replace(SETTINGS, site=self.site)
        self._stages = stages(settings, self.view, self.memory, TABLES, modes_of(settings, on_auto=True))

    def restart(self) -> None:
        """Have the agent die and come up again: all it knows is its ledger and a first poll."""
        self.memory = State()
        for record in self._records:
            self.memory.apply(record)
        self.view = SiteView(self.site)
        self._flying.clear()
        self._poll()
        self._begin()
        self._stages.restore(self.now)
        for intent in list(self.memory.flying.values()):
            self._settle(intent, self._seen(intent.action))

    def _seen(self, action: Action) -> Result:
        """What the agent makes of an intent without an outcome: it looks, and writes nothing."""
        if action.unit is None:
            return Result.UNKNOWN
        target = action.supply_c if action.verb is Verb.SET_SUPPLY else action.flow_lpm
        found = self.world.setpoint_c if action.verb is Verb.SET_SUPPLY else self.world.flow_setpoint_lpm
        if not self.world.speaks:
            return Result.UNKNOWN
        return Result.OK if found == target else Result.FAILED if found == action.was else Result.UNKNOWN

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self.world.pass_time(STEP_S, self._n, self.kind)
            each()
            for due, intent, result in [one for one in self._flying if one[0] <= self.now]:
                self._flying.remove((due, intent, result))
                self._settle(intent, result)
            self._poll()
            events = self._stages.tick(self.now)
            self._commit(events)
            for event in events:
                if isinstance(event, Intended):
                    self._perform(event)
            self._check()

    # -- the ledger and the wire -------------------------------------------------------------------------------------

    def _commit(self, events: list[AnyEvent]) -> None:
        for event in events:
            record = Record(len(self._records) + 1, self.now, Actor.AGENT, event, "", "")
            self._records.append(record)
            self.memory.apply(record)

    def _settle(self, intent: Intended, result: Result) -> None:
        self._commit([settled(intent, result, "", self.memory.incidents[intent.incident], TABLES)])

    def _perform(self, intent: Intended) -> None:
        action = intent.action
        if action.unit is not None:
            result = self._write(action)
        else:
            result = Result.OK
            for target in action.targets:
                if action.verb is Verb.DERATE:
                    self.world.shares[target] = action.share or 1.0
                elif action.verb is Verb.SLEEP:
                    self.world.asleep.add(target)
                elif action.verb is Verb.WAKE:
                    self.world.asleep.discard(target)
        self._flying.append((self.now + STEP_S, intent, result))

    def _write(self, action: Action) -> Result:
        """Be the driver and the unit: look, write once, look again."""
        world, is_supply = self.world, action.verb is Verb.SET_SUPPLY
        found = world.setpoint_c if is_supply else world.flow_setpoint_lpm
        value = action.supply_c if is_supply else action.flow_lpm
        if value is None or action.was is None:
            self.broken.append(f"a write without a value: {action}")
            return Result.FAILED
        if sum(intent.action.unit is not None for _, intent, _ in self._flying):
            self.broken.append(f"two writers at {self.now - EPOCH:.0f} s")
        if not world.speaks:
            return Result.UNKNOWN
        if world.leak or world.local or abs(found - action.was) > 0.05:
            return Result.FAILED
        if abs(found - value) < 0.05:
            return Result.OK
        if world.outcome in ("lost", "refused"):
            return Result.UNKNOWN if world.outcome == "lost" else Result.FAILED
        self._judge(action.verb, found, value)
        self.writes.append(Write(self.now, action.verb, found, value))
        if is_supply:
            world.setpoint_c = value
        else:
            world.flow_setpoint_lpm = value
        return Result.OK if world.outcome == "told" else Result.UNKNOWN

    def _judge(self, verb: Verb, was: float, value: float) -> None:
        """Note what is wrong with a write: the promises, worked out from the world and not from the agent."""
        at = f"at {self.now - EPOCH:.0f} s, {was:g} to {value:g}"
        if verb is Verb.SET_FLOW:
            if not 0.85 * DESIGN_LPM <= value <= 1.1 * DESIGN_LPM:
                self.broken.append(f"a flow out of bounds {at}")
            return
        supplies = [write for write in self.writes if write.verb is verb]
        apart_s = self.now - supplies[-1].at if supplies else math.inf
        settle_s = 600.0 if self.kind is Cooling.HYDRO else 1500.0
        if value < was and value < self.world.floor_c - 0.15:
            self.broken.append(f"below the floor of {self.world.floor_c:.1f} {at}")
        if value < was and not self.world.tells_humidity:
            self.broken.append(f"lowered without a dew point {at}")
        if was - value > 2.0 or value - was > 1.0 or value > BASE_C or value < BASE_C - 5.0:
            self.broken.append(f"too far {at}")
        if apart_s < (settle_s if value < was else 1800.0):
            self.broken.append(f"after {apart_s:.0f} s {at}")

    def _check(self) -> None:
        """Note a moved setpoint that nothing remembers."""
        moved = bool(self.writes) and self.world.setpoint_c == self.writes[-1].value < BASE_C
        if moved and (UNIT, Verb.SET_SUPPLY) not in self.memory.setpoints:
            self.broken.append(f"no record at {self.now - EPOCH:.0f} s of {self.world.setpoint_c:g}")

    # -- what is polled ----------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        world, ids = self.world, [m.id for m in self.site.miners]
        share = np.array([world.share(m) for m in ids])
        throttled = np.array([world.chip_c(m) >= 90.0 for m in ids])
        rate = share * np.where(throttled, 0.9, 1.0) * NOMINAL_TH
        self._work += rate * 1e3 * STEP_S
        told = {
            "hashrate_th": rate,
            "expected_th": np.array([world.shares.get(m, 1.0) for m in ids]) * NOMINAL_TH,
            "work_gh": self._work,
            "chip_max_c": np.array([world.chip_c(m) for m in ids]),
            "inlet_c": np.full(self._n, round(world.supply_c)),
            "elapsed_s": np.full(self._n, 90_000.0),
            "suspended": np.array([float(m in world.asleep) for m in ids]),
        }
        everyone, at = np.ones(self._n, dtype=np.bool_), np.full(self._n, self.now)
        self.view.put_answers(
            everyone, at, np.ones(self._n, dtype=np.int32), {name: (everyone, values) for name, values in told.items()}
        )
        if world.speaks:
            self.view.put_cooling(UNIT, self.now, self._reading())

    def _reading(self) -> CoolingReading:
        world = self.world
        flow_lpm = world.flow_setpoint_lpm * (1.0 - world.wear)
        humidity = math.exp(17.62 * world.dew_c / (243.12 + world.dew_c)) / math.exp(
            17.62 * world.ambient_c / (243.12 + world.ambient_c)
        )
        return CoolingReading(
            supply_c=round(world.supply_c + world.sensor_k if world.stuck_c is None else world.stuck_c, 1),
            return_c=round(world.supply_c + 8.0, 1),
            flow_lpm=round(flow_lpm, 1),
            setpoint_c=world.setpoint_c,
            flow_setpoint_lpm=world.flow_setpoint_lpm,
            is_remote=not world.local,
            pumps_ok=True,
            leak=world.leak,
            ambient_c=round(world.ambient_c, 1),
            humidity=round(min(humidity, 1.0), 3) if world.tells_humidity else None,
        )
