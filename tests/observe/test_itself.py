"""The watch of the agent's own: what it writes when, against a simulated machine on virtual time."""

import asyncio
from collections.abc import Callable

import numpy as np

from agent.clock import Clock
from agent.model.itself import Part
from agent.model.site_view import SiteView
from agent.observe.itself import SelfWatch
from simulators.agent_host import SimulatedHost, keep_busy
from simulators.memory_net import run_memory
from simulators.plant.agent_host import AgentHostPlant
from tests.factory import EPOCH, site


def play(
    *steps: tuple[float, Callable[[AgentHostPlant, SiteView], None]], until_s: float, routed: bool = True
) -> SiteView:
    """Let site time pass up to a step's, do it, and so on; miners answer at second 0 alone."""

    async def main() -> SiteView:
        loop = asyncio.get_running_loop()
        plant, view = AgentHostPlant(), SiteView(site(6))
        view.answered_at[:] = EPOCH
        plant.routed = routed

        async def names() -> bool:
            return plant.reaches_names

        watch = SelfWatch(view, Clock.virtual(loop, EPOCH), SimulatedHost(plant), names, interval_s=8.0)
        busy = asyncio.create_task(keep_busy(plant))
        await watch.start()
        for at_s, do in steps:
            await asyncio.sleep(at_s - loop.time())
            do(plant, view)
        await asyncio.sleep(until_s - loop.time())
        assert watch.is_running
        await watch.stop()
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
        return view

    return run_memory(main(), timeout_wall_s=20.0)


def unlink(plant: AgentHostPlant, _: SiteView) -> None:
    plant.linked = False


def link(plant: AgentHostPlant, _: SiteView) -> None:
    plant.linked = True


def test_all_is_well_on_a_machine_that_is() -> None:
    view = play(until_s=120.0)
    assert {part: gauge.value for part, gauge in view.itself.measured} == dict.fromkeys(
        (Part.LINK, Part.GATEWAY, Part.LOOP, Part.CLOCK, Part.DNS), 0.0
    )
    assert not view.itself.blind


def test_a_lost_link_blinds_it_within_seconds_until_everybody_was_asked_again() -> None:
    assert play((60.0, unlink), until_s=67.0).itself.blind
    assert play((60.0, unlink), (300.0, link), until_s=310.0).itself.blind
    assert not play((60.0, unlink), (300.0, link), until_s=325.0).itself.blind


def test_a_router_that_never_answered_is_none_that_fell_silent() -> None:
    def unroute(plant: AgentHostPlant, _: SiteView) -> None:
        plant.routed = False

    assert np.isnan(play(until_s=120.0, routed=False).itself[Part.GATEWAY].value)
    assert play((60.0, unroute), until_s=120.0).itself[Part.GATEWAY].value == 1.0


def test_a_busy_machine_is_measured_by_how_late_the_loop_is() -> None:
    def load(plant: AgentHostPlant, _: SiteView) -> None:
        plant.lag_s = 3.0

    lag_s = play((60.0, load), until_s=120.0).itself[Part.LOOP].value
    assert 1.0 < lag_s <= 3.0


def test_a_clock_that_jumps_is_seen_and_steady_time_goes_on() -> None:
    def set_back(plant: AgentHostPlant, _: SiteView) -> None:
        plant.wall_ahead_s = -3600.0

    clock = play((60.0, set_back), until_s=70.0).itself[Part.CLOCK]
    assert clock.value == 3600.0
    assert EPOCH + 60.0 <= clock.at <= EPOCH + 70.0
