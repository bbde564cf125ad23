"""Chance for many rows at once: what numpy would draw one by one, at a fraction of its price.

A month of two thousand miners draws half a billion numbers. Normal ones are looked up among the middles of 65,536
equally likely pieces, but for the two outermost, whose tails are drawn exactly. Poisson counts are found by inversion,
for all rows in one comparison with what is known of each row's expectation.
"""

from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Floats

PIECES = 1 << 16
"""As many as 16 bits tell apart."""

STEPS = 48
USUAL_MOST = 19.0
"""So many steps up a table go; of an expectation up to the other no count in a billion is beyond them."""

TABLES_KEPT = 32_768
"""A row goes to and fro between a few expectations: those of 10,000 rows at three share difficulties each."""

REST_MOST = 1.0
"""What is expected beyond a row's table is drawn with that of all others up to so much, and one by one above."""

_NORMAL = NormalDist()
_STEPS: Floats = np.arange(STEPS, dtype=np.float64)
_LOG_FACTORIALS: Floats = np.cumsum(np.log(np.maximum(_STEPS, 1.0)))


class Chance:
    """One stream of chance."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def normal(self, n: int) -> Floats:
        """Return n standard normal numbers."""
        pieces = self.rng.integers(0, PIECES, n, dtype=np.uint16)
        drawn = _middles()[pieces].astype(np.float64)
        for edge in (0, PIECES - 1):
            for place in (pieces == edge).nonzero()[0].tolist():
                beyond = _NORMAL.inv_cdf((1.0 - float(self.rng.random())) / PIECES)
                drawn[place] = -beyond if edge else beyond
        return drawn

    def scattered(self, expected: Floats) -> Floats:
        """Return a Poisson count for each of these expectations, of events that are rare.

        How many there are of all rows together, and then for each of them whose it is.
        """
        up_to = expected.cumsum()
        most = float(up_to[-1]) if up_to.size else 0.0
        found = int(self.rng.poisson(most))
        if not found:
            return np.zeros(len(expected))
        events = self.rng.random(found) * most
        rows = np.minimum(np.searchsorted(up_to, events, side="right"), len(expected) - 1)  # sums are not exact
        return np.bincount(rows, minlength=len(expected)).astype(np.float64)


class Counts:
    """Poisson counts of n rows, each of which usually expects as many or a few more."""

    def __init__(self, n: int, chance: Chance) -> None:
        self._chance = chance
        self._usual: Floats = np.zeros(n)
        self._up_to: NDArray[np.float32] = np.ones((STEPS, n), dtype=np.float32)
        self._is_more = np.empty((STEPS, n), dtype=np.bool_)
        self._steps = 0

    def expect(self, row: int, usual: float) -> None:
        """Have that expectation for what a row usually expects."""
        self._usual[row] = usual = min(usual, USUAL_MOST)
        self._up_to[:, row], steps = _table(usual)
        self._steps = max(self._steps, steps)

    def draw(self, expected: Floats) -> Floats:
        """Return a count for each row; what it expects more than usual is a Poisson stream of its own."""
        rng = self._chance.rng
        is_more = self._is_more[: self._steps]
        np.less_equal(self._up_to[: self._steps], rng.random(len(expected), dtype=np.float32), out=is_more)
        counts: Floats = np.add.reduce(is_more.view(np.int8), axis=0, dtype=np.int8).astype(np.float64)
        rest = expected - self._usual
        unusual = ((rest < 0.0) | (rest > REST_MOST)).nonzero()[0]
        if unusual.size:
            counts[unusual] = rng.poisson(expected[unusual])
            rest[unusual] = 0.0
        counts += self._chance.scattered(rest)
        return counts


@lru_cache(TABLES_KEPT)
def _table(usual: float) -> tuple[NDArray[np.float32], int]:
    """Return how probable so many counts or fewer are, and from how many on that is certain to a float's precision."""
    up_to = np.exp(_STEPS * np.log(max(usual, 1e-300)) - usual - _LOG_FACTORIALS).cumsum().astype(np.float32)
    # A step that is certain tells nothing: whatever is drawn lies below it.
    return up_to, int(np.count_nonzero(up_to < 1.0))


@cache
def _middles() -> NDArray[np.float32]:
    """Return the middle of each piece, by chance, of the normal distribution; small enough to stay at hand."""
    return np.array([_NORMAL.inv_cdf((piece + 0.5) / PIECES) for piece in range(PIECES)], dtype=np.float32)
