"""The server side of the cgminer API on TCP 4028: framing, joined commands, the text form, and the faults of the wire.

One connection carries one request; the reply ends with a NUL byte and the server closes. What the commands say lives
in the families; how replies get spoilt in `wire_faults`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import msgspec

from simulators.devices.host import SILENT_CLOSE_S, MinerHost, Presence, Service, reset
from simulators.devices.wire_faults import Defect, filler, spoil
from simulators.plant.state import WireFaultKind

MAX_REQUEST_BYTES = 64 * 1024
MAX_JOINED = 32
IDLE_CLOSE_S = 10.0
"""A connection without a request is closed after this long (facts "miners", section 4: Whatsminer API 2.0.5)."""
PARTIAL_GRACE_S = 1.0
"""How long half a request may wait for its other half before it is answered as it stands."""
DROP_BYTES = 1024
"""A dropped connection loses a reply shorter than this altogether, and a longer one at half."""
ENDLESS_BLOCK = 16
ENDLESS_PAUSE_S = 0.1
SIZE_BYTES = 4
MAX_UPLOAD_BYTES = 128 * 1024 * 1024
UPLOAD_PAUSE_S = 30.0
"""An upload that stands still for so long is given up."""

INVALID_COMMAND = 14
INVALID_JSON = 23
MISSING_COMMAND = 24
ACCESS_DENIED = 45

_API = Service.API
_ANSWERS, _REFUSES, _SILENT = Presence.ANSWERS, Presence.REFUSES, Presence.SILENT
_FALLS_SILENT, _GARBLES, _DROPS = WireFaultKind.SILENT, WireFaultKind.GARBAGE, WireFaultKind.DROP
"""Members as such, as in `hardware`."""

Section = dict[str, object]
"""One command's reply as a JSON object."""
Reply = Section | msgspec.Raw
"""A reply, or one that is encoded already."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, parsed.

    Attributes:
        commands: the command, or the commands of a joined one.
        body: the whole JSON object; empty for the text form.
        joined: the commands came joined, so that each reply is a list under its command's name.
        text: the text form was used, and the reply is to be text as well.
    """

    commands: tuple[str, ...]
    parameter: str
    body: Mapping[str, object]
    peer: str
    joined: bool
    text: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a family replies.

    Attributes:
        telemetry: the reply is one that a spoilt wire spoils.
        effect: what happens to the miner once the reply has left, such as a reboot.
        upload: what takes the bytes that come after the reply on the same connection, once they are whole: their
            number as 4 bytes, the lowest first, then they.
    """

    content: Reply
    telemetry: bool = False
    effect: Callable[[], None] | None = None
    upload: Callable[[bytes], object] | None = None


class ApiFamily(Protocol):
    """A family's commands.

    Attributes:
        accepts_text: bare-text requests are understood.
    """

    accepts_text: bool

    def answer(self, request: Request) -> Answer:
        """Reply to a request."""
        ...

    def error(self, code: int, message: str) -> Section:
        """Return the family's form of an error."""
        ...


class BadRequestError(Exception):
    """A request that is not one. Carries the API's code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def status(letter: str, when: int, code: int, message: str, description: str) -> Section:
    """Return one cgminer STATUS object: S, I, W, E or F, Unix time, message code, message, who speaks."""
    return {"STATUS": letter, "When": when, "Code": code, "Msg": message, "Description": description}


def join(parts: Mapping[str, Reply]) -> Section:
    """Return the reply to a joined command: every part a list of one under its own name."""
    return {**{name: [part] for name, part in parts.items()}, "id": 1}


def encode_json(content: Reply) -> bytes:
    """Return a reply as it goes over the wire: compact JSON and a NUL byte."""
    return msgspec.json.encode(content) + b"\0"


def encode_text(content: Reply) -> bytes:
    """Return a reply in cgminer's text form: `NAME,key=value,…|` for every object, then a NUL byte."""
    parts: list[str] = []
    for name, items in msgspec.json.decode(msgspec.json.encode(content)).items():
        for item in items if isinstance(items, list) else []:
            heading = "" if name in item else _heading(name, item)
            parts.append(heading + ",".join(f"{key}={_escape(value)}" for key, value in item.items()) + "|")
    return "".join(parts).encode() + b"\0"


def _heading(name: str, item: Mapping[str, object]) -> str:
    """Numbered objects (POOL=0, ASC=0, STATS=0) carry their own name; the others are headed by it."""
    return "" if name.removesuffix("S") in item or "ASC" in item else f"{name},"


