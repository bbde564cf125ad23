"""SNMP's bytes: requests to encode, replies to decode, and what version 3 wraps around both (RFC 3416, 3412, 3414).

No sockets, no keys, no MIB: an OID is dotted text, a value an int, bytes or dotted text. Everything that comes from
the wire is bounded by the datagram that holds it: what is cut off, nested wrongly or of a kind that SNMP does not have
raises CodecError and nothing else.

A site reads a hundred thousand values a minute, nearly always at the same OIDs. So OIDs are translated once and
remembered, and the loop over a reply's variables is written out instead of built from small functions.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from agent.model.errors import CodecError, PolicyError

Value = int | bytes | str
"""INTEGER, counters, gauges and ticks as int; OCTET STRING, IpAddress and Opaque as bytes; an OID as dotted text."""

RESPONSE: Final = 0xA2
REPORT: Final = 0xA8
AUTH: Final = 0x01
"""Flag of a version 3 message: it carries a digest."""
PRIV: Final = 0x02
"""Flag of a version 3 message: its PDU is encrypted."""
REPORTABLE: Final = 0x04
"""Flag of a version 3 request: the device may answer with a report."""

_GET: Final = 0xA0
_SET: Final = 0xA3
_BULK: Final = 0xA5
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_NULL: Final = 0x05
_OBJECT_ID: Final = 0x06
_SEQUENCE: Final = 0x30
_UNSIGNED_BITS: Final = {0x41: 32, 0x42: 32, 0x43: 32, 0x46: 64}
"""Counter32, Gauge32, TimeTicks and Counter64, by tag."""
_STRINGS: Final = frozenset({_OCTETS, 0x40, 0x44})
"""OCTET STRING, IpAddress and Opaque."""
_NOTHING: Final = frozenset({_NULL, 0x80, 0x81, 0x82})
"""NULL, noSuchObject, noSuchInstance and endOfMibView."""
_INTEGER_OCTETS: Final = 8
"""RFC 2578 allows 4; some devices put more into an INTEGER."""
_UNSIGNED_OCTETS: Final = 9
"""Eight and a leading zero."""
_V2C: Final = 1
_V3: Final = 3
_USM: Final = 3
_MESSAGE_BYTES_MAX: Final = 65_507
_OID_PARTS: Final = 128
_OID_PART_MAX: Final = 2**32 - 1
_OIDS_REMEMBERED: Final = 16_384
_REQUESTS_REMEMBERED: Final = 4_096


class Get(NamedTuple):
    """GET of these OIDs."""

    oids: tuple[str, ...]


class Bulk(NamedTuple):
    """GETBULK that starts behind each of these OIDs."""

    oids: tuple[str, ...]
    repetitions: int


class Set(NamedTuple):
    """SET of one INTEGER."""

    oid: str
    value: int


Request = Get | Bulk | Set


class Pdu(NamedTuple):
    """A PDU's head; its variables are decoded when they are asked for.

    Attributes:
        kind: RESPONSE, REPORT, or a request's tag.
        status: error-status, 0 for none.
        octets: what holds it; the variables lie from `start` to `stop`.
    """

    kind: int
    request_id: int
    status: int
    octets: bytes
    start: int
    stop: int

    def values(self) -> list[tuple[str, Value | None]]:
        """Decode (OID, value) in the order they came; None where the device has no such object."""
        return _variables(self.octets, self.start, self.stop)


class V2cMessage(NamedTuple):
    """A community message."""

    community: bytes
    pdu: Pdu


@dataclass(frozen=True, slots=True)
class V3Message:
    """A version 3 message under the user-based security model, still sealed.

    Attributes:
        engine_id, boots, clock_s: the device's engine, how often and how many s ago it started.
        octets: the whole message; the digest lies from `digest_start` to `digest_stop`.
        payload: the encrypted scoped PDU where the PRIV flag is set, the plain one where it is not.
    """

    message_id: int
    flags: int
    engine_id: bytes
    boots: int
    clock_s: int
    user: bytes
    salt: bytes
    payload: bytes
    octets: bytes
    digest_start: int
    digest_stop: int


class ScopedPdu(NamedTuple):
    """A version 3 PDU and whose objects it is about."""

    engine_id: bytes
    context: bytes
    pdu: Pdu


# -- requests ----------------------------------------------------------------------------------------------------------


def encode_request(request: Request, request_id: int) -> bytes:
    """Encode a request's PDU."""
    match request:
        case Get(oids):
            return _tlv(_GET, _integer(request_id) + b"\x02\x01\x00\x02\x01\x00" + _asked(oids))
        case Bulk(oids, repetitions):
            return _tlv(_BULK, _integer(request_id) + b"\x02\x01\x00" + _integer(repetitions) + _asked(oids))
        case Set(oid, value):
            variable = _tlv(_SEQUENCE, encode_oid(oid) + _integer(value))
            return _tlv(_SET, _integer(request_id) + b"\x02\x01\x00\x02\x01\x00" + _tlv(_SEQUENCE, variable))


