"""Columns have two writers, one for a single device and one for a whole round: both leave the same behind."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.model.columns import HISTORY_SPACING_S, Counter, Signal
from agent.model.round import COUNTERS, SIGNALS
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach, Telemetry
from tests import factory

ROWS = 4
EPOCH_S = 1_767_225_600.0

Round = tuple[list[bool], list[float], float]
rounds = st.lists(
    st.tuples(
        st.lists(st.booleans(), min_size=ROWS, max_size=ROWS),
        st.lists(st.floats(0.0, 50.0), min_size=ROWS, max_size=ROWS),
        st.floats(HISTORY_SPACING_S, 60.0),
    ),
    max_size=12,
)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


@given(rounds)
def test_a_signal_written_by_rounds_is_a_signal_written_row_by_row(story: list[Round]) -> None:
    single, whole = Signal(ROWS), Signal(ROWS)
    now = EPOCH_S
    for where, values, dt in story:
        now += dt
        for row in range(ROWS):
            if where[row]:
                single.put(row, values[row], now)
        whole.put_rows(np.array(where), np.array(values), np.full(ROWS, now))
    assert same(single.value, whole.value)
    assert same(single.at, whole.at)


@given(rounds, st.booleans())
def test_a_counter_written_by_rounds_is_a_counter_written_row_by_row(story: list[Round], history: bool) -> None:
    single, whole = Counter(ROWS, history=history), Counter(ROWS, history=history)
    raw = np.zeros(ROWS)
    now = EPOCH_S
    for where, growth, dt in story:
        now += dt
        raw = raw + np.array(growth)
        for row in range(ROWS):
            if where[row]:
                single.put(row, float(raw[row]), now, restarted=False)
        whole.put_rows(np.array(where), raw, np.full(ROWS, now))
    for name in ("total", "at", "grew_at", "raw"):
        assert same(getattr(single, name), getattr(whole, name))
    for row in range(ROWS):
        for window_s in (10.0, 100.0):
            assert single.over(row, window_s) == whole.over(row, window_s)


@given(st.lists(st.sampled_from([None, *Reach]), min_size=1, max_size=12))
def test_polls_written_by_rounds_are_polls_written_one_by_one(story: list[Reach | None]) -> None:
    """None stands for an answer, every reach for a poll that ended so."""
    site = factory.site(1)
    single, whole = SiteView(site), SiteView(site)
    yes, ones = np.array([True]), np.array([1], dtype=np.int32)
    for k, came in enumerate(story):
        now = EPOCH_S + 8.0 * k
        at = np.array([now])
        if came is None:
            single.put_answer(0, now, Telemetry(hashrate_th=100.0, elapsed_s=8.0 * k, work_gh=float(k)))
            told = {"hashrate_th": 100.0, "elapsed_s": 8.0 * k, "work_gh": float(k)}
            whole.put_answers(yes, at, ones, {name: (yes, np.array([value])) for name, value in told.items()})
        else:
            single.put_miss(0, now, came)
            whole.put_misses(np.array([0]), at, ones, np.array([came], dtype=np.int8))
    for name in ("reach", "polled_at", "answered_at", "misses", "goods", "missing_since", "mute_since"):
        assert same(getattr(single, name), getattr(whole, name)), name
    assert same(single.hashrate_th.at, whole.hashrate_th.at)
    assert same(single.work_gh.total, whole.work_gh.total)


@given(rounds)
def test_a_whole_round_told_by_all_who_answer_is_the_same_reply_by_reply(story: list[Round]) -> None:
    single, whole = SiteView(factory.site(ROWS)), SiteView(factory.site(ROWS))
    raw = np.zeros(ROWS)
    now, ones = EPOCH_S, np.ones(ROWS, dtype=np.int32)
    for where, values, dt in story:
        now += dt
        raw = raw + np.array(values)
        answered, at = np.array(where), now + np.arange(ROWS) * 0.01
        cut = np.flatnonzero(answered & (raw > 30.0))
        told = {name: raw if name in COUNTERS else np.array(values) for name in (*SIGNALS, *COUNTERS)}
        for row in np.flatnonzero(answered).tolist():
            for name, of in told.items():
                column = getattr(single, name)
                if name in COUNTERS:
                    column.put(row, float(of[row]), float(at[row]), restarted=False)
                elif not (name == "chip_max_c" and row in cut):
                    column.put(row, float(of[row]), float(at[row]))
        said = {name: (answered, of) for name, of in told.items()}
        whole.put_answers(answered, at, ones, said, lost={"chip_max_c": cut})
    for name in SIGNALS:
        for part in ("value", "at"):
            assert same(getattr(getattr(single, name), part), getattr(getattr(whole, name), part)), (name, part)
    for name in COUNTERS:
        for part in ("total", "at", "grew_at", "raw"):
            assert same(getattr(getattr(single, name), part), getattr(getattr(whole, name), part)), (name, part)
        for row in range(ROWS):
            assert getattr(single, name).over(row, 10.0) == getattr(whole, name).over(row, 10.0)


def test_several_polls_in_one_round_count_as_several() -> None:
    view = SiteView(factory.site(2))
    only_second = np.array([False, True])
    at, polls = np.full(2, EPOCH_S), np.array([3, 3], dtype=np.int32)
    view.put_misses(np.arange(2), at, polls, np.full(2, Reach.SILENT, dtype=np.int8))
    view.put_answers(only_second, at + 8.0, polls, {})
    assert view.misses.tolist() == [3, 0]
    assert view.goods.tolist() == [0, 3]
    assert view.missing_since[0] == EPOCH_S
    assert math.isnan(view.missing_since[1])


def test_a_counter_without_history_says_so_and_one_with_it_tells_growth_over_a_window() -> None:
    plain, kept = Counter(1), Counter(1, history=True)
    where = np.array([True])
    for k in range(50):
        for counter in (plain, kept):
            counter.put_rows(where, np.array([2.0 * k]), np.array([10.0 * k]))
    assert plain.over(0, 60.0) is None
    assert kept.over(0, 60.0) == (12.0, 60.0)


def test_a_restart_between_rounds_keeps_what_was_counted_before() -> None:
    counter = Counter(1, history=True)
    counter.put(0, 100.0, 0.0, restarted=False)
    counter.put(0, 7.0, 10.0, restarted=True)
    counter.put_rows(np.array([True]), np.array([9.0]), np.array([20.0]))
    assert counter.total.tolist() == [109.0]
