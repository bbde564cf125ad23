"""Steps of a supply temperature: small ones, far enough apart, few a day; counted from the ledger's intents."""

import math

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, Defer, GuardReason, Refuse, Verdict
from agent.model.loops import DAY_K, RAISE_EVERY_S, RAISE_K, SETTLE_S, STEP_K

ROUNDED = 1e-6


def step(request: Request) -> Verdict:
    """Refuse a step that is too large; defer one that comes before the loop has settled from the last."""
    action = request.action
    unit = None if action.unit is None else request.view.site.cooling_unit.get(action.unit)
    if unit is None or action.verb is not Verb.SET_SUPPLY or action.supply_c is None or action.was is None:
        return Allow()
    moves = request.memory.supply_moves.get(unit.id, ())
    down_k = action.was - action.supply_c
    if down_k > STEP_K + ROUNDED or down_k < -RAISE_K - ROUNDED:
        return Refuse(GuardReason.SETPOINT_STEP)
    if unit.setpoint_c - action.supply_c > DAY_K + ROUNDED:
        return Refuse(GuardReason.SETPOINT_STEP)
    apart_s = SETTLE_S[unit.kind] if down_k > 0.0 else RAISE_EVERY_S
    ready_at = max((at for at, _ in moves), default=-math.inf) + apart_s
    return Allow() if request.now >= ready_at else Defer(ready_at, GuardReason.SETTLING)
