"""Cooling units that do not tell, or not the truth, as columns: their miners are the second witness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model.incident import Reason
from agent.model.telemetry import Reach
from tests.detect.heat_bench import POLL_S, WELL, Loop, firing, reason, replace_reading, warm
from tests.factory import EPOCH


def test_a_loop_whose_unit_falls_silent_is_not_called_well_by_miners_that_cannot_tell() -> None:
    loop = Loop()
    loop.run(900.0)
    warm(loop, 5.0)
    loop.until("loop", 600.0)
    warm(loop, 0.0)
    loop.run(64.0)
    loop.unit, loop.rate = None, np.zeros(20)
    assert firing(loop.run(1800.0)[0]) == list(range(20))
    loop.rate = np.ones(20)
    assert firing(loop.run(700.0)[0]) == []


def test_miners_show_a_warm_loop_whose_unit_is_silent() -> None:
    loop = Loop()
    loop.run(900.0)
    warm(loop, 5.0)
    loop.unit = None
    assert 180.0 <= loop.until("loop", 600.0) <= 260.0
    assert reason(loop.run(POLL_S)[0]) is Reason.LOOP_HOT
    warm(loop, 0.0)
    loop.unit = None
    assert firing(loop.run(700.0)[0]) == []


def test_miners_that_tell_what_comes_in_are_witnesses_too_wherever_their_sensors_sit() -> None:
    loop = Loop()
    loop.inlet_c = np.full(20, 41.0)
    assert firing(loop.run(1200.0)[0]) == []
    loop.unit, loop.inlet_c = None, np.full(20, 46.0)
    assert 180.0 <= loop.until("loop", 600.0) <= 260.0


def test_cooling_that_is_lost_behind_a_silent_unit_is_seen_in_the_miners() -> None:
    loop = Loop()
    loop.run(900.0)
    loop.unit = None
    loop.run(120.0)
    for _ in range(30):
        loop.chip_c += 5.0 * POLL_S / 60.0
        loops, _ = loop.run(POLL_S)
    assert reason(loops) is Reason.COOLING_LOST


@pytest.mark.parametrize("by_k", [6.0, 20.0, 40.0, -6.0, -20.0])
def test_a_unit_whose_miners_contradict_it_is_not_believed_and_a_person_is_told(by_k: float) -> None:
    loop = Loop()
    loop.run(900.0)
    loop.unit = replace_reading(WELL, supply_c=35.0 + by_k)
    began = loop.now
    while not loop.ailing() and loop.now - began < 600.0:
        assert firing(loop.run(POLL_S)[0]) == []
    assert loop.ailing() == {Reason.UNIT_SENSOR}
    assert loop.now - began <= 300.0
    assert firing(loop.run(3600.0)[0]) == []
    assert loop.ailing() == {Reason.UNIT_SENSOR}
    loop.unit = WELL
    loop.run(800.0)
    assert loop.ailing() == set()


def test_a_unit_that_seems_to_run_away_while_its_miners_stay_cool_puts_nobody_to_sleep() -> None:
    loop = Loop()
    loop.run(900.0)
    for k in range(60):
        loop.unit = replace_reading(WELL, supply_c=35.0 + k)
        assert firing(loop.run(POLL_S)[0]) == []
    assert loop.ailing() == {Reason.UNIT_SENSOR}


def test_a_stuck_sensor_hides_no_warm_loop() -> None:
    loop = Loop()
    loop.run(900.0)
    warm(loop, 5.0)
    loop.unit = WELL
    began = loop.now
    while not loop.ailing() and loop.now - began < 600.0:
        loop.run(POLL_S)
    loop.view.cooling.doubted[0] = True
    assert loop.until("loop", 600.0) + loop.now - began <= 420.0


def test_where_miners_cannot_tell_their_unit_is_believed() -> None:
    loop = Loop()
    loop.run(900.0)
    loop.rate = np.zeros(20)
    loop.run(64.0)
    loop.unit = replace_reading(WELL, supply_c=41.0)
    assert 180.0 <= loop.until("loop", 600.0) <= 200.0
    assert loop.ailing() == set()


@pytest.mark.parametrize(("awake", "ails"), [(9, set()), (10, {Reason.UNIT_SENSOR})])
def test_the_few_that_are_awake_may_be_clogged_and_are_no_witness_against_their_unit(
    awake: int, ails: set[Reason]
) -> None:
    loop = Loop()
    loop.run(900.0)
    loop.rate = np.arange(20) < awake
    loop.chip_c = loop.chip_c + 5.0
    loop.run(600.0)
    assert loop.ailing() == ails


def test_a_unit_that_answers_nothing_is_silent_after_two_minutes_and_back_after_one() -> None:
    loop = Loop()
    loop.unit = None
    loop.run(104.0)
    assert loop.ailing() == set()
    loop.run(24.0)
    assert loop.ailing() == {Reason.UNIT_SILENT}
    loop.unit = WELL
    loop.run(48.0)
    assert loop.ailing() == {Reason.UNIT_SILENT}
    loop.run(24.0)
    assert loop.ailing() == set()


def test_a_unit_that_is_silent_with_its_miners_is_no_matter_of_its_own() -> None:
    loop = Loop()
    for row in range(20):
        loop.view.put_miss(row, loop.now + 200.0, Reach.SILENT)
    assert loop.units.judge(loop.view, loop.now + 300.0).devices == ()


def test_a_unit_of_a_loop_that_somebody_has_shut_down_may_be_silent() -> None:
    loop = Loop()
    loop.unit = None
    loop.view.excused[:] = True
    loop.run(600.0)
    assert loop.ailing() == set()


def test_a_leak_is_told_by_its_second_reading_and_is_over_after_ten_minutes_without() -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, leak=True)
    loop.run(POLL_S)
    assert loop.ailing() == set()
    loop.run(POLL_S)
    assert loop.ailing() == {Reason.UNIT_LEAKS}
    loop.unit = WELL
    loop.run(560.0)
    assert loop.ailing() == {Reason.UNIT_LEAKS}
    loop.run(64.0)
    assert loop.ailing() == set()


def test_what_is_wrong_with_a_unit_is_taken_up_after_a_restart() -> None:
    loop = Loop()
    loop.units.restore(4, EPOCH, Reason.UNIT_SENSOR)
    loop.units.restore(4, EPOCH, Reason.FAN_LOST)
    loop.run(POLL_S)
    assert loop.ailing() == {Reason.UNIT_SENSOR}


def test_a_flow_sensor_that_was_doubted_is_taken_up_before_anything_is_read() -> None:
    """Seed 50048 of the soak: an agent that was killed with such an incident open did not come up again."""
    loop = Loop()
    loop.units.restore(4, EPOCH, Reason.UNIT_FLOW_SENSOR)
    loop.run(POLL_S)
    assert loop.ailing() <= {Reason.UNIT_FLOW_SENSOR}


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1))
def test_noise_and_sensors_that_sit_elsewhere_are_no_contradiction(seed: int) -> None:
    """Three hours of sensors that scatter, each beside the truth by its own, of a supply that drifts with the day."""
    rng = np.random.default_rng(seed)
    loop = Loop()
    beside_k, tell = rng.normal(3.0, 2.0, 20), rng.random(20) < 0.6
    for k in range(225):
        drift_k = 0.9 * np.sin(k / 40.0)
        loop.chip_c = 62.0 + drift_k + rng.normal(0.0, 2.0, 20)
        loop.rate = 1.0 + rng.normal(0.0, 0.045, 20)
        loop.inlet_c = np.where(tell, 35.0 + drift_k + beside_k + rng.normal(0.0, 0.7, 20), np.nan)
        loop.unit = replace_reading(WELL, supply_c=35.0 + drift_k + float(rng.normal(0.0, 0.5)))
        loop.unit = None if rng.random() < 0.05 else loop.unit
        assert firing(loop.run(48.0)[0]) == []
        assert loop.ailing() <= {Reason.UNIT_SILENT}, "it may be so for 48 s three times in a row"
