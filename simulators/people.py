"""People at a simulated site: who is asked by the agent answers after a while, and does something about it.

They know what a look at the device tells: a person does not release an image that is itself to blame. What they do to
the site is a repair; what they say to the agent goes the way that everybody's word does.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.model.errors import PolicyError
from agent.model.ids import ImageId, IncidentId
from agent.model.incident import Incident, Phase
from agent.model.memory import Memory
from simulators.plant.site import SitePlant
from simulators.truth import Truth

AGAIN_S = 600.0
"""Whose word the agent does not take now says it again so much later."""


class Deed(StrEnum):
    """What a person can do about what he was asked."""

    REPAIR = "repair"
    """Puts right whatever ails the miners of the incident."""
    RELEASE_IMAGE = "release_image"
    """Releases the image that the incident froze, where a look shows that the board was to blame and not the image."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one sort of escalation is answered.

    Attributes:
        asked: whether it is of that sort.
        after_s: least and most time in s between the question and the answer; drawn evenly for each.
        does: in this order.
    """

    asked: Callable[[Incident], bool]
    after_s: tuple[float, float]
    does: tuple[Deed, ...]


class People:
    """Answers what the agent asks, each question once, by the first answer that is for its sort.

    Args:
        answers: how.
        plant, truth: the site.
        release: tells the agent that an image may be used again; raises PolicyError where it does not take that now.

    Attributes:
        answered: how many questions were answered so far.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        plant: SitePlant,
        truth: Truth,
        release: Callable[[ImageId], Awaitable[None]],
    ) -> None:
        self.answered = 0
        self._answers = answers
        self._plant = plant
        self._truth = truth
        self._release = release
        self._heard: set[tuple[IncidentId, float | None]] = set()
        self._due: list[tuple[float, int, Incident, tuple[Deed, ...]]] = []
        self._count = 0

    async def look(self, memory: Memory, now: float) -> None:
        """Hear what is asked, and do what is due at site time `now`, in s."""
        for incident in memory.open_incidents:
            question = (incident.id, incident.escalated_at)
            if incident.phase is Phase.ESCALATED and question not in self._heard:
                self._heard.add(question)
                self._hear(incident, now)
        while self._due and self._due[0][0] <= now:
            _, _, incident, deeds = heapq.heappop(self._due)
            self.answered += 1
            for deed in deeds:
                await self._do(deed, incident, memory, now)

    def _hear(self, incident: Incident, now: float) -> None:
        for place, answer in enumerate(self._answers):
            if answer.asked(incident):
                after_s = self._plant.rng(f"people/{place}/{incident.id}/{incident.runs}").uniform(*answer.after_s)
                self._plan(now + after_s, incident, answer.does)
                return

    def _plan(self, at: float, incident: Incident, deeds: tuple[Deed, ...]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, incident, deeds))

    async def _do(self, deed: Deed, incident: Incident, memory: Memory, now: float) -> None:
        if deed is Deed.REPAIR:
            present = memory.incidents[incident.id]
            if present.phase is Phase.ESCALATED and present.escalated_at == incident.escalated_at:
                for miner in present.members:
                    self._truth.repair(miner, now)
            return
        for image in [i for i, flash in memory.frozen.items() if flash.incident == incident.id]:
            if self._plant.images.named(image).does_well:
                try:
                    await self._release(image)
                except PolicyError:
                    self.answered -= 1
                    self._plan(now + AGAIN_S, incident, (deed,))
