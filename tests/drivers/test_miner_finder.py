"""Where a miner is looked for that has moved, and what is never taken for it."""

import asyncio
import json
from dataclasses import replace

import pytest

from agent.drivers.miners import miner_drivers
from agent.drivers.miners.finder import MOST_NETWORKS, MinerFinder, candidates, networks, same_mac
from agent.drivers.net import Addresses
from agent.model.errors import DeviceError, PolicyError
from agent.model.ids import SwitchId
from agent.model.topology import Family, Miner, Port, Site
from simulators.loopback import LoopbackDialer
from simulators.memory_net import run_memory
from tests.factory import miner, site

MAC = "02:54:48:00:01:01"
NET = "10.77.1"


def luxos(number: int, host: str, mac: str | None = MAC) -> Miner:
    return replace(miner(number), host=host, family=Family.LUXOS, mac=mac)


def finder_for(place: Site) -> MinerFinder:
    dialer = LoopbackDialer()
    return MinerFinder(place, dialer, miner_drivers(dialer, {}, {}))  # type: ignore[arg-type] # no secrets are asked


def found_among(devices: dict[str, bytes], wanted: Miner, *others: Miner) -> str:
    """Look for a miner while something at each of these addresses says that to whatever it is asked."""

    async def main() -> str:
        servers = []
        for host, says in devices.items():

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, says: bytes = says) -> None:
                await reader.read(100)
                writer.write(says)
                writer.close()

            servers.append(await asyncio.start_server(serve, *LoopbackDialer().endpoint(host, 4028)))
        try:
            return await finder_for(site((wanted, *others))).find(wanted)
        finally:
            for server in servers:
                server.close()

    return run_memory(main(), timeout_wall_s=20.0)


def config(mac: object) -> bytes:
    return json.dumps({"STATUS": [{"STATUS": "S"}], "CONFIG": [{"MACAddr": mac}], "id": 1}).encode() + b"\0"


def test_it_is_found_at_the_one_address_that_tells_its_hardware_address() -> None:
    devices = {f"{NET}.40": config("02:54:48:00:01:99"), f"{NET}.41": config(MAC.upper().replace(":", "-"))}
    assert found_among(devices, luxos(1, f"{NET}.1")) == f"{NET}.41"


def test_it_is_found_at_its_own_address_too() -> None:
    assert found_among({f"{NET}.1": config(MAC)}, luxos(1, f"{NET}.1")) == f"{NET}.1"


def test_two_devices_with_its_hardware_address_are_a_persons() -> None:
    devices = {f"{NET}.40": config(MAC), f"{NET}.41": config(MAC)}
    with pytest.raises(DeviceError, match=r"answers at 10\.77\.1\.40, 10\.77\.1\.41"):
        found_among(devices, luxos(1, f"{NET}.1"))


@pytest.mark.parametrize("says", [b"", b"{", b"\xff" * 100, config(None), config(7), config("x" * 500), config("")])
def test_garbage_is_nobody(says: bytes) -> None:
    with pytest.raises(DeviceError, match="it is at none of them"):
        found_among({f"{NET}.40": says}, luxos(1, f"{NET}.1"))


def test_the_address_of_another_miner_is_not_even_tried() -> None:
    other = luxos(2, f"{NET}.40", "02:54:48:00:01:02")
    with pytest.raises(DeviceError, match="it is at none of them"):
        found_among({f"{NET}.40": config(MAC)}, luxos(1, f"{NET}.1"), other)


def test_without_a_hardware_address_nobody_is_looked_for() -> None:
    with pytest.raises(PolicyError, match="add its mac to the inventory"):
        found_among({}, luxos(1, f"{NET}.1", None))


def test_the_nearest_networks_come_first_and_there_are_not_too_many() -> None:
    port = Port(SwitchId("s"), 1)
    wanted = replace(luxos(1, "10.1.5.1"), port=port)
    near = replace(luxos(2, "10.1.7.1"), port=replace(port, number=2))
    far = [luxos(10 + k, f"10.2.{k}.1") for k in range(40)]
    place = site((*far, near, replace(luxos(3, "a-name")), wanted))
    found = [str(network) for network in networks(place, wanted)]
    assert found[:3] == ["10.1.5.0/24", "10.1.7.0/24", "10.2.0.0/24"]
    assert len(found) == MOST_NETWORKS
    hosts = list(candidates(place, wanted))
    assert hosts[:3] == ["10.1.5.1", "10.1.5.2", "10.1.5.3"]
    assert len(hosts) == len(set(hosts)) == 1 + 253 + 15 * 253
    assert not {"10.1.7.1", "10.2.0.1"} & set(hosts)


def test_a_hardware_address_is_the_same_however_it_is_written() -> None:
    assert same_mac("02:54:48:00:01:01", "025448000101")
    assert same_mac("02-54-48-00-01-0A", "0254.4800.010a")
    assert not same_mac("02:54:48:00:01:01", "02:54:48:00:01:02")
    assert not same_mac("02:55:97:22:3M:72", "02:55:97:22:3M:72"), "no such digit"
    assert not same_mac("", "")


def test_who_has_moved_is_reached_there_and_nobody_else_is() -> None:
    addresses = Addresses(LoopbackDialer())
    addresses.move("10.1.1.1", "10.1.1.200")
    assert addresses.endpoint("10.1.1.1", 4028) == ("127.1.1.200", 4028)
    assert addresses.endpoint("10.1.1.2", 4028) == ("127.1.1.2", 4028)
