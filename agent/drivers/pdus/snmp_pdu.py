"""A PDU over SNMP: read all outlets, switch one and see whether it moved. The model is a profile, the wire a client.

How an outlet is switched: look (right device, present state), one SET, then look every second until state and current
agree with what was wanted. No reply to a SET is believed, neither the good ones nor the bad ones; no SET is sent
twice; the PDU's own cycle is never used. Source: facts "control", sections 1 and 2; facts "failures", row 13.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Final

from agent.drivers.pdus.profile import Column, Metric, Profile
from agent.drivers.snmp import SYS_OBJECT_ID, SnmpAccess, SnmpClient, Value, row_index
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError, TransportError
from agent.model.telemetry import OutletReading, OutletState, PduReading
from agent.model.topology import Pdu

SETTLE_S: Final = 20.0
"""How long an outlet may take from the SET to the state wanted. Source: facts "control", section 1, asynchronous
completion."""
LOOK_EVERY_S: Final = 1.0
"""Seconds between two looks while it does. Source: same place."""
OFF_BELOW_A: Final = 0.2
"""An outlet that carries more is not off, whatever its state says. Source: facts "control", section 2, verify."""
IDENTITY_CHARS: Final = 80
"""As much of what a device calls itself goes into a message."""
ROWS_REMEMBERED: Final = 4096
"""Outlets of all models of a site."""
CURRENT_LIMIT_A: Final = 1_000.0
POWER_LIMIT_W: Final = 1_000_000.0
"""Readings beyond these are garbage, not measurements."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One outlet as seen now.

    Attributes:
        current_a: None where it is not metered.
        settling: the meter says of itself that it has no valid value yet.
    """

    state: OutletState
    current_a: float | None
    settling: bool

    def shows(self, on: bool) -> bool:
        """Whether the outlet is verified to be on, or off with no current flowing."""
        if on:
            return self.state is OutletState.ON
        return self.state is OutletState.OFF and not self.settling and (self.current_a or 0.0) < OFF_BELOW_A

    def __str__(self) -> str:
        amperes = "settling" if self.settling else "unmetered" if self.current_a is None else f"{self.current_a:.2f} A"
        return f"{self.state.name.lower()}, {amperes}"


@dataclass(frozen=True, slots=True)
class _Meter:
    """Where one reading is: its object, the one that tells whether it is valid, the one that tells its decimals."""

    metric: Metric
    oid: str
    status: str | None
    digits: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """Where the objects of one outlet are.

    Attributes:
        index: the row's number, which is the outlet's but for chained units.
        bulk, single: columns (OID up to the row's number) that a bulk walk reads, and OIDs it cannot.
        module, number: what tells which outlet the row is about, where the profile knows.
    """

    index: int
    state: str
    pending: str | None
    current: _Meter | None
    power: _Meter | None
    module: str | None
    number: str | None
    bulk: tuple[str, ...]
    single: tuple[str, ...]


@lru_cache(ROWS_REMEMBERED)
def _row_of(profile: Profile, row: int) -> _Row:
    """Work out where the objects of an outlet's row are; PDUs of one model share the answer."""

    def at(column: Column | None) -> str | None:
        return None if column is None else profile.at(column, row)

    def meter(metric: Metric | None) -> _Meter | None:
        if metric is None:
            return None
        return _Meter(metric, profile.at(metric, row), at(metric.status), at(metric.digits))

    read: list[Column | None] = [profile.state, profile.pending, profile.current, profile.power]
    if profile.current is not None:
        read.append(profile.current.status)
    columns = [column for column in read if column is not None]
    bulk = [column for column in columns if (column.index or profile.outlet_index).endswith("{outlet}")]
    return _Row(
        index=row,
        state=profile.at(profile.state, row),
        pending=at(profile.pending),
        current=meter(profile.current),
        power=meter(profile.power),
        module=at(profile.rows.module) if profile.rows is not None else None,
        number=at(profile.rows.number) if profile.rows is not None else None,
        bulk=tuple(profile.at(column, row).rpartition(".")[0] for column in bulk),
        single=tuple(profile.at(column, row) for column in columns if column not in bulk),
    )


def _banks_of(profile: Profile, pdu: Pdu) -> tuple[list[str], list[str]]:
    """Return, for each bank in its order, the OID of its current and, if the device tells them, of its decimals."""
    if profile.bank is None:
        return [], []
    current = profile.bank.current
    return [profile.bank_at(current, bank.number) for bank in pdu.banks], [
        profile.bank_at(current.digits, bank.number) for bank in pdu.banks if current.digits is not None
    ]


def _rows_in(table: Mapping[str, Value], column: Column) -> Iterator[tuple[str, Value]]:
    """Yield (index, value) of the rows of one column of what a walk found."""
    for oid, value in table.items():
        index = row_index(column.oid, oid)
        if index is not None:
            yield index, value


class SnmpPdu:
    """Drive one PDU. Outlets are numbered from 1 as printed; of chained units it is the one that is addressed."""

    def __init__(self, pdu: Pdu, profile: Profile, access: SnmpAccess, client: SnmpClient) -> None:
        self._pdu = pdu
        self._profile = profile
        self._bank_oids, self._bank_digits = _banks_of(profile, pdu)
        self._access = access
        self._client = client
        self._rows: dict[int, _Row] = {}
        self._digits: dict[str, int] = {}
        self._unproven: set[int] = set()

    async def identify(self) -> str:
        """Return the device's sysObjectID; raises DeviceError where it is not what the profile is for."""
        return self._checked_identity(await self._get([SYS_OBJECT_ID]))

    async def read(self) -> PduReading:
        """Read state, current and power of every outlet, and the current of every bank.

        Outlets the device has no row for are left out. Raises DeviceError where it has none at all, TransportError or
        CodecError where the wire or the answer is bad.
        """
        await self._map_rows()
        await self._learn_digits()
        values = await self._tables()
        outlets = {
            number: OutletReading(
                self._state(values, row),
                self._measured(row.current, values, CURRENT_LIMIT_A),
                self._measured(row.power, values, POWER_LIMIT_W),
            )
            for number, row in self._rows.items()
            if row.state in values
        }
        if not outlets:
            raise DeviceError(
                f"{self._pdu.id}: expected outlets at {self._profile.state.oid}, the device has none there: "
                f"check that it is a {self._profile.name} and what this login may see"
            )
        return PduReading(outlets, await self._bank_currents())

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch one outlet on or off and return once that is verified.

        Writes nothing where the outlet already is as wanted and no command is pending: the action sets a state, and a
        SET that changes nothing is a risk without a gain. An outlet whose last SET was never seen to take effect is
        written all the same: that SET may still be on its way, and the later one wins.

        Raises DeviceError where it was seen not to have happened, TransportError where nobody could look and the
        outcome is unknown, PolicyError before anything was sent.
        """
        if not 1 <= outlet <= self._pdu.outlet_count:
            raise PolicyError(
                f"{self._pdu.id}/{outlet}: expected an outlet from 1 to {self._pdu.outlet_count}: check the inventory"
            )
        await self._map_rows()
        await self._learn_digits()
        if outlet not in self._rows:
            raise DeviceError(f"{self._pdu.id}/{outlet}: the device lists no such outlet on the unit addressed")
        if (await self._look(outlet)).shows(on) and outlet not in self._unproven:
            await self._check_breaker(outlet, on)
            return
        oid, value = self._profile.write(self._rows[outlet].index, on)
        reply: AgentError | None = None
        self._unproven.add(outlet)
        try:
            await self._client.set(self._pdu.host, self._access, oid, value)
        except (DeviceError, TransportError, CodecError) as answer:
            reply = answer
        await self._verify(outlet, on, reply)

    # -- after a SET ---------------------------------------------------------------------------------------------------

    async def _verify(self, outlet: int, on: bool, reply: AgentError | None) -> None:
        """Look until the outlet is as wanted; whatever the SET's reply was, only what is seen counts."""
        said = "accepted" if reply is None else f"answered with: {reply}"
        wanted = f"{self._pdu.id}/{outlet}: wanted {'on' if on else 'off'}; the SET was {said}"
        try:
            look = await self._settled(outlet, on)
        except AgentError as blind:
            raise TransportError(f"{wanted}; could not see what became of it: {blind}") from blind
        if look.shows(on):
            self._unproven.discard(outlet)
            await self._check_breaker(outlet, on)
        elif look.settling or look.state in {OutletState.PENDING, OutletState.UNKNOWN}:
            raise TransportError(f"{wanted}; after {SETTLE_S:g} s it reads {look}: the outcome is open, look again")
        elif look.state is OutletState.OFF and not on:
            raise DeviceError(f"{wanted}; it reads {look}: a welded relay, or the meter of another outlet")
        else:
            raise DeviceError(f"{wanted}; it did not move within {SETTLE_S:g} s and reads {look}") from reply

    async def _settled(self, outlet: int, on: bool) -> _Look:
        """Look every second until the outlet is as wanted or time is up; what is returned was seen last of all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while True:
                    await asyncio.sleep(LOOK_EVERY_S)
                    with suppress(AgentError):
                        look = await self._look(outlet)
                        if look.shows(on):
                            return look
        return await self._look(outlet)

    async def _check_breaker(self, outlet: int, on: bool) -> None:
        """Refuse to call an outlet on while the breaker before it is known to be open: a relay is not yet voltage."""
        breaker = self._profile.bank.breaker if self._profile.bank else None
        bank = next((bank for bank in self._pdu.banks if outlet in bank.outlets), None)
        if not on or breaker is None or bank is None:
            return
        oid = self._profile.bank_at(breaker, bank.number)
        try:
            code = (await self._get([], [oid])).get(oid)
        except AgentError:
            return
        if code in breaker.tripped:
            raise DeviceError(
                f"{self._pdu.id}/{outlet}: the relay is on, the breaker of {bank} is open: reset it there"
            )

    # -- looking -------------------------------------------------------------------------------------------------------

    async def _look(self, outlet: int) -> _Look:
        """See one outlet in one GET, the device's identity included: a PDU that was swapped is noticed in time."""
        row = self._rows[outlet]
        seen = [row.state, row.pending, row.module, row.number]
        if row.current is not None:
            seen += [row.current.oid, row.current.status]
        values = await self._get([SYS_OBJECT_ID], [oid for oid in seen if oid is not None])
        self._checked_identity(values)
        if row.module is not None and row.number is not None:
            told = values.get(row.module, 1), values.get(row.number)
            if told not in {(1, outlet), (1, None)}:
                self._rows.clear()
                raise DeviceError(
                    f"{self._pdu.id}: row {row.index} was outlet {outlet}, now it is another one's: "
                    "the chain was changed; the table is read anew next time"
                )
        if row.state not in values:
            raise DeviceError(f"{self._pdu.id}: no {self._profile.state.object} at {row.state}: check the profile")
        return _Look(
            self._state(values, row),
            self._measured(row.current, values, CURRENT_LIMIT_A),
            self._is_unusable(row.current, values),
        )

    def _checked_identity(self, values: Mapping[str, Value]) -> str:
        identity = str(values[SYS_OBJECT_ID])[:IDENTITY_CHARS]
        if not self._profile.sysobjectid.matches(identity):
            raise DeviceError(
                f"{self._pdu.id}: profile {self._profile.name} expects sysObjectID {self._profile.sysobjectid}, "
                f"the device at {self._pdu.host} is {identity}: correct the profile or the address"
            )
        return identity

    def _state(self, values: Mapping[str, Value], row: _Row) -> OutletState:
        flag = None if row.pending is None else values.get(row.pending)
        return self._profile.outlet_state(values.get(row.state), flag)

    def _measured(self, meter: _Meter | None, values: Mapping[str, Value], limit: float) -> float | None:
        if meter is None or (meter.status is not None and self._is_unusable(meter, values)):
            return None
        digits = None if meter.digits is None else self._digits.get(meter.digits)
        return meter.metric.decode(values.get(meter.oid), digits, limit)

    @staticmethod
    def _is_unusable(meter: _Meter | None, values: Mapping[str, Value]) -> bool:
        """Whether the meter says of itself that it has no valid value."""
        if meter is None or meter.status is None or meter.metric.status is None:
            return False
        return values.get(meter.status) in meter.metric.status.unusable

    async def _bank_currents(self) -> dict[int, float]:
        banks, numbers = self._profile.bank, [bank.number for bank in self._pdu.banks]
        if banks is None or not numbers:
            return {}
        if banks.number is not None:
            columns = [banks.number.oid, banks.current.oid]
            table = await self._client.walk(self._pdu.host, self._access, columns)
            raw = {number: table.get(f"{banks.current.oid}.{index}") for index, number in _rows_in(table, banks.number)}
        else:
            values = await self._get([], self._bank_oids)
            raw = dict(zip(numbers, map(values.get, self._bank_oids), strict=True))
        digits = map(self._digits.get, self._bank_digits) if self._bank_digits else repeat(None)
        measured = {
            n: banks.current.decode(raw.get(n), d, CURRENT_LIMIT_A) for n, d in zip(numbers, digits, strict=False)
        }
        return {number: current_a for number, current_a in measured.items() if current_a is not None}

    # -- reading the tables --------------------------------------------------------------------------------------------

    async def _get(self, oids: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Value]:
        return await self._client.get(self._pdu.host, self._access, oids, optional)

    async def _map_rows(self) -> None:
        """Learn which row is which outlet, once. They differ only where chained units share one table."""
        if not self._rows:
            found = await self._read_index()
            self._rows = {number: _row_of(self._profile, index) for number, index in found.items()}

    async def _read_index(self) -> dict[int, int]:
        """Return the row of each outlet of the unit addressed."""
        numbers = range(1, self._pdu.outlet_count + 1)
        rows = self._profile.rows
        table: dict[str, Value] = {}
        if rows is not None:
            table = await self._client.walk(self._pdu.host, self._access, [rows.module.oid, rows.number.oid])
        if rows is None or not any(_rows_in(table, rows.number)):
            return {number: number for number in numbers}
        found: dict[int, int] = {}
        for index, number in _rows_in(table, rows.number):
            if table.get(f"{rows.module.oid}.{index}", 1) == 1 and isinstance(number, int):
                if number in found:
                    raise DeviceError(f"{self._pdu.id}: two rows of the unit addressed claim to be outlet {number}")
                found[number] = int(index)
        return {number: found[number] for number in numbers if number in found}

    async def _learn_digits(self) -> None:
        """Learn how many decimals the device's readings have, once."""
        meters = [meter for row in self._rows.values() for meter in (row.current, row.power) if meter is not None]
        wanted = [*(meter.digits for meter in meters), *self._bank_digits]
        missing = [oid for oid in wanted if oid is not None and oid not in self._digits]
        if missing:
            values = await self._get([], missing)
            self._digits |= {oid: value for oid, value in values.items() if isinstance(value, int)}

    async def _tables(self) -> dict[str, Value]:
        """Read every outlet's objects: by bulk where the row ends the index, else object by object."""
        rows = list(self._rows.values())
        if not rows:
            return {}
        suffixes = [str(row.index) for row in rows]
        values = await self._client.walk(self._pdu.host, self._access, rows[0].bulk, suffixes)
        single = [oid for column in zip(*(row.single for row in rows), strict=True) for oid in column]
        if single:
            values |= await self._get([], single)
        return values
