"""Nothing is done to one of several miners that fell ill together until it is known what they share."""

from agent.guard.request import Request
from agent.guard.safety import is_relief
from agent.model.action import Verb
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again; a shared cause is named within a minute or two."""


def brake(request: Request) -> Verdict:
    """Defer an action on a single device while several under one domain of its show the same symptom since just now.

    An incident of many is that shared cause itself, and is not held up by it. But nothing is started among miners that
    have been put to sleep and nobody has said so: it would work while its power is not to be drawn.

    What the agent owes (an outlet to be switched on again) is not held up, nor what takes load off a hot miner.
    """
    row = request.view.site.rows.get(request.action.miner)
    if row is None or request.is_duty or is_relief(request):
        return Allow()
    starts = request.action.verb is Verb.POWER_ON
    held = request.braked if not request.incident.domain else request.drowsy if starts else None
    if held is not None and held[row]:
        return Defer(request.now + RECHECK_S, GuardReason.SHARED_CAUSE)
    return Allow()
