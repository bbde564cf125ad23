"""Nothing is done to one of several miners that fell ill together until it is known what they share."""

from agent.guard.request import Request
from agent.guard.safety import is_relief
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again; a shared cause is named within a minute or two."""


def brake(request: Request) -> Verdict:
    """Defer an action on a single device while several under one domain of its show the same symptom since just now.

    What the agent owes (an outlet to be switched on again) is not held up, nor what takes load off a hot miner.
    """
    if request.braked is None or request.is_duty or request.incident.domain or is_relief(request):
        return Allow()
    row = request.view.site.rows.get(request.action.miner)
    if row is not None and request.braked[row]:
        return Defer(request.now + RECHECK_S, GuardReason.SHARED_CAUSE)
    return Allow()
