"""Steady UTC."""

from agent.clock import Clock


def test_it_advances_with_the_monotonic_clock_and_with_nothing_else() -> None:
    monotonic = [50.0]
    clock = Clock(lambda: monotonic[0], 1_800_000_000.0)
    monotonic[0] = 62.5
    assert clock.now() == 1_800_000_012.5


def test_a_start_behind_the_last_thing_on_record_is_set_forward() -> None:
    clock = Clock(lambda: 0.0, 1_800_000_000.0)
    assert clock.not_before(1_800_086_400.0) == 86_400.0
    assert clock.now() == 1_800_086_400.0
    assert clock.not_before(1_800_000_000.0) == 0.0
    assert clock.now() == 1_800_086_400.0
