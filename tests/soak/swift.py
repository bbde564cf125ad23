"""Real time that runs faster: an event loop for real sockets and real threads whose seconds are shorter than ours.

Several processes share one such time: it is counted from one reading of the machine's monotonic clock.
"""

import asyncio
import selectors
import time
from dataclasses import dataclass

from agent.clock import Clock

EPOCH_S = 1_767_225_600.0
"""UTC s at which such a time begins."""


@dataclass(frozen=True, slots=True)
class Swift:
    """A time that all processes of a round agree about.

    Attributes:
        began_s: the monotonic clock's reading at its zero.
        speed: how many of its seconds one real second has.
    """

    began_s: float
    speed: float

    def now(self) -> float:
        """Return seconds since its zero."""
        return (time.monotonic() - self.began_s) * self.speed

    def sleep(self, for_s: float) -> None:
        """Let so many of its seconds pass."""
        time.sleep(for_s / self.speed)

    def clock(self) -> Clock:
        """Return the agent's clock."""
        return Clock(self.now, EPOCH_S + self.now())

    def loop(self) -> asyncio.SelectorEventLoop:
        """Return an event loop that lives in it."""
        return _SwiftLoop(self)


class _Selector(selectors.DefaultSelector):
    """Waits in real seconds for what it is told in swift ones."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self._speed)


class _SwiftLoop(asyncio.SelectorEventLoop):
    def __init__(self, swift: Swift) -> None:
        self._swift = swift
        super().__init__(_Selector(swift.speed))

    def time(self) -> float:
        return self._swift.now()
