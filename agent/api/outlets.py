"""`GET /outlets`, `POST /outlets/trust`: what is known of which outlet feeds whom, and a person's word on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from agent.api.routes import Call, Route
from agent.model.errors import PolicyError
from agent.model.events import Actor, AnyEvent, OutletsTrusted
from agent.model.ids import PduId
from agent.model.memory import Memory

if TYPE_CHECKING:
    # The command that asks shares the bodies, and does without the loop that the agent runs on.
    from agent.api.door import Door


class Mapped(msgspec.Struct, frozen=True):
    """An outlet that a power cycle has shown to feed a miner."""

    pdu: str
    outlet: int
    miner: str


class Doubt(msgspec.Struct, frozen=True):
    """A PDU of which one outlet was found to feed another miner than the inventory has on it.

    Attributes:
        outlets, miner: what was switched off, and whom it was meant for.
        fell: the miners that lost their power instead; none where only the miner itself did not.
    """

    pdu: str
    incident: str
    miner: str
    outlets: tuple[str, ...]
    fell: tuple[str, ...]


class OutletMap(msgspec.Struct, frozen=True):
    """What power cycles have shown of a site's outlet map; of every other outlet nothing is known yet."""

    proven: tuple[Mapped, ...]
    doubted: tuple[Doubt, ...]


class TrustOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person has looked at a PDU: inventory and cords agree now. `why` says what was found and done."""

    pdu: Annotated[str, Meta(min_length=1, max_length=128)]
    why: Annotated[str, Meta(min_length=1, max_length=400)]


def outlet_map_of(memory: Memory) -> OutletMap:
    """Return what that memory has of outlets, in their order."""
    return OutletMap(
        proven=tuple(Mapped(outlet.pdu, outlet.number, miner) for outlet, miner in sorted(memory.mapped.items())),
        doubted=tuple(
            Doubt(pdu, doubt.incident, doubt.miner, tuple(map(str, doubt.outlets)), doubt.fell)
            for pdu, doubt in sorted(memory.doubted.items())
        ),
    )


def trusted(memory: Memory, pdu: PduId, why: str) -> Sequence[AnyEvent]:
    """Return the event that ends a doubt; PolicyError where there is none about that PDU."""
    if pdu not in memory.doubted:
        doubted = ", ".join(sorted(memory.doubted)) or "none is"
        raise PolicyError(f"expected a PDU whose outlet map is in doubt ({doubted}); got {pdu}")
    return [OutletsTrusted(pdu=pdu, why=" ".join(why.split()))]


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent answers about its outlets."""

    async def show(_: Call) -> OutletMap:
        return outlet_map_of(agent.memory)

    async def trust(call: Call) -> OutletMap:
        order = call.read(TrustOrder)
        await agent.change(lambda memory, _: trusted(memory, PduId(order.pdu), order.why), Actor.OPERATOR)
        return outlet_map_of(agent.memory)

    return (Route("GET", "/outlets", show), Route("POST", "/outlets/trust", trust))
