"""The pool detector: what fires and when, what must not, what ends it, and whom it leaves to the stuck detector."""

import math

import numpy as np
import pytest

from agent.detect.pool import PoolDetector, PoolThresholds, endpoint_view, no_pool
from agent.model.incident import Health, Reason
from agent.model.pool_book import POOL_UNKNOWN
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Reach, Telemetry
from tests.detect.fleet import SHARE_DIFF, SHARES_PER_S, Fleet
from tests.factory import EPOCH, NOMINAL_TH, healthy, pooled, site

POLL_S = 8.0
TICK_S = 2.0


class Watch:
    """One miner among three, polled every 8 s and judged every 2 s, working for the first of two pools."""

    def __init__(self) -> None:
        self.view = SiteView(pooled(site(3), "alpha", "beta"))
        self.detector = PoolDetector(3)
        self.now = EPOCH
        self.age, self.worked, self.paid, self.rejected = 10_000.0, 10_000.0, 3_000.0, 0.0
        self.rate_th, self.alive, self.url = NOMINAL_TH, True, "alpha.pool.example:3333"
        self.share_diff: float | None = SHARE_DIFF
        self.poll(10)

    def poll(self, times: int = 1, *, paid: bool = True, rejects: bool = False) -> None:
        for _ in range(times):
            for _ in range(int(POLL_S / TICK_S) - 1):
                self.now += TICK_S
                self.judge()
            self.now += TICK_S
            self.age += POLL_S
            self.worked += POLL_S * self.rate_th / NOMINAL_TH
            self.paid += 2.0 if paid else 0.0
            self.rejected += 2.0 if rejects else 0.0
            for row in (1, 2):
                self.view.put_answer(row, self.now, healthy(self.age))
            self.view.put_answer(0, self.now, self.reply())
            self.judge()

    def reply(self) -> Telemetry:
        return Telemetry(
            hashrate_th=self.rate_th,
            expected_th=NOMINAL_TH,
            work_gh=self.worked * NOMINAL_TH * 1e3,
            elapsed_s=self.age,
            accepted=self.paid,
            rejected=self.rejected,
            share_diff=self.share_diff,
            pool_alive=self.alive,
            pool_url=self.url,
            suspended=False,
        )

    def judge(self) -> None:
        self.verdicts = self.detector.judge(self.view, self.now)

    def until_firing(self, most_s: float, *, paid: bool = False, rejects: bool = False) -> float:
        """Poll until it fires; return after how long, infinity where it does not in time."""
        began = self.now
        while self.now - began < most_s:
            self.poll(1, paid=paid, rejects=rejects)
            if self.health is Health.FIRING:
                return float(self.verdicts.since[0]) - began
        return math.inf

    @property
    def health(self) -> Health:
        return Health(int(self.verdicts.health[0]))


def test_a_pool_that_is_down_is_lost_after_half_a_minute() -> None:
    watch = Watch()
    watch.alive = False
    assert 30.0 <= watch.until_firing(100.0) <= 30.0 + POLL_S + TICK_S
    assert watch.verdicts.health.tolist()[1:] == [Health.HEALTHY] * 2
    assert watch.verdicts.evidence.reason(0) is Reason.NO_POOL
    assert watch.verdicts.evidence.domain(0) == "pool:alpha"


def test_one_answer_without_a_pool_is_not_a_loss_however_seldom_it_is_polled() -> None:
    watch = Watch()
    watch.alive = False
    watch.poll()
    watch.now += 60.0
    watch.judge()
    assert watch.health is Health.SUSPECT


def test_a_pool_that_says_nothing_is_lost_after_the_work_of_24_shares() -> None:
    watch = Watch()
    assert 24.0 / SHARES_PER_S <= watch.until_firing(200.0) <= 24.0 / SHARES_PER_S + 2 * POLL_S
    evidence = watch.verdicts.evidence.of(0)
    assert evidence["pool"] == "alpha"
    assert evidence["pool_alive"] is True
    assert evidence["expected_interval_s"] == pytest.approx(1.0 / SHARES_PER_S, abs=0.01)
    assert evidence["rate_share"] == 1.0
    assert isinstance(evidence["since_share_s"], float)
    assert evidence["since_share_s"] >= 78.0


