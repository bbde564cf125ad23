"""Looks at the site's pools from the gateway, each every minute, and more often where miners have lost theirs.

What a look found goes into the site view and nowhere else. A look that could not be made says nothing about the pool.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol

import structlog

from agent.model.errors import AgentError
from agent.model.ids import MinerId, PoolId
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.topology import Pool, PoolGroup
from agent.observe.timetable import phase

INTERVAL_S = 60.0
FOCUS_S = 10.0
"""Seconds between two looks at a pool: in peace, and while somebody who works for it has an incident. Pools ban clients
that come too often; six logins a minute are none of those."""

GATEWAY = MinerId("gateway")
"""The worker that the gateway logs in as, in place of a miner's name."""

_log = structlog.get_logger(__name__)


class ProbesPools(Protocol):
    """Looks at one pool."""

    async def probe(self, pool: Pool, worker: str) -> ProbeResult:
        """Return what was found within a deadline of its own; raises TransportError for this host's own limits."""


class PoolWatch:
    """Keeps `view.probes` current.

    Args:
        prober: looks at a pool; None where the site has none or nobody is to look.
    """

    def __init__(self, view: SiteView, prober: ProbesPools | None) -> None:
        self._view = view
        self._prober = prober
        self._groups: dict[PoolId, PoolGroup] = {}
        for group in view.site.pool_groups:
            for pool in group.pools:
                self._groups.setdefault(pool, group)
        self._wake: dict[PoolId, asyncio.Event] = {}
        self._focus: frozenset[PoolId] = frozenset()
        self._verdicts: dict[PoolId, Verdict] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin: every pool is looked at within one interval."""
        if self._prober is None:
            return
        for pool in self._view.site.pools:
            if pool.id in self._groups:
                self._wake[pool.id] = asyncio.Event()
                self._tasks.append(asyncio.create_task(self._watch(self._prober, pool), name=f"pool {pool.id}"))

    async def stop(self) -> None:
        """End every look in flight."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def focus(self, pools: Collection[PoolId]) -> None:
        """Look at these pools often, at those that are new to it at once."""
        new, self._focus = frozenset(pools) - self._focus, frozenset(pools)
        for pool, wake in self._wake.items():  # in the site's order, whatever a set's is
            if pool in new:
                wake.set()

    @property
    def is_running(self) -> bool:
        """Whether every pool is being watched."""
        return not any(task.done() for task in self._tasks)

    async def _watch(self, prober: ProbesPools, pool: Pool) -> None:
        wake, worker = self._wake[pool.id], self._groups[pool.id].worker_of(GATEWAY)
        wait_s = phase(pool.id) * FOCUS_S
        while True:
            wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await wake.wait()
            except TimeoutError:
                pass
            try:
                self._note(await prober.probe(pool, worker))
            except AgentError as error:
                _log.warning("pool_not_looked_at", pool=pool.id, why=str(error))
            wait_s = FOCUS_S if pool.id in self._focus else INTERVAL_S

    def _note(self, result: ProbeResult) -> None:
        self._view.put_probe(result)
        if self._verdicts.get(result.pool, Verdict.GOOD) is not result.verdict:
            _log.warning("pool_seen", pool=result.pool, verdict=result.verdict, detail=result.detail)
        self._verdicts[result.pool] = result.verdict
