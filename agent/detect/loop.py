"""Hot loops: a supply that is too warm, a flow that is too small, or many miners hot at once; and cooling that is lost.

Definitions and figures: facts "detection", section 7, D8, and section 5. What a cooling unit tells and what its miners
show are two witnesses. Where the unit is silent its miners stand in for it; where both speak and contradict each other
the miners are believed, who are many. Every miner of the loop is a member: what is shared is the cause.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agent.detect.heat import HeatWatch
from agent.detect.load_step import LoadSteps
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.seen import rounded, said
from agent.detect.witness import Witness
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Health, Reason
from agent.model.loops import DOMAIN, SAFE_K
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts

FRESH_S = 60.0
"""An older reading of a unit says nothing: six of its turns."""

TURN_S = 10.0
"""How often what the miners of a silent unit tell is taken for a read of it."""

CALM_K = 1.5
"""Miners that tell a supply no further above what is wanted show a loop that is well."""

JITTER_S = 0.5
WELL, HOT, LOST = 0, 1, 2


@dataclass(slots=True)
class _Loop:
    """What one loop has shown. Times are UTC s, NaN for not."""

    state: int = WELL
    since: float = np.nan
    high_since: float = np.nan
    low_since: float = np.nan
    mild_since: float = np.nan
    cool_since: float = np.nan
    clear_since: float = np.nan

    @property
    def is_restless(self) -> bool:
        """Whether it is ill, or was becoming so."""
        return self.state != WELL or not (np.isnan(self.high_since) and np.isnan(self.low_since))


class LoopDetector:
    """Judges every loop that has a cooling unit; keeps what hysteresis needs.

    Attributes:
        claims: the rows of loops that are hot or lost; shape (n,).
    """

    category = Category.THERMAL

    def __init__(self, rows: int, heat: HeatWatch, witness: Witness, thresholds: LoopThresholds | None = None) -> None:
        self.claims: Bools = np.zeros(rows, dtype=np.bool_)
        self._heat = heat
        self._witness = witness
        self._steps = LoadSteps()
        self._t = thresholds or LoopThresholds()
        self._loops: list[_Loop] = []
        self._supplies: list[deque[tuple[float, float]]] = []
        self._restored: list[tuple[int, float, Reason]] = []
        self._design_lpm: Floats = np.zeros(0)
        self._read_at: Floats = np.zeros(0)
        self._restless = False
        self._quiet = Verdicts(
            self.category,
            np.zeros(rows, dtype=np.int8),
            np.full(rows, np.nan),
            np.full(rows, np.nan),
            LoopEvidence(None, heat, witness, np.zeros(rows, dtype=np.int64), 0.0),
        )

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row; `now` is UTC s."""
        units = len(view.site.cooling_units)
        if not units:
            return self._quiet
        self._witness.look(view, now)
        self._heat.look(view, now)
        self._witness.flow.look(view, now)
        self._steps.look(view, now)
        if len(self._loops) != units:
            self._loops = [_Loop() for _ in range(units)]
            self._supplies = [deque(maxlen=self._t.runaway_reads) for _ in range(units)]
            self._design_lpm = np.array([unit.design_flow_lpm for unit in view.site.cooling_units])
            self._read_at = np.full(units, np.nan)
        self._take_up(view)
        self._note_reads(view)
        if self._is_quiet(view):
            return self._quiet
        self._note_miners(view, now)
        for unit in range(units):
            self._judge(view, unit, now)
        self._restless = any(loop.is_restless for loop in self._loops)
        states = np.array([loop.state for loop in self._loops] + [WELL])
        of_row = states[view.cooling.unit_of]
        self.claims = of_row != WELL
        times = np.array([(loop.since, loop.clear_since) for loop in self._loops] + [(np.nan, np.nan)])
        since, clear = times[view.cooling.unit_of].T
        health = np.where(self.claims, Health.FIRING, Health.HEALTHY).astype(np.int8)
        evidence = LoopEvidence(view, self._heat, self._witness, of_row, now)
        return Verdicts(self.category, health, since, clear, evidence)

    def _note_reads(self, view: SiteView) -> None:
        """Take in the units that were read since the last tick."""
        columns = view.cooling
        for unit in np.flatnonzero(columns.read_at != self._read_at).tolist():
            if np.isnan(columns.read_at[unit]):
                continue
            self._supplies[unit].append((float(columns.read_at[unit]), float(columns.supply_c.value[unit])))
        self._read_at = columns.read_at.copy()

    def _note_miners(self, view: SiteView, now: float) -> None:
        """Take in what the miners of silent units tell of their supply, as often as these would be read."""
        for unit in np.flatnonzero(~(now - self._read_at <= FRESH_S)).tolist():
            supplies = self._supplies[unit]
            if not supplies or now - supplies[-1][0] >= TURN_S:
                supplies.append((now, self._witness.tells_c(view, unit, now)))

    def _is_quiet(self, view: SiteView) -> bool:
        """Whether nothing is amiss anywhere, nor was at the last tick."""
        columns, witness = view.cooling, self._witness
        if self._restless or self._heat.hot.any():
            return False
        with np.errstate(invalid="ignore"):
            warmest_c = _wanted_c(view) + self._t.supply_k
            ill = (columns.supply_c.value > warmest_c) | (witness.supply_c > warmest_c)
            ill |= np.abs(witness.off_k) >= self._t.lie_k
            ill |= columns.flow_lpm.value < self._t.flow_share * self._design_lpm
            ill |= columns.pumps_ok.value == 0.0
        return not ill.any()

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a loop that was hot or lost before a restart of the agent."""
        if reason in (Reason.LOOP_HOT, Reason.COOLING_LOST):
            self._restored.append((row, since, reason))

    def _take_up(self, view: SiteView) -> None:
        for row, since, reason in self._restored:
            unit = int(view.cooling.unit_of[row])
            if unit >= 0:
                self._restless = True
                state = LOST if reason is Reason.COOLING_LOST else HOT
                self._loops[unit].state, self._loops[unit].since = state, since
        self._restored.clear()

    def _judge(self, view: SiteView, unit: int, now: float) -> None:
        loop, heat = self._loops[unit], self._heat
        ill = HOT if self._reads_ill(view, unit, now) else WELL
        members = view.cooling.unit_of == unit
        hot = np.flatnonzero(members & heat.hot)
        if ill == WELL and len(hot) > 1 and len(hot) >= self._t.hot_share * members.sum():
            shared = [row for row in hot.tolist() if not heat.is_single(view, row, now)]
            ill = HOT if len(shared) > 1 and len(shared) >= self._t.hot_share * members.sum() else WELL
        if self._is_lost(view, unit, now):
            ill = LOST
        if ill > loop.state:
            loop.since = now if loop.state == WELL else loop.since
            loop.state, loop.clear_since = ill, np.nan
        if loop.state != WELL:
            self._clear(view, unit, members, now, shows=ill != WELL)

    def _clear(self, view: SiteView, unit: int, members: Bools, now: float, *, shows: bool) -> None:
        """End what fires once the unit, where it tells, and every miner have been well for the clear window.

        It has not while it `shows` what it would be found by: miners that have stopped for their heat are cool.
        """
        loop, columns = self._loops[unit], view.cooling
        with np.errstate(invalid="ignore"):
            cool = not shows and not bool((self._heat.headroom_k[members] < SAFE_K).any())
        loop.cool_since = np.fmin(loop.cool_since, now) if cool else np.nan
        tells = not np.isnan(columns.supply_c.at[unit]) or not np.isnan(columns.flow_lpm.at[unit])
        calm_since = columns.calm_since[unit] if tells else loop.cool_since
        if tells and (now - columns.read_at[unit] > FRESH_S or columns.doubted[unit]):
            mild = self._witness.tells_c(view, unit, now) <= _wanted_c(view)[unit] + CALM_K
            loop.mild_since = np.fmin(loop.mild_since, now) if mild else np.nan
            calm_since = loop.mild_since
        # That coolant flows again only its unit can tell.
        if loop.state == LOST and (not tells or now - columns.read_at[unit] > FRESH_S):
            calm_since = np.nan
        loop.clear_since = max(calm_since, loop.cool_since) if not np.isnan(calm_since + loop.cool_since) else np.nan
        if now - loop.clear_since >= self._t.clear_s:
            self._loops[unit] = _Loop()

    def _reads_ill(self, view: SiteView, unit: int, now: float) -> bool:
        """Whether unit or miners have shown it too warm, or the unit with too little flow or pumps, for long enough."""
        loop, columns, t = self._loops[unit], view.cooling, self._t
        heard = now - columns.read_at[unit] <= FRESH_S
        disputed = heard and self._witness.contradicts(view, unit, now)
        tells = heard and not np.isnan(columns.supply_c.value[unit])
        by_unit = tells and not disputed
        supply_c = columns.supply_c.value[unit] if by_unit else self._witness.tells_c(view, unit, now)
        high = supply_c > _wanted_c(view)[unit] + t.supply_k
        # A flow of nothing that the miners contradict, or have not been heard about, is none that is too little.
        flow = self._witness.flow
        believed = heard and not (flow.lies[unit] or flow.asked[unit])
        low = believed and columns.flow_lpm.value[unit] < t.flow_share * self._design_lpm[unit]
        loop.high_since = np.fmin(loop.high_since, now) if high else np.nan
        loop.low_since = np.fmin(loop.low_since, now) if low else np.nan
        # As long as nobody knows which of the two is right, neither is acted upon.
        settled = not disputed or columns.doubted[unit]
        too_warm = settled and now - loop.high_since >= t.supply_s - JITTER_S
        too_warm = too_warm and not self._follows(view, unit, supply_c)
        too_little = now - loop.low_since >= t.flow_s - JITTER_S
        return bool(too_warm or too_little or (heard and columns.pumps_ok.value[unit] == 0.0))

    def _follows(self, view: SiteView, unit: int, supply_c: float) -> bool:
        """Whether its cooler is still following what its miners have just taken up, and few are near their limits."""
        if not self._steps.is_recent(unit) or not supply_c <= _wanted_c(view)[unit] + self._t.runaway_k:
            return False
        headroom_k = self._heat.headroom_k[view.cooling.unit_of == unit]
        near = int((headroom_k < SAFE_K).sum())
        return near <= 1 or near < self._t.hot_share * headroom_k.size

    def _is_lost(self, view: SiteView, unit: int, now: float) -> bool:
        """Whether heat is not carried away any more: no pump, no flow, or a supply that runs away."""
        columns = view.cooling
        if not now - columns.read_at[unit] <= FRESH_S:
            return self._runs_away(view, unit)
        if self._runs_away(view, unit):
            return not self._witness.contradicts(view, unit, now) or self._is_warm(view, unit, now)
        flow_share = columns.flow_lpm.value[unit] / self._design_lpm[unit]
        no_pump = columns.pumps_ok.value[unit] == 0.0 and not flow_share >= self._t.flow_share
        return bool(no_pump or self._witness.flow.stands[unit])

    def _is_warm(self, view: SiteView, unit: int, now: float) -> bool:
        """Whether the miners show a warm supply too, though what they show lags behind one that runs away."""
        return bool(self._witness.tells_c(view, unit, now) > _wanted_c(view)[unit] + self._t.supply_k)

    def _runs_away(self, view: SiteView, unit: int) -> bool:
        """Whether its last reads were all too warm, each warmer than the one before, and fast: a jump is a sensor's."""
        supplies, t = self._supplies[unit], self._t
        too_warm_c = _wanted_c(view)[unit] + t.runaway_k
        if len(supplies) < t.runaway_reads or not all(supply_c > too_warm_c for _, supply_c in supplies):
            return False
        least_k = [(later[0] - at) / 60.0 * t.runaway_k_per_min for (at, _), later in pairwise(supplies)]
        return all(later[1] - c >= k for ((_, c), later), k in zip(pairwise(supplies), least_k, strict=True))


class LoopEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_heat", "_now", "_state", "_view", "_witness")

    reasons = frozenset({Reason.COOLING_LOST, Reason.LOOP_HOT})

    def __init__(
        self, view: SiteView | None, heat: HeatWatch, witness: Witness, state: NDArray[np.int64], now: float
    ) -> None:
        self._view = view
        self._heat = heat
        self._witness = witness
        self._state = state
        self._now = now

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.COOLING_LOST if self._state[row] == LOST else Reason.LOOP_HOT

    def domain(self, row: int) -> str:
        """Return the loop."""
        return "" if self._view is None else f"{DOMAIN}{self._view.site.miners[row].loop}"

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row's loop, units in the keys; None where never read."""
        view, columns = self._view, None if self._view is None else self._view.cooling
        if view is None or columns is None or columns.unit_of[row] < 0:
            return {}
        unit = int(columns.unit_of[row])
        headroom_k: Floats = self._heat.headroom_k[columns.unit_of == unit]
        return {
            **of_unit(view, self._heat, unit, self._now),
            "supply_by_miners_c": rounded(self._witness.tells_c(view, unit, self._now)),
            "setpoint_c": rounded(columns.setpoint_c.value[unit]),
            "return_c": rounded(columns.return_c.value[unit]),
            "leak": said(columns.leak.value[unit]),
            "alarms": ", ".join(columns.alarms[unit]),
            "reading_age_s": rounded(self._now - columns.read_at[unit]),
            "least_headroom_k": rounded(np.nanmin(headroom_k) if not np.isnan(headroom_k).all() else np.nan),
        }


