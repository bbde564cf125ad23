"""Columns: one measured quantity of many devices, one row each, with the time it was last really measured.

Two writers of the same columns: `put` takes one device's reading, `put_rows` a whole round of them.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int8]
Bools = NDArray[np.bool_]

HISTORY_SAMPLES = 96
HISTORY_SPACING_S = 4.0
"""A counter's history reaches back samples x spacing = 384 s or more, whatever the poll interval."""


def cells(array: NDArray[Any]) -> "memoryview[Any]":
    """Return the same memory for access to single elements, at half of what numpy takes for one."""
    return memoryview(array)  # type: ignore[arg-type] # its element type is known at run time only


class Signal:
    """One measured quantity of n devices: `value` and `at` (UTC s), both float64 of shape (n,), NaN for never."""

    __slots__ = ("_at", "_value", "at", "value")

    def __init__(self, n: int, *, value: Floats | None = None, at: Floats | None = None) -> None:
        """Begin with nothing measured; `value`, `at`: memory to use, of NaN."""
        self.value: Floats = np.full(n, np.nan) if value is None else value
        self.at: Floats = np.full(n, np.nan) if at is None else at
        self._value, self._at = cells(self.value), cells(self.at)

    def put(self, row: int, value: float | None, now: float) -> None:
        """Store a measurement; `None` and NaN change nothing."""
        if value is not None and value == value:  # noqa: PLR0124 - NaN is not; a call would take as long as the rest
            self._value[row] = value
            self._at[row] = now

    def put_rows(self, where: Bools, value: Floats | None, at: Floats) -> None:
        """Store the measurements of the rows `where`, none of them NaN; all shapes (n,), `at` in UTC s.

        None stands for what each of them measured last.
        """
        if value is not None:
            np.putmask(self.value, where, value)
        np.putmask(self.at, where, at)

    def fresh(self, row: int, now: float, max_age_s: float) -> float | None:
        """Return the value if it was measured within `max_age_s`, else None."""
        return float(self._value[row]) if now - self._at[row] <= max_age_s else None


def side_by_side(n: int, signals: int) -> list[Signal]:
    """Return so many signals of n devices in one block of memory, so that rows of all of them can be copied at once."""
    values, ats = np.full((2, signals, n), np.nan)
    return [Signal(n, value=value, at=at) for value, at in zip(values, ats, strict=True)]


