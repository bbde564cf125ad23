"""Miners on real loopback sockets with habits that a test can change, and a family as plain as can be."""

import asyncio
import json
import math
import resource
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum, auto
from itertools import pairwise
from typing import Any

from agent.clock import Clock
from agent.drivers.net import DirectDialer
from agent.model.errors import CodecError, DeviceError
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Outlet, Pdu, Port, Site, Switch
from agent.observe.observer import Observer
from agent.observe.settings import PollSettings
from agent.observe.sources import PduSource, SwitchSource
from simulators.agent_host import SimulatedHost
from simulators.plant.agent_host import AgentHostPlant

EPOCH_S = 1_800_000_000.0
PORT = 14028
REQUEST = b"telemetry\0"


class Habit(Enum):
    """What a miner does with a connection."""

    ANSWERS = auto()
    SLOW = auto()
    """Answers after two seconds."""
    SILENT = auto()
    """Accepts, and never answers."""
    HUGE = auto()
    """Ten megabytes."""
    ENDLESS = auto()
    """A few bytes now and then, for ever."""
    HALF = auto()
    """Half a JSON document, then the end."""
    ERROR = auto()
    """The API's error in place of telemetry."""
    PUZZLE = auto()
    """Something our decoder has a bug with."""


class PlainSource:
    """A family that tells its rate and age as two JSON numbers."""

    port = PORT
    request = REQUEST

    def decode(self, reply: bytes) -> Telemetry:
        try:
            said = json.loads(reply)
        except ValueError as error:
            raise CodecError(f"expected a JSON document, got {reply[:20]!r}") from error
        if "error" in said:
            raise DeviceError(f"the miner answered an error: {said['error']}")
        return Telemetry(hashrate_th=said["rate"], elapsed_s=said["age"], accepted=said["age"] / (1 - said["puzzle"]))

    async def is_suspended(self, miner: Miner) -> bool | None:
        """It cannot tell."""


class Farm:
    """Every miner of a site, listening at its own host. Times are the loop's, in s."""

    def __init__(self, hosts: list[str]) -> None:
        self.hosts = hosts
        self.habit: dict[str, Habit] = dict.fromkeys(hosts, Habit.ANSWERS)
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.open: dict[str, int] = defaultdict(int)
        self.most_open: dict[str, int] = defaultdict(int)
        self.open_at_all = 0
        self.most_open_at_all = 0
        self.servers: dict[str, asyncio.Server] = {}

    async def listen(self, *hosts: str) -> None:
        loop = asyncio.get_running_loop()
        _allow_descriptors(2 * len(self.hosts) + 512)
        for host in hosts or self.hosts:
            self.servers[host] = await loop.create_server(lambda h=host: _Connection(self, h), host, PORT, backlog=16)

    async def deafen(self, host: str) -> None:
        """Stop listening: connections to it are refused from now on."""
        self.servers.pop(host).close()
        await asyncio.sleep(0)

    async def close(self) -> None:
        for server in self.servers.values():
            server.close()
        await asyncio.sleep(0)

    def gaps_s(self, host: str) -> list[float]:
        """Distances between the arrivals of two polls."""
        times = self.arrivals[host]
        return [after - before for before, after in pairwise(times)]


class _Connection(asyncio.Protocol):
    def __init__(self, farm: Farm, host: str) -> None:
        self.farm = farm
        self.host = host

    def connection_made(self, transport: Any) -> None:
        farm, host = self.farm, self.host
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.received = b""
        self.later: asyncio.TimerHandle | None = None
        farm.arrivals[host].append(self.loop.time())
        farm.open[host] += 1
        farm.most_open[host] = max(farm.most_open[host], farm.open[host])
        farm.open_at_all += 1
        farm.most_open_at_all = max(farm.most_open_at_all, farm.open_at_all)

    def connection_lost(self, exc: Exception | None) -> None:
        self.farm.open[self.host] -= 1
        self.farm.open_at_all -= 1
        if self.later is not None:
            self.later.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received != REQUEST:
            return
        match self.farm.habit[self.host]:
            case Habit.ANSWERS:
                self.later = self.loop.call_later(0.1, self.say, self.telemetry())
            case Habit.SLOW:
                self.later = self.loop.call_later(2.0, self.say, self.telemetry())
            case Habit.HUGE:
                self.say(b'{"rate": "' + b"x" * 10_000_000)
            case Habit.ENDLESS:
                self.trickle()
            case Habit.HALF:
                self.say(self.telemetry()[:9])
            case Habit.ERROR:
                self.say(b'{"error": "not ready"}')
            case Habit.PUZZLE:
                self.say(b'{"rate": 1.0, "age": 1.0, "puzzle": 1}')
            case Habit.SILENT:
                pass

    def telemetry(self) -> bytes:
        return json.dumps({"rate": 100.0, "age": self.loop.time(), "puzzle": 0}).encode()

    def say(self, reply: bytes) -> None:
        self.transport.write(reply)
        self.transport.close()

    def trickle(self) -> None:
        self.transport.write(b"{" * 10)
        self.later = self.loop.call_later(0.5, self.trickle)


def _allow_descriptors(number: int) -> None:
    """Raise the process's soft limit of open files, where a login shell left it at 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def host_of(number: int) -> str:
    """Return the number-th miner's own loopback address."""
    return f"127.80.{number // 250}.{number % 250 + 1}"


def site_of(miners: int, *, pdus: tuple[Pdu, ...] = (), switches: tuple[Switch, ...] = ()) -> Site:
    """Return a site of miners m0, m1 …; miner k hangs on the k-th PDU and switch, in turn."""

    def miner(k: int) -> Miner:
        outlets = (Outlet(pdus[k % len(pdus)].id, 1 + k // len(pdus)),) if pdus else (Outlet(PduId("none"), 1 + k),)
        port = Port(switches[k % len(switches)].id, 1 + k // len(switches)) if switches else None
        return Miner(MinerId(f"m{k}"), host_of(k), Family.LUXOS, "plain", 100.0, 3000.0, outlets, port=port)

    return Site("farm", tuple(miner(k) for k in range(miners)), pdus, switches)


@asynccontextmanager
async def observed(
    site: Site,
    settings: PollSettings,
    *,
    deaf: tuple[int, ...] = (),
    pdus: Mapping[PduId, PduSource] | None = None,
    switches: Mapping[SwitchId, SwitchSource] | None = None,
    habits: Mapping[int, Habit] | None = None,
    machine: AgentHostPlant | None = None,
) -> AsyncIterator[tuple[Farm, SiteView, Observer]]:
    """Run a farm and an observer that is about to be started; `deaf` miners do not listen."""
    farm = Farm([miner.host for miner in site.miners])
    for number, habit in (habits or {}).items():
        farm.habit[host_of(number)] = habit
    listening = [host for number, host in enumerate(farm.hosts) if number not in deaf]
    if listening:
        await farm.listen(*listening)
    view = SiteView(site)
    observer = Observer(
        view,
        Clock.virtual(asyncio.get_running_loop(), EPOCH_S),
        DirectDialer(),
        miner_drivers=dict.fromkeys(Family, PlainSource()),
        pdu_drivers=pdus or {},
        switch_drivers=switches or {},
        settings=settings,
        host=SimulatedHost(machine or AgentHostPlant()),
    )
    try:
        yield farm, view, observer
    finally:
        await observer.stop()
        await farm.close()


def measured(values: Any) -> list[bool]:
    """Return, for each value, whether it was ever measured."""
    return [not math.isnan(value) for value in values]
