"""Unsteady pools: all miners of a pool lose it in the same moment, again and again, and hardly a share with it.

Definition: facts "failures", rows 7 and 8. A proxy or a firewall that ends every connection after a fixed time: its
miners connect again at once, and nothing but their count of lost connections tells. A pool that drops its miners so
that they leave and come back, while whoever looks at it from elsewhere finds it well. One that the gateway finds bad as
well is lost, and the pool detector's.

One miner that loses its pool is no sign of either. What counts is a drop: half of a pool's miners, three at least,
whose counts went up between two answers, with a moment that lies between these answers for all of them.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agent.detect.pool import pool_domain, pool_name
from agent.detect.screen import Rows, health, let_through
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Reason
from agent.model.pool_book import POOL_UNKNOWN
from agent.model.probe import Verdict
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts

SAME_MOMENT_S = 3.0
"""Miners of one pool lose it within so long of each other: a balancer ends thousands of connections one by one."""

GATHER_S = 90.0
"""Longest wait for the answers of all miners of a pool after the first that told of a drop."""

LOOK_S = 150.0
"""Longest wait for the gateway's look at a pool that its miners have left: two and a half of its turns."""


@dataclass(frozen=True, slots=True)
class UnsteadyPoolThresholds:
    """Figures of the detector.

    Attributes:
        together, share: so many of a pool's miners, and so large a share of them, make a drop.
        drops: so many in a row at the same distance are a time-out.
        leaves: so many in a row, at whatever distance, after which the miners had left, are a pool that flaps.
        tolerance: part of the period by which distances may differ.
        least_s, longest_s: distances of two drops that count. Time-outs of proxies are 60, 120 and 600 s; below half a
            minute polls cannot tell them apart.
        clear_share: it is over when a drop has been due for so large a part of the longest distance beyond it ...
        clear_window_s: ... and for so long.
    """

    together: int = 3
    share: float = 0.5
    drops: int = 4
    leaves: int = 3
    tolerance: float = 0.05
    least_s: float = 30.0
    longest_s: float = 900.0
    clear_share: float = 0.25
    clear_window_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Drop:
    """One moment at which miners lost their pool together.

    Attributes:
        after, before: UTC s between which it lies. miners: how many lost it. of: how many work for it.
        left: most of them work elsewhere afterwards.
    """

    after: float
    before: float
    miners: int
    of: int
    left: bool

    @property
    def at(self) -> float:
        """UTC s of the moment, in the middle of what is known."""
        return (self.after + self.before) / 2.0

    @property
    def fuzz_s(self) -> float:
        """By how many seconds that may be wrong."""
        return abs(self.before - self.after) / 2.0


@dataclass(slots=True)
class Gathering:
    """A drop that is being told of. Arrays have shape (n,), NaN for rows that have not told of it.

    Attributes:
        first_at: UTC s of the tick that first heard of it.
        after, before: the answers between which each row lost its connection, UTC s.
    """

    first_at: float
    after: Floats
    before: Floats

    @property
    def rows(self) -> Bools:
        """Who has told of it."""
        return ~np.isnan(self.before)


