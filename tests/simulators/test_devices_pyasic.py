"""The simulated miners before a client nobody here wrote: pyasic identifies them, reads them, and controls them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.model.topology import Family
from simulators.devices.host import MinerHost
from simulators.loopback import loopback_endpoint
from simulators.plant.state import Board, Process
from tests.simulators.devices_site import Running, running

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))

# pyasic calls passlib in a way that passlib is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:passing settings to md5_crypt:DeprecationWarning")


async def identify(pyasic: Any, site: Running, family: Family) -> Any:
    """Let pyasic find out what the miner is, then point it at the loopback ports and give it the password."""
    host: MinerHost = site.host()
    address, web_port = loopback_endpoint(host.spec.host, 80)
    async with asyncio.timeout(20):
        miner = await pyasic.get_miner(address)
    assert miner is not None
    if family is STOCK:
        miner.web.port = web_port
        miner.web.pwd = site.password(STOCK)
    if family is WHATSMINER:
        miner.rpc.pwd = site.password(WHATSMINER)
    return miner


@asynccontextmanager
async def known(pyasic: Any, family: Family) -> AsyncIterator[tuple[Running, Any]]:
    async with running(family) as site:
        yield site, await identify(pyasic, site, family)


@pytest.mark.parametrize(
    ("family", "make", "model", "firmware"),
    [
        (STOCK, "AntMiner", "S19 Pro", "Stock"),
        (LUXOS, "AntMiner", "S19k Pro", "LuxOS"),
        (WHATSMINER, "WhatsMiner", "M50S VJ30", "Stock"),
    ],
)
async def test_identification(pyasic: Any, family: Family, make: str, model: str, firmware: str) -> None:
    async with known(pyasic, family) as (_, miner):
        assert (miner.make, str(miner.raw_model)) == (make, model)
        assert firmware.lower() in str(miner.firmware).lower()


@EVERY_FAMILY
async def test_telemetry(pyasic: Any, family: Family) -> None:
    async with known(pyasic, family) as (site, miner):
        async with asyncio.timeout(20):
            data = await miner.get_data(exclude=["config"])
        reading = site.miner().readings(site.plant.now)
        assert float(data.hashrate) == pytest.approx(110.0, rel=0.3)
        assert float(data.expected_hashrate) == pytest.approx(reading.target_gh / 1000.0, rel=0.01)
        assert [board.chips for board in data.hashboards] == [{STOCK: 114, LUXOS: 77, WHATSMINER: 105}[family]] * 3
        assert all(float(board.hashrate) > 0 and board.temp > 30 for board in data.hashboards)
        assert [fan.speed for fan in data.fans] == list(reading.fans_rpm)
        assert data.uptime == pytest.approx(reading.elapsed_s, abs=5)
        pool = data.pools[0]
        assert (pool.alive, pool.active, pool.user) == (True, True, "site.m1")
        assert pool.accepted == pytest.approx(reading.pools[0].tally.accepted, abs=5)
        if family is not STOCK:
            assert data.wattage == pytest.approx(reading.power_w, rel=0.05)


@pytest.mark.parametrize("family", [LUXOS, WHATSMINER])
async def test_restart(pyasic: Any, family: Family) -> None:
    async with known(pyasic, family) as (site, miner):
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        async with asyncio.timeout(20):
            assert await miner.restart_backend() is True
        assert site.miner().process is Process.STARTING
        assert site.miner().board is Board.UP


@EVERY_FAMILY
async def test_reboot(pyasic: Any, family: Family) -> None:
    async with known(pyasic, family) as (site, miner):
        async with asyncio.timeout(20):
            assert await miner.reboot() is True
        assert site.miner().board is Board.BOOTING


@EVERY_FAMILY
async def test_sleep_and_wake(pyasic: Any, family: Family) -> None:
    async with known(pyasic, family) as (site, miner):
        async with asyncio.timeout(20):
            await miner.stop_mining()
        assert site.miner().suspended
        async with asyncio.timeout(20):
            await miner.resume_mining()
        assert not site.miner().suspended


@pytest.mark.parametrize("family", [STOCK, WHATSMINER])
async def test_a_wrong_password_changes_nothing(pyasic: Any, family: Family) -> None:
    async with known(pyasic, family) as (site, miner):
        if family is STOCK:
            miner.web.pwd = "root"
        else:
            miner.rpc.pwd = "admin"
        async with asyncio.timeout(20):
            await miner.reboot()
        assert site.miner().board is Board.UP
