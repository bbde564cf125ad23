"""Hashing against closed forms and against the laws of its chance."""

import dataclasses
import math
import statistics

import numpy as np
import pytest

from agent.model.ids import MinerId
from simulators.plant.hashing import BULK_S, GH_PER_DIFF1, TAUS_S, Hashing, share_difficulty, successor
from simulators.plant.history import CALM, DAY_S, History, HistorySettings

FULL_GH = 110_000.0
DIFF = 85_000.0
PER_S = FULL_GH / (DIFF * GH_PER_DIFF1)


def hashing(
    seed: int = 1,
    *,
    freezes: bool = False,
    reject_share: float = 0.0,
    stale_share: float = 0.0,
    full_gh: float = FULL_GH,
    diff: float = DIFF,
    settings: HistorySettings = CALM,
) -> Hashing:
    return Hashing(
        MinerId("m1"),
        full_gh=full_gh,
        diff=diff,
        reject_share=reject_share,
        stale_share=stale_share,
        freezes=freezes,
        history=History(settings, seed=seed),
        nonce_rng=np.random.default_rng(seed),
        share_rng=np.random.default_rng(seed + 10_000),
    )


def polled(h: Hashing, start: float, end: float, every: float = 8.0) -> None:
    t = start
    while t < end:
        t = min(end, t + every)
        h.advance(t)


def test_averages_rise_from_zero_as_a_first_order_lag_does() -> None:
    h = hashing()
    h.reset(0.0)
    h.begin(0.0, 0.0, 1.0)
    polled(h, 0.0, 924.0)
    for i, tau in enumerate(TAUS_S):
        assert h.rates_gh[i] == pytest.approx(FULL_GH * (1 - math.exp(-924.0 / tau)), rel=0.15 if tau == 5 else 0.03)
    # A real 15 min average stood at 65 % after 924 s: facts "detection", section 0.
    assert h.rates_gh[3] / FULL_GH == pytest.approx(0.65, abs=0.02)


def test_an_evenly_rising_rate_follows_its_closed_form() -> None:
    h = hashing(full_gh=1e12, diff=1e12)  # so many nonces that chance is nothing
    h.reset(0.0)
    h.begin(0.0, 360.0, 0.25)
    polled(h, 0.0, 300.0, every=7.0)
    first, slope = 0.25e12, 0.75e12 / 360.0
    for i, tau in enumerate(TAUS_S):
        exact = first + slope * (300.0 - tau) + (slope * tau - first) * math.exp(-300.0 / tau)
        assert h.rates_gh[i] == pytest.approx(exact, rel=1e-3)
    assert h.work_gh == pytest.approx(first * 300.0 + slope * 300.0**2 / 2, rel=1e-4)
    assert h.level(300.0) == pytest.approx(0.25 + 0.75 * 300.0 / 360.0)
    assert h.level(400.0) == 1.0


def test_shares_come_as_a_poisson_stream_of_the_stated_difficulty() -> None:
    counts = []
    for seed in range(300):
        h = hashing(seed)
        h.reset(0.0)
        h.begin(0.0, 0.0, 1.0)
        polled(h, 0.0, 600.0)
        counts.append(h.accepted)
    mean = PER_S * 600.0
    assert statistics.mean(counts) == pytest.approx(mean, abs=4 * math.sqrt(mean / 300))
    assert statistics.variance(counts) == pytest.approx(mean, rel=0.4)


def test_nonces_scatter_as_their_number_says() -> None:
    # Facts "detection", section 1.2: 100 nonces a second give 4.5 % over 5 s and 0.58 % over 5 min.
    short, long = [], []
    for seed in range(300):
        h = hashing(seed)
        h.reset(0.0)
        h.begin(0.0, 0.0, 1.0)
        h.advance(5.0)
        short.append(h.work_gh / (FULL_GH * 5.0))
        h.advance(300.0)
        long.append(h.work_gh / (FULL_GH * 300.0))
    assert statistics.stdev(short) == pytest.approx(0.045, rel=0.2)
    assert statistics.stdev(long) == pytest.approx(0.0058, rel=0.2)


