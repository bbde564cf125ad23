"""Serves routes on a Unix socket: HTTP/1.1, one request a connection, everything bounded.

The protocol is h11's; this reads and writes for it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import h11
import structlog

from agent.api.routes import Reply, Routes, refusal
from agent.api.socket import bound
from agent.model.errors import PolicyError

_log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 8_192
MAX_BODY_BYTES = 16_384
MAX_CONNECTIONS = 8
DEADLINE_S = 5.0
READ_BYTES = 4_096


class ApiServer:
    """One server on one socket.

    Args:
        where: the path of a Unix socket, which is there from `start` until `stop`; or what makes another socket.
    """

    def __init__(self, where: Path | Callable[[], socket.socket], routes: Routes) -> None:
        self._where = where
        self._routes = routes
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to serve. Raises PolicyError where the socket cannot be had."""
        if isinstance(self._where, Path):
            self._server = await asyncio.start_unix_server(self._connected, sock=bound(self._where))
        else:
            self._server = await asyncio.start_server(self._connected, sock=self._where())

    async def stop(self) -> None:
        """Serve no more, and take the socket away."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if isinstance(self._where, Path):
            with contextlib.suppress(FileNotFoundError):
                self._where.unlink()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._serve(reader, writer)
        except (TimeoutError, ConnectionError, h11.LocalProtocolError):
            pass  # whoever asked has gone, or does not say what it wants
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            reply = await self._reply(connection, reader)
        except h11.RemoteProtocolError as error:
            reply = refusal(error.error_status_hint, f"expected a request in HTTP/1.1: {error}")
        if reply is None:
            return
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(reply.body))),
            ("Connection", "close"),
        ]
        head = connection.send(h11.Response(status_code=reply.status, headers=headers))
        body = connection.send(h11.Data(data=reply.body))
        writer.write((head or b"") + (body or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()

    async def _reply(self, connection: h11.Connection, reader: asyncio.StreamReader) -> Reply | None:
        """Read one request and answer it; None where nobody asks for anything."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    return refusal(413, f"expected a body of at most {MAX_BODY_BYTES} bytes; more came")
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return await self._answer(request, bytes(body))
            else:
                return None

    async def _answer(self, request: h11.Request, body: bytes) -> Reply:
        try:
            headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
            return await self._routes.answer(request.method.decode(), request.target.decode(), body, headers)
        except Exception:
            _log.exception("api_request_failed", method=request.method.decode())
            return refusal(500, "an internal error; the log of the process that serves this has it")


@contextlib.asynccontextmanager
async def serving(path: Path, routes: Routes) -> AsyncIterator[None]:
    """Serve routes while the block lasts; a socket that cannot be had is logged, and the agent works without."""
    server = ApiServer(path, routes)
    try:
        await server.start()
    except PolicyError as error:
        _log.error("no_local_api", reason=str(error))
    try:
        yield
    finally:
        await server.stop()
