"""Every fault kind as a drill: it begins and ends on a running simulated site, or is refused in so many words."""

import asyncio

import pytest

from agent.api.drills import DrillOrder
from agent.cli.drills import DrillMaster
from agent.cli.scenario_run import read_scenario, shipped
from agent.config.scenario import TierName
from agent.model.errors import PolicyError
from agent.model.topology import Site
from simulators.faults import FAULT_KINDS
from simulators.faults.kind import FaultKind, On
from simulators.plant.site import SitePlant
from simulators.truth import Truth
from simulators.virtual_time import run

REFUSED = {
    "miner.fan_lost": "expected the target to be a miner with fans; got one in hydro",
    "host.agent_killed": "end this one's process by hand",
}
"""What cannot be done to the agent of a dry run, or to a miner that liquid cools, and what it says instead."""


def target(site: Site, kind: FaultKind) -> str:
    """Return the first thing on a site that a fault kind can befall."""
    first = site.miners[0]
    port = first.port
    assert port is not None
    names = {
        On.MINER: first.id,
        On.PDU: site.pdus[0].id,
        On.OUTLET: first.outlets[0],
        On.POOL: site.pools[0].id,
        On.SWITCH: port.switch,
        On.PORT: port,
        On.LOOP: first.loop,
        On.CDU: site.cooling_units[0].id,
        On.SITE: site.name,
        On.RACK: first.rack,
        On.HOST: "agent",
        On.SUBNET: f"{first.host.rpartition('.')[0]}.0/24",
        On.IMAGE: site.images[0].sha256,
    }
    on = min(kind.on)
    return f"{on}:{names[on]}"


@pytest.fixture(scope="module")
def site() -> Site:
    """Miners on a coolant loop, with everything that a fault can befall."""
    return read_scenario(shipped()["cooling-lost"], tier=TierName.FAST_FORWARD).settings.site


@pytest.mark.parametrize("kind", FAULT_KINDS.values(), ids=lambda kind: kind.name)
def test_it_begins_and_ends_or_says_why_not(kind: FaultKind, site: Site) -> None:
    async def drilled() -> None:
        plant = SitePlant(site, seed=1)
        master = DrillMaster(Truth(plant))
        order = DrillOrder(kind.name, target(site, kind))
        if kind.name in REFUSED:
            with pytest.raises(PolicyError, match=REFUSED[kind.name]):
                master.begin(order)
            return
        begun = master.begin(order)
        assert (begun.kind, begun.over) == (kind.name, False)
        await asyncio.sleep(120.0)
        assert master.end(1).over

    run(drilled(), timeout_wall_s=30.0)
