"""Reading a simulated switch on both tiers: links, wishes, errors, VLANs, addresses; and a switch that is down."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches import SwitchDriver, switch_driver
from agent.drivers.switches.if_mib import CLOSE_EVERY
from agent.model.errors import DeviceError, SilentError
from agent.model.telemetry import PortReading
from agent.model.topology import Port, Site
from simulators.devices.snmp_agent import Community, SnmpAgent
from simulators.devices.snmp_devices import SnmpDevices
from simulators.devices.snmp_mib import Mib, MibObject, constant, gauge, integer
from simulators.devices.switch import switch_objects
from simulators.loopback import LoopbackDialer, loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.network import AGEING_S, USUAL_VLAN
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets
from simulators.virtual_time import run
from tests.contract.pdu_bench import SWITCH, V2C, V3, bench_site, login

T = TypeVar("T")

Runner = Callable[..., Any]
both_tiers = pytest.mark.parametrize("runner", [run, run_memory], ids=["wire", "memory"])


def port(number: int) -> Port:
    return Port(SWITCH, number)


def addressed_site() -> Site:
    site = bench_site("apc_rpdu2")
    return replace(
        site, miners=tuple(replace(m, mac=f"02:54:48:00:00:{k:02x}") for k, m in enumerate(site.miners, start=1))
    )


@asynccontextmanager
async def switch(access: SnmpAccess = V2C) -> AsyncIterator[tuple[SwitchDriver, SitePlant]]:
    site = addressed_site()
    plant = SitePlant(site, seed=1)
    secrets = SimulatedSecrets(1)
    devices = SnmpDevices(plant, secrets, {}, {SWITCH: login(access)})
    client = SnmpClient(LoopbackDialer(), secrets)
    await devices.start()
    try:
        yield switch_driver(site.switches[0], access, client), plant
    finally:
        client.close()
        await devices.stop()


@asynccontextmanager
async def tables(objects: list[MibObject]) -> AsyncIterator[SwitchDriver]:
    """A driver before a switch of eight ports that has just these objects."""
    secrets = SimulatedSecrets(1)
    known = bench_site("apc_rpdu2").switches[0]
    agent = SnmpAgent(Mib(objects), engine_id=b"hand", communities=(Community(secrets.get("ro")),))
    client = SnmpClient(LoopbackDialer(), secrets)
    await agent.start(loopback_endpoint(known.host, 161))
    try:
        yield switch_driver(known, SnmpAccess(community="ro"), client)
    finally:
        client.close()
        agent.stop()


def in_time(runner: Runner, main: Coroutine[Any, Any, T]) -> T:
    result: T = runner(main, timeout_wall_s=20.0)
    return result


@both_tiers
@pytest.mark.parametrize("access", [V2C, V3], ids=["v2c", "v3"])
def test_a_close_read_tells_all_that_a_fault_shows(access: SnmpAccess, runner: Runner) -> None:
    async def main() -> None:
        async with switch(access) as (driver, plant):
            network = plant.network
            network.set_vlan(port(2), 999, 0.0)
            network.damage(port(3), 0.5, 0.0)
            network.set_admin(port(4), False)
            network.plug(port(5), False, 0.0)
            await asyncio.sleep(60.0)
            seen = await driver.read(closely=True)
            assert seen[1] == PortReading(True, network.in_octets(port(1)), True, 0, USUAL_VLAN)
            assert (seen[2].up, seen[2].pvid) == (True, 999)
            assert seen[3].in_errors == network.in_errors(port(3)) > 0
            assert (seen[4].up, seen[4].admin_up) == (False, False)
            assert (seen[5].up, seen[5].admin_up) == (False, True)

    in_time(runner, main())


def test_what_is_costly_is_read_now_and_then() -> None:
    async def main() -> None:
        async with switch() as (driver, _):
            close = [(await driver.read())[1].pvid is not None for _ in range(2 * CLOSE_EVERY + 1)]
            assert [place for place, was in enumerate(close) if was] == [0, CLOSE_EVERY, 2 * CLOSE_EVERY]
            assert (await driver.read(closely=True))[1].admin_up is True

    in_time(run_memory, main())


@both_tiers
def test_addresses_are_found_on_their_ports_until_they_are_forgotten(runner: Runner) -> None:
    async def main() -> None:
        async with switch() as (driver, plant):
            assert await driver.locate() == {f"02:54:48:00:00:{k:02x}": k for k in range(1, 7)}
            plant.network.plug(port(2), False, 0.0)
            await asyncio.sleep(AGEING_S + 1.0)
            assert set((await driver.locate()).values()) == {1, 3, 4, 5, 6}

    in_time(runner, main())


def test_a_bridge_without_vlans_is_read_by_its_plain_table() -> None:
    async def main() -> None:
        site = addressed_site()
        plant = SitePlant(site, seed=1)
        async with tables(list(switch_objects(site.switches[0], plant.network, vlans=False))) as driver:
            assert (await driver.locate())["02:54:48:00:00:03"] == 3
            seen = await driver.read(closely=True)
            assert seen[1].pvid is None
            assert seen[1].admin_up is True

    in_time(run_memory, main())


def test_uplinks_and_addresses_that_were_not_heard_are_left_out() -> None:
    async def main() -> None:
        at = (1, 3, 6, 1, 2, 1, 17)
        objects = [
            constant((*at, 1, 4, 1, 2, 40), 3),
            constant((*at, 1, 4, 1, 2, 41), 49),  # an uplink: beyond the ports of the inventory
            integer((*at, 4, 3, 1, 2, 2, 0, 0, 0, 0, 1), lambda: 40),
            integer((*at, 4, 3, 1, 2, 2, 0, 0, 0, 0, 2), lambda: 41),
            integer((*at, 4, 3, 1, 2, 2, 0, 0, 0, 0, 3), lambda: 0),
            integer((*at, 4, 3, 1, 2, 2, 0, 0, 0, 0, 4), lambda: 77),
            integer((*at, 4, 3, 1, 2, 2, 0, 0, 0, 0, 999), lambda: 40),
            gauge((*at, 7, 1, 4, 5, 1, 1, 40), lambda: 7),
        ]
        async with tables(objects) as driver:
            assert await driver.locate() == {"02:00:00:00:00:01": 3}

    in_time(run_memory, main())


def test_a_switch_that_hides_its_bridge_says_what_to_check() -> None:
    async def main() -> None:
        async with tables([constant((1, 3, 6, 1, 2, 1, 2, 2, 1, 8, 1), 1)]) as driver:
            with pytest.raises(DeviceError, match="what this login may see"):
                await driver.locate()
            assert await driver.read(closely=True) == {1: PortReading(True)}

    in_time(run_memory, main())


@both_tiers
def test_a_switch_that_is_down_says_nothing_and_is_back_afterwards(runner: Runner) -> None:
    async def main() -> None:
        async with switch() as (driver, plant):
            plant.network.kill(SWITCH, True, 0.0)
            with pytest.raises(SilentError):
                await driver.read()
            plant.network.kill(SWITCH, False, asyncio.get_running_loop().time())
            assert (await driver.read())[1].up is True

    in_time(runner, main())
