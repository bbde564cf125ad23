"""One miner's temperatures: what its hashboards give off, how well that is carried away, and what its fans do about it.

    hottest sensor = coolant + full rise · resistance · heat

The coolant is the air or the liquid around it; the full rise is its own at full rate; the resistance is 1 when all is
well; the heat follows the rate with the time constant of what it is cooled by. Constants: facts "detection", section 5.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.model.topology import Cooling, Family, Miner
from simulators.plant.hashing import Hashing
from simulators.plant.profile import FamilyProfile
from simulators.plant.readings import AMBIENT_C, Build, Warmth

FAN_MAX_RPM: Mapping[Family, float] = {
    Family.ANTMINER_STOCK: 7000.0,
    Family.LUXOS: 6500.0,
    Family.WHATSMINER: 7600.0,
}
"""Fans at full speed. Estimates above what facts "detection", section 1.2, saw in service, such that a healthy miner
holds out in air of 37 °C: they are sold for 40."""

FAN_EXPONENT = 0.8
"""Thermal resistance falls with this power of the air's speed: turbulent flow along fins."""


@dataclass(frozen=True, slots=True)
class Medium:
    """What carries heat away.

    Attributes:
        tau_s: time constant of a miner's chips.
        rise_k: hottest chip over the coolant that comes in, at full rate; None where that is the family's own.
        stalled_k_per_s: how fast chips get hotter at full rate when the coolant stands still.
        stalled_tau_s: how slowly they lose heat then; an estimate.
        flow_lpm_per_w: design flow. outlet_k: by how much the coolant is warmer when it leaves, at design flow.
    """

    tau_s: float
    rise_k: float | None
    stalled_k_per_s: float
    stalled_tau_s: float = 1200.0
    flow_lpm_per_w: float = 0.0
    outlet_k: float = 0.0


MEDIA: Mapping[Cooling, Medium] = {
    Cooling.AIR: Medium(75.0, None, 0.60, outlet_k=17.6),
    Cooling.HYDRO: Medium(18.0, 26.0, 0.82, flow_lpm_per_w=9.0 / 5400.0, outlet_k=8.7),
    Cooling.IMMERSION: Medium(60.0, 25.0, 0.035, flow_lpm_per_w=12.0 / 3500.0, outlet_k=8.7),
}
"""Hydro: 0.004 K/W at 5.4 kW and half of the coolant's 8.7 K. Immersion: chips over the tank, an estimate; with the
pumps at rest the tank itself takes up the heat, which is the loop's, so that its miners never stall."""

LEAST_FLOW = 0.05
"""What leaves a miner in which the liquid stands still is told as if it flowed so much, over design flow."""

SETTLED = 0.03
"""What heat may differ from where it goes to, as a share, and count as there."""

BOARD_BELOW_K = 9.0
"""A liquid-cooled board is so much cooler than its chips; LuxOS shows boards. An estimate."""


class Coolant(Protocol):
    """The air or the liquid that some miners share."""

    def supply_c(self, now: float) -> float:
        """Return the temperature at which it comes to them, in °C."""
        ...


def build_of(
    spec: Miner,
    profile: FamilyProfile,
    chip_c: Sequence[float],
    fan_rpm: tuple[float, ...],
    board_shares: tuple[float, ...],
) -> Build:
    """Return what is particular to a miner's hardware, from what was drawn for its family in air of AMBIENT_C.

    Boards that are liquid-cooled differ from each other as in air, but by less, and have no fans.
    """
    rise_k = MEDIA[spec.cooling].rise_k
    if rise_k is None:
        chips = tuple(c - AMBIENT_C for c in chip_c)
        return Build(chips, tuple(k - profile.pcb_below_c for k in chips), fan_rpm, profile.idle_rpm, board_shares)
    low_c, high_c = profile.chip_c
    chips = tuple(rise_k * (0.93 + 0.14 * (c - low_c) / (high_c - low_c)) for c in chip_c)
    boards = tuple(k - BOARD_BELOW_K for k in chips)
    return Build(boards if spec.family is Family.LUXOS else chips, boards, (), 0.0, board_shares)


