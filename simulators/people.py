"""People at a simulated site: who is asked by the agent answers after a while, and does something about it.

They know what a look at the device tells: a person does not release an image that is itself to blame. What they do to
the site is a repair; what they say to the agent goes the way that everybody's word does.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from agent.model.approval import Approval
from agent.model.errors import PolicyError
from agent.model.ids import ApprovalId, ImageId, IncidentId, PduId
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
    TRUST_OUTLETS = "trust_outlets"
    """Puts the cords right of the PDU that the incident cast doubt on, and says that they are."""
    APPROVE = "approve"
    """Confirms an action that the agent asks about."""
    DENY = "deny"
    """Denies it."""


CONFIRMING = frozenset({Deed.APPROVE, Deed.DENY})
"""What answers whether an action may be done; everything else answers an escalation."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one sort of question is answered: escalations, or whether an action may be done.

    Attributes:
        asked: whether an incident that is asked about is of that sort.
        after_s: least and most time in s between the question and the answer; drawn evenly for each.
        does: in this order.
    """

    asked: Callable[[Incident], bool]
    after_s: tuple[float, float]
    does: tuple[Deed, ...]

    @property
    def confirms(self) -> bool:
        """Whether it answers if an action may be done."""
        return not CONFIRMING.isdisjoint(self.does)


class People:
    """Answers what the agent asks, each question once, by the first answer that is for its sort.

    Args:
        answers: how.
        plant, truth: the site.
        release: tells the agent that an image may be used again; raises PolicyError where it does not take that now.
        trust: tells the agent that a PDU's cords are where the inventory has them; raises as `release`.
        confirm: tells the agent whether an action may be done; raises PolicyError where it does not ask any more.

    Attributes:
        answered: how many questions were answered so far.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        plant: SitePlant,
        truth: Truth,
        *,
        release: Callable[[ImageId], Awaitable[None]],
        trust: Callable[[PduId], Awaitable[None]],
        confirm: Callable[[ApprovalId, bool], Awaitable[None]],
    ) -> None:
        self.answered = 0
        self._answers = answers
        self._plant = plant
        self._truth = truth
        self._release = release
        self._trust = trust
        self._confirm = confirm
        self._heard: set[tuple[IncidentId, float | None]] = set()
        self._known = 0
        self._seq = -1
        self._due: list[tuple[float, int, Incident, Approval | None, tuple[Deed, ...]]] = []
        self._count = 0

    async def look(self, memory: Memory, now: float) -> None:
        """Hear what is asked, and do what is due at site time `now`, in s."""
        for incident in memory.open_incidents if memory.seq != self._seq else ():
            question = (incident.id, incident.escalated_at)
            if incident.phase is Phase.ESCALATED and question not in self._heard:
                self._heard.add(question)
                self._hear(incident, None, now)
        self._seq = memory.seq
        for asked in islice(memory.approvals.values(), self._known, None):
            self._known += 1
            self._hear(memory.incidents[asked.incident], asked, now)
        while self._due and self._due[0][0] <= now:
            _, _, incident, about, deeds = heapq.heappop(self._due)
            self.answered += 1
            for deed in deeds:
                if about is None:
                    await self._do(deed, incident, memory, now)
                else:
                    await self._tell(about, approves=deed is Deed.APPROVE)

    def _hear(self, incident: Incident, question: Approval | None, now: float) -> None:
        about = f"{incident.id}/{incident.runs}" if question is None else question.id
        for place, answer in enumerate(self._answers):
            if answer.confirms is (question is not None) and answer.asked(incident):
                after_s = self._plant.rng(f"people/{place}/{about}").uniform(*answer.after_s)
                self._plan(now + after_s, incident, answer.does, question)
                return

    def _plan(self, at: float, incident: Incident, deeds: tuple[Deed, ...], question: Approval | None = None) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, incident, question, deeds))

    async def _tell(self, question: Approval, *, approves: bool) -> None:
        try:
            await self._confirm(question.id, approves)
        except PolicyError:
            self.answered -= 1  # it came too late, or is not wanted any more

    async def _do(self, deed: Deed, incident: Incident, memory: Memory, now: float) -> None:
        if deed is Deed.REPAIR:
            present = memory.incidents[incident.id]
            if present.phase is Phase.ESCALATED and present.escalated_at == incident.escalated_at:
                for miner in present.members:
                    self._truth.repair(miner, now)
            return
        try:
            if deed is Deed.RELEASE_IMAGE:
                await self._release_image(incident.id, memory)
            else:
                await self._trust_outlets(incident.id, memory, now)
        except PolicyError:
            self.answered -= 1
            self._plan(now + AGAIN_S, incident, (deed,))

    async def _release_image(self, incident: IncidentId, memory: Memory) -> None:
        for image in [i for i, flash in memory.frozen.items() if flash.incident == incident]:
            if self._plant.images.named(image).does_well:
                await self._release(image)

    async def _trust_outlets(self, incident: IncidentId, memory: Memory, now: float) -> None:
        for pdu in [pdu for pdu, doubt in memory.doubted.items() if doubt.incident == incident]:
            self._plant.power.restore_cords(pdu, now)
            await self._trust(pdu)