def test_who_looks_how_often_changes_nothing() -> None:
    seldom, often = hashing(), hashing()
    for h, every in ((seldom, 300.0), (often, 1.7)):
        h.reset(0.0)
        h.begin(12.3, 60.0, 0.4)
        polled(h, 0.0, 900.0, every=every)
    assert (seldom.accepted, seldom.rejected, seldom.stale) == (often.accepted, often.rejected, often.stale)
    assert seldom.work_gh == pytest.approx(often.work_gh, rel=1e-9)
    assert seldom.rates_gh == pytest.approx(often.rates_gh, rel=1e-6)
    assert seldom.last_share_at == pytest.approx(often.last_share_at, abs=1.0)


def test_a_long_gap_is_a_single_draw_with_the_same_law() -> None:
    day = 86_400.0
    counts = []
    for seed in range(200):
        h = hashing(seed, reject_share=0.01)
        h.reset(0.0)
        h.begin(0.0, 60.0, 0.4)
        h.advance(day)
        counts.append(h.accepted + h.rejected)
        assert h.work_gh == pytest.approx(FULL_GH * (day - 18.0), rel=0.003)
        assert h.rejected == pytest.approx(0.01 * counts[-1], abs=5 * math.sqrt(0.01 * counts[-1]))
        assert h.last_share_at is not None
        assert day - 60.0 < h.last_share_at <= day
    mean = PER_S * (day - 18.0)
    assert statistics.mean(counts) == pytest.approx(mean, abs=4 * math.sqrt(mean / 200))
    assert statistics.variance(counts) == pytest.approx(mean, rel=0.5)
    assert day > BULK_S


def test_a_stop_freezes_the_long_averages_where_the_firmware_does_so() -> None:
    h = hashing(freezes=True)
    h.reset(0.0)
    h.begin(129.0, 0.0, 1.0)
    polled(h, 0.0, 7200.0)
    h.stop(7200.0)
    frozen, average = list(h.rates_gh), h.average_gh(7200.0)
    assert average == pytest.approx(FULL_GH * (7200.0 - 129.0) / 7200.0, rel=0.01)
    h.advance(7200.0 + 14 * 3600.0)
    assert h.rates_gh[0] == pytest.approx(0.0, abs=1e-6)
    assert h.rates_gh[1:] == frozen[1:]
    assert h.average_gh(7200.0 + 14 * 3600.0) == average
    assert frozen[4] / FULL_GH > 0.9


def test_elsewhere_averages_decay_after_a_stop() -> None:
    h = hashing()
    h.reset(0.0)
    h.begin(0.0, 0.0, 1.0)
    polled(h, 0.0, 7200.0)
    h.stop(7200.0)
    before, shares = list(h.rates_gh), h.accepted
    h.advance(7500.0)
    for i, tau in enumerate(TAUS_S):
        assert h.rates_gh[i] == pytest.approx(before[i] * math.exp(-300.0 / tau))
    assert h.accepted == shares
    assert h.level(7500.0) == 0.0


def test_a_new_process_counts_from_zero_and_forgets_no_share_ever_sent() -> None:
    h = hashing()
    h.reset(0.0)
    h.begin(0.0, 0.0, 1.0)
    polled(h, 0.0, 600.0)
    sent = h.accepted
    h.stop(600.0)
    h.reset(600.0)
    h.advance(700.0)
    assert (h.accepted, h.work_gh, h.last_share_at, h.rates_gh) == (0, 0.0, None, [0.0] * 5)
    assert h.shares_ever == sent > 0


def test_rejected_and_stale_shares_keep_their_shares() -> None:
    h = hashing(reject_share=0.1, stale_share=0.05)
    h.reset(0.0)
    h.begin(0.0, 0.0, 1.0)
    polled(h, 0.0, 20_000.0)
    total = h.accepted + h.rejected + h.stale
    assert h.rejected / total == pytest.approx(0.1, abs=0.015)
    assert h.stale / total == pytest.approx(0.05, abs=0.015)


BLOCKS = HistorySettings(vardiff_mean_s=None)
LIVELY = HistorySettings()


def running(
    settings: HistorySettings = CALM, *, seed: int = 1, stale_share: float = 0.0, reject_share: float = 0.0
) -> Hashing:
    h = hashing(seed, settings=settings, stale_share=stale_share, reject_share=reject_share)
    h.reset(0.0)
    h.begin(0.0, 0.0, 1.0)
    return h


