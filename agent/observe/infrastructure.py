"""Reads PDUs, switches and cooling units. They are few, so each has a task of its own that sleeps between two reads.

A read that fails writes nothing: the columns keep the old values with their old times. A device that serves a miner in
focus is read at once and then at the focus interval, so that decisions about that miner rest on fresh evidence. So is
one that serves a miner that fell silent just now: what it shows then is what tells a hung miner from one cut off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import structlog

from agent.clock import Clock
from agent.model.errors import AgentError
from agent.model.ids import CoolingUnitId, PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.topology import Outlet, Pdu, Port
from agent.observe.settings import PollSettings
from agent.observe.sources import CoolingSource, PduSource, SwitchSource
from agent.observe.timetable import phase

READS_AT_ONCE = 16
"""Reads in flight of devices that answered last time, and as many again of those that did not: SNMP costs 1 to 2 ms of
CPU an operation and gains nothing from more at once. Source: facts "control", section 4."""

READ_DEADLINE_S = 15.0
"""One device's whole read: several requests, each of which a slow PDU may take seconds for."""

NEWLY_SILENT = (2, 12)
"""Polls in a row without an answer at which a miner has fallen silent just now, not by chance and not long ago."""

LOOK_ROUND_S = 4.0
"""How often that is looked for."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Feed:
    """One device that is read. Times are the loop's, in s.

    Attributes:
        read: reads the device and writes its columns; closely, where a fault is to be judged.
        due_s: when the next read is to start.
        is_lost: the last read failed.
        in_focus: the agent wants it read closely. in_doubt: it serves a miner that fell silent just now.
    """

    kind: Literal["pdu", "switch", "cooling unit"]
    id: str
    interval_s: float
    read: Callable[[bool], Awaitable[None]]
    due_s: float = 0.0
    is_tried: bool = False
    is_lost: bool = False
    in_focus: bool = False
    in_doubt: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class InfrastructureReader:
    """Reads every PDU, switch and cooling unit that has a driver; one without is not configured, and stays unknown."""

    def __init__(
        self,
        view: SiteView,
        clock: Clock,
        pdu_drivers: Mapping[PduId, PduSource],
        switch_drivers: Mapping[SwitchId, SwitchSource],
        settings: PollSettings,
        *,
        cooling_drivers: Mapping[CoolingUnitId, CoolingSource] | None = None,
    ) -> None:
        self._view = view
        self._clock = clock
        self._settings = settings
        self._pdus = {
            pdu.id: _Feed("pdu", pdu.id, settings.pdu_interval_s, self._pdu_reader(pdu, pdu_drivers[pdu.id]))
            for pdu in view.site.pdus
            if pdu.id in pdu_drivers
        }
        self._switches = {
            switch.id: _Feed(
                "switch",
                switch.id,
                settings.switch_interval_s,
                self._switch_reader(switch.id, switch_drivers[switch.id]),
            )
            for switch in view.site.switches
            if switch.id in switch_drivers
        }
        self._cooling = {
            unit: _Feed("cooling unit", unit, settings.cooling_interval_s, self._cooling_reader(unit, driver))
            for unit, driver in (cooling_drivers or {}).items()
        }
        self._feeds = [*self._pdus.values(), *self._switches.values(), *self._cooling.values()]
        self._serving = [
            [
                *(self._pdus[outlet.pdu] for outlet in miner.outlets if outlet.pdu in self._pdus),
                *(self._switches[p.switch] for p in (miner.port,) if p is not None and p.switch in self._switches),
            ]
            for miner in view.site.miners
        ]
        self._answering = asyncio.Semaphore(READS_AT_ONCE)
        self._failing = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self.tried_all = asyncio.Event()

    async def start(self) -> None:
        """Begin: every device gets its first read within one poll interval."""
        now_s = asyncio.get_running_loop().time()
        for feed in self._feeds:
            feed.due_s = now_s + phase(feed.id) * self._settings.interval_s
        self._tasks = [asyncio.create_task(self._watch(feed), name=f"{feed.kind} {feed.id}") for feed in self._feeds]
        if self._feeds:
            self._tasks.append(asyncio.create_task(self._look_round(), name="silent miners"))
        else:
            self.tried_all.set()

    async def stop(self) -> None:
        """End every read in flight."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether every device is being watched."""
        return not any(task.done() for task in self._tasks)

    @property
    def untried(self) -> int:
        """How many devices no read has ended for yet."""
        return sum(not feed.is_tried for feed in self._feeds)

    def focus(
        self, pdus: Collection[PduId], switches: Collection[SwitchId], units: Collection[CoolingUnitId] = ()
    ) -> None:
        """Read these devices, and no others, at the focus interval; those that are new to it at once."""
        wanted: set[tuple[str, str]] = {("pdu", pdu) for pdu in pdus} | {("switch", switch) for switch in switches}
        wanted |= {("cooling unit", unit) for unit in units}
        for feed in self._feeds:
            was_in_focus, feed.in_focus = feed.in_focus, (feed.kind, feed.id) in wanted
            if feed.in_focus and not was_in_focus:
                _hurry(feed)

    async def _look_round(self) -> None:
        """Read what serves miners that fell silent just now as if these were in focus."""
        least, most = NEWLY_SILENT
        while True:
            await asyncio.sleep(LOOK_ROUND_S)
            misses = self._view.misses
            rows = np.flatnonzero((misses >= least) & (misses <= most)).tolist()
            doubted = {id(feed) for row in rows for feed in self._serving[row]}
            for feed in self._feeds:
                was_in_doubt, feed.in_doubt = feed.in_doubt, id(feed) in doubted
                if feed.in_doubt and not (was_in_doubt or feed.in_focus):
                    _hurry(feed)

    # -- one device --------------------------------------------------------------------------------------------------

    async def _watch(self, feed: _Feed) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until_due(feed, loop)
            async with self._failing if feed.is_lost else self._answering:
                watched = feed.in_focus or feed.in_doubt
                interval_s = min(self._settings.focus_interval_s, feed.interval_s) if watched else feed.interval_s
                feed.due_s = loop.time() + interval_s  # before the read: focus may want the next one sooner
                await self._try(feed)
            if not feed.is_tried:
                feed.is_tried = True
                if not self.untried:
                    self.tried_all.set()

    async def _until_due(self, feed: _Feed, loop: asyncio.AbstractEventLoop) -> None:
        while feed.due_s > loop.time():
            feed.wake.clear()
            timer = loop.call_at(feed.due_s, feed.wake.set)
            try:
                await feed.wake.wait()
            finally:
                timer.cancel()

    async def _try(self, feed: _Feed) -> None:
        """Read one device under its deadline; log its loss and its recovery, once each."""
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                await feed.read(feed.in_focus or feed.in_doubt)
        except (AgentError, TimeoutError) as error:
            if not feed.is_lost:
                why = str(error) or f"no complete answer within {READ_DEADLINE_S:g} s"
                _log.warning("device_lost", kind=feed.kind, device=feed.id, error=type(error).__name__, why=why)
            feed.is_lost = True
        except Exception as error:  # a bug of ours must not end the watch; the columns go stale and say so
            if not feed.is_lost:
                _log.error("device_read_bug", kind=feed.kind, device=feed.id, exc_info=error)
            feed.is_lost = True
        else:
            if feed.is_lost:
                _log.info("device_back", kind=feed.kind, device=feed.id)
            feed.is_lost = False

    def _pdu_reader(self, pdu: Pdu, driver: PduSource) -> Callable[[bool], Awaitable[None]]:
        async def read(_: bool) -> None:
            reading = await driver.read()
            now = self._clock.now()
            for number, outlet in reading.outlets.items():
                self._view.put_outlet(Outlet(pdu.id, number), now, outlet)

        return read

    def _cooling_reader(self, unit: CoolingUnitId, driver: CoolingSource) -> Callable[[bool], Awaitable[None]]:
        async def read(_: bool) -> None:
            reading = await driver.read()
            self._view.put_cooling(unit, self._clock.now(), reading)

        return read

    def _switch_reader(self, switch: SwitchId, driver: SwitchSource) -> Callable[[bool], Awaitable[None]]:
        async def read(closely: bool) -> None:
            ports = await driver.read(closely=closely)
            now = self._clock.now()
            for number, port in ports.items():
                self._view.put_port(Port(switch, number), now, port)

        return read


def _hurry(feed: _Feed) -> None:
    """Let its next read start now, or as soon as the one under way has ended."""
    feed.due_s = asyncio.get_running_loop().time()
    feed.wake.set()
