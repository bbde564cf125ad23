"""The agent suspects itself first: while something of its own is wrong it does not trust what it sees."""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict
from agent.model.incident import Reason

RECHECK_S = 10.0
"""How soon to ask again whether it is over."""

SAFETY = frozenset({Reason.COOLING_LOST})
"""Chips without coolant do not wait until the agent has found its way out: miners are stopped all the same."""


def itself(request: Request) -> Verdict:
    """Defer everything while the agent's own incident is open, but for safety and what it owes."""
    own = request.memory.own_incident
    if own is None or not own.is_open or request.is_duty or request.incident.cause in SAFETY:
        return Allow()
    return Defer(request.now + RECHECK_S, GuardReason.OWN_TROUBLE)
