"""The Bernoulli CUSUM: its arithmetic, and its false-alarm rate against the theory."""

import math

import numpy as np
import pytest

from agent.detect.cusum import BernoulliCusum, Shift
from agent.detect.rejects import RejectThresholds

T = RejectThresholds()
REJECTED = Shift(T.rejected_healthy, T.rejected_bad, T.decision)
FAST = Shift(0.01, 0.10, T.decision)
STALE = Shift(T.stale_healthy, T.stale_bad, T.decision)
LASTING = Shift(T.lasting_healthy, T.lasting_bad, T.decision)
SHARES_PER_DAY = 18 * 1440
ONE = np.ones(1)
NONE = np.zeros(1)


def test_steps_are_the_log_likelihood_ratios() -> None:
    assert math.exp(REJECTED.up) == pytest.approx(0.05 / 0.005)
    assert math.exp(-REJECTED.down) == pytest.approx(0.95 / 0.995)
    assert 0.005 * REJECTED.up < 0.995 * REJECTED.down
    assert 0.05 * REJECTED.up > 0.95 * REJECTED.down


def test_it_never_falls_below_zero_nor_rises_above_its_cap() -> None:
    cusum = BernoulliCusum(1, REJECTED)
    cusum.add(NONE, 1000.0 * ONE, 36.0)
    assert cusum.level[0] == 0.0
    assert cusum.events[0] == 0.0
    for _ in range(50):
        cusum.add(3.0 * ONE, NONE, 36.0)
    assert cusum.level[0] == 36.0
    assert cusum.bad[0] == 150.0


def test_one_reading_decides_nothing() -> None:
    cusum = BernoulliCusum(1, REJECTED)
    cusum.add(1e9 * ONE, NONE, 36.0)
    assert cusum.level[0] == 12.0
    assert not cusum.alarms(50).any()
    cusum.add(1e9 * ONE, NONE, 36.0)
    assert cusum.alarms(50).all()


def test_it_waits_for_enough_events() -> None:
    cusum = BernoulliCusum(1, FAST)
    for _ in range(49):
        cusum.add(ONE, NONE, 36.0)
    assert not cusum.alarms(50).any()
    cusum.add(ONE, NONE, 36.0)
    assert cusum.alarms(50).all()


def test_a_restart_begins_at_zero_in_those_rows_only() -> None:
    cusum = BernoulliCusum(2, REJECTED)
    cusum.add(np.ones(2), np.zeros(2), 36.0)
    cusum.restart(np.array([True, False]))
    assert cusum.level.tolist() == [0.0, REJECTED.up]
    assert cusum.events.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("per_reading", [2, 5, 40])
def test_counting_by_readings_never_exceeds_counting_by_events(per_reading: int) -> None:
    rng = np.random.default_rng(7)
    by_event, by_reading = BernoulliCusum(200, REJECTED), BernoulliCusum(200, REJECTED)
    for _ in range(40):
        bad = (rng.random((per_reading, 200)) < 0.03).astype(float)
        for event in bad:
            by_event.add(event, 1.0 - event, np.inf)
        by_reading.add(bad.sum(axis=0), (1.0 - bad).sum(axis=0), np.inf)
        assert (by_reading.level <= by_event.level + 1e-9).all()


def test_a_statistic_from_one_to_ten_percent_is_never_the_faster_one() -> None:
    rng = np.random.default_rng(8)
    slow, fast = BernoulliCusum(500, REJECTED), BernoulliCusum(500, FAST)
    for _ in range(300):
        bad = rng.binomial(3, 0.1, 500).astype(float)
        slow.add(bad, 3.0 - bad, np.inf)
        fast.add(bad, 3.0 - bad, np.inf)
        assert (slow.level >= fast.level - 1e-9).all()


