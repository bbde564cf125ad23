"""Control of the simulated devices on their real protocols: what counts is the state of the plant afterwards."""

import asyncio
import logging
import traceback
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agent.drivers.miners import MinerDriver, MinerLogin, miner_drivers
from agent.drivers.miners.connection import request
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.model.errors import DeviceError, PolicyError, RefusedError, TransportError
from agent.model.topology import Family, Miner
from simulators.loopback import LoopbackDialer
from simulators.plant.state import Board, Process
from tests.simulators.devices_site import LOGINS, Running, running

EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
WRONG_SECRET = "not-the-password-4711"


@dataclass
class Secrets:
    """The devices' own passwords, or a wrong one for everything."""

    site: Running
    wrong: bool = False

    def get(self, name: str) -> str:
        return WRONG_SECRET if self.wrong else self.site.secrets.get(name)


@dataclass
class Bench:
    """One simulated miner and the agent's driver for it."""

    site: Running
    driver: MinerDriver

    @property
    def spec(self) -> Miner:
        return self.site.miner().spec

    def now(self) -> float:
        now = asyncio.get_running_loop().time()
        self.site.plant.advance(now)
        return now

    async def poll(self) -> bytes:
        endpoint = LoopbackDialer().endpoint(self.spec.host, self.driver.port)
        return await request(endpoint, self.driver.request, deadline_s=2.0, limit_bytes=262_144)


@asynccontextmanager
async def bench(family: Family, *, wrong_secret: bool = False, logins: bool = True) -> AsyncIterator[Bench]:
    async with running(family) as site:
        known: Mapping[Family, MinerLogin] = {f: MinerLogin(*login) for f, login in LOGINS.items()} if logins else {}
        drivers = miner_drivers(LoopbackDialer(), Secrets(site, wrong_secret), known)
        yield Bench(site, drivers[family])


@EVERY_FAMILY
async def test_telemetry_tells_what_the_plant_does(family: Family) -> None:
    async with bench(family) as b:
        t = b.driver.decode(await b.poll())
        truth = b.site.miner().readings(b.now())
    assert t.hashrate_th == pytest.approx(truth.rate_5s / 1e3, rel=0.2)
    assert t.expected_th == pytest.approx(truth.target_gh / 1e3, rel=0.01)
    assert t.work_gh == pytest.approx(truth.work_gh, rel=0.01)
    assert t.elapsed_s == pytest.approx(truth.elapsed_s, abs=2)
    assert (t.accepted, t.rejected, t.stale) == (truth.accepted, truth.rejected, truth.stale)
    assert t.share_diff == pytest.approx(truth.diff, rel=0.01)
    assert t.chip_max_c is not None
    assert t.fans_rpm
    assert t.pool_alive is True
    assert not t.suspended


@EVERY_FAMILY
async def test_restart_begins_a_new_process_and_nothing_else(family: Family) -> None:
    async with bench(family) as b:
        booted_s = b.site.miner().readings(b.now()).uptime_s
        await b.driver.restart(b.spec)
        after = b.site.miner().readings(b.now())
        assert b.site.miner().process in (Process.STARTING, Process.RUNNING)
        assert b.site.miner().board is Board.UP
    assert after.elapsed_s < 5
    assert after.uptime_s >= booted_s


@EVERY_FAMILY
async def test_restart_revives_a_dead_process(family: Family) -> None:
    async with bench(family) as b:
        b.site.miner().kill_process(b.now(), watchdog=False)
        b.site.host().settle()
        with pytest.raises((DeviceError, RefusedError)):
            b.driver.decode(await b.poll())
        await b.driver.restart(b.spec)
        b.now()
        assert b.site.miner().process in (Process.STARTING, Process.RUNNING)
        assert not b.site.miner().fault.process_dead


@EVERY_FAMILY
async def test_reboot_takes_the_board_down(family: Family) -> None:
    async with bench(family) as b:
        await b.driver.reboot(b.spec)
        b.now()
        assert b.site.miner().board is Board.BOOTING


