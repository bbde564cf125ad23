"""The cgminer API's replies: framing, JSON with its known defects, sections, and tolerant fields.

A reply is one JSON object, ended by a NUL or by the end of the connection. A joined command (`summary+pools`) is
answered by one section a command. Well-formed replies take one pass of a fast parser; only a reply that this refuses is
mended. What a family's fields mean is its driver's business.
"""

import json
import re
import sys
from collections.abc import Iterator

import msgspec

from agent.model.errors import CodecError

Row = dict[str, object]

ERROR_STATES = frozenset({"E", "F"})
"""STATUS letters for "command failed" and "fatal"."""

MAX_UNIX_S = 1e11
"""No device's clock is believed beyond it."""


class Framer:
    """Collects a reply of at most `limit_bytes`. However the bytes are split, the outcome is the same."""

    __slots__ = ("_chunks", "_limit", "_reply", "size")

    def __init__(self, limit_bytes: int) -> None:
        self.size = 0
        self._limit = limit_bytes
        self._chunks: list[bytes] = []
        self._reply: bytes | None = None

    def feed(self, data: bytes) -> bytes | None:
        """Take what came; return the reply once its NUL is there, None before. What follows the NUL is not looked at.

        Raises CodecError as soon as the reply is longer than the limit.
        """
        if self._reply is not None:
            return self._reply
        end = data.find(b"\0")
        if end >= 0:
            data = data[:end]
        self.size += len(data)
        if self.size > self._limit:
            self._chunks.clear()
            raise CodecError(f"expected a reply of at most {self._limit} bytes, more came; is this a miner's API?")
        if end < 0:
            self._chunks.append(data)
        elif self._chunks:
            self._reply = b"".join((*self._chunks, data))
        else:
            self._reply = data
        return self._reply

    def end(self) -> bytes:
        """Return the reply of a device that closed the connection, with or without a NUL."""
        return self._reply if self._reply is not None else b"".join(self._chunks)


class Section(msgspec.Struct, frozen=True, gc=False):
    """The answer to one command.

    Attributes:
        status: the STATUS letter (S, I, W, E, F), empty where the device sent none.
        message: the device's own words, whole: whoever writes them down takes secrets out before he cuts them.
        rows: the payload's objects, in the device's order.
        when: the device's own time, Unix s; None where it does not tell.
    """

    status: str
    message: str
    rows: list[Row]
    when: float | None = None

    @property
    def failed(self) -> bool:
        """Whether the device answered an error in place of the payload."""
        return self.status in ERROR_STATES

    @property
    def widest(self) -> Row:
        """The widest row of the payload."""
        return widest(self.rows)


def widest(rows: list[Row]) -> Row:
    """Return the row with the most fields: `stats` puts a short row about the firmware before the measurements."""
    return rows[0] if len(rows) == 1 else max(rows, key=len, default={})


def decode(reply: bytes) -> dict[str, Section]:
    """Return the reply's sections by command, whether it was joined or single.

    A single reply's section is named after its payload (`SUMMARY` → "summary"), or "" where it has none. A joined reply
    that is cut off yields the sections before the cut.

    Raises CodecError where no object can be made out.
    """
    document = _parse(reply)
    if "STATUS" in document:
        name = next((key.lower() for key, value in document.items() if key != "STATUS" and isinstance(value, list)), "")
        return {name: _section(document)}
    sections: dict[str, Section] = {}
    for key, value in document.items():
        body = value[0] if isinstance(value, list) and value else value
        if isinstance(body, dict):
            sections[key.lower()] = _section(body)
    if not sections:
        raise CodecError("expected a reply with STATUS or with one section a command, came an object with neither")
    return sections


def _section(body: Row) -> Section:
    rows: list[Row] = []
    for key, value in body.items():
        if key == "STATUS":
            continue
        if isinstance(value, list):
            rows = [row for row in value if isinstance(row, dict)]
            break
        if isinstance(value, dict):
            rows = [value]
    # cgminer's own commands say STATUS: [{STATUS, Msg}]; the Whatsminer's additional ones have both at the top.
    head: object = body.get("STATUS")
    if isinstance(head, list) and head and isinstance(head[0], dict):
        body = head[0]
        head = body.get("STATUS")
    message = body.get("Msg")
    return Section(
        head if isinstance(head, str) else "",
        message if isinstance(message, str) else "",
        rows,
        within(body.get("When"), 0.0, MAX_UNIX_S),
    )