def encode_v2c(community: bytes, pdu: bytes) -> bytes:
    """Wrap a PDU into a community message."""
    return _tlv(_SEQUENCE, b"\x02\x01\x01" + _tlv(_OCTETS, community) + pdu)


def encode_scoped(engine_id: bytes, pdu: bytes) -> bytes:
    """Wrap a PDU for the default context of an engine."""
    return _tlv(_SEQUENCE, _tlv(_OCTETS, engine_id) + b"\x04\x00" + pdu)


def encode_v3(message: V3Message, digest_bytes: int) -> tuple[bytes, int]:
    """Encode a version 3 message; return it with zeros for a digest, and where that digest goes.

    Of the message given, `octets` and the digest's place are not looked at.
    """
    head = _integer(message.message_id) + _integer(_MESSAGE_BYTES_MAX)
    head = _tlv(_SEQUENCE, head + bytes((_OCTETS, 1, message.flags, _INTEGER, 1, _USM)))
    before = _tlv(_OCTETS, message.engine_id) + _integer(message.boots) + _integer(message.clock_s)
    before += _tlv(_OCTETS, message.user)
    security = _tlv(_SEQUENCE, before + _tlv(_OCTETS, bytes(digest_bytes)) + _tlv(_OCTETS, message.salt))
    body = _tlv(_OCTETS, message.payload) if message.flags & PRIV else message.payload
    whole = _tlv(_SEQUENCE, b"\x02\x01\x03" + head + _tlv(_OCTETS, security) + body)
    return whole, len(whole) - len(body) - len(message.salt) - 2 - digest_bytes


# -- replies -----------------------------------------------------------------------------------------------------------


def decode_message(octets: bytes) -> V2cMessage | V3Message:
    """Open a datagram; CodecError if it is no SNMP message of version 2c or 3. What follows the message is ignored."""
    at, end = _enter(octets, 0, len(octets), _SEQUENCE)
    version, at = _read_integer(octets, at, end)
    if version == _V2C:
        community, at = _read_octets(octets, at, end)
        return V2cMessage(community, _open_pdu(octets, at, end))
    if version == _V3:
        return _open_v3(octets, at, end)
    raise CodecError(f"expected SNMP version 2c or 3, the datagram says {version}")


def decode_scoped(octets: bytes) -> ScopedPdu:
    """Open a plain scoped PDU; what follows it (a cipher's padding) is ignored."""
    at, end = _enter(octets, 0, len(octets), _SEQUENCE)
    engine_id, at = _read_octets(octets, at, end)
    context, at = _read_octets(octets, at, end)
    return ScopedPdu(engine_id, context, _open_pdu(octets, at, end))


def _open_pdu(octets: bytes, at: int, end: int) -> Pdu:
    if at >= end:
        raise CodecError("expected a PDU, the message ends before it")
    kind = octets[at]
    at, end = _enter(octets, at, end, kind)
    request_id, at = _read_integer(octets, at, end)
    status, at = _read_integer(octets, at, end)
    _, at = _read_integer(octets, at, end)
    start, stop = _enter(octets, at, end, _SEQUENCE)
    return Pdu(kind, request_id, status, octets, start, stop)


