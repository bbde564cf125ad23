"""The agent suspects itself first: while something of its own is wrong it does not trust what it sees."""

from agent.guard.request import Request
from agent.guard.safety import is_safety
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again whether it is over."""


def itself(request: Request) -> Verdict:
    """Defer everything while the agent's own incident is open, but for safety and what it owes.

    Chips without coolant do not wait until the agent has found its way out.
    """
    own = request.memory.own_incident
    if own is None or not own.is_open or request.is_duty or is_safety(request):
        return Allow()
    return Defer(request.now + RECHECK_S, GuardReason.OWN_TROUBLE)
