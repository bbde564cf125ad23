"""What may be asked of a coolant loop: its bounds, its steps, how far its miners are from their limits.

Pure functions of the view, for playbooks, guards and the duty to bring setpoints back. Figures: facts "detection",
section 5 (control rule), and facts "control", section 3.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Floats
from agent.model.cooling import CALM_FLOW
from agent.model.ids import CoolingUnitId
from agent.model.site_view import SiteView
from agent.model.topology import Cooling, CoolingUnit

DOMAIN = "loop:"
"""What the fault domain of a loop's incident begins with; the loop's name follows."""

FRESH_S = 60.0
"""An older reading of a unit says nothing of its present state: six of its turns."""

STEP_K = 2.0
RAISE_K = 1.0
"""Largest change of a supply temperature at a time: down, and back up."""

SETTLE_S: Mapping[Cooling, float] = {Cooling.HYDRO: 600.0, Cooling.IMMERSION: 1500.0, Cooling.AIR: 300.0}
"""How long a loop takes to settle after a step."""

RAISE_EVERY_S = 1800.0
"""Least time between two steps back."""

DAY_K = 5.0
"""A supply is lowered by no more than this within a day."""

STEPS = 3
"""Steps an incident may take; then it is a person's."""

DEW_MARGIN_K = 2.0
"""The coolant stays so much above the dew point of the air around it."""

FLOW_STEP, MOST_FLOW = 1.10, 1.10
"""A flow is raised by a tenth at a time, and to no more than a tenth above the design flow."""

LOW_FLOW = 0.95
"""Below this share of the design flow, flow is raised before the supply is lowered."""

SAFE_K = 8.0
"""Chips so far below their limit are well."""

HOT_SHARE = 0.13
"""Hot miners of a loop, more than one, are the loop's doing from this share on (facts "detection", section 7, D8)."""

RUNAWAY_K = 6.0
"""A supply so far above what is wanted may be one that nothing cools any more (facts "detection", section 7, D8)."""

EXACT = 1e-6
"""Of a unit's step: what rounding leaves."""

SAME = 0.05
"""Two setpoints closer than this are the same: less than any unit's step."""

_A, _B = 17.62, 243.12

Rows = NDArray[np.int64]


def dew_point(temp_c: float, humidity: float) -> float:
    """Return the dew point in °C of air with that temperature and relative humidity, 0 < humidity ≤ 1 (Magnus)."""
    log = math.log(humidity) + _A * temp_c / (_B + temp_c)
    return _B * log / (_A - log)


def dew_point_c(view: SiteView, unit: CoolingUnitId, now: float) -> float | None:
    """Return the dew point in °C of the air around a loop; None where nothing fresh tells it."""
    columns = view.cooling
    row = columns.rows[unit]
    told = columns.dew_point_c.fresh(row, now, FRESH_S)
    ambient_c = columns.ambient_c.fresh(row, now, FRESH_S)
    humidity = columns.humidity.fresh(row, now, FRESH_S)
    known = [] if told is None else [told]
    if ambient_c is not None and humidity is not None and 0.0 < humidity <= 1.0:
        known.append(dew_point(ambient_c, humidity))
    return max(known, default=None)


def floor_c(view: SiteView, unit: CoolingUnit, now: float) -> float | None:
    """Return the coldest supply in °C that may be asked for now; None while the dew point is not known."""
    dew_c = dew_point_c(view, unit.id, now)
    if dew_c is None:
        return None
    coldest_c = max((view.site.miners[row].limits.inlet_c[0] for row in members(view, unit.id)), default=unit.min_c)
    return max(dew_c + DEW_MARGIN_K, coldest_c, unit.min_c, unit.setpoint_c - DAY_K)


def reading(view: SiteView, unit: CoolingUnitId, name: str, now: float) -> float | None:
    """Return one of a unit's readings, by its column's name; None where it is not fresh."""
    value: float | None = getattr(view.cooling, name).fresh(view.cooling.rows[unit], now, FRESH_S)
    return value


