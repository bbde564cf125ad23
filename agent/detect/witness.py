"""What the miners of a loop say of its coolant: a second witness beside the sensors of its cooling unit.

Stock and Whatsminer firmware tells what comes in; of others it is the chips' temperature less what they warm up by
themselves, once their thermal resistance is known. One miner is no witness, and neither are miners that do not agree.
Where their sensors sit, what they tell may lie beside the unit's: that difference is learned while all is well.
"""

import math

import numpy as np

from agent.detect.flow import FlowWitness
from agent.detect.heat import FEW_LOOKS, LEARN_EVERY_S, LEARNED_LOOKS, HeatWatch, quorum
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.screen import Rows
from agent.model.columns import Floats
from agent.model.loops import FRESH_S, LOW_FLOW
from agent.model.site_view import SiteView

AGREE_K = 2.0
"""Their median absolute deviation is no larger where they agree."""

SPEAK_SHARE = 0.5
"""So much of a loop must speak where chips are asked, too: they tell of what clogs them as well as of the coolant."""


class Witness:
    """Knows what each unit's miners usually tell; shared by the detectors of loops and of units.

    Args:
        heat: knows the miners' resistances; it learns after each look here, and nothing from a unit in dispute.
        thresholds: from which difference on the two witnesses contradict each other, and what no flow is.

    Attributes:
        off_k: how far what each unit tells of its supply lies above what its miners do, in K, at the last look; NaN
            where either cannot tell; shape (units,). supply_c: the supply by its miners then, in °C.
        flow: what they say of a flow that is told to be none.
    """

    def __init__(self, heat: HeatWatch, thresholds: LoopThresholds | None = None) -> None:
        thresholds = thresholds or LoopThresholds()
        self.flow = FlowWitness(heat, thresholds)
        self.off_k: Floats = np.zeros(0)
        self.supply_c: Floats = np.zeros(0)
        self._heat = heat
        self._lie_k = thresholds.lie_k
        self._bias_k: Floats = np.zeros(0)
        self._looks: Floats = np.zeros(0)
        self._looked_at = -np.inf
        self._told_at = -np.inf
        self._told_c: dict[bool, Floats] = {}
        self._middles_c: dict[tuple[int, bool], float] = {}
        self._members: list[Rows] = []

    def look(self, view: SiteView, now: float) -> bool:
        """Take in what miners tell now and then; return whether it has just been done. `now` is UTC s."""
        if now - self._looked_at < LEARN_EVERY_S:
            return False
        self._looked_at = now
        columns = view.cooling
        units = len(columns.read_at)
        if len(self.off_k) != units:
            self.off_k, self.supply_c = np.full((2, units), np.nan)
            self._bias_k, self._looks = np.zeros((2, units))
            self._members = [np.flatnonzero(columns.unit_of == unit) for unit in range(units)]
        for unit in range(units):
            if not np.isnan(columns.calm_since[unit]) and not columns.doubted[unit]:
                self._learn(view, unit, now)
            self.supply_c[unit] = self.tells_c(view, unit, now)
            self.off_k[unit] = self.off_by_k(view, unit, now)
        self._heat.disputed = np.abs(self.off_k) >= self._lie_k / 2.0
        return True

    def tells_c(self, view: SiteView, unit: int, now: float, *, by_chips: bool = True) -> float:
        """Return the supply of a unit in °C as its miners tell it; NaN where they cannot, or do not agree.

        Nor do they where nobody knows yet how what they tell lies beside what the unit does.
        """
        if self._looks.size <= unit or self._looks[unit] < FEW_LOOKS:
            return float("nan")
        return self._middle_c(view, unit, now, by_chips) - float(self._bias_k[unit])

    def off_by_k(self, view: SiteView, unit: int, now: float) -> float:
        """Return how far what a unit tells of its supply lies above what its miners do, in K; NaN where unknown.

        Chips get warmer by too little flow as well: where it may be too little, only who is told what comes in counts
        against a unit that tells less.
        """
        columns = view.cooling
        if not now - columns.supply_c.at[unit] <= FRESH_S:
            return float("nan")
        supply_c = float(columns.supply_c.value[unit])
        off_k = supply_c - self.tells_c(view, unit, now)
        flows = columns.flow_lpm.value[unit] >= LOW_FLOW * view.site.cooling_units[unit].design_flow_lpm
        return off_k if flows or not off_k < 0.0 else supply_c - self.tells_c(view, unit, now, by_chips=False)

    def contradicts(self, view: SiteView, unit: int, now: float) -> bool:
        """Whether the miners of a unit contradict what it tells of its supply."""
        return abs(self.off_by_k(view, unit, now)) >= self._lie_k

    def _learn(self, view: SiteView, unit: int, now: float) -> None:
        """Take in how what miners tell lies beside what their unit does, while nothing is wrong."""
        beside_k = self._middle_c(view, unit, now, by_chips=True) - float(view.cooling.supply_c.value[unit])
        strange = self._looks[unit] >= FEW_LOOKS and abs(beside_k - self._bias_k[unit]) >= self._lie_k / 2.0
        if np.isnan(beside_k) or strange:
            return
        self._looks[unit] = min(self._looks[unit] + 1.0, LEARNED_LOOKS)
        self._bias_k[unit] += (beside_k - self._bias_k[unit]) / self._looks[unit]

    def _middle_c(self, view: SiteView, unit: int, now: float, by_chips: bool) -> float:
        """Return the middle of what a unit's miners tell, in °C: once a tick."""
        if now != self._told_at:
            self._told_at, self._told_c, self._middles_c = now, {}, {}
        if by_chips not in self._told_c:
            self._told_c[by_chips] = self._heat.inlets_c(view, now, by_chips=by_chips)
        if (unit, by_chips) not in self._middles_c:
            told_c = self._told_c[by_chips][self._members[unit]]
            # Half of those by their chips, of which some may be clogged: where most sleep, the few others are no loop.
            least = max(quorum(len(told_c)), math.ceil(SPEAK_SHARE * len(told_c))) if by_chips else quorum(len(told_c))
            self._middles_c[unit, by_chips] = _middle(told_c, least)
        return self._middles_c[unit, by_chips]


def _middle(told_c: Floats, least: int) -> float:
    """Return the middle of what miners tell; NaN where fewer than `least` do, or they do not agree."""
    known_c = told_c[~np.isnan(told_c)]
    if len(known_c) < least:
        return float("nan")
    middle_c = float(np.median(known_c))
    return middle_c if float(np.median(np.abs(known_c - middle_c))) <= AGREE_K else float("nan")
