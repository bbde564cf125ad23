"""Our switch driver before Debian's snmpd: the interface table of a real kernel, and a port table that it stores.

Nothing is installed here; where the peer is missing its tests are skipped and say so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers.net import DirectDialer
from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches import SwitchDriver, switch_driver
from agent.drivers.switches.bounce import IF_ADMIN_STATUS, IF_OPER_STATUS, PortBouncer
from agent.model.errors import DeviceError
from agent.model.ids import SwitchId
from agent.model.topology import Port, Switch
from tests.contract.pdu_bench import V2C, V3
from tests.contract.test_pdu_peers import Known, needs_snmpd, snmpd

both_versions = pytest.mark.parametrize("access", [V2C, V3], ids=["v2c", "v3"])
PORT = 3
LOOPBACK = 1
"""ifIndex of the loopback interface on every Linux."""


@asynccontextmanager
async def peer(
    folder: Path, lines: list[str], access: SnmpAccess, *, ports: int = 8
) -> AsyncIterator[tuple[SwitchDriver, SnmpClient, SnmpAccess]]:
    async with snmpd(folder, lines, {"terrahash": V3}) as udp_port:
        client = SnmpClient(DirectDialer(), Known())
        reached = replace(access, port=udp_port)
        try:
            switch = Switch(SwitchId("sw"), "127.0.0.1", ports)
            yield switch_driver(switch, reached, client, range(1, ports + 1)), client, reached
        finally:
            client.close()


def ports(count: int) -> list[str]:
    """snmpd.conf lines of a port table in which every port is up."""
    columns = (IF_ADMIN_STATUS, IF_OPER_STATUS)
    return [f"override -rw .{column}.{n} integer 1" for n in range(1, count + 1) for column in columns]


@needs_snmpd
@both_versions
async def test_the_interfaces_of_a_real_kernel_are_read(access: SnmpAccess, tmp_path: Path) -> None:
    async with peer(tmp_path, [], access, ports=LOOPBACK) as (driver, _, _):
        first = (await driver.read(closely=True))[LOOPBACK]
        assert (first.up, first.admin_up, first.in_errors) == (True, True, 0)
        assert first.pvid is None, "a host is no bridge"
        assert first.in_octets is not None
        assert first.in_octets >= 0


@needs_snmpd
async def test_a_host_that_is_no_bridge_says_so(tmp_path: Path) -> None:
    async with peer(tmp_path, [], V2C) as (driver, _, _):
        with pytest.raises(DeviceError, match="ports of its bridge"):
            await driver.locate()


@needs_snmpd
@both_versions
async def test_a_port_of_debians_agent_is_bounced(access: SnmpAccess, tmp_path: Path) -> None:
    """It only stores what is written; its link is always up, so that what counts is what was written, and when."""
    async with peer(tmp_path, ports(8), access) as (driver, client, reached):
        bouncer = PortBouncer("127.0.0.1", reached, client, down_s=0.005)
        bouncing = asyncio.create_task(bouncer.bounce(Port(SwitchId("sw"), PORT)))
        seen: list[object] = []
        oids = [f"{IF_ADMIN_STATUS}.{n}" for n in range(1, 9)]
        while not bouncing.done():
            values = await client.get("127.0.0.1", reached, oids)
            assert all(value == 1 for oid, value in values.items() if oid != f"{IF_ADMIN_STATUS}.{PORT}")
            seen.append(values[f"{IF_ADMIN_STATUS}.{PORT}"])
        await bouncing
        assert 2 in seen
        assert (await driver.read(closely=True))[PORT].admin_up is True


@needs_snmpd
async def test_debians_agent_refuses_a_reader_and_we_tell_why(tmp_path: Path) -> None:
    read_only = SnmpAccess(community="ro", write_community="ro")
    async with peer(tmp_path, ports(8), read_only) as (driver, _, _):
        with pytest.raises(DeviceError, match="noAccess"):
            await driver.bounce(PORT)
        assert (await driver.read(closely=True))[PORT].admin_up is True
