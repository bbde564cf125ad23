"""How well the miners are heard: how many polls are answered, and how long a reply takes to be seen. Data only."""

from bisect import bisect_left
from dataclasses import dataclass, field

EDGES_S: tuple[float, ...] = tuple(1e-5 * 2.0 ** (step / 2) for step in range(48))
"""Upper edges of the buckets in s: from 10 µs to about 118 s, each √2 times the one before; the last holds the rest."""


class Latency:
    """A histogram of monitoring latency: reply complete → columns written, in s.

    Quantiles are upper edges of buckets: never too low, at most a factor √2 too high.
    """

    __slots__ = ("_counts", "_sum_s", "count")

    def __init__(self) -> None:
        self._counts = [0] * len(EDGES_S)
        self._sum_s = 0.0
        self.count = 0

    def add(self, latency_s: float) -> None:
        """Count one reply."""
        self._counts[min(bisect_left(EDGES_S, latency_s), len(EDGES_S) - 1)] += 1
        self._sum_s += latency_s
        self.count += 1

    @property
    def mean_s(self) -> float | None:
        """Mean in s; None before the first reply."""
        return self._sum_s / self.count if self.count else None

    @property
    def p50_s(self) -> float | None:
        """Median in s; None before the first reply."""
        return self.quantile_s(0.50)

    @property
    def p95_s(self) -> float | None:
        """95th percentile in s; None before the first reply."""
        return self.quantile_s(0.95)

    def quantile_s(self, share: float) -> float | None:
        """Return the latency in s that `share` of all replies did not exceed; None before the first reply."""
        rank = share * self.count
        seen = 0
        for edge_s, count in zip(EDGES_S, self._counts, strict=True):
            seen += count
            if count and seen >= rank:
                return edge_s
        return None


@dataclass(slots=True)
class Polling:
    """Polls of miners since the start.

    Attributes:
        polls: started.
        answered: ended with usable telemetry.
        late: polls that did not take place because the one before was not done when its turn came.
        latency: how long replies took from complete to written.
    """

    polls: int = 0
    answered: int = 0
    late: int = 0
    latency: Latency = field(default_factory=Latency)

    @property
    def share(self) -> float | None:
        """Share of polls that were answered; None before the first."""
        return self.answered / self.polls if self.polls else None
