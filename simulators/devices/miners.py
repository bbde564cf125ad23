"""Every simulated miner of a site on its own sockets: opens, closes and reopens them as the plant's state wants.

A miner costs one listening socket (two for a stock Antminer, which has a web server, and for LuxOS, which has SSH) and
one for every open connection; 3,000 of them want about 6,000 file descriptors and `ulimit -n` well above that.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from agent.model.ids import MinerId
from agent.model.topology import Family
from simulators.devices.antminer_http import MAX_HEAD_BYTES, REALM, AntminerWeb
from simulators.devices.antminer_pages import AntminerPages
from simulators.devices.antminer_stock import StockApi
from simulators.devices.cgminer_api import ApiConnection, ApiFamily, Speechless
from simulators.devices.digest import DigestGuard
from simulators.devices.host import MinerHost, Service, Timing
from simulators.devices.luxos import LuxosApi
from simulators.devices.ssh_keys import HostKeys
from simulators.devices.ssh_server import MinerSsh, SshHabits
from simulators.devices.whatsminer import WhatsminerApi
from simulators.devices.whatsminer_token import TokenVault
from simulators.loopback import check_distinct, loopback_endpoint
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant

SETTLE_EVERY_S = 1.0
BACKLOG = 16
ACCEPT_STEPS = 8
"""Turns of the event loop within which a connection already accepted has reached its server."""

Login = tuple[str, str]
"""User, and the name of the credential."""

SSH_LOGIN: Login = ("root", "simulated-ssh")
"""Who is let in over SSH where nobody says who."""


class Secrets(Protocol):
    """Where the devices' passwords come from."""

    def get(self, name: str) -> str:
        """Return the secret of that name."""
        ...


@dataclass(slots=True)
class _Station:
    """One miner's listening sockets at one address."""

    host: MinerHost
    api: ApiFamily
    web: AntminerWeb | None
    ssh: MinerSsh | None = None
    listening: dict[Service, asyncio.Server] = field(default_factory=dict)