def test_an_agent_that_comes_up_while_a_pool_says_nothing_finds_it_all_the_same() -> None:
    watch = Watch()
    watch.view, watch.detector = SiteView(watch.view.site), PoolDetector(3)
    assert 24.0 / SHARES_PER_S <= watch.until_firing(200.0) <= 24.0 / SHARES_PER_S + 3 * POLL_S


def test_a_miner_with_few_shares_is_given_more_time() -> None:
    watch = Watch()
    watch.share_diff = SHARE_DIFF * 10.0
    watch.poll()
    assert 10 * 24.0 / SHARES_PER_S <= watch.until_firing(2000.0) <= 10 * 24.0 / SHARES_PER_S + 2 * POLL_S


def test_a_difficulty_that_falls_does_not_make_the_past_longer() -> None:
    watch = Watch()
    watch.share_diff = SHARE_DIFF * 10.0
    watch.poll(20, paid=False)
    watch.share_diff = SHARE_DIFF
    watch.poll(2, paid=False)
    assert watch.health is not Health.FIRING


def test_it_stays_a_pool_loss_when_the_work_runs_out() -> None:
    watch = Watch()
    watch.alive = False
    watch.poll(8, paid=False)
    watch.rate_th = 0.0
    watch.poll(60, paid=False)
    assert watch.health is Health.FIRING
    assert no_pool(watch.view).tolist() == [True, False, False]


def test_a_miner_that_found_no_pool_when_it_started_is_a_loss_too() -> None:
    watch = Watch()
    watch.alive, watch.rate_th, watch.age, watch.worked, watch.paid = False, 0.0, 0.0, 0.0, 0.0
    watch.view.expected[0] = Expected.BOOTING
    watch.poll(20, paid=False)
    assert watch.health is Health.HEALTHY
    watch.view.expected[0] = Expected.RUNNING
    watch.poll(paid=False)
    assert watch.health is Health.FIRING


def test_hashboards_that_stop_while_the_pool_lives_are_not_the_pools_fault() -> None:
    watch = Watch()
    watch.rate_th = 0.0
    watch.poll(200, paid=False)
    assert watch.health is Health.HEALTHY
    assert not no_pool(watch.view).any()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.85])
def test_a_slow_miner_is_not_without_a_pool(share: float) -> None:
    watch = Watch()
    watch.rate_th = NOMINAL_TH * share
    watch.poll(200, paid=False)
    assert watch.health is Health.HEALTHY


def test_a_frozen_display_shows_no_work_that_was_not_paid() -> None:
    watch = Watch()
    frozen = watch.reply()
    for _ in range(200):
        watch.now += POLL_S
        watch.view.put_answer(0, watch.now, frozen)
        watch.judge()
    assert watch.health is Health.HEALTHY


def test_shares_that_are_all_rejected_reach_a_pool() -> None:
    watch = Watch()
    assert watch.until_firing(1000.0, rejects=True) == math.inf


def test_silence_counts_from_the_last_share_that_reached_a_pool() -> None:
    watch = Watch()
    watch.poll(20, paid=False, rejects=True)
    assert watch.until_firing(300.0) >= 24.0 / SHARES_PER_S


def test_without_a_known_difficulty_only_the_miners_word_counts() -> None:
    watch = Watch()
    watch.view.share_diff.value[0] = np.nan
    watch.share_diff = None
    assert watch.until_firing(1000.0) == math.inf
    watch.alive = False
    assert watch.until_firing(100.0) < 50.0


def test_a_change_of_pools_is_given_a_minute_and_the_silence_before_it_is_forgotten() -> None:
    watch = Watch()
    watch.poll(9, paid=False)
    watch.url = "beta.pool.example:3333"
    watch.poll(9, paid=False)
    assert watch.health is not Health.FIRING
    watch.poll()
    assert watch.health is Health.HEALTHY
    assert watch.detector.home[0] == 1


def test_connecting_to_another_pool_takes_a_minute_at_most() -> None:
    watch = Watch()
    watch.url, watch.alive = "beta.pool.example:3333", False
    assert 59.0 <= watch.until_firing(300.0) - POLL_S <= 60.0 + TICK_S


