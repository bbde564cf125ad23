"""One miner's hardware: what it draws, and when its hashboards have power. Not what decides about it, nor its heat."""

import math
import random
import zlib
from dataclasses import dataclass

from agent.model.topology import Miner
from simulators.plant.hashing import Hashing
from simulators.plant.heat import MinerHeat, build_of
from simulators.plant.profile import FamilyProfile, Span
from simulators.plant.readings import Build
from simulators.plant.state import Board, HungDraw, Process

LATCH_DRAW_W: Span = (10.0, 18.0)

_UP, _OFF, _BOOTING, _HUNG = Board.UP, Board.OFF, Board.BOOTING, Board.HUNG
_STARTING, _STOPPED = Process.STARTING, Process.STOPPED
"""Members as such: to look one up in its class takes as long as several comparisons, and each reply asks for dozens."""


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
    noise_key: int

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
        board_shares = tuple(w / sum(weights) for w in weights)
        build = build_of(spec, profile, chip_c, fan_rpm, board_shares)
        noise_key = zlib.crc32(f"{spec.id}/{rng.random()}/".encode())
        return cls(idle_w, standby_w, latch_w, full_w, build, noise_key)

    def flicker(self, now: float) -> float:
        """Return a factor within 1 % of one that changes every second, the same whoever looks."""
        return 0.99 + 0.02 * zlib.crc32(b"%d" % int(now), self.noise_key) / 2**32


class Hardware:
    """The hashboards of one miner, and what they make it draw.

    Attributes:
        figures: its own figures.
        heat: how warm it is.
        boards_off_at: site time in s at which the hashboards lost their power, or will; infinite while they keep it.
    """

    def __init__(self, figures: Figures, profile: FamilyProfile, hashing: Hashing, heat: MinerHeat) -> None:
        self.figures = figures
        self.heat = heat
        self.boards_off_at = math.inf
        self._profile = profile
        self._hashing = hashing
        self._flicker_of, self._flicker = -1, 1.0

    def compute(self, now: float, ramp_s: float, ramp_from: float) -> None:
        """Power the hashboards and compute, rising evenly from that share of the full rate within `ramp_s`."""
        self.heat.advance(now)
        self.boards_off_at = math.inf
        self._hashing.begin(now, ramp_s, ramp_from)

    def halt(self, now: float) -> None:
        """Compute no more; the hashboards keep their power."""
        self.heat.advance(now)
        self._hashing.stop(now)

    def drawn_w(self, now: float, board: Board, process: Process, hung_draw: HungDraw) -> float:
        """Return the draw of a supply that works, in W, with its control board and mining process in these states."""
        return self.steady_w(now, board, process, hung_draw) * self.flicker(now)

    def steady_w(self, now: float, board: Board, process: Process, hung_draw: HungDraw) -> float:
        """Return the same without its flicker."""
        full_w, idle_w = self.figures.full_w, self.figures.idle_w
        if board is _HUNG and hung_draw == "full":
            return full_w
        if board is _OFF or board is _BOOTING or (process is _STOPPED and board is _UP):
            return idle_w
        if process is _STARTING:
            return max(idle_w, full_w * self._profile.init_share)
        if (output := self._hashing.output(now)) > 0.0:
            return idle_w + (full_w - idle_w) * output
        return max(idle_w, full_w * self._profile.unfed_share) if now < self.boards_off_at else idle_w

    def flicker(self, now: float) -> float:
        """Return the figures' flicker."""
        second = int(now)
        if second != self._flicker_of:
            self._flicker_of, self._flicker = second, self.figures.flicker(now)
        return self._flicker
