"""Stuck miners: no telemetry at all, or telemetry without hashes.

Definitions and figures: facts "detection", section 7, D1a and D1b. Signals are the short-window rate, share counters
and process age; a 30-minute average is never one (section 0). A verdict that fired stays until the clear condition has
held: answering, and the work counter growing at the expected rate over the whole clear window.
"""

from dataclasses import dataclass

import numpy as np

from agent.detect.firmware import FirmwareDetector
from agent.detect.heat import HeatWatch
from agent.detect.loop import LoopDetector
from agent.detect.network import NetworkDetector
from agent.detect.pool import no_pool
from agent.detect.screen import Rows, health, let_through
from agent.detect.seen import rounded
from agent.model.columns import Bools, Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts

HASHES_PER_DIFFICULTY = 2.0**32
"""Expected hashes per unit of share difficulty (stratum V1)."""

JITTER_S = 0.5
"""Readings that are meant to lie a time apart may lie that much closer: replies take now 5 ms, now 500. Without it, a
time that is a whole number of poll periods would hang on their chance."""

_UNRESPONSIVE, _NOT_HASHING = 1, 2

_ANSWERED = int(Reach.ANSWERED)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""


@dataclass(frozen=True, slots=True)
class StuckThresholds:
    """Figures of the detector.

    Attributes:
        misses: polls in a row without telemetry before unresponsive fires.
        not_hashing_ratio: share of the expected rate below which a miner may be not hashing.
        not_hashing_s: how long the rate stayed there, without a share, before it fires.
        share_gap: with a rate that looks alive, fire when no share came for this many expected share intervals: 24 is
            one false alarm in a million miner-days (facts "detection", section 2).
        clear_polls: answered polls in a row before an unresponsive miner counts as answering again.
        clear_ratio: share of the expected work that must be done over the clear window.
        clear_window_s: length of the clear window.
    """

    misses: int = 6
    not_hashing_ratio: float = 0.10
    not_hashing_s: float = 120.0
    share_gap: float = 24.0
    clear_polls: int = 12
    clear_ratio: float = 0.95
    clear_window_s: float = 300.0


