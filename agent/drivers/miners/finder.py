"""Finds a miner that is not where the inventory says: at which address of the site does its hardware address answer?

Every address of the miners' own networks (the /24 around each of them) is tried that no device of the inventory has,
nearest first; whoever accepts a connection on the family's port is asked for its hardware address, and only what the
device tells of itself counts. Nothing is written, and nobody is asked who is known: a device of the inventory is never
taken for another.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from agent.drivers.miners.connection import answers_at
from agent.drivers.net import Dialer
from agent.model.errors import AgentError, DeviceError, PolicyError
from agent.model.topology import Family, Miner, Site

AT_ONCE = 64
"""Addresses tried at a time: bursts of connections cost every poll its punctuality (facts "infrastructure", section
7)."""

ACCEPT_S = 1.0
"""How long a connection may take; miners take milliseconds, and most addresses are empty."""

MOST_NETWORKS = 16
"""So many networks are looked through: 4,064 addresses take 64 s if all of them are silent."""

_HEX = frozenset("0123456789abcdef")


class TellsMac(Protocol):
    """One family's way to ask a device for its hardware address."""

    @property
    def port(self) -> int:
        """Return the TCP port on which such a device accepts connections."""
        ...

    async def mac_at(self, host: str) -> str | None:
        """Return what the device at an address says; None where it does not say. Raises errors of the agent's tree."""
        ...


class MinerFinder:
    """Looks for miners on the site's networks.

    Args:
        dialer: where an address is reached, whoever is known to be there.
        drivers: by family, over that dialer.
    """

    def __init__(self, site: Site, dialer: Dialer, drivers: Mapping[Family, TellsMac]) -> None:
        self._site = site
        self._dialer = dialer
        self._drivers = drivers

    async def find(self, miner: Miner) -> str:
        """Return the one address at which the miner is.

        Raises:
            PolicyError: the inventory does not say by which hardware address it is known.
            DeviceError: it is at no address, or at several.
            TransportError: this host cannot look.
        """
        if miner.mac is None:
            raise PolicyError(f"{miner.id}: expected its hardware address, to know it by; add its mac to the inventory")
        room = asyncio.Semaphore(AT_ONCE)
        hosts = list(candidates(self._site, miner))
        looks = await asyncio.gather(*(self._is_there(room, miner, host) for host in hosts))
        found = [host for host, is_there in zip(hosts, looks, strict=True) if is_there]
        if not found:
            raise DeviceError(f"{miner.id}: looked for {miner.mac} at {len(hosts)} addresses; it is at none of them")
        if len(found) > 1:
            raise DeviceError(
                f"{miner.id}: {miner.mac} answers at {', '.join(found[:4])}: two devices have one hardware address, "
                "or one device two; look at both"
            )
        return found[0]

    async def _is_there(self, room: asyncio.Semaphore, miner: Miner, host: str) -> bool:
        driver = self._drivers[miner.family]
        async with room:
            if not await answers_at(self._dialer.endpoint(host, driver.port), ACCEPT_S):
                return False
            try:
                told = await driver.mac_at(host)
            except AgentError:  # another family's, no miner at all, or it has just gone
                return False
        return told is not None and same_mac(told, str(miner.mac))


def same_mac(one: str, other: str) -> bool:
    """Whether both are the same hardware address, however they are written; garbage is nobody's."""
    return (digits := _digits(one)) == _digits(other) and len(digits) == 12 and set(digits) <= _HEX


def candidates(site: Site, miner: Miner) -> Iterator[str]:
    """Yield the addresses at which a miner may be: its own, then those of its networks that nobody else has."""
    yield miner.host
    for network in networks(site, miner):
        for address in network.hosts():
            if str(address) not in site.hosts:
                yield str(address)


def networks(site: Site, miner: Miner) -> Sequence[IPv4Network]:
    """Return the networks to look through: the miner's own, those of its switch's miners, the others of the site."""
    near: list[Miner] = []
    far: list[Miner] = []
    for other in site.miners:
        is_near = miner.port is not None and other.port is not None and other.port.switch == miner.port.switch
        (near if is_near else far).append(other)
    found: dict[IPv4Network, None] = {}
    for one in (miner, *near, *far):
        try:
            address = IPv4Address(one.host)
        except ValueError:  # a name
            continue
        found.setdefault(IPv4Network((address, 24), strict=False))
    return list(found)[:MOST_NETWORKS]


def _digits(mac: str) -> str:
    return mac.lower().replace(":", "").replace("-", "").replace(".", "")
