"""A few simulated miners on their real protocols, and a plain client to talk to them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agent.model.ids import MinerId, PduId, PoolGroupId, PoolId
from agent.model.topology import Bank, Family, Miner, Outlet, Pdu, Pool, PoolGroup, Site
from simulators.devices.host import MinerHost, Timing
from simulators.devices.miners import MinerServers
from simulators.loopback import loopback_endpoint
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets

EPOCH_S = 1_767_225_600.0
MODELS: Mapping[Family, str] = {
    Family.ANTMINER_STOCK: "S19 Pro",
    Family.LUXOS: "S19k Pro",
    Family.WHATSMINER: "M50S_VJ30",
}
LOGINS = {
    Family.ANTMINER_STOCK: ("root", "antminer-web"),
    Family.WHATSMINER: ("admin", "whatsminer-api"),
}
SUBNET = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
"""Test runs beside this one get other addresses."""


@dataclass(frozen=True)
class Running:
    plant: SitePlant
    servers: MinerServers
    secrets: SimulatedSecrets

    def host(self, number: int = 1) -> MinerHost:
        return self.servers.hosts[MinerId(f"m{number}")]

    def miner(self, number: int = 1) -> MinerPlant:
        return self.plant.miners[MinerId(f"m{number}")]

    def password(self, family: Family) -> str:
        return self.secrets.get(LOGINS[family][1])


GROUP = PoolGroupId("group")


def inventory(*families: Family, pools: int = 0) -> Site:
    """One miner of each family given; with `pools`, one group of so many: p1, p2 …"""
    pdu = PduId("pdu-1")
    places = tuple(Pool(PoolId(f"p{n}"), f"p{n}.example.com", 3333) for n in range(1, pools + 1))
    groups = (PoolGroup(GROUP, tuple(pool.id for pool in places)),) if places else ()
    miners = tuple(
        Miner(
            id=MinerId(f"m{n}"),
            host=f"{SUBNET}.{n}",
            family=family,
            model=MODELS[family],
            hashrate_th=110.0,
            power_w=3250.0,
            outlets=(Outlet(pdu, n),),
            pool_group=GROUP if places else None,
        )
        for n, family in enumerate(families, 1)
    )
    count = len(miners)
    bank = Bank(pdu, 1, tuple(range(1, count + 1)), 400.0)
    pdus = (Pdu(pdu, "10.0.1.1", "apc_rpdu2", count, 240.0, (bank,)),)
    return Site("devices", miners, pdus, pools=places, pool_groups=groups)


@asynccontextmanager
async def running(
    *families: Family,
    seed: int = 7,
    latency_s: tuple[float, float] = (0.0, 0.0),
    pools: int = 0,
    ssh_logins: Mapping[MinerId, tuple[str, str]] | None = None,
) -> AsyncIterator[Running]:
    """Serve one miner of each family given, named m1, m2 …"""
    start_s = asyncio.get_running_loop().time()
    plant = SitePlant(inventory(*families, pools=pools), seed=seed, start_s=start_s)
    secrets = SimulatedSecrets(seed)
    servers = MinerServers(plant, secrets, LOGINS, ssh_logins=ssh_logins, timing=Timing(EPOCH_S, latency_s))
    await servers.start()
    try:
        yield Running(plant, servers, secrets)
    finally:
        await servers.stop()


async def connect(host: MinerHost, port: int = 4028) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*loopback_endpoint(host.spec.host, port))


async def ask_raw(host: MinerHost, request: bytes) -> bytes:
    """Send a request, read until the server closes."""
    reader, writer = await connect(host)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def ask(host: MinerHost, command: str, **more: Any) -> Any:
    """Send a JSON command and return the decoded reply; the closing NUL is insisted upon."""
    reply = await ask_raw(host, json.dumps({"command": command, **more}).encode())
    assert reply.endswith(b"\0")
    return json.loads(reply[:-1])
