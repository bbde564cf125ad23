"""A unit that tells of no flow: its miners say within seconds whether their coolant stands still."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model.incident import Reason
from agent.model.site_view import Expected
from agent.model.topology import Cooling
from tests.detect.heat_bench import POLL_S, WELL, Loop, firing, reason, replace_reading
from tests.factory import EPOCH

STILL = replace_reading(WELL, flow_lpm=0.0)
K_PER_S = {Cooling.HYDRO: 0.82, Cooling.IMMERSION: 2.1 / 60.0}
"""Facts "detection", section 5."""


def stop(loop: Loop, seconds: float) -> float:
    """Let the coolant stand still: chips get hotter until firmware stops them. Return how long until it is seen."""
    loop.unit, began = STILL, loop.now
    while loop.now - began < seconds:
        loop.chip_c += K_PER_S[loop.kind] * POLL_S
        loop.rate[loop.chip_c >= 95.0] = 0.0
        if firing(loop.run(POLL_S)[0]):
            return loop.now - began
    return float("inf")


@pytest.mark.parametrize(("kind", "most_s"), [(Cooling.HYDRO, 16.0), (Cooling.IMMERSION, 208.0)])
def test_coolant_that_stands_still_is_lost_cooling_before_a_chip_is_at_its_limit(kind: Cooling, most_s: float) -> None:
    loop = Loop(kind=kind)
    assert stop(loop, 600.0) <= most_s
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST
    assert loop.chip_c.max() < 85.0
    assert loop.ailing() == set()


@pytest.mark.parametrize("kind", [Cooling.HYDRO, Cooling.IMMERSION])
def test_miners_that_stay_cool_contradict_it_and_a_person_is_told(kind: Cooling) -> None:
    loop = Loop(kind=kind)
    loop.unit, began = STILL, loop.now
    while not loop.ailing() and loop.now - began < 600.0:
        assert firing(loop.run(POLL_S)[0]) == []
    assert loop.ailing() == {Reason.UNIT_FLOW_SENSOR}
    assert loop.now - began <= (16.0 if kind is Cooling.HYDRO else 208.0)
    assert firing(loop.run(7200.0)[0]) == []
    assert loop.ailing() == {Reason.UNIT_FLOW_SENSOR}
    loop.unit = WELL
    loop.run(700.0)
    assert loop.ailing() == set()


def test_a_sensor_that_comes_back_halfway_is_still_not_believed() -> None:
    loop = Loop()
    loop.unit = STILL
    loop.run(64.0)
    loop.unit = replace_reading(WELL, flow_lpm=80.0)
    assert loop.until("loop", 900.0) == float("inf")
    assert loop.ailing() == {Reason.UNIT_FLOW_SENSOR}


def test_pumps_that_are_gone_as_well_are_a_second_witness() -> None:
    loop = Loop()
    loop.unit = STILL
    loop.run(64.0)
    loop.unit = replace_reading(STILL, pumps_ok=False)
    assert loop.until("loop", 60.0) <= POLL_S
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST


def test_miners_that_were_put_to_sleep_for_it_contradict_nothing() -> None:
    loop = Loop()
    loop.unit = replace_reading(STILL, pumps_ok=False)
    loop.run(POLL_S)
    loop.view.expected[:] = Expected.ACTING
    loop.run(64.0)
    assert loop.ailing() == set()
    loop = Loop()
    stop(loop, 600.0)
    loop.view.expected[:], loop.chip_c[:] = Expected.ACTING, 62.0
    loop.run(64.0)
    assert loop.ailing() == set()


@pytest.mark.parametrize("who", ["nobody", "one"])
def test_where_too_few_miners_can_tell_the_sensor_is_believed_while_there_is_time(who: str) -> None:
    loop = Loop()
    loop.rate[slice(0 if who == "nobody" else 2, 20)] = 0.0
    loop.run(64.0)
    loop.unit = STILL
    assert loop.until("loop", 600.0) <= 32.0, "40 s until firmware stops them, less 15"
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST


def test_one_that_clogs_meanwhile_and_one_that_is_derated_are_not_the_middle_one() -> None:
    loop = Loop()
    loop.unit = STILL
    for _ in range(20):
        loop.chip_c[3], loop.chip_c[4] = min(loop.chip_c[3] + 6.0, 92.0), 45.0
        assert firing(loop.run(POLL_S)[0]) == []
    assert loop.ailing() == {Reason.UNIT_FLOW_SENSOR}


def test_a_pool_outage_while_a_sensor_is_not_believed_puts_nobody_to_sleep() -> None:
    loop = Loop()
    loop.unit = STILL
    loop.run(600.0)
    loop.rate[:], loop.chip_c[:] = 0.0, 40.0
    assert loop.until("loop", 900.0) == float("inf")
    loop.rate[:], loop.chip_c[:] = 1.0, 62.0
    assert loop.until("loop", 900.0) == float("inf")


def test_what_was_contradicted_before_a_restart_is_not_believed_after_it() -> None:
    loop = Loop()
    loop.units.restore(4, EPOCH, Reason.UNIT_FLOW_SENSOR)
    loop.rate[:] = 0.0
    loop.unit = STILL
    assert loop.until("loop", 900.0) == float("inf")
    assert loop.ailing() == {Reason.UNIT_FLOW_SENSOR}


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(4, 20), st.booleans())
def test_sensors_that_scatter_change_nothing_of_either(seed: int, miners: int, flows: bool) -> None:
    """By 1 K from poll to poll, more than what captured miners show; whole degrees, as stock firmware tells them."""
    rng = np.random.default_rng(seed)
    loop = Loop(miners)
    loop.run(64.0)
    loop.unit, true_c, began = STILL, 62.0 + rng.normal(0.0, 2.0, miners), loop.now
    lost_after_s = float("inf")
    while loop.now - began < 120.0:
        true_c += 0.0 if flows else 0.82 * POLL_S
        loop.chip_c = np.round(true_c + rng.normal(0.0, 1.0, miners))
        loop.rate = np.where(true_c >= 95.0, 0.0, 1.0 + rng.normal(0.0, 0.045, miners))
        if firing(loop.run(POLL_S)[0]):
            lost_after_s = min(lost_after_s, loop.now - began)
    assert lost_after_s == float("inf") if flows else lost_after_s <= 24.0
