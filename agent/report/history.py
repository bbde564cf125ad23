"""How a site's hashrate went over a run, in so many points whatever its length. Draws nothing and reads no clock."""

from dataclasses import dataclass
from math import isfinite

from agent.model.errors import InvariantError

MAX_POINTS = 2000
"""Points kept: more than a screen has columns, and some 60 kB of a page."""


@dataclass(frozen=True, slots=True)
class SiteHistory:
    """A site's hashrate over site time; the arrays are of one length, in order of time.

    Attributes:
        at_s: site s, the middle of what was averaged into the point.
        hashrate_th: mean hashrate in TH/s.
        target_th: mean of what it should have been, in TH/s.
        lowest_th: least hashrate in TH/s that went into the mean: a dip shorter than a point stays visible.
    """

    at_s: tuple[float, ...] = ()
    hashrate_th: tuple[float, ...] = ()
    target_th: tuple[float, ...] = ()
    lowest_th: tuple[float, ...] = ()


@dataclass(slots=True)
class _Bin:
    """Samples that make one point: sums, how many they are, and the least."""

    number: int
    samples: int
    at_s: float
    hashrate_th: float
    target_th: float
    lowest_th: float

    def take(self, later: "_Bin") -> None:
        self.samples += later.samples
        self.at_s += later.at_s
        self.hashrate_th += later.hashrate_th
        self.target_th += later.target_th
        self.lowest_th = min(self.lowest_th, later.lowest_th)


class HistoryRecorder:
    """Takes samples as they come and keeps at most MAX_POINTS: when those are full, every two become one.

    Args:
        step_s: site s that a point stands for at first.
    """

    def __init__(self, step_s: float) -> None:
        if not (isfinite(step_s) and step_s > 0):
            raise InvariantError(f"a history needs a step of more than 0 s, got {step_s!r}")
        self._step_s = step_s
        self._bins: list[_Bin] = []
        self._last_s = float("-inf")

    @property
    def step_s(self) -> float:
        """Site s that a point stands for now."""
        return self._step_s

    def note(self, at_s: float, hashrate_th: float, target_th: float) -> None:
        """Take one sample: site s, TH/s, TH/s. One that is not finite is missing, and left out.

        Raises InvariantError for a sample that is earlier than the one before.
        """
        if at_s < self._last_s:
            raise InvariantError(f"site time ran from {self._last_s} s back to {at_s} s")
        if not (isfinite(at_s) and isfinite(hashrate_th) and isfinite(target_th)):
            return
        self._last_s = at_s
        self._add(_Bin(int(at_s // self._step_s), 1, at_s, hashrate_th, target_th, hashrate_th))
        while len(self._bins) > MAX_POINTS:
            self._halve()

    def history(self) -> SiteHistory:
        """Return what was taken so far."""
        bins = self._bins
        return SiteHistory(
            tuple(b.at_s / b.samples for b in bins),
            tuple(b.hashrate_th / b.samples for b in bins),
            tuple(b.target_th / b.samples for b in bins),
            tuple(b.lowest_th for b in bins),
        )

    def _add(self, new: _Bin) -> None:
        if self._bins and self._bins[-1].number == new.number:
            self._bins[-1].take(new)
        else:
            self._bins.append(new)

    def _halve(self) -> None:
        fine, self._bins = self._bins, []
        self._step_s *= 2.0
        for each in fine:
            each.number //= 2
            self._add(each)
