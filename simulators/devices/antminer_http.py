"""The web server of a stock Antminer: HTTP/1.1 with keep-alive, every page behind digest authentication.

Bounded throughout: heads, bodies, requests a connection, idle time. What the pages say is in `antminer_pages`.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from simulators.devices.antminer_pages import UPGRADE_PAGES, AntminerPages, Page
from simulators.devices.digest import DigestGuard, Verdict
from simulators.devices.host import SILENT_CLOSE_S, MinerHost, Presence, Service, reset
from simulators.plant.state import WireFaultKind

REALM = "antMiner Configuration"
MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_IMAGE_BYTES = 128 * 1024 * 1024
"""More than any control board's flash memory, form and all."""
MAX_LENGTH_DIGITS = 12
MAX_REQUESTS = 100
IDLE_CLOSE_S = 10.0
UPLOAD_S = 300.0
"""What an upload may take."""


class BadRequestError(Exception):
    """Not a request this server understands; carries the HTTP status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


class AntminerWeb:
    """The web server of one miner; `serve` handles one connection."""

    def __init__(self, host: MinerHost, guard: DigestGuard, pages: AntminerPages) -> None:
        self._host = host
        self._guard = guard
        self._pages = pages

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client, the clock or the miner's state ends it."""
        transport = writer.transport
        presence = self._host.presence(Service.WEB)
        struck = self._host.strike()
        try:
            if (
                presence is Presence.REFUSES
                or not self._host.admit(transport, Service.WEB)
                or struck is WireFaultKind.DROP
            ):
                reset(transport)
            elif presence is Presence.SILENT or struck is WireFaultKind.SILENT:
                await self._ignore(reader, transport)
            else:
                await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._host.release(transport)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for served in range(1, MAX_REQUESTS + 1):
            try:
                request = await read_request(reader)
            except BadRequestError as bad:
                await self._send(writer, Page(bad.status, b""), keep_alive=False)
                return
            if request is None:
                return
            await asyncio.sleep(self._host.delay_s())
            presence = self._host.presence(Service.WEB)
            if presence is not Presence.ANSWERS:
                await self._ignore(reader, writer.transport, give_up=presence is Presence.REFUSES)
                return
            if not await self._answer(request, writer, keep_alive=request.keep_alive and served < MAX_REQUESTS):
                return

    async def _answer(self, request: HttpRequest, writer: asyncio.StreamWriter, *, keep_alive: bool) -> bool:
        """Answer one request; return whether the connection goes on."""
        verdict = self._guard.verify(request.method, request.target, request.headers.get("authorization", ""))
        if verdict is not Verdict.ADMITTED:
            challenge = self._guard.challenge(stale=verdict is Verdict.STALE)
            page = Page(401, b"401 - Unauthorized")
            await self._send(writer, page, keep_alive=keep_alive, extra={"WWW-Authenticate": challenge})
            return keep_alive
        path = request.target.partition("?")[0]
        if request.method == "GET":
            page = self._pages.get(path)
        elif request.method == "POST":
            page = self._pages.post(path, request.body, request.headers.get("content-type", ""))
        else:
            page = Page(405, b"")
        if page.later is not None:
            page = await page.later()
            if self._host.presence(Service.WEB) is not Presence.ANSWERS:
                reset(writer.transport)
                return False
        keep_alive = keep_alive and page.effect is None
        if page.effect is not None and self._host.loses_reply():
            reset(writer.transport)
        else:
            await self._send(writer, page, keep_alive=keep_alive)
        if page.effect is not None:
            writer.close()
            page.effect()
            self._host.settle()
        return keep_alive

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        page: Page,
        *,
        keep_alive: bool,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        headers = {
            "Content-Type": "text/html",
            "Content-Length": str(len(page.body)),
            "Connection": "keep-alive" if keep_alive else "close",
            **(extra or {}),
            "Server": "lighttpd/1.4.32",
        }
        head = f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reply = head.encode() + b"\r\n" + page.body
        self._host.sent(len(reply))
        writer.write(reply)
        async with asyncio.timeout(SILENT_CLOSE_S):
            await writer.drain()

    async def _ignore(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.WriteTransport,
        *,
        give_up: bool = False,
    ) -> None:
        """Take what comes and say nothing, until the client goes or its time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.0 if give_up else SILENT_CLOSE_S):
                while await reader.read(4096):
                    pass
        reset(transport)


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Read one request; None when the client closed instead, or was idle for too long.

    Raises:
        BadRequestError: the request is malformed or too large.
        TimeoutError: it stopped in the middle.
    """
    try:
        async with asyncio.timeout(IDLE_CLOSE_S):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequestError(431) from None
    except (asyncio.IncompleteReadError, TimeoutError):
        return None
    line, *rest = head[:-4].decode("latin-1").split("\r\n")
    parts = line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise BadRequestError(400)
    headers: dict[str, str] = {}
    for header in rest:
        name, colon, value = header.partition(":")
        if not colon:
            raise BadRequestError(400)
        headers[name.strip().lower()] = value.strip()
    body = await _read_body(reader, headers, MAX_IMAGE_BYTES if parts[1] in UPGRADE_PAGES else MAX_BODY_BYTES)
    closes = headers.get("connection", "").lower() == "close" or parts[2] == "HTTP/1.0"
    return HttpRequest(parts[0], parts[1], headers, body, keep_alive=not closes)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str], limit: int) -> bytes:
    if "transfer-encoding" in headers:
        raise BadRequestError(411)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise BadRequestError(400)
    if len(length) > MAX_LENGTH_DIGITS or int(length) > limit:
        raise BadRequestError(413)
    async with asyncio.timeout(IDLE_CLOSE_S if limit == MAX_BODY_BYTES else UPLOAD_S):
        return await reader.readexactly(int(length))
