"""A whole round of replies stored at once: columns that every reply tells lie in common blocks of memory.

A site that answers tells some twenty columns a round. One by one each of them takes several passes over all rows; side
by side they are stored with a few calls for all of them, and the few rows that did not answer get back what they had.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Counter, Floats, Signal

SIGNALS = (
    *("hashrate_th", "expected_th", "elapsed_s", "hw_errors", "chip_max_c"),
    *("pool_alive", "pool_drops", "boards_up", "chips_up"),
)
COUNTERS = ("work_gh", "accepted", "rejected", "stale", "accepted_diff", "drops")
"""What every whole reply tells: columns that a round of replies is stored in at once."""

TOLD_BY_ALL = frozenset((*SIGNALS, *COUNTERS))

HISTORIES = frozenset({"work_gh", "accepted"})
"""Counters with a history."""


class Round:
    """Signals and counters of n devices, side by side.

    Args:
        n: how many devices.
        signals: how many signals.
        histories: for each counter whether it has a history.

    Attributes:
        signals, counters: the columns, each of which can be written by itself as well.
    """

    def __init__(self, n: int, *, signals: int, histories: Sequence[bool]) -> None:
        counters = len(histories)
        self._at: Floats = np.full((signals + counters, n), np.nan)
        self._value: Floats = np.full((signals, n), np.nan)
        self._total, self._grew_at = np.full((2, counters, n), np.nan)
        self._raw, self._base, self._new = np.zeros((3, counters, n))
        self._same: Bools = np.zeros((counters, n), dtype=np.bool_)
        self.signals = [Signal(n, value=self._value[k], at=self._at[k]) for k in range(signals)]
        self.counters = [
            Counter(
                n,
                history=history,
                of=(self._total[k], self._at[signals + k], self._grew_at[k], self._raw[k], self._base[k]),
            )
            for k, history in enumerate(histories)
        ]

    def put(
        self, where: Bools, at: Floats, values: Sequence[Floats | None], raws: Sequence[Floats | None]
    ) -> NDArray[np.int64]:
        """Store what the rows `where` measured, all columns of each, as `put_rows` of every column would.

        Args:
            where: who answered; other arrays have shape (n,), and only these rows of them count.
            at: when, UTC s.
            values: of each signal; None for what was measured last.
            raws: likewise the reading of each counter.

        Returns:
            The other rows.
        """
        others = (~where).nonzero()[0]
        for counter in self.counters:
            counter.remember(where, at)
        kept_at, kept_value = self._at[:, others], self._value[:, others]
        kept_raw, kept_total = self._raw[:, others], self._total[:, others]
        np.copyto(self._at, at)
        self._at[:, others] = kept_at
        for column, value in zip(self._value, values, strict=True):
            if value is not None:
                np.copyto(column, value)
        self._value[:, others] = kept_value
        for column, raw in zip(self._raw, raws, strict=True):
            if raw is not None:
                np.copyto(column, raw)
        self._raw[:, others] = kept_raw
        np.add(self._base, self._raw, out=self._new)
        self._new[:, others] = kept_total
        np.less_equal(self._new, self._total, out=self._same)
        self._same[:, others] = True
        np.putmask(self._grew_at, np.logical_not(self._same, out=self._same), at)
        np.copyto(self._total, self._new)
        return others
