"""Hot miners: near the limit, with fans at full speed or in a liquid, and slower for it, or stopped; by themselves.

Definitions and figures: facts "detection", section 7, D3. What is hot together with its loop is the loop's. A verdict
that fired stays until the miner has been cool, and done what it is to do, for the whole clear window. What one that
the agent has derated is to do is its share (section 6).
"""

import numpy as np

from agent.detect.heat import HeatWatch
from agent.detect.loop import LoopDetector, of_unit
from agent.detect.seen import rounded
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.verdicts import Verdicts

ALONE_S = 120.0
"""A miner on a loop that is hot for no reason of its own is given this time: it may be the first of many."""


_SUSPENDED = int(Expected.SUSPENDED)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""


class ThermalDetector:
    """Judges every row; keeps what hysteresis needs. State arrays have shape (n,).

    Args:
        loops: whose rows are left to it: it judges before, in the same tick.
    """

    category = Category.THERMAL

    def __init__(self, rows: int, heat: HeatWatch, loops: LoopDetector) -> None:
        self._heat = heat
        self._loops = loops
        self._since: Floats = np.full(rows, np.nan)
        self._hot_since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._cut_out: Bools = np.zeros(rows, dtype=np.bool_)
        self._quiet = Verdicts(
            self.category,
            np.zeros(rows, dtype=np.int8),
            np.full(rows, np.nan),
            np.full(rows, np.nan),
            HeatEvidence(None, heat, self._cut_out, 0.0),
        )

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row; `now` is UTC s."""
        heat = self._heat
        heat.look(view, now)
        firing = ~np.isnan(self._since)
        if not heat.hot.any() and not firing.any():
            self._hot_since.fill(np.nan)
            heat.named = firing
            return self._quiet
        hot: Bools = heat.hot & ~self._loops.claims
        self._hot_since = np.where(hot, np.fmin(self._hot_since, now), np.nan)
        for row in np.flatnonzero(hot & ~firing).tolist():
            alone = now - self._hot_since[row] >= ALONE_S or heat.is_single(view, row, now)
            self._since[row] = now if alone else np.nan
        self._since[(view.expected == _SUSPENDED) | (view.suspended.value == 1.0)] = np.nan
        firing = ~np.isnan(self._since)
        for row in np.flatnonzero(firing).tolist():
            self._clear(view, row, now)
        firing = ~np.isnan(self._since)
        self._cut_out = firing & (self._cut_out | heat.cut_out)
        heat.named = firing & heat.cut_out
        health = np.where(firing, Health.FIRING, np.where(hot, Health.SUSPECT, Health.HEALTHY)).astype(np.int8)
        evidence = HeatEvidence(view, heat, self._cut_out, now)
        return Verdicts(self.category, health, self._since, self._clear_since, evidence)

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason in (Reason.OVERHEATED, Reason.OVERTEMP_CUT_OUT):
            self._since[row] = since
            self._cut_out[row] = reason is Reason.OVERTEMP_CUT_OUT

    def _clear(self, view: SiteView, row: int, now: float) -> None:
        """Note since when a firing row has been well, and end its verdict once that has lasted."""
        heat = self._heat
        ratio = heat.rate_ratio(view, row, 120.0)
        if not (heat.headroom_k[row] >= heat.cool_k[row] and ratio is not None and ratio >= heat.t.clear_ratio):
            self._clear_since[row] = np.nan
            return
        if np.isnan(self._clear_since[row]):
            self._clear_since[row] = now
        if now - self._clear_since[row] >= heat.t.clear_s:
            self._since[row] = self._clear_since[row] = np.nan


class HeatEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_cut_out", "_heat", "_now", "_view")

    reasons = frozenset({Reason.OVERHEATED, Reason.OVERTEMP_CUT_OUT})

    def __init__(self, view: SiteView | None, heat: HeatWatch, cut_out: Bools, now: float) -> None:
        self._view = view
        self._heat = heat
        self._cut_out = cut_out
        self._now = now

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.OVERTEMP_CUT_OUT if self._cut_out[row] else Reason.OVERHEATED

    def domain(self, _: int) -> str:
        """Return nothing: it is hot by itself."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view = self._view
        if view is None:
            return {}
        limits = view.site.miners[row].limits
        ratio = self._heat.rate_ratio(view, row, 120.0)
        unit = int(view.cooling.unit_of[row])
        return {
            **({} if unit < 0 else of_unit(view, self._heat, unit, self._now)),
            "chip_max_c": rounded(view.chip_max_c.value[row]),
            "chip_limit_c": limits.chip_c,
            "board_max_c": rounded(view.board_max_c.value[row]),
            "board_limit_c": limits.board_c,
            "inlet_c": rounded(view.inlet_c.value[row]),
            "fan_min_rpm": rounded(view.fan_min_rpm.value[row]),
            "rate_share": None if ratio is None else round(ratio, 3),
            "codes": ", ".join(view.hardware.codes[row]) or None,
            "derated_to": round(float(view.derated[row]), 2),
            "resistance_k_per_w": rounded(self._heat.resistance_now(view, self._now)[row], 4),
            "resistance_ratio": rounded(self._heat.resistance_ratios(view, self._now)[row], 3),
        }
