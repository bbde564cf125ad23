"""Pool loss: a miner that hashes, or could, and nothing it finds is accepted anywhere.

Definitions and figures: facts "detection", section 7, D2, and section 1.3. Two signs, each enough. The miner itself
says for a while that no pool it works for is alive. Or no share has come back although the hashes of many shares were
done: what counts is the work the miner counted, so that a slow miner, a changed difficulty and a frozen display do not
look like a lost pool. Which pool is at fault, and whether it is one at all, is not decided here; `EndpointView` has the
counts for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.detect.screen import Rows, health, let_through
from agent.detect.seen import rounded
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Reason
from agent.model.pool_book import POOL_FOREIGN, POOL_UNKNOWN
from agent.model.probe import Verdict
from agent.model.site_view import EVERY, Places, SiteView
from agent.model.verdicts import Verdicts

GH_PER_DIFFICULTY = 2.0**32 / 1e9
"""Expected hashes in GH per unit of share difficulty (stratum V1)."""

JITTER_S = 0.5
"""Readings that are meant to lie a time apart may lie that much closer: replies take now 5 ms, now 500."""

PROBED_S = 150.0
"""An older look from the gateway says nothing about a pool's present state: two and a half of its turns."""

FLED_S = 300.0
"""For so long a miner's own change of pools is brought together with what the gateway finds of the pool it left."""

MOST_WORK = 1.5
"""A miner does not do more work than this many times its target; a counter that says so is not believed further."""

PoolPlaces = NDArray[np.int16]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PoolThresholds:
    """Figures of the detector.

    Attributes:
        dead_s: how long a miner says that its pool is not alive before it counts as lost.
        share_gap: lost as well when the hashes of so many expected shares brought none: e^-24 is one false alarm in a
            million miner-days (facts "detection", section 2).
        gap_floor_s: ... and for at least so long.
        hashing_ratio: share of the expected rate from which hashes count for the gap.
        change_s: for so long after it has changed pools a miner is connecting, not lost.
        clear_shares: accepted shares, while all else is well, before the clear window can end.
        clear_share_s, clear_gap: the last of them is younger than this, or than so many expected intervals: six, as a
            window of 15 shares has a gap of three more often than not.
        clear_window_s: how long that has to hold.
    """

    dead_s: float = 30.0
    share_gap: float = 24.0
    gap_floor_s: float = 60.0
    hashing_ratio: float = 0.90
    change_s: float = 60.0
    clear_shares: int = 5
    clear_share_s: float = 60.0
    clear_gap: float = 6.0
    clear_window_s: float = 300.0


@dataclass(frozen=True, slots=True)
class EndpointView:
    """The miners by pool; arrays have shape (pools,), in the order of the site's list.

    Attributes:
        miners: how many work for that pool, or did when they were last well.
        ill: how many of them have the symptom.
    """

    miners: Counts
    ill: Counts

    @property
    def ill_share(self) -> Floats:
        """Share of each pool's miners that have the symptom; 0 where it has no miners."""
        share: Floats = self.ill / np.maximum(self.miners, 1)
        return share


def endpoint_view(endpoint: PoolPlaces, ill: Bools, pools: int) -> EndpointView:
    """Count miners and ill miners by pool.

    Args:
        endpoint: place of each row's pool in the site's list, negative for none; shape (n,).
        ill: the rows with the symptom, shape (n,).
        pools: how many pools the site has.
    """
    known = (endpoint >= 0) & (endpoint < pools)
    return EndpointView(
        np.bincount(endpoint[known], minlength=pools), np.bincount(endpoint[known & ill], minlength=pools)
    )


def pool_name(view: SiteView, place: int) -> str:
    """Return how evidence names a pool by its place in the site's list."""
    if 0 <= place < len(view.site.pools):
        return str(view.site.pools[place].id)
    return "foreign" if place == POOL_FOREIGN else "unknown"


def pool_domain(view: SiteView, place: int) -> str:
    """Return the name of the fault domain that a pool is; empty where the site lists none at that place."""
    return f"pool:{view.site.pools[place].id}" if 0 <= place < len(view.site.pools) else ""


