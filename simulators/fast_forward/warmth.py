"""Temperatures and fans of miners in which nothing goes on, all of them at once: they follow what cools them.

The same physics as in `simulators.plant.heat`; each row's own heat is that of when it was admitted.
"""

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from simulators.fast_forward.telemetry import TELLS_BOARDS, TELLS_INLET, TELLS_NO_FANS
from simulators.plant.heat import FAN_EXPONENT, Coolant, MinerHeat
from simulators.plant.miner import MinerPlant
from simulators.plant.readings import AMBIENT_C
from simulators.plant.site import SitePlant

FOLLOWED_K = 0.05
"""A coolant whose temperature has changed by less than this is as warm as it was: a display's step is 0.1 K."""


class SteadyWarmth:
    """Temperatures of the steady ones among n miners; arrays have shape (n,).

    Attributes:
        chip_c: hottest chip sensor. board_c: hottest sensor on a board. inlet_c: what comes in.
        tells_boards, tells_inlet: who tells of these. fan_rpm: slowest fan, 0 without any. tells_fans: who tells of
            fans.
    """

    def __init__(self, plant: SitePlant, miners: list[MinerPlant]) -> None:
        n = len(miners)
        self._coolants: list[Coolant] = [plant.cooling.air, *plant.cooling.loops.values()]
        self._heats: list[MinerHeat] = [miner.warmth for miner in miners]
        self._coolant: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self._place = {id(coolant): k for k, coolant in enumerate(self._coolants)}
        self._coolant[:] = [self._place[id(heat.coolant)] for heat in self._heats]
        self._was_c = [np.nan] * len(self._coolants)
        self._rise_k: Floats = np.array([heat.rise_k for heat in self._heats])
        self._least: Floats = np.array([heat.least for heat in self._heats])
        self._most: Floats = np.array([heat.most for heat in self._heats])
        self._idle: Floats = np.array([heat.fan_idle for heat in self._heats])
        builds = [heat.build for heat in self._heats]
        self._idle_rpm: Floats = np.array([build.idle_rpm for build in builds])
        self._rpm: Floats = np.array([min(build.fan_rpm, default=0.0) for build in builds])
        self._fanned: Bools = self._rpm > 0.0
        self.tells_fans: Bools = self._fanned | np.array([m.spec.family in TELLS_NO_FANS for m in miners])
        self._heat: Floats = np.zeros(n)
        self.chip_c: Floats = np.zeros(n)
        self.board_c: Floats = np.zeros(n)
        self.inlet_c: Floats = np.zeros(n)
        self._board_rise_k: Floats = np.array([heat.board_rise_k for heat in self._heats])
        families = [m.spec.family for m in miners]
        self.tells_boards: Bools = np.array([family in TELLS_BOARDS for family in families], dtype=np.bool_)
        self._tells_air: Bools = np.array([family in TELLS_INLET for family in families], dtype=np.bool_)
        self.tells_inlet: Bools = self._tells_air | (self.tells_boards & ~self._fanned)
        self.fan_rpm: Floats = np.zeros(n)

    def admit(self, row: int, now: float) -> None:
        """Take in a row that is steady at site time `now`."""
        heat = self._heats[row]
        self._heat[row] = heat.advance(now)
        self._coolant[row] = self._place_of(heat.coolant)
        self._work_out(np.array([row]), heat.coolant.supply_c(now))

    def follow(self, now: float) -> bool:
        """Let everybody follow what cools them, up to site time `now`; return whether it made a difference."""
        changed = False
        for place, coolant in enumerate(self._coolants):
            supply_c = coolant.supply_c(now)
            if not abs(supply_c - self._was_c[place]) <= FOLLOWED_K:
                self._was_c[place] = supply_c
                self._work_out(np.flatnonzero(self._coolant == place), supply_c)
                changed = True
        return changed

    def _place_of(self, coolant: Coolant) -> int:
        """Return the place of what cools a miner; of what nobody was cooled by so far, a new one."""
        if id(coolant) not in self._place:
            self._place[id(coolant)] = len(self._coolants)
            self._coolants.append(coolant)
            self._was_c.append(np.nan)
        return self._place[id(coolant)]

    def _work_out(self, rows: NDArray[np.int64], supply_c: float) -> None:
        heat, fanned = self._heat[rows], self._fanned[rows]
        wanted = ((AMBIENT_C - supply_c) / self._rise_k[rows] + 1.0) / np.maximum(1.0, heat)
        resistance = np.clip(wanted, self._least[rows], self._most[rows])
        self.board_c[rows] = np.round(supply_c + self._board_rise_k[rows] * resistance * heat)
        self.inlet_c[rows] = np.where(self._tells_air[rows], round(supply_c, 1), round(supply_c))
        self.chip_c[rows] = np.round(supply_c + self._rise_k[rows] * resistance * heat, 1)
        idle, idle_rpm = self._idle[rows], self._idle_rpm[rows]
        speed = np.power(resistance, -1.0 / FAN_EXPONENT)
        run = (speed - idle) / (1.0 - idle) * np.clip(heat, 0.0, 1.0)
        self.fan_rpm[rows] = np.where(fanned, idle_rpm + (self._rpm[rows] - idle_rpm) * run, 0.0)
