"""Whether a coolant stands still when its unit's flow sensor says so: the chips of its miners tell, within seconds.

The sensor is one witness. Without flow chips get hotter at a rate that is known, so that miners which go on hashing and
do not get so much warmer contradict it. That takes a poll of some of them, and there is time for it until their
firmware stops them; then the sensor is believed (docs/decisions/0036-a-flow-that-is-gone.md). Return less supply says
nothing: what stands still in the pipes stays as warm as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.detect.heat import RAMPED, HeatWatch, quorum
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.screen import Rows
from agent.model.columns import Bools, Floats
from agent.model.site_view import SiteView
from agent.model.topology import Cooling


@dataclass(frozen=True, slots=True)
class _Still:
    """What becomes of chips when the liquid around them stands still.

    Attributes:
        k_per_s: how fast they get hotter (facts "detection", section 5).
        tells_after_s: after so long it is more than their sensors scatter by.
    """

    k_per_s: float
    tells_after_s: float


STILL: Mapping[Cooling, _Still] = {Cooling.HYDRO: _Still(0.82, 4.0), Cooling.IMMERSION: _Still(2.1 / 60.0, 180.0)}

HALF = 0.5
"""Who has warmed by so much of what he would is taken at his word."""

ACT_S = 15.0
"""It is decided so long before firmware stops its miner: a tick, a command to each, and firmware that takes time."""

LONGEST_S = 300.0
"""Nobody waits longer for a word of the miners, however far they are from their limits, nor asks them for longer."""


class FlowWitness:
    """Follows what units tell of their flow, and asks their miners where it is none. Arrays have shape (units,).

    Args:
        heat: knows how far miners are from their limits.
        thresholds: what no flow is, and from which on a sensor that was contradicted is right again.

    Attributes:
        stands: units whose coolant stands still. lies: those whose sensor says so, and whose miners contradict it.
        asked: those of which it is not known yet.
    """

    def __init__(self, heat: HeatWatch, thresholds: LoopThresholds) -> None:
        self.stands: Bools = np.zeros(0, dtype=np.bool_)
        self.lies: Bools = self.stands.copy()
        self.asked: Bools = self.stands.copy()
        self._heat = heat
        self._t = thresholds
        self._read_at: Floats = np.zeros(0)
        self._reads: Rows = np.zeros(0, dtype=np.int64)
        self._still_at: Floats = np.zeros(0)
        self._flowed_at: Floats = np.zeros(0)
        self._before_c: Floats = np.full(len(heat.hot), np.nan)
        self._looked_at = -np.inf

    def look(self, view: SiteView, now: float) -> None:
        """Bring everything up to `now` (UTC s); once a tick, whoever asks first."""
        if now == self._looked_at:
            return
        self._looked_at = now
        columns = view.cooling
        self._fit(len(columns.read_at))
        for unit in np.flatnonzero(columns.read_at != self._read_at).tolist():
            if columns.flow_lpm.at[unit] == columns.read_at[unit]:
                self._note(view, unit)
        self._read_at = columns.read_at.copy()
        for unit in np.flatnonzero(self.asked).tolist():
            self._ask(view, unit, now)

    def doubt(self, view: SiteView, unit: int) -> None:
        """Take up that a unit's sensor was contradicted before a restart of the agent."""
        self._fit(len(view.cooling.read_at))
        self.lies[unit] = True

    def _fit(self, units: int) -> None:
        if len(self._read_at) != units:
            self.stands, self.lies, self.asked = np.zeros((3, units), dtype=np.bool_)
            self._reads = np.zeros(units, dtype=np.int64)
            self._read_at, self._still_at, self._flowed_at = np.full((3, units), np.nan)

    def _note(self, view: SiteView, unit: int) -> None:
        """Take in what a unit has just told of its flow."""
        at, flow_lpm = float(view.cooling.read_at[unit]), view.cooling.flow_lpm.value[unit]
        design_lpm = view.site.cooling_units[unit].design_flow_lpm
        if flow_lpm >= self._t.still_share * design_lpm:
            self._reads[unit], self._flowed_at[unit] = 0, at
            self.stands[unit] = self.asked[unit] = False
            self.lies[unit] &= flow_lpm < self._t.flow_share * design_lpm
            return
        self._reads[unit] += 1
        if view.cooling.pumps_ok.value[unit] == 0.0:  # a second witness: nobody else is asked
            self.stands[unit], self.lies[unit], self.asked[unit] = True, False, False
        elif self._reads[unit] == 1 and not self.lies[unit]:
            self._still_at[unit], self.asked[unit] = at, True
            rows = np.flatnonzero(view.cooling.unit_of == unit)
            self._before_c[rows] = np.where(self._hashes(view, rows, at), view.chip_max_c.value[rows], np.nan)

    def _ask(self, view: SiteView, unit: int, now: float) -> None:
        """Decide what a flow of nothing is, once miners have spoken, or where there is no time to wait for them."""
        if self._reads[unit] < self._t.still_reads:
            return
        rows = np.flatnonzero(view.cooling.unit_of == unit)
        still = STILL.get(view.site.cooling_units[unit].kind)
        warms = None if still is None else self._warm(view, unit, rows, now, still)
        if warms is not None:
            self.stands[unit], self.lies[unit] = warms, not warms
            # Few may have been wrong: they are asked for as long as they could tell.
            self.asked[unit] = not warms and now - self._still_at[unit] < LONGEST_S
        elif not self.lies[unit] and now >= self._decide_by(rows, unit, still):
            self.stands[unit], self.asked[unit] = True, False

    def _warm(self, view: SiteView, unit: int, rows: Rows, now: float, still: _Still) -> bool | None:
        """Whether the middle miner of these gets hotter as it would without flow; None where too few can tell."""
        for_s = view.chip_max_c.at[rows] - self._still_at[unit]
        warmer_k = view.chip_max_c.value[rows] - self._before_c[rows]
        tells = (for_s >= still.tells_after_s) & self._hashes(view, rows, now) & ~np.isnan(warmer_k)
        if tells.sum() < quorum(len(rows)):
            return None
        return bool(np.median((warmer_k - HALF * still.k_per_s * for_s)[tells]) >= 0.0)

    def _decide_by(self, rows: Rows, unit: int, still: _Still | None) -> float:
        """Return when there is no more time to wait for a word of the miners, UTC s: their middle one's, by its room.

        The hottest one's own firmware looks after it.
        """
        room_k = self._heat.headroom_k[rows]
        if still is None or np.isnan(room_k).all():
            return -np.inf
        bears_s = float(np.nanmedian(room_k)) / still.k_per_s - ACT_S
        return float(np.fmin(self._flowed_at[unit], self._still_at[unit])) + min(bears_s, LONGEST_S)

    def _hashes(self, view: SiteView, rows: Rows, now: float) -> Bools:
        """Tell which of these rows have told of hot work just now, and were told nothing else."""
        fresh = now - view.chip_max_c.at[rows] <= self._heat.t.fresh_s
        with np.errstate(invalid="ignore"):
            works: Bools = fresh & (view.hashrate_th.value[rows] > RAMPED * view.nominal_th[rows])
        return works & view.watched()[rows]
