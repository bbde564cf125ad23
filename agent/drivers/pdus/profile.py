"""PDU models as data: the schema of `profiles/*.yaml`, loading, and the checks that make a profile safe to write with.

A profile is one YAML file named after itself. Adding a model is adding a file. Every OID names the MIB object it was
taken from; `mib` names the MIB. Keys:

    name, vendor, models, mib
    sysobjectid:   {exact: OID} or {prefix: OID}; checked before every write
    outlet_index:  index of an outlet's row behind a column's OID, with {outlet} for the printed number ("0.{outlet}")
    rows:          {module: column, number: column}, where rows of chained units share one table and a row's index is
                   not the outlet's number; module 1 is the unit that is addressed
    state:         column + codes {"on": [..], "off": [..], "pending": [..]}; a code not listed is "unknown"
    pending:       column + codes {"pending": [..]}, where a flag beside the state tells of a command under way
    command:       style "code": one OID, a value each for "on" and "off"; `never` lists the values that are not to be
                   written (cycle, delayed, cancel)
                   style "delay": an OID each for "on" and "off"; the value is a delay in seconds, so it is 0
    current, power: metrics in A and W: column + scale, or column + digits (a column holding the number of decimals);
                   `missing` lists values that mean "not metered"; `status` is a column whose `unusable` codes mean
                   "not a measurement now"
    bank:          {index: "{bank}", current: metric, number: column that tells a row's bank where the index does not,
                   breaker: column + `tripped` codes}
    denied:        objects that nothing may ever write, nor anything below them: all-outlet commands, reboot commands

A column is {oid, object, index}; `index` only where it differs from outlet_index or the bank's. "on" and "off" are
quoted: YAML 1.1 reads them as booleans otherwise.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from agent.drivers.profiles import Profiles
from agent.model.errors import InvariantError, PolicyError
from agent.model.telemetry import OutletState

DIGITS_LIMIT: Final = 6
"""More decimals than this is garbage."""

_OID: Final = re.compile(r"1\.3(\.(0|[1-9]\d*))+")
_INDEX: Final = re.compile(r"(\d+\.)*\{(outlet|bank)\}(\.\d+)*")


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A column of a table: OID without index, the MIB object's name, and an index pattern of its own if it has one."""

    oid: str
    object: str
    index: str | None = None


