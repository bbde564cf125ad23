"""A miner at its limit is not rebooted or cut off: its fans stop, and the heat its chips still hold goes nowhere."""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict

NEAR_K = 3.0
"""So close to its limit a miner is hot; detectors say so at the limit itself."""

COOLS_S = 300.0
"""Four time constants of an air-cooled miner (facts "detection", section 5): older readings say nothing."""


def hot(request: Request) -> Verdict:
    """Defer what stops a miner that, when it was last heard, was at its limit."""
    view, row = request.view, request.view.site.rows.get(request.action.miner)
    if not request.action.disrupts or row is None:
        return Allow()
    limits = view.site.miners[row].limits
    for column, limit_c in ((view.chip_max_c, limits.chip_c), (view.board_max_c, limits.board_c)):
        shown_c = column.fresh(row, request.now, COOLS_S)
        if shown_c is not None and shown_c >= limit_c - NEAR_K:
            return Defer(float(column.at[row]) + COOLS_S, GuardReason.HOT)
    return Allow()
