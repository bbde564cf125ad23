"""A person told the agent to keep its hands off: it gives nothing power, not even what it owes.

Somebody may have his hands in a device, and trusts in nothing beginning there. Miners in danger are put to sleep all
the same, which hurts nobody; who wants even that to end stops the agent.
"""

from agent.guard.request import Request
from agent.guard.safety import is_safe_at_hand
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again whether the hold is over."""


def hold(request: Request) -> Verdict:
    """Defer everything while the agent is held, but what takes load off miners in danger."""
    if request.memory.held is None or is_safe_at_hand(request):
        return Allow()
    return Defer(request.now + RECHECK_S, GuardReason.HELD)
