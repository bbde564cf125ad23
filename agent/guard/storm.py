"""When much of a site is ill at once the agent does not know the site any more: it begins nothing new.

What acts on a shared cause (another pool for all its miners, a colder loop) goes on: that may be what ends the storm.
"""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict

LEAST = 20
"""Fewer ill miners are no storm, however small the site."""


def is_stormy(ill: int, miners: int, share: float) -> bool:
    """Tell whether so many miners that have an incident and are not well yet, of so many, are a storm."""
    return ill >= max(LEAST, share * miners)


def storm(request: Request) -> Verdict:
    """Defer what would take a single miner out of service during a storm and for a while after it."""
    if not request.action.disrupts or request.incident.domain or request.now >= request.calm_at:
        return Allow()
    return Defer(request.calm_at, GuardReason.STORM)
