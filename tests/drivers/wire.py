"""Small servers on loopback that misbehave in one way each."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto


class Wire(Enum):
    REPLY = auto()
    """Sends the reply and closes."""
    HELD_OPEN = auto()
    """Sends the reply and keeps the connection."""
    DRIPPED = auto()
    """Sends the reply in small pieces."""
    SILENT = auto()
    ENDLESS = auto()
    RESET = auto()
    """Resets before the first byte."""
    RESET_AFTER = auto()
    """Sends the reply, then resets."""
    CLOSED = auto()
    """Closes without a reply."""


@asynccontextmanager
async def serving(wire: Wire, reply: bytes = b"") -> AsyncIterator[tuple[str, int]]:
    """Yield the endpoint of such a server."""
    tasks: set[asyncio.Task[None]] = set()

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if wire is Wire.DRIPPED:
            for start in range(0, len(reply), 101):
                writer.write(reply[start : start + 101])
                await writer.drain()
                await asyncio.sleep(0)
        elif wire is Wire.ENDLESS:
            while not writer.is_closing():
                writer.write(b"x" * 1000)
                await writer.drain()
        else:
            writer.write(reply)
        if wire in (Wire.SILENT, Wire.HELD_OPEN):
            await reader.read()
        if wire in (Wire.RESET, Wire.RESET_AFTER):
            await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await asyncio.sleep(0.005)  # what was sent is to arrive before the reset

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def serve() -> None:
            try:
                await misbehave(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        task = asyncio.ensure_future(serve())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def unused_endpoint() -> tuple[str, int]:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
    return str(host), int(port)
