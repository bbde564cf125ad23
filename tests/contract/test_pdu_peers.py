"""Third parties on either end of the wire: our driver before Debian's snmpd, net-snmp's tools before our simulated PDU.

Nothing is installed here; where a peer is missing its tests are skipped and say so.
"""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers.net import DirectDialer
from agent.drivers.pdus import pdu_driver
from agent.drivers.pdus.profile import load_profile
from agent.drivers.snmp import AuthProtocol, PrivProtocol, SnmpAccess, SnmpClient
from agent.model.errors import DeviceError
from agent.model.telemetry import OutletState
from agent.model.topology import Outlet
from simulators.loopback import loopback_endpoint
from tests.contract.pdu_bench import PDU, V2C, V3, V3_VARIANTS, Bench, bench, bench_site

SNMPD = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
TOOLS = [shutil.which(tool) for tool in ("snmpget", "snmpset", "snmpbulkwalk")]

needs_snmpd = pytest.mark.skipif(SNMPD is None, reason="peer missing: snmpd (Debian package snmpd)")
needs_tools = pytest.mark.skipif(
    None in TOOLS, reason="peer missing: snmpget, snmpset, snmpbulkwalk (Debian package snmp)"
)

SECRETS = {"ro": "read-only-x", "rw": "read-write-x", "auth": "auth-passphrase", "priv": "priv-passphrase"}
NET_SNMP_NAME: Mapping[str, str] = {
    AuthProtocol.MD5: "MD5",
    AuthProtocol.SHA1: "SHA",
    AuthProtocol.SHA256: "SHA-256",
    AuthProtocol.SHA512: "SHA-512",
    PrivProtocol.DES: "DES",
    PrivProtocol.AES128: "AES",
    PrivProtocol.AES256: "AES-256",
}


class Known:
    """The credentials of these tests."""

    def get(self, name: str) -> str:
        return SECRETS[name]


@asynccontextmanager
async def snmpd(folder: Path, lines: list[str], users: Mapping[str, SnmpAccess]) -> AsyncIterator[int]:
    """Run Debian's agent in a folder of its own on a free loopback port, and yield the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = [
        f"agentaddress udp:127.0.0.1:{port}",
        f"rocommunity {SECRETS['ro']}",
        f"rwcommunity {SECRETS['rw']}",
        *lines,
    ]
    for user, access in users.items():
        config += [
            f"createUser {user} {NET_SNMP_NAME[str(access.auth)]} {SECRETS['auth']} "
            f"{NET_SNMP_NAME[str(access.priv)]} {SECRETS['priv']}",
            f"rwuser {user} priv",
        ]
    (folder / "snmpd.conf").write_text("\n".join(config) + "\n")
    process = await asyncio.create_subprocess_exec(
        *(str(SNMPD), "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-I", "-smux,mteTrigger,mteTriggerConf"),
        env={"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder), "PATH": os.environ.get("PATH", "")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10.0):
            said = b""
            while b"NET-SNMP version" not in said:
                said = await process.stdout.readline()
                assert said, "snmpd ended before it listened"
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


def tables(profile: str, outlets: int = 6) -> list[str]:
    """snmpd.conf lines that give snmpd the profile's objects, every outlet on and metered."""
    known = load_profile(profile)
    values = {known.at(known.state, n): known.state.codes.on[0] for n in range(1, outlets + 1)}
    assert known.current is not None
    values |= {known.at(known.current, n): 0 for n in range(1, outlets + 1)}
    values |= {known.write(n, on)[0]: 99 for n in range(1, outlets + 1) for on in (True, False)}
    kind = known.sysobjectid.exact or known.sysobjectid.prefix
    return [f"sysobjectid .{kind}", *(f"override -rw .{oid} integer {value}" for oid, value in values.items())]