class StuckDetector:
    """Judges every row; keeps what hysteresis needs. State arrays have shape (n,).

    Args:
        network, firmware: whose rows are left to them: they judge before, in the same tick. None where nobody looks.
        heat: whoever has stopped for his heat is not stuck, though it may take a while until it is named; who was taken
            for stuck before is not any more once it is.
        loops: who hashes again on a loop that is still hot has been as hot as it, and may step up for half an hour.
    """

    category = Category.STUCK

    def __init__(
        self,
        rows: int,
        thresholds: StuckThresholds | None = None,
        *,
        network: NetworkDetector | None = None,
        firmware: FirmwareDetector | None = None,
        heat: HeatWatch | None = None,
        loops: LoopDetector | None = None,
    ) -> None:
        self._network = network
        self._loops = loops
        self._firmware = firmware
        self._heat = heat
        self._t = thresholds or StuckThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._low_since: Floats = np.full(rows, np.nan)
        self._idle_until: Floats = np.full(rows, np.nan)
        self._reason: Ints = np.zeros(rows, dtype=np.int8)
        self._clear_since: Floats = np.full(rows, np.nan)

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        target_th = view.target_th()
        slow = view.hashrate_th.value < self._t.not_hashing_ratio * target_th
        rows = self._screen(view, slow)
        if not rows.size:
            return self._verdicts(view, now, rows, rows)
        target_th, watched = target_th[rows], view.watched()[rows]
        claimed = np.zeros_like(watched) if self._network is None else self._network.claims[rows]
        if self._firmware is not None:
            claimed = claimed | self._firmware.claims[rows]
        unresponsive = (view.misses[rows] >= self._t.misses) & ~claimed
        # Without a pool there is no work, and a miner without work is not stuck; when it has one again it begins anew.
        # One that is only starting has none yet, and says nothing by it.
        poolless = no_pool(view, rows) & watched
        self._idle_until[rows[poolless]] = now
        idle_until = self._idle_until[rows]
        worked_at = np.fmax(view.accepted.grew_at[rows], idle_until)
        silent_shares_s = np.where(np.isnan(worked_at), np.inf, now - worked_at)
        low = slow[rows] & _is_measured(view, rows)
        low_since = np.where(low & watched & ~poolless, np.fmin(self._low_since[rows], now), np.nan)
        self._low_since[rows] = low_since
        long_s = self._t.not_hashing_s - JITTER_S
        dark = (now - low_since >= long_s) & (silent_shares_s >= long_s)
        starved = self._starved(view, rows, target_th, silent_shares_s, idle_until)
        not_hashing = (view.misses[rows] == 0) & (dark | starved) & ~poolless
        named = np.zeros_like(watched)
        if self._heat is not None:
            not_hashing &= ~self._heat.cut_out[rows]
            named = self._heat.named[rows]
        if self._loops is not None:
            named = named | (self._loops.claims[rows] & ~slow[rows] & (view.misses[rows] == 0))
        fires = watched & (unresponsive | not_hashing)

        # Told to sleep, cut off, out of work, too hot: what looked like a fault of the miner is none, or another's.
        self._since[rows[view.asleep()[rows] | claimed | poolless | named]] = np.nan
        new = rows[fires & np.isnan(self._since[rows])]
        self._since[new] = now
        firing = ~np.isnan(self._since[rows])
        self._reason[rows[firing & not_hashing]] = _NOT_HASHING
        self._reason[rows[firing & unresponsive]] = _UNRESPONSIVE

        self._clear(view, now, rows[firing], target_th[firing])
        firing = ~np.isnan(self._since[rows])
        suspect = ~firing & watched & ((view.misses[rows] > 0) | low)
        return self._verdicts(view, now, rows[suspect], rows[firing])

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        self._since[row] = since
        self._reason[row] = _UNRESPONSIVE if reason is Reason.UNRESPONSIVE else _NOT_HASHING

    def _screen(self, view: SiteView, slow: Bools) -> Rows:
        """Return the rows that may be anything but healthy: see `screen`; `slow`: whose rate is below the floor."""
        # Who never worked, as far as is known, may stand still as well.
        still = ~(view.work_gh.at - view.work_gh.grew_at < self._t.not_hashing_s - JITTER_S)
        followed = ~(np.isnan(self._since) & np.isnan(self._low_since))
        return let_through(still, view.misses > 0, view.pool_alive.value == 0.0, slow, followed)

    def _verdicts(self, view: SiteView, now: float, suspect: Rows, firing: Rows) -> Verdicts:
        return Verdicts(
            self.category,
            health(len(self._since), suspect=suspect, firing=firing),
            self._since,
            self._clear_since,
            StuckEvidence(view, now, self._reason),
        )

    def _starved(
        self, view: SiteView, rows: Rows, target_th: Floats, silent_shares_s: Floats, idle_until: Floats
    ) -> Bools:
        """Tell which rows' hashes stand still although the rate looks alive: a frozen field, or a hung work queue.

        The share gap alone is a pool's failure as often as the miner's, so the work counter must stand still too.
        """
        rate_hs = target_th * 1e12
        with np.errstate(invalid="ignore"):
            interval_s = view.share_diff.value[rows] * HASHES_PER_DIFFICULTY / rate_hs
            gap_s = np.fmax(self._t.share_gap * interval_s, self._t.not_hashing_s) - JITTER_S
            still_s = view.work_gh.at[rows] - np.fmax(view.work_gh.grew_at[rows], idle_until)
            starved: Bools = (silent_shares_s >= gap_s) & (still_s >= self._t.not_hashing_s - JITTER_S)
        return starved

    def _clear(self, view: SiteView, now: float, firing: Rows, targets_th: Floats) -> None:
        """End verdicts whose clear condition has held for the clear window; note when it began to hold."""
        for row, target_th in zip(firing.tolist(), targets_th.tolist(), strict=True):
            answering = view.misses[row] == 0 and view.goods[row] >= min(3, self._t.clear_polls)
            if not answering or not self._hashing(view, row, target_th):
                self._clear_since[row] = np.nan
                continue
            if np.isnan(self._clear_since[row]):
                self._clear_since[row] = now
            if view.goods[row] >= self._t.clear_polls and self._proven(view, row, target_th):
                self._since[row] = np.nan
                self._clear_since[row] = np.nan
                self._reason[row] = 0

    def _hashing(self, view: SiteView, row: int, target_th: float) -> bool:
        rate = float(view.hashrate_th.value[row])
        return (
            rate >= self._t.clear_ratio * target_th * 0.9
        )  # one 5 s window scatters by 4.5 % (facts "detection", 1.2)

    def _proven(self, view: SiteView, row: int, target_th: float) -> bool:
        """Whether counters show the expected work and at least one accepted share over the clear window."""
        worked = view.work_gh.over(row, self._t.clear_window_s)
        shared = view.accepted.over(row, self._t.clear_window_s)
        if worked is None or shared is None:
            return False
        work_gh, over_s = worked
        return work_gh / over_s >= self._t.clear_ratio * target_th * 1e3 and shared[0] > 0


def _is_measured(view: SiteView, rows: Rows) -> Bools:
    """Tell which rows' last poll was answered and told a rate. One that was not measured is not low."""
    measured: Bools = view.hashrate_th.at[rows] >= view.polled_at[rows]
    measured &= view.reach[rows] == _ANSWERED
    return measured


class StuckEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_now", "_reason", "_view")

    reasons = frozenset({Reason.NOT_HASHING, Reason.UNRESPONSIVE})

    def __init__(self, view: SiteView, now: float, reason: Ints) -> None:
        self._view = view
        self._now = now
        self._reason = reason

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.UNRESPONSIVE if self._reason[row] == _UNRESPONSIVE else Reason.NOT_HASHING

    def domain(self, _: int) -> str:
        """Return nothing: a stuck miner is stuck by itself."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view = self._view
        miner = view.row(view.site.miners[row].id)
        return {
            "reach": Reach(int(view.reach[row])).name.lower(),
            "misses": int(view.misses[row]),
            "hashrate_th": rounded(view.hashrate_th.value[row]),
            "expected_th": rounded(view.target_th()[row]),
            "since_share_s": rounded(self._now - view.accepted.grew_at[row]),
            "process_age_s": rounded(view.elapsed_s.value[row]),
            "outlets": ", ".join(f"{o.outlet} {o.state.name.lower()} {_watts(o.power_w)}" for o in miner.outlets),
            "outlets_age_s": rounded(max((self._now - o.at for o in miner.outlets), default=np.nan)),
            "port_up": miner.port.up if miner.port else None,
        }


def _watts(power_w: float) -> str:
    return "unmetered" if np.isnan(power_w) else f"{power_w:.0f} W"