def test_shares_go_stale_just_after_a_block_and_never_else() -> None:
    h, surroundings = running(BLOCKS, stale_share=0.05), History(BLOCKS, seed=1)
    stale_after, sent_in_window = [], 0
    for t in range(1, 40_000):
        before, ever = h.stale, h.shares_ever
        h.advance(float(t))
        since = t - surroundings.around(float(t))[0]
        if h.stale > before:
            stale_after.append(since)
        if 1.0 < since < 30.0:
            sent_in_window += h.shares_ever - ever
            assert h.shares_ever - ever == h.stale - before
    assert max(stale_after) < h.stale_window_s + 1.0
    assert h.stale_window_s == pytest.approx(30.0)
    assert h.stale / h.shares_ever == pytest.approx(0.05, abs=0.015)
    assert sent_in_window > 300


def test_a_share_counts_with_the_difficulty_it_was_found_at() -> None:
    h, surroundings = running(LIVELY), History(LIVELY, seed=1)
    expected, at = 0.0, 0.0
    for t in range(600, int(4 * DAY_S), 600):
        factor, until = surroundings.difficulty_factor(MinerId("m1"), at)
        before = (h.accepted, h.accepted_diff)
        h.advance(float(t))
        if until > t + 5.0:
            assert h.diff == DIFF * factor
            assert h.accepted_diff - before[1] == pytest.approx((h.accepted - before[0]) * DIFF * factor)
        expected, at = expected + FULL_GH * (t - at) / GH_PER_DIFF1, float(t)
    assert h.accepted_diff == pytest.approx(expected, rel=0.01), "work is work, whatever the difficulty"
    assert h.accepted * DIFF != pytest.approx(expected, rel=0.01)


def test_difficulties_and_rejects_go_through_a_long_gap_alike() -> None:
    gap = [running(LIVELY, seed=seed, reject_share=0.02) for seed in range(40)]
    for h in gap:
        h.advance(4 * DAY_S)
    work = statistics.mean(h.accepted_diff + h.rejected_diff for h in gap)
    assert work == pytest.approx(FULL_GH * 4 * DAY_S / GH_PER_DIFF1, rel=0.003)
    assert sum(h.rejected_diff for h in gap) / (work * 40) == pytest.approx(0.02, rel=0.1)
    assert {h.diff / DIFF for h in gap} == {0.5, 1.0, 2.0}


def test_who_looks_how_often_changes_nothing_in_lively_surroundings_either() -> None:
    seldom, often = (running(LIVELY, stale_share=0.02, reject_share=0.02) for _ in range(2))
    polled(seldom, 0.0, 100_000.0, every=1500.0)
    polled(often, 0.0, 100_000.0, every=7.7)
    assert (seldom.accepted, seldom.rejected, seldom.stale) == (often.accepted, often.rejected, often.stale)
    assert seldom.accepted_diff == often.accepted_diff
    assert seldom.work_gh == pytest.approx(often.work_gh, rel=1e-9)
    assert seldom.diff == often.diff


def test_nonces_scatter_more_in_a_noisy_shift() -> None:
    settings = HistorySettings(vardiff_mean_s=None, noise_by_shift=(0.5, 2.0, 1.0))

    def scatter(start_s: float) -> float:
        work = []
        for seed in range(400):
            h = hashing(seed, settings=settings)
            h.reset(start_s)
            h.begin(start_s, 0.0, 1.0)
            h.advance(start_s + 5.0)
            work.append(h.work_gh / (FULL_GH * 5.0))
        return statistics.stdev(work)

    assert scatter(3600.0) == pytest.approx(0.0225, rel=0.15)
    assert scatter(9 * 3600.0) == pytest.approx(0.09, rel=0.15)


def test_shares_that_nobody_wants_are_computed_and_not_counted() -> None:
    h = running()
    polled(h, 0.0, 600.0)
    h.want(600.0, False)
    before = h.totals(600.0)
    polled(h, 600.0, 1200.0)
    after = h.totals(1200.0)
    assert (after.accepted, after.shares_ever, after.last_share_at) == (
        before.accepted,
        before.shares_ever,
        before.last_share_at,
    )
    assert after.work_gh == pytest.approx(2 * before.work_gh, rel=0.02)
    assert not h.is_steady(1200.0)
    h.want(1200.0, True)
    h.advance(1300.0)
    assert h.accepted > before.accepted


