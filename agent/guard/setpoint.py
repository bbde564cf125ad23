"""Bounds of setpoints: never below the floor or above the ceiling, never lowered while the dew point is not known."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, GuardReason, Refuse, Verdict
from agent.model.loops import MOST_FLOW, floor_c


def setpoint(request: Request) -> Verdict:
    """Refuse a supply temperature or a flow outside its bounds. What leads back to the base needs no dew point."""
    action = request.action
    unit = None if action.unit is None else request.view.site.cooling_unit.get(action.unit)
    if unit is None:
        return Allow() if action.unit is None else Refuse(GuardReason.SETPOINT_BOUNDS)
    if action.verb is Verb.SET_FLOW:
        lpm = action.flow_lpm
        fits = lpm is not None and unit.min_flow_lpm <= lpm <= MOST_FLOW * unit.design_flow_lpm
        return Allow() if fits else Refuse(GuardReason.SETPOINT_BOUNDS)
    target_c, was_c = action.supply_c, action.was
    if target_c is None or was_c is None or not unit.min_c <= target_c <= unit.max_c:
        return Refuse(GuardReason.SETPOINT_BOUNDS)
    if target_c >= was_c:
        return Allow() if request.leads_back else Refuse(GuardReason.SETPOINT_BOUNDS)
    floor = floor_c(request.view, unit, request.now)
    if floor is None:
        return Refuse(GuardReason.HUMIDITY_UNKNOWN)
    return Allow() if target_c >= floor else Refuse(GuardReason.SETPOINT_BOUNDS)
