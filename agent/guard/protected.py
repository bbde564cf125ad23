"""Outlets that nothing may switch: gateway, switch, pumps, the agent's own host."""

from agent.guard.request import Request
from agent.model.guard import Allow, GuardReason, Refuse, Verdict


def protected(request: Request) -> Verdict:
    """Refuse an action that touches a protected outlet."""
    if any(outlet in request.view.site.protected for outlet in request.action.outlets):
        return Refuse(GuardReason.PROTECTED)
    return Allow()