class MinerHeat:
    """The heat of one miner.

    Attributes:
        medium: what carries it away. coolant: where that comes from.
        fans_full: its fans run at full speed, whatever it needs.
        hindrance: its resistance at a given speed of its fans or at a given flow, over that of a clean and whole miner.
        build: what is particular to it. rise_k, board_rise_k: of its hottest chip and board.
        least, most: resistance with fans at full speed and at idle speed, over the usual one; 1 without fans.
        fan_idle: idle speed over the one at full rate in air of AMBIENT_C.
    """

    def __init__(self, spec: Miner, build: Build, hashing: Hashing, coolant: Coolant, now: float) -> None:
        self.medium = MEDIA[spec.cooling]
        self.coolant = coolant
        self._clog = self._thinned = self.hindrance = 1.0
        self.fans_full = False
        self.build = build
        self._hashing = hashing
        self._heat = self._carried = 1.0
        self._tau_s = self.medium.tau_s
        self._at = now
        self._flow = 1.0
        self.rise_k, self.board_rise_k = max(build.chip_rise_k), max(build.pcb_rise_k)
        self._fanned = bool(build.fan_rpm)
        self.fan_idle, self.least, self.most = 0.0, 1.0, 1.0
        if self._fanned:
            rpm = sum(build.fan_rpm) / len(build.fan_rpm)
            self.fan_idle = build.idle_rpm / rpm
            self.least = min(1.0, rpm / FAN_MAX_RPM[spec.family]) ** FAN_EXPONENT
            self.most = (1.0 / self.fan_idle) ** FAN_EXPONENT

    # -- heat --------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> float:
        """Bring the heat up to `now` and return it: 1 at full rate with all well, 0 when cold."""
        if now > self._at:
            hashing = self._hashing
            if hashing.ramp_end <= self._at and self._heat == hashing.output(now) * self._carried * self.hindrance:
                self._at = now  # the rate does not change, and it is as warm as that makes it
                return self._heat
            if self._at < hashing.ramp_end < now:
                self._follow(hashing.ramp_end)
            self._follow(now)
        return self._heat

    def carry(self, now: float, resistance: float | None, flow: float) -> None:
        """Let the liquid carry heat away otherwise from now on.

        Args:
            now: site s.
            resistance: between chips and liquid, over the one at design flow; None where the liquid stands still.
            flow: over design flow.
        """
        self.advance(now)
        medium = self.medium
        self._flow = flow
        if resistance is None:
            self._tau_s = medium.stalled_tau_s
            self._carried = medium.stalled_k_per_s / self.rise_k * medium.stalled_tau_s
        else:
            self._tau_s, self._carried = medium.tau_s * resistance, resistance

    @property
    def is_stalled(self) -> bool:
        """Whether the liquid around it stands still."""
        return self._tau_s == self.medium.stalled_tau_s

    def is_fed(self, now: float) -> bool:
        """Whether its hashboards have power and work."""
        return self._hashing.output(now) > 0.0

    def is_settled(self, now: float) -> bool:
        """Whether it is as warm as it will be at its present rate, as nearly as a display shows."""
        wanted = self._hashing.output(now) * self._carried * self.hindrance
        return abs(self.advance(now) - wanted) <= SETTLED * wanted

    def _follow(self, now: float) -> None:
        """Pass a stretch in which the rate is constant or rises evenly: the exact answer of a first-order lag."""
        tau_s, carried, dt = self._tau_s, self._carried * self.hindrance, now - self._at
        first, last = self._hashing.output(self._at) * carried, self._hashing.output(now) * carried
        if not first == last == self._heat:
            lag = (last - first) / dt * tau_s
            self._heat = last - lag + (self._heat - first + lag) * math.exp(-dt / tau_s)
        self._at = now

    @property
    def clog(self) -> float:
        """Its resistance at a given airflow or flow, over that of a clean miner."""
        return self._clog

    def clog_up(self, now: float, clog: float) -> None:
        """Have that resistance from now on."""
        self.advance(now)
        self._clog = clog
        self.hindrance = clog * self._thinned

    def turn_fans(self, now: float, turning: int) -> None:
        """Let so many of its fans turn from now on: what air they move is as much less."""
        self.advance(now)
        fans = len(self.build.fan_rpm)
        self._thinned = (fans / max(1, turning)) ** FAN_EXPONENT if fans else 1.0
        self.hindrance = self._clog * self._thinned

    # -- temperatures ------------------------------------------------------------------------------------------------

    def resistance(self, inlet_c: float, heat: float) -> float:
        """Return the air's part in the resistance at its fans' speed, over the one at full rate in air of AMBIENT_C.

        Fans run as slowly as they can for the temperature they were set to hold, and no faster than they can.
        """
        if self.fans_full or not self._fanned:
            return self.least
        wanted = ((AMBIENT_C - inlet_c) / self.rise_k + 1.0) / max(1.0, heat)
        return min(max(wanted, self.least), self.most)

    def warmth(self, now: float) -> Warmth:
        """Return how warm it is."""
        heat, inlet_c = self.advance(now), self.coolant.supply_c(now)
        resistance = self.resistance(inlet_c, heat)
        given_off = heat / (self._carried * self.hindrance)
        outlet_c = inlet_c + self.medium.outlet_k * given_off / max(self._flow, LEAST_FLOW)
        fans = 0.0
        if self._fanned:
            speed = 1.0 if resistance == 1.0 else math.pow(resistance, -1.0 / FAN_EXPONENT)
            run = 1.0 if self.fans_full else min(1.0, max(0.0, heat))
            fans = (speed - self.fan_idle) / (1.0 - self.fan_idle) * run
        return Warmth(inlet_c, outlet_c, resistance * heat, fans)

    def chip_c(self, now: float, inlet_c: float) -> float:
        """Return the hottest chip sensor in °C; `inlet_c`: what cools it comes in that warm."""
        heat = self.advance(now)
        return inlet_c + self.rise_k * self.resistance(inlet_c, heat) * heat

    def safe_below_c(self, chip_c: float, share: float = 1.0) -> float:
        """Return the coolant's temperature below which chips stay under that one at a share of the rate, for good."""
        return chip_c - self.rise_k * self.hindrance * self.least * self._carried * share
