"""The switch driver, on a simulated switch and on tables made by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches import SwitchDriver, switch_driver
from agent.model.errors import DeviceError
from agent.model.telemetry import PortReading
from agent.model.topology import Outlet, Port
from simulators.devices.snmp_agent import Community, SnmpAgent
from simulators.devices.snmp_mib import Mib, MibObject, constant
from simulators.devices.switch import switch_objects
from simulators.loopback import LoopbackDialer, loopback_endpoint
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets
from tests.contract.pdu_bench import PDU, SWITCH, bench, bench_site, in_virtual_time


def test_reads_links_and_counters_as_they_are_on_the_plant() -> None:
    async def main() -> None:
        async with bench("apc_rpdu2") as b:
            driver = switch_driver(b.site.switches[0], b.access, b.client)
            before = await driver.read()
            b.plant.network.plug(Port(SWITCH, 2), False, asyncio.get_running_loop().time())
            b.plant.power.set_relay(Outlet(PDU, 3), False, asyncio.get_running_loop().time())
            await asyncio.sleep(60.0)
            after = await driver.read()
            assert after.keys() == set(range(1, 9))
            assert [n for n, port in after.items() if port.up] == [1, 4, 5, 6]
            assert after[1].in_octets is not None
            assert before[1].in_octets is not None
            assert after[1].in_octets > before[1].in_octets
            assert after[8].in_octets == 0

    in_virtual_time(main())


def test_an_old_switch_is_read_by_its_short_counters() -> None:
    async def main() -> None:
        site = bench_site("apc_rpdu2")
        plant = SitePlant(site, seed=1)
        objects = list(switch_objects(site.switches[0], plant.network, long_counters=False))
        async with _switch(objects) as driver:
            reading = await driver.read()
            assert {n for n, port in reading.items() if port.up} == {1, 2, 3, 4, 5, 6}
            assert all(port.in_octets is not None for port in reading.values())

    in_virtual_time(main())


def test_states_that_tell_nothing_are_not_down() -> None:
    async def main() -> None:
        objects = [constant((1, 3, 6, 1, 2, 1, 2, 2, 1, 8, n), code) for n, code in enumerate((1, 2, 3, 4, 7), start=1)]
        async with _switch(objects) as driver:
            assert await driver.read() == {
                1: PortReading(True),
                2: PortReading(False),
                3: PortReading(None),
                4: PortReading(None),
                5: PortReading(False),
            }

    in_virtual_time(main())


def test_ports_numbered_otherwise_are_told_with_the_remedy() -> None:
    async def main() -> None:
        async with _switch([constant((1, 3, 6, 1, 2, 1, 2, 2, 1, 8, 10101), 1)]) as driver:
            with pytest.raises(DeviceError, match="against ifIndex"):
                await driver.read()

    in_virtual_time(main())


@asynccontextmanager
async def _switch(objects: list[MibObject]) -> AsyncIterator[SwitchDriver]:
    secrets = SimulatedSecrets(1)
    switch = bench_site("apc_rpdu2").switches[0]
    agent = SnmpAgent(Mib(objects), engine_id=b"old", communities=(Community(secrets.get("ro")),))
    client = SnmpClient(LoopbackDialer(), secrets)
    await agent.start(loopback_endpoint(switch.host, 161))
    try:
        yield switch_driver(switch, SnmpAccess(community="ro"), client)
    finally:
        client.close()
        agent.stop()
