"""A probe before simulated pools, a simulated nameserver, or a peer that a test scripts, on sockets and in memory."""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent.clock import Clock
from agent.drivers.net import DirectDialer
from agent.drivers.pools.probe import PoolProbe
from agent.drivers.pools.resolver import Resolver
from agent.model.ids import PoolId
from agent.model.probe import ProbeResult, Stage
from agent.model.topology import Pool
from simulators.devices.dns import DnsServer, names_of
from simulators.devices.stratum import StratumPools
from simulators.devices.stratum_sessions import PoolHost
from simulators.loopback import LoopbackDialer, loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.clockwork import Clockwork
from simulators.plant.pools import PoolPlant, Trouble
from simulators.virtual_time import run

T = TypeVar("T")
Tier = Callable[[Coroutine[Any, Any, T]], T]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SUBSCRIBED = b'{"id":1,"result":[[["mining.notify","a"]],"08000002",4],"error":null}\n'
WELCOME = b'{"id":2,"result":true,"error":null}\n'
DIFFICULTY = b'{"id":null,"method":"mining.set_difficulty","params":[65536]}\n'
HASH = "ab" * 32
JOB = (
    json.dumps(
        {
            "id": None,
            "method": "mining.notify",
            "params": ["1", HASH, "01", "ff", [], "20000000", "17034219", "66f0a1b2", True],
        }
    ).encode()
    + b"\n"
)
WAY = [Stage.DNS, Stage.TCP, Stage.SUBSCRIBE, Stage.AUTHORIZE, Stage.WORK]
EPOCH_S = 1_767_225_600.0
WORKER = "site.m1"
NAMESERVER = f"dns-{os.getpid()}.test"
"""Names fall on addresses of their own; test runs beside this one get others."""


def in_memory(main: Coroutine[Any, Any, T]) -> T:
    return run_memory(_tidily(main), timeout_wall_s=20.0)


def on_sockets(main: Coroutine[Any, Any, T]) -> T:
    """Real sockets, virtual time."""
    return run(_tidily(main), timeout_wall_s=20.0)


async def _tidily(main: Coroutine[Any, Any, T]) -> T:
    """Insist that nothing goes on once `main` has returned."""
    result = await main
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"left unfinished: {left}"
    return result


@dataclass
class PoolBench:
    """One simulated pool behind a name, its nameserver, and a probe."""

    pool: Pool
    pools: StratumPools
    dns: DnsServer
    probe: PoolProbe
    plant: PoolPlant

    @property
    def host(self) -> PoolHost:
        return self.pools.hosts[self.pool.id]

    def pools_address(self) -> str:
        """Where the pool listens."""
        return loopback_endpoint(self.pool.host, self.pool.port)[0]

    async def look(self, password: str = "x") -> ProbeResult:
        context = ssl.create_default_context(cadata=self.pools.certificate) if self.pool.tls else None
        return await self.probe.probe(self.pool, WORKER, password, context=context)

    async def begin(self, trouble: Trouble, figure: float = 0.0) -> None:
        """Let something go wrong with the pool."""
        self.plant.begin(trouble, asyncio.get_running_loop().time(), figure)
        await asyncio.sleep(2.0)

    async def end(self, trouble: Trouble) -> None:
        """Put it right; the sockets follow."""
        self.plant.end(trouble, asyncio.get_running_loop().time())
        await asyncio.sleep(2.0)


@dataclass
class Blocks:
    """When blocks are found, to be set by a test."""

    found: list[float] = field(default_factory=list)

    def between(self, a: float, b: float) -> tuple[float, ...]:
        return tuple(at for at in self.found if a <= at < b)


@asynccontextmanager
async def pool_bench(
    *, tls: bool = False, host: str | None = None, port: int = 3333, blocks: Blocks | None = None
) -> AsyncIterator[PoolBench]:
    pool = Pool(PoolId("pool-1"), host or f"pool-{os.getpid()}.test", port, tls)
    clockwork = Clockwork(asyncio.get_running_loop().time())
    plant = PoolPlant(pool.id, pool.url, clockwork)
    pools = StratumPools(
        [pool],
        {pool.id: plant},
        epoch_s=EPOCH_S,
        advance=clockwork.advance,
        blocks_between=(blocks or Blocks()).between,
    )
    dns = DnsServer(NAMESERVER, names_of([pool.host]), pools.dns_fault)
    dialer = LoopbackDialer()
    clock = Clock.virtual(asyncio.get_running_loop(), EPOCH_S)
    await dns.start()
    try:
        await pools.start()
        try:
            yield PoolBench(pool, pools, dns, PoolProbe(dialer, Resolver(dialer, [NAMESERVER]), clock), plant)
        finally:
            await pools.stop()
    finally:
        dns.stop()
        await asyncio.sleep(0)


@asynccontextmanager
async def peer(script: Script) -> AsyncIterator[tuple[str, int]]:
    """Serve a script on a port of its own; what a client does to it ends it quietly."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await script(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def direct_probe(**settings: float) -> PoolProbe:
    clock = Clock.virtual(asyncio.get_running_loop(), EPOCH_S)
    return PoolProbe(DirectDialer(), Resolver(DirectDialer(), []), clock, **settings)


async def look_at(
    endpoint: tuple[str, int], *, password: str = "x", tls: ssl.SSLContext | None = None, **settings: float
) -> ProbeResult:
    pool = Pool(PoolId("peer"), *endpoint, tls=tls is not None)
    return await direct_probe(**settings).probe(pool, WORKER, password, context=tls)


async def look_at_script(script: Script, **settings: Any) -> ProbeResult:
    async with peer(script) as endpoint:
        return await look_at(endpoint, **settings)


def stages(result: ProbeResult) -> list[Stage]:
    return [step.stage for step in result.steps]


def saying(*said: bytes, then_close: bool = False) -> Script:
    """A peer that answers each line it hears with the next of `said`, and then listens on or closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for words in said:
            await reader.readline()
            writer.write(words)
        if not then_close:
            await reader.read()
        else:
            await writer.drain()
            await asyncio.sleep(0.01)  # what was said arrives before the end

    return script