def run_length(shift: Shift, level: float, cycles: int, seed: int) -> float:
    """Return the mean number of events at the healthy share until the statistic reaches `level`.

    Wald: a run from zero that reaches the level before it falls back has, at the healthy share, e^-S times the chance
    that it has at the bad one, S being where it stands. So its chance is the mean of e^-S over runs at the bad share,
    which reach the level often, and the run length is the mean cycle over that chance. Cycles begin with a bad event.
    """
    rng = np.random.default_rng(seed)
    s = np.full(cycles, shift.up)
    weight = np.zeros(cycles)
    live = np.arange(cycles)
    while live.size:
        s[live] -= shift.down * np.floor(rng.standard_exponential(live.size) / -math.log1p(-shift.bad))
        live = live[s[live] > 0.0]
        s[live] += shift.up
        hit = live[s[live] >= level]
        weight[hit] = np.exp(-s[hit])
        live = live[s[live] < level]
    # The first bad event is drawn with certainty here, with its share in truth: its own likelihood ratio is taken out.
    chance = float(weight.mean()) * math.exp(shift.up)
    return cycle_events(shift, cycles, rng) / chance


def cycle_events(shift: Shift, cycles: int, rng: np.random.Generator) -> float:
    """Return the mean number of events, at the healthy share, from one return to zero to the next."""
    events = rng.geometric(shift.healthy, cycles).astype(float)
    s = np.full(cycles, shift.up)
    live = np.arange(cycles)
    while live.size:
        gap = rng.geometric(shift.healthy, live.size) - 1.0
        falls = gap * shift.down >= s[live]
        events[live] += np.where(falls, np.ceil(s[live] / shift.down), gap + 1.0)
        s[live] += shift.up - gap * shift.down
        live = live[~falls]
    return float(events.mean())


@pytest.mark.parametrize("shift", [REJECTED, STALE, LASTING], ids=["rejected", "stale", "lasting"])
def test_at_the_healthy_share_false_alarms_are_rarer_than_the_bound(shift: Shift) -> None:
    events = run_length(shift, T.decision, 20_000, seed=3)
    days = events / SHARES_PER_DAY
    assert events > math.exp(T.decision)
    assert days > 1e6


def longest(share: float, shift: Shift, miner_days: float, seed: int) -> tuple[float, float]:
    """Return the highest level reached at that share in so many miner-days of shares, and how many were simulated.

    From bad share to bad share, event by event: what lies between only takes away.
    """
    rng = np.random.default_rng(seed)
    chains = 16_384
    steps = math.ceil(miner_days * SHARES_PER_DAY * share / chains)
    scale, up = np.float32(-shift.down / math.log1p(-share)), np.float32(shift.up)
    s = np.zeros(chains, dtype=np.float32)
    top = np.zeros(chains, dtype=np.float32)
    waits = np.empty(chains, dtype=np.float32)
    for _ in range(steps):
        rng.standard_exponential(out=waits, dtype=np.float32)  # a geometric gap, but for less than one event
        waits *= scale
        s -= waits
        np.maximum(s, 0.0, out=s)
        s += up
        np.maximum(top, s, out=top)
    return float(top.max()), chains * steps / share / SHARES_PER_DAY


@pytest.mark.parametrize(("share", "seed"), [(0.005, 11), (0.003, 12)])
def test_a_million_healthy_miner_days_pass_without_an_alarm(share: float, seed: int) -> None:
    top, days = longest(share, REJECTED, 1e6, seed)
    assert days >= 1e6
    assert top < T.decision


@pytest.mark.parametrize("level", [6.0, 9.0])
def test_the_run_length_found_by_likelihood_is_the_one_found_by_waiting(level: float) -> None:
    shift = Shift(REJECTED.healthy, REJECTED.bad, level)
    expected = run_length(shift, level, 20_000, seed=5)
    rng = np.random.default_rng(6)
    rows, alarms, events = 100, 0, 0.0
    cusum = BernoulliCusum(rows, Shift(REJECTED.healthy, REJECTED.bad, 1e9))
    while events < 200 * expected:
        gap = rng.geometric(REJECTED.healthy, rows) - 1.0
        cusum.add(np.zeros(rows), gap, np.inf)
        cusum.add(np.ones(rows), np.zeros(rows), np.inf)
        hit = cusum.level >= level
        alarms += int(hit.sum())
        cusum.restart(hit)
        events += float(gap.sum()) + rows
    found = events / alarms
    assert found == pytest.approx(expected, rel=0.2)
    assert found > math.exp(level)