def test_going_to_and_fro_between_dead_pools_is_a_loss() -> None:
    watch = Watch()
    watch.alive = False
    fired = []
    for turn in range(8):
        watch.url = "beta.pool.example:3333" if turn % 2 == 0 else "alpha.pool.example:3333"
        watch.poll(4, paid=False)
        fired.append(watch.health is Health.FIRING)
    assert fired[-1]
    assert not any(fired[:1])
    assert watch.verdicts.evidence.domain(0) == "pool:alpha"


def test_failing_over_ends_the_loss_and_the_lost_pool_keeps_it_until_then() -> None:
    watch = Watch()
    watch.until_firing(200.0)
    watch.url = "beta.pool.example:3333"
    watch.poll(5)
    assert watch.health is Health.FIRING
    assert watch.verdicts.evidence.domain(0) == "pool:alpha"
    assert not np.isnan(watch.verdicts.clear_since[0])
    watch.poll(40)
    assert watch.health is Health.HEALTHY
    assert watch.verdicts.evidence.domain(0) == "pool:beta"


def test_it_clears_after_five_shares_and_five_good_minutes() -> None:
    watch = Watch()
    watch.alive = False
    watch.until_firing(200.0, paid=False)
    watch.alive = True
    back_at, paid = watch.now, watch.paid
    watch.poll(2)
    assert watch.paid - paid < 5.0
    assert np.isnan(watch.verdicts.clear_since[0])
    watch.poll()
    assert watch.paid - paid > 5.0
    assert watch.verdicts.clear_since[0] == watch.now
    while watch.health is Health.FIRING and watch.now - back_at < 1000.0:
        watch.poll()
    assert 300.0 <= watch.now - back_at <= 300.0 + 4 * POLL_S


def test_a_gap_on_the_way_back_begins_the_clear_window_anew() -> None:
    watch = Watch()
    watch.alive = False
    watch.until_firing(200.0)
    watch.alive = True
    watch.poll(30)
    assert not np.isnan(watch.verdicts.clear_since[0])
    watch.poll(10, paid=False)
    assert np.isnan(watch.verdicts.clear_since[0])
    watch.poll(30)
    assert watch.health is Health.FIRING
    watch.poll(12)
    assert watch.health is Health.HEALTHY


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_expected_state_keeps_it_quiet(expected: Expected) -> None:
    watch = Watch()
    watch.view.expected[0] = expected
    watch.alive = False
    watch.poll(60, paid=False)
    assert watch.health is Health.HEALTHY


def test_a_verdict_ends_when_it_turns_out_that_the_miner_was_told_to_sleep() -> None:
    watch = Watch()
    watch.alive = False
    watch.until_firing(200.0)
    watch.view.expected[0] = Expected.SUSPENDED
    watch.poll(paid=False)
    assert watch.health is Health.HEALTHY


def test_a_silent_miner_is_not_judged() -> None:
    watch = Watch()
    watch.alive = False
    watch.poll(paid=False)
    for _ in range(40):
        watch.now += POLL_S
        watch.view.put_miss(0, watch.now, Reach.SILENT)
        watch.judge()
    assert watch.health is not Health.FIRING
    assert not no_pool(watch.view).any()


def test_a_restored_verdict_ends_only_by_its_clear_condition() -> None:
    watch = Watch()
    watch.detector.restore(0, EPOCH - 100.0, Reason.NO_POOL)
    watch.detector.restore(1, EPOCH - 100.0, Reason.REJECTS)
    watch.poll(20)
    assert watch.verdicts.health.tolist() == [Health.FIRING, Health.HEALTHY, Health.HEALTHY]
    assert watch.verdicts.since[0] == EPOCH - 100.0
    watch.poll(30)
    assert watch.health is Health.HEALTHY


def test_the_endpoint_view_counts_miners_and_the_ill_by_pool() -> None:
    endpoint = np.array([0, 0, 1, POOL_UNKNOWN, 1, 2], dtype=np.int16)
    ill = np.array([True, False, True, True, True, False])
    seen = endpoint_view(endpoint, ill, 3)
    assert seen.miners.tolist() == [2, 2, 1]
    assert seen.ill.tolist() == [1, 2, 0]
    assert seen.ill_share.tolist() == [0.5, 1.0, 0.0]


