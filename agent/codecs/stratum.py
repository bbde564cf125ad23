"""Stratum V1, the client's side of a look at a pool: lines, requests, answers, and what of them matters.

One message is one line of JSON. Pools differ in how they say no and in what they send unasked, so the envelope is read
tolerantly; what a miner itself could not work with (an extranonce, a job) is read as strictly as cgminer does. Shares
have no place here: nothing in this module can submit one. Whom to believe, and for how long, is the driver's business.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.model.errors import CodecError

SUBSCRIBE: Final = "mining.subscribe"
AUTHORIZE: Final = "mining.authorize"
NOTIFY: Final = "mining.notify"
RECONNECT: Final = "client.reconnect"

LINE_LIMIT_BYTES: Final = 16 * 1024
LINES_LIMIT: Final = 100
"""A login is answered by a handful of lines; whoever sends this many has something else in mind."""
EXTRANONCE2_SIZES: Final = range(1, 17)
"""Bytes of extranonce2; cgminer takes at most 16."""
EXTRANONCE1_CHARS: Final = 64
HOST_CHARS: Final = 253

_TLS_RECORD: Final = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_DECODER: Final = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to a request.

    Attributes:
        id: the request's number; None where the pool gave none, or none that could be ours.
        refusal: the pool's own words where the answer is an error; None where it is not.
    """

    id: int | None
    result: object
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the pool says, or asks, unasked."""

    method: str
    params: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a pool hands out with `mining.subscribe`.

    Attributes:
        extranonce1: hexadecimal.
        extranonce2_size: bytes.
    """

    extranonce1: str
    extranonce2_size: int


class Lines:
    """Collects lines within bounds. However the bytes are split, the outcome is the same."""

    __slots__ = ("_fault", "_left", "_limit_bytes", "_lines", "_rest")

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES, limit_lines: int = LINES_LIMIT) -> None:
        self._limit_bytes = limit_bytes
        self._left = limit_lines
        self._lines: deque[bytes] = deque()
        self._rest = bytearray()
        self._fault: CodecError | None = None

    @property
    def partial(self) -> bytes:
        """The line that has begun and not ended."""
        return bytes(self._rest)

    @property
    def has_begun(self) -> bool:
        """Whether anything is here that was not taken."""
        return bool(self._lines or self._rest or self._fault)

    @property
    def is_full(self) -> bool:
        """Whether a bound was passed and nothing more is taken."""
        return self._fault is not None

    def feed(self, data: bytes) -> None:
        """Take what came; what lies past a bound is not kept. Empty lines are skipped."""
        if self.is_full:
            return
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._rest += piece
            self._end_line()
        self._rest += rest
        self._check_length()

    def take(self) -> bytes | None:
        """Return the next line, None before it is there.

        Raises CodecError in place of the first line that passes a bound.
        """
        if self._lines:
            return self._lines.popleft()
        if self._fault is not None:
            raise self._fault
        return None

    def _end_line(self) -> None:
        self._check_length()
        line = bytes(self._rest.strip())
        self._rest.clear()
        if not line or self.is_full:
            return
        if self._left == 0:
            self._fault = CodecError("expected a handful of lines, they do not end; is this a pool?")
            return
        self._left -= 1
        self._lines.append(line)

    def _check_length(self) -> None:
        if len(self._rest) > self._limit_bytes and not self.is_full:
            self._fault = CodecError(
                f"expected lines of at most {self._limit_bytes} bytes, a longer one came; is this a pool?"
            )
        if self.is_full:
            self._rest.clear()


def request(number: int, method: str, *params: str) -> bytes:
    """Return a request as it goes over the wire."""
    return msgspec.json.encode({"id": number, "method": method, "params": params}) + b"\n"


