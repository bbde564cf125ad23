"""Bouncing a port of a simulated switch: what it does to the plant, and that it is never left down whatever is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches import SwitchDriver, switch_driver
from agent.drivers.switches.bounce import DOWN_S, GIVE_UP_S
from agent.model.errors import AgentError, DeviceError, PolicyError, TransportError
from agent.model.ids import MinerId
from agent.model.topology import Outlet, Port, Site
from simulators.devices.snmp_devices import SnmpDevices
from simulators.loopback import loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets
from simulators.virtual_time import run
from tests.contract.pdu_bench import PDU, SWITCH, V2C, V3, bench_site, login

T = TypeVar("T")

PORT = Port(SWITCH, 2)
SPARE = Port(SWITCH, 8)
HOP = ("127.77.3.99", 10_161)

Runner = Callable[..., Any]
both_tiers = pytest.mark.parametrize("runner", [run, run_memory], ids=["wire", "memory"])


class Hop:
    """Hands datagrams on between the agent's side and the switch, but for those that a test wants lost.

    Attributes:
        drops: told whether it is a request, how many went before it in its direction, and the time; True loses it.
    """

    def __init__(self, switch: tuple[str, int]) -> None:
        self._switch = switch
        self._client: tuple[str, int] | None = None
        self.drops: Callable[[bool, int, float], bool] = lambda _is_request, _count, _at: False
        self.passed = {True: 0, False: 0}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: _End(self.to_switch), local_addr=HOP)
        self._back, _ = await loop.create_datagram_endpoint(
            lambda: _End(self.to_client), local_addr=(HOP[0], HOP[1] + 1), remote_addr=self._switch
        )

    def stop(self) -> None:
        self._front.close()
        self._back.close()

    def to_switch(self, data: bytes, sender: tuple[str, int]) -> None:
        self._client = sender
        if not self._is_lost(True):
            self._back.sendto(data)

    def to_client(self, data: bytes, _: tuple[str, int]) -> None:
        if not self._is_lost(False):
            self._front.sendto(data, self._client)

    def _is_lost(self, is_request: bool) -> bool:
        count = self.passed[is_request]
        self.passed[is_request] += 1
        return self.drops(is_request, count, asyncio.get_running_loop().time())


class _End(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._hear(data, addr)


class _ThroughHop:
    """A dialer that reaches everything through the hop."""

    def endpoint(self, _host: str, _port: int) -> tuple[str, int]:
        return HOP


@dataclass
class Bench:
    """One switch behind a hop, and the driver before it."""

    site: Site
    plant: SitePlant
    driver: SwitchDriver
    hop: Hop
    client: SnmpClient

    def reaches(self) -> bool:
        """Whether the miner behind the port can be reached."""
        self.advance()
        return self.plant.miners[MinerId("m2")].lan.reachable

    def advance(self) -> None:
        self.plant.advance(asyncio.get_running_loop().time())

    @property
    def is_up(self) -> bool:
        self.advance()
        return self.plant.network.admin_up(PORT)

    @property
    def changes(self) -> list[bool]:
        """What the port was set to so far, in order."""
        self.advance()
        assert {port for _, port, _ in self.plant.network.admin_changes} <= {PORT}
        return [up for _, _, up in self.plant.network.admin_changes]


@asynccontextmanager
async def bench(access: SnmpAccess = V2C, *, protected: frozenset[int] = frozenset()) -> AsyncIterator[Bench]:
    site = bench_site("apc_rpdu2")
    site = replace(site, switches=(replace(site.switches[0], protected=protected),))
    plant = SitePlant(site, seed=1)
    secrets = SimulatedSecrets(1)
    devices = SnmpDevices(plant, secrets, {}, {SWITCH: login(replace(access, write_community=V2C.write_community))})
    hop = Hop(loopback_endpoint(site.switches[0].host, 161))
    client = SnmpClient(_ThroughHop(), secrets)
    driver = switch_driver(site.switches[0], access, client, site.bounceable[SWITCH])
    await devices.start()
    await hop.start()
    try:
        yield Bench(site, plant, driver, hop, client)
    finally:
        client.close()
        hop.stop()
        await devices.stop()


def in_time(runner: Runner, main: Coroutine[Any, Any, T]) -> T:
    result: T = runner(main, timeout_wall_s=20.0)
    return result


@both_tiers
@pytest.mark.parametrize("access", [V2C, V3], ids=["v2c", "v3"])
def test_a_bounce_takes_the_port_down_and_up_and_cures_a_hung_one(access: SnmpAccess, runner: Runner) -> None:
    async def main() -> None:
        async with bench(access) as b:
            b.plant.network.hang(PORT, True, 0.0)
            assert not b.reaches()
            await b.driver.bounce(PORT.number)
            assert b.changes == [False, True]
            (down_at, _, _), (up_at, _, _) = b.plant.network.admin_changes
            assert DOWN_S <= up_at - down_at <= DOWN_S + 1.0
            assert b.plant.network.port_up(PORT)
            assert b.reaches()
            assert (await b.driver.read(closely=True))[PORT.number].admin_up is True

    in_time(runner, main())


def _datagrams() -> int:
    """Count the requests of a bounce in which nothing is lost."""

    async def main() -> int:
        async with bench() as b:
            await b.driver.bounce(PORT.number)
            return b.hop.passed[True]

    return in_time(run_memory, main())


REQUESTS = _datagrams()


@both_tiers
@pytest.mark.parametrize("is_request", [True, False], ids=["request", "reply"])
@pytest.mark.parametrize("place", range(REQUESTS))
def test_one_lost_datagram_never_leaves_it_down(place: int, is_request: bool, runner: Runner) -> None:
    async def main() -> None:
        async with bench() as b:
            b.hop.drops = lambda request, count, _: request is is_request and count == place
            with suppress(AgentError):
                await b.driver.bounce(PORT.number)
            assert b.is_up
            assert b.changes in ([], [True], [False, True], [False, True, True])
            await asyncio.sleep(10.0)
            assert b.plant.network.port_up(PORT)

    in_time(runner, main())


@both_tiers
@pytest.mark.parametrize("is_request", [True, False], ids=["requests", "replies"])
@pytest.mark.parametrize("silent_s", [20.0, 200.0])
@pytest.mark.parametrize("place", range(REQUESTS))
def test_a_switch_that_falls_silent_in_between_is_brought_up_when_it_is_back(
    place: int, silent_s: float, is_request: bool, runner: Runner
) -> None:
    async def main() -> None:
        async with bench() as b:
            since: list[float] = []

            def drops(request: bool, count: int, at: float) -> bool:
                if request is is_request and count == place:
                    since.append(at)
                return request is is_request and bool(since) and at < since[0] + silent_s

            b.hop.drops = drops
            with suppress(AgentError):
                await b.driver.bounce(PORT.number)
            assert b.is_up
            assert sum(not up for up in b.changes) <= 1, "it is taken down once at most"

    in_time(runner, main())


@pytest.mark.parametrize("patience_s", [0.5, 3.0, DOWN_S + 0.06, DOWN_S + 2.0])
def test_who_stops_waiting_does_not_leave_it_down(patience_s: float) -> None:
    async def main() -> None:
        async with bench() as b:
            b.hop.drops = lambda _request, _count, at: DOWN_S < at < 40.0
            with suppress(TimeoutError, AgentError):
                async with asyncio.timeout(patience_s):
                    await b.driver.bounce(PORT.number)
            await asyncio.sleep(60.0)
            assert b.is_up
            assert b.plant.network.port_up(PORT)

    in_time(run_memory, main())


def test_a_switch_that_is_gone_for_good_is_told_loudly_after_a_bounded_time() -> None:
    async def main() -> None:
        async with bench() as b:
            b.hop.drops = lambda _request, _count, at: at > 2.0
            loop = asyncio.get_running_loop()
            with capture_logs() as logs:
                with pytest.raises(TransportError, match="MAY BE LEFT DOWN"):
                    await b.driver.bounce(PORT.number)
                assert loop.time() < GIVE_UP_S + 60.0
                await asyncio.sleep(0.0)
            assert [entry["event"] for entry in logs] == ["port_left_down"]
            b.hop.drops = lambda _request, _count, _at: False
            assert not b.is_up
            await b.driver.bring_up(PORT.number)
            assert b.is_up

    in_time(run_memory, main())


def test_a_switch_that_may_only_be_read_is_left_alone() -> None:
    async def main() -> None:
        async with bench(SnmpAccess(community="ro")) as b:
            with pytest.raises(PolicyError, match="write_community"):
                await b.driver.bounce(PORT.number)
            with pytest.raises(PolicyError, match="write_community"):
                await b.driver.bring_up(PORT.number)
            assert b.changes == []
            assert b.hop.passed[True] == 0

    in_time(run_memory, main())


def test_a_login_that_may_not_write_is_refused_and_leaves_the_port_up() -> None:
    async def main() -> None:
        async with bench(SnmpAccess(community="ro", write_community="ro")) as b:
            with pytest.raises(DeviceError, match="noAccess"):
                await b.driver.bounce(PORT.number)
            assert b.changes == []
            assert b.is_up

    in_time(run_memory, main())


def test_uplinks_spare_ports_and_protected_ones_are_never_switched() -> None:
    async def main() -> None:
        async with bench(protected=frozenset({PORT.number})) as b:
            with pytest.raises(PolicyError, match="protected_ports"):
                await b.driver.bounce(PORT.number)
            for number in (SPARE.number, 9, 0, -1):
                with pytest.raises(PolicyError, match="no miner"):
                    await b.driver.bounce(number)
            assert b.hop.passed[True] == 0

    in_time(run_memory, main())


def test_a_driver_that_was_not_told_which_ports_may_be_bounced_bounces_none() -> None:
    async def main() -> None:
        async with bench() as b:
            with pytest.raises(PolicyError, match="no miner"):
                await switch_driver(b.site.switches[0], V2C, b.client).bounce(PORT.number)

    in_time(run_memory, main())


def test_a_port_that_somebody_took_down_stays_down() -> None:
    async def main() -> None:
        async with bench() as b:
            b.plant.network.set_admin(PORT, False)
            with pytest.raises(PolicyError, match="ask who"):
                await b.driver.bounce(PORT.number)
            assert b.changes == [False]

    in_time(run_memory, main())


def test_a_link_that_does_not_come_back_is_told() -> None:
    async def main() -> None:
        async with bench() as b:
            b.plant.network.plug(PORT, False, 0.0)
            with pytest.raises(DeviceError, match="without a link"):
                await b.driver.bounce(PORT.number)
            assert b.is_up

    in_time(run_memory, main())


def test_two_bounces_of_one_port_are_one() -> None:
    async def main() -> None:
        async with bench() as b:
            ends = await asyncio.gather(
                b.driver.bounce(PORT.number), b.driver.bounce(PORT.number), return_exceptions=True
            )
            assert b.is_up
            assert sum(not up for up in b.changes) <= 2
            assert any(end is None for end in ends)

    in_time(run_memory, main())


def test_the_miner_feels_a_bounce_for_seconds_and_keeps_its_pool() -> None:
    async def main() -> None:
        async with bench() as b:
            miner = b.plant.miners[MinerId("m2")]
            await b.driver.bounce(PORT.number)
            await asyncio.sleep(30.0)
            b.advance()
            assert miner.healthy
            assert b.plant.power.power_w(Outlet(PDU, 2)) > 0.9 * miner.full_w

    in_time(run_memory, main())
