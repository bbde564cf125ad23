"""A bank's breaker: one switching at a time, switch-ons apart (inrush), continuous load within its share of the rating.

Facts "control", section 2: stacked inrush trips breakers and welds relays; 80 % of the rating is the continuous limit.
"""

import math

from agent.guard.request import Request
from agent.model.action import Risk, Verb
from agent.model.guard import Allow, Defer, GuardReason, Refuse, Verdict
from agent.model.telemetry import OutletState
from agent.model.topology import Bank, Outlet

RECHECK_S = 2.0
RAMP_S = 1800.0
"""A miner switched on this recently may not draw its full current yet: count its nominal."""


def bank(request: Request) -> Verdict:
    """Defer while the bank is busy or just switched something on; keep its continuous load within the limit.

    A power-off is refused outright when the miner could not be switched on again within the limit afterwards.
    """
    if request.action.traits.risk is not Risk.POWER:
        return Allow()
    names = {request.bank_of(outlet) for outlet in request.action.outlets}
    for other in request.busy:
        if names & {request.bank_of(outlet) for outlet in other.outlets}:
            return Defer(request.now + RECHECK_S, GuardReason.BANK_BUSY)
    overloaded = any(
        _load_a(request, branch) > request.limits.bank_share * branch.rating_a for branch in _branches(request)
    )
    if request.action.verb is Verb.POWER_OFF:
        return Refuse(GuardReason.BANK_LOAD) if overloaded else Allow()
    ready_at = max(
        (
            at + request.limits.on_spacing_s
            for outlet, at in request.memory.switched_on.items()
            if request.bank_of(outlet) in names
        ),
        default=-math.inf,
    )
    if request.now < ready_at:
        return Defer(ready_at, GuardReason.INRUSH)
    return Defer(request.now + RECHECK_S, GuardReason.BANK_LOAD) if overloaded else Allow()


def _branches(request: Request) -> list[Bank]:
    known = request.view.site.bank
    return list({known[outlet] for outlet in request.action.outlets if outlet in known})


def _load_a(request: Request, branch: Bank) -> float:
    """Return the bank's continuous current in A with all of the action's outlets on and drawing their nominal."""
    total_a = 0.0
    for number in branch.outlets:
        outlet = Outlet(branch.pdu, number)
        if outlet in request.action.outlets:
            total_a += _nominal_a(request, outlet)
            continue
        seen = request.view.outlet(outlet)
        # One that was just switched on may still be read as off.
        ramping = request.now - request.memory.switched_on.get(outlet, -math.inf) < RAMP_S
        if seen.state is OutletState.OFF and outlet not in request.memory.duties and not ramping:
            continue
        unmetered = math.isnan(seen.current_a)
        counted = ramping or unmetered or outlet in request.memory.duties
        measured_a = 0.0 if unmetered else seen.current_a
        total_a += max(measured_a, _nominal_a(request, outlet)) if counted else measured_a
    return total_a


def _nominal_a(request: Request, outlet: Outlet) -> float:
    site = request.view.site
    power_w = sum(site.miner(m).power_w / len(site.miner(m).outlets) for m in site.fed_by.get(outlet, ()))
    return power_w / site.pdu[outlet.pdu].voltage_v
