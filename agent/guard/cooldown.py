"""Power cycles of one miner: not too soon after the last, not too many a day. Counted from the ledger's intents."""

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.guard import Allow, Defer, GuardReason, Refuse, Verdict

DAY_S = 86_400.0


def cooldown(request: Request) -> Verdict:
    """Defer a power-off inside the cool-down; refuse one beyond the day's limit."""
    if request.action.verb is not Verb.POWER_OFF:
        return Allow()
    offs = [t for t in request.memory.power_offs.get(request.action.miner, ()) if request.now - t < DAY_S]
    if len(offs) >= request.limits.power_cycles_per_day:
        return Refuse(GuardReason.DAILY_LIMIT)
    if offs and request.now - offs[-1] < request.limits.cooldown_s:
        return Defer(offs[-1] + request.limits.cooldown_s, GuardReason.COOLDOWN)
    return Allow()
