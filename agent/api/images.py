"""`POST /images/release`: the word of a person that lets a firmware image be used again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from agent.api.routes import Call, Route
from agent.model.errors import PolicyError
from agent.model.events import Actor, AnyEvent, ImageReleased
from agent.model.ids import ImageId, IncidentId
from agent.model.incident import Phase
from agent.model.memory import Memory

if TYPE_CHECKING:
    # The command that asks shares the body, and does without the loop that the agent runs on.
    from agent.api.door import Door

SHOWN_DIGITS = 12
LEAST_DIGITS = 6


class ReleaseOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person has looked at the miner that an image did not do well on; its first digits are enough."""

    image: Annotated[str, Meta(max_length=64)]


class Released(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        again: the incidents that had waited for it, and are taken up again.
    """

    image: ImageId
    again: tuple[IncidentId, ...]


def meant(memory: Memory, digits: str) -> ImageId:
    """Return the image that waits for a release and begins with these digits. Raises PolicyError where none does."""
    waiting = {*memory.frozen, *(flash.image for flash in memory.flashes.values())}
    found = [image for image in waiting if len(digits) >= LEAST_DIGITS and image.startswith(digits.lower())]
    if len(found) != 1:
        known = ", ".join(sorted(image[:SHOWN_DIGITS] for image in waiting)) or "none is"
        raise PolicyError(
            f"expected {LEAST_DIGITS} digits or more of one image that waits for it ({known}); got {digits[:64]!r}"
        )
    return found[0]


def release(memory: Memory, image: ImageId) -> Sequence[AnyEvent]:
    """Return what releases an image while the agent runs. Raises PolicyError while it is being written somewhere."""
    for flash in memory.flashes.values():
        goes_on = memory.incidents[flash.incident].phase is Phase.REMEDIATING
        if flash.image == image and goes_on and not flash.verified:
            raise PolicyError(
                f"{flash.miner} is being flashed with it ({flash.incident}), and nothing may disturb that: wait until "
                "it has ended, one way or the other"
            )
    return [ImageReleased(image=image)]


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent answers about images."""

    async def let_go(call: Call) -> Released:
        order = call.read(ReleaseOrder)
        found: list[Released] = []

        def wanted(memory: Memory, _: float) -> Sequence[AnyEvent]:
            image = meant(memory, order.image)
            found.append(Released(image, tuple(incident.id for incident in memory.waiting_for(image))))
            return release(memory, image)

        await agent.change(wanted, Actor.OPERATOR)
        return found[0]

    return (Route("POST", "/images/release", let_go),)
