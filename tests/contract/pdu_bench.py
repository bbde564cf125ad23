"""A PDU on a bench: a simulated one with six miners on it, the agent's driver before it, virtual time around both."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agent.drivers.pdus import PduDriver, pdu_driver
from agent.drivers.snmp import AuthProtocol, PrivProtocol, SnmpAccess, SnmpClient
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.topology import Bank, Family, Miner, Outlet, Pdu, Port, Site, Switch
from simulators import virtual_time
from simulators.devices.snmp_devices import SnmpDevices, SnmpLogin
from simulators.loopback import LoopbackDialer
from simulators.plant.journal import What
from simulators.plant.power import PduPlant
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets

T = TypeVar("T")

PDU = PduId("pdu-a")
SWITCH = SwitchId("sw-a")
V2C = SnmpAccess(community="ro", write_community="rw")
V3 = SnmpAccess(version="3", user="terrahash", auth_credential="auth", priv_credential="priv")


def login(access: SnmpAccess) -> SnmpLogin:
    """Set the device up the way the agent thinks it is."""
    return SnmpLogin(
        access.version,
        access.community,
        access.write_community,
        access.user,
        access.auth,
        access.auth_credential,
        access.priv,
        access.priv_credential,
        access.port,
    )


def bench_site(profile: str, *, outlets: int = 8, rating_a: float = 100.0) -> Site:
    """One PDU, two banks, miners of 3450 W at 230 V (15 A) on all outlets but the last two."""
    half = outlets // 2
    banks = (
        Bank(PDU, 1, tuple(range(1, half + 1)), rating_a),
        Bank(PDU, 2, tuple(range(half + 1, outlets + 1)), rating_a),
    )
    miners = tuple(
        Miner(
            MinerId(f"m{n}"),
            f"10.77.4.{n}",
            Family.LUXOS,
            "S21",
            200.0,
            3450.0,
            (Outlet(PDU, n),),
            port=Port(SWITCH, n),
        )
        for n in range(1, outlets - 1)
    )
    return Site(
        "bench",
        miners,
        (Pdu(PDU, "10.77.3.1", profile, outlets, 230.0, banks),),
        (Switch(SWITCH, "10.77.3.2", outlets),),
    )


@dataclass
class Bench:
    """What a test touches. The plant is the truth."""

    site: Site
    plant: SitePlant
    client: SnmpClient
    access: SnmpAccess
    secrets: SimulatedSecrets

    @property
    def pdu(self) -> Pdu:
        return self.site.pdus[0]

    @property
    def faults(self) -> PduPlant:
        return self.plant.power.pdu[PDU]

    def driver(self, access: SnmpAccess | None = None, profile: str | None = None) -> PduDriver:
        return pdu_driver(replace(self.pdu, profile=profile or self.pdu.profile), access or self.access, self.client)

    def is_on(self, number: int) -> bool:
        self.plant.advance(asyncio.get_running_loop().time())
        return self.plant.power.relay_on(Outlet(PDU, number))

    def moves(self) -> list[tuple[What, int]]:
        """Every movement of a relay so far, in order."""
        self.plant.advance(asyncio.get_running_loop().time())
        return [
            (entry.what, entry.outlet.number)
            for entry in self.plant.journal.entries
            if entry.outlet is not None and entry.what in {What.RELAY_ON, What.RELAY_OFF}
        ]


@asynccontextmanager
async def bench(
    profile: str, access: SnmpAccess = V2C, *, outlets: int = 8, rating_a: float = 100.0
) -> AsyncIterator[Bench]:
    """Run one PDU and one switch of a bench site, and a client for them."""
    site = bench_site(profile, outlets=outlets, rating_a=rating_a)
    plant = SitePlant(site, seed=1)
    secrets = SimulatedSecrets(1)
    devices = SnmpDevices(plant, secrets, {PDU: login(access)}, {SWITCH: login(access)})
    client = SnmpClient(LoopbackDialer(), secrets)
    await devices.start()
    try:
        yield Bench(site, plant, client, access, secrets)
    finally:
        client.close()
        await devices.stop()


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; seconds cost nothing."""
    return virtual_time.run(main, timeout_wall_s=30.0)


V3_VARIANTS = [
    replace(V3, auth=AuthProtocol.MD5, priv=PrivProtocol.DES),
    V3,
    replace(V3, auth=AuthProtocol.SHA256, priv=PrivProtocol.AES128),
    replace(V3, auth=AuthProtocol.SHA512, priv=PrivProtocol.AES256),
    replace(V3, auth=AuthProtocol.SHA1, priv=PrivProtocol.AES256),
]
