"""Cooling units as data: the schema of `profiles/*.yaml`, loading, and the checks that make one safe to write with.

A profile is one YAML file named after itself. Adding a unit is adding a file. Registers are the addresses on the wire,
from 0: what a manual calls input register 30493 is `function: 4, register: 492`. Keys:

    name, vendor, models, source
    readings:      supply_c, return_c, flow_lpm, setpoint_c, flow_setpoint_lpm, dew_point_c, ambient_c, humidity (a
                   share of 1): points, as many as there are; setpoint_c has to be there, for nothing is written that
                   cannot be read back
    write_enable, mode:  flags that must both be set before anything is written: what a person switches at the unit
    leak:          flags; one of them set is a leak
    pumps:         {running: flags, failed: flags, needed: how many must run and not have failed}
    alarms:        flags by name
    writes:        supply_c and, where it can be set, flow_lpm: points with `function` 6 or 16, written only within
                   their `limits`
    denied:        registers that nothing may ever write, by name: stop, pump and valve commands, other modes

A point is {function, register, type, scale, offset, limits, missing, label}: value = (raw - offset) x scale, None where
raw is in `missing` or the value is outside `limits`. A flag is {function, register, mask, equals, label}: set when any
bit of `mask` is or, where `equals` is given, when the masked value is that.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from agent.drivers.profiles import Profiles
from agent.model.errors import PolicyError

Type = Literal["uint16", "int16", "uint32", "int32", "float32", "uint32_low_first", "int32_low_first"]

_FORMATS: Final[Mapping[Type, str]] = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "float32": ">f",
    "uint32_low_first": ">I",
    "int32_low_first": ">i",
}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
LAST_REGISTER: Final = 65_535
EXACT: Final = 1e-6
"""A value is written only where it is a whole number of the unit's steps, but for rounding."""


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number in one or two registers; the keys are explained at the top of this module."""

    register: int
    limits: tuple[float, float]
    function: Literal[3, 4, 6, 16] = 3
    type: Type = "uint16"
    scale: float = 1.0
    offset: int = 0
    missing: tuple[int, ...] = ()
    label: str = ""

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return struct.calcsize(_FORMATS[self.type]) // 2

    @property
    def step(self) -> float:
        """The smallest difference it can tell."""
        return abs(self.scale)

    def decode(self, words: Sequence[int]) -> float | None:
        """Return the value; None where the unit says that it has none, or one that cannot be."""
        ordered = words[::-1] if self.type.endswith("low_first") else words
        (raw,) = struct.unpack(_FORMATS[self.type], struct.pack(f">{len(ordered)}H", *ordered))
        if raw in self.missing or not math.isfinite(raw):
            return None
        value: float = (raw - self.offset) * self.scale
        return value if self.limits[0] <= value <= self.limits[1] else None

    def encode(self, value: float) -> list[int]:
        """Return the registers that hold the value; PolicyError where it is outside the limits or between two steps."""
        if not self.limits[0] <= value <= self.limits[1]:
            raise PolicyError(f"expected a value from {self.limits[0]:g} to {self.limits[1]:g}, got {value:g}")
        exact = value / self.scale + self.offset
        raw = exact if self.type == "float32" else round(exact)
        if abs(raw - exact) > EXACT:
            raise PolicyError(f"expected a whole number of steps of {self.step:g}, got {value:g}")
        try:
            packed = struct.pack(_FORMATS[self.type], raw)
        except struct.error:
            raise PolicyError(f"expected a value that fits {self.type}, got {value:g}") from None
        words = list(struct.unpack(f">{self.words}H", packed))
        return words[::-1] if self.type.endswith("low_first") else words


class Flag(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that is so or not; the keys are explained at the top of this module."""

    register: int
    function: Literal[3, 4] = 3
    mask: int = 0xFFFF
    equals: int | None = None
    label: str = ""

    def is_set(self, word: int) -> bool:
        """Whether it is so, by that register's value."""
        return bool(word & self.mask) if self.equals is None else (word & self.mask) == self.equals


class Readings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a unit tells in numbers."""

    setpoint_c: Point
    supply_c: Point | None = None
    return_c: Point | None = None
    flow_lpm: Point | None = None
    flow_setpoint_lpm: Point | None = None
    dew_point_c: Point | None = None
    ambient_c: Point | None = None
    humidity: Point | None = None

    def points(self) -> dict[str, Point]:
        """Return those that there are, by name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: point for name, point in found.items() if point is not None}


