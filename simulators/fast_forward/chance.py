"""Chance for many rows at once: what numpy would draw one by one, at a fraction of its price.

A month of two thousand miners draws half a billion numbers. Normal ones are looked up among the middles of 65,536
equally likely pieces, but for the two outermost, whose tails are drawn exactly. Poisson counts are found by inversion,
for all rows in one comparison with what is known of each row's expectation. Both are drawn for many steps in one go:
between two steps all else that a site does has driven those tables out of the processor's memory.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Floats

PIECES = 1 << 16
"""As many as 16 bits tell apart."""

AHEAD = 1 << 16
"""About so many numbers are drawn in one go."""

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


class Ahead:
    """Numbers for each of n rows, drawn for many steps in one go.

    Args:
        draw: returns so many steps' numbers, of shape (steps, n).
    """

    def __init__(self, n: int, draw: Callable[[int], NDArray[Any]]) -> None:
        self._steps = max(1, AHEAD // max(1, n))
        self._draw = draw
        self._left: list[NDArray[Any]] = []

    def take(self) -> NDArray[Any]:
        """Return the next step's numbers, shape (n,); they are the caller's to overwrite."""
        if not self._left:
            self._left = list(self._draw(self._steps))
        return self._left.pop()


class Chance:
    """One stream of chance."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def normal(self, n: int) -> NDArray[np.float32]:
        """Return n standard normal numbers."""
        pieces = self.rng.integers(0, PIECES, n, dtype=np.uint16)
        drawn = _middles()[pieces]
        for edge in (0, PIECES - 1):
            for place in (pieces == edge).nonzero()[0].tolist():
                beyond = _NORMAL.inv_cdf((1.0 - float(self.rng.random())) / PIECES)
                drawn[place] = -beyond if edge else beyond
        return drawn

    def events(self, expected: Floats) -> NDArray[np.int64]:
        """Return the row of every event where so many are expected of each row, and few of all.

        How many there are of all rows together is a Poisson count; then for each of them whose it is.
        """
        up_to = expected.cumsum()
        most = float(up_to[-1]) if up_to.size else 0.0
        events = self.rng.random(int(self.rng.poisson(most))) * most
        rows: NDArray[np.int64] = up_to.searchsorted(events, side="right")
        return np.minimum(rows, len(expected) - 1, out=rows)  # sums are not exact


class Counts:
    """Poisson counts of n rows, each of which usually expects as many or a few more."""

    def __init__(self, n: int, chance: Chance) -> None:
        self._chance = chance
        self._usual: Floats = np.zeros(n)
        self._drawn_for: Floats = np.zeros(n)
        self._up_to: NDArray[np.float32] = np.ones((STEPS, n), dtype=np.float32)
        self._is_more = np.empty((STEPS, n), dtype=np.bool_)
        self._steps = 0
        self._ahead = Ahead(n, self._draw_ahead)

    def expect(self, row: int, usual: float) -> None:
        """Have that expectation for what a row usually expects."""
        self._usual[row] = usual = min(usual, USUAL_MOST)
        self._up_to[:, row], steps = _table(usual)
        self._steps = max(self._steps, steps)

    def draw(self, expected: Floats) -> tuple[Floats, Floats]:
        """Return a count for each row, and what it expects beyond that: a Poisson stream of its own."""
        counts: Floats = self._ahead.take().astype(np.float64)
        rest = expected - self._drawn_for
        unusual = ((rest < 0.0) | (rest > REST_MOST)).nonzero()[0]
        if unusual.size:
            counts[unusual] = self._chance.rng.poisson(expected[unusual])
            rest[unusual] = 0.0
        return counts, rest

    def _draw_ahead(self, steps: int) -> NDArray[np.int8]:
        """Return the usual counts of so many steps."""
        np.copyto(self._drawn_for, self._usual)
        up_to, is_more = self._up_to[: self._steps], self._is_more[: self._steps]
        drawn = self._chance.rng.random((steps, self._usual.size), dtype=np.float32)
        counts = np.empty(drawn.shape, dtype=np.int8)
        for of_step, count in zip(drawn, counts, strict=True):
            np.less_equal(up_to, of_step, out=is_more)
            np.add.reduce(is_more.view(np.int8), axis=0, dtype=np.int8, out=count)
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
