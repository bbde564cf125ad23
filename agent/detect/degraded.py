"""Degraded miners: they hash, steadily below what they aim at, by what their work counters grow.

Definition and figures: facts "detection", section 7, D7. Whole windows of five minutes are compared, all rows at once;
a window in which a miner started, tuned, slept, was too hot, had no pool or hardly hashed says nothing, nor does one
soon after its loop was hot. Averages that the device makes are never looked at (section 0).
"""

from dataclasses import dataclass

import numpy as np

from agent.detect.hardware import parts_seen
from agent.detect.loop import LoopDetector
from agent.detect.screen import health
from agent.model.columns import Bools, Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.verdicts import Verdicts

IDLE_SHARE = 0.25
"""Below this share of its target a miner is not degraded but does something else, or nothing."""

HOT_WITHIN_C = 5.0
"""So close to its limit a chip may be throttled: facts "detection", section 7, D3."""

AFTER_HEAT_S = 2700.0
"""A firmware that stepped down for its heat takes that back step by step, once it is cool: for so long it hashes below
its aim and is not worn. An estimate: eight steps of five minutes, and a window."""

COMPLETE = 0.8
"""Share of a window that readings must span."""

_RUNNING = int(Expected.RUNNING)


@dataclass(frozen=True, slots=True)
class DegradedThresholds:
    """Figures of the detector.

    Attributes:
        ratio: share of the expected work below which a window is low.
        window_s: length of a window.
        windows: low windows in a row before it fires.
        clear_ratio: share of the expected work from which a window is good.
        clear_windows: good windows in a row before it is over.
    """

    ratio: float = 0.95
    window_s: float = 300.0
    windows: int = 2
    clear_ratio: float = 0.97
    clear_windows: int = 3


class DegradedDetector:
    """Judges every row at the end of each window; keeps where it began. State arrays have shape (n,).

    Args:
        loops: whose rows are too hot for a reason of their loop's; it judges before, in the same tick. None where
            nobody looks.
    """

    category = Category.OTHER

    def __init__(
        self, rows: int, thresholds: DegradedThresholds | None = None, loops: LoopDetector | None = None
    ) -> None:
        self._t = thresholds or DegradedThresholds()
        self._loops = loops
        self._due_at = -np.inf
        self._began_at: Floats = np.full(rows, np.nan)
        self._began_gh: Floats = np.full(rows, np.nan)
        self._began_th: Floats = np.full(rows, np.nan)
        self._spoilt: Bools = np.ones(rows, dtype=np.bool_)
        self._low: Ints = np.zeros(rows, dtype=np.int8)
        self._good: Ints = np.zeros(rows, dtype=np.int8)
        self._share: Floats = np.full(rows, np.nan)
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._limit_c: Floats | None = None
        self._hot_until: Floats = np.full(rows, -np.inf)

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        target_th = view.target_th()
        with np.errstate(invalid="ignore"):
            self._spoilt |= view.expected != _RUNNING
            self._spoilt |= view.pool_alive.value == 0.0
            self._spoilt |= view.hashrate_th.value < IDLE_SHARE * target_th
            self._spoilt |= view.chip_max_c.value >= self._hot_c(view)
            if self._loops is not None and self._loops.claims.any():
                self._hot_until[self._loops.claims] = now + AFTER_HEAT_S
            self._spoilt |= now < self._hot_until
        if now >= self._due_at:
            self._close(view, target_th, now)
        firing = ~np.isnan(self._since)
        suspect = ((self._low > 0) & ~firing).nonzero()[0]
        return Verdicts(
            self.category,
            health(len(firing), suspect=suspect, firing=firing.nonzero()[0]),
            self._since,
            self._clear_since,
            DegradedEvidence(view, self._share),
        )

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.DEGRADED:
            self._since[row] = since

    def _hot_c(self, view: SiteView) -> Floats:
        if self._limit_c is None:
            self._limit_c = np.array([m.limits.chip_c - HOT_WITHIN_C for m in view.site.miners], dtype=np.float64)
        return self._limit_c

    def _close(self, view: SiteView, target_th: Floats, now: float) -> None:
        """Judge the window that ends now, and begin the next."""
        work = view.work_gh
        with np.errstate(invalid="ignore", divide="ignore"):
            span_s = work.at - self._began_at
            self._share = (work.total - self._began_gh) / span_s / np.fmin(target_th, self._began_th) / 1e3
            whole = ~self._spoilt & (span_s >= COMPLETE * self._t.window_s)
            whole &= ~(view.boards_up.value < view.hardware.boards_most)
            low, good = whole & (self._share < self._t.ratio), whole & (self._share >= self._t.clear_ratio)
        self._low = np.where(low, np.minimum(self._low + 1, 100), 0).astype(np.int8)
        self._good = np.where(good, np.minimum(self._good + 1, 100), 0).astype(np.int8)
        self._since[(self._low >= self._t.windows) & np.isnan(self._since)] = now
        firing = ~np.isnan(self._since)
        self._clear_since = np.where(firing & (self._good > 0), np.fmin(self._clear_since, now), np.nan)
        over = firing & (self._good >= self._t.clear_windows)
        self._since[over] = self._clear_since[over] = np.nan
        np.copyto(self._began_at, work.at)
        np.copyto(self._began_gh, work.total)
        np.copyto(self._began_th, target_th)
        self._spoilt[:] = False
        self._due_at = now + self._t.window_s


class DegradedEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_share", "_view")

    reasons = frozenset({Reason.DEGRADED})

    def __init__(self, view: SiteView, share: Floats) -> None:
        self._view = view
        self._share = share

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.DEGRADED

    def domain(self, _: int) -> str:
        """Return nothing: worn chips are one miner's."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        share = self._share[row]
        return {"work_share": None if np.isnan(share) else round(float(share), 3), **parts_seen(self._view, row)}
