"""A device's objects in order, and what a request gets from them. No bytes, no logins."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from simulators.devices.snmp_ber import (
    COUNTER32,
    COUNTER64,
    GAUGE32,
    INTEGER,
    NO_SUCH_INSTANCE,
    NO_SUCH_OBJECT,
    OBJECT_ID,
    OCTETS,
    TICKS,
    Data,
    Oid,
    oid,
    variable,
)


class Status(IntEnum):
    """Error statuses of RFC 3416 that a simulated device uses."""

    OK = 0
    TOO_BIG = 1
    GEN_ERR = 5
    NO_ACCESS = 6
    WRONG_TYPE = 7
    WRONG_VALUE = 10
    INCONSISTENT_VALUE = 12
    NOT_WRITABLE = 17


@dataclass(slots=True, eq=False)
class MibObject:
    """One instance of an object.

    Attributes:
        at: its OID, index included.
        tag: BER tag of its value.
        read: gives the value now.
        write: takes an INTEGER and tells how that went; None where the object is read-only.
    """

    at: Oid
    tag: int
    read: Callable[[], int | bytes | Oid]
    write: Callable[[int], Status] | None = None
    _name: bytes = field(init=False, repr=False)
    _value: "int | bytes | Oid | None" = field(init=False, default=None, repr=False)
    _encoded: bytes = field(init=False, default=b"", repr=False)

    def __post_init__(self) -> None:
        """Encode the OID once."""
        self._name = oid(self.at)

    def variable(self) -> bytes:
        """Return name and value now, encoded; a value that is what it was is not encoded again."""
        value = self.read()
        if value != self._value:
            self._value = value
            self._encoded = variable(self._name, (self.tag, value))
        return self._encoded


class Mib:
    """All objects of a device, sorted."""

    def __init__(self, objects: Iterable[MibObject]) -> None:
        self._objects = sorted(objects, key=lambda o: o.at)
        self._oids = [o.at for o in self._objects]
        self._by_oid = {o.at: o for o in self._objects}
        if len(self._by_oid) != len(self._objects):
            raise ValueError("two objects share one OID")
        self._columns = {at[:-1] for at in self._oids}

    def find(self, at: Oid) -> MibObject | None:
        """Return the object at exactly that OID."""
        return self._by_oid.get(at)

    def absent(self, at: Oid) -> Data:
        """Return what a GET says of an OID that has no object: no such instance of a column we have, or no object."""
        known = any(at[:cut] in self._columns for cut in range(len(at)))
        return (NO_SUCH_INSTANCE if known else NO_SUCH_OBJECT), None

    def after(self, at: Oid, count: int) -> list[MibObject]:
        """Return up to `count` objects that follow that OID."""
        start = bisect_right(self._oids, at)
        return self._objects[start : start + count]

    def write(self, at: Oid, data: Data) -> Status:
        """Write one value."""
        found = self._by_oid.get(at)
        if found is None or found.write is None:
            return Status.NOT_WRITABLE
        tag, value = data
        if tag != found.tag or not isinstance(value, int):
            return Status.WRONG_TYPE
        return found.write(value)


def integer(at: Oid, read: Callable[[], int], write: Callable[[int], Status] | None = None) -> MibObject:
    """Make an INTEGER."""
    return MibObject(at, INTEGER, read, write)


def gauge(at: Oid, read: Callable[[], int]) -> MibObject:
    """Make a Gauge32 (Unsigned32 is the same on the wire)."""
    return MibObject(at, GAUGE32, read)


def counter(at: Oid, read: Callable[[], int], *, bits: int = 64) -> MibObject:
    """Make a Counter64 or a Counter32, which wraps."""
    modulus = 1 << bits
    return MibObject(at, COUNTER64 if bits == 64 else COUNTER32, lambda: read() % modulus)


def constant(at: Oid, value: int | str | Oid) -> MibObject:
    """Make an object that never changes: INTEGER, OCTET STRING or OBJECT IDENTIFIER, by the value's type."""
    fixed = value.encode() if isinstance(value, str) else value
    tag = INTEGER if isinstance(fixed, int) else OCTETS if isinstance(fixed, bytes) else OBJECT_ID
    return MibObject(at, tag, lambda: fixed)


_SYSTEM: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)


def system_group(descr: str, object_id: Oid, name: str, uptime_s: Callable[[], float]) -> list[MibObject]:
    """Make the system group every agent has (SNMPv2-MIB)."""
    return [
        constant((*_SYSTEM, 1, 0), descr),
        constant((*_SYSTEM, 2, 0), object_id),
        MibObject((*_SYSTEM, 3, 0), TICKS, lambda: int(uptime_s() * 100) % (1 << 32)),
        constant((*_SYSTEM, 4, 0), ""),
        constant((*_SYSTEM, 5, 0), name),
        constant((*_SYSTEM, 6, 0), ""),
        constant((*_SYSTEM, 7, 0), 72),
    ]
