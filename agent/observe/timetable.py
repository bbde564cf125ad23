"""When each row is due. No IO and no waiting: the poller asks what is due and says when a row's turn is over.

Every row has a grid of its own, a fixed phase and then one slot a period, so that polls neither bunch nor drift.
Back-off leaves slots out; it never leaves the grid.
"""

import hashlib
import heapq
import math
from collections.abc import Iterator, Sequence


def phase(name: str) -> float:
    """Return a device's fixed place within a period, 0 ≤ phase < 1, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


class Timetable:
    """The slots of n rows, in seconds of the loop's clock. A row that was taken is absent until it is put back.

    Args:
        names: what each row's phase derives from.
        period_s: distance of two slots of a row.
        start_s: when the first period begins.
    """

    __slots__ = ("_due_s", "_heap", "_origin_s", "_period_s", "_slot")

    def __init__(self, names: Sequence[str], period_s: float, start_s: float) -> None:
        self._period_s = period_s
        self._origin_s = [start_s + phase(name) * period_s for name in names]
        self._slot = [0] * len(names)
        self._due_s = list(self._origin_s)
        self._heap = [(due_s, row) for row, due_s in enumerate(self._due_s)]
        heapq.heapify(self._heap)

    @property
    def next_s(self) -> float:
        """When the next row may fall due; infinity while none waits. Superseded entries make it early, never late."""
        return self._heap[0][0] if self._heap else math.inf

    def take(self, until_s: float) -> Iterator[int]:
        """Yield, and take out, the rows due by `until_s`, the longest due first."""
        while self._heap and self._heap[0][0] <= until_s:
            due_s, row = heapq.heappop(self._heap)
            if due_s == self._due_s[row]:  # else superseded by `hasten`
                self._due_s[row] = math.nan
                yield row

    def put_back(self, row: int, now_s: float, slots: int = 1) -> int:
        """Let a taken row be due again, `slots` after the slot it was taken for; return how many more were missed."""
        wanted = self._slot[row] + slots
        missed = max(0, self._slot_from(row, now_s) - wanted)
        self._set(row, wanted + missed)
        return missed

    def hasten(self, row: int, now_s: float) -> None:
        """Give a waiting row its next slot on the grid, however far away its present one is."""
        slot = self._slot_from(row, now_s)
        if not math.isnan(self._due_s[row]) and slot < self._slot[row]:
            self._set(row, slot)

    def _slot_from(self, row: int, now_s: float) -> int:
        return math.ceil((now_s - self._origin_s[row]) / self._period_s)

    def _set(self, row: int, slot: int) -> None:
        self._slot[row] = slot
        self._due_s[row] = self._origin_s[row] + slot * self._period_s
        heapq.heappush(self._heap, (self._due_s[row], row))
