"""Rates and spreads: known values, and what must hold for any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.figures import Rate, Spread, quantile, wilson


def test_wilson_at_known_values() -> None:
    assert wilson(902, 1000) == pytest.approx((0.8820, 0.9189), abs=5e-5)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=5e-5)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_lies_within_the_possible_and_around_the_rate(case: tuple[int, int]) -> None:
    rate = Rate(*case)
    assert rate.value is not None
    assert rate.ci95 is not None
    low, high = rate.ci95
    assert 0.0 <= low <= rate.value <= high <= 1.0
    mirrored = wilson(case[1] - case[0], case[1])
    assert (low, high) == pytest.approx((1.0 - mirrored[1], 1.0 - mirrored[0]), abs=1e-12)


def test_nothing_has_no_rate_and_no_spread() -> None:
    assert (Rate(0, 0).value, Rate(0, 0).ci95) == (None, None)
    assert Spread.over([]) == Spread(0, None, None, None, None)


def test_a_spread_at_known_values() -> None:
    assert Spread.over([4.0]) == Spread(1, 4.0, 4.0, 4.0, 4.0)
    assert Spread.over([3.0, 1.0]) == Spread(2, 2.0, 2.0, pytest.approx(2.8), pytest.approx(2.9))  # type: ignore[arg-type]
    hundred = Spread.over(float(n) for n in range(101))
    assert hundred == Spread(101, 50.0, 50.0, 90.0, 95.0)


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=50), st.floats(0.0, 1.0))
def test_a_quantile_lies_among_the_values(values: list[float], share: float) -> None:
    ordered = sorted(values)
    at = quantile(ordered, share)
    slack = 1e-9 * ordered[-1]
    assert ordered[0] - slack <= at <= ordered[-1] + slack
    assert quantile(ordered, 0.0) == ordered[0]
    assert quantile(ordered, 1.0) == ordered[-1]