@needs_snmpd
@pytest.mark.parametrize("access", [V2C, V3], ids=["v2c", "v3"])
@pytest.mark.parametrize("profile", ["apc_rpdu2", "eaton_epdu_g2_g3"])
async def test_our_driver_switches_an_outlet_of_debians_agent(profile: str, access: SnmpAccess, tmp_path: Path) -> None:
    async with snmpd(tmp_path, tables(profile), {"terrahash": V3}) as port:
        client = SnmpClient(DirectDialer(), Known())
        access = replace(access, port=port)
        known = load_profile(profile)
        site = bench_site(profile, outlets=6)
        driver = pdu_driver(replace(site.pdus[0], host="127.0.0.1", banks=()), access, client)
        oid, value = known.write(3, False)

        async def relay() -> None:
            """Move the state behind the command, as the hardware would; snmpd only stores what is written."""
            for _ in range(1_000):
                if (await client.get("127.0.0.1", access, [oid]))[oid] == value:
                    break
            await client.set("127.0.0.1", access, known.at(known.state, 3), known.state.codes.off[0])

        try:
            assert {o.state for o in (await driver.read()).outlets.values()} == {OutletState.ON}
            await asyncio.gather(driver.switch(3, False), relay())
            reading = await driver.read()
            assert [n for n, outlet in reading.outlets.items() if outlet.state is OutletState.OFF] == [3]
            others = [known.write(n, on)[0] for n in (1, 2, 4, 5, 6) for on in (True, False)]
            assert set((await client.get("127.0.0.1", access, others)).values()) == {99}
        finally:
            client.close()


@needs_snmpd
async def test_debians_agent_refuses_what_it_should_and_we_tell_why(tmp_path: Path) -> None:
    async with snmpd(tmp_path, tables("apc_rpdu2"), {"terrahash": V3}) as port:
        client = SnmpClient(DirectDialer(), Known())
        oid, value = load_profile("apc_rpdu2").write(3, False)
        v3 = replace(V3, port=port)
        try:
            with pytest.raises(DeviceError, match="noAccess"):
                await client.set("127.0.0.1", SnmpAccess(community="ro", port=port), oid, value)
            with pytest.raises(DeviceError, match="notWritable"):
                await client.set("127.0.0.1", SnmpAccess(community="rw", port=port), "1.3.6.1.2.1.1.3.0", 1)
            with pytest.raises(DeviceError, match="authentication passphrase"):
                await client.get("127.0.0.1", replace(v3, auth_credential="priv"), [oid])
            with pytest.raises(DeviceError, match="user name"):
                await client.get("127.0.0.1", replace(v3, user="nobody"), [oid])
            assert (await client.get("127.0.0.1", v3, [oid]))[oid] == 99
        finally:
            client.close()


@needs_snmpd
async def test_every_v3_protocol_is_understood_by_debians_agent(tmp_path: Path) -> None:
    users = {f"{access.auth}{access.priv}": access for access in V3_VARIANTS}
    async with snmpd(tmp_path, tables("apc_rpdu2"), users) as port:
        client = SnmpClient(DirectDialer(), Known())
        oid, value = load_profile("apc_rpdu2").write(3, False)
        try:
            for number, (user, access) in enumerate(users.items()):
                await client.set("127.0.0.1", replace(access, user=user, port=port), oid, value + number)
                assert (await client.get("127.0.0.1", replace(access, user=user, port=port), [oid]))[
                    oid
                ] == value + number
        finally:
            client.close()


