"""Sites of one kind of cooling, for tests of heat."""

from agent.model.ids import CoolingUnitId, MinerId, PduId
from agent.model.topology import Bank, Cooling, CoolingUnit, Family, Miner, Outlet, Pdu, Site
from simulators.plant.cooling import Loop
from simulators.plant.history import HistorySettings
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant
from simulators.plant.weather import Climate

LOOP = "c1-loop"
UNIT = CoolingUnitId("c1-cdu")
PDU = PduId("c1-p1")
STOCK, WHATSMINER, LUXOS = Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS
AIR, HYDRO, IMMERSION = Cooling.AIR, Cooling.HYDRO, Cooling.IMMERSION

MODELS = {
    (AIR, STOCK): ("S19 Pro", 110.0, 3250.0),
    (AIR, WHATSMINER): ("M50", 114.0, 3306.0),
    (AIR, LUXOS): ("S19k Pro", 120.0, 2760.0),
    (HYDRO, STOCK): ("S21 Hyd", 335.0, 5360.0),
    (HYDRO, WHATSMINER): ("M53", 226.0, 6554.0),
    (HYDRO, LUXOS): ("S21 Hyd", 335.0, 5360.0),
    (IMMERSION, STOCK): ("S19 Pro", 110.0, 3250.0),
    (IMMERSION, WHATSMINER): ("M66S", 298.0, 5513.0),
    (IMMERSION, LUXOS): ("S19k Pro", 120.0, 2760.0),
}
SETPOINT_C = {HYDRO: 35.0, IMMERSION: 40.0}


def heat_site(cooling: Cooling, miners: int = 6, *, profile: str = "ocp_rpu2") -> Site:
    """Miners m1, m2 … on one loop or in the air, of all families in turn: stock, Whatsminer, LuxOS."""
    specs = []
    for k in range(miners):
        family = (STOCK, WHATSMINER, LUXOS)[k % 3]
        model, hashrate_th, power_w = MODELS[cooling, family]
        specs.append(
            Miner(
                id=MinerId(f"m{k + 1}"),
                host=f"10.0.0.{k + 1}",
                family=family,
                model=model,
                hashrate_th=hashrate_th,
                power_w=power_w,
                outlets=(Outlet(PDU, k + 1),),
                loop=None if cooling is AIR else LOOP,
                cooling=cooling,
            )
        )
    numbers = tuple(range(1, miners + 1))
    pdu = Pdu(PDU, "10.0.2.1", "apc_rpdu2", miners, 415.0, (Bank(PDU, 1, numbers, 1000.0),))
    if cooling is AIR:
        return Site("heat", tuple(specs), (pdu,))
    setpoint_c = SETPOINT_C[cooling]
    unit = CoolingUnit(
        UNIT,
        "10.0.3.1",
        profile,
        LOOP,
        cooling,
        setpoint_c,
        setpoint_c - 10,
        setpoint_c + 5,
        9.0 * miners,
        8.0 * miners,
    )
    return Site("heat", tuple(specs), (pdu,), cooling_units=(unit,))


class HeatPlant:
    """A plant of such a site that is advanced in steps, as an agent's ticks would."""

    def __init__(
        self,
        cooling: Cooling,
        miners: int = 6,
        *,
        climate: Climate = Climate.MILD,
        seed: int = 1,
        profile: str = "ocp_rpu2",
    ) -> None:
        site = heat_site(cooling, miners, profile=profile)
        self.plant = SitePlant(site, seed=seed, history=HistorySettings(climate=climate))

    @property
    def now(self) -> float:
        """Site time."""
        return self.plant.now

    @property
    def loop(self) -> Loop:
        """The one loop."""
        return self.plant.cooling.loops[LOOP]

    def miner(self, number: int) -> MinerPlant:
        """Miner m<number>."""
        return self.plant.miners[MinerId(f"m{number}")]

    def run(self, seconds: float, *, step_s: float = 5.0) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self.plant.advance(min(end, self.now + step_s))

    def chip_c(self, number: int) -> float:
        """Hottest chip of a miner now."""
        warmth = self.miner(number).warmth
        return warmth.chip_c(self.now, warmth.coolant.supply_c(self.now))
