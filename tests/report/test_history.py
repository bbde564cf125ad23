"""A history of any length is bounded, true to what was noted, and loses no dip."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.errors import InvariantError
from agent.report.history import MAX_POINTS, HistoryRecorder, SiteHistory

SAMPLES = st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 2e5)), max_size=60)


def test_nothing_noted_is_an_empty_history() -> None:
    assert HistoryRecorder(5.0).history() == SiteHistory()


def test_samples_that_are_few_stand_as_they_came() -> None:
    recorder = HistoryRecorder(5.0)
    for at_s, rate in ((0.0, 100.0), (5.0, 90.0), (10.0, 95.0)):
        recorder.note(at_s, rate, 100.0)
    assert recorder.history() == SiteHistory(
        (0.0, 5.0, 10.0), (100.0, 90.0, 95.0), (100.0, 100.0, 100.0), (100.0, 90.0, 95.0)
    )


def test_samples_within_a_step_become_their_mean_and_their_least() -> None:
    recorder = HistoryRecorder(10.0)
    recorder.note(0.0, 100.0, 110.0)
    recorder.note(4.0, 50.0, 100.0)
    assert recorder.history() == SiteHistory((2.0,), (75.0,), (105.0,), (50.0,))


def test_a_month_stays_bounded_and_a_dip_of_one_sample_stays_visible() -> None:
    recorder = HistoryRecorder(30.0)
    ticks = 30 * 86400 // 30
    for k in range(ticks):
        recorder.note(k * 30.0, 10.0 if k == 40_000 else 1000.0, 1000.0)
        assert len(recorder.history().at_s) <= MAX_POINTS if k % 9973 == 0 else True
    history = recorder.history()
    assert MAX_POINTS / 2 <= len(history.at_s) <= MAX_POINTS
    assert min(history.lowest_th) == 10.0
    (place,) = [k for k, low in enumerate(history.lowest_th) if low < 1000.0]
    assert abs(history.at_s[place] - 40_000 * 30.0) <= recorder.step_s
    assert history.hashrate_th[place] > 900.0
    assert recorder.step_s == 30.0 * 64
    assert math.isclose(history.hashrate_th[0], 1000.0)


def test_samples_far_apart_are_bounded_too() -> None:
    recorder = HistoryRecorder(1.0)
    for k in range(3 * MAX_POINTS):
        recorder.note(k * 1000.0, 1.0, 1.0)
    assert len(recorder.history().at_s) <= MAX_POINTS


def test_what_is_missing_is_no_zero() -> None:
    recorder = HistoryRecorder(5.0)
    recorder.note(0.0, 100.0, 100.0)
    recorder.note(5.0, math.nan, 100.0)
    recorder.note(10.0, 100.0, math.inf)
    recorder.note(15.0, 80.0, 100.0)
    assert recorder.history().at_s == (0.0, 15.0)


def test_time_that_runs_backwards_and_a_step_of_nothing_are_refused() -> None:
    recorder = HistoryRecorder(5.0)
    recorder.note(10.0, 1.0, 1.0)
    with pytest.raises(InvariantError, match="back"):
        recorder.note(9.0, 1.0, 1.0)
    for step_s in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvariantError, match="step"):
            HistoryRecorder(step_s)


@given(SAMPLES, st.floats(0.5, 1e4))
def test_means_lie_between_extremes_and_times_rise(samples: list[tuple[float, float]], step_s: float) -> None:
    recorder = HistoryRecorder(step_s)
    for at_s, rate in sorted(samples):
        recorder.note(at_s, rate, 7.0)
    history = recorder.history()
    assert list(history.at_s) == sorted(history.at_s)
    assert len({len(history.at_s), len(history.hashrate_th), len(history.target_th), len(history.lowest_th)}) == 1
    if samples:
        assert min(history.lowest_th) == min(rate for _, rate in samples)
        highest = max(rate for _, rate in samples)
        pairs = zip(history.lowest_th, history.hashrate_th, strict=True)
        assert all(low - 1e-6 <= mean <= highest + 1e-6 for low, mean in pairs)