def test_rejects_can_begin_and_end() -> None:
    h = running()
    h.reject(1000.0, 0.5)
    assert h.rejected == 0
    polled(h, 1000.0, 5000.0)
    h.reject(5000.0, 0.0)
    seen = h.rejected
    assert seen == pytest.approx(0.5 * PER_S * 4000.0, rel=0.15)
    polled(h, 5000.0, 6000.0)
    assert h.rejected == seen


def test_a_process_is_steady_once_its_short_averages_have_settled() -> None:
    h = hashing()
    h.reset(0.0)
    assert not h.is_steady(1000.0)
    h.begin(1000.0, 60.0, 0.4)
    assert not h.is_steady(1359.9)
    assert h.is_steady(1360.0)
    h.advance(1360.0)
    assert h.rates_gh[1] > 0.98 * FULL_GH * 0.95
    h.stop(1400.0)
    assert not h.is_steady(9000.0)


def test_counters_that_somebody_else_kept_are_gone_on_from() -> None:
    runs = []
    for _ in range(2):
        h = running()
        polled(h, 0.0, 600.0)
        kept = h.totals(600.0)
        rose = h.rates_gh[4] / FULL_GH
        h.take_over(
            90_000.0, dataclasses.replace(kept, work_gh=FULL_GH * 90_000.0, hashing_s=90_000.0, accepted=27_000)
        )
        assert (h.accepted, h.work_gh, h.rejected) == (27_000, FULL_GH * 90_000.0, kept.rejected)
        assert rose < 0.5
        assert h.rates_gh == pytest.approx([FULL_GH] * 5, rel=1e-6)
        polled(h, 90_000.0, 90_600.0)
        runs.append((h.accepted, h.work_gh))
    assert runs[0] == runs[1], "what comes after depends on nothing but the seed"
    assert runs[0][0] - 27_000 == pytest.approx(PER_S * 600.0, abs=4 * math.sqrt(PER_S * 600.0))
    assert runs[0][1] - FULL_GH * 90_000.0 == pytest.approx(FULL_GH * 600.0, rel=0.02)


def test_lent_counters_come_back_when_anything_is_asked() -> None:
    h = running()
    totals = h.lend(600.0, lambda: (5000.0, dataclasses.replace(totals, accepted=1500)))
    assert h.accepted == totals.accepted != 1500
    h.stop(5010.0)
    assert h.accepted == pytest.approx(1503, abs=10)
    assert h.accepted >= 1500


@pytest.mark.parametrize("rate_th", [14.0, 67.0, 110.0, 237.0, 860.0])
def test_a_pool_difficulty_gives_about_eighteen_shares_a_minute(rate_th: float) -> None:
    per_minute = rate_th * 1e3 / (share_difficulty(rate_th * 1e3) * GH_PER_DIFF1) * 60.0
    assert per_minute == pytest.approx(18.0, rel=0.05)


def test_the_chance_of_a_process_does_not_hang_on_how_the_one_before_was_watched() -> None:
    often, seldom = hashing(seed=4), hashing(seed=4)
    for h, every in ((often, 8.0), (seldom, 2000.0)):
        h.begin(0.0, 0.0, 1.0)
        polled(h, 0.0, 4000.0, every)
        h.reset(4000.0)
        h.begin(4060.0, 60.0, 0.2)
        polled(h, 4060.0, 4500.0, 7.0)
    assert (often.work_gh, often.accepted, often.rates_gh) == (seldom.work_gh, seldom.accepted, seldom.rates_gh)
    assert often.accepted > 0


@pytest.mark.parametrize("seed", [1, 2**32, 2**64 - 1])
def test_the_stream_of_the_next_process_is_the_one_that_numpy_would_spawn(seed: int) -> None:
    ours = spawned = np.random.Generator(np.random.PCG64(seed))
    for _ in range(6):
        ours, (spawned,) = successor(ours), spawned.spawn(1)
        assert ours.bit_generator.state == spawned.bit_generator.state
