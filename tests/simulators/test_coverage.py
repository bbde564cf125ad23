"""What befalls many miners reaches the share of them that a scenario says; the others hang elsewhere, and stay well."""

import pytest

from agent.model.errors import PolicyError
from agent.model.topology import Cooling, Outlet, Port
from simulators.faults import FAULT_KINDS
from simulators.faults.kind import COVERAGE
from simulators.plant.site import SitePlant
from simulators.truth import Truth
from tests.factory import PDU, SWITCH, pooled, site
from tests.simulators.heat_site import LOOP, heat_site

MINERS = 12
TARGETS = {
    "pdu.dark": f"pdu:{PDU}",
    "network.switch_down": f"switch:{SWITCH}",
    "network.subnet_down": "subnet:10.0.0.0/24",
    "network.core_down": "site:test",
    "pool.down": "pool:primary",
    "pool.hung": "pool:primary",
    "pool.rejects": "pool:primary",
}


def plant_of(seed: int) -> SitePlant:
    return SitePlant(pooled(site(MINERS), "primary"), seed=seed)


@pytest.mark.parametrize(("kind", "target"), TARGETS.items())
def test_those_it_does_not_reach_stay_well_and_those_it_does_are_ill(kind: str, target: str) -> None:
    plant = plant_of(1)
    truth = Truth(plant)
    place = truth.inject(kind, target, 10.0, coverage=0.75)
    plant.advance(400.0)
    (fault,) = truth.faults()
    assert len(fault.miners) == 9
    assert {miner for miner, of in plant.miners.items() if not of.healthy} == set(fault.miners)
    truth.end(place, 400.0)
    plant.advance(1500.0)
    assert all(of.healthy for of in plant.miners.values())
    FAULT_KINDS[kind].inject(plant, target, 1500.0)
    plant.advance(1900.0)
    assert not any(of.healthy for of in plant.miners.values()), "after its end everybody is where the inventory says"


def test_it_is_met_on_average_and_drawn_from_the_seed() -> None:
    kind = FAULT_KINDS["pdu.breaker_trip"]
    reached = [kind.reached(plant_of(seed), f"pdu:{PDU}", 10.0, {"bank": 2, COVERAGE: 0.9}) for seed in range(100)]
    assert {len(miners) for miners in reached} == {2, 3}
    assert 2.6 <= sum(map(len, reached)) / 100 <= 2.8
    assert len({miners for miners in reached if len(miners) == 2}) == 3
    assert reached[7] == kind.reached(plant_of(7), f"pdu:{PDU}", 10.0, {"bank": 2, COVERAGE: 0.9})


def test_another_breaker_of_the_same_pdu_is_nobody_elses() -> None:
    plant = plant_of(1)
    FAULT_KINDS["pdu.breaker_trip"].inject(plant, f"pdu:{PDU}", 10.0, bank=1, coverage=0.0)
    FAULT_KINDS["pdu.breaker_trip"].inject(plant, f"pdu:{PDU}", 20.0, bank=2)
    live = [plant.power.relay(Outlet(PDU, k)).live for k in range(1, 7)]
    assert live == [True] * 3 + [False] * 3


def test_a_core_that_is_down_leaves_links_and_power_and_nobody_reaches_anything() -> None:
    plant = plant_of(1)
    kind = FAULT_KINDS["network.core_down"]
    kind.inject(plant, "site:test", 10.0)
    assert plant.network.port_up(Port(SWITCH, 1))
    assert not plant.network.answers(SWITCH)
    assert not plant.power.pdu[PDU].is_reached
    assert plant.power.power_w(Outlet(PDU, 1)) > 3000.0
    kind.end(plant, "site:test", 20.0)
    assert plant.network.answers(SWITCH)
    assert plant.power.pdu[PDU].is_reached


def test_who_hangs_on_another_loop_stays_cool() -> None:
    plant = SitePlant(heat_site(Cooling.HYDRO, 12), seed=2)
    truth = Truth(plant)
    truth.inject("loop.pump_failed", f"loop:{LOOP}", 10.0, coverage=0.5)
    plant.advance(300.0)
    (fault,) = truth.faults()
    assert len(fault.miners) == 6
    assert {miner for miner, of in plant.miners.items() if of.protection.margin_k(300.0) < 10.0} <= set(fault.miners)
    assert {miner for miner, of in plant.miners.items() if not of.healthy} == set(fault.miners)


def test_a_subnet_that_the_site_lacks_is_refused() -> None:
    with pytest.raises(PolicyError, match="no subnet"):
        FAULT_KINDS["network.subnet_down"].inject(plant_of(1), "subnet:10.9.9.0/24", 10.0)
