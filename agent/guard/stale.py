"""Nothing is done on evidence from a while ago: a miner that nobody has asked lately may have been well for long."""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0

FRESH_S = 900.0
"""More than the longest time between two polls that can be configured. That somebody has asked is enough: silence is
evidence too, and how fresh a playbook's own evidence must be is the playbook's."""


def stale(request: Request) -> Verdict:
    """Defer what takes a miner out of service that was not polled lately, with or without an answer."""
    row = request.view.site.rows.get(request.action.miner)
    if not request.action.disrupts or row is None:
        return Allow()
    if request.now - request.view.polled_at[row] <= FRESH_S:
        return Allow()
    return Defer(request.now + RECHECK_S, GuardReason.STALE)