async def tool(b: Bench, name: str, access: SnmpAccess, *arguments: str, write: bool = False) -> tuple[int, str]:
    """Run one of net-snmp's tools against the simulated PDU; return (exit code, what it said)."""
    secrets = b.secrets
    if access.version == "2c":
        login = ["-v2c", "-c", secrets.get(str(access.write_community if write else access.community))]
    else:
        login = ["-v3", "-u", str(access.user), "-l", "authPriv"]
        login += ["-a", NET_SNMP_NAME[str(access.auth)], "-A", secrets.get(str(access.auth_credential))]
        login += ["-x", NET_SNMP_NAME[str(access.priv)], "-X", secrets.get(str(access.priv_credential))]
    host, port = loopback_endpoint(b.pdu.host, 161)
    process = await asyncio.create_subprocess_exec(
        *(name, "-m", "", "-On", "-Oe", "-r0", "-t5", *login, f"udp:{host}:{port}", *arguments),
        env={"SNMP_PERSISTENT_DIR": os.devnull, "SNMPCONFPATH": os.devnull, "PATH": os.environ.get("PATH", "")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@needs_tools
@pytest.mark.parametrize("access", [V2C, *V3_VARIANTS], ids=lambda a: f"{a.auth}-{a.priv}" if a.user else "v2c")
async def test_net_snmp_reads_and_switches_the_simulated_pdu(access: SnmpAccess) -> None:
    async with bench("apc_rpdu2", access) as b:
        b.faults.reply_delay_s = b.faults.relay_delay_s = 0.0
        root = ".1.3.6.1.4.1.318.1.1.26.9.2"
        assert await tool(b, "snmpget", access, f"{root}.3.1.5.3") == (0, f"{root}.3.1.5.3 = INTEGER: 2\n")
        code, said = await tool(b, "snmpset", access, f"{root}.4.1.5.3", "i", "2", write=True)
        assert (code, said) == (0, f"{root}.4.1.5.3 = INTEGER: 2\n")
        assert not b.is_on(3)
        code, said = await tool(b, "snmpbulkwalk", access, "-Cr50", f"{root}.3.1.5")
        assert code == 0
        assert [line.split()[-1] for line in said.splitlines()] == ["2", "2", "1", "2", "2", "2", "2", "2"]


@needs_tools
async def test_net_snmp_walks_everything_and_in_order() -> None:
    async with bench("raritan_px2_px3", V2C) as b:
        b.faults.reply_delay_s = 0.0
        code, said = await tool(b, "snmpbulkwalk", V2C, "-Cr20", ".1.3.6")
        assert code == 0
        lines = [line for line in said.splitlines() if line[0] == "." and "No more variables" not in line]
        oids = [tuple(map(int, line.split()[0].strip(".").split("."))) for line in lines]
        assert oids == sorted(set(oids))
        assert len(oids) > 100
        assert ".1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.13742.6" in said
        assert ".1.3.6.1.4.1.13742.6.4.1.2.1.3.1.3 = INTEGER: 7" in said


@needs_tools
async def test_the_simulated_pdu_refuses_net_snmp_as_a_real_one_would() -> None:
    async with bench("apc_rpdu2", V2C) as b:
        b.faults.reply_delay_s = 0.0
        command = ".1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.3"
        refused = [
            (("snmpset", V2C, command, "i", "2"), False, "noAccess"),
            (("snmpset", V2C, command, "s", "2"), True, "wrongType"),
            (("snmpset", V2C, command, "i", "42"), True, "wrongValue"),
            (("snmpset", V2C, ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.3", "i", "1"), True, "notWritable"),
        ]
        for (name, access, *arguments), write, reason in refused:
            code, said = await tool(b, name, access, *arguments, write=write)
            assert code != 0
            assert reason in said
        assert "No Such Instance" in (await tool(b, "snmpget", V2C, ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.99"))[1]
        assert "No Such Object" in (await tool(b, "snmpget", V2C, ".1.3.6.1.4.1.9.9.9.0"))[1]
        assert b.moves() == []
        assert b.plant.power.relay_on(Outlet(PDU, 3))


@needs_tools
async def test_net_snmp_with_wrong_passphrases_gets_what_a_real_agent_says() -> None:
    async with bench("apc_rpdu2", V3) as b:
        b.faults.reply_delay_s = 0.0
        oid = ".1.3.6.1.2.1.1.2.0"
        assert "Authentication failure" in (await tool(b, "snmpget", replace(V3, auth_credential="x"), oid))[1]
        assert "Unknown user name" in (await tool(b, "snmpget", replace(V3, user="nobody"), oid))[1]
