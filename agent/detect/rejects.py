"""Rejects: of the shares a miner sends, too many are refused.

Definitions and figures: facts "detection", section 7, D6, and section 2; facts "failures", row 9. Three CUSUMs a row on
the shares between two answers, never on lifetime ratios: rejected shares; stale shares, which are counted apart because
they come in bursts when the network finds a block; and both together for what is only a little too much, over hours.
D6 names a second, faster one on rejected shares, from 1 % to 10 %. Its steps upwards are the same ln 10 and its steps
downwards are longer, so it never alarms before the first one does: there is none here.

Miners of one pool suffer together at a block change, so shares of many miners are never summed: an endpoint is judged
by how many of its miners are, each by itself, half-way to an alarm.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from agent.detect.cusum import CAP, BernoulliCusum, Shift
from agent.detect.pool import EndpointView, PoolPlaces, endpoint_view, pool_domain, pool_name
from agent.detect.screen import Rows, health
from agent.detect.seen import whole
from agent.model.columns import Bools, Counter, Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.pool_book import POOL_UNKNOWN
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts

WARNING = 0.5
"""A statistic at this share of its decision interval is a warning. A firing one is held down to it, so that the end of
the fault is seen after a fraction of the shares that led to the alarm; from there it takes e^12 shares at the bad
share, on average, to come back to zero by chance."""

SHARED_BY = 3
"""Fewer miners than this in warning are a chance, however few the pool has (facts "detection", section 3)."""

BURST_SHARES = 100.0
MOST_SHARES_PER_S = 50.0
"""More shares between two answers are no shares but a broken counter: pools aim at 0.3 a second (facts "detection",
section 1.2)."""


@dataclass(frozen=True, slots=True)
class RejectThresholds:
    """Figures of the detector. Shares of shares: 0.01 for 1 %.

    Attributes:
        decision: decision interval of every statistic: e^24 shares between false alarms at the least, 2.9 million
            miner-days at 18 shares a minute, while bad shares come at the healthy share.
        rejected_healthy, rejected_bad: rejected shares.
        stale_healthy, stale_bad: stale shares.
        lasting_healthy, lasting_bad: rejected and stale shares together.
        min_shares: shares since a statistic last stood at zero before it fires.
        clear_ratio, clear_shares: over so many shares or more, less than that share of them rejected or stale.
        endpoint_share: a pool is at fault, and not its miners, when so large a share of them is in warning.
    """

    decision: float = 24.0
    rejected_healthy: float = 0.005
    rejected_bad: float = 0.05
    stale_healthy: float = 0.015
    stale_bad: float = 0.10
    lasting_healthy: float = 0.01
    lasting_bad: float = 0.02
    min_shares: int = 50
    clear_ratio: float = 0.01
    clear_shares: int = 200
    endpoint_share: float = 0.25


class Kind(IntEnum):
    """The statistics.

    A verdict stands on the first of them that has reached its decision interval when it fires: that one is back at zero
    soonest.
    """

    REJECTED = 0
    STALE = 1
    LASTING = 2


class RejectDetector:
    """Judges every row; keeps the statistics and what hysteresis needs. State arrays have shape (n,)."""

    category = Category.REJECTS

    def __init__(self, rows: int, thresholds: RejectThresholds | None = None) -> None:
        t = self._t = thresholds or RejectThresholds()
        self._sums = {
            Kind.REJECTED: BernoulliCusum(rows, Shift(t.rejected_healthy, t.rejected_bad, t.decision)),
            Kind.STALE: BernoulliCusum(rows, Shift(t.stale_healthy, t.stale_bad, t.decision)),
            Kind.LASTING: BernoulliCusum(rows, Shift(t.lasting_healthy, t.lasting_bad, t.decision)),
        }
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._kind: Ints = np.full(rows, Kind.REJECTED, dtype=np.int8)
        self._read_at: Floats = np.full(rows, -np.inf)
        self._read: Floats = np.full((3, rows), np.nan)
        self._pool: PoolPlaces = np.full(rows, POOL_UNKNOWN, dtype=np.int16)
        self._clear_shares: Floats = np.zeros(rows)
        self._clear_bad: Floats = np.zeros(rows)

    @property
    def in_warning(self) -> Bools:
        """The rows half-way to an alarm or beyond, shape (n,)."""
        warned = ~np.isnan(self._since)
        for cusum in self._sums.values():
            warned |= cusum.level >= WARNING * cusum.shift.decision
        return warned

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        firing = ~np.isnan(self._since)
        self._follow_pools(view, firing)
        shares = self._shares(view)
        if shares is not None:
            self._count(*shares, firing)
        warned = self.in_warning
        if shares is not None:
            self._fire((warned & view.watched() & ~firing).nonzero()[0], now)
            warned[self._clear(*shares, firing.nonzero()[0], now)] = False
            firing = ~np.isnan(self._since)
        return Verdicts(
            self.category,
            health(len(firing), suspect=warned.nonzero()[0], firing=firing.nonzero()[0]),
            self._since,
            self._clear_since,
            RejectEvidence(
                view,
                pool=self._pool,
                warned=warned,
                kind=self._kind,
                sums=self._sums,
                thresholds=self._t,
            ),
        )

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.REJECTS:
            self._since[row] = since
            self._kind[row] = Kind.REJECTED
            self._sums[Kind.REJECTED].level[row] = WARNING * self._t.decision

    def _follow_pools(self, view: SiteView, firing: Bools) -> None:
        """Begin anew where a miner has changed pools: what one pool refused says nothing about the next.

        A firing row stays with the pool it fired on.
        """
        moved = ((view.pool != self._pool) & (view.pool != POOL_UNKNOWN)).nonzero()[0]
        if moved.size:
            was_known = self._pool[moved] != POOL_UNKNOWN
            moved = moved[~(firing[moved] & was_known)]
            for cusum in self._sums.values():
                cusum.restart(moved[self._pool[moved] != POOL_UNKNOWN])
            self._pool[moved] = view.pool[moved]

    def _shares(self, view: SiteView) -> tuple[Floats, Floats, Floats] | None:
        """Return the shares accepted, rejected and stale since the last tick, each of shape (n,); None without news.

        Counters are joined over restarts of the process already. One that falls all the same has lost shares, not
        returned them: it counts on from there.
        """
        news = view.answered_at > self._read_at
        if not news.any():
            return None
        grown = np.empty_like(self._read)
        counters: tuple[Counter, ...] = (view.accepted, view.rejected, view.stale)
        for counter, before, growth in zip(counters, self._read, grown, strict=True):
            np.subtract(counter.total, before, out=growth)
            np.copyto(before, counter.total)
        np.fmax(grown, 0.0, out=grown)  # NaN, a counter that is not told or not yet, becomes 0 as well
        many = (grown[0] + grown[1] + grown[2] > BURST_SHARES).nonzero()[0]
        if many.size:
            most = BURST_SHARES + MOST_SHARES_PER_S * (view.answered_at[many] - self._read_at[many])
            grown[:, many] *= grown[:, many].sum(axis=0) <= most
        np.copyto(self._read_at, view.answered_at, where=news)
        return grown[0], grown[1], grown[2]

    def _count(self, accepted: Floats, rejected: Floats, stale: Floats, firing: Bools) -> None:
        cap = np.where(firing, WARNING, CAP) * self._t.decision if firing.any() else CAP * self._t.decision
        self._sums[Kind.REJECTED].add(rejected, accepted, cap)
        self._sums[Kind.STALE].add(stale, accepted + rejected, cap)
        self._sums[Kind.LASTING].add(rejected + stale, accepted, cap)

    def _fire(self, rows: Rows, now: float) -> None:
        """Begin a verdict for those of these rows whose statistic says so: some of the rows in warning."""
        if not rows.size:
            return
        alarms = {kind: rows[cusum.alarms(self._t.min_shares, rows)] for kind, cusum in self._sums.items()}
        new = np.unique(np.concatenate(list(alarms.values())))
        if not new.size:
            return
        self._since[new] = now
        self._clear_shares[new] = self._clear_bad[new] = 0.0
        for kind in reversed(Kind):
            self._kind[new[self._sums[kind].level[new] >= self._t.decision]] = kind

    def _clear(self, accepted: Floats, rejected: Floats, stale: Floats, rows: Rows, now: float) -> Rows:
        """End verdicts whose window shows few enough bad shares and whose statistic is back at zero; return their rows.

        The window begins anew as soon as it cannot become a good one, so that it holds nothing from before the cure.
        """
        if not rows.size:
            return rows
        bad = rejected[rows] + stale[rows]
        clear_bad = self._clear_bad[rows] + bad
        clear_shares = self._clear_shares[rows] + bad + accepted[rows]
        spoilt = clear_bad >= self._t.clear_ratio * np.maximum(clear_shares, self._t.clear_shares)
        clear_shares[spoilt] = clear_bad[spoilt] = 0.0
        self._clear_bad[rows], self._clear_shares[rows] = clear_bad, clear_shares
        good = clear_shares >= self._t.clear_shares
        self._clear_since[rows] = np.where(good, np.fmin(self._clear_since[rows], now), np.nan)
        level = np.choose(self._kind[rows], [self._sums[kind].level[rows] for kind in Kind])
        ended = rows[good & (level <= 0.0)]
        self._since[ended] = self._clear_since[ended] = np.nan
        for cusum in self._sums.values():
            cusum.restart(ended)
        return ended


class RejectEvidence:
    """Explains a verdict, for the few rows that need it, until the detector judges again.

    Attributes:
        in_warning: the rows half-way to an alarm or beyond, shape (n,).
    """

    __slots__ = ("_endpoints", "_kind", "_pool", "_sums", "_t", "_view", "in_warning")

    reasons = frozenset({Reason.REJECTS})

    def __init__(
        self,
        view: SiteView,
        *,
        pool: PoolPlaces,
        warned: Bools,
        kind: Ints,
        sums: dict[Kind, BernoulliCusum],
        thresholds: RejectThresholds,
    ) -> None:
        self._view = view
        self._pool = pool
        self._kind = kind
        self._sums = sums
        self._t = thresholds
        self.in_warning = warned
        self._endpoints: EndpointView | None = None

    @property
    def endpoints(self) -> EndpointView:
        """The miners by pool, and how many of each are in warning."""
        if self._endpoints is None:
            self._endpoints = endpoint_view(self._pool, self.in_warning, len(self._view.site.pools))
        return self._endpoints

    def endpoint(self, row: int) -> int:
        """Return the place of the pool whose answers that row's statistics count; negative where it is not known."""
        return int(self._pool[row])

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.REJECTS

    def domain(self, row: int) -> str:
        """Return the pool where enough of its miners are in warning with that row; else empty, it is the miner."""
        place = self.endpoint(row)
        if place < 0 or self.endpoints.ill[place] < SHARED_BY:
            return ""
        shared = self.endpoints.ill_share[place] >= self._t.endpoint_share
        return pool_domain(self._view, place) if shared else ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row; shares of shares are of those since the statistic last stood at zero."""
        kind = Kind(int(self._kind[row]))
        cusum = self._sums[kind]
        shares = float(cusum.events[row])
        place = self.endpoint(row)
        ill = float(self.endpoints.ill_share[place]) if place >= 0 else None
        return {
            "pool": pool_name(self._view, place),
            "by": kind.name.lower(),
            "bad_share": round(float(cusum.bad[row]) / shares, 4) if shares else None,
            "shares": int(shares),
            "statistic": round(float(cusum.level[row]), 1),
            "pool_miners_in_warning": int(self.endpoints.ill[place]) if place >= 0 else None,
            "pool_miners_in_warning_share": None if ill is None else round(ill, 3),
            "chips_up": whole(self._view.chips_up.value[row]),
            "chips": whole(self._view.hardware.chips_most[row]) or None,
        }
