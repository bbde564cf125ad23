"""An outlet that feeds more than one miner is switched off only when all of them are down."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, GuardReason, Refuse, Verdict


def shared(request: Request) -> Verdict:
    """Refuse a power-off that would take a miner down that has no open incident of its own."""
    if request.action.verb is not Verb.POWER_OFF:
        return Allow()
    for outlet in request.action.outlets:
        for other in request.view.site.fed_by.get(outlet, ()):
            if other != request.action.miner and not request.memory.is_down(other):
                return Refuse(GuardReason.SHARED_OUTLET)
    return Allow()
