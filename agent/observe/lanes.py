"""The bounds on polls in flight: in time, and in number, split in two so that the silent wait for the silent only.

A poll of a miner that was silent last time runs in the patient lane and keeps its place for the whole deadline. All
others run in the prompt lane. When that one is full and more are due, the polls that have waited longest beyond the
lane's patience give up their places: they count as silent, and are patient polls from then on. Those with the fewest
misses go first there, so a miner that only answers slowly loses one poll to this, which no detector acts on.
"""

import asyncio
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from agent.drivers.miners.connection import Exchange, no_reply_within

GAVE_UP = "gave up its place in the crowd before the deadline"


@dataclass(slots=True)
class Flight:
    """One poll in flight. Times are the loop's, in s.

    Attributes:
        is_over: it was told to end, and will have ended within a few turns of the loop.
    """

    row: int
    started_s: float
    exchange: Exchange
    task: asyncio.Task[None] | None = None
    is_over: bool = False

    def end(self, why: str) -> None:
        """Wait for its reply no longer."""
        self.is_over = True
        self.exchange.expire(why)


class Lane:
    """At most `size` polls in flight, and the rows that wait for a place.

    A row is taken out of the timetable while it waits or flies, so no queue ever exceeds the number of rows.

    Args:
        deadline_s: how long a poll may go unanswered.
        patience_s: how long it may while others wait for its place; infinite in the patient lane.
    """

    __slots__ = ("_deadline_s", "_order", "_overdue", "_patience_s", "_size", "_waiting", "flights")

    def __init__(self, size: int, deadline_s: float, patience_s: float = math.inf) -> None:
        self._size = size
        self._deadline_s = deadline_s
        self._overdue = no_reply_within(deadline_s)
        self._patience_s = patience_s
        self._waiting: list[tuple[int, int, int]] = []
        self._order = count()
        self.flights: dict[int, Flight] = {}  # in order of their start

    @property
    def is_awaited(self) -> bool:
        """Whether a row waits for a place."""
        return bool(self._waiting)

    def queue(self, row: int, rank: int) -> None:
        """Let a row wait for a place: the lowest rank goes first, and among equals who came first."""
        heapq.heappush(self._waiting, (rank, next(self._order), row))

    def take_ready(self) -> Iterator[int]:
        """Yield, and take out, rows whose turn it is; the caller starts each before it asks for the next."""
        while self._waiting and len(self.flights) < self._size:
            yield heapq.heappop(self._waiting)[2]

    def end_overdue(self, until_s: float) -> float:
        """End the polls whose deadline falls by then, and for each row that waits the longest unanswered one.

        Returns:
            When the next one loses its place, in s of the loop's clock; infinity where nothing flies.
        """
        wanted = len(self._waiting)
        for flight in self.flights.values():
            if not flight.is_over:
                patience_s = self._patience_s if wanted > 0 else math.inf
                loses_at_s = flight.started_s + min(patience_s, self._deadline_s)
                if loses_at_s > until_s:
                    return loses_at_s
                flight.end(GAVE_UP if patience_s < self._deadline_s else self._overdue)
            wanted -= 1
        return math.inf
