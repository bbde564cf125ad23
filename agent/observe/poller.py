"""Polls the miners: one scheduler for all, one short task per poll in flight, nothing per miner that is idle.

What a poll found goes into the site view and nowhere else; the view's `reach` and `misses` are also what decides how a
miner is polled next. Nothing is judged here: how many lost polls make an incident is a detector's business.
"""

import asyncio
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from agent.clock import Clock
from agent.drivers.miners.connection import request
from agent.drivers.net import Dialer
from agent.model.errors import CodecError, DeviceError, RefusedError, ResetError, SilentError, TransportError
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Family
from agent.observe.figures import Latency, PollCounts
from agent.observe.lanes import Flight, Lane
from agent.observe.settings import PollSettings
from agent.observe.sources import MinerSource
from agent.observe.timetable import Timetable

NEWLY_SILENT_MISSES = 12
"""So many misses in a row are polled at the full rate; the unresponsive detector fires after half of them."""

BACK_OFF_S = 60.0
"""Longest period of a miner that has been silent for long. Source: facts "infrastructure", section 7."""

LOSS_MISSES = 3
"""Misses in a row that are logged as a loss: a single lost poll is everyday life, and no news."""

PATIENCE_OF_DEADLINE = 0.1
"""Share of the deadline a poll may take in the prompt lane while others wait; 0.5 s of 5 s. Miners answer in 0.2 s."""

TOGETHER_S = 0.002
"""What falls due this soon after a wake-up is taken along: fewer wake-ups, and loops with ms timers never spin."""

GAVE_UP = "gave up its place in the crowd before the deadline"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    driver: MinerSource
    host: str
    port: int


