"""An event loop whose clock jumps: real sockets, virtual seconds.

The clock stands still while anything is ready, and jumps to the next timer when nothing is. Everything that talks must
live on this one loop and reach its peers over loopback, where things arrive in the order in which they were sent. Work
in executor threads holds the clock until it is done, and so does a connection that is being made. What runs in other
processes is not waited for and has no place here.
"""

import asyncio
import contextlib
import contextvars
import gc
import os
import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_Events = list[tuple[selectors.SelectorKey, int]]

ROUNDS_BEFORE_JUMP = 2
"""How often the courier goes round before the clock jumps: a connection shows itself after its second segment."""
COURIER_WAIT_S = 1.0
"""Longest real wait for one round; far more than any kernel needs."""
REAL_WAIT_S = 0.01
"""Longest real wait in one go while a thread works or a connection is being made, so that the guard gets its turn."""
CONNECT_WAIT_S = 1.0
"""Longest real wait for a kernel to say how a connection over loopback went. It takes microseconds, but on a machine
that others keep busy Linux 6.18 was seen to hold a refusal back for 14 ms and forty rounds of the courier."""
RESOLUTION_S = 1e-9
"""What is due by so much later than now is due now, as with asyncio's own clock."""
CANCELLED_LEAST = 100
"""So many cancelled timers may wait for their time in any case."""
COLLECT_AFTER = (50_000, 20, 50)
"""How many objects more than before, and how many younger collections, lead to each kind of collection."""
CLEAN_UP_WALL_S = 5.0
"""Real time that remains for cancelling and closing once the guard has struck."""


class WallTimeoutError(RuntimeError):
    """A simulation took more real time than it was given."""


class _Handle(asyncio.Handle):
    """asyncio's own, made in half the time: nobody debugs here, and a simulated site makes hundreds of millions."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False
        self._repr = self._source_traceback = None


class _TimerHandle(_Handle, asyncio.TimerHandle):
    """The same of a timer."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        _Handle.__init__(self, callback, args, loop, context)
        self._when, self._scheduled = when, False


