"""One loop of miners that all read alike, as columns, and what judges them."""

from dataclasses import replace

import numpy as np
from msgspec.structs import replace as replaced

from agent.detect.heat import HeatWatch
from agent.detect.loop import LoopDetector
from agent.detect.thermal import ThermalDetector
from agent.detect.unit import UnitDetector
from agent.detect.witness import Witness
from agent.model.columns import Floats
from agent.model.ids import CoolingUnitId
from agent.model.incident import Health, Reason
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading
from agent.model.topology import Cooling, CoolingUnit
from agent.model.verdicts import Ailing, Verdicts
from tests.factory import EPOCH, NOMINAL_TH, miner, site

POLL_S = 8.0
UNIT = CoolingUnitId("cdu")
WELL = CoolingReading(
    supply_c=35.0,
    return_c=43.0,
    flow_lpm=180.0,
    setpoint_c=35.0,
    flow_setpoint_lpm=180.0,
    is_remote=True,
    pumps_ok=True,
    leak=False,
    ambient_c=30.0,
    humidity=0.5,
)


class Loop:
    """Twenty miners on one loop, or in air, that all read alike; change what one shows to make something happen.

    Attributes:
        poll_s: how often they are polled, and judged.
        chip_c, rate, rpm: what the next polls tell, by row. unit: what the next read of the unit tells; None for none.
    """

    def __init__(
        self, miners: int = 20, *, liquid: bool = True, kind: Cooling = Cooling.HYDRO, poll_s: float = POLL_S
    ) -> None:
        self.poll_s = poll_s
        self.kind = kind = kind if liquid else Cooling.AIR
        loop = "loop-1" if liquid else None
        all_miners = tuple(replace(miner(k, outlets=(1,)), loop=loop, cooling=kind) for k in range(1, miners + 1))
        unit = CoolingUnit(UNIT, "10.0.3.1", "ocp_rpu2", "loop-1", kind, 35.0, 25.0, 40.0, 180.0, 153.0)
        self.view = SiteView(replace(site(all_miners), cooling_units=(unit,) if liquid else ()))
        self.heat = HeatWatch(miners)
        self.witness = Witness(self.heat)
        self.units = UnitDetector(miners, self.heat, self.witness)
        self.loops = LoopDetector(miners, self.heat, self.witness)
        self.thermal = ThermalDetector(miners, self.heat, self.loops)
        self.now = EPOCH
        self.chip_c: Floats = np.full(miners, 62.0)
        self.rate: Floats = np.ones(miners)
        self.rpm: Floats = np.full(miners, 4000.0)
        self.inlet_c: Floats | None = None
        self.unit: CoolingReading | None = WELL if liquid else None
        self.devices: tuple[Ailing, ...] = ()
        self._work: Floats = np.zeros(miners)
        self._n = miners
        self.run(600.0)

    def run(self, seconds: float) -> tuple[Verdicts, Verdicts]:
        """Poll and judge for that long; return the last verdicts of loops and of miners."""
        everyone = np.ones(self._n, dtype=np.bool_)
        for _ in range(round(seconds / self.poll_s)):
            self.now += self.poll_s
            at = np.full(self._n, self.now)
            self._work += self.rate * NOMINAL_TH * 1e3 * self.poll_s
            told = {
                "hashrate_th": self.rate * NOMINAL_TH,
                "expected_th": np.full(self._n, NOMINAL_TH),
                "work_gh": self._work,
                "chip_max_c": self.chip_c,
                "fan_min_rpm": self.rpm,
                "elapsed_s": np.full(self._n, 90_000.0),
            }
            if self.inlet_c is not None:
                told["inlet_c"] = self.inlet_c
            known = {name: (~np.isnan(values), values) for name, values in told.items()}
            self.view.put_answers(everyone, at, np.ones(self._n, dtype=np.int32), known)
            if self.unit is not None:
                self.view.put_cooling(UNIT, self.now, self.unit)
            self.devices = self.units.judge(self.view, self.now).devices
            verdicts = self.loops.judge(self.view, self.now), self.thermal.judge(self.view, self.now)
        return verdicts

    def ailing(self) -> set[Reason]:
        """Return what was wrong with the unit at the last tick."""
        return {ailing.cause for ailing in self.devices}

    def until(self, firing: str, limit_s: float) -> float:
        """Run until the loop or a miner fires; return how long that took, or infinity."""
        began = self.now
        while self.now - began < limit_s:
            loops, miners = self.run(self.poll_s)
            found = loops if firing == "loop" else miners
            if (found.health == Health.FIRING).any():
                return self.now - began
        return float("inf")


def firing(verdicts: Verdicts) -> list[int]:
    return np.flatnonzero(verdicts.health == Health.FIRING).tolist()


def reason(verdicts: Verdicts, row: int = 0) -> Reason:
    return verdicts.evidence.reason(row)


def replace_reading(reading: CoolingReading, **shows: object) -> CoolingReading:
    return replaced(reading, **shows)


def warm(loop: Loop, by_k: float) -> None:
    """Have a supply come that is so much too warm: its unit shows it, and so do the chips."""
    loop.unit = replace_reading(WELL, supply_c=35.0 + by_k)
    loop.chip_c = np.full(20, 62.0 + by_k)
