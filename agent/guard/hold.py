"""A person told the agent to keep its hands off."""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again whether the hold is over."""


def hold(request: Request) -> Verdict:
    """Defer everything while the agent is held, but for what it owes: an outlet that it switched off goes on again."""
    if request.memory.held is None or request.is_duty:
        return Allow()
    return Defer(request.now + RECHECK_S, GuardReason.HELD)
