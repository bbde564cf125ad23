"""Cooling units as columns: one row a unit, and which miners hang on which. Part of the site view."""

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Signal
from agent.model.ids import CoolingUnitId
from agent.model.telemetry import CoolingReading
from agent.model.topology import Site

CALM_K = 1.0
"""A unit that is well holds its supply within this of what is wanted (facts "detection", section 7, D8)."""

CALM_FLOW = 0.87
"""... and brings this share of its design flow: a little more than what is too little."""


class CoolingColumns:
    """What is known of every cooling unit; signals have shape (units,), in the order of the site's list.

    Attributes:
        unit_of: the row of the unit that cools each miner, -1 for none; shape (miners,).
        is_remote, pumps_ok, leak: 1.0 or 0.0.
        read_at: UTC s of each unit's last read that was answered, NaN for never.
        alarms: the names of the alarms each unit showed then.
        base_c: what each unit is run at when all is well, in °C; a supply that is no warmer than that, whatever the
            setpoint, is well.
        doubted: units whose supply sensor the miners on it contradict: a person has been asked to look at it.
        calm_since: UTC s since when each unit's reads have shown it well without a break, NaN while they do not.
    """

    def __init__(self, site: Site) -> None:
        units = len(site.cooling_units)
        self.rows = {unit.id: row for row, unit in enumerate(site.cooling_units)}
        by_loop = {unit.loop: row for row, unit in enumerate(site.cooling_units)}
        self.unit_of: NDArray[np.int32] = np.array(
            [-1 if m.loop is None else by_loop.get(m.loop, -1) for m in site.miners], dtype=np.int32
        )
        self.supply_c = Signal(units)
        self.return_c = Signal(units)
        self.flow_lpm = Signal(units)
        self.setpoint_c = Signal(units)
        self.flow_setpoint_lpm = Signal(units)
        self.is_remote = Signal(units)
        self.pumps_ok = Signal(units)
        self.leak = Signal(units)
        self.dew_point_c = Signal(units)
        self.ambient_c = Signal(units)
        self.humidity = Signal(units)
        self.read_at = np.full(units, np.nan)
        self.alarms: list[tuple[str, ...]] = [()] * units
        self.doubted: Bools = np.zeros(units, dtype=np.bool_)
        self.calm_since = np.full(units, np.nan)
        self.base_c = np.array([unit.setpoint_c for unit in site.cooling_units])
        self._design_lpm = [unit.design_flow_lpm for unit in site.cooling_units]

    def put(self, unit: CoolingUnitId, now: float, reading: CoolingReading) -> None:
        """Store one read of a unit; what it did not tell keeps its old value and time."""
        row = self.rows.get(unit)
        if row is None:
            return
        self.read_at[row] = now
        self.alarms[row] = reading.alarms
        self.supply_c.put(row, reading.supply_c, now)
        self.return_c.put(row, reading.return_c, now)
        self.flow_lpm.put(row, reading.flow_lpm, now)
        self.setpoint_c.put(row, reading.setpoint_c, now)
        self.flow_setpoint_lpm.put(row, reading.flow_setpoint_lpm, now)
        self.is_remote.put(row, _number(reading.is_remote), now)
        self.pumps_ok.put(row, _number(reading.pumps_ok), now)
        self.leak.put(row, _number(reading.leak), now)
        self.dew_point_c.put(row, reading.dew_point_c, now)
        self.ambient_c.put(row, reading.ambient_c, now)
        self.humidity.put(row, reading.humidity, now)
        if not self._is_calm(row, reading):
            self.calm_since[row] = np.nan
        elif np.isnan(self.calm_since[row]):
            self.calm_since[row] = now

    def _is_calm(self, row: int, reading: CoolingReading) -> bool:
        """Whether it holds its supply at what it aims at, with its flow, its pumps and no leak."""
        if reading.supply_c is None or reading.setpoint_c is None or reading.leak or reading.pumps_ok is False:
            return False
        flows = reading.flow_lpm is None or reading.flow_lpm >= CALM_FLOW * self._design_lpm[row]
        warmest_c = max(reading.setpoint_c, self.base_c[row]) + CALM_K
        # Colder than wanted is no heat: so a loop stays whose miners sleep.
        return flows and reading.supply_c <= warmest_c


def _number(said: bool | None) -> float | None:
    return None if said is None else float(said)
