"""A setpoint that somebody else has moved is theirs."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, GuardReason, Refuse, Verdict
from agent.model.loops import SAME, reading


def moved(request: Request) -> Verdict:
    """Refuse to write where the unit aims at something that neither the site nor the agent has set."""
    action = request.action
    unit = None if action.unit is None else request.view.site.cooling_unit.get(action.unit)
    if unit is None or action.was is None:
        return Allow() if action.unit is None else Refuse(GuardReason.SETPOINT_MOVED)
    is_supply = action.verb is Verb.SET_SUPPLY
    found = reading(request.view, unit.id, "setpoint_c" if is_supply else "flow_setpoint_lpm", request.now)
    record = request.memory.setpoints.get((unit.id, action.verb))
    configured = unit.setpoint_c if is_supply else unit.design_flow_lpm
    known = (configured,) if record is None else (*record.known, record.base)
    same = SAME if is_supply else SAME * configured
    if found is None or abs(found - action.was) > same or all(abs(found - value) > same for value in known):
        return Refuse(GuardReason.SETPOINT_MOVED)
    return Allow()
