"""Little conversations over connections and datagrams, each a coroutine that returns what its ends were told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from simulators.memory_stream import HIGH_WATER_BYTES

HOST = "127.77.3.1"
LARGE = 8_000_000
"""More than any loopback socket holds on its way."""

Said = list[object]


class Side(asyncio.Protocol):
    """Notes what it is told; what came in pieces is noted as one."""

    def __init__(self, *, keeps_open: bool = False, on_data: Callable[["Side"], None] = lambda _: None) -> None:
        self.said: Said = []
        self.received = bytearray()
        self.paused = 0
        self.resumed = 0
        self.lost = asyncio.get_running_loop().create_future()
        self.made = asyncio.Event()
        self._keeps_open = keeps_open
        self._on_data = on_data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.said.append("made")
        self.made.set()

    def data_received(self, data: bytes) -> None:
        if not self.said or self.said[-1] != "data":
            self.said.append("data")
        self.received += data
        self._on_data(self)

    def eof_received(self) -> bool:
        self.said.append("eof")
        return self._keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.said.append(("lost", type(exc).__name__))
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.paused += 1

    def resume_writing(self) -> None:
        self.resumed += 1


class Call:
    """A client and the side of the server that took its connection."""

    def __init__(self, client: Side, server: Side, listening: asyncio.AbstractServer) -> None:
        self.client, self.server = client, server
        self.listening = listening

    async def end(self) -> tuple[Said, Said]:
        for side in (self.client, self.server):
            if not side.lost.done():  # some versions of asyncio fail at an abort behind the end
                side.transport.abort()
            async with asyncio.timeout(5.0):
                await side.lost
        self.listening.close()
        return self.client.said, self.server.said


async def call(client: Callable[[], Side] = Side, server: Callable[[], Side] = Side) -> Call:
    taken = server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: taken, HOST, 0, family=socket.AF_INET)
    _, side = await loop.create_connection(client, *listening.sockets[0].getsockname())
    await taken.made.wait()
    return Call(side, taken, listening)


def reset(side: Side) -> None:
    sock = side.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.transport.abort()


# -- conversations -----------------------------------------------------------------------------------------------------


async def question_and_answer() -> object:
    def answer(side: Side) -> None:
        side.transport.write(b"pong")
        side.transport.close()

    c = await call(server=lambda: Side(on_data=answer))
    c.client.transport.write(b"ping")
    await c.client.lost
    return await c.end(), bytes(c.client.received), bytes(c.server.received)


async def client_closes() -> object:
    c = await call()
    c.client.transport.write(b"bye")
    c.client.transport.close()
    await c.server.lost
    return await c.end(), bytes(c.server.received)


async def client_aborts() -> object:
    c = await call()
    c.client.transport.abort()
    await c.server.lost
    return await c.end()


async def server_resets() -> object:
    c = await call()
    reset(c.server)
    await c.client.lost
    return await c.end()


async def reset_behind_half_a_reply() -> object:
    c = await call()
    c.server.transport.write(b"half a rep")
    reset(c.server)
    await c.client.lost
    return await c.end(), bytes(c.client.received)


async def close_with_bytes_unread_is_a_reset() -> object:
    c = await call()
    c.server.transport.pause_reading()
    c.client.transport.write(b"never read")
    await asyncio.sleep(0.01)
    c.server.transport.close()
    await c.client.lost
    return await c.end()


async def write_to_a_peer_that_is_gone() -> object:
    c = await call(client=lambda: Side(keeps_open=True))
    c.server.transport.close()
    await c.server.lost
    await asyncio.sleep(0.01)
    c.client.transport.write(b"lost")
    await asyncio.sleep(0.01)
    still_there = not c.client.transport.is_closing()
    c.client.transport.write(b"broken")
    await c.client.lost
    return await c.end(), still_there


async def write_after_a_reset_while_not_reading() -> object:
    c = await call()
    c.client.transport.pause_reading()
    reset(c.server)
    await asyncio.sleep(0.01)
    unaware = not c.client.transport.is_closing()
    c.client.transport.write(b"x")
    await c.client.lost
    return await c.end(), unaware


async def reset_seen_on_reading_again() -> object:
    c = await call()
    c.client.transport.pause_reading()
    c.server.transport.write(b"before")
    reset(c.server)
    await asyncio.sleep(0.01)
    c.client.transport.resume_reading()
    await c.client.lost
    return await c.end(), bytes(c.client.received)


async def half_closed_each_way() -> object:
    c = await call(client=lambda: Side(keeps_open=True), server=lambda: Side(keeps_open=True))
    c.client.transport.write(b"all of it")
    c.client.transport.write_eof()
    await asyncio.sleep(0.01)
    c.server.transport.write(b"answer")
    c.server.transport.write_eof()
    await asyncio.sleep(0.01)
    with pytest.raises(RuntimeError):
        c.client.transport.write(b"more")
    alive = [not side.transport.is_closing() for side in (c.client, c.server)]
    return await c.end(), alive, bytes(c.client.received), bytes(c.server.received)


async def end_behind_a_large_transfer() -> object:
    c = await call()
    c.client.transport.write(bytes(LARGE))
    c.client.transport.write_eof()
    await c.server.lost
    return await c.end(), len(c.server.received)


async def close_behind_a_large_transfer() -> object:
    c = await call()
    c.client.transport.write(bytes(LARGE))
    c.client.transport.close()
    await c.server.lost
    return await c.end(), len(c.server.received), c.client.transport.get_write_buffer_size()


async def reader_that_holds_the_writer_up() -> object:
    c = await call()
    c.server.transport.pause_reading()
    c.client.transport.write(bytes(LARGE))
    await asyncio.sleep(0.01)
    held = c.client.paused, c.client.resumed, c.client.transport.get_write_buffer_size() > HIGH_WATER_BYTES
    c.server.transport.resume_reading()
    c.client.transport.write_eof()
    await c.server.lost
    return await c.end(), len(c.server.received), held, c.client.paused, c.client.resumed


async def reset_in_a_large_transfer() -> object:
    c = await call()
    c.client.transport.pause_reading()
    c.server.transport.pause_reading()
    c.client.transport.write(bytes(LARGE))
    await asyncio.sleep(0.01)
    reset(c.server)
    await c.client.lost
    return await c.end()


async def protocol_that_fails() -> object:
    def fail(_: Side) -> None:
        raise KeyError("what came")

    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(type(context["exception"]).__name__))
    c = await call(server=lambda: Side(on_data=fail))
    c.client.transport.write(b"x")
    await c.client.lost
    return await c.end(), told


async def nobody_listens() -> object:
    c = await call()
    endpoint = c.listening.sockets[0].getsockname()  # type: ignore[attr-defined] # every server of a loop has them
    await c.end()
    with pytest.raises(ConnectionRefusedError) as refused:
        await asyncio.get_running_loop().create_connection(Side, *endpoint)
    return refused.value.errno


async def address_in_use() -> object:
    c = await call()
    loop = asyncio.get_running_loop()
    with pytest.raises(OSError) as taken:  # noqa: PT011 - its number is what is compared
        await loop.create_server(Side, *c.listening.sockets[0].getsockname())  # type: ignore[attr-defined] # as above
    one, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(HOST, 0))
    with pytest.raises(OSError) as taken_too:  # noqa: PT011 - see above
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=one.get_extra_info("sockname"))
    one.close()
    return await c.end(), taken.value.errno, taken_too.value.errno


async def server_closes_and_its_connections_live_on() -> object:
    c = await call()
    c.listening.close()
    await asyncio.sleep(0.01)
    c.client.transport.write(b"still here")
    await asyncio.sleep(0.01)
    return bytes(c.server.received), await c.end()


async def server_that_serves_later() -> object:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Side, HOST, 0, start_serving=False)
    endpoint = server.sockets[0].getsockname()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(Side, *endpoint)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.01)
    _, side = await loop.create_connection(Side, *endpoint)
    served = server.is_serving()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    side.transport.close()
    await side.lost
    await asyncio.sleep(0.01)
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(Side, *endpoint)
    return side.said, served, server.is_serving()


async def addresses() -> object:
    c = await call()
    near, far = c.client.transport.get_extra_info, c.server.transport.get_extra_info
    assert near("sockname") == far("peername")
    assert near("peername") == far("sockname")
    await c.end()
    return near("sockname")[0], near("peername")[0], near("sslcontext")


async def streams() -> object:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line[-2::-1] + b"\n")
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(reverse, HOST, 0, limit=1024) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"abc\nde")
        await asyncio.sleep(0.01)
        writer.write(b"f\n")
        writer.write_eof()
        replies = await reader.read()
        writer.close()
        await writer.wait_closed()
    return replies


class Ear(asyncio.DatagramProtocol):
    def __init__(self, *, answers: bool = False) -> None:
        self.heard: list[object] = []
        self._answers = answers

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append((data, addr[0]))
        if self._answers:
            self.transport.sendto(data[::-1], addr)

    def error_received(self, exc: Exception) -> None:
        self.heard.append(type(exc).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append(("lost", exc))


async def datagrams() -> object:
    loop = asyncio.get_running_loop()
    device, there = await loop.create_datagram_endpoint(lambda: Ear(answers=True), local_addr=(HOST, 0))
    client, here = await loop.create_datagram_endpoint(Ear, local_addr=("0.0.0.0", 0))
    to = device.get_extra_info("sockname")
    for data in (b"one", b"two", b"x" * 9000):
        client.sendto(data, to)
    client.sendto(b"to nobody", (HOST, 9))
    client.sendto(bytes(70_000), to)
    await asyncio.sleep(0.01)
    device.close()
    await asyncio.sleep(0.01)
    client.sendto(b"late", to)
    await asyncio.sleep(0.01)
    client.close()
    client.sendto(b"closed", to)
    await asyncio.sleep(0.01)
    return here.heard, there.heard


async def connected_datagrams() -> object:
    loop = asyncio.get_running_loop()
    device, _ = await loop.create_datagram_endpoint(lambda: Ear(answers=True), local_addr=(HOST, 0))
    client, here = await loop.create_datagram_endpoint(Ear, remote_addr=device.get_extra_info("sockname"))
    client.sendto(b"one")
    await asyncio.sleep(0.01)
    device.close()
    await asyncio.sleep(0.01)
    client.sendto(b"two")
    await asyncio.sleep(0.01)
    client.close()
    await asyncio.sleep(0.01)
    return here.heard


async def web_client_keeps_its_connection() -> object:
    """httpx polls an idle connection's descriptor before it uses it again."""
    taken = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            for _ in range(2):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with await asyncio.start_server(serve, HOST, 0) as server, httpx.AsyncClient(trust_env=False) as client:
        host, port = server.sockets[0].getsockname()
        replies = [(await client.get(f"http://{host}:{port}/")).text for _ in range(3)]
        await client.aclose()
        await asyncio.sleep(0.01)
    return replies, taken


CONVERSATIONS: list[Callable[[], Coroutine[Any, Any, object]]] = [
    question_and_answer,
    client_closes,
    client_aborts,
    server_resets,
    reset_behind_half_a_reply,
    close_with_bytes_unread_is_a_reset,
    write_to_a_peer_that_is_gone,
    write_after_a_reset_while_not_reading,
    reset_seen_on_reading_again,
    half_closed_each_way,
    end_behind_a_large_transfer,
    close_behind_a_large_transfer,
    reader_that_holds_the_writer_up,
    reset_in_a_large_transfer,
    protocol_that_fails,
    nobody_listens,
    address_in_use,
    server_closes_and_its_connections_live_on,
    server_that_serves_later,
    addresses,
    streams,
    datagrams,
    connected_datagrams,
    web_client_keeps_its_connection,
]
