"""Two small statistics and how sure one may be of them: a rate and a spread. Knows nothing of incidents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, fsum, sqrt

Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many out of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None where there was nothing to succeed at."""
        return self.hits / self.of if self.of else None

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Wilson score interval, 95 %: honest for few cases and near 0 or 1; None as for `value`."""
        return wilson(self.hits, self.of) if self.of else None


@dataclass(frozen=True, slots=True)
class Spread:
    """How a set of durations in s is distributed; every figure None where there were none.

    Percentiles interpolate linearly between the closest ranks, so that the median of two is the middle between them.
    """

    count: int
    mean_s: float | None
    median_s: float | None
    p90_s: float | None
    p95_s: float | None

    @classmethod
    def over(cls, durations: Iterable[float]) -> "Spread":
        """Return the spread of those durations."""
        ordered = sorted(durations)
        if not ordered:
            return cls(0, None, None, None, None)
        mean = fsum(ordered) / len(ordered)
        return cls(len(ordered), mean, quantile(ordered, 0.5), quantile(ordered, 0.9), quantile(ordered, 0.95))


def wilson(hits: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval for `hits` of `of` > 0 (Wilson 1927, without continuity correction)."""
    share = hits / of
    spread = z * sqrt(share * (1.0 - share) / of + z * z / (4.0 * of * of))
    centre = share + z * z / (2.0 * of)
    scale = 1.0 + z * z / of
    low = 0.0 if hits == 0 else (centre - spread) / scale  # exact at the ends, where rounding would leave 1e-18
    high = 1.0 if hits == of else (centre + spread) / scale
    return low, high


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of a sorted, non-empty sequence lies, interpolated linearly."""
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
