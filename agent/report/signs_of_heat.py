"""What tells the causes of heat apart: the miner alone, its loop, its cooling unit's sensor. Pure.

A miner's thermal resistance over its own past says whether it gives its heat away worse than it did; if it does not,
and it is hot all the same, it is given coolant that is too warm or too little (facts "detection", section 5).
"""

from agent.model.incident import Evidence, Reason
from agent.report.signs import Cause, number, share

RESISTANCE = 1.15
"""Of its own past: from there a miner's heat is its own doing (section 5)."""

HOT_SHARE = 0.13
"""Of a loop's miners: if so many are hot the loop is (section 7, D8)."""

SUPPLY_K = 3.0
"""A supply so far above what is wanted is too warm (section 7, D8)."""

FLOW_SHARE = 0.85
"""Of the flow that a loop was designed for: less is too little (section 7, D8)."""

STILL_SHARE = 0.10
"""... and with less than this nothing flows."""

LIE_K = 4.0
"""A unit that tells so much else of its supply than its miners do contradicts them."""


def _own_resistance(seen: Evidence) -> str | None:
    own, of_loop = number(seen, "resistance_ratio"), number(seen, "loop_resistance_ratio")
    if own is None:
        return None
    beside = "" if of_loop is None else f", the middle one of its loop's is at {of_loop:.0%}"
    return f"its thermal resistance is at {own:.0%} of its own past{beside}"


def _clogged(seen: Evidence) -> str | None:
    return _own_resistance(seen) if (number(seen, "resistance_ratio") or 0.0) > RESISTANCE else None


def _not_clogged(seen: Evidence) -> str | None:
    return _own_resistance(seen) if (number(seen, "resistance_ratio") or 2.0) <= RESISTANCE else None


def _flat(seen: Evidence) -> str | None:
    of_loop = number(seen, "loop_resistance_ratio")
    if of_loop is None or of_loop > RESISTANCE or seen.get("resistance_ratio") is not None:
        return None
    return f"the thermal resistance of its miners is at {of_loop:.0%} of their past, in the middle"


def _shares_no_loop(seen: Evidence) -> str | None:
    return None if seen.get("unit") else "it shares no loop with others"


def _fan(seen: Evidence) -> str | None:
    return "a fan of it stands still" if number(seen, "fan_min_rpm") == 0.0 else None


def _hot(seen: Evidence, *, many: bool) -> str | None:
    part = share(seen, "miners_hot", "miners")
    if part is None or (part >= HOT_SHARE) is not many:
        return None
    return f"{seen['miners_hot']} of its loop's {seen['miners']} miners are hot"


def _many_hot(seen: Evidence) -> str | None:
    return _hot(seen, many=True)


def _few_hot(seen: Evidence) -> str | None:
    return _hot(seen, many=False)


def _above_k(seen: Evidence) -> float | None:
    supply_c, wanted_c = number(seen, "supply_c"), number(seen, "wanted_c")
    return None if supply_c is None or wanted_c is None else supply_c - wanted_c


def _warm(seen: Evidence) -> str | None:
    above_k = _above_k(seen)
    return f"its supply is {above_k:.1f} K too warm" if above_k is not None and above_k > SUPPLY_K else None


def _not_warm(seen: Evidence) -> str | None:
    above_k = _above_k(seen)
    return (
        f"its supply is {above_k:+.1f} K from what is wanted" if above_k is not None and above_k <= SUPPLY_K else None
    )


def _flow(seen: Evidence, least: float, most: float) -> str | None:
    part = share(seen, "flow_lpm", "design_flow_lpm")
    return f"it flows at {part:.0%} of its design" if part is not None and least <= part < most else None


def _little_flow(seen: Evidence) -> str | None:
    return _flow(seen, 0.0, FLOW_SHARE)


def _no_flow(seen: Evidence) -> str | None:
    return _flow(seen, 0.0, STILL_SHARE)


def _flows(seen: Evidence) -> str | None:
    return _flow(seen, FLOW_SHARE, float("inf"))


def _flows_a_little(seen: Evidence) -> str | None:
    return _flow(seen, STILL_SHARE, float("inf"))


def _pump_gone(seen: Evidence) -> str | None:
    return "its unit says that a pump is out" if seen.get("pumps_ok") is False else None


def _pumps_run(seen: Evidence) -> str | None:
    return "its pumps run" if seen.get("pumps_ok") is True else None


def _by_miners(seen: Evidence, *, agree: bool) -> str | None:
    supply_c, told_c = number(seen, "supply_c"), number(seen, "supply_by_miners_c")
    if supply_c is None or told_c is None or (abs(supply_c - told_c) < LIE_K) is not agree:
        return None
    return f"it tells {supply_c:.1f} °C, and its miners show {told_c:.1f} °C"


def _agree(seen: Evidence) -> str | None:
    return _by_miners(seen, agree=True)


def _contradict(seen: Evidence) -> str | None:
    return _by_miners(seen, agree=False)


CAUSES = (
    Cause(
        "the miner itself: a clog, dust or a fan",
        frozenset({Reason.OVERHEATED, Reason.OVERTEMP_CUT_OUT}),
        (_clogged, _shares_no_loop, _fan, _few_hot),
        (_not_clogged, _flat, _many_hot),
    ),
    Cause(
        "its loop: too warm, or too little flow",
        frozenset({Reason.LOOP_HOT}),
        (_warm, _little_flow, _many_hot),
        (_clogged, _not_warm, _flows, _few_hot, _shares_no_loop),
    ),
    Cause(
        "its loop is not cooled any more",
        frozenset({Reason.COOLING_LOST}),
        (_pump_gone, _no_flow, _warm),
        (_pumps_run, _flows_a_little, _shares_no_loop),
    ),
    Cause("the sensor of its cooling unit", frozenset(), (_contradict,), (_agree, _shares_no_loop)),
)
"""In the order in which they are told."""