class Counter:
    """A device's counter, made monotone over restarts, with a short history where it is asked for.

    `total` only grows while the device counts; when the device's process restarts its counter begins again and the old
    part is kept. `grew_at` is when a reading last showed growth. History is a ring of copies of the whole column, times
    and totals of shape (HISTORY_SAMPLES, n): one is made before a reading is overwritten that none holds yet, so once a
    poll period at most, and copying a column costs less than scattering its rows over the ring would.
    """

    __slots__ = (
        "_base",
        "_cells",
        "_copied_at",
        "_next",
        "_ring",
        "_times",
        "_totals",
        "_uncopied",
        "at",
        "grew_at",
        "raw",
        "total",
    )

    def __init__(
        self, n: int, *, history: bool = False, of: tuple[Floats, Floats, Floats, Floats, Floats] | None = None
    ) -> None:
        """Begin with nothing read; `of`: memory for total, at and grew_at, of NaN, and for raw and base, of 0."""
        of = of or (*np.full((3, n), np.nan), *np.zeros((2, n)))
        self.total: Floats
        self.at: Floats
        self.grew_at: Floats
        self.raw: Floats
        self.total, self.at, self.grew_at, self.raw, self._base = of
        self._times: Floats = np.full((HISTORY_SAMPLES if history else 0, n), np.nan)
        self._totals: Floats = np.full_like(self._times, np.nan)
        self._ring = cells(self._times)
        self._uncopied: Bools = np.zeros(n, dtype=np.bool_)
        self._copied_at = -math.inf if history else math.inf
        self._next = 0
        self._cells = tuple(map(cells, (self.total, self.at, self.grew_at, self.raw, self._base, self._uncopied)))

    def put(self, row: int, raw: float | None, now: float, *, restarted: bool) -> None:
        """Store a counter reading. `restarted`: the device's process is younger than at the reading before."""
        if raw is None or raw != raw:  # noqa: PLR0124 - NaN is; a call would take as long as the rest
            return
        totals, at, grew_at, raws, base, uncopied = self._cells
        if uncopied[row] and now - self._copied_at >= HISTORY_SPACING_S:
            self._copy(now)
        if restarted:
            base[row] += raws[row]
        raws[row] = raw
        total = base[row] + raw
        if not total <= totals[row]:  # NaN before the first
            grew_at[row] = now
        totals[row] = total
        at[row] = now
        uncopied[row] = True

    def put_rows(self, where: Bools, raw: Floats | None, at: Floats) -> None:
        """Store the readings of the rows `where`, none of them NaN, each of the process that counted before.

        None stands for what each of them read last.
        """
        self.remember(where, at)
        if raw is not None:
            total = self._base + raw
            np.putmask(self.raw, where, raw)
            np.putmask(self.grew_at, where & ~(total <= self.total), at)
            np.putmask(self.total, where, total)
        np.putmask(self.at, where, at)

    def remember(self, where: Bools, at: Floats) -> None:
        """Copy the column into the history, if need be, before the rows `where` are read at those times."""
        if not self._times.size:
            return
        if (overwritten := self._uncopied & where).any():
            now = float(np.where(overwritten, at, -math.inf).max())
            if now - self._copied_at >= HISTORY_SPACING_S:
                self._copy(now)
        self._uncopied |= where

    def _copy(self, now: float) -> None:
        self._times[self._next] = self.at
        self._totals[self._next] = self.total
        self._next = (self._next + 1) % HISTORY_SAMPLES
        self._uncopied.fill(False)
        self._copied_at = now

    @property
    def has_history(self) -> bool:
        """Whether it was asked to keep one."""
        return len(self._times) > 0

    @property
    def next_copy(self) -> int:
        """Where in its history the next copy goes."""
        return self._next

    def copies_from(self, place: int) -> list[tuple[Floats, Floats]]:
        """Return the copies made since `next_copy` was `place`, the oldest first: times and totals, shape (n,) each."""
        samples = len(self._times)
        places = [(place + k) % samples for k in range((self._next - place) % samples)] if samples else []
        return [(self._times[k], self._totals[k]) for k in places]

    def add_copy(self, rows: NDArray[np.int64], at: Floats, total: Floats) -> None:
        """Take a copy of these rows that was made elsewhere into the history; shapes as of `rows`."""
        self._times[self._next].fill(np.nan)
        self._times[self._next, rows], self._totals[self._next, rows] = at, total
        self._next = (self._next + 1) % len(self._times)

    def history(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return times and totals of all copies of these rows, the oldest first; shape (HISTORY_SAMPLES, rows) each."""
        order = np.roll(np.arange(len(self._times)), -self._next)
        return self._times[order][:, rows], self._totals[order][:, rows]

    def put_history(self, rows: NDArray[np.int64], at: Floats, total: Floats) -> None:
        """Take what `history` returned elsewhere for these rows, the newest where the newest are here."""
        order = np.roll(np.arange(len(self._times)), -self._next)
        self._times[np.ix_(order, rows)], self._totals[np.ix_(order, rows)] = at, total

    def over(self, row: int, window_s: float) -> tuple[float, float] | None:
        """Return (growth, seconds) between the newest reading and the latest one at least `window_s` before it.

        None while the history does not reach that far back.
        """
        times, samples = self._ring, len(self._times)
        newest_at, newest = self._cells[1][row], self._next - 1
        low, high = 0, samples
        while low < high:  # how many copies back; older ones lie further back, and those never made furthest
            middle = (low + high) // 2
            if newest_at - times[(newest - middle) % samples, row] < window_s:
                low = middle + 1
            else:
                high = middle
        start = (newest - low) % samples if low < samples else None
        if start is None or not (age_s := newest_at - times[start, row]) >= window_s:
            return None
        return float(self.total[row] - self._totals[start, row]), float(age_s)
