"""Derate, sleep and wake: the agent's drivers on the simulated devices, and the fast-forward tier's beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.drivers.miners import MinerDriver, MinerLogin, miner_drivers
from agent.model.topology import Family
from simulators.fast_forward.drivers import PlantMiners
from simulators.loopback import LoopbackDialer
from simulators.plant.miner import MinerPlant
from tests.simulators.devices_site import LOGINS, Running, running

EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))


@asynccontextmanager
async def bench(family: Family) -> AsyncIterator[tuple[Running, MinerDriver]]:
    async with running(family) as site:
        logins = {name: MinerLogin(*login) for name, login in LOGINS.items()}
        yield site, miner_drivers(LoopbackDialer(), site.secrets, logins)[family]


def now(site: Running) -> MinerPlant:
    site.plant.advance(asyncio.get_running_loop().time())
    return site.miner()


@EVERY_FAMILY
async def test_a_miner_sleeps_until_it_is_woken(family: Family) -> None:
    async with bench(family) as (site, driver):
        spec = site.miner().spec
        await driver.sleep(spec)
        assert now(site).suspended
        await driver.wake(spec)
        assert not now(site).suspended


@EVERY_FAMILY
async def test_a_derate_takes_effect_and_fast_forward_sets_the_same_share_and_stops_the_same_process(
    family: Family,
) -> None:
    async def told(site: Running, driver: MinerDriver | PlantMiners, share: float) -> tuple[float, float, bool]:
        spec, started_at = site.miner().spec, site.miner().hashing.started_at
        await driver.derate(spec, share)
        miner = now(site)
        return miner.derated, miner.told_gh, miner.hashing.started_at == started_at

    ends = []
    for fast in (False, True):
        async with bench(family) as (site, driver):
            control = PlantMiners(site.plant) if fast else driver
            ends.append([await told(site, control, share) for share in (0.71, 1.0)])
    wire, fast_forward = ends
    assert 0.66 <= wire[0][0] <= 0.711
    assert wire[1][0] == 1.0
    for one, other in zip(wire, fast_forward, strict=True):
        assert one == pytest.approx(other, rel=0.001)
