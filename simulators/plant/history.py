"""What a site's surroundings do over weeks: blocks found, share difficulties moved, shifts with more or less noise.

Everything is a function of site time and the seed alone: whoever asks when gets the same answer, and an answer costs a
look-up. What the surroundings do to a miner is the miner's; which firmware each runs lives in `firmware`.
"""

import hashlib
import math
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from agent.model.ids import MinerId
from simulators.plant.weather import DAY_S, Climate

BLOCK_MEAN_S = 600.0
SHIFT_S = 8.0 * 3600.0
NEVER_S = math.inf

_BLOCKS_AHEAD = 256
_STEPS_AHEAD = 8


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How lively the surroundings are. Shifts begin at site time 0, 8 h and 16 h of each day: night, day, evening.

    Attributes:
        block_mean_s: mean time between two blocks of the network; None for shares that go stale evenly.
        vardiff_mean_s: mean time between two changes of one worker's share difficulty, each by a factor 2 away from its
            base or back to it; None for never. Twice a day is an estimate: pools aim at 16 to 20 shares a minute (facts
            "detection", section 1.2) and correct what drifts out of a factor of two.
        lost_polls: share of polls lost in an average shift.
        lost_by_shift: factors on it: people work on the network by day. An estimate.
        noise_by_shift: factors on the scatter of nonces: by day fans and supply voltage swing more. An estimate.
        firmware_mix: miners of a family run different versions; else all run the commonest.
        climate: the weather.
    """

    block_mean_s: float | None = BLOCK_MEAN_S
    vardiff_mean_s: float | None = 12.0 * 3600.0
    lost_polls: float = 0.0
    lost_by_shift: tuple[float, float, float] = (0.5, 1.5, 1.0)
    noise_by_shift: tuple[float, float, float] = (0.9, 1.1, 1.0)
    firmware_mix: bool = True
    climate: Climate = Climate.MILD


CALM = HistorySettings(block_mean_s=None, vardiff_mean_s=None, noise_by_shift=(1.0, 1.0, 1.0), firmware_mix=False)
"""Nothing ever changes: for what is compared with a closed form."""


class History:
    """The surroundings of one site from `start_s` on. Before, shares go stale evenly and no difficulty moves."""

    def __init__(self, settings: HistorySettings, *, seed: int, start_s: float = 0.0) -> None:
        self.settings = settings
        self.start_s = start_s
        self._seed = seed
        self._blocks: list[float] = []
        self._blocks_rng = self.stream("blocks")
        self._steps: dict[MinerId, _Steps] = {}

    def stream(self, name: str) -> random.Random:
        """Return a random stream of its own for `name`."""
        digest = hashlib.sha256(f"{self._seed}/history/{name}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8]))  # noqa: S311 -- a simulation wants repeatable chance

    # -- blocks ------------------------------------------------------------------------------------------------------

    def blocks_between(self, a: float, b: float) -> tuple[float, ...]:
        """Return when blocks were found from site time `a` until before `b`."""
        self._find_blocks(b)
        first = bisect_left(self._blocks, a)
        return tuple(self._blocks[first : bisect_left(self._blocks, b)])

    def around(self, at: float) -> tuple[float, float]:
        """Return the last block up to `at` and the first after it; -inf where there was none yet."""
        if self.settings.block_mean_s is None:
            return -NEVER_S, NEVER_S
        self._find_blocks(at)
        after = bisect_right(self._blocks, at)
        return (self._blocks[after - 1] if after else -NEVER_S), self._blocks[after]

    def stale_window_s(self, stale_share: float) -> float:
        """Return for how long after a block shares are stale, so that on average `stale_share` of all are."""
        return stale_share * (self.settings.block_mean_s or 0.0)

    def _find_blocks(self, until: float) -> None:
        mean_s = self.settings.block_mean_s
        if mean_s is None:
            return
        blocks, rng = self._blocks, self._blocks_rng
        while not blocks or blocks[-1] <= until:
            last = blocks[-1] if blocks else self.start_s
            for _ in range(_BLOCKS_AHEAD):
                last += rng.expovariate(1.0 / mean_s)
                blocks.append(last)

    # -- share difficulty --------------------------------------------------------------------------------------------

    def difficulty_factor(self, miner: MinerId, at: float) -> tuple[float, float]:
        """Return the factor on the base of a worker's share difficulty at `at`, and until when it holds."""
        mean_s = self.settings.vardiff_mean_s
        if mean_s is None:
            return 1.0, NEVER_S
        steps = self._steps.get(miner)
        if steps is None:
            steps = self._steps[miner] = _Steps(self.start_s)
        while steps.times[-1] <= at:
            steps.extend(self.stream(f"vardiff/{miner}/{len(steps.times)}"), mean_s)
        return steps.at(at)

    # -- shifts ------------------------------------------------------------------------------------------------------

    def lost_polls(self, now: float) -> float:
        """Return how probable it is that a poll sent at `now` is lost."""
        return min(1.0, self.settings.lost_polls * self.settings.lost_by_shift[shift(now)])

    def noise_factor(self, at: float) -> tuple[float, float]:
        """Return the factor on the scatter of nonces at `at`, and until when it holds."""
        return self.settings.noise_by_shift[shift(at)], (at // SHIFT_S + 1.0) * SHIFT_S


class _Steps:
    """One worker's difficulty: at its base, or a factor 2 above or below it, changing at random times."""

    __slots__ = ("_factors", "times")

    def __init__(self, start_s: float) -> None:
        self.times = [start_s]
        self._factors = [1.0, 1.0]

    def extend(self, rng: random.Random, mean_s: float) -> None:
        """Add the next few changes; each stream of chance is used for them alone, so that none has to be kept."""
        for _ in range(_STEPS_AHEAD):
            self.times.append(self.times[-1] + rng.expovariate(1.0 / mean_s))
            away = self._factors[-1] == 1.0
            self._factors.append(rng.choice((0.5, 2.0)) if away else 1.0)

    def at(self, at: float) -> tuple[float, float]:
        """Return the factor at `at`, and until when it holds."""
        k = bisect_right(self.times, at)
        return self._factors[k], self.times[k]


def shift(now: float) -> int:
    """Return the shift of the day at site time `now`: 0 by night, 1 by day, 2 in the evening."""
    return int(now % DAY_S // SHIFT_S)
