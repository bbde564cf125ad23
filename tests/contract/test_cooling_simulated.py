"""The agent's coolant unit driver against the simulated units: two register maps, written apart from each other.

And the fast-forward tier against both: it tells what the driver reads, and ends a command as the driver does.
"""

from collections.abc import Awaitable, Callable

import pytest

from agent.drivers.cooling.profile import load_profile
from agent.drivers.cooling.unit import CoolingModbus
from agent.model.errors import AgentError
from simulators.devices.cooling_units import CoolingServers
from simulators.fast_forward.cooling import PlantCooling, told
from simulators.loopback import LoopbackDialer
from simulators.memory_net import run_memory
from simulators.plant.site import SitePlant
from simulators.plant.unit import Refusal, UnitPlant
from tests.simulators.heat_site import HYDRO, IMMERSION, UNIT, heat_site

PROFILES = ("ocp_rpu2", "liebert_hpc", "cdu_plc_3000")

Do = Callable[[CoolingModbus | PlantCooling], Awaitable[None]]


def well(_: UnitPlant) -> None:
    """Leave it as it is."""


def leaking(unit: UnitPlant) -> None:
    unit.trouble.leak = True


def at_work(unit: UnitPlant) -> None:
    unit.trouble.local = True


def without_pumps(unit: UnitPlant) -> None:
    unit.loop.set_pumps(0.0, run=False)


def refusing(unit: UnitPlant) -> None:
    unit.trouble.refusal = Refusal.VALUE


def busy(unit: UnitPlant) -> None:
    unit.trouble.refusal = Refusal.BUSY


def ignoring(unit: UnitPlant) -> None:
    unit.trouble.refusal = Refusal.IGNORES


def silent(unit: UnitPlant) -> None:
    unit.trouble.silent = True


def moved(unit: UnitPlant) -> None:
    unit.turn(0.0, 37.0)


STATES = (well, leaking, at_work, without_pumps, moved)
TROUBLES = (*STATES, refusing, busy, ignoring, silent)


async def on_wire(plant: SitePlant, use: Callable[[CoolingModbus], Awaitable[object]]) -> object:
    servers = CoolingServers(plant)
    await servers.start()
    unit = plant.units[UNIT].spec
    try:
        return await use(CoolingModbus(unit, load_profile(unit.profile), LoopbackDialer()))
    finally:
        await servers.stop()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_driver_reads_what_the_unit_shows_and_fast_forward_tells_the_same(
    profile: str, state: Callable[[UnitPlant], None]
) -> None:
    async def main() -> None:
        plant = SitePlant(heat_site(HYDRO, profile=profile), seed=1)
        state(plant.units[UNIT])
        read = await on_wire(plant, lambda driver: driver.read())
        assert read == told(plant.units[UNIT], plant.now)

    run_memory(main(), timeout_wall_s=30.0)


async def ends(do: Do, target: CoolingModbus | PlantCooling) -> type[AgentError] | None:
    try:
        await do(target)
    except AgentError as error:
        return type(error)
    return None


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
@pytest.mark.parametrize("what", ["supply", "flow"])
def test_a_command_ends_alike_on_the_wire_and_in_fast_forward(
    profile: str, trouble: Callable[[UnitPlant], None], what: str
) -> None:
    async def do(target: CoolingModbus | PlantCooling) -> None:
        if what == "supply":
            await target.set_supply(38.0, 40.0)
        else:
            await target.set_flow(59.4, 54.0)

    async def main() -> None:
        wire, fast = (SitePlant(heat_site(IMMERSION, profile=profile), seed=1) for _ in range(2))
        for plant in (wire, fast):
            trouble(plant.units[UNIT])
        ended = await on_wire(wire, lambda driver: ends(do, driver))
        assert await ends(do, PlantCooling(fast, fast.units[UNIT])) is ended
        assert [w.value for w in wire.units[UNIT].moved] == [w.value for w in fast.units[UNIT].moved]
        assert wire.units[UNIT].writes == fast.units[UNIT].writes <= 1
        if ended is None:
            loop = wire.units[UNIT].loop
            assert (loop.circuit.setpoint_c if what == "supply" else loop.flow_setpoint_lpm) == pytest.approx(
                38.0 if what == "supply" else 59.4
            )

    run_memory(main(), timeout_wall_s=30.0)