class MinerPoller:
    """Polls every miner of the site once a period, each at its own fixed phase of it.

    Args:
        view: what is written, and whose inventory is polled.
        drivers: one for every family on the site.
    """

    def __init__(
        self,
        view: SiteView,
        clock: Clock,
        dialer: Dialer,
        drivers: Mapping[Family, MinerSource],
        settings: PollSettings,
    ) -> None:
        self._view = view
        self._clock = clock
        self._settings = settings
        self._targets = [
            _Target(drivers[m.family], *dialer.endpoint(m.host, drivers[m.family].port)) for m in view.site.miners
        ]
        patient = max(1, settings.concurrency // 2)
        self._prompt = Lane(max(1, settings.concurrency - patient), settings.deadline_s * PATIENCE_OF_DEADLINE)
        self._patient = Lane(patient)
        self._timetable = Timetable((), settings.interval_s, 0.0)
        self._wake = asyncio.Event()
        self._wake_s = math.inf
        self._scheduler: asyncio.Task[None] | None = None
        self._polls: set[asyncio.Task[None]] = set()
        self._focus: frozenset[int] = frozenset()
        self._untried = set(range(len(self._targets)))
        self._lost: set[int] = set()
        self._broken: set[int] = set()
        self._own_fault_at: float | None = None
        self.tried_all = asyncio.Event()
        self.latency = Latency()
        self.counts = PollCounts()

    async def start(self) -> None:
        """Begin: every miner gets its first poll within one period."""
        names = [miner.id for miner in self._view.site.miners]
        self._timetable = Timetable(names, self._settings.interval_s, asyncio.get_running_loop().time())
        if not self._untried:
            self.tried_all.set()
        self._scheduler = asyncio.create_task(self._schedule(), name="miner polls")

    async def stop(self) -> None:
        """End every poll in flight and release its socket."""
        tasks = [*self._polls, *([self._scheduler] if self._scheduler else [])]
        self._scheduler = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether polls are being scheduled."""
        return self._scheduler is not None and not self._scheduler.done()

    @property
    def in_flight(self) -> int:
        """How many polls are in flight; never more than the settings' concurrency."""
        return len(self._prompt.flights) + len(self._patient.flights)

    @property
    def untried(self) -> int:
        """How many miners no poll has ended for yet."""
        return len(self._untried)

    def focus(self, rows: Collection[int]) -> None:
        """Poll these rows, and no others, at the full rate even when they have been silent for long."""
        focus = frozenset(rows)
        if focus == self._focus:
            return
        now_s = asyncio.get_running_loop().time()
        for row in sorted(focus - self._focus):
            self._timetable.hasten(row, now_s)
        self._focus = focus
        self._wake.set()

    # -- scheduling --------------------------------------------------------------------------------------------------

    async def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            self._wake_s = self._start_due(loop.time())
            timer = loop.call_at(self._wake_s, self._wake.set) if math.isfinite(self._wake_s) else None
            try:
                await self._wake.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _start_due(self, now_s: float) -> float:
        """Start what is due as far as the lanes have room; return when to look again, in s of the loop's clock."""
        for row in self._timetable.take(now_s + TOGETHER_S):
            if self._view.reach[row] == Reach.SILENT:
                self._patient.queue(row, int(self._view.misses[row]))
            else:
                self._prompt.queue(row, 0)
        for lane in (self._prompt, self._patient):
            for row in lane.take_ready():
                self._start(lane, row, now_s)
        return min(self._timetable.next_s, self._prompt.make_room(now_s))

    def _start(self, lane: Lane, row: int, now_s: float) -> None:
        flight = Flight(row, now_s, asyncio.timeout(None))
        lane.flights[row] = flight
        self.counts.polls += 1
        task = asyncio.create_task(self._fly(lane, flight))
        self._polls.add(task)
        task.add_done_callback(self._polls.discard)

    async def _fly(self, lane: Lane, flight: Flight) -> None:
        """Carry out one poll and give its place and its row back, however it ends."""
        row = flight.row
        try:
            await self._poll(flight)
        except Exception as error:  # a bug of ours says nothing about the miner: its columns go stale, no more
            self._report_bug(row, error)
        finally:
            del lane.flights[row]
            self.counts.late += self._timetable.put_back(row, asyncio.get_running_loop().time(), self._slots(row))
            self._untried.discard(row)
            if not self._untried:
                self.tried_all.set()
            if lane.is_awaited or self._timetable.next_s < self._wake_s:
                self._wake.set()

    def _slots(self, row: int) -> int:
        """After how many slots a row is due again: 1, and more for a miner that has been silent for long."""
        over = int(self._view.misses[row]) - NEWLY_SILENT_MISSES
        if over < 0 or row in self._focus or self._view.reach[row] != Reach.SILENT:
            return 1
        longest = max(1, int(BACK_OFF_S // self._settings.interval_s))
        return int(min(2 ** min(over + 1, 16), longest))

    # -- one poll ----------------------------------------------------------------------------------------------------

    async def _poll(self, flight: Flight) -> None:
        """Ask one miner, decode, and write the columns; every outcome of the wire is a value of Reach."""
        row = flight.row
        target = self._targets[row]
        try:
            async with flight.limit:
                reply = await request(
                    (target.host, target.port),
                    target.driver.request,
                    deadline_s=self._settings.deadline_s,
                    limit_bytes=self._settings.reply_limit_bytes,
                )
            received_at = self._clock.now()
            telemetry = target.driver.decode(reply)
        except CodecError as error:
            self._miss(row, Reach.FAULTY, error)
        except DeviceError as error:
            self._miss(row, Reach.ERRORED, error)
        except (RefusedError, ResetError) as error:
            self._miss(row, Reach.REFUSED, error)
        except (SilentError, TimeoutError) as error:
            self._miss(row, Reach.SILENT, error)
        except TransportError as error:  # this host's own limits: nothing was learnt, so nothing is written
            self._report_own_fault(error)
        else:
            self._view.put_answer(row, received_at, telemetry)
            self.latency.add(self._clock.now() - received_at)
            self.counts.answered += 1
            self._recovered(row)

    def _miss(self, row: int, reach: Reach, error: Exception) -> None:
        self._view.put_miss(row, self._clock.now(), reach)
        if self._view.misses[row] >= LOSS_MISSES and row not in self._lost:
            self._lost.add(row)
            _log.warning("miner_lost", miner=self._name(row), reach=reach.name.lower(), why=str(error) or GAVE_UP)

    def _recovered(self, row: int) -> None:
        self._broken.discard(row)
        if self._own_fault_at is not None and self._clock.now() - self._own_fault_at > self._settings.interval_s:
            self._own_fault_at = None
            _log.info("polling_possible_again")
        if row in self._lost:
            self._lost.discard(row)
            _log.info("miner_back", miner=self._name(row))

    def _report_own_fault(self, error: TransportError) -> None:
        if self._own_fault_at is None:
            _log.error("polling_impossible", why=str(error))
        self._own_fault_at = self._clock.now()

    def _report_bug(self, row: int, error: Exception) -> None:
        if row not in self._broken:
            self._broken.add(row)
            _log.error("miner_poll_bug", miner=self._name(row), exc_info=error)

    def _name(self, row: int) -> str:
        return self._view.site.miners[row].id