class UnsteadyPoolDetector:
    """Judges every row; keeps each pool's last drops, and what hysteresis needs. State arrays have shape (n,)."""

    category = Category.POOL

    def __init__(self, rows: int, thresholds: UnsteadyPoolThresholds | None = None) -> None:
        self._t = thresholds or UnsteadyPoolThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._dropped_at: Floats = np.full(rows, np.nan)
        self._quiet_s: Floats = np.full(rows, self._longest_quiet_s)
        self._at: NDArray[np.int16] = np.full(rows, POOL_UNKNOWN, dtype=np.int16)
        self._read_at: Floats = np.full(rows, -np.inf)
        self._count: Floats = np.full(rows, np.nan)
        self._pool_count: Floats = np.full(rows, np.nan)
        self._pool: NDArray[np.int16] = np.full(rows, POOL_UNKNOWN, dtype=np.int16)
        self._gathering: dict[int, Gathering] = {}
        self._drops: dict[int, deque[Drop]] = {}

    @property
    def most_drops(self) -> int:
        """How many drops of a pool are kept."""
        return max(self._t.drops, self._t.leaves)

    @property
    def _longest_quiet_s(self) -> float:
        return (1.0 + self._t.clear_share) * self._t.longest_s

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        self._read(view, now)
        for place in tuple(self._gathering):
            self._gathered(view, now, place)
        firing = let_through(~np.isnan(self._since))
        if firing.size:
            self._clear(view, now, firing)
            firing = firing[~np.isnan(self._since[firing])]
        evidence = UnsteadyPoolEvidence(view, now, self._at, self._drops)
        verdict = health(len(self._since), suspect=firing[:0], firing=firing)
        return Verdicts(self.category, verdict, self._since, self._clear_since, evidence)

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.UNSTEADY_POOL:
            self._since[row] = since

    def _read(self, view: SiteView, now: float) -> None:
        """Take in the answers since the last tick: who lost a connection between the last two, and at which pool."""
        told = view.drops
        news = told.at > self._read_at
        if not news.any():
            return
        # Of who stays, the count of that pool: others may come and go. Of who leaves, that of all, for nobody is
        # dropped who goes home to a better pool.
        stays = view.pool == self._pool
        lost = np.where(stays, view.pool_drops.value > self._pool_count, told.raw > self._count)
        grew = news & lost & (self._pool >= 0)
        if grew.any():
            for place in np.unique(self._pool[grew]).tolist():
                self._note(view, now, place, grew & (self._pool == place))
        np.copyto(self._count, told.raw, where=news)
        np.copyto(self._pool_count, view.pool_drops.value, where=news)
        np.copyto(self._read_at, told.at, where=news)
        np.copyto(self._pool, view.pool, where=news & (view.pool != POOL_UNKNOWN))

    def _note(self, view: SiteView, now: float, place: int, rows: Bools) -> None:
        """Add rows that have just told of a lost connection to the pool at `place`."""
        begun = self._gathering.get(place)
        if begun is not None and (view.drops.at[rows] - begun.before[rows] >= self._t.least_s / 2.0).any():
            # The next one already: these rows have told of this one before.
            self._close(view, now, place)
            begun = None
        if begun is None:
            nothing = np.full(len(rows), np.nan)
            begun = self._gathering[place] = Gathering(now, nothing, nothing.copy())
        rows = rows & ~begun.rows
        begun.after[rows] = self._read_at[rows]
        begun.before[rows] = view.drops.at[rows]

    def _gathered(self, view: SiteView, now: float, place: int) -> None:
        """Close a drop when every miner of the pool has answered since, or the wait is over."""
        begun = self._gathering[place]
        waiting = (self._pool == place) & (view.misses == 0) & (self._read_at < np.nanmax(begun.before))
        if not waiting.any() or now - begun.first_at >= GATHER_S:
            if self._left(place, begun.rows) and not self._is_looked_at(view, now, place, begun):
                return
            self._close(view, now, place)

    def _is_looked_at(self, view: SiteView, now: float, place: int, begun: Gathering) -> bool:
        """Whether the gateway has looked at the pool since, or long enough was waited for it."""
        found = view.probes.get(view.site.pools[place].id) if place < len(view.site.pools) else None
        return now - begun.first_at >= LOOK_S or (found is not None and found.at >= float(np.nanmin(begun.before)))

    def _left(self, place: int, rows: Bools) -> bool:
        return bool(2 * (self._pool[rows] == place).sum() < rows.sum())

    def _close(self, view: SiteView, now: float, place: int) -> None:
        """Take a drop for one if it is, and see what it makes of the pool."""
        begun = self._gathering.pop(place)
        there = begun.rows | ((self._pool == place) & (view.misses == 0))
        rows = _same_moment(begun)
        after, before = float(begun.after[rows].max()), float(begun.before[rows].min())
        drop = Drop(after, before, int(rows.sum()), int(there.sum()), self._left(place, rows))
        together = drop.miners >= self._t.together and drop.miners >= self._t.share * drop.of
        if not together or (drop.left and not _is_good(view, place)):
            return
        drops = self._drops.setdefault(place, deque(maxlen=self.most_drops))
        drops.append(drop)
        distance_s = self._unsteady_s(tuple(drops))
        if distance_s is None:
            return
        ill = rows & view.watched()
        self._since[ill & np.isnan(self._since)] = now
        self._dropped_at[ill] = drop.before
        self._quiet_s[ill] = (1.0 + self._t.clear_share) * distance_s
        self._at[ill] = place

    def _unsteady_s(self, drops: tuple[Drop, ...]) -> float | None:
        """Return the longest distance of the last drops in s if they make the pool unsteady, else None."""
        leaves = drops[-self._t.leaves :]
        if len(leaves) == self._t.leaves and all(drop.left for drop in leaves):
            gaps_s = _distances_s(leaves)
            if self._t.least_s <= min(gaps_s) and max(gaps_s) <= self._t.longest_s:
                return max(gaps_s)
        found = drops[-self._t.drops :]
        return period_s(found, self._t) if len(found) == self._t.drops else None

    def _clear(self, view: SiteView, now: float, firing: Rows) -> None:
        """End verdicts of rows that have not lost their pool when it was due, and for the clear window from then on."""
        unknown = firing[np.isnan(self._dropped_at[firing])]  # taken up after a restart
        self._dropped_at[unknown] = now
        well = (view.misses[firing] == 0) & (now - self._dropped_at[firing] > self._quiet_s[firing])
        self._clear_since[firing] = np.where(well, np.fmin(self._clear_since[firing], now), np.nan)
        ended = firing[now - self._clear_since[firing] >= self._t.clear_window_s]
        for array in (self._since, self._clear_since, self._dropped_at):
            array[ended] = np.nan
        self._quiet_s[ended] = self._longest_quiet_s
        self._at[ended] = POOL_UNKNOWN


