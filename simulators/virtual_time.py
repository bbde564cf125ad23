"""An event loop whose clock jumps: real sockets, virtual seconds.

The clock stands still while anything is ready, and jumps to the next timer when nothing is. Everything that talks must
live on this one loop and reach its peers over loopback, where a datagram or segment that was sent has arrived before
the sender's call returns. Work in executor threads holds the clock until it is done. What runs in other processes is
not waited for and has no place here.
"""

import asyncio
import os
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_Events = list[tuple[selectors.SelectorKey, int]]

LOOKS_BEFORE_JUMP = 8
"""How often loopback IO is looked for before the clock jumps."""
YIELD_EVERY = 3
"""Every so many looks the processor is offered to others: on a loaded machine a kernel thread delivers the packets."""
REAL_WAIT_S = 0.01
"""Longest real wait in one go while a thread works, so that the guard gets its turn."""
CLEAN_UP_WALL_S = 5.0
"""Real time that remains for cancelling and closing once the guard has struck."""


class WallTimeoutError(RuntimeError):
    """A simulation took more real time than it was given."""


class _JumpingSelector(selectors.BaseSelector):
    """A selector that asks `on_idle` what to do instead of sleeping."""

    def __init__(self, on_idle: Callable[[float | None], float]) -> None:
        self._real = selectors.DefaultSelector()
        self._on_idle = on_idle

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> _Events:
        """Return what is ready; never sleep longer in reality than `on_idle` says."""
        ready = self._look(0.0)
        if ready or timeout == 0:
            self._on_idle(0.0)
            return ready
        for look in range(1, LOOKS_BEFORE_JUMP):
            if look % YIELD_EVERY == 0:
                os.sched_yield()
            ready = self._look(0.0)
            if ready:
                return ready
        wait_s = self._on_idle(timeout)
        return self._look(wait_s) if wait_s > 0 else []

    def _look(self, wait_s: float) -> _Events:
        # In the order of descriptors: which of two sockets the kernel reports first must not decide a run.
        return sorted(self._real.select(wait_s), key=lambda event: event[0].fd)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop whose `time()` starts at 0.0 and moves only when nothing else can happen.

    Raises WallTimeoutError out of `run_until_complete` once `timeout_wall_s` of real time have gone by; every await on
    the way is then cancelled by `run`.
    """

    def __init__(self, *, timeout_wall_s: float) -> None:
        self._virtual_s = 0.0
        self._threads_busy = 0
        self._timeout_wall_s = timeout_wall_s
        # The one real clock of a simulation: a guard against running for ever, never seen by what runs.
        self._wall_deadline = time.monotonic() + timeout_wall_s
        super().__init__(_JumpingSelector(self._idle))

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_s

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run `func` in a thread; the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._threads_busy -= 1

    def _idle(self, timeout: float | None) -> float:
        """Let the clock jump by `timeout`, or return how long to wait in reality where it must not."""
        wall = time.monotonic()
        if wall > self._wall_deadline:
            self._wall_deadline = wall + CLEAN_UP_WALL_S
            raise WallTimeoutError(
                f"the simulation was given {self._timeout_wall_s:g} s of real time and is only at "
                f"{self._virtual_s:.1f} s of its own: shorten it, or give it more"
            )
        if timeout == 0:
            return 0.0
        if timeout is None or self._threads_busy > 0:
            return REAL_WAIT_S
        self._virtual_s += timeout
        return 0.0


def run(main: Coroutine[Any, Any, T], *, timeout_wall_s: float) -> T:
    """Run `main` on a virtual-time loop as `asyncio.run` would, and return its result.

    Leftover tasks are cancelled, asynchronous generators closed, threads joined, and the loop closed. Raises
    WallTimeoutError after `timeout_wall_s` of real time.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(timeout_wall_s=timeout_wall_s)) as runner:
        return runner.run(main)
