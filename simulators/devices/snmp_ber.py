"""The bytes of SNMP: as much of BER as RFC 3416 needs, both ways. Nothing here knows a message or an object.

Written for speed, since a simulated site answers polls for months of site time: values are (tag, Python value) pairs
and OIDs tuples, encoded once where they never change.
"""

from functools import lru_cache
from typing import Final

Oid = tuple[int, ...]
Data = tuple[int, "int | bytes | Oid | None"]
"""Tag and value: int for the integer kinds, bytes for strings, a tuple for OIDs, None for NULL and the exceptions."""

INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OBJECT_ID: Final = 0x06
SEQUENCE: Final = 0x30
COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TICKS: Final = 0x43
COUNTER64: Final = 0x46
NO_SUCH_OBJECT: Final = 0x80
NO_SUCH_INSTANCE: Final = 0x81
END_OF_VIEW: Final = 0x82

_INTEGERS: Final = frozenset({INTEGER, COUNTER32, GAUGE32, TICKS, COUNTER64})
_OID_PARTS_MAX: Final = 128
_OIDS_REMEMBERED: Final = 16_384


class BerError(Exception):
    """The bytes are no BER that SNMP uses."""


def tlv(tag: int, body: bytes) -> bytes:
    """Wrap a body in its tag and length."""
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Encode an integer of any of the integer kinds."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


@lru_cache(_OIDS_REMEMBERED)
def oid(parts: Oid) -> bytes:
    """Encode an OID with its tag."""
    body = bytearray((parts[0] * 40 + parts[1],))
    for part in parts[2:]:
        if part < 0x80:
            body.append(part)
            continue
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(part & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return tlv(OBJECT_ID, bytes(body))


def encode(data: Data) -> bytes:
    """Encode one tagged value."""
    tag, value = data
    if isinstance(value, int):
        return integer(value, tag)
    if isinstance(value, bytes):
        return tlv(tag, value)
    if isinstance(value, tuple):
        return oid(value)
    return bytes((tag, 0))


def variable(name: bytes, data: Data) -> bytes:
    """Encode one variable of a PDU: the name, encoded already, and the tagged value."""
    tag, value = data
    if isinstance(value, int):
        body = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        size = len(name) + len(body) + 2
        if size < 0x80:
            return b"%c%c%b%c%c%b" % (SEQUENCE, size, name, tag, len(body), body)
    return tlv(SEQUENCE, name + encode(data))


class Reader:
    """A cursor over BER; every read checks its bounds and raises BerError past them."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def at(self) -> int:
        """Where the next value begins, counted from the start of the datagram."""
        return self._at

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < self._end

    def span(self) -> tuple[int, int, int]:
        """Step over one value; return its tag, and where its body starts and ends."""
        data, at = self._data, self._at
        if at + 2 > self._end:
            raise BerError("a value is cut off")
        tag, size = data[at], data[at + 1]
        at += 2
        if size >= 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 3 or at + octets > self._end:
                raise BerError("a length is no length")
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > self._end:
            raise BerError("a value is longer than what holds it")
        self._at = at + size
        return tag, at, self._at

    def body(self, tag: int) -> bytes:
        """Step over a value of that tag and return its body."""
        found, start, end = self.span()
        if found != tag:
            raise BerError(f"expected tag {tag:#x}, found {found:#x}")
        return self._data[start:end]

    def enter(self, tag: int | None = None) -> tuple[int, "Reader"]:
        """Step into a constructed value; of that tag, if one is given."""
        found, start, end = self.span()
        if tag is not None and found != tag:
            raise BerError(f"expected tag {tag:#x}, found {found:#x}")
        return found, Reader(self._data, start, end)

    def integer(self) -> int:
        """Read an INTEGER."""
        tag, value = self.value()
        if tag != INTEGER or not isinstance(value, int):
            raise BerError(f"expected an INTEGER, found tag {tag:#x}")
        return value

    def octets(self) -> bytes:
        """Read an OCTET STRING."""
        tag, value = self.value()
        if tag != OCTETS or not isinstance(value, bytes):
            raise BerError(f"expected an OCTET STRING, found tag {tag:#x}")
        return value

    def oid(self) -> Oid:
        """Read an OID."""
        tag, value = self.value()
        if tag != OBJECT_ID or not isinstance(value, tuple):
            raise BerError(f"expected an OBJECT IDENTIFIER, found tag {tag:#x}")
        return value

    def value(self) -> Data:
        """Read one primitive value of any kind."""
        tag, start, end = self.span()
        body = self._data[start:end]
        if tag in _INTEGERS:
            if not 1 <= len(body) <= 9:
                raise BerError("an integer has no such size")
            return tag, int.from_bytes(body, "big", signed=True)
        if tag == OBJECT_ID:
            return tag, _oid_parts(body)
        if tag == NULL:
            return tag, None
        return tag, body


@lru_cache(_OIDS_REMEMBERED)
def _oid_parts(body: bytes) -> Oid:
    if not body or body[-1] & 0x80:
        raise BerError("an OID is cut off")
    parts: list[int] = []
    part = 0
    for octet in body:
        part = part << 7 | octet & 0x7F
        if not octet & 0x80:
            parts.append(part)
            part = 0
    first = min(parts[0] // 40, 2)
    if len(parts) >= _OID_PARTS_MAX or max(parts) > 0xFFFFFFFF + 80:
        raise BerError("an OID is longer than any")
    return (first, parts[0] - 40 * first, *parts[1:])