def _escape(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join("\\" + char if char in "\\,|=" else char for char in text)


@lru_cache(64)
def parse_request(raw: bytes, *, peer: str, whole: bool) -> Request | None:
    """Return the request in `raw`, or None if more of it may come.

    Args:
        raw: what arrived so far.
        peer: the client's address.
        whole: nothing more will come, so that half a request is a bad one.

    Raises:
        BadRequestError: it is not a request.
    """
    stripped = raw.strip(b" \t\r\n\0")
    if not stripped:
        return None
    if not stripped.startswith(b"{"):
        if not whole and raw[-1:] not in (b"\n", b"\0"):
            return None
        return _text_request(stripped, peer)
    try:
        body = msgspec.json.decode(stripped)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if whole:
            raise BadRequestError(INVALID_JSON, "Invalid JSON") from None
        return None
    command = body.get("command", body.get("cmd", ""))
    if not isinstance(command, str):
        raise BadRequestError(MISSING_COMMAND, "Missing JSON 'command'")
    commands = tuple(dict.fromkeys(part for part in command.split("+") if part))
    if len(commands) > MAX_JOINED:
        raise BadRequestError(INVALID_COMMAND, "Invalid command")
    parameter = body.get("parameter", "")
    return Request(commands, str(parameter), body, peer, joined="+" in command, text=False)


def _text_request(stripped: bytes, peer: str) -> Request:
    command, _, parameter = stripped.decode(errors="replace").partition("|")
    commands = tuple(dict.fromkeys(part for part in command.strip().split("+") if part))
    if len(commands) > MAX_JOINED:
        raise BadRequestError(INVALID_COMMAND, "Invalid command")
    return Request(commands, parameter, {}, peer, joined="+" in command, text=True)


class Speechless:
    """Connections over which no request has come yet. One timer serves them all: nearly every one speaks at once."""

    __slots__ = ("_loop", "_timer", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, ApiConnection]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: "ApiConnection") -> None:
        """Have a connection closed in IDLE_CLOSE_S if it is still speechless then."""
        due_s = self._loop.time() + IDLE_CLOSE_S
        self._waiting.append((due_s, connection))
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._close)

    def _close(self) -> None:
        """Close what is due, and wait for the next that has still not spoken; who has is of no interest any more."""
        self._timer = None
        now_s = self._loop.time()
        while self._waiting:
            due_s, connection = self._waiting[0]
            if connection.is_speechless:
                if due_s > now_s:
                    self._timer = self._loop.call_at(due_s, self._close)
                    break
                connection.close_speechless()
            self._waiting.popleft()


