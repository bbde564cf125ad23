"""Asks miners that stand still whether they were told to: a sleeping miner is no fault, and nothing may wake it.

Not every family's poll says so (a Whatsminer's `status` cannot be joined, a stock Antminer tells only its configuration
page). So a miner that answers without hashing is asked once more, by another command, before anybody calls it stuck.
"""

import asyncio
from collections.abc import Mapping

import numpy as np
import structlog

from agent.clock import Clock
from agent.model.errors import AgentError
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Family
from agent.observe.sources import MinerSource

LOOK_S = 10.0
"""Time between two looks at the columns: several before `not hashing` can fire (120 s)."""

ASK_AGAIN_S = 60.0
"""Time between two questions to one miner."""

IDLE_SHARE = 0.10
"""Below this share of the expected rate a miner may have been told to sleep; a smoothed rate takes minutes to be 0."""

DEADLINE_S = 15.0
AT_ONCE = 8

_log = structlog.get_logger(__name__)


class SleepWatch:
    """Keeps the `suspended` column right where polls do not."""

    def __init__(self, view: SiteView, clock: Clock, drivers: Mapping[Family, MinerSource]) -> None:
        self._view = view
        self._clock = clock
        self._drivers = drivers
        self._asked_at: dict[int, float] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._asking: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin looking."""
        self._looking = asyncio.create_task(self._look_forever(), name="sleep watch")

    async def stop(self) -> None:
        """End every question in flight."""
        tasks = [*self._asking, *([self._looking] if self._looking else [])]
        self._looking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether it looks."""
        return self._looking is not None and not self._looking.done()

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._look(self._clock.now())

    def _look(self, now: float) -> None:
        """Ask those that stand still and did not say why; believe those that hash again."""
        view = self._view
        answers = view.reach == Reach.ANSWERED
        silent_on_it = view.suspended.at != view.answered_at
        with np.errstate(invalid="ignore"):
            hashes = view.hashrate_th.value >= IDLE_SHARE * view.target_th()
        idle = answers & ~np.isnan(view.hashrate_th.value) & ~hashes & silent_on_it
        awake = answers & hashes & (view.suspended.value == 1.0) & silent_on_it
        view.suspended.value[awake] = 0.0
        for row in np.flatnonzero(idle | (view.reach == Reach.ERRORED)).tolist():
            if now - self._asked_at.get(row, -ASK_AGAIN_S) >= ASK_AGAIN_S:
                self._asked_at[row] = now
                task = asyncio.create_task(self._ask(row))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    async def _ask(self, row: int) -> None:
        miner = self._view.site.miners[row]
        try:
            async with self._room, asyncio.timeout(DEADLINE_S):
                suspended = await self._drivers[miner.family].is_suspended(miner)
        except (AgentError, TimeoutError) as error:
            _log.debug("sleep_unknown", miner=miner.id, why=str(error))
            return
        if suspended is not None:
            self._view.suspended.put(row, float(suspended), self._clock.now())
