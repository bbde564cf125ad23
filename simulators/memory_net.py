"""The memory tier: a virtual-time loop whose connections and datagrams never leave the process.

What runs on it is what runs on sockets, unchanged: the loop's own `create_server`, `create_connection` and
`create_datagram_endpoint` are carried from one transport to the other in memory. How a stream ends, is reset, fills up
and flows again follows Linux on loopback; `memory_stream` holds that. The order of everything is the order in which it
was called for, so a run is the same every time.

There is no other network here: addresses outside 127/8 cannot be reached, names are not resolved, and nothing that
brings a descriptor of its own (pipes, subprocesses, real sockets, TLS) has a place on this loop.
"""

import asyncio
import contextlib
import contextvars
import errno
import ipaddress
import os
import selectors
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, TypeVar

from simulators import virtual_time
from simulators.memory_datagram import ANY, LOOPBACK, DatagramEnd
from simulators.memory_stream import Address, Stream, Watchable, broken, pair

T = TypeVar("T")

EPHEMERAL = range(32_768, 61_000)

Factory = Callable[[], Any]


class _BlindSelector(selectors.DefaultSelector):
    """A selector that looks at the loop's own wake-up pipe, only while a thread works, and at nothing else."""

    def __init__(self, on_idle: Callable[[float | None], float]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Take the loop's own pipe, which comes first; refuse whatever else has a descriptor."""
        if self.get_map():
            raise RuntimeError(
                f"expected nothing but connections in memory on this loop, came the descriptor {fileobj!r}: "
                "run what needs real sockets, pipes or processes on VirtualTimeLoop"
            )
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the clock jump; look, and wait in reality, only where it must not."""
        wait_s = self._on_idle(timeout)
        return super().select(wait_s) if wait_s > 0 else []


class _Ports(Generic[T]):
    """Who is bound where, for one protocol."""

    def __init__(self) -> None:
        self._bound: dict[Address, T] = {}
        self._given = 0

    def at(self, address: Address) -> T | None:
        """Return who hears what is sent to an address."""
        found = self._bound.get(address)
        return found if found is not None else self._bound.get((ANY, address[1]))

    def bind(self, host: str, port: int, owner: T) -> Address:
        """Give a place to `owner`, on a free port if `port` is 0; OSError if it is taken."""
        if port == 0:
            port = next((p for p in (self.ephemeral() for _ in EPHEMERAL) if not self._is_taken(host, p)), 0)
        if port == 0 or self._is_taken(host, port):
            raise broken(OSError, errno.EADDRINUSE)
        self._bound[host, port] = owner
        return host, port

    def release(self, address: Address) -> None:
        """Free a place."""
        self._bound.pop(address, None)

    def ephemeral(self) -> int:
        """Return the next port for somebody who does not care which."""
        self._given += 1
        return EPHEMERAL[self._given % len(EPHEMERAL)]

    def _is_taken(self, host: str, port: int) -> bool:
        if host == ANY:
            return any(p == port for _, p in self._bound)
        return (host, port) in self._bound or (ANY, port) in self._bound


class _Listening:
    """What a server's `sockets` show of an address."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def getsockname(self) -> Address:
        """Return the address."""
        return self._address


class _Server(asyncio.AbstractServer):
    """The listening side. Connections are taken as they are made: there is no backlog."""

    def __init__(self, loop: "MemoryLoop", ports: "_Ports[_Server]", factory: Factory) -> None:
        self._loop = loop
        self._ports = ports
        self._factory = factory
        self._context = contextvars.copy_context()
        self._addresses: list[Address] = []
        self._serving = False
        self._connections = 0
        self._idle: asyncio.Future[None] | None = None

    def bind(self, host: str, port: int) -> None:
        """Take an address; OSError if it is taken."""
        self._addresses.append(self._ports.bind(host, port, self))

    def accept(self, stream: Stream) -> None:
        """Hand a new connection to a protocol of its own, along with what its client has said already."""
        try:
            protocol = self._factory()
        except Exception as error:
            stream.refuse()
            self._loop.call_exception_handler({"message": "no protocol for a new connection", "exception": error})
            return
        self._connections += 1
        stream.on_end = self.detach
        stream.open(protocol)

    def context(self) -> contextvars.Context:
        """Return the context for one connection's callbacks."""
        return self._context.copy()

    def detach(self) -> None:
        """Count a connection that ended."""
        self._connections -= 1
        self._tell()

    @property
    def sockets(self) -> tuple[_Listening, ...]:
        """The addresses listened at."""
        return tuple(_Listening(address) for address in self._addresses)

    def close(self) -> None:
        """Stop listening; connections live on."""
        for address in self._addresses:
            self._ports.release(address)
        self._addresses.clear()
        self._serving = False
        self._tell()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Tell whether connections are taken."""
        return self._serving

    async def start_serving(self) -> None:
        """Take connections from now on."""
        self._serving = True

    async def serve_forever(self) -> None:
        """Take connections until cancelled, then close."""
        await self.start_serving()
        try:
            await self._loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """Return once the server is closed and its last connection has ended."""
        while self._addresses or self._connections:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)

    def _tell(self) -> None:
        if self._idle is not None and not self._addresses and not self._connections:
            self._idle.set_result(None)
            self._idle = None


class MemoryLoop(virtual_time.VirtualTimeLoop):
    """A virtual-time loop that carries connections and datagrams on 127/8 in memory.

    Nothing comes in while anything is ready: it looks only now and then, for the guard against running for ever.

    Raises WallTimeoutError out of `run_until_complete` as its base does.
    """

    turns_unseen = 1024

    def __init__(self, *, timeout_wall_s: float) -> None:
        self._servers: _Ports[_Server] = _Ports()
        self._datagram_ends: _Ports[DatagramEnd] = _Ports()
        self._watchable = Watchable()
        super().__init__(timeout_wall_s=timeout_wall_s)

    def _make_selector(self) -> selectors.BaseSelector:
        return _BlindSelector(self._idle)

    async def create_server(  # type: ignore[override] # a server, though none that owns sockets
        self,
        protocol_factory: Factory,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        sock: None = None,
        ssl: None = None,
        start_serving: bool = True,
        **_options: Any,
    ) -> _Server:
        """Listen on loopback. Raises OSError for an address that is taken or lies outside."""
        _expect_plain(sock=sock, ssl=ssl)
        server = _Server(self, self._servers, protocol_factory)
        try:
            for one in [host] if host is None or isinstance(host, str) else host:
                server.bind(_local(one), port or 0)
        except OSError:
            server.close()
            raise
        if start_serving:
            await server.start_serving()
        return server

    async def create_connection(
        self,
        protocol_factory: Factory,
        host: str | None = None,
        port: int | None = None,
        *,
        sock: object = None,
        ssl: object = None,
        local_addr: Address | None = None,
        **_options: Any,
    ) -> tuple[asyncio.Transport, Any]:
        """Connect to a server of this loop.

        Raises:
            ConnectionRefusedError: nothing listens there.
            OSError: the address lies outside.
        """
        if sock is not None or ssl is not None:
            _expect_plain(sock=sock, ssl=ssl)
        remote = (host or LOOPBACK, port or 0)
        server = self._servers.at(remote)
        if server is None or not server.is_serving():
            remote = (_reachable(remote[0]), remote[1])
            server = self._servers.at(remote)
            if server is None or not server.is_serving():
                await _turn()
                raise broken(ConnectionRefusedError, errno.ECONNREFUSED)
        here, own_port = (LOOPBACK, 0) if local_addr is None else local_addr
        local = (here, own_port or self._servers.ephemeral())
        context = server.context()
        client, served = pair(self, self._watchable, (local, contextvars.copy_context()), (remote, context))
        protocol = protocol_factory()
        client.open(protocol)
        context.run(server.accept, served)
        return client, protocol

    async def create_datagram_endpoint(  # type: ignore[override] # sockets of one's own are not taken
        self,
        protocol_factory: Factory,
        local_addr: Address | None = None,
        remote_addr: Address | None = None,
        *,
        sock: None = None,
        **_options: Any,
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """Open a datagram endpoint on loopback. Raises OSError for an address that is taken or lies outside."""
        _expect_plain(sock=sock)
        host, port = (ANY, 0) if local_addr is None else local_addr[:2]
        remote = None if remote_addr is None else (_reachable(remote_addr[0]), remote_addr[1])
        end = DatagramEnd(self, self._datagram_ends.at, self._datagram_ends.release, remote)
        end.address = self._datagram_ends.bind(_local(host), port, end)
        try:
            protocol = protocol_factory()
        except BaseException:
            self._datagram_ends.release(end.address)
            raise
        end.schedule(end.open, protocol)
        try:
            await _turn()
        except BaseException:
            end.close()
            raise
        return end, protocol

    def close(self) -> None:
        """Close the loop."""
        super().close()
        self._watchable.close()


def run_memory(main: Coroutine[Any, Any, T], *, timeout_wall_s: float) -> T:
    """Run `main` on a MemoryLoop; in all else as `virtual_time.run` does."""
    return virtual_time.run(main, timeout_wall_s=timeout_wall_s, loop_type=MemoryLoop)


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let what is ready go first."""
    yield


def _expect_plain(**things: object) -> None:
    for name, thing in things.items():
        if thing:
            raise ValueError(f"expected a plain address, came {name}={thing!r}: the memory tier carries nothing else")


def _reachable(host: str) -> str:
    """Return the loopback address of a host; OSError for any other."""
    if host == "localhost":
        return LOOPBACK
    with contextlib.suppress(ValueError):
        if ipaddress.IPv4Address(host).is_loopback:
            return host
    raise OSError(errno.ENETUNREACH, f"{os.strerror(errno.ENETUNREACH)}: {host} is no address in 127/8")


def _local(host: str | None) -> str:
    """Return the address to bind; OSError where none of this host has it."""
    if host in (None, "", ANY):
        return ANY
    try:
        return _reachable(str(host))
    except OSError:
        raise broken(OSError, errno.EADDRNOTAVAIL) from None
