"""One source of the curtailment signal: what it says becomes a window in the ledger, through the one door."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from agent.api.door import Door
from agent.config.signals import Source
from agent.intake.signal import Change, Feed, parse
from agent.model.errors import AgentError, PolicyError
from agent.model.events import Actor, AnyEvent, WindowEnded
from agent.model.ids import WindowId
from agent.model.memory import Memory
from agent.model.windows import EndReason, Purpose
from agent.triage.orders import Order, begin

_log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""How often is looked whether the end of a curtailment has stood long enough, or one is to be prolonged."""


class Intake:
    """Takes what one source says.

    Args:
        door: the running agent.
        kind: mqtt or webhook.
        source: what the configuration says of it.
        now: UTC s.
    """

    def __init__(self, door: Door, kind: str, source: Source, now: Callable[[], float]) -> None:
        self.window = WindowId(f"{kind}:{source.name}")
        self._door = door
        self._source = source
        self._now = now
        self._feed = Feed(door.memory.windows.open.get(self.window), source.hold_s)
        self._lock = asyncio.Lock()

    async def take(self, payload: bytes) -> None:
        """Take in one message.

        Raises:
            CodecError: it is no signal.
            PolicyError: it is not fresh, or the agent refused what follows.
        """
        self._feed.take(parse(payload), self._now())
        await self._follow()

    async def watch(self) -> None:
        """Do in time what follows from silence and from the end of a curtailment, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._follow()
            except AgentError as error:
                _log.warning("signal_not_followed", source=self.window, why=str(error))

    async def _follow(self) -> None:
        async with self._lock:
            change = self._feed.due(self._now())
            if change is None:
                return
            if change.share < 1.0:
                await self._begin(change)
            else:
                await self._door.change(self._end, Actor.INTEGRATION)

    async def _begin(self, change: Change) -> None:
        until = self._now() + self._source.hold_s
        order = Order(
            purpose=Purpose.CURTAILED,
            scope=self._source.scope,
            until=until,
            share=change.share,
            why=f"told by {self.window}",
        )
        wanted = begin(self._door.view.site, order, window=self.window, told_at=change.told_at)

        def unless_ended(memory: Memory, now: float) -> Sequence[AnyEvent]:
            """Not again where a person has ended it and nothing new was said."""
            return () if change.again and _was_ended(memory, self.window) else wanted(memory, now)

        await self._door.change(unless_ended, Actor.INTEGRATION)

    def _end(self, memory: Memory, _: float) -> Sequence[AnyEvent]:
        if self.window not in memory.windows.open:
            return ()
        return (WindowEnded(window=self.window, reason=EndReason.RESUMED),)


def _was_ended(memory: Memory, window: WindowId) -> bool:
    """Whether the last window of that id is over, and somebody ended it before its time."""
    if window in memory.windows.open:
        return False
    last = next((past for past in reversed(memory.windows.past) if past.id == window), None)
    return last is not None and last.ended_at is not None and last.ended_at < last.until


def refused(error: AgentError) -> PolicyError:
    """Return an error as what a sender is told."""
    return error if isinstance(error, PolicyError) else PolicyError(str(error))
