"""What the local API has of the running agent: what it remembers and sees, and the one door by which it is told.

Each group of routes lives in a file of its own, with the bodies it speaks in and a function that is given this and
returns its routes. It reads `memory` and `view`, and changes nothing but through `change`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from agent.model.events import Actor, AnyEvent
from agent.model.memory import Memory

if TYPE_CHECKING:
    # A command that only asks shares the bodies' modules, and does without numpy.
    from agent.model.site_view import SiteView
    from agent.remediate.tables import Tables


class Door(Protocol):
    """A running agent, as the routes have it."""

    ticks: int

    @property
    def memory(self) -> Memory:
        """Return the fold over its ledger."""

    @property
    def view(self) -> "SiteView":
        """Return the columns that it keeps current."""

    @property
    def tables(self) -> "Tables":
        """Return its playbooks."""

    def now(self) -> float:
        """Return steady UTC in s, as the agent has it."""

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        """Commit what a person or an integration changes; whoever refuses raises PolicyError in `wanted`."""
