"""The trust ladder: in observe mode the agent decides and records, and touches nothing."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, GuardReason, Mode, Refuse, Verdict


def mode(request: Request) -> Verdict:
    """Refuse what the mode does not allow. What the agent owes to what it has done itself is owed in every mode."""
    if request.action.verb is not Verb.POWER_OFF and request.is_duty:
        return Allow()
    if request.mode[request.action.traits.risk] is Mode.OBSERVE:
        return Refuse(GuardReason.OBSERVE_MODE)
    return Allow()