def is_cooled(view: SiteView, unit: CoolingUnitId, now: float) -> bool:
    """Whether a unit shows that heat is carried away: pumps, nearly its design flow, a supply that has not run away.

    It may be far from calm: a loop whose miners all begin again at once is some K warmer than wanted for a while.
    """
    columns = view.cooling
    row = columns.rows[unit]
    supply_c, setpoint_c = reading(view, unit, "supply_c", now), reading(view, unit, "setpoint_c", now)
    flow_lpm, pumps = reading(view, unit, "flow_lpm", now), reading(view, unit, "pumps_ok", now)
    if supply_c is None or setpoint_c is None or flow_lpm is None or pumps == 0.0:
        return False
    flows = flow_lpm >= CALM_FLOW * view.site.cooling_units[row].design_flow_lpm
    return bool(flows and supply_c <= max(setpoint_c, columns.base_c[row]) + RUNAWAY_K)


def lower_c(view: SiteView, unit: CoolingUnit, now: float) -> float | None:
    """Return the next supply temperature in °C on the way down; None where no step is left or the floor is unknown.

    In whole degrees, for some units know no others.
    """
    found, floor = reading(view, unit.id, "setpoint_c", now), floor_c(view, unit, now)
    if found is None or floor is None:
        return None
    target_c = math.ceil(max(found - STEP_K, floor) - 1e-9)
    return float(target_c) if found - target_c >= RAISE_K / 2 else None


def more_lpm(view: SiteView, unit: CoolingUnit, now: float) -> float | None:
    """Return the next flow in L/min where it is low and may be raised; None otherwise.

    In whole L/min, as people set it, where the step leaves some; on a small loop in the unit's own steps, and by one of
    them at the least.
    """
    flow, aim = reading(view, unit.id, "flow_lpm", now), reading(view, unit.id, "flow_setpoint_lpm", now)
    if flow is None or aim is None or flow >= LOW_FLOW * unit.design_flow_lpm:
        return None
    most_lpm = MOST_FLOW * unit.design_flow_lpm
    target_lpm = float(math.floor(min(aim * FLOW_STEP, most_lpm)))
    if target_lpm > aim + 1.0:
        return target_lpm
    step_lpm = unit.flow_step_lpm
    steps = max(math.floor(min(aim * FLOW_STEP, most_lpm) / step_lpm + EXACT), round(aim / step_lpm) + 1)
    target_lpm = round(steps * step_lpm, 6)
    return target_lpm if target_lpm <= most_lpm else None


def members(view: SiteView, unit: CoolingUnitId) -> Rows:
    """Return the rows of the miners that a unit cools."""
    rows: Rows = np.flatnonzero(view.cooling.unit_of == view.cooling.rows[unit])
    return rows


def headroom_k(view: SiteView, rows: Rows, now: float) -> Floats:
    """Return how far each row is below its limits, by its hottest chip and board, in K; NaN where nothing is fresh."""
    found = np.full(len(rows), np.nan)
    for column, limit_c in (view.chip_max_c, view.chip_limit_c), (view.board_max_c, view.board_limit_c):
        fresh = now - column.at[rows] <= FRESH_S
        left_k = np.where(fresh, limit_c[rows] - column.value[rows], np.nan)
        found = np.fmin(found, left_k)
    return found


def inlets_c(view: SiteView, rows: Rows, now: float) -> Floats:
    """Return the temperature in °C of what each miner is given: as it says, else as its unit does; NaN for neither."""
    unit, supply_c = view.cooling.unit_of[rows], view.cooling.supply_c
    told = now - view.inlet_c.at[rows] <= FRESH_S
    given_c = np.where(told, view.inlet_c.value[rows], np.nan)
    cooled = (~told & (unit >= 0)).nonzero()[0]
    of = unit[cooled]
    given_c[cooled] = np.where(now - supply_c.at[of] <= FRESH_S, supply_c.value[of], np.nan)
    return given_c


def inlet_c(view: SiteView, row: int, now: float) -> float | None:
    """Return the same of one miner; None for neither."""
    given_c = float(inlets_c(view, np.array([row]), now)[0])
    return None if math.isnan(given_c) else given_c