def of_unit(view: SiteView, heat: HeatWatch, unit: int, now: float) -> Evidence:
    """Return what tells heat that a loop's miners share from one miner's own, units in the keys; None where not known.

    Resistances are over each miner's own past: the middle one of the loop.
    """
    columns = view.cooling
    members = columns.unit_of == unit
    ratios = heat.resistance_ratios(view, now)[members]
    ratios = ratios[~np.isnan(ratios)]
    return {
        "unit": view.site.cooling_units[unit].id,
        "supply_c": rounded(columns.supply_c.value[unit]),
        "wanted_c": rounded(_wanted_c(view)[unit]),
        "flow_lpm": rounded(columns.flow_lpm.value[unit]),
        "design_flow_lpm": view.site.cooling_units[unit].design_flow_lpm,
        "pumps_ok": said(columns.pumps_ok.value[unit]),
        "miners": int(members.sum()),
        "miners_hot": int((members & heat.hot).sum()),
        "loop_resistance_ratio": rounded(float(np.median(ratios)) if ratios.size else np.nan, 3),
    }


def _wanted_c(view: SiteView) -> Floats:
    """Return the supply that each unit is to hold, in °C: its base where its setpoint was lowered below that."""
    wanted_c: Floats = np.fmax(view.cooling.setpoint_c.value, view.cooling.base_c)
    return wanted_c