def test_a_site_without_pools_still_finds_a_loss() -> None:
    view, detector, now = SiteView(site(1)), PoolDetector(1), EPOCH
    for n in range(20):
        now += POLL_S
        t = healthy(1e4 + n * POLL_S)
        view.put_answer(0, now, Telemetry(hashrate_th=t.hashrate_th, accepted=t.accepted, pool_alive=n < 10))
        verdicts = detector.judge(view, now)
    assert verdicts.health[0] == Health.FIRING
    assert verdicts.evidence.domain(0) == ""
    assert verdicts.evidence.of(0)["pool"] == "unknown"


def test_all_miners_of_a_pool_that_goes_down_are_found_within_a_poll_of_each_other() -> None:
    f = Fleet(500, PoolDetector(500))
    for _ in range(20):
        f.run(POLL_S)
    f.pool[250:] = 1
    f.run(POLL_S)
    f.told["pool_alive"][:250] = 0.0
    lost_at = f.now
    for _ in range(12):
        f.poll(POLL_S, {"accepted": np.where(np.arange(500) < 250, 0, f.shares(POLL_S))})
    assert f.firing[:250].all()
    assert not f.firing[250:].any()
    assert np.ptp(f.verdicts.since[:250]) == 0.0
    assert f.verdicts.since[0] - lost_at <= 30.0 + 2 * POLL_S
    assert f.verdicts.evidence.endpoints.ill.tolist() == [250, 0]


@pytest.mark.parametrize("gap", [3.9, 5.9])
def test_gaps_come_by_chance_as_often_as_the_theory_says(gap: float) -> None:
    """After a share, none for the hashes of n comes with e^-n; polls see gaps of whole periods only."""
    period_s = 0.5 / SHARES_PER_S
    f = Fleet(1000, PoolDetector(1000, PoolThresholds(share_gap=gap, gap_floor_s=0.0, clear_window_s=0.0)))
    began = at_share = 0
    firing = f.firing
    for _ in range(1500):
        shares = f.shares(period_s)
        at_share += int(((shares > 0) & ~firing).sum())
        f.poll(period_s, {"accepted": shares})
        began += int((f.firing & ~firing).sum())
        firing = f.firing
    polls = math.ceil(gap / 0.5)
    assert began > 100
    assert began / at_share == pytest.approx(math.exp(-0.5 * polls), rel=0.25)
    assert began / at_share < math.exp(-gap) * 1.25


def test_healthy_miners_are_never_without_a_pool() -> None:
    f = Fleet(2000, PoolDetector(2000))
    for _ in range(1000):
        f.run(POLL_S, 0.0025, 0.0005)
        assert not (f.verdicts.health == Health.FIRING).any()


def test_thresholds_are_figures_of_the_facts() -> None:
    t = PoolThresholds()
    assert (t.dead_s, t.share_gap, t.gap_floor_s, t.clear_shares, t.clear_window_s) == (30.0, 24.0, 60.0, 5, 300.0)


# -- a miner that helps itself -----------------------------------------------------------------------------------------


def flees(verdict: Verdict | None, *, probed_before_s: float = 10.0) -> Watch:
    """Let the first miner go to the second pool by itself, after the gateway has looked at the first."""
    watch = Watch()
    if verdict is not None:
        pool = watch.view.site.pools[0].id
        watch.view.put_probe(ProbeResult(pool, watch.now - probed_before_s, (), verdict, ""))
    watch.url = "beta.pool.example:3333"
    watch.poll(2)
    return watch


def test_a_miner_that_flees_a_pool_the_gateway_finds_bad_is_news_though_it_loses_nothing() -> None:
    watch = flees(Verdict.REFUSED)
    assert watch.health is Health.FIRING
    assert watch.verdicts.evidence.domain(0) == "pool:alpha", "it is the pool it left that is lost"
    watch.poll(45)
    assert watch.health is Health.HEALTHY, "well on the other for the whole clear window"
    watch.poll(45)
    assert watch.health is Health.HEALTHY, "and it is not news twice"


@pytest.mark.parametrize("verdict", [None, Verdict.GOOD])
def test_a_change_of_pools_alone_is_none(verdict: Verdict | None) -> None:
    assert flees(verdict).health is Health.HEALTHY


def test_an_old_look_from_the_gateway_does_not_count() -> None:
    assert flees(Verdict.REFUSED, probed_before_s=600.0).health is Health.HEALTHY
