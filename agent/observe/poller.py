"""Polls the miners: one scheduler for all, one short task per poll in flight, nothing per miner that is idle.

What a poll found goes into the site view and nowhere else; the view's `reach` and `misses` are also what decides how a
miner is polled next. Nothing is judged here: how many lost polls make an incident is a detector's business.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from agent.clock import Clock
from agent.drivers.miners.connection import Exchange
from agent.drivers.net import Dialer
from agent.model.errors import CodecError, DeviceError, RefusedError, ResetError, SilentError, TransportError
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach, Telemetry
from agent.model.topology import Family, Miner
from agent.observe.lanes import Flight, Lane
from agent.observe.overhear import Ear
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

_SILENT = int(Reach.SILENT)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    driver: MinerSource
    endpoint: tuple[str, int]
    request: bytes
    decode: Callable[[bytes], Telemetry]

    @classmethod
    def of(cls, miner: Miner, driver: MinerSource, dialer: Dialer) -> "_Target":
        return cls(driver, dialer.endpoint(miner.host, driver.port), driver.request, driver.decode)


class MinerPoller:
    """Polls every miner of the site once a period, each at its own fixed phase of it.

    Args:
        view: what is written, and whose inventory is polled.
        drivers: one for every family on the site.
        ear: told of every poll; None where nobody is.
    """

    def __init__(
        self,
        view: SiteView,
        clock: Clock,
        dialer: Dialer,
        drivers: Mapping[Family, MinerSource],
        settings: PollSettings,
        *,
        ear: Ear | None = None,
    ) -> None:
        self._ear = ear
        self._view = view
        self._clock = clock
        self._settings = settings
        self._dialer = dialer
        self._targets = [_Target.of(miner, drivers[miner.family], dialer) for miner in view.site.miners]
        patient = max(1, settings.concurrency // 2)
        deadline_s = settings.deadline_s
        self._prompt = Lane(max(1, settings.concurrency - patient), deadline_s, deadline_s * PATIENCE_OF_DEADLINE)
        self._patient = Lane(patient, deadline_s)
        self._lanes = (self._prompt, self._patient)
        self._timetable = Timetable((), settings.interval_s, 0.0)
        self._next: asyncio.Handle | None = None
        self._next_s = math.inf
        self._focus: frozenset[int] = frozenset()
        self._untried = set(range(len(self._targets)))
        self._lost: set[int] = set()
        self._broken: set[int] = set()
        self._own_fault_at: float | None = None
        self.tried_all = asyncio.Event()

    async def start(self) -> None:
        """Begin: every miner gets its first poll within one period."""
        names = [miner.id for miner in self._view.site.miners]
        self._timetable = Timetable(names, self._settings.interval_s, asyncio.get_running_loop().time())
        if not self._untried:
            self.tried_all.set()
        self._look_at(-math.inf)

    async def stop(self) -> None:
        """End every poll in flight and release its socket."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        tasks = [f.task for lane in self._lanes for f in lane.flights.values() if f.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether polls are being scheduled."""
        return self._next is not None

    @property
    def in_flight(self) -> int:
        """How many polls are in flight; never more than the settings' concurrency."""
        return sum(len(lane.flights) for lane in self._lanes)

    @property
    def untried(self) -> int:
        """How many miners no poll has ended for yet."""
        return len(self._untried)

    def rehost(self, row: int) -> None:
        """Ask the dialer again where a row is; polls from now on go there."""
        self._targets[row] = _Target.of(self._view.site.miners[row], self._targets[row].driver, self._dialer)

    def focus(self, rows: Collection[int]) -> None:
        """Poll these rows, and no others, at the full rate even when they have been silent for long."""
        focus = frozenset(rows)
        if focus == self._focus:
            return
        now_s = asyncio.get_running_loop().time()
        for row in sorted(focus - self._focus):
            self._timetable.hasten(row, now_s)
        self._focus = focus
        self._look_soon()

    # -- scheduling --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Start and end what is due; look again when more is, and in any case once a period."""
        self._next = None  # and so it stays, for all to see, should a bug end this
        now_s = asyncio.get_running_loop().time()
        due_s = self._start_due(now_s)
        self._look_at(min(due_s, now_s + self._settings.interval_s))

    def _look_at(self, when_s: float) -> None:
        """Look then and not before, at once for a time in the past."""
        if self._next is not None:
            self._next.cancel()
        loop = asyncio.get_running_loop()
        self._next_s = when_s
        self._next = loop.call_at(when_s, self._look) if when_s > -math.inf else loop.call_soon(self._look)

    def _look_soon(self) -> None:
        if self._next is not None and self._next_s > -math.inf:
            self._look_at(-math.inf)

    def _start_due(self, now_s: float) -> float:
        """Start what is due as far as the lanes have room; return when to look again, in s of the loop's clock."""
        for row in self._timetable.take(now_s + TOGETHER_S):
            if self._is_silent(row):
                self._patient.queue(row, int(self._view.misses[row]))
            else:
                self._prompt.queue(row, 0)
        for lane in self._lanes:
            for row in lane.take_ready():
                self._start(lane, row, now_s)
        until_s = now_s + TOGETHER_S
        return min(self._timetable.next_s, self._prompt.end_overdue(until_s), self._patient.end_overdue(until_s))

    def _start(self, lane: Lane, row: int, now_s: float) -> None:
        target = self._targets[row]
        exchange = Exchange(target.endpoint, target.request, self._settings.reply_limit_bytes)
        flight = lane.flights[row] = Flight(row, now_s, exchange)
        self._view.polling.polls += 1
        flight.task = asyncio.create_task(self._fly(lane, flight))

    async def _fly(self, lane: Lane, flight: Flight) -> None:
        """Carry out one poll and give its place and its row back, however it ends."""
        row = flight.row
        try:
            await self._poll(row, flight.exchange)
        except Exception as error:  # a bug of ours says nothing about the miner: its columns go stale, no more
            self._report_bug(row, error)
        finally:
            del lane.flights[row]
            self._view.polling.late += self._timetable.put_back(
                row, asyncio.get_running_loop().time(), self._slots(row)
            )
            if self._untried:
                self._untried.discard(row)
                if not self._untried:
                    self.tried_all.set()
            if lane.is_awaited or self._timetable.next_s < self._next_s:
                self._look_soon()

    def _slots(self, row: int) -> int:
        """After how many slots a row is due again: 1, and more for a miner that has been silent for long."""
        over = int(self._view.misses[row]) - NEWLY_SILENT_MISSES
        if over < 0 or row in self._focus or not self._is_silent(row):
            return 1
        longest = max(1, int(BACK_OFF_S // self._settings.interval_s))
        return int(min(2 ** min(over + 1, 16), longest))

    def _is_silent(self, row: int) -> bool:
        return self._view.reach.item(row) == _SILENT  # an element as such takes ten times as long to compare

    # -- one poll ----------------------------------------------------------------------------------------------------

    async def _poll(self, row: int, exchange: Exchange) -> None:
        """Ask one miner, decode, and write the columns; every outcome of the wire is a value of Reach."""
        reply, failed, at = b"", "", self._clock.now()
        try:
            reply = await exchange.reply()
            received_at = self._clock.now()
            telemetry = self._targets[row].decode(reply)
        except CodecError as error:
            failed = self._miss(row, Reach.FAULTY, error)
        except DeviceError as error:
            failed = self._miss(row, Reach.ERRORED, error)
        except (RefusedError, ResetError) as error:
            failed = self._miss(row, Reach.REFUSED, error)
        except SilentError as error:
            if not self._view.itself.blind:  # else it says nothing about the miner
                failed = self._miss(row, Reach.SILENT, error)
        except TransportError as error:  # this host's own limits: nothing was learnt, so nothing is written
            self._report_own_fault(error)
        else:
            self._view.put_answer(row, received_at, telemetry)
            self._view.polling.latency.add(self._clock.now() - received_at)
            self._view.polling.answered += 1
            self._recovered(row)
        if self._ear is not None and self._ear.listener is not None:
            driver = self._targets[row].driver
            where = self._view.site.miners[row].host, driver.port
            self._ear.poll(where, at, driver.request, reply, failed)

    def _miss(self, row: int, reach: Reach, error: Exception) -> str:
        self._view.put_miss(row, self._clock.now(), reach)
        if self._view.misses[row] >= LOSS_MISSES and row not in self._lost:
            self._lost.add(row)
            _log.warning("miner_lost", miner=self._name(row), reach=reach.name.lower(), why=str(error))
        return f"{reach.name.lower()}: {error}"

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