class Pumps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a unit tells of its pumps, pump by pump in the same order."""

    needed: int
    running: tuple[Flag, ...] = ()
    failed: tuple[Flag, ...] = ()

    @property
    def count(self) -> int:
        """How many pumps there are."""
        return max(len(self.running), len(self.failed))


class Writes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The only registers that are ever written."""

    supply_c: Point
    flow_lpm: Point | None = None

    def points(self) -> dict[str, Point]:
        """Return those that there are, by name."""
        return {"supply_c": self.supply_c} | ({} if self.flow_lpm is None else {"flow_lpm": self.flow_lpm})


class Denied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register that nothing may write."""

    register: int
    label: str


class Profile(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True, kw_only=True):
    """One kind of unit; the keys are explained at the top of this module. Loaded once each, so equal only to itself."""

    name: str
    vendor: str
    models: str
    source: str
    readings: Readings
    writes: Writes
    denied: tuple[Denied, ...]
    write_enable: Flag | None = None
    mode: Flag | None = None
    leak: tuple[Flag, ...] = ()
    pumps: Pumps | None = None
    alarms: dict[str, Flag] = {}

    def flags(self) -> Iterator[Flag]:
        """Yield every flag there is."""
        yield from (flag for flag in (self.write_enable, self.mode) if flag is not None)
        yield from self.leak
        if self.pumps is not None:
            yield from (*self.pumps.running, *self.pumps.failed)
        yield from self.alarms.values()


def _point_problems(profile: Profile) -> Iterator[str]:
    readings = {f"readings.{name}": point for name, point in profile.readings.points().items()}
    writes = {f"writes.{name}": point for name, point in profile.writes.points().items()}
    for where, point in (readings | writes).items():
        if not 0 <= point.register <= LAST_REGISTER - point.words + 1:
            yield f"{where}: {point.register} is no register; expected 0 to {LAST_REGISTER}"
        if point.scale == 0.0 or not math.isfinite(point.scale):
            yield f"{where}: a scale of {point.scale:g} decodes nothing"
        if not point.limits[0] < point.limits[1]:
            yield f"{where}: limits {point.limits} leave nothing; write the smaller first"
        if point.function not in ((3, 4) if where in readings else (6, 16)):
            wanted = "3 or 4 to read" if where in readings else "6 or 16 to write"
            yield f"{where}: function {point.function}; expected {wanted}"
    for where, point in writes.items():
        if point.function == 6 and point.words != 1:
            yield f"{where}: function 6 writes one register, {point.type} takes {point.words}; write function: 16"


def _flag_problems(profile: Profile) -> Iterator[str]:
    for flag in profile.flags():
        if not 0 <= flag.register <= LAST_REGISTER:
            yield f"flag {flag.label or flag.register}: {flag.register} is no register"
        if not 0 < flag.mask <= 0xFFFF or (flag.equals is not None and flag.equals & ~flag.mask):
            yield f"flag {flag.label or flag.register}: mask {flag.mask:#x} and equals {flag.equals} can never be set"
    for name in profile.alarms:
        if not _NAME.fullmatch(name):
            yield f"alarms: {name!r} is no name; expected small letters, digits and _"
    pumps = profile.pumps
    if pumps is not None:
        if pumps.running and pumps.failed and len(pumps.running) != len(pumps.failed):
            yield "pumps: running and failed list another number of pumps"
        if not 0 < pumps.needed <= pumps.count:
            yield f"pumps.needed: {pumps.needed} of {pumps.count} pumps; expected at least 1 and no more than there are"


def _write_problems(profile: Profile) -> Iterator[str]:
    if not profile.denied:
        yield "denied: name the registers that stop or disable it, so that they cannot be written by mistake"
    denied = {entry.register: entry.label for entry in profile.denied}
    taken: dict[int, str] = {}
    for name, point in profile.writes.points().items():
        for register in range(point.register, point.register + point.words):
            if register in denied:
                yield f"writes.{name}: {register} is denied ({denied[register]})"
            other = taken.setdefault(register, name)
            if other != name:
                yield f"writes.{name}: {register} is {other}'s too"
    for name, back in (("supply_c", "setpoint_c"), ("flow_lpm", "flow_setpoint_lpm")):
        write, read = profile.writes.points().get(name), profile.readings.points().get(back)
        if write is not None and read is None:
            yield f"writes.{name}: nothing reads it back; add readings.{back}"
        elif write is not None and read is not None and read.step > write.step + EXACT:
            yield f"readings.{back}: steps of {read.step:g} cannot tell whether {write.step:g} was written"


def _problems(profile: Profile) -> Iterator[str]:
    yield from _point_problems(profile)
    yield from _flag_problems(profile)
    yield from _write_problems(profile)


_PROFILES = Profiles(__package__, "cooling", Profile, _problems)
profile_names, load_profile, parse_profile = _PROFILES.names, _PROFILES.load, _PROFILES.parse
