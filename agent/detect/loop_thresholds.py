"""Figures by which loops, their units and what speaks for either are judged."""

from dataclasses import dataclass

from agent.model.loops import HOT_SHARE, RUNAWAY_K


@dataclass(frozen=True, slots=True)
class LoopThresholds:
    """Figures of all of them.

    Attributes:
        supply_k: supply above its setpoint, or above its base where it was lowered, in K ...
        supply_s: ... for so long.
        flow_share: flow below this share of the design flow ...
        flow_s: ... for so long.
        hot_share: share of a loop's miners that are hot, from which the loop is.
        still_share: below this share of the design flow nothing flows.
        still_reads: ... in so many reads in a row.
        runaway_k: a supply so far above that ...
        runaway_k_per_min: ... and rising so fast is not cooled any more.
        runaway_reads: ... in so many reads in a row.
        clear_s: all is well for so long before it is over.
        silent_s: a unit that answers nothing for so long is silent, or in three of its turns where that is longer.
        lie_k: what a unit tells of its supply and what its miners show contradict each other from so many K on ...
        lie_s: ... for so long.
    """

    supply_k: float = 3.0
    supply_s: float = 180.0
    flow_share: float = 0.85
    flow_s: float = 30.0
    hot_share: float = HOT_SHARE
    still_share: float = 0.10
    still_reads: int = 2
    runaway_k: float = RUNAWAY_K
    runaway_k_per_min: float = 1.0
    runaway_reads: int = 3
    clear_s: float = 600.0
    silent_s: float = 120.0
    lie_k: float = 4.0
    lie_s: float = 180.0
