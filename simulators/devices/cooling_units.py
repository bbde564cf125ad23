"""Every coolant unit of a simulated site on its own Modbus TCP socket."""

import asyncio
from collections.abc import Callable

from simulators.devices.cooling_maps import MAPS, RegisterMap
from simulators.devices.modbus import (
    BUSY,
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    ModbusError,
    Registers,
    serve_modbus,
)
from simulators.loopback import loopback_endpoint
from simulators.plant.site import SitePlant
from simulators.plant.unit import Answer, UnitPlant

_REFUSED = {Answer.REFUSED: ILLEGAL_VALUE, Answer.BUSY: BUSY}


class UnitRegisters:
    """One unit behind its register map."""

    def __init__(
        self, unit: UnitPlant, registers: RegisterMap, now: Callable[[], float], heard: Callable[[], bool]
    ) -> None:
        self._unit = unit
        self._heard = heard
        self._map = registers
        self._now = now

    @property
    def silent(self) -> bool:
        """Whether nothing answers."""
        return self._unit.trouble.silent or not self._heard()

    @property
    def reply_s(self) -> float:
        """How long it thinks, in s."""
        return self._unit.trouble.reply_s

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Return registers; ModbusError where one of them is not there."""
        reading = self._unit.reading(self._now())
        try:
            return [self._map.shows[function, first + k](reading) for k in range(count)]
        except KeyError:
            raise ModbusError(ILLEGAL_ADDRESS) from None

    def write(self, first: int, values: list[int]) -> None:
        """Take registers, all or none; ModbusError for what it does not take."""
        if any(first + k not in self._map.takes for k in range(len(values))):
            raise ModbusError(ILLEGAL_ADDRESS)
        for k, value in enumerate(values):
            answer = self._map.takes[first + k](self._unit, self._now(), value)
            if answer in _REFUSED:
                raise ModbusError(_REFUSED[answer])


class CoolingServers:
    """The servers of all coolant units of a plant."""

    def __init__(self, plant: SitePlant) -> None:
        self._plant = plant
        self._open: list[tuple[asyncio.Server, Callable[[], None]]] = []

    async def start(self) -> None:
        """Listen for each. Raises OSError for an address that is taken."""
        at: dict[tuple[str, int], dict[int, Registers]] = {}
        for unit in self._plant.units.values():
            registers = UnitRegisters(unit, MAPS[unit.spec.profile], self._now, heard=lambda: self._plant.host.linked)
            at.setdefault((unit.spec.host, unit.spec.port), {})[unit.spec.device_id] = registers
        for (host, port), devices in at.items():
            self._open.append(await serve_modbus(devices, *loopback_endpoint(host, port)))

    async def stop(self) -> None:
        """Close everything."""
        servers, self._open = self._open, []
        for server, end in servers:
            server.close()
            end()
        await asyncio.sleep(0)

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        self._plant.advance(now)
        return now