def decode(line: bytes) -> Answer | Notice:
    """Return the message in a line.

    Raises CodecError where it is none; the text tells what it looks like, and quotes nothing.
    """
    try:
        message = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise garbage(line) from None
    if not isinstance(message, dict):
        raise garbage(line)
    method = message.get("method")
    if isinstance(method, str) and method:
        params = message.get("params")
        return Notice(method, tuple(params) if isinstance(params, list) else ())
    if "result" not in message and "error" not in message:
        raise CodecError("expected a stratum message, came an object with neither method, result nor error")
    result = message.get("result")
    return Answer(_number(message.get("id")), result, _refusal(result, message.get("error")))


def garbage(data: bytes) -> CodecError:
    """Return the error for bytes that are no stratum, with what they look like where that is known."""
    if _TLS_RECORD.match(data):
        return CodecError("expected stratum, came TLS: this port wants an encrypted connection; set the pool's tls")
    if data.startswith(b"HTTP/"):
        return CodecError("expected stratum, came HTTP: a web server answers there; check host and port")
    return CodecError(f"expected a line of JSON, came {len(data)} bytes that are none; check host and port")


def subscription(result: object) -> Subscription:
    """Return what the answer to `mining.subscribe` hands out.

    Raises CodecError where a miner could not work with it.
    """
    match result:
        case [_, str(extranonce1), int(size), *_] if not isinstance(size, bool):
            if size in EXTRANONCE2_SIZES and len(extranonce1) <= EXTRANONCE1_CHARS and _HEX.fullmatch(extranonce1):
                return Subscription(extranonce1, size)
    raise CodecError(
        "expected subscriptions, a hexadecimal extranonce1 and the size of extranonce2 in answer to "
        f"{SUBSCRIBE}, came something else; no miner could work with it"
    )


def is_job(notice: Notice) -> bool:
    """Tell whether a notice is a job that a miner could work on: `mining.notify` with its nine parameters."""
    if notice.method != NOTIFY:
        return False
    match notice.params:
        case (str() | int(), str(previous), str(first), str(second), [*branches], str(v), str(bits), str(when), *_):
            words = (v, bits, when)
            hashes = (previous, *branches)
            return (
                all(isinstance(text, str) and len(text) == 64 and _is_hex(text) for text in hashes)
                and all(len(text) == 8 and _is_hex(text) for text in words)
                and bool(first)
                and _is_hex(first)
                and _is_hex(second)
            )
    return False


def redirection(notice: Notice, host: str, port: int) -> tuple[str, int] | None:
    """Return where `client.reconnect` sends a client of `host` and `port`; None where it is back to the same place.

    Raises CodecError where it names no place.
    """
    to_host, to_port = (*notice.params, None, None)[:2]
    if to_host in (None, ""):
        to_host = host
    if to_port in (None, "", 0):
        to_port = port
    number = int(to_port) if isinstance(to_port, str) and re.fullmatch("[0-9]{1,5}", to_port) else to_port
    if not isinstance(to_host, str) or len(to_host) > HOST_CHARS or not isinstance(number, int):
        raise CodecError(f"expected a host and a port with {RECONNECT}, came something else")
    same = to_host.rstrip(".").lower() == host.rstrip(".").lower() and number == port
    return None if same else (to_host, number)


def _is_hex(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def _number(given: object) -> int | None:
    if isinstance(given, str) and re.fullmatch("[0-9]{1,9}", given):
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _refusal(result: object, error: object) -> str | None:
    """Return the words of a no. Pools say it as [code, words, trace], as an object, as a text, or as `false` alone."""
    if not error:  # null, false, "" and [] all stand for no error
        return "no reason given" if result is False else None
    code: object = None
    words: object = error
    if isinstance(error, list):
        code, words = (*error, None)[:2]
    elif isinstance(error, Mapping):
        code, words = error.get("code"), error.get("message")
    said = words.strip() if isinstance(words, str) else ""
    if isinstance(code, int) and not isinstance(code, bool):
        said = f"{said or 'no words'} (code {code})"
    return said or "no reason given"
