"""The exceptions that gates make for safety, each of them by the same words (agent.model.safety).

Taking load off is safety; giving power to anything never is. A miner that stands still may begin to hash when it is
told another power, so where people may have their hands in it only a miner that hashes is derated.
"""

from dataclasses import replace

import msgspec

from agent.guard.request import Request
from agent.model.action import Verb
from agent.model.ids import MinerId
from agent.model.safety import is_danger, is_heat

WORKS_SHARE = 0.05
"""Who does more than this share of what it aims at has begun already."""


def is_safety(request: Request) -> bool:
    """Whether it takes load off miners in danger: neither the agent's own trouble nor a doubt puts that off."""
    return is_danger(request.incident) and _lessens(request)


def is_safe_at_hand(request: Request) -> bool:
    """Whether it is safety, and starts nothing though somebody be at work on its miners."""
    return is_safety(request) and _starts_nothing(request)


def is_relief(request: Request) -> bool:
    """Whether it takes load off miners that are hot, and starts nothing."""
    return is_heat(request.incident) and _lessens(request) and _starts_nothing(request)


def for_those_free(request: Request) -> Request:
    """Return the request without those to whom something else is being done, where the others are in danger.

    One miner of a loop that is being flashed, or power-cycled, does not make all the others wait without coolant. As it
    is where that leaves nobody, or where it is not safety.
    """
    action = request.action
    if not is_safety(request):
        return request
    busy = {miner for other in request.busy for miner in other.targets}
    free = [miner for miner in action.targets if miner not in busy and not request.memory.may_be_flashing(miner)]
    if not free or len(free) == len(action.targets):
        return request
    narrowed = msgspec.structs.replace(action, miner=free[0], others=tuple(free[1:]))
    return replace(request, action=narrowed)


def _lessens(request: Request) -> bool:
    """Whether it has its miners draw less than they are told to, or nothing."""
    action, rows = request.action, request.view.site.rows
    if action.verb is Verb.DERATE and action.share is not None:
        told = [float(request.view.derated[rows[miner]]) for miner in action.targets if miner in rows]
        return action.share < 1.0 and action.share <= min(told, default=1.0)
    return action.verb is Verb.SLEEP


def _starts_nothing(request: Request) -> bool:
    return request.action.verb is Verb.SLEEP or all(_hashes(request, miner) for miner in request.action.targets)


def _hashes(request: Request, miner: MinerId) -> bool:
    row = request.view.site.rows.get(miner)
    return row is not None and not request.view.misses[row] and request.view.row(miner).rate_share > WORKS_SHARE
