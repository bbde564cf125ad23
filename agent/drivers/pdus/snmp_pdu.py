"""A PDU over SNMP: read all outlets, switch one and see whether it moved. The model is a profile, the wire a client.

How an outlet is switched: look (right device, present state), one SET, then look every second until state and current
agree with what was wanted. No reply to a SET is believed, neither the good ones nor the bad ones; no SET is sent
twice; the PDU's own cycle is never used. Source: facts "control", sections 1 and 2; facts "failures", row 13.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.drivers.pdus.profile import Column, Metric, Profile
from agent.drivers.snmp import SYS_OBJECT_ID, SnmpAccess, SnmpClient, Value
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


class SnmpPdu:
    """Drive one PDU. Outlets are numbered from 1 as printed; of chained units it is the one that is addressed."""

    def __init__(self, pdu: Pdu, profile: Profile, access: SnmpAccess, client: SnmpClient) -> None:
        self._pdu = pdu
        self._profile = profile
        self._access = access
        self._client = client
        self._rows: dict[int, int] = {}
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
        profile = self._profile
        await self._map_rows()
        await self._learn_digits()
        columns: list[Column | None] = [profile.state, profile.pending, profile.current, profile.power]
        if profile.current is not None:
            columns.append(profile.current.status)
        values = await self._columns([column for column in columns if column is not None])
        outlets = {
            number: OutletReading(
                self._state(values, row),
                self._measured(profile.current, row, values, CURRENT_LIMIT_A),
                self._measured(profile.power, row, values, POWER_LIMIT_W),
            )
            for number, row in self._rows.items()
            if profile.at(profile.state, row) in values
        }
        if not outlets:
            raise DeviceError(
                f"{self._pdu.id}: expected outlets at {profile.state.oid}, the device has none there: "
                f"check that it is a {profile.name} and what this login may see"
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
        oid, value = self._profile.write(self._rows[outlet], on)
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
        profile, row = self._profile, self._rows[outlet]
        columns: list[Column | None] = [profile.state, profile.pending, profile.current]
        if profile.current is not None:
            columns.append(profile.current.status)
        if profile.rows is not None:
            columns += [profile.rows.module, profile.rows.number]
        oids = [profile.at(column, row) for column in columns if column is not None]
        values = await self._get([SYS_OBJECT_ID], oids)
        self._checked_identity(values)
        if profile.rows is not None:
            seen = values.get(profile.at(profile.rows.module, row), 1), values.get(profile.at(profile.rows.number, row))
            if seen not in {(1, outlet), (1, None)}:
                self._rows.clear()
                raise DeviceError(
                    f"{self._pdu.id}: row {row} was outlet {outlet}, now it is another one's: "
                    "the chain was changed; the table is read anew next time"
                )
        if oids[0] not in values:
            raise DeviceError(f"{self._pdu.id}: no {profile.state.object} at {oids[0]}: check the profile")
        status = profile.current.status if profile.current else None
        return _Look(
            self._state(values, row),
            self._measured(profile.current, row, values, CURRENT_LIMIT_A),
            status is not None and values.get(profile.at(status, row)) in status.unusable,
        )

    def _checked_identity(self, values: Mapping[str, Value]) -> str:
        identity = str(values[SYS_OBJECT_ID])[:IDENTITY_CHARS]
        if not self._profile.sysobjectid.matches(identity):
            raise DeviceError(
                f"{self._pdu.id}: profile {self._profile.name} expects sysObjectID {self._profile.sysobjectid}, "
                f"the device at {self._pdu.host} is {identity}: correct the profile or the address"
            )
        return identity

    def _state(self, values: Mapping[str, Value], row: int) -> OutletState:
        profile = self._profile
        flag = None if profile.pending is None else values.get(profile.at(profile.pending, row))
        return profile.outlet_state(values.get(profile.at(profile.state, row)), flag)

    def _measured(self, metric: Metric | None, row: int, values: Mapping[str, Value], limit: float) -> float | None:
        if metric is None:
            return None
        if metric.status is not None and values.get(self._profile.at(metric.status, row)) in metric.status.unusable:
            return None
        digits = None if metric.digits is None else self._digits.get(self._profile.at(metric.digits, row))
        return metric.decode(values.get(self._profile.at(metric, row)), digits, limit)

    async def _bank_currents(self) -> dict[int, float]:
        banks, numbers = self._profile.bank, [bank.number for bank in self._pdu.banks]
        if banks is None or not numbers:
            return {}
        digits: dict[int, int | None] = dict.fromkeys(numbers)
        if banks.number is not None:
            columns = [banks.number.oid, banks.current.oid]
            table = await self._client.walk(self._pdu.host, self._access, columns)
            raw = {number: table[columns[1]].get(index) for index, number in table[columns[0]].items()}
        else:
            oids = [self._profile.bank_at(banks.current, number) for number in numbers]
            values = await self._get([], oids)
            raw = dict(zip(numbers, map(values.get, oids), strict=True))
            if banks.current.digits is not None:
                digits |= {n: self._digits.get(self._profile.bank_at(banks.current.digits, n)) for n in numbers}
        measured = {n: banks.current.decode(raw.get(n), digits[n], CURRENT_LIMIT_A) for n in numbers}
        return {number: current_a for number, current_a in measured.items() if current_a is not None}

    # -- reading the tables --------------------------------------------------------------------------------------------

    async def _get(self, oids: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Value]:
        return await self._client.get(self._pdu.host, self._access, oids, optional)

    async def _map_rows(self) -> None:
        """Learn which row is which outlet, once. They differ only where chained units share one table."""
        if self._rows:
            return
        numbers = range(1, self._pdu.outlet_count + 1)
        rows = self._profile.rows
        table: dict[str, dict[str, Value]] = {}
        if rows is not None:
            table = await self._client.walk(self._pdu.host, self._access, [rows.module.oid, rows.number.oid])
        if rows is None or not table[rows.number.oid]:
            self._rows = {number: number for number in numbers}
            return
        found: dict[int, int] = {}
        for index, number in table[rows.number.oid].items():
            if table[rows.module.oid].get(index, 1) == 1 and isinstance(number, int):
                if number in found:
                    raise DeviceError(f"{self._pdu.id}: two rows of the unit addressed claim to be outlet {number}")
                found[number] = int(index)
        self._rows = {number: found[number] for number in numbers if number in found}

    async def _learn_digits(self) -> None:
        """Learn how many decimals the device's readings have, once."""
        profile = self._profile
        wanted = [
            profile.at(metric.digits, row)
            for metric in (profile.current, profile.power)
            if metric is not None and metric.digits is not None
            for row in self._rows.values()
        ]
        if profile.bank is not None and profile.bank.current.digits is not None:
            wanted += [profile.bank_at(profile.bank.current.digits, bank.number) for bank in self._pdu.banks]
        missing = [oid for oid in wanted if oid not in self._digits]
        if missing:
            values = await self._get([], missing)
            self._digits |= {oid: value for oid, value in values.items() if isinstance(value, int)}

    async def _columns(self, columns: Sequence[Column]) -> dict[str, Value]:
        """Read columns for every row: by bulk where the row ends the index, else object by object."""
        profile, rows = self._profile, list(self._rows.values())
        bulk = [column for column in columns if (column.index or profile.outlet_index).endswith("{outlet}")]
        single = [profile.at(column, row) for column in columns if column not in bulk for row in rows]
        stems = [profile.at(column, 0).removesuffix(".0") for column in bulk]
        table = await self._client.walk(self._pdu.host, self._access, stems, [str(row) for row in rows])
        values = await self._get([], single) if single else {}
        return values | {f"{stem}.{row}": value for stem, found in table.items() for row, value in found.items()}
