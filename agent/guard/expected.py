"""Nothing is done to what is worked on, and nothing that would end a curtailment to what is curtailed.

What takes load off hot miners is safety and goes on. Outlets that the agent has switched off it may switch on again in
a curtailment, but not under the hands of people at work.
"""

from collections.abc import Iterator

from agent.guard.request import Request
from agent.guard.safety import is_relief
from agent.model.action import Verb
from agent.model.domains import Kind
from agent.model.guard import Allow, Defer, GuardReason, Verdict
from agent.model.ids import MinerId
from agent.model.site_view import Expected
from agent.model.windows import Purpose

RECHECK_S = 10.0
"""How soon to ask again: an announced window may end at any time."""

_ENDS_IT = frozenset({Verb.WAKE, Verb.DERATE})
"""Of what the agent owes, these would work against who curtails."""


def expected(request: Request) -> Verdict:
    """Defer what touches a miner in maintenance, or one that is curtailed, announced or by what it says itself."""
    if is_relief(request):
        return Allow()
    concerned = _concerned(request)
    purposes = {window.purpose for miner in concerned for window in request.memory.windows.covering(miner)}
    if Purpose.MAINTENANCE in purposes:
        return Defer(request.now + RECHECK_S, GuardReason.MAINTENANCE)
    if request.is_duty and request.action.verb not in _ENDS_IT:
        return Allow()
    if Purpose.CURTAILED in purposes or any(_sleeps(request, miner) for miner in request.action.targets):
        return Defer(request.now + RECHECK_S, GuardReason.CURTAILED)
    return Allow()


def _concerned(request: Request) -> tuple[MinerId, ...]:
    """Return the miners that it touches: of a cooling unit the one that stands for it, if all on its loop are alike.

    An outlet of a PDU whose map was found wrong feeds who fell with it; if nobody was seen to, any miner of that PDU.
    """
    if request.action.unit is None:
        return (*request.action.targets, *_fed_by_chance(request))
    site = request.view.site
    unit = site.cooling_unit.get(request.action.unit)
    cooled = [miner.id for miner in site.miners if unit is not None and miner.loop == unit.loop]
    worked_on = all(
        any(w.purpose is Purpose.MAINTENANCE for w in request.memory.windows.covering(miner)) for miner in cooled
    )
    return (request.action.miner,) if worked_on else ()


def _fed_by_chance(request: Request) -> Iterator[MinerId]:
    """Yield who may be fed by outlets that are to be switched on, though the inventory has him elsewhere."""
    if request.action.verb is not Verb.POWER_ON:
        return
    for pdu in {outlet.pdu for outlet in request.action.outlets} & request.memory.doubted.keys():
        fell = request.memory.doubted[pdu].fell
        domain = request.view.domains.get(f"{Kind.PDU}:{pdu}")
        rows = [] if fell or domain is None else domain.rows.tolist()
        yield from (*fell, *(request.view.site.miners[row].id for row in rows))


def _sleeps(request: Request, miner: MinerId) -> bool:
    """Whether it says that it was told to sleep, and the agent has not told it."""
    row = request.view.site.rows.get(miner)
    asleep = row is not None and request.view.expected[row] == Expected.SUSPENDED
    return bool(asleep) and miner not in request.memory.asleep
