"""The watch over the pools: every pool in its turn, often where it matters, and no bug of one look ends the watch."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from agent.model.errors import TransportError
from agent.model.ids import PoolGroupId, PoolId
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.topology import Pool, PoolGroup
from agent.observe.pools import FOCUS_S, INTERVAL_S, PoolWatch
from simulators import virtual_time
from tests.factory import site

POOLS = (Pool(PoolId("primary"), "one.example", 3333), Pool(PoolId("backup"), "two.example", 3333))
GROUP = PoolGroup(PoolGroupId("main"), (POOLS[0].id, POOLS[1].id), "acme.{miner}")


class Looks:
    """Looks at pools: notes when and as whom, and finds what it is told to."""

    def __init__(self) -> None:
        self.at: dict[PoolId, list[float]] = {pool.id: [] for pool in POOLS}
        self.workers: set[str] = set()
        self.verdict = Verdict.GOOD
        self.fault: Exception | None = None

    async def probe(self, pool: Pool, worker: str) -> ProbeResult:
        now = asyncio.get_running_loop().time()
        self.at[pool.id].append(now)
        self.workers.add(worker)
        await asyncio.sleep(0.1)
        if self.fault is not None:
            raise self.fault
        return ProbeResult(pool.id, now, (), self.verdict, "")


def played(story: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(story, timeout_wall_s=20.0)


def watch(looks: Looks | None) -> tuple[PoolWatch, SiteView]:
    view = SiteView(replace(site(1), pools=POOLS, pool_groups=(GROUP,)))
    return PoolWatch(view, looks), view


def test_every_pool_is_looked_at_each_minute_under_a_name_of_the_group() -> None:
    async def story() -> None:
        looks = Looks()
        pools, view = watch(looks)
        await pools.start()
        await asyncio.sleep(5 * INTERVAL_S + FOCUS_S)
        assert all(5 <= len(at) <= 6 for at in looks.at.values())
        assert looks.workers == {"acme.gateway"}
        assert set(view.probes) == set(looks.at)
        assert view.pool_good_since[PoolId("primary")] == looks.at[PoolId("primary")][0]
        await pools.stop()

    played(story())


def test_a_pool_in_focus_is_looked_at_at_once_and_then_often() -> None:
    async def story() -> None:
        looks = Looks()
        pools, _ = watch(looks)
        await pools.start()
        await asyncio.sleep(FOCUS_S + 5.0)
        before = {pool: len(at) for pool, at in looks.at.items()}
        pools.focus({PoolId("primary")})
        await asyncio.sleep(1.0)
        assert len(looks.at[PoolId("primary")]) == before[PoolId("primary")] + 1
        await asyncio.sleep(30.0)
        assert len(looks.at[PoolId("primary")]) >= before[PoolId("primary")] + 3
        assert len(looks.at[PoolId("backup")]) == before[PoolId("backup")]
        await pools.stop()

    played(story())


def test_a_look_that_could_not_be_made_says_nothing_and_ends_nothing() -> None:
    async def story() -> None:
        looks = Looks()
        looks.fault = TransportError("expected a free file descriptor, there was none; raise the limit")
        pools, view = watch(looks)
        await pools.start()
        await asyncio.sleep(2 * INTERVAL_S)
        assert view.probes == {}
        assert pools.is_running
        looks.fault, looks.verdict = None, Verdict.REFUSED
        await asyncio.sleep(2 * INTERVAL_S)
        assert view.probes[PoolId("backup")].verdict is Verdict.REFUSED
        assert view.pool_good_since == {}
        await pools.stop()

    played(story())


def test_without_anybody_to_look_there_is_nothing_to_do() -> None:
    async def story() -> None:
        pools, view = watch(None)
        await pools.start()
        pools.focus({PoolId("primary")})
        await asyncio.sleep(INTERVAL_S)
        assert view.probes == {}
        assert pools.is_running
        await pools.stop()

    played(story())