def share_gh(view: SiteView, rows: Places = EVERY) -> Floats:
    """Return the work in GH that a share is expected to take at each row's present difficulty; NaN if unknown."""
    return view.share_diff.value[rows] * GH_PER_DIFFICULTY


def share_interval_s(view: SiteView, rows: Places = EVERY) -> Floats:
    """Return each row's expected time between two shares at the target rate in s; NaN if unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        interval_s: Floats = share_gh(view, rows) / (view.target_th(rows) * 1e3)
    return interval_s


def no_pool(view: SiteView, rows: Places = EVERY) -> Bools:
    """Tell which rows' pool is gone, whatever their rate does: their last answer says that it is not alive.

    Without any pool the work runs out after about a minute and the rate falls to zero; that is the pool's fault as long
    as the miner says so.
    """
    is_dead, told_now = view.pool_alive.value[rows] == 0.0, view.pool_alive.at[rows] >= view.answered_at[rows]
    gone: Bools = (view.misses[rows] == 0) & is_dead & told_now
    return gone


class PoolDetector:
    """Judges every row; keeps what gaps, pool changes and hysteresis need. State arrays have shape (n,)."""

    category = Category.POOL

    def __init__(self, rows: int, thresholds: PoolThresholds | None = None) -> None:
        self._t = thresholds or PoolThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._clear_from: Floats = np.full(rows, np.nan)
        self._dead_since: Floats = np.full(rows, np.nan)
        self._read_at: Floats = np.full(rows, -np.inf)
        self._work_gh: Floats = np.full(rows, np.nan)
        self._first_at: Floats = np.full(rows, np.nan)
        self._due: Floats = np.zeros(rows)
        self._pool: PoolPlaces = np.full(rows, POOL_UNKNOWN, dtype=np.int16)
        self._changed_at: Floats = np.full(rows, -np.inf)
        self._left: PoolPlaces = np.full(rows, POOL_UNKNOWN, dtype=np.int16)
        self._left_at: Floats = np.full(rows, -np.inf)
        self._paid: Bools = np.ones(rows, dtype=np.bool_)
        self._home: PoolPlaces = np.full(rows, POOL_UNKNOWN, dtype=np.int16)

    @property
    def home(self) -> PoolPlaces:
        """Place of the pool that each row was last well on, negative where it never was; shape (n,)."""
        return self._home.copy()

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        self._read(view, now)
        asleep = view.asleep()
        if asleep.any():
            self._since[asleep] = np.nan  # told to sleep: it needs no pool
            self._due[asleep] = 0.0
        fled = self._fled(view, now)
        rows = let_through(
            view.pool_alive.value == 0.0,
            ~(np.isnan(self._since) & np.isnan(self._dead_since)),
            self._due >= self._t.share_gap / 2.0,
            fled,
        )
        if not rows.size:
            return self._verdicts(view, now, rows, rows)
        self._dead_since[rows] = np.where(
            (view.pool_alive.value[rows] == 0.0) & ~asleep[rows],
            np.fmin(self._dead_since[rows], view.pool_alive.at[rows]),
            np.nan,
        )
        others = rows[np.isnan(self._since[rows])]
        suspect = self._begin(view, now, others, fled[others]) if others.size else others
        firing = rows[~np.isnan(self._since[rows])]
        if firing.size:
            self._clear(view, now, firing)
            firing = firing[~np.isnan(self._since[firing])]
        return self._verdicts(view, now, suspect, firing)

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.NO_POOL:
            self._since[row] = since

    def _begin(self, view: SiteView, now: float, rows: Rows, fled: Bools) -> Rows:
        """Begin the verdicts of those of these rows that have lost their pool; return who may be about to.

        None of them fires yet. `fled`: who has gone to another pool by itself, shape as of `rows`.
        """
        watched, gone, dead_since = view.watched()[rows], no_pool(view, rows), self._dead_since[rows]
        with np.errstate(invalid="ignore"):
            again = view.pool_alive.at[rows] > dead_since
            dead = gone & again & (now - dead_since >= self._t.dead_s - JITTER_S)
            # An agent that comes up while a pool hangs never sees a share: it waits from the first answer on.
            silent_s = now - np.fmax(_share_at(view, rows), self._first_at[rows])
            gap = (self._due[rows] >= self._t.share_gap) & (silent_s >= self._t.gap_floor_s - JITTER_S)
        changing = now - self._changed_at[rows] < self._t.change_s - JITTER_S
        fires = watched & (view.misses[rows] == 0) & (((dead | gap) & ~changing) | fled)
        new, new_fled = rows[fires], rows[fires & fled]
        self._since[new] = now
        self._home[new_fled] = self._left[new_fled]
        self._clear_from[new] = view.accepted.total[new]
        suspect: Rows = rows[~fires & watched & (gone | (self._due[rows] >= self._t.share_gap / 2.0))]
        return suspect

    def _verdicts(self, view: SiteView, now: float, suspect: Rows, firing: Rows) -> Verdicts:
        return Verdicts(
            self.category,
            health(len(self._since), suspect=suspect, firing=firing),
            self._since,
            self._clear_since,
            PoolEvidence(view, now, self._home, firing, self._due),
        )

    def _fled(self, view: SiteView, now: float) -> Bools:
        """Return the rows that have gone to another pool by themselves while the gateway finds the one they left bad.

        They may lose nothing by it; that their pool is gone is news all the same, and somebody may have to look.
        """
        bad = np.zeros(len(view.site.pools) + 1, dtype=np.bool_)
        for place, pool in enumerate(view.site.pools):
            found = view.probes.get(pool.id)
            bad[place] = found is not None and found.verdict is not Verdict.GOOD and now - found.at <= PROBED_S
        if not bad.any():
            return np.zeros(len(self._left), dtype=np.bool_)
        elsewhere = (view.pool >= 0) & (view.pool != self._left)
        recent = (self._left >= 0) & elsewhere & (now - self._left_at <= FLED_S)
        fled: Bools = recent & bad[np.where(recent, self._left, -1)]
        return fled

    def _read(self, view: SiteView, now: float) -> None:
        """Take in the answers since the last tick: work done for nothing, pools changed, pools that pay."""
        news = view.answered_at > self._read_at
        if not news.any():
            return
        told = news & (view.accepted.at >= view.answered_at)
        paid = told & (view.accepted.grew_at >= view.answered_at)
        settled = paid | (news & (view.rejected.grew_at >= view.answered_at))

        moved = (news & (view.pool != self._pool) & (view.pool != POOL_UNKNOWN)).nonzero()[0]
        if moved.size:
            settled[self._move(view, moved, now)] = True
        self._paid |= paid

        self._owe(view, (told & ~settled).nonzero()[0])
        np.copyto(self._due, 0.0, where=settled)
        np.copyto(self._work_gh, view.work_gh.total, where=news)
        np.copyto(self._read_at, view.answered_at, where=news)
        np.copyto(self._first_at, view.answered_at, where=news & np.isnan(self._first_at))

        well = paid & (view.pool >= 0) & (view.pool_alive.value != 0.0) & np.isnan(self._since)
        np.copyto(self._home, view.pool, where=well)

    def _move(self, view: SiteView, moved: Rows, now: float) -> Rows:
        """Note that these rows have changed pools; return who is excused: only one change a time that it earned is."""
        excused: Rows = moved[(self._pool[moved] != POOL_UNKNOWN) & self._paid[moved]]
        self._changed_at[excused] = now
        self._left[moved] = self._pool[moved]
        self._left_at[moved] = now
        self._pool[moved] = view.pool[moved]
        self._paid[excused] = False
        return excused

    def _owe(self, view: SiteView, rows: Rows) -> None:
        """Add up the shares that the work of these rows, which has brought none, was expected to bring."""
        if not rows.size:
            return
        target_gh_s = view.target_th(rows) * 1e3
        with np.errstate(invalid="ignore"):
            most_gh = MOST_WORK * target_gh_s * np.maximum(view.answered_at[rows] - self._read_at[rows], 0.0)
            done_gh = np.minimum(np.maximum(view.work_gh.total[rows] - self._work_gh[rows], 0.0), most_gh)
            hashing = view.hashrate_th.value[rows] * 1e3 >= self._t.hashing_ratio * target_gh_s
            due = np.where(hashing, done_gh / share_gh(view, rows), 0.0)
        self._due[rows] += np.where(np.isfinite(due), due, 0.0)

    def _clear(self, view: SiteView, now: float, rows: Rows) -> None:
        """End the verdicts of these rows whose clear condition has held for the window; note when it began to hold."""
        paid_at, total = view.accepted.grew_at[rows], view.accepted.total[rows]
        clear_from = self._clear_from[rows]
        with np.errstate(invalid="ignore"):
            most_s = np.fmax(self._t.clear_gap * share_interval_s(view, rows), self._t.clear_share_s)
            fresh = (now - paid_at < most_s) & (paid_at > self._since[rows])
            well = fresh & (view.misses[rows] == 0) & (view.pool_alive.value[rows] != 0.0)
            begun = well & (total - clear_from >= self._t.clear_shares)
        self._clear_from[rows] = np.where(well & ~np.isnan(clear_from), clear_from, total)
        clear_since = np.where(begun, np.fmin(self._clear_since[rows], now), np.nan)
        self._clear_since[rows] = clear_since
        with np.errstate(invalid="ignore"):
            ended = rows[now - clear_since >= self._t.clear_window_s - JITTER_S]
        for array in (self._since, self._clear_since, self._clear_from):
            array[ended] = np.nan
        self._left[ended] = POOL_UNKNOWN
        self._due[ended] = 0.0


class PoolEvidence:
    """Explains a verdict, for the few rows that need it, until the view is written again."""

    __slots__ = ("_due", "_firing", "_home", "_now", "_view")

    reasons = frozenset({Reason.NO_POOL})

    def __init__(self, view: SiteView, now: float, home: PoolPlaces, firing: Rows, due: Floats) -> None:
        self._view = view
        self._now = now
        self._home = home
        self._firing = firing
        self._due = due

    @property
    def endpoints(self) -> EndpointView:
        """The miners by pool, and how many of each fire."""
        ill = np.zeros(len(self._home), dtype=np.bool_)
        ill[self._firing] = True
        return endpoint_view(np.where(self._home >= 0, self._home, self._view.pool), ill, len(self._view.site.pools))

    def endpoint(self, row: int) -> int:
        """Return the place of the pool that row was last well on, or works for; negative where neither is known."""
        return int(self._home[row]) if self._home[row] >= 0 else int(self._view.pool[row])

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.NO_POOL

    def domain(self, row: int) -> str:
        """Return the pool that was lost, whoever else lost it; empty where none is known."""
        return pool_domain(self._view, self.endpoint(row))

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view, place, endpoints = self._view, self.endpoint(row), self.endpoints
        alive = view.pool_alive.value[row]
        known = 0 <= place < len(view.site.pools)
        found = view.probes.get(view.site.pools[place].id) if known else None
        return {
            "pool": pool_name(view, int(view.pool[row])),
            "pool_alive": None if np.isnan(alive) else bool(alive),
            "last_good_pool": pool_name(view, place),
            "pool_miners": int(endpoints.miners[place]) if known else None,
            "pool_miners_ill": int(endpoints.ill[place]) if known else None,
            "gateway_finds": None if found is None or found.at < view.accepted.grew_at[row] else found.verdict.value,
            "since_share_s": rounded(self._now - view.accepted.grew_at[row]),
            "expected_interval_s": rounded(share_interval_s(view)[row], 2),
            "shares_due": rounded(self._due[row]),
            "rate_share": rounded(view.row(view.site.miners[row].id).rate_share, 3),
        }


def _share_at(view: SiteView, rows: Rows) -> Floats:
    """Return when a share last came back to each row, accepted or rejected, in UTC s; NaN for never."""
    at: Floats = np.fmax(view.accepted.grew_at[rows], view.rejected.grew_at[rows])
    return at
