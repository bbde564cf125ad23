"""One action per device at a time."""

from agent.guard.request import Request
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 2.0
"""How soon to ask again while somebody else's action is in flight."""


def in_flight(request: Request) -> Verdict:
    """Defer while another action of the incident, or on the same miner, outlet or cooling unit, is in flight."""
    if request.incident.id in request.memory.flying:
        return Defer(request.now + RECHECK_S, GuardReason.IN_FLIGHT)
    outlets, miners = set(request.action.outlets), set(request.action.targets)
    for other in request.busy:
        same_unit = other.unit is not None and other.unit == request.action.unit
        if same_unit or not miners.isdisjoint(other.targets) or outlets.intersection(other.outlets):
            return Defer(request.now + RECHECK_S, GuardReason.IN_FLIGHT)
    return Allow()
