"""A power action without outlets is an error, never "all"."""

from agent.guard.request import Request
from agent.model.action import Risk
from agent.model.guard import Allow, GuardReason, Refuse, Verdict


def target(request: Request) -> Verdict:
    """Refuse a power action that names no outlet."""
    if request.action.traits.risk is Risk.POWER and not request.action.outlets:
        return Refuse(GuardReason.NO_TARGET)
    return Allow()
