"""The first automatic use of an outlet is the proof of the map; proofs on one PDU come one after the other.

Of two outlets that are off at the same time nobody could tell which took a neighbour down.
"""

from agent.guard.request import Request
from agent.model.action import Risk, Verb
from agent.model.guard import Allow, Defer, GuardReason, Verdict

RECHECK_S = 10.0
"""How soon to ask again: an outlet is off for a minute."""


def proof(request: Request) -> Verdict:
    """Defer the first use of an outlet while the agent has others of its PDU off."""
    if request.action.verb is not Verb.POWER_OFF:
        return Allow()
    pdus = {outlet.pdu for outlet in request.unproven}
    about = {outlet for action in request.busy if action.traits.risk is Risk.POWER for outlet in action.outlets}
    off = (about | set(request.memory.duties)).difference(request.action.outlets)
    if any(outlet.pdu in pdus for outlet in off):
        return Defer(request.now + RECHECK_S, GuardReason.OUTLET_UNPROVEN)
    return Allow()
