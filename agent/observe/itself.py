"""Looks at the agent's own: its link and its router, its clock, how late it is, whether a nameserver answers.

What it finds goes into `view.itself` and nowhere else. The ledger's figure is put there by whoever commits.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np
import structlog

from agent.clock import Clock
from agent.model.itself import Part, Way
from agent.model.site_view import SiteView

WAY_S, DOUBT_S = 5.0, 1.0
"""Seconds between two looks at the way out: in peace, and while something is amiss."""

STRIKES = 3
"""A router that says nothing so many times in a row is silent; one answer gets lost easily."""

NAME_S, NAME_DOUBT_S = 30.0, 5.0
"""Seconds between two questions to the nameservers, likewise."""

NAP_S, NAPS = 2.0, 5
"""Lateness is the worst of so many naps of so many seconds."""

JUMP_S = 1.0
"""By less than this a wall clock is trimmed, not set."""

SETTLED_S = 600.0
"""A wall clock that was set and then runs on evenly for so long is believed to be the right one from then on."""

BACK_OF_INTERVAL = 2.0
"""After its network is back the agent waits so many polls before it takes silence for silence again."""

_log = structlog.get_logger(__name__)


class OwnHost(Protocol):
    """The machine the agent runs on."""

    async def look(self) -> Way:
        """Return what of its way out is there now, within a second or two."""
        ...

    def wall_ahead_s(self) -> float:
        """Return by how much its wall clock is ahead of steady UTC, in s."""
        ...

    def boot(self) -> str:
        """Return what tells this start of it from any other; empty where nothing does."""
        ...


AnswersNames = Callable[[], Awaitable[bool | None]]
"""Asks for a name; tells whether any nameserver answered, whatever it said; None where it could not ask."""


class SelfWatch:
    """Keeps `view.itself` current.

    Args:
        host: the machine.
        names: asks the nameservers; None where nobody needs one.
        interval_s: period of a miner's poll in s.
    """

    def __init__(
        self, view: SiteView, clock: Clock, host: OwnHost, names: AnswersNames | None, *, interval_s: float
    ) -> None:
        self._view = view
        self._clock = clock
        self._host = host
        self._names = names
        self._back_s = BACK_OF_INTERVAL * interval_s
        self._wall = WallClock(host.wall_ahead_s())
        self._unanswered = 0
        self._has_answered = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; returns at once."""
        work = [self._watch_way(), self._watch_haste(), *([self._watch_names(self._names)] if self._names else [])]
        self._tasks = [asyncio.create_task(task, name="the agent itself") for task in work]

    async def stop(self) -> None:
        """End every look in flight."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether everything is being looked at."""
        return not any(task.done() for task in self._tasks)

    async def _watch_way(self) -> None:
        itself = self._view.itself
        while True:
            way = await self._host.look()
            now = self._clock.now()
            if way.linked is not None:
                itself[Part.LINK].put(float(not way.linked), now)
            if way.answered is not None:
                self._note_router(way.answered, now)
            itself[Part.CLOCK].put(self._wall.moved_s(self._host.wall_ahead_s(), now), now)
            was_blind = itself.blind
            itself.hear(float(np.fmax.reduce(self._view.answered_at)), now, self._back_s)
            if itself.blind != was_blind:
                _log.warning("own_network_out" if itself.blind else "own_network_back")
            doubts = itself.blind or self._unanswered > 0 or way.linked is False
            await asyncio.sleep(DOUBT_S if doubts else WAY_S)

    def _note_router(self, answered: bool, now: float) -> None:
        """One that never answered is none that could fall silent: many are told not to."""
        self._has_answered |= answered
        self._unanswered = 0 if answered or not self._has_answered else self._unanswered + 1
        if self._has_answered and (answered or self._unanswered >= STRIKES):
            self._view.itself[Part.GATEWAY].put(float(not answered), now)

    async def _watch_haste(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            worst_s = 0.0
            for _ in range(NAPS):
                due = loop.time() + NAP_S
                await asyncio.sleep(NAP_S)
                worst_s = max(worst_s, loop.time() - due)
            self._view.itself[Part.LOOP].put(worst_s, self._clock.now())

    async def _watch_names(self, ask: AnswersNames) -> None:
        while True:
            answered = await ask()
            if answered is not None:
                self._view.itself[Part.DNS].put(float(not answered), self._clock.now())
            await asyncio.sleep(NAME_DOUBT_S if answered is False else NAME_S)


class WallClock:
    """Tells how far a wall clock stands from where steady UTC has it.

    Steady UTC goes on as if nothing had happened, and so do all deadlines. Which of the two is right nobody here knows.
    """

    def __init__(self, ahead_s: float) -> None:
        self._base_s = self._latest_s = ahead_s
        self._jumped_at = -math.inf

    def moved_s(self, ahead_s: float, now: float) -> float:
        """Return the distance, given by how much it is ahead of steady UTC at `now` (UTC s)."""
        if abs(ahead_s - self._latest_s) >= JUMP_S:
            self._jumped_at = now
        self._latest_s = ahead_s
        if now - self._jumped_at >= SETTLED_S:
            self._base_s = ahead_s
        return abs(ahead_s - self._base_s)
