"""The only module that reads time.

One scale for everything: steady UTC. The wall clock is read once, at the start, and advanced by the monotonic clock
from then on, so a step of the gateway's clock neither fires every deadline at once nor stops one from firing.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class Clock:
    """Tells steady UTC in seconds since the epoch, at millisecond resolution or better."""

    __slots__ = ("_epoch_s", "_monotonic", "_started_s", "_wall")

    def __init__(self, monotonic: Callable[[], float], epoch_s: float, wall: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._started_s = monotonic()
        self._epoch_s = epoch_s

    @classmethod
    def real(cls) -> "Clock":
        """Return a clock anchored to the wall clock as it reads now."""
        return cls(time.monotonic, time.time(), time.time)

    @classmethod
    def virtual(cls, loop: "AbstractEventLoop", epoch_s: float) -> "Clock":
        """Return a clock that follows `loop.time()`, reading `epoch_s` now."""
        return cls(loop.time, epoch_s)

    def now(self) -> float:
        """Return steady UTC in seconds."""
        return self._epoch_s + (self._monotonic() - self._started_s)

    def wall_ahead_s(self) -> float:
        """Return by how much the wall clock is ahead of steady UTC now, in s; negative where it is behind.

        Small and all but constant, unless somebody sets that clock. Where there is none, as under virtual time, 0.
        """
        return 0.0 if self._wall is None else self._wall() - self.now()

    def not_before(self, moment: float) -> float:
        """Set the clock forward to `moment` (UTC s) if it is behind it; return by how many seconds it was.

        For a start whose wall clock stands before the last thing on record: deadlines in the ledger must not wait for
        a clock that somebody set back.
        """
        behind_s = max(0.0, moment - self.now())
        self._epoch_s += behind_s
        return behind_s


class Stopwatch:
    """Tells how long something really took, whatever the site's time did: for displays and cost figures only."""

    __slots__ = ("_started_s",)

    def __init__(self) -> None:
        self._started_s = time.monotonic()

    def elapsed_s(self) -> float:
        """Return real seconds since the start."""
        return time.monotonic() - self._started_s
