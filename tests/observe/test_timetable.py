"""Slots: fixed phases, whole periods, nothing twice and nothing forgotten."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe.timetable import Timetable, phase


def test_phases_are_stable_and_spread_evenly_over_the_period() -> None:
    phases = [phase(f"miner-{k}") for k in range(14_000)]
    assert phases == [phase(f"miner-{k}") for k in range(14_000)]
    tenths = [sum(int(p * 10) == tenth for p in phases) for tenth in range(10)]
    assert min(phases) >= 0.0
    assert max(phases) < 1.0
    assert all(abs(count - 1_400) < 5 * math.sqrt(1_400) for count in tenths)


def test_a_row_that_was_taken_is_not_due_until_it_is_put_back() -> None:
    table = Timetable(["a"], 8.0, 100.0)
    assert list(table.take(108.0)) == [0]
    assert list(table.take(1e9)) == []
    assert table.next_s == math.inf
    assert table.put_back(0, 101.0) == 0
    assert table.next_s == 100.0 + (1 + phase("a")) * 8.0


@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 7)), min_size=1, max_size=50),
    st.floats(0.5, 20.0),
)
def test_turns_stay_on_the_grid_and_missed_ones_are_counted(turns: list[tuple[float, int]], period_s: float) -> None:
    table = Timetable(["m"], period_s, 0.0)
    slot = 0
    for took_s, slots in turns:
        due_s = table.next_s
        assert due_s == pytest.approx((phase("m") + slot) * period_s)
        assert list(table.take(due_s)) == [0]
        missed = table.put_back(0, due_s + took_s, slots)
        slot += slots + missed
        assert table.next_s >= due_s + took_s - 1e-6
        assert missed == 0 or took_s > slots * period_s - 1e-6


@given(st.lists(st.sampled_from(["take", "back", "far", "hasten"]), max_size=80), st.integers(1, 5))
def test_whatever_happens_every_row_is_waiting_exactly_once_or_taken(moves: list[str], rows: int) -> None:
    table = Timetable([f"m{k}" for k in range(rows)], 8.0, 0.0)
    taken: list[int] = []
    now_s = 0.0
    for move in moves:
        now_s += 3.0
        if move == "take":
            due = list(table.take(now_s))
            assert not set(due) & set(taken)
            taken += due
        elif move == "hasten":
            for row in range(rows):
                table.hasten(row, now_s)
        elif taken:
            table.put_back(taken.pop(), now_s, 7 if move == "far" else 1)
    rest = list(table.take(math.inf))
    assert sorted(rest + taken) == list(range(rows))


def test_hastening_brings_a_far_turn_to_the_next_slot() -> None:
    table = Timetable(["a"], 8.0, 0.0)
    first_s = table.next_s
    list(table.take(first_s))
    table.put_back(0, first_s, 7)
    table.hasten(0, first_s + 1.0)
    assert list(table.take(first_s + 7.9)) == []
    assert list(table.take(first_s + 8.0)) == [0]


def test_ten_thousand_changes_of_mind_do_not_grow_the_heap() -> None:
    table = Timetable(["a"], 8.0, 0.0)
    list(table.take(8.0))
    table.put_back(0, 8.0, 7)
    for _ in range(10_000):
        table.hasten(0, 9.0)
    assert len(table._heap) <= 8
