"""One incident at a time moves a unit's setpoint: two that take turns would outdo the limits of one."""

from agent.guard.request import Request
from agent.model.guard import Allow, GuardReason, Refuse, Verdict
from agent.model.incident import Phase


def one_writer(request: Request) -> Verdict:
    """Refuse a write to a unit that an incident which is not over has moved."""
    if request.action.unit is None:
        return Allow()
    record = request.memory.setpoints.get((request.action.unit, request.action.verb))
    if record is None or record.incident == request.incident.id:
        return Allow()
    other = request.memory.incidents[record.incident]
    return Allow() if other.phase is Phase.CLOSED else Refuse(GuardReason.ANOTHERS_SETPOINT)