class ApiConnection(asyncio.Protocol):
    """One client's connection to one miner's API."""

    def __init__(self, host: MinerHost, family: ApiFamily, speechless: Speechless) -> None:
        self._host = host
        self._family = family
        self._speechless = speechless
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._listening = False
        self._struck: WireFaultKind | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self._upload: Callable[[bytes], object] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit, reset or ignore the client, as the miner's state wants."""
        stream = self._transport = cast(asyncio.Transport, transport)  # a loop hands a TCP server nothing else
        presence = self._host.presence(_API)
        self._struck = self._host.strike()
        if presence is _REFUSES or not self._host.admit(stream, _API):
            reset(stream)
        elif presence is _SILENT or self._struck is _FALLS_SILENT:
            self._after(SILENT_CLOSE_S, self._give_up)
        else:
            self._listening = True
            self._speechless.add(self)

    @property
    def is_speechless(self) -> bool:
        """Whether no request has begun to come; one whose connection has ended is not waited for either."""
        return self._listening and self._timer is None

    def close_speechless(self) -> None:
        """Close it for saying nothing."""
        self._give_up()

    def data_received(self, data: bytes) -> None:
        """Collect the request, or what it announced; data for a board that does not answer is dropped."""
        if self._upload is not None:
            self._take(data)
            return
        if not self._listening:
            return
        self._buffer += data
        if len(self._buffer) > MAX_REQUEST_BYTES:
            self._give_up()
            return
        self._try(whole=False)

    def eof_received(self) -> bool:
        """Answer what has come so far; keep the way back open while a reply is due."""
        if self._listening and self._buffer:
            self._try(whole=True)
            return True
        return self._transport is not None and self._timer is not None and bool(self._buffer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._listening = False
        self._cancel()
        if self._transport is not None:
            self._host.release(self._transport)

    def pause_writing(self) -> None:
        """Stop an endless reply while the client does not read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on with it."""
        self._writable = True

    def _try(self, *, whole: bool) -> None:
        peer = str(self._transport.get_extra_info("peername", ("",))[0]) if self._transport else ""
        try:
            request = parse_request(bytes(self._buffer), peer=peer, whole=whole)
        except BadRequestError as bad:
            self._schedule(self._reject, bad)
            return
        if request is None:
            self._after(PARTIAL_GRACE_S, self._try_whole)
        elif request.text and not self._family.accepts_text:
            self._schedule(self._reject, BadRequestError(INVALID_JSON, "Invalid JSON"))
        else:
            self._schedule(self._reply, request)

    def _try_whole(self) -> None:
        self._try(whole=True)

    def _schedule(self, step: Callable[..., None], argument: object) -> None:
        self._listening = False
        self._after(self._host.delay_s(), step, argument)

    def _reject(self, bad: BadRequestError) -> None:
        if self._still_answers():
            self._send(encode_json(self._family.error(bad.code, bad.message)))

    def _reply(self, request: Request) -> None:
        if not self._still_answers():
            return
        answer = self._family.answer(request)
        body = encode_text(answer.content) if request.text else encode_json(answer.content)
        if answer.effect is not None and self._host.loses_reply():
            self._give_up()
        elif answer.telemetry and self._struck is _GARBLES:
            self._send_spoilt(body, self._host.next_defect())
        elif self._struck is _DROPS:
            self._break_off(body)
        elif answer.upload is not None:
            self._await_upload(body, answer.upload)
        else:
            self._send(body)
        if answer.effect is not None:
            answer.effect()
            self._host.settle()

    def _await_upload(self, body: bytes, upload: Callable[[bytes], object]) -> None:
        """Say so, and keep the connection open for what was announced."""
        if self._transport is not None:
            self._host.sent(len(body))
            self._buffer.clear()
            self._upload = upload
            self._transport.write(body)
            self._after(UPLOAD_PAUSE_S, self._give_up)

    def _take(self, data: bytes) -> None:
        if not self._still_answers():
            return
        self._buffer += data
        size = int.from_bytes(self._buffer[:SIZE_BYTES], "little") if len(self._buffer) >= SIZE_BYTES else None
        if size is not None and size > MAX_UPLOAD_BYTES:
            self._give_up()
        elif size is not None and len(self._buffer) >= SIZE_BYTES + size and self._upload is not None:
            upload, self._upload = self._upload, None
            upload(bytes(self._buffer[SIZE_BYTES : SIZE_BYTES + size]))
            self._cancel()
            if self._transport is not None:
                self._transport.close()
        else:
            self._after(UPLOAD_PAUSE_S, self._give_up)

    def _still_answers(self) -> bool:
        """The miner's state may have changed between request and reply."""
        presence = self._host.presence(_API)
        if presence is _SILENT:
            self._after(SILENT_CLOSE_S, self._give_up)
        elif presence is _REFUSES:
            self._give_up()
        return presence is _ANSWERS

    def _send_spoilt(self, body: bytes, defect: Defect) -> None:
        if defect is not Defect.ENDLESS:
            self._send(spoil(body, defect))
        elif self._transport is not None:
            self._transport.write(spoil(body, defect))
            self._endless(self._loop.time() + SILENT_CLOSE_S)

    def _break_off(self, body: bytes) -> None:
        """Lose the connection in the middle of the reply, or before it when the reply is short."""
        if self._transport is not None:
            self._transport.write(body[: len(body) // 2] if len(body) > DROP_BYTES else b"")
            reset(self._transport)

    def _endless(self, until: float) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._loop.time() >= until:
            self._give_up()
            return
        if self._writable:
            self._transport.write(filler() * ENDLESS_BLOCK)
        self._after(ENDLESS_PAUSE_S, self._endless, until)

    def _send(self, body: bytes) -> None:
        """Send and close; a client that does not fetch its reply is cut off in the end."""
        if self._transport is None:
            return
        self._host.sent(len(body))
        self._transport.write(body)
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._after(SILENT_CLOSE_S, self._transport.abort)

    def _give_up(self) -> None:
        if self._transport is not None:
            reset(self._transport)

    def _after(self, delay_s: float, step: Callable[..., None], *arguments: object) -> None:
        """Have one thing pending: the newest replaces the one before."""
        self._cancel()
        if delay_s <= 0.0:
            step(*arguments)
        else:
            self._timer = self._loop.call_later(delay_s, step, *arguments)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