class Courier:
    """A datagram to ourselves over loopback. Once it is back, whatever this thread sent before it has been delivered.

    On a busy machine a kernel thread delivers packets some time after they were sent. It keeps their order, and each
    processor has a queue of its own, so the thread stays on one processor for as long as the courier runs.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(self._socket.getsockname())
        self._socket.settimeout(COURIER_WAIT_S)
        self._processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        if len(self._processors) > 1:
            os.sched_setaffinity(0, {random.choice(sorted(self._processors))})  # noqa: S311 - any will do

    def go_round(self) -> None:
        """Send it and wait until it is back."""
        self._socket.send(b".")
        with contextlib.suppress(TimeoutError):
            self._socket.recv(1)

    def close(self) -> None:
        """End the service, and give the thread its processors back."""
        self._socket.close()
        if len(self._processors) > 1:
            os.sched_setaffinity(0, self._processors)


class JumpingSelector(selectors.BaseSelector):
    """A selector that asks `on_idle` what to do instead of sleeping."""

    def __init__(self, on_idle: Callable[[float | None], float]) -> None:
        self._real = selectors.DefaultSelector()
        self._on_idle = on_idle
        self._courier = Courier()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Register with the real selector."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Unregister there."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Modify there."""
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Return the key from there."""
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return the mapping from there."""
        return self._real.get_map()

    def close(self) -> None:
        """Close it."""
        self._courier.close()
        self._real.close()

    def select(self, timeout: float | None = None) -> _Events:
        """Return what is ready; never sleep longer in reality than `on_idle` says."""
        ready = self._look(0.0)
        if ready or timeout == 0:
            self._on_idle(0.0)
            return ready
        for _ in range(ROUNDS_BEFORE_JUMP):
            self._courier.go_round()
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

    Timers that fall due together are called in the order in which they were set. A simulated site sets millions of
    them, so the heap compares numbers, where asyncio's own compares handles.

    Raises WallTimeoutError out of `run_until_complete` once `timeout_wall_s` of real time have gone by; every await on
    the way is then cancelled by `run`.

    Attributes:
        turns_unseen: so many turns are taken without a look at what comes in, while something is ready.
    """

    turns_unseen = 1
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _selector: selectors.BaseSelector
    _check_closed: Callable[[], None]
    _process_events: Callable[[_Events], None]

    def __init__(self, *, timeout_wall_s: float) -> None:
        self._virtual_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = 0
        self._cancelled = 0
        self._threads_busy = 0
        self._connects: dict[object, float] = {}
        self._timeout_wall_s = timeout_wall_s
        # The one real clock of a simulation: a guard against running for ever, never seen by what runs.
        self._wall_deadline = time.monotonic() + timeout_wall_s
        super().__init__(self._make_selector())

    def _make_selector(self) -> selectors.BaseSelector:
        return JumpingSelector(self._idle)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_s

    def stall(self, for_s: float) -> None:
        """Let so much time go by in which nothing runs, as if what runs now had taken it."""
        self._virtual_s += for_s

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at `when`, after what was set for the same time before."""
        self._check_closed()
        timer = _TimerHandle(when, callback, args, self, context)
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after `delay` s."""
        return self.call_at(self._virtual_s + delay, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call back after what is ready."""
        self._check_closed()
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run `func` in a thread; the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect; the clock stands still until the kernel says how it went."""
        self._connects[sock] = time.monotonic()
        try:
            await super().sock_connect(sock, address)
        finally:
            del self._connects[sock]

    def close(self) -> None:
        """Close the loop; what was set is never called."""
        super().close()
        self._timers.clear()

    # -- asyncio's own, done otherwise: it keeps timers elsewhere ------------------------------------------------------

    def _timer_handle_cancelled(self, _: asyncio.TimerHandle) -> None:
        """Clear out cancelled timers now and then; those that were called before count as well, and do no harm."""
        self._cancelled += 1
        if self._cancelled > max(CANCELLED_LEAST, len(self._timers) // 2):
            self._cancelled = 0
            self._timers[:] = [timer for timer in self._timers if not timer[-1].cancelled()]
            heapify(self._timers)

    def _run_once(self) -> None:
        """Look at what comes in, and call what is ready and due; where nothing is, let the clock jump first."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:  # noqa: SLF001
            heappop(timers)
        idle_s = max(0.0, timers[0][0] - self._virtual_s) if timers else None
        self._process_events(self._selector.select(0.0 if ready or self._stopping else idle_s))
        for _ in range(self.turns_unseen):
            due_s = self._virtual_s + RESOLUTION_S
            while timers and timers[0][0] < due_s:
                ready.append(heappop(timers)[-1])
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:  # noqa: SLF001 - nobody but the loop asks, or calls it
                    handle._run()  # noqa: SLF001
            if not ready or self._stopping:
                break

    # -- time passes ---------------------------------------------------------------------------------------------------

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
        connects = any(wall - began < CONNECT_WAIT_S for began in self._connects.values())
        if timeout is None or self._threads_busy > 0 or connects:
            return REAL_WAIT_S
        self._virtual_s += timeout
        return 0.0


def stall(for_s: float) -> None:
    """Keep the running loop busy for so long: its clock jumps where it is virtual, else this thread sleeps."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        loop.stall(for_s)
    else:
        time.sleep(for_s)


def run(
    main: Coroutine[Any, Any, T], *, timeout_wall_s: float, loop_type: type[VirtualTimeLoop] = VirtualTimeLoop
) -> T:
    """Run `main` on a virtual-time loop of that type as `asyncio.run` would, and return its result.

    Leftover tasks are cancelled, asynchronous generators closed, threads joined, and the loop closed. Raises
    WallTimeoutError after `timeout_wall_s` of real time.
    """
    with _seldom_collected(), asyncio.Runner(loop_factory=lambda: loop_type(timeout_wall_s=timeout_wall_s)) as runner:
        return runner.run(main)


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for garbage seldom: a simulated site is a large heap of things that stay, and leaves few cycles behind.

    Looking as often as Python does by itself takes a sixth of a run's time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
