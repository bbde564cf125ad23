"""A running agent as integrations have it: a memory that is the fold over what came in by its door, and a site."""

from collections.abc import Callable, Sequence

from agent.ledger.fold import State
from agent.model.events import Actor, AnyEvent, Record
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from tests.factory import site


class OpenDoor:
    """Takes what is wanted, at the time that `now` tells."""

    ticks = 0

    def __init__(self, now: Callable[[], float]) -> None:
        self.memory = State()
        self.view = SiteView(site(4))
        self.records: list[Record] = []
        self._now = now

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        now = self._now()
        for event in wanted(self.memory, now):
            record = Record(len(self.records) + 1, now, actor, event, "", "")
            self.records.append(record)
            self.memory.apply(record)
