"""Coolant units without a wire: their readings written as columns, and what an actor needs of them.

Readings are those that the agent would decode of a unit of that profile: what a profile does not tell is not told here.
"""

import asyncio
import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent.model.errors import DeviceError, PolicyError, SilentError
from agent.model.ids import CoolingUnitId
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading
from simulators.plant.site import SitePlant
from simulators.plant.unit import Answer, UnitPlant, UnitReading

READ_S = 6.0
"""A read is given up when it takes longer."""
REQUESTS = 12
"""A read is about so many requests."""
BACK_S = 8.0
"""For so long a setpoint that was taken is looked for."""


@dataclass(frozen=True, slots=True)
class Tells:
    """What a profile tells, and in what steps it is set.

    Attributes:
        numbers: fields of a reading. leak, switches, pumps: whether it tells of leaks, of its mode, of its pumps.
        alarm: what it calls its alarm; empty for none.
        supply_step, flow_step: the smallest change; None where it cannot be set.
    """

    numbers: frozenset[str]
    leak: bool
    switches: bool
    pumps: bool
    alarm: str
    supply_step: float
    flow_step: float | None


TELLS: Mapping[str, Tells] = {
    "ocp_rpu2": Tells(
        frozenset({"supply_c", "return_c", "flow_lpm", "setpoint_c", "flow_setpoint_lpm", "ambient_c", "humidity"}),
        leak=True,
        switches=True,
        pumps=True,
        alarm="loop_blocked",
        supply_step=0.1,
        flow_step=0.1,
    ),
    "liebert_hpc": Tells(
        frozenset({"supply_c", "return_c", "setpoint_c"}),
        leak=False,
        switches=True,
        pumps=True,
        alarm="alarm",
        supply_step=1.0,
        flow_step=None,
    ),
    "cdu_plc_3000": Tells(
        frozenset({"setpoint_c", "flow_setpoint_lpm"}),
        leak=False,
        switches=False,
        pumps=False,
        alarm="",
        supply_step=0.1,
        flow_step=0.1,
    ),
}


def told(unit: UnitPlant, now: float) -> CoolingReading:
    """Return what the agent would read of that unit now."""
    tells, reading = TELLS[unit.spec.profile], unit.reading(now)
    digits = {"humidity": 3, "setpoint_c": 0 if tells.supply_step == 1.0 else 1}
    return CoolingReading(
        **{name: round(getattr(reading, name), digits.get(name, 1)) for name in tells.numbers},
        is_remote=reading.remote and reading.automatic if tells.switches else True,
        pumps_ok=all(reading.pumps_run) and not any(reading.pumps_failed) if tells.pumps else None,
        leak=reading.leak if tells.leak else None,
        alarms=(tells.alarm,) if tells.alarm and _alarms(unit.spec.profile, reading) else (),
    )


def _alarms(profile: str, reading: UnitReading) -> bool:
    """Whether what a profile has for an alarm is on: the chiller's stands for everything, the other's for no flow."""
    return reading.alarm or reading.leak if profile == "liebert_hpc" else reading.flow_lpm <= 0.0


class CoolingReads:
    """Reads of every coolant unit, written as columns.

    Args:
        first_s: when each unit is first read, in site seconds.
    """

    def __init__(
        self,
        view: SiteView,
        plant: SitePlant,
        *,
        epoch_s: float,
        period_s: float,
        focus_s: float,
        first_s: Mapping[CoolingUnitId, float],
    ) -> None:
        self._view = view
        self._plant = plant
        self._epoch_s = epoch_s
        self._period_s, self._focus_s = period_s, focus_s
        self._focus: frozenset[CoolingUnitId] = frozenset()
        self._due = [(at, unit) for unit, at in first_s.items() if unit in plant.units]
        heapq.heapify(self._due)

    def focus(self, units: Collection[CoolingUnitId], now: float) -> None:
        """Read these units, and no others, at the focus interval; those that are new to it at once."""
        new = frozenset(units)
        self._due = [(now if unit in new - self._focus else at, unit) for at, unit in self._due]
        heapq.heapify(self._due)
        self._focus = new

    def read(self, now: float) -> None:
        """Write every read that fell due up to site time `now`; the plant has been brought up to it."""
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            unit = self._plant.units[name]
            heard = self._plant.host.linked and not unit.trouble.silent
            if heard and unit.trouble.reply_s * REQUESTS < READ_S:
                self._view.put_cooling(name, self._epoch_s + now, told(unit, now))
            wait_s = self._focus_s if name in self._focus else self._period_s
            heapq.heappush(self._due, (max(at + wait_s, now + 1e-6), name))


class PlantCooling:
    """Control of one coolant unit."""

    def __init__(self, plant: SitePlant, unit: UnitPlant) -> None:
        self._plant = plant
        self._unit = unit
        self._tells = TELLS[unit.spec.profile]
        self._one = asyncio.Lock()

    async def set_supply(self, supply_c: float, was: float) -> None:
        """Have it aim at a supply temperature in °C; raises as the agent's driver does."""
        if not self._unit.spec.min_c <= supply_c <= self._unit.spec.max_c:
            raise PolicyError(f"{self._unit.spec.id}: expected a supply within its bounds, got {supply_c:g} °C")
        await self._set("setpoint_c", supply_c, was, self._tells.supply_step)

    async def set_flow(self, flow_lpm: float, was: float) -> None:
        """Have it aim at a flow in L/min; raises as the agent's driver does."""
        if flow_lpm < self._unit.spec.min_flow_lpm or self._tells.flow_step is None:
            raise PolicyError(f"{self._unit.spec.id}: expected a flow that it can be set to, got {flow_lpm:g} L/min")
        await self._set("flow_setpoint_lpm", flow_lpm, was, self._tells.flow_step)

    async def _set(self, what: str, value: float, was: float, step: float) -> None:
        name = self._unit.spec.id
        if abs(value / step - round(value / step)) > 1e-6:
            raise PolicyError(f"{name}: expected a whole number of steps of {step:g}, got {value:g}")
        async with self._one:
            reading = await self._look()
            if reading.leak or reading.alarms or not reading.is_remote:
                raise PolicyError(f"{name}: it leaks, shows an alarm or is not in its remote mode; nothing was written")
            found: float = getattr(reading, what)
            if _agree(found, value, step):
                return
            if not _agree(found, was, step):
                raise PolicyError(f"{name}: it aims at {found:g}, not at {was:g}: somebody else has moved it")
            setting = self._unit.set_supply if what == "setpoint_c" else self._unit.set_flow
            answer = setting(self._now(), value)
            reading = await self._look()
            if not _agree(getattr(reading, what), value, step):
                await asyncio.sleep(BACK_S if answer is Answer.TAKEN else 0.0)
                raise DeviceError(f"{name}: expected it to aim at {value:g}, it aims at {getattr(reading, what):g}")

    async def _look(self) -> CoolingReading:
        """Read it. Raises SilentError where nothing answers in time."""
        trouble = self._unit.trouble
        await asyncio.sleep(min(trouble.reply_s * REQUESTS, READ_S))
        if trouble.silent or not self._plant.host.linked or trouble.reply_s * REQUESTS >= READ_S:
            raise SilentError(f"{self._unit.spec.id}: expected a complete read within {READ_S:g} s, none came")
        return told(self._unit, self._now())

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        self._plant.advance(now)
        return now


def _agree(found: float, wanted: float, step: float) -> bool:
    return abs(found - wanted) < step / 2.0