class Metric(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A measured column: the raw value times scale, or times 10^-digits."""

    scale: float | None = None
    digits: Column | None = None
    missing: tuple[int, ...] = ()
    status: "Status | None" = None

    def decode(self, raw: object, digits: int | None, limit: float) -> float | None:
        """Return the value in the metric's unit; None for what is missing, unscaled, negative or over `limit`."""
        if not isinstance(raw, int) or raw in self.missing:
            return None
        if self.digits is not None and digits not in range(DIGITS_LIMIT + 1):
            return None
        value = raw * self.scale if self.scale is not None else raw / 10 ** (digits or 0)
        return value if 0.0 <= value <= limit else None


class Status(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A column beside a metric; while it reads one of `unusable` the metric is no measurement."""

    unusable: tuple[int, ...]


class StateCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the state column's codes mean."""

    on: tuple[int, ...]
    off: tuple[int, ...]
    pending: tuple[int, ...] = ()


class State(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state column."""

    codes: StateCodes


class PendingCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the flag's codes say that a command is under way."""

    pending: tuple[int, ...]


class Pending(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The flag beside the state."""

    codes: PendingCodes


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command: the object it is written to, and the INTEGER."""

    oid: str
    object: str
    value: int


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The only two writes a profile allows."""

    style: Literal["code", "delay"]
    on: Write
    off: Write
    never: dict[str, int] = {}


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns that tell which unit and which outlet a row is about."""

    module: Column
    number: Column


class Breaker(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bank's breaker."""

    tripped: tuple[int, ...]


class Banks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table of banks."""

    index: str
    current: Metric
    number: Column | None = None
    breaker: Breaker | None = None


class SysObjectId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the device calls itself: one value, or anything below a prefix."""

    exact: str | None = None
    prefix: str | None = None

    def __str__(self) -> str:
        return self.exact or f"{self.prefix}.*"

    def matches(self, oid: str) -> bool:
        """Whether a device with that sysObjectID is of this kind."""
        return oid == self.exact if self.exact else _at_or_below(oid, str(self.prefix))


class Denied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object nothing may write."""

    oid: str
    object: str


class Profile(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True, kw_only=True):
    """One PDU model; the keys are explained at the top of this module. Loaded once each, so equal only to itself."""

    name: str
    vendor: str
    models: str
    mib: str
    sysobjectid: SysObjectId
    outlet_index: str
    state: State
    command: Command
    rows: Rows | None = None
    pending: Pending | None = None
    current: Metric | None = None
    power: Metric | None = None
    bank: Banks | None = None
    denied: tuple[Denied, ...]

    def at(self, column: Column, outlet: int) -> str:
        """Return the OID of that column for an outlet's row."""
        return f"{column.oid}.{self.suffix(column, outlet)}"

    def suffix(self, column: Column, outlet: int) -> str:
        """Return the index, as text, of an outlet's row in that column's table."""
        return (column.index or self.outlet_index).format(outlet=outlet)

    def bank_at(self, column: Column, bank: int) -> str:
        """Return the OID of that column for a bank."""
        if self.bank is None:
            raise InvariantError(f"profile {self.name} has no banks and was asked for bank {bank}")
        return f"{column.oid}.{(column.index or self.bank.index).format(bank=bank)}"

    def write(self, outlet: int, on: bool) -> tuple[str, int]:
        """Return (OID, value) of the one SET that switches an outlet's row.

        Raises PolicyError rather than return a denied object or a code that does more than switch: the last line of
        defence behind the checks at loading.
        """
        command = self.command.on if on else self.command.off
        oid = f"{command.oid}.{self.outlet_index.format(outlet=outlet)}"
        denied = [d.object for d in self.denied if _at_or_below(oid, d.oid)]
        if outlet < 1 or denied or command.value in self.command.never.values():
            raise PolicyError(
                f"profile {self.name}: refused to write {command.value} to {oid}: "
                f"{'outlets are numbered from 1' if outlet < 1 else 'it is on the list of what is never written'}"
            )
        return oid, command.value

    def outlet_state(self, state: object, pending: object = None) -> OutletState:
        """Decode a state code and, where there is one, the pending flag."""
        if self.pending is not None and pending in self.pending.codes.pending:
            return OutletState.PENDING
        codes = self.state.codes
        if state in codes.on:
            return OutletState.ON
        if state in codes.off:
            return OutletState.OFF
        return OutletState.PENDING if state in codes.pending else OutletState.UNKNOWN


def _problems(profile: Profile) -> Iterator[str]:
    codes = profile.state.codes
    if not codes.on or not codes.off:
        yield "state.codes: 'on' and 'off' need at least one code each"
    if len({*codes.on, *codes.off, *codes.pending}) < len(codes.on) + len(codes.off) + len(codes.pending):
        yield "state.codes: a code stands for two states"
    if bool(profile.sysobjectid.exact) is bool(profile.sysobjectid.prefix):
        yield "sysobjectid: expected either exact or prefix"
    yield from _command_problems(profile)
    for column in _columns(profile):
        if not _OID.fullmatch(column.oid):
            yield f"{column.object}: {column.oid!r} is no OID"
        if column.index is not None and not _INDEX.fullmatch(column.index):
            yield f"{column.object}: index {column.index!r} is no pattern like '1.{{outlet}}'"
        if isinstance(column, Metric) and (column.scale is None) is (column.digits is None):
            yield f"{column.object}: expected either scale or digits"
    if not _INDEX.fullmatch(profile.outlet_index) or not profile.outlet_index.endswith("{outlet}"):
        yield f"outlet_index: {profile.outlet_index!r} is no pattern like '1.{{outlet}}'"
    if profile.rows is not None and profile.outlet_index != "{outlet}":
        yield "rows: only a table indexed by plain '{outlet}' can be re-mapped"
    if profile.bank is not None and not _INDEX.fullmatch(profile.bank.index):
        yield f"bank.index: {profile.bank.index!r} is no pattern like '1.{{bank}}'"


def _command_problems(profile: Profile) -> Iterator[str]:
    on, off, never = profile.command.on, profile.command.off, profile.command.never
    for word, write in (("on", on), ("off", off)):
        if not _OID.fullmatch(write.oid):
            yield f"command.{word}: {write.oid!r} is no OID"
        if write.value in never.values():
            yield f"command.{word}: {write.value} is one of the codes never to be written"
        for denied in profile.denied:
            if _at_or_below(write.oid, denied.oid):
                yield f"command.{word}: {write.oid} is denied ({denied.object})"
    if (on.oid, on.value) == (off.oid, off.value):
        yield "command: 'on' and 'off' are the same write"
    if (on.oid == off.oid) is not (profile.command.style == "code"):
        yield "command: style 'code' is one OID with two values, style 'delay' an OID each for 'on' and 'off'"
    if profile.command.style == "code" and "cycle" not in never:
        yield "command.never: name the code that cycles an outlet, so that it cannot be written by mistake"
    if profile.command.style == "delay" and (on.value, off.value) != (0, 0):
        yield "command: style 'delay' writes a number of seconds; only 0, at once, is allowed"
    if profile.command.style == "delay" and not profile.denied:
        yield "denied: name the object that reboots an outlet, so that it cannot be written by mistake"


def _columns(profile: Profile) -> Iterator[Column]:
    yield profile.state
    if profile.pending is not None:
        yield profile.pending
    if profile.rows is not None:
        yield profile.rows.module
        yield profile.rows.number
    metrics = [profile.current, profile.power, profile.bank.current if profile.bank else None]
    for metric in metrics:
        if metric is not None:
            yield metric
            yield from (column for column in (metric.digits, metric.status) if column is not None)
    if profile.bank is not None:
        yield from (column for column in (profile.bank.number, profile.bank.breaker) if column is not None)


def _at_or_below(oid: str, root: str) -> bool:
    return oid == root or oid.startswith(f"{root}.")


_PROFILES = Profiles(__package__, "PDU", Profile, _problems)
profile_names, load_profile, parse_profile = _PROFILES.names, _PROFILES.load, _PROFILES.parse
