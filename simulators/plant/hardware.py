"""One miner's hardware: what it draws, how warm it gets, when its hashboards have power. Not what decides about it."""

import math
import random
import zlib
from dataclasses import dataclass

from agent.model.topology import Miner
from simulators.plant.hashing import Hashing
from simulators.plant.profile import FamilyProfile, Span
from simulators.plant.readings import Build
from simulators.plant.state import Board, HungDraw, Process

HEAT_TAU_S = 75.0
"""Thermal time constant of an air-cooled miner: facts "detection", section 5."""

LATCH_DRAW_W: Span = (10.0, 18.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """One miner's own figures, drawn once.

    Attributes:
        idle_w, standby_w, latch_w: draw with the control board alone, of the supply alone, of a latched supply.
        full_w: draw at full rate.
        build: temperatures, fans and hashboards at full rate.
        noise_key: what its noise is drawn from.
    """

    idle_w: float
    standby_w: float
    latch_w: float
    full_w: float
    build: Build
    noise_key: str

    @classmethod
    def drawn(cls, spec: Miner, profile: FamilyProfile, rng: random.Random) -> "Figures":
        """Draw a miner of that model."""
        idle_w = rng.uniform(*profile.idle_w)
        standby_w = rng.uniform(*profile.standby_w)
        latch_w = rng.uniform(*LATCH_DRAW_W)
        full_w = spec.power_w * rng.uniform(0.98, 1.01)
        chip_c = tuple(rng.uniform(*profile.chip_c) for _ in range(profile.boards))
        fan_rpm = tuple(rng.uniform(*profile.fan_rpm) for _ in range(profile.fans))
        weights = [rng.uniform(0.97, 1.03) for _ in range(profile.boards)]
        build = Build(
            chip_c=chip_c,
            pcb_c=tuple(c - profile.pcb_below_c for c in chip_c),
            fan_rpm=fan_rpm,
            idle_rpm=profile.idle_rpm,
            board_shares=tuple(w / sum(weights) for w in weights),
        )
        return cls(idle_w, standby_w, latch_w, full_w, build, f"{spec.id}/{rng.random()}")

    def flicker(self, now: float) -> float:
        """Return a factor within 1 % of one that changes every second, the same whoever looks."""
        return 0.99 + 0.02 * zlib.crc32(f"{self.noise_key}/{int(now)}".encode()) / 2**32


class Hardware:
    """The hashboards of one miner, and what they make it draw.

    Attributes:
        figures: its own figures.
        boards_off_at: site time in s at which the hashboards lost their power, or will; infinite while they keep it.
    """

    def __init__(self, figures: Figures, profile: FamilyProfile, hashing: Hashing, now: float) -> None:
        self.figures = figures
        self.boards_off_at = math.inf
        self._profile = profile
        self._hashing = hashing
        self._heat = 1.0
        self._heat_at = now
        self._flicker_of, self._flicker = -1, 1.0

    def compute(self, now: float, ramp_s: float, ramp_from: float) -> None:
        """Power the hashboards and compute, rising evenly from that share of the full rate within `ramp_s`."""
        self.warmth(now)
        self.boards_off_at = math.inf
        self._hashing.begin(now, ramp_s, ramp_from)

    def halt(self, now: float) -> None:
        """Compute no more; the hashboards keep their power."""
        self.warmth(now)
        self._hashing.stop(now)

    def warmth(self, now: float) -> float:
        """Bring the heat, 1 at full rate and 0 when cold, up to `now` and return it."""
        if now > self._heat_at:
            if self._hashing.level(self._heat_at) * self._hashing.pace == 1.0 == self._heat:  # it has been since
                self._heat_at = now
                return self._heat
            if self._heat_at < self._hashing.ramp_end < now:
                self._follow(self._hashing.ramp_end)
            self._follow(now)
        return self._heat

    def _follow(self, now: float) -> None:
        """Pass a stretch in which the rate is constant or rises evenly: the exact answer of a first-order lag."""
        pace, dt = self._hashing.pace, now - self._heat_at
        first, last = self._hashing.level(self._heat_at) * pace, self._hashing.level(now) * pace
        if not first == last == self._heat:
            lag = (last - first) / dt * HEAT_TAU_S
            self._heat = last - lag + (self._heat - first + lag) * math.exp(-dt / HEAT_TAU_S)
        self._heat_at = now

    def drawn_w(self, now: float, board: Board, process: Process, hung_draw: HungDraw) -> float:
        """Return the draw of a supply that works, in W, with its control board and mining process in these states."""
        full_w, idle_w = self.figures.full_w, self.figures.idle_w
        if board is Board.HUNG and hung_draw == "full":
            drawn_w = full_w
        elif board is Board.OFF or board is Board.BOOTING or (process is Process.STOPPED and board is Board.UP):
            drawn_w = idle_w
        elif process is Process.STARTING:
            drawn_w = max(idle_w, full_w * self._profile.init_share)
        elif (level := self._hashing.level(now)) > 0.0:
            drawn_w = idle_w + (full_w - idle_w) * level * self._hashing.pace
        else:
            drawn_w = max(idle_w, full_w * self._profile.unfed_share) if now < self.boards_off_at else idle_w
        return drawn_w * self.flicker(now)

    def flicker(self, now: float) -> float:
        """Return the figures' flicker."""
        second = int(now)
        if second != self._flicker_of:
            self._flicker_of, self._flicker = second, self.figures.flicker(now)
        return self._flicker