def _open_v3(octets: bytes, at: int, end: int) -> V3Message:
    head, head_end = _enter(octets, at, end, _SEQUENCE)
    message_id, head = _read_integer(octets, head, head_end)
    _, head = _read_integer(octets, head, head_end)
    flags, head = _read_octets(octets, head, head_end)
    model, _ = _read_integer(octets, head, head_end)
    if model != _USM or len(flags) != 1:
        raise CodecError(f"expected SNMP's user-based security model and one octet of flags, model {model} came")
    wrapped, wrapped_end = _enter(octets, head_end, end, _OCTETS)
    here, security_end = _enter(octets, wrapped, wrapped_end, _SEQUENCE)
    engine_id, here = _read_octets(octets, here, security_end)
    boots, here = _read_integer(octets, here, security_end)
    clock_s, here = _read_integer(octets, here, security_end)
    user, here = _read_octets(octets, here, security_end)
    digest_start, digest_stop = _enter(octets, here, security_end, _OCTETS)
    salt, _ = _read_octets(octets, digest_stop, security_end)
    start, stop = _enter(octets, wrapped_end, end, _OCTETS if flags[0] & PRIV else _SEQUENCE)
    payload = octets[start:stop] if flags[0] & PRIV else octets[wrapped_end:stop]
    if not (0 <= boots < 2**31 and 0 <= clock_s < 2**31):
        raise CodecError(f"expected an engine's boots and time of 31 bits, {boots} and {clock_s} came")
    return V3Message(
        message_id, flags[0], engine_id, boots, clock_s, user, salt, payload, octets, digest_start, digest_stop
    )


def _variables(octets: bytes, at: int, end: int) -> list[tuple[str, Value | None]]:
    """Decode a list of variables. Lengths are read in place: this is where a poll's time goes."""
    found: list[tuple[str, Value | None]] = []
    try:
        while at < end:
            tag, size = octets[at], octets[at + 1]
            name = at + 2
            if size >= 0x80:
                size, name = _long_size(octets, at + 1)
            at = name + size
            if tag != _SEQUENCE or at > end or octets[name] != _OBJECT_ID:
                raise CodecError("expected a variable with a name, something else came")
            size = octets[name + 1]
            start = name + 2
            if size >= 0x80:
                size, start = _long_size(octets, name + 1)
            stop = start + size
            tag, size = octets[stop], octets[stop + 1]
            value = stop + 2
            if size >= 0x80:
                size, value = _long_size(octets, stop + 1)
            if value + size != at:
                raise CodecError("expected a variable of a name and a value, lengths do not add up")
            if tag == _INTEGER and 1 <= size <= _INTEGER_OCTETS:
                found.append((_dotted(octets[start:stop]), int.from_bytes(octets[value:at], "big", signed=True)))
            else:
                found.append((_dotted(octets[start:stop]), _value(tag, octets[value:at])))
    except IndexError:
        raise CodecError("expected a variable, the datagram is cut off") from None
    return found


def _value(tag: int, body: bytes) -> Value | None:
    bits = _UNSIGNED_BITS.get(tag)
    if bits is not None:
        # Some devices leave out the zero octet before a set top bit: these kinds are never negative.
        if 1 <= len(body) <= _UNSIGNED_OCTETS and not (number := int.from_bytes(body, "big")) >> bits:
            return number
        raise CodecError(f"expected an unsigned integer of {bits} bits, {len(body)} octets came")
    if tag in _STRINGS:
        return body
    if tag in _NOTHING:
        return None
    if tag == _OBJECT_ID:
        return _dotted(body)
    raise CodecError(f"expected a value of a kind that SNMP has, tag {tag:#04x} with {len(body)} octets came")


# -- BER ---------------------------------------------------------------------------------------------------------------


