"""A loop whose miners have just taken up their work is warm for a while, and is not hot for that."""

import numpy as np
import pytest

from agent.detect.load_step import FOLLOWS_S
from agent.model.loops import SAFE_K
from tests.detect.heat_bench import WELL, Loop, firing, replace_reading, warm


def woken(*, asleep: int = 20) -> Loop:
    """Return a loop of which so many of twenty slept for an hour, and have just begun to hash."""
    loop = Loop()
    loop.run(900.0)
    loop.rate[:asleep] = 0.0
    loop.run(3600.0)
    loop.rate = np.ones(20)
    loop.run(120.0)
    return loop


def test_a_supply_that_its_cooler_is_still_to_follow_is_not_hot_and_one_that_it_does_not_is() -> None:
    loop = woken()
    warm(loop, 5.0)
    assert firing(loop.run(FOLLOWS_S - 180.0)[0]) == []
    assert loop.until("loop", 300.0) <= 200.0


def test_one_that_is_back_in_time_never_was() -> None:
    loop = woken()
    warm(loop, 5.0)
    loop.run(900.0)
    warm(loop, 1.0)
    assert firing(loop.run(3600.0)[0]) == []


@pytest.mark.parametrize("asleep", [0, 4])
def test_where_few_slept_it_is_hot_as_ever(asleep: int) -> None:
    loop = woken(asleep=asleep)
    warm(loop, 5.0)
    assert 180.0 <= loop.until("loop", 400.0) <= 260.0


def test_who_went_to_sleep_explains_no_warm_loop() -> None:
    loop = Loop()
    loop.run(900.0)
    loop.rate[:10] = 0.0
    warm(loop, 5.0)
    assert 180.0 <= loop.until("loop", 400.0) <= 260.0


def test_miners_near_their_limits_and_a_supply_far_above_are_a_hot_loop_whoever_woke() -> None:
    loop = woken()
    warm(loop, 5.0)
    loop.chip_c[:3] = loop.view.site.miners[0].limits.chip_c - SAFE_K + 1.0
    assert loop.until("loop", 400.0) <= 260.0
    loop = woken()
    loop.unit = replace_reading(WELL, supply_c=42.0)
    loop.chip_c = loop.chip_c + 7.0
    assert loop.until("loop", 400.0) <= 260.0


def test_half_an_hour_after_they_woke_it_is_as_ever() -> None:
    loop = woken()
    loop.run(FOLLOWS_S + 120.0)
    warm(loop, 5.0)
    assert 180.0 <= loop.until("loop", 400.0) <= 260.0
