"""One cooling unit over Modbus TCP: read in one go, set with one write that is never repeated, and read back.

What is written is the register of the supply temperature or of the flow, and nothing else, and only after a look at
the unit: no leak, no alarm, in its remote and automatic mode, and aiming at what the agent last knew. Its interlocks
are its own.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from agent.drivers.cooling.modbus import ModbusLink, connected
from agent.drivers.cooling.profile import Flag, Point, Profile
from agent.drivers.net import Dialer
from agent.model.errors import CodecError, DeviceError, PolicyError, SilentError, TransportError
from agent.model.telemetry import CoolingReading
from agent.model.topology import CoolingUnit

READ_DEADLINE_S = 6.0
"""A whole read: a dozen requests; some units take two seconds for one (facts "control", section 3)."""

SET_DEADLINE_S = 25.0
BACK_EVERY_S = 1.0
BACK_WITHIN_S = 8.0
"""How often, and for how long, a setpoint that was taken is looked for."""

Register = tuple[int, int]
"""Function code and address."""

_BACK = {"supply_c": "setpoint_c", "flow_lpm": "flow_setpoint_lpm"}
_SAYS = {"supply_c": "°C", "flow_lpm": "L/min"}


class CoolingModbus:
    """The driver of one unit. Every call opens its own connection; one call at a time."""

    def __init__(self, unit: CoolingUnit, profile: Profile, dialer: Dialer) -> None:
        self._unit = unit
        self._profile = profile
        self._dialer = dialer
        self._one = asyncio.Lock()
        self._blocks = _blocks(_registers(profile))

    async def read(self) -> CoolingReading:
        """Return what the unit tells.

        Raises:
            DeviceError: it does not even tell its setpoint.
            TransportError, CodecError: the wire failed, or what came was garbage.
        """
        async with self._one:
            try:
                async with asyncio.timeout(READ_DEADLINE_S), self._connected() as link:
                    return self._decoded(await self._words(link))
            except TimeoutError:
                raise SilentError(
                    f"{self._unit.id}: expected a complete read within {READ_DEADLINE_S:g} s, none came"
                ) from None

    async def set_supply(self, supply_c: float, was: float) -> None:
        """Have it aim at a supply temperature in °C; `was` is what it aimed at when that was decided.

        Raises:
            PolicyError: nothing was written: the unit must not be told now, or not that.
            DeviceError: it was seen not to take it.
            TransportError: the outcome is unknown.
        """
        if not self._unit.min_c <= supply_c <= self._unit.max_c:
            raise PolicyError(
                f"{self._unit.id}: expected a supply from {self._unit.min_c:g} to {self._unit.max_c:g} °C, got "
                f"{supply_c:g}; see its min_c and max_c"
            )
        await self._set("supply_c", supply_c, was)

    async def set_flow(self, flow_lpm: float, was: float) -> None:
        """Have it aim at a flow in L/min; raises as `set_supply` does."""
        if flow_lpm < self._unit.min_flow_lpm:
            raise PolicyError(
                f"{self._unit.id}: expected a flow of at least {self._unit.min_flow_lpm:g} L/min, got {flow_lpm:g}"
            )
        await self._set("flow_lpm", flow_lpm, was)

    async def _set(self, what: str, value: float, was: float) -> None:
        point = self._profile.writes.points().get(what)
        if point is None:
            raise PolicyError(f"{self._unit.id}: {self._profile.name} knows no way to set {what}; nothing was written")
        words = point.encode(value)
        async with self._one:
            try:
                async with asyncio.timeout(SET_DEADLINE_S):
                    await self._write_once(what, point, words, value, was)
            except TimeoutError:
                raise SilentError(
                    f"{self._unit.id}: expected {what} to be set within {SET_DEADLINE_S:g} s; look what it aims at"
                ) from None

    async def _write_once(self, what: str, point: Point, words: list[int], value: float, was: float) -> None:
        lost: TransportError | CodecError | None = None
        async with self._connected() as link:
            reading = self._decoded(await self._words(link))
            self._expect_free(reading)
            found = self._back(reading, what)
            if _agree(found, value, point.step):
                return
            if not _agree(found, was, point.step):
                raise PolicyError(
                    f"{self._unit.id}: expected it to aim at {was:g} {_SAYS[what]}, it aims at {found:g}: somebody "
                    "else has moved it; nothing was written"
                )
            try:
                await link.write(point.function, point.register, words)
            except (TransportError, CodecError) as error:
                lost = error
        found = await self._looked_back(what, value, point.step)
        if not _agree(found, value, point.step):
            if lost is not None:
                raise TransportError(f"{self._unit.id}: {lost}; it aims at {found:g} {_SAYS[what]} so far") from None
            raise DeviceError(
                f"{self._unit.id}: expected it to aim at {value:g} {_SAYS[what]} after the write, it aims at {found:g}"
            )

    async def _looked_back(self, what: str, value: float, step: float) -> float:
        """Return what it aims at: `value` as soon as it is so, else what it is after a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BACK_WITHIN_S
        while True:
            async with self._connected() as link:
                found = self._back(self._decoded(await self._words(link)), what)
            if _agree(found, value, step) or loop.time() >= until:
                return found
            await asyncio.sleep(BACK_EVERY_S)

    def _back(self, reading: CoolingReading, what: str) -> float:
        found: float | None = getattr(reading, _BACK[what])
        if found is None:
            raise DeviceError(f"{self._unit.id}: expected it to tell {_BACK[what]}, it does not believably")
        return found

    def _expect_free(self, reading: CoolingReading) -> None:
        """Raise PolicyError where the unit must not be told anything now."""
        problem = ""
        if reading.leak:
            problem = "it reports a leak"
        elif self._profile.leak and reading.leak is None:
            problem = "it does not tell whether it leaks"
        elif reading.alarms:
            problem = f"it shows the alarm {', '.join(reading.alarms)}"
        elif reading.is_remote is not True:
            problem = "it is not in its remote and automatic mode: somebody may be at work on it"
        if problem:
            raise PolicyError(f"{self._unit.id}: {problem}; nothing was written")

    def _connected(self) -> AbstractAsyncContextManager[ModbusLink]:
        return connected(self._dialer.endpoint(self._unit.host, self._unit.port), self._unit.device_id)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _words(self, link: ModbusLink) -> dict[Register, int]:
        """Return every register of the profile that the unit tells; one it refuses to tell costs its block."""
        found: dict[Register, int] = {}
        for function, first, count in self._blocks:
            try:
                words = await link.read(function, first, count)
            except DeviceError:
                continue
            found.update({(function, first + i): word for i, word in enumerate(words)})
        return found

    def _decoded(self, words: Mapping[Register, int]) -> CoolingReading:
        profile = self._profile
        values = {name: _value(point, words) for name, point in profile.readings.points().items()}
        if values["setpoint_c"] is None:
            raise DeviceError(f"{self._unit.id}: expected it to tell its setpoint; is {profile.name} its profile?")
        switches = [flag for flag in (profile.write_enable, profile.mode) if flag is not None]
        alarms = [name for name, flag in profile.alarms.items() if _is_set(flag, words)]
        return CoolingReading(
            **values,
            is_remote=_all([_is_set(flag, words) for flag in switches]),
            leak=_any([_is_set(flag, words) for flag in profile.leak]),
            pumps_ok=_pumps_ok(profile, words),
            alarms=tuple(alarms),
        )