def _enter(octets: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Return where the body of the value at `at` starts and stops; CodecError unless it has that tag and fits."""
    if at + 2 > end or octets[at] != tag:
        raise CodecError(
            f"expected tag {tag:#04x} at octet {at}, " + ("nothing is left" if at + 2 > end else "it is not there")
        )
    size = octets[at + 1]
    start = at + 2
    if size >= 0x80:
        try:
            size, start = _long_size(octets, at + 1)
        except IndexError:
            raise CodecError("expected a length, the datagram is cut off") from None
    if start + size > end:
        raise CodecError(f"the value at octet {at} is longer than what holds it")
    return start, start + size


def _long_size(octets: bytes, at: int) -> tuple[int, int]:
    """Return a length of the long form, and where the body starts; IndexError where it is cut off."""
    count = octets[at] & 0x7F
    if not 1 <= count <= 4:
        raise CodecError(f"expected a length of 1 to 4 octets at octet {at}, {count} came")
    size = 0
    for octet in range(at + 1, at + 1 + count):
        size = size << 8 | octets[octet]
    return size, at + 1 + count


def _read_integer(octets: bytes, at: int, end: int) -> tuple[int, int]:
    start, stop = _enter(octets, at, end, _INTEGER)
    if not 1 <= stop - start <= _INTEGER_OCTETS:
        raise CodecError(f"expected an INTEGER, one of {stop - start} octets came")
    return int.from_bytes(octets[start:stop], "big", signed=True), stop


def _read_octets(octets: bytes, at: int, end: int) -> tuple[bytes, int]:
    start, stop = _enter(octets, at, end, _OCTETS)
    return octets[start:stop], stop


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    if size < 0x100:
        return bytes((tag, 0x81, size)) + body
    return bytes((tag, 0x82, size >> 8, size & 0xFF)) + body


def _integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    return bytes((_INTEGER, len(body))) + body


@lru_cache(_REQUESTS_REMEMBERED)
def _asked(oids: tuple[str, ...]) -> bytes:
    """Encode the variables of a request that asks for these OIDs."""
    return _tlv(_SEQUENCE, b"".join(_tlv(_SEQUENCE, encode_oid(oid) + b"\x05\x00") for oid in oids))


@lru_cache(_OIDS_REMEMBERED)
def encode_oid(dotted: str) -> bytes:
    """Encode an OID given as dotted text, its tag included; PolicyError where that is none."""
    try:
        first, second, *rest = (int(part) for part in dotted.split("."))
    except ValueError:
        raise PolicyError(f"expected an OID like 1.3.6.1.2.1, found {dotted!r}: correct it") from None
    if not (0 <= first <= 2 and 0 <= second <= (39 if first < 2 else _OID_PART_MAX - 80)) or len(rest) > _OID_PARTS - 2:
        raise PolicyError(f"expected an OID like 1.3.6.1.2.1, found {dotted!r}: correct it")
    body = bytearray()
    for part in (first * 40 + second, *rest):
        if not 0 <= part <= _OID_PART_MAX:
            raise PolicyError(f"expected parts of 32 bits in an OID, found {dotted!r}: correct it")
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(part & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return _tlv(_OBJECT_ID, bytes(body))


@lru_cache(_OIDS_REMEMBERED)
def _dotted(body: bytes) -> str:
    """Decode an OID."""
    if not body or body[-1] & 0x80:
        raise CodecError("expected an OID, one came that is cut off")
    parts: list[int] = []
    part = 0
    for octet in body:
        part = part << 7 | octet & 0x7F
        if part > _OID_PART_MAX:
            raise CodecError("expected parts of 32 bits in an OID, a larger one came")
        if octet < 0x80:
            parts.append(part)
            part = 0
    if len(parts) >= _OID_PARTS:
        raise CodecError(f"expected an OID of at most {_OID_PARTS} parts, {len(parts) + 1} came")
    first = min(parts[0] // 40, 2)
    return ".".join(map(str, (first, parts[0] - 40 * first, *parts[1:])))
