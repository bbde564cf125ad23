"""Hashing against closed forms and against the laws of its chance."""

import math
import random
import statistics

import pytest

from simulators.plant.hashing import BULK_S, GH_PER_DIFF1, TAUS_S, Hashing, share_difficulty

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
) -> Hashing:
    return Hashing(
        full_gh=full_gh,
        diff=diff,
        reject_share=reject_share,
        stale_share=stale_share,
        freezes=freezes,
        nonce_rng=random.Random(seed),
        share_rng=random.Random(seed + 10_000),
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
    assert seldom.last_share_at == pytest.approx(often.last_share_at)


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


@pytest.mark.parametrize("rate_th", [14.0, 67.0, 110.0, 237.0, 860.0])
def test_a_pool_difficulty_gives_about_eighteen_shares_a_minute(rate_th: float) -> None:
    per_minute = rate_th * 1e3 / (share_difficulty(rate_th * 1e3) * GH_PER_DIFF1) * 60.0
    assert per_minute == pytest.approx(18.0, rel=0.05)