def _registers(profile: Profile) -> Iterable[Register]:
    for point in profile.readings.points().values():
        yield from ((point.function, point.register + i) for i in range(point.words))
    for flag in profile.flags():
        yield flag.function, flag.register


def _blocks(registers: Iterable[Register]) -> list[tuple[int, int, int]]:
    """Return (function, first, count) of reads that ask for these registers and no other: some units refuse those."""
    blocks: list[tuple[int, int, int]] = []
    for function, register in sorted(set(registers)):
        if blocks and blocks[-1][0] == function and sum(blocks[-1][1:]) == register:
            blocks[-1] = (function, blocks[-1][1], blocks[-1][2] + 1)
        else:
            blocks.append((function, register, 1))
    return blocks


def _value(point: Point, words: Mapping[Register, int]) -> float | None:
    found = [words.get((point.function, point.register + i)) for i in range(point.words)]
    told = [word for word in found if word is not None]
    return point.decode(told) if len(told) == point.words else None


def _is_set(flag: Flag, words: Mapping[Register, int]) -> bool | None:
    word = words.get((flag.function, flag.register))
    return None if word is None else flag.is_set(word)


def _all(said: Sequence[bool | None]) -> bool | None:
    """Return whether all are so; one that is not decides, else one that is unknown."""
    return False if False in said else None if None in said else True


def _any(said: Sequence[bool | None]) -> bool | None:
    return True if True in said else None if None in said or not said else False


def _pumps_ok(profile: Profile, words: Mapping[Register, int]) -> bool | None:
    """Return whether as many pumps as are needed run without a fault; None where it does not tell."""
    pumps = profile.pumps
    if pumps is None:
        return None
    said: list[bool | None] = []
    for i in range(pumps.count):
        runs = _is_set(pumps.running[i], words) if pumps.running else True
        failed = _is_set(pumps.failed[i], words) if pumps.failed else False
        said.append(_all([runs, None if failed is None else not failed]))
    if said.count(True) >= pumps.needed:
        return True
    return None if said.count(True) + said.count(None) >= pumps.needed else False


def _agree(one: float, other: float, step: float) -> bool:
    """Whether two values are the same to within one of the unit's steps."""
    return abs(one - other) < step * 0.75
