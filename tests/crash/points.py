"""Where an agent can die, and the hand that makes it: around the ledger, around the driver's call, in the plant.

Nothing of the agent is replaced: the ledger, the actor and the dialer it is given are the real ones, with a step in
front and a step behind. Who is dead does nothing any more: what it had in flight is cut off where it stands, nothing
it might still want to say reaches a device or the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from agent.act import Actor as Hand
from agent.act import Outcome
from agent.ledger.chain import Body
from agent.ledger.store import Ledger
from agent.model.action import Action
from agent.model.events import Actor, Record
from simulators.loopback import LoopbackDialer
from simulators.plant.journal import Entry, What

T = TypeVar("T")

NOWHERE = ("127.255.255.254", 9)
"""Nothing listens there."""


class Point(StrEnum):
    """The named points, in the order in which one action passes them."""

    DECIDED = "decided"
    """Events are about to be committed; none of them is on the disk."""
    COMMITTED = "committed"
    """They are on the disk; the memory has none of them, nobody was told, nothing was set in motion."""
    ANNOUNCED = "announced"
    """The memory has them and they were announced; what they set in motion has not begun."""
    CALLING = "calling"
    """A driver was called, and has said nothing to a device yet."""
    DEED = "deed"
    """The device did it just now; the driver has not heard of that."""
    RETURNED = "returned"
    """The driver has told what became of it; that is not on the disk."""


@dataclass(frozen=True, slots=True)
class Place:
    """One passing of a point: which, and of what: kinds of events, or a verb."""

    point: Point
    of: str

    def __str__(self) -> str:
        return f"{self.point} {self.of}"


class Reaper:
    """Counts the points that an agent passes, and lets it die at those that were asked for.

    Args:
        deaths: after how many points it dies, each counted from the death before.
        kill: ends the agent; it is started again some time later.

    Attributes:
        passed: every point that was passed, by life.
    """

    def __init__(self, deaths: Sequence[int], kill: Callable[[], None]) -> None:
        self.passed: list[list[Place]] = [[]]
        self.is_dead = False
        self._is_over = False
        self._deaths = deaths
        self._kill = kill

    def live(self) -> None:
        """Note that an agent was started."""
        if self.is_dead:
            self.is_dead = False
            self.passed.append([])

    def retire(self) -> None:
        """Let the present agent live: the story is over."""
        self._is_over = True

    def note(self, point: Point, of: str) -> bool:
        """Take note of a point; tell whether the agent is dead from then on."""
        if self.is_dead or self._is_over:
            return self.is_dead
        life = self.passed[-1]
        life.append(Place(point, of))
        number = len(self.passed) - 1
        if number < len(self._deaths) and len(life) == self._deaths[number]:
            self.is_dead = True
            self._kill()
        return self.is_dead

    async def at(self, point: Point, of: str) -> None:
        """Pass a point; who dies there never returns."""
        if self.note(point, of):
            await asyncio.Future()


class MortalLedger(Ledger):
    """A ledger whose agent may die before a commit, right after it, or once what was committed was announced."""

    reaper: Reaper

    async def _commit(self, bodies: Sequence[Body], actor: Actor, *, proves: bool = False) -> list[Record]:
        of = "+".join(body.kind for body in bodies)
        if bodies:
            await self.reaper.at(Point.DECIDED, of)
        records = await super()._commit(bodies, actor, proves=proves)
        if bodies:
            await self.reaper.at(Point.COMMITTED, of)
            # What follows a commit up to the announcement is done without a pause, so this comes right behind it.
            asyncio.get_running_loop().call_soon(self.reaper.note, Point.ANNOUNCED, of)
        return records


class MortalHand(Hand):
    """Performs actions for an agent that may die before the driver does anything, or once it has told how it went."""

    def __init__(self, hand: Hand, reaper: Reaper) -> None:
        vars(self).update(vars(hand))
        self._reaper = reaper

    async def perform(self, action: Action) -> Outcome:
        return await self._around(action, super().perform)

    async def finish(self, action: Action) -> Outcome:
        return await self._around(action, super().finish)

    async def _around(self, action: Action, work: Callable[[Action], Awaitable[Outcome]]) -> Outcome:
        await self._reaper.at(Point.CALLING, action.verb)
        outcome = await work(action)
        await self._reaper.at(Point.RETURNED, action.verb)
        return outcome


class MortalDialer(LoopbackDialer):
    """Leads nowhere once the agent is dead."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        return NOWHERE if self._reaper.is_dead else super().endpoint(host, port)


class Watched(list[T]):
    """A record of the plant's that tells of each entry at the instant it is made."""

    def __init__(self, entries: Sequence[T], tell: Callable[[T], Any]) -> None:
        super().__init__(entries)
        self._tell = tell

    def append(self, entry: T) -> None:
        super().append(entry)
        self._tell(entry)


COMMANDED = frozenset(What) - {What.BREAKER_TRIP, What.LINE, What.REPLUGGED, What.BRICKED, What.HEALTHY, What.UNHEALTHY}


def deeds(reaper: Reaper, entries: Sequence[Entry]) -> Watched[Entry]:
    """Return the plant's journal, in which each deed is a point."""
    return Watched(entries, lambda entry: entry.what in COMMANDED and reaper.note(Point.DEED, entry.what))