def period_s(drops: tuple[Drop, ...], thresholds: UnsteadyPoolThresholds) -> float | None:
    """Return the distance of drops in s if it is the same from each to the next, else None."""
    gaps_s = _distances_s(drops)
    if not gaps_s:
        return None
    mean_s = sum(gaps_s) / len(gaps_s)
    if not thresholds.least_s <= mean_s <= thresholds.longest_s:
        return None
    allowed_s = thresholds.tolerance * mean_s
    for gap_s, (one, other) in zip(gaps_s, pairwise(drops), strict=True):
        # What is not known of two moments is no regularity: it may not hide a quarter of the period.
        fuzz_s = min(one.fuzz_s + other.fuzz_s, mean_s / 4.0)
        if abs(gap_s - mean_s) > allowed_s + fuzz_s:
            return None
    return mean_s


def _distances_s(drops: tuple[Drop, ...]) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(drops)]


def _same_moment(told: Gathering) -> Bools:
    """Return the largest set of rows that can have lost their connection in the same moment."""
    rows = np.flatnonzero(told.rows)
    after, until = told.after[rows], told.before[rows] + SAME_MOMENT_S
    times = np.concatenate((after, until))
    order = np.argsort(times, kind="stable")
    open_now = np.cumsum(np.concatenate((np.ones(len(rows)), -np.ones(len(rows))))[order])
    moment = times[order][open_now.argmax()]
    same = np.zeros(len(told.after), dtype=np.bool_)
    same[rows[(after <= moment) & (moment <= until)]] = True
    return same


def _is_good(view: SiteView, place: int) -> bool:
    """Whether the gateway finds that pool good: if it does not, the pool is not unsteady but lost."""
    found = view.probes.get(view.site.pools[place].id) if place < len(view.site.pools) else None
    return found is not None and found.verdict is Verdict.GOOD


class UnsteadyPoolEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_at", "_drops", "_now", "_view")

    reasons = frozenset({Reason.UNSTEADY_POOL})

    def __init__(self, view: SiteView, now: float, at: NDArray[np.int16], drops: dict[int, deque[Drop]]) -> None:
        self._view = view
        self._now = now
        self._at = at
        self._drops = drops

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.UNSTEADY_POOL

    def domain(self, row: int) -> str:
        """Return the pool that is unsteady; empty where that is not known any more."""
        return pool_domain(self._view, int(self._at[row]))

    def of(self, row: int) -> Evidence:
        """Return what was seen of its pool, units in the keys; None where not known, as after a restart."""
        place = int(self._at[row])
        drops = tuple(self._drops.get(place, ()))
        last = drops[-1] if drops else None
        gaps_s = _distances_s(drops)
        return {
            "pool": pool_name(self._view, place),
            "drops": len(drops),
            "period_s": round(sum(gaps_s) / len(gaps_s), 1) if gaps_s else None,
            "distances_s": " ".join(f"{gap_s:.0f}" for gap_s in gaps_s) or None,
            "miners_dropped": None if last is None else last.miners,
            "miners_of_pool": None if last is None else last.of,
            "miners_leave": None if last is None else last.left,
            "last_drop_s": None if last is None else round(self._now - last.at, 1),
        }
