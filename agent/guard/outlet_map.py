"""An outlet is switched off only where nothing speaks against its feeding the miner that is meant."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, GuardReason, Refuse, Verdict
from agent.model.telemetry import OutletState
from agent.model.topology import Outlet

FRESH_S = 120.0
"""An older reading says nothing of the draw."""

DEAD_DRAW_W = 3.0
"""Less than any supply's standby: nothing that could be seen to go hangs on it."""


def outlet_map(request: Request) -> Verdict:
    """Refuse a power-off on a guess: on a PDU whose map was found wrong, or of an outlet that feeds nobody.

    Outlets that a power cycle has shown to feed this very miner are no guess.
    """
    if request.action.verb is not Verb.POWER_OFF:
        return Allow()
    for outlet in request.unproven:
        if outlet.pdu in request.memory.doubted:
            return Refuse(GuardReason.OUTLET_MAP_DOUBTED)
        if _draws_nothing(request, outlet):
            return Refuse(GuardReason.OUTLET_WITHOUT_DRAW)
    return Allow()


def _draws_nothing(request: Request, outlet: Outlet) -> bool:
    seen = request.view.outlet(outlet)
    return seen.state is OutletState.ON and request.now - seen.at <= FRESH_S and seen.power_w < DEAD_DRAW_W