# -- JSON and its defects ----------------------------------------------------------------------------------------------


def _parse(reply: bytes) -> Row:
    reply = reply.strip(b"\0 \t\r\n")
    try:
        document = _FAST.decode(reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = _salvage(_mend(reply.decode("utf-8", errors="replace")))
    if not isinstance(document, dict) or not document:
        raise CodecError(f"expected a JSON object, came {len(reply)} bytes that are none: {reply[:40]!r}")
    return document


_DEFECT = re.compile(
    r"""
      (?P<text>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))      # a string, closed or cut off: nothing inside is mended
    | (?P<joint>\}\s*+(?=\{))                     # }{ : a comma is missing between two objects
    | (?P<comma>,(?=\s*+[}\],])|(?<=[\[{]),)      # ,} ,] ,, [, : one comma too many
    | (?P<bare>[-+]?\b(?:nan|inf(?:inity)?)\b)    # a number that was never computed
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""Defects seen in the field: facts "miners", section 3.1. Linear: every alternative consumes what it looked at."""


def _mend(text: str) -> str:
    return _DEFECT.sub(_mended, text)


def _mended(match: re.Match[str]) -> str:
    whole = match.group()
    match match.lastgroup:
        case "text":  # "…""temp0": a comma is missing between a value and the next name
            return whole + "," if match.string.startswith('"', match.end()) else whole
        case "joint":
            return "},"
        case "comma":
            return ""
        case _:
            return "null"


_FAST = msgspec.json.Decoder()
_JSON = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_NAME = re.compile(r'\s*+,?\s*+"([^"\\]{0,64})"\s*+:\s*+')


def _salvage(text: str) -> Row:
    """Return the members of the outermost object up to the first that cannot be read or is cut off."""
    members: Row = {}
    at = 1 if text.startswith("{") else len(text)
    while name := _NAME.match(text, at):
        try:
            members[name.group(1)], at = _JSON.raw_decode(text, name.end())
        except (ValueError, RecursionError):
            break
    return members


# -- fields ------------------------------------------------------------------------------------------------------------


def number(value: object) -> float | None:
    """Return a finite number, given as such or as a string; None for anything else."""
    return within(value, -sys.float_info.max, sys.float_info.max)


def within(value: object, low: float, high: float) -> float | None:
    """Return the number, given as such or as a string, if low ≤ number ≤ high; None for anything else.

    Only a finite number passes finite bounds. This runs some twenty times a reply, hence the types tested by identity.
    """
    kind = type(value)
    if kind is float or kind is int:
        return float(value) if low <= value <= high else None  # type: ignore[arg-type,operator] # told by its type
    return _spelt(value, low, high) if isinstance(value, str) else None


def _spelt(text: str, low: float, high: float) -> float | None:
    if "_" in text or not text.isascii():  # float() takes 1_000 and Arabic digits
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def flag(value: object) -> bool | None:
    """Return a truth value from true/false, 1/0 or their spelling; None for anything else."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    return bool(value) if value in (0, 1) else None


_SUFFIX = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


def with_suffix(value: object) -> float | None:
    """Return the number behind cgminer's short form ("524K", "1.05M"), which keeps three or four digits."""
    if isinstance(value, str) and value[-1:].upper() in _SUFFIX:
        base = number(value[:-1])
        return None if base is None else base * _SUFFIX[value[-1].upper()]
    return number(value)


def dashed(value: object) -> Iterator[float]:
    """Yield the numbers of a sensor list such as "78-50--40-70", where the third is -40."""
    if not isinstance(value, str):
        return
    sign = 1.0
    for part in value.split("-"):
        if not part:
            sign = -1.0
            continue
        reading = number(part)
        if reading is not None:
            yield sign * reading
        sign = 1.0