class MinerServers:
    """The servers of all miners of a plant.

    Attributes:
        hosts: every miner's board as the network sees it, by id.
        ssh: the SSH server of each miner that has one.
    """

    def __init__(
        self,
        plant: SitePlant,
        secrets: Secrets,
        logins: Mapping[Family, Login],
        *,
        ssh_logins: Mapping[MinerId, Login] | None = None,
        timing: Timing | None = None,
        settle_every_s: float = SETTLE_EVERY_S,
    ) -> None:
        """Prepare one server set a miner; nothing listens before `start`.

        Args:
            plant: the site.
            secrets: the passwords of the devices.
            logins: user and credential name for each family whose control asks for one (LuxOS asks for none).
            ssh_logins: user and credential name of miners' SSH. LuxOS has it in any case, a stock Antminer where it is
                named here: its SSH was not locked.
            timing: the devices' clock and their latency.
            settle_every_s: how often the sockets follow what happened in the plant by itself, in s.
        """
        self._plant = plant
        self._secrets = secrets
        self._logins = logins
        self._ssh_logins = ssh_logins or {}
        self._keys = HostKeys(plant.seed)
        self._timing = timing or Timing()
        self._settle_every_s = settle_every_s
        self._connections: set[asyncio.Task[None]] = set()
        self._follower: asyncio.Task[None] | None = None
        home = {miner_id: self._station(miner, miner.spec.host) for miner_id, miner in plant.miners.items()}
        self.hosts: Mapping[MinerId, MinerHost] = {miner_id: s.host for miner_id, s in home.items()}
        self.ssh: Mapping[MinerId, MinerSsh] = {miner_id: s.ssh for miner_id, s in home.items() if s.ssh is not None}
        self._stations = {miner_id: {s.host.address: s} for miner_id, s in home.items()}
        self._stirred: dict[MinerId, None] = {}
        """Whose sockets may have to follow, in the order in which something happened to them."""

    async def start(self) -> None:
        """Open every socket that is to be open, and go on following the plant.

        Raises:
            PolicyError: two miners fall on one loopback address.
            OSError: an address cannot be bound; nothing is left open.
        """
        stations = tuple(self._all_stations())
        for station in stations:
            station.host.withdrawn = False
        self._speechless = Speechless()
        check_distinct(station.host.address for station in stations)
        for miner in self._plant.miners.values():
            miner.on_change = self._stir
        try:
            for station in stations:
                await self._open_wanted(station)
        except BaseException:
            await self.stop()
            raise
        self._follower = asyncio.create_task(self._follow(), name="miner sockets")

    async def stop(self) -> None:
        """Close every socket and end every connection.

        Raises:
            OSError: while it ran, a socket could not be opened again.
        """
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
        for miner in self._plant.miners.values():
            miner.on_change = None
        for station in self._all_stations():
            station.host.withdrawn = True
            for server in station.listening.values():
                server.close()
            station.listening.clear()
            for service in Service:
                station.host.reset_connections(service)
        for _ in range(ACCEPT_STEPS):
            await asyncio.sleep(0)
        for ssh in self.ssh.values():
            await ssh.stop()
        tasks = tuple(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' last callbacks
        if follower is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await follower

    # -- sockets -----------------------------------------------------------------------------------------------------

    def _stir(self, miner_id: MinerId) -> None:
        self._stirred[miner_id] = None

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settle_every_s)
            self._plant.advance(loop.time())
            stirred, self._stirred = self._stirred, {}
            for miner_id in stirred:
                miner, stations = self._plant.miners[miner_id], self._stations[miner_id]
                if miner.lan.host not in stations:
                    stations[miner.lan.host] = self._station(miner, miner.lan.host)
                for station in stations.values():
                    self._close_unwanted(station)
                    await self._open_wanted(station)

    def _all_stations(self) -> Iterator[_Station]:
        return (station for stations in self._stations.values() for station in stations.values())

    def _close_unwanted(self, station: _Station) -> None:
        """Close what the miner would refuse now, and reset what is still connected to it."""
        if station.ssh is not None:
            station.ssh.follow()
        for service in tuple(station.listening):
            if not station.host.listens(service):
                self._stir(station.host.spec.id)  # what is closed is looked at again
                station.listening.pop(service).close()
                station.host.reset_connections(service)

    async def _open_wanted(self, station: _Station) -> None:
        serves = {Service.API: True, Service.WEB: station.web is not None, Service.SSH: station.ssh is not None}
        for service in Service:
            if serves[service] and service not in station.listening and station.host.listens(service):
                station.listening[service] = await self._listen(station, service)

    async def _listen(self, station: _Station, service: Service) -> asyncio.Server:
        address, port = loopback_endpoint(station.host.address, service.value)
        if service is Service.WEB:
            return await asyncio.start_server(
                lambda reader, writer: self._serve_web(station, reader, writer),
                address,
                port,
                limit=MAX_HEAD_BYTES,
                family=socket.AF_INET,
                backlog=BACKLOG,
            )
        speechless, ssh = self._speechless, station.ssh
        if service is Service.SSH and ssh is not None:
            return await self._bind(ssh.connection, address, port)
        return await self._bind(lambda: ApiConnection(station.host, station.api, speechless), address, port)

    async def _bind(self, factory: Callable[[], asyncio.Protocol], address: str, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            factory,
            address,
            port,
            family=socket.AF_INET,
            backlog=BACKLOG,
        )

    def _serve_web(self, station: _Station, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if station.web is None:
            return
        task = asyncio.create_task(station.web.serve(reader, writer), name=f"web {station.host.spec.id}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    # -- devices -----------------------------------------------------------------------------------------------------

    def _station(self, miner: MinerPlant, address: str) -> _Station:
        rng = self._plant.rng(f"device/{miner.spec.id}" + ("" if address == miner.spec.host else f"/{address}"))
        host = MinerHost(miner, address, self._timing, self._plant.advance, rng, heard=lambda: self._plant.host.linked)
        station = self._family(host)
        station.ssh = self._ssh(host)
        host.settle = lambda: self._close_unwanted(station)
        return station

    def _family(self, host: MinerHost) -> _Station:
        family = host.spec.family
        if family is Family.LUXOS:
            return _Station(host, LuxosApi(host, self._plant.rng(f"sessions/{host.spec.id}")), None)
        user, credential = self._login(family)
        password = self._secrets.get(credential)
        if family is Family.WHATSMINER:
            vault = TokenVault(password, self._plant.rng(f"tokens/{host.spec.id}"))
            return _Station(host, WhatsminerApi(host, vault, self._plant.images), None)
        if family is Family.ANTMINER_STOCK:
            return self._stock(host, user, password)
        assert_never(family)

    def _stock(self, host: MinerHost, user: str, password: str) -> _Station:
        key = self._plant.rng(f"nonces/{host.spec.id}/web").randbytes(16)
        guard = DigestGuard(REALM, user, password, key, host.now)
        web = AntminerWeb(host, guard, AntminerPages(host, self._plant.images))
        return _Station(host, StockApi(host), web)

    def _ssh(self, host: MinerHost) -> MinerSsh | None:
        login = self._ssh_logins.get(host.spec.id)
        if host.spec.family is Family.LUXOS:
            login = login or SSH_LOGIN
        if login is None or host.spec.family is Family.WHATSMINER:
            return None
        user, credential = login
        habits = SshHabits(user, self._secrets.get(credential))
        return MinerSsh(host, self._plant.images, self._keys, habits)

    def _login(self, family: Family) -> Login:
        try:
            return self._logins[family]
        except KeyError:
            raise ValueError(f"{family} needs a login: expected its user and credential in `logins`") from None
