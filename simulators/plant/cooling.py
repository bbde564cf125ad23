"""What cools a site's miners: the air around them, and coolant loops with pumps, coolers and a controlled supply.

The air is as the weather has it. A loop is looked after by a heartbeat while anything about it moves; when nothing does
it follows the weather in long strides, and in constant weather it costs nothing at all. What a loop's controller takes
from a network is the coolant unit's (`unit`).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agent.model.columns import Floats
from agent.model.ids import MinerId
from agent.model.topology import Cooling, CoolingUnit, Miner, Site
from simulators.plant.circuit import Circuit, CircuitFigures
from simulators.plant.clockwork import Clockwork
from simulators.plant.heat import MEDIA
from simulators.plant.weather import Weather

BEAT_S = 5.0
STRIDE_S = 300.0
REST_BEATS = 12
"""A loop falls asleep after so many heartbeats at rest."""

CAPACITY_J_PER_K_W: Mapping[Cooling, float] = {
    Cooling.HYDRO: 12.5e6 / 1.08e6,
    Cooling.IMMERSION: 2.4e6 / 84e3,
}
"""For each W of its miners: 3 m³ for 1.08 MW, a tank of 1.2 m³ for 84 kW. Facts "detection", section 5."""

SETPOINT_C: Mapping[Cooling, float] = {Cooling.HYDRO: 35.0, Cooling.IMMERSION: 40.0}
"""Of a loop that no configured unit drives."""

STILL, MOST_FLOW = 0.05, 1.3
"""Flows, over the design flow: less than the one is none, and no pump brings more than the other."""

LOW_FLOW, WARM_K = 0.85, 3.0
"""A loop is amiss below this flow, or so much above its setpoint: facts "detection", section 7, row D8."""

REST_SHARE = 1e-4
"""Heat that changes by less than this share from one heartbeat to the next stands still."""


class Cooled(Protocol):
    """A miner, as what cools it sees it."""

    @property
    def spec(self) -> Miner:
        """Its line in the inventory."""
        ...

    def heat_w(self) -> float:
        """Return the heat it gives off now, in W."""
        ...

    def is_ramping(self, now: float) -> bool:
        """Whether its rate or its draw is on its way to another one."""
        ...

    def carried_away(self, now: float, resistance: float | None, flow: float) -> None:
        """Hear that its coolant carries heat away otherwise from now on; None: it stands still."""
        ...

    def cooled_by(self, now: float, coolant: "Coolant") -> None:
        """Hear that from now on something else cools it, as it was designed to."""
        ...

    def watch_heat(self, now: float) -> bool:
        """Do what its firmware does about its temperature; return whether that has to be looked at again soon."""
        ...

    def endures_c(self) -> float:
        """Return the temperature of what cools it below which its firmware has nothing to do about it."""
        ...


@dataclass(frozen=True, slots=True)
class _Fouls:
    """Coolers that foul evenly from one time to another: share lost and droop in K, before and after."""

    since: float
    until: float
    share_from: float
    share_to: float
    droop_from: float
    droop_to: float

    def at(self, now: float) -> tuple[float, float]:
        """Return share and droop at a site time."""
        part = 1.0 if now >= self.until else (now - self.since) / (self.until - self.since)
        share = self.share_from + (self.share_to - self.share_from) * part
        return share, self.droop_from + (self.droop_to - self.droop_from) * part


class Coolant:
    """What some miners share: a temperature, and a heartbeat while any of them has to be watched.

    Attributes:
        members: its miners.
    """

    def __init__(self, clockwork: Clockwork, weather: Weather) -> None:
        self.members: list[Cooled] = []
        self._clock = clockwork
        self._weather = weather
        self._watched: set[int] = set()
        self._endures_c: Floats = np.zeros(0)
        self._coldest_c = math.inf
        self._hot_at_c, self._hot_places = math.nan, set[int]()
        self._beats = self._strides = False

    def supply_c(self, now: float) -> float:
        """Return the temperature at which it comes to the miners, in °C."""
        raise NotImplementedError

    @property
    def is_amiss(self) -> bool:
        """Whether it does not cool as it should."""
        return False

    def join(self, member: Cooled) -> int:
        """Take a miner in; return its place among the members."""
        self.members.append(member)
        return len(self.members) - 1

    def start(self) -> None:
        """Begin to live: all members are there."""
        self._endures_c = np.array([member.endures_c() for member in self.members])
        self._coldest_c = min(self._endures_c, default=math.inf)
        if not self._weather.is_constant:
            self.follow_weather()

    def follow_weather(self) -> None:
        """Look at the weather from now on, every now and then."""
        if not self._strides and self.members:
            self._strides = True
            self._clock.plan(self._clock.now + STRIDE_S, self._stride)

    def stir(self, place: int) -> None:
        """Hear that the rate or the draw of the member there changes, or is about to."""

    def reconsider(self, place: int) -> None:
        """Hear that a member is cooled otherwise than before: it is looked at from now on."""
        self._endures_c[place] = self.members[place].endures_c()
        self._coldest_c = float(self._endures_c.min())
        self._hot_at_c = math.nan
        self._watched.add(place)
        self.wake()

    def wake(self) -> None:
        """Have a heartbeat from now on, for as long as there is something to watch."""
        if not self._beats:
            self._beats = True
            self._clock.plan((self._clock.now // BEAT_S + 1.0) * BEAT_S, self._beat)

    def _beat(self, now: float) -> None:
        moves = self._move(now)
        hot = self._hot(now)
        busy = {place for place in sorted(self._watched | hot) if self.members[place].watch_heat(now)}
        self._watched = busy | hot
        self._beats = moves or bool(self._watched)
        if self._beats:
            self._clock.plan(now + BEAT_S, self._beat)

    def _hot(self, now: float) -> set[int]:
        """Return the places of those for whom it is too hot, or will be."""
        supply_c = self.supply_c(now)
        if supply_c < self._coldest_c:
            return set()
        if self._hot_at_c != supply_c:
            self._hot_at_c, self._hot_places = supply_c, set(np.flatnonzero(self._endures_c <= supply_c).tolist())
        return self._hot_places

    def _move(self, now: float) -> bool:
        """Let time pass up to `now`; return whether anything moves still."""
        return False

    def _stride(self, now: float) -> None:
        """Follow the weather, every now and then."""
        if not self._beats and (self._move(now) or self._hot(now)):
            self.wake()
        self._clock.plan(now + STRIDE_S, self._stride)


class Air(Coolant):
    """The air around every miner that is air-cooled: as it is outdoors."""

    def supply_c(self, now: float) -> float:
        """Return the outdoor temperature in °C."""
        return self._weather.outdoor_c(now)


class Aside(Coolant):
    """Another loop, on which all is well: for those that hang elsewhere than the inventory says."""

    def __init__(self, clockwork: Clockwork, weather: Weather, supply_c: float) -> None:
        super().__init__(clockwork, weather)
        self._supply_c = supply_c

    def supply_c(self, now: float) -> float:
        """Return its supply, which never changes."""
        return self._supply_c


class Loop(Coolant):
    """One coolant loop: pumps, coolers, a controller that holds the supply at its setpoint.

    Attributes:
        name: as the inventory has it. kind: what its liquid does.
        circuit: its temperatures.
        design_lpm: its flow when all is well. flow: the present one over it.
    """

    def __init__(
        self, name: str, specs: Sequence[Miner], unit: CoolingUnit | None, clockwork: Clockwork, weather: Weather
    ) -> None:
        super().__init__(clockwork, weather)
        self.name = name
        self.kind = specs[0].cooling
        nominal_w = sum(spec.power_w for spec in specs)
        capacity = CAPACITY_J_PER_K_W[self.kind] * nominal_w
        setpoint_c = SETPOINT_C[self.kind] if unit is None else unit.setpoint_c
        self.circuit = Circuit(CircuitFigures(nominal_w, capacity, capacity), setpoint_c, nominal_w)
        self.design_lpm = MEDIA[self.kind].flow_lpm_per_w * nominal_w if unit is None else unit.design_flow_lpm
        self.flow = 1.0
        self._flow_setpoint, self._wear, self._fouling = 1.0, 0.0, 0.0
        self._fouls = _Fouls(clockwork.now, clockwork.now, 0.0, 0.0, 0.0, 0.0)
        self._pumps_run = self._rejects = True
        self._heat_w = nominal_w
        self._at = clockwork.now
        self._rest = 0
        self._aside = Aside(clockwork, weather, setpoint_c)
        self._elsewhere: set[int] = set()
        self._heats_w: Floats = np.zeros(0)
        self._moving: set[int] = set()

    def start(self) -> None:
        """Begin to live, at rest."""
        self._heats_w = np.array([member.heat_w() for member in self.members])
        self._heat_w = float(self._heats_w.sum())
        self.circuit.settle(self._heat_w, self._weather.wet_bulb_c(self._clock.now))
        super().start()

    @property
    def is_amiss(self) -> bool:
        """Whether it is lost, short of flow, or warmer than it should be."""
        return self.is_lost or self.flow < LOW_FLOW or self.circuit.supply_c > self.circuit.setpoint_c + WARM_K

    # -- what it shows -------------------------------------------------------------------------------------------------

    def supply_c(self, now: float) -> float:
        """Return the temperature of what goes to the miners, in °C, as of the last heartbeat."""
        return self.circuit.supply_c

    def return_c(self, now: float) -> float:
        """Return the temperature of what comes back from them, in °C; what stands still tells of the supply alone."""
        if self.flow < STILL:
            return self.supply_c(now)
        warmer_k = MEDIA[self.kind].outlet_k * self._heat_w / self.circuit.figures.nominal_w / self.flow
        return self.supply_c(now) + warmer_k

    @property
    def flow_lpm(self) -> float:
        """The flow, in L/min."""
        return self.flow * self.design_lpm

    @property
    def flow_setpoint_lpm(self) -> float:
        """What its pumps are to bring, in L/min."""
        return self._flow_setpoint * self.design_lpm

    @property
    def pumps_run(self) -> bool:
        """Whether its pumps turn."""
        return self._pumps_run

    @property
    def is_lost(self) -> bool:
        """Whether no heat is carried out of it."""
        return self.flow < STILL or not self._rejects

    # -- what it is told, and what befalls it --------------------------------------------------------------------------

    def stir(self, place: int) -> None:
        """Hear that the rate or the draw of the member there changes: so does the heat it gives off."""
        self._moving.add(place)
        self._disturb()

    def _disturb(self) -> None:
        """Be at rest no more."""
        self._rest = 0
        self.wake()

    def wake(self) -> None:
        """Have a heartbeat from now on; until now it was at rest."""
        if not self._beats:
            self._at = self._clock.now
        super().wake()

    def aim(self, now: float, setpoint_c: float) -> None:
        """Hold the supply at that temperature from now on."""
        self._move(now)
        self.circuit.setpoint_c = setpoint_c
        self._disturb()

    def set_apart(self, now: float, miners: Collection[MinerId], away: bool) -> None:
        """Have these miners of its hang on another loop, or on this one again; what they give off counts as ever."""
        places = [place for place, member in enumerate(self.members) if member.spec.id in miners]
        for place in places:
            self.members[place].cooled_by(now, self._aside if away else self)
        (self._elsewhere.update if away else self._elsewhere.difference_update)(places)

    def pump(self, now: float, flow_setpoint: float) -> None:
        """Have the pumps bring that flow, over the design flow."""
        self._flow_setpoint = flow_setpoint
        self._follow_flow(now)

    def foul(self, now: float, *, share: float, droop_k: float, within_s: float = 0.0) -> None:
        """Let so much of the coolers' conductance be lost, and the controller leave the supply above its setpoint.

        Both come evenly within so long.
        """
        self._move(now)
        self._fouls = _Fouls(now, now + within_s, self._fouling, share, self.circuit.droop_k, droop_k)
        self._follow_flow(now)

    def wear(self, now: float, share: float) -> None:
        """Let pumps bring less than they are to, by that share; 0 ends that."""
        self._wear = share
        self._follow_flow(now)

    def set_pumps(self, now: float, run: bool) -> None:
        """Let all pumps fail, or run again."""
        self._pumps_run = run
        self._follow_flow(now)

    def set_rejection(self, now: float, works: bool) -> None:
        """Let the coolers fail altogether, or work again."""
        self._rejects = works
        self._follow_flow(now)

    def _follow_flow(self, now: float) -> None:
        self._move(now)
        flow = min(MOST_FLOW, self._flow_setpoint * (1.0 - self._wear)) if self._pumps_run else 0.0
        still = flow < STILL
        self._fouling, self.circuit.droop_k = self._fouls.at(now)
        self.circuit.health = 0.0 if still or not self._rejects else 1.0 - self._fouling
        if flow != self.flow:
            self.flow = flow
            # In a tank the liquid goes round by itself.
            resistance = 1.0 if self.kind is Cooling.IMMERSION else None if still else resistance_at(flow)
            for place, member in enumerate(self.members):
                if place not in self._elsewhere:
                    member.carried_away(now, resistance, flow)
                    self.reconsider(place)
        self._disturb()

    def _move(self, now: float) -> bool:
        dt, self._at = now - self._at, now
        asleep = not self._beats and dt > BEAT_S  # whoever changes its rate wakes it
        heat_w = self._heat_w if asleep else self._given_off_w(now)
        taken_w = 0.0 if self.kind is Cooling.HYDRO and self.flow < STILL else heat_w
        sink_c, circuit = self._weather.wet_bulb_c(now), self.circuit
        if now - dt < self._fouls.until:
            self._fouling, circuit.droop_k = self._fouls.at(now)
            circuit.health = 0.0 if self.is_lost else 1.0 - self._fouling
        if asleep:
            circuit.settle(taken_w, sink_c)
        else:
            circuit.advance(dt, taken_w, sink_c)
        moves = now < self._fouls.until or (not asleep and bool(self._moving))
        still = abs(heat_w - self._heat_w) <= REST_SHARE * self._heat_w and not moves
        self._heat_w = heat_w
        self._rest = self._rest + 1 if still and circuit.is_settled(taken_w, sink_c) else 0
        return self._rest < REST_BEATS

    def _given_off_w(self, now: float) -> float:
        """Return the heat of all members in W; only of those whose rate or draw may have moved is it asked anew."""
        for place in sorted(self._moving):
            self._heats_w[place] = self.members[place].heat_w()
        self._moving = {place for place in self._moving if self.members[place].is_ramping(now)}
        return float(self._heats_w.sum())


def resistance_at(flow: float) -> float:
    """Return the resistance between chips and liquid over the one at design flow; half of it lies in the flow."""
    return 0.5 + 0.5 * math.pow(flow, -0.8)


class CoolingPlant:
    """Everything that cools the miners of a site.

    Attributes:
        air: around every miner that is air-cooled. loops: by name.
    """

    def __init__(self, site: Site, clockwork: Clockwork, weather: Weather) -> None:
        self._weather = weather
        self.air = Air(clockwork, weather)
        specs: dict[str, list[Miner]] = {}
        for spec in site.miners:
            if spec.cooling is not Cooling.AIR:
                specs.setdefault(spec.loop or "", []).append(spec)
        self.loops: Mapping[str, Loop] = {
            name: Loop(name, of_loop, site.unit_of_loop.get(name), clockwork, weather)
            for name, of_loop in specs.items()
        }

    def heat_up(self, now: float, extra_k: float, within_s: float) -> None:
        """Let it become that much hotter than the climate has it, within so long; 0 ends that."""
        self._weather.heat_up(now, extra_k, within_s)
        for coolant in (self.air, *self.loops.values()):
            coolant.follow_weather()

    def of(self, spec: Miner) -> Coolant:
        """Return what cools a miner."""
        return self.air if spec.cooling is Cooling.AIR else self.loops[spec.loop or ""]

    def start(self) -> None:
        """Begin to live: every miner is there."""
        for coolant in (self.air, *self.loops.values()):
            coolant.start()