@EVERY_FAMILY
@pytest.mark.parametrize("verb", ["restart", "reboot"])
async def test_a_booting_board_is_no_success(family: Family, verb: str) -> None:
    async with bench(family) as b:
        b.site.miner().reboot(b.now())
        b.site.host().settle()
        with pytest.raises(TransportError):
            await getattr(b.driver, verb)(b.spec)


@pytest.mark.parametrize("family", [Family.ANTMINER_STOCK, Family.WHATSMINER])
@pytest.mark.parametrize("verb", ["restart", "reboot"])
async def test_a_wrong_password_is_the_devices_no_and_stays_secret(family: Family, verb: str) -> None:
    async with bench(family, wrong_secret=True) as b:
        began = b.site.miner().readings(b.now()).elapsed_s
        with pytest.raises(DeviceError, match=r"password|credential") as caught:
            await getattr(b.driver, verb)(b.spec)
        assert b.site.miner().board is Board.UP
        assert b.site.miner().readings(b.now()).elapsed_s >= began
    assert WRONG_SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("family", [Family.ANTMINER_STOCK, Family.WHATSMINER])
async def test_control_without_a_login_names_what_to_configure(family: Family) -> None:
    async with bench(family, logins=False) as b:
        with pytest.raises(PolicyError, match=f"logins.{family}"):
            await b.driver.restart(b.spec)


async def test_restart_keeps_a_stock_antminers_configuration() -> None:
    async with bench(Family.ANTMINER_STOCK) as b:
        before = b.driver.decode(await b.poll())
        await b.driver.restart(b.spec)
        pools = await _ask(b, b'{"command":"pools"}')
    assert before.pool_alive
    assert b.site.miner().readings(b.now()).pool_url.encode() in pools
    assert b.site.miner().readings(b.now()).pool_user.encode() in pools


async def _ask(b: Bench, command: bytes) -> bytes:
    endpoint = LoopbackDialer().endpoint(b.spec.host, b.driver.port)
    return await request(endpoint, command, deadline_s=2.0, limit_bytes=262_144)


# -- identification ----------------------------------------------------------------------------------------------------


@EVERY_FAMILY
async def test_a_miner_is_identified(family: Family) -> None:
    async with bench(family) as b:
        found = await PyasicAdapter(LoopbackDialer(), Secrets(b.site)).identify(b.spec.host)
    assert found is not None
    assert found.family is family
    assert found.host == b.spec.host
    assert found.model != "unknown"
    # A stock Antminer tells its MAC only to those who know its password, which identification does not.
    assert bool(found.mac) is (family is not Family.ANTMINER_STOCK)
    assert found.hashrate_th == pytest.approx(110.0, rel=0.1)


async def test_nothing_there_is_nothing() -> None:
    async with bench(Family.LUXOS) as b:
        assert await PyasicAdapter(LoopbackDialer(), Secrets(b.site)).identify("127.78.0.1") is None


async def test_pyasic_leaves_logging_and_warnings_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = list(root.handlers)
    root.handlers.clear()  # as in a process that has configured no logging yet
    level = root.level
    try:
        root.setLevel(logging.DEBUG)
        async with bench(Family.WHATSMINER) as b:
            with warnings.catch_warnings(record=True) as seen:
                await b.driver.restart(b.spec)
                await PyasicAdapter(LoopbackDialer(), Secrets(b.site)).identify(b.spec.host)
        assert root.level == logging.DEBUG
        assert root.handlers == []
    finally:
        root.setLevel(level)
        root.handlers[:] = kept
    assert [str(warning.message) for warning in seen] == []
    written = "".join(capsys.readouterr())
    assert "token" not in written.lower()
    assert b.site.password(Family.WHATSMINER) not in written


@EVERY_FAMILY
async def test_a_miner_told_to_sleep_says_so_in_its_poll_or_when_asked(family: Family) -> None:
    async with bench(family) as b:
        awake = b.driver.decode(await b.poll()).suspended
        assert not (await b.driver.is_suspended(b.spec) if awake is None else awake)
        b.site.miner().suspend(b.now())
        asleep = b.driver.decode(await b.poll()).suspended
        assert await b.driver.is_suspended(b.spec) if asleep is None else asleep
