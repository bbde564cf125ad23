"""The stuck detector: what fires, what must not, and what ends it."""

import numpy as np
import pytest

from agent.detect.stuck import StuckDetector, StuckThresholds
from agent.model.incident import Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Reach, Telemetry
from tests.factory import EPOCH, NOMINAL_TH, healthy, site

POLL_S = 8.0


class Watch:
    """One detector over one site, polled every 8 s."""

    def __init__(self, miners: int = 3) -> None:
        self.view = SiteView(site(miners))
        self.detector = StuckDetector(miners)
        self.now = EPOCH
        self.age = 10_000.0
        self.worked = 10_000.0

    def poll(self, times: int, reply: "Telemetry | Reach | None" = None) -> None:
        """Row 0 gives `reply` (healthy by default), the others are healthy."""
        for _ in range(times):
            self.now += POLL_S
            self.age += POLL_S
            if reply is None:
                self.worked += POLL_S
            for row in range(len(self.view.site.miners)):
                if row or reply is None:
                    self.view.put_answer(row, self.now, healthy(self.age, work_s=self.worked if row == 0 else None))
                elif isinstance(reply, Reach):
                    self.view.put_miss(row, self.now, reply)
                else:
                    self.view.put_answer(row, self.now, reply)
            self.judge()

    def judge(self) -> Health:
        verdicts = self.detector.judge(self.view, self.now)
        self.health = [Health(int(h)) for h in verdicts.health]
        self.reason = verdicts.evidence.reason(0)
        self.since = verdicts.since
        return self.health[0]

    def dead(self) -> Telemetry:
        """The 5 s rate is zero and no counter moves; the average still looks fine, and is not looked at."""
        return Telemetry(
            hashrate_th=0.0,
            expected_th=NOMINAL_TH,
            work_gh=self.worked * NOMINAL_TH * 1e3,
            elapsed_s=self.age,
            accepted=float(int(self.worked * 0.3)),
            share_diff=65_536.0,
            suspended=False,
        )


def test_a_healthy_miner_stays_healthy() -> None:
    watch = Watch()
    watch.poll(100)
    assert watch.health == [Health.HEALTHY] * 3


@pytest.mark.parametrize("reach", [Reach.SILENT, Reach.REFUSED, Reach.ERRORED, Reach.FAULTY])
def test_six_misses_fire_and_five_do_not(reach: Reach) -> None:
    watch = Watch()
    watch.poll(3)
    watch.poll(5, reach)
    assert watch.health[0] is Health.SUSPECT
    watch.poll(1, reach)
    assert watch.health == [Health.FIRING, Health.HEALTHY, Health.HEALTHY]
    assert watch.reason is Reason.UNRESPONSIVE


def test_one_lost_poll_is_not_a_zero() -> None:
    watch = Watch()
    watch.poll(50)
    watch.poll(1, Reach.SILENT)
    watch.poll(1)
    assert watch.health[0] is Health.HEALTHY
    assert np.nanmin(watch.view.hashrate_th.value) == NOMINAL_TH


def test_zero_rate_without_shares_fires_after_two_minutes_although_averages_look_fine() -> None:
    watch = Watch()
    watch.poll(10)
    polls = 0
    while polls < 40 and (polls == 0 or watch.health[0] is not Health.FIRING):
        watch.poll(1, watch.dead())
        polls += 1
    assert 120.0 / POLL_S <= polls <= 120.0 / POLL_S + 2
    assert watch.reason is Reason.NOT_HASHING


def test_a_frozen_rate_is_found_by_counters_that_stand_still() -> None:
    watch = Watch()
    watch.poll(10)
    frozen = Telemetry(
        hashrate_th=NOMINAL_TH,
        work_gh=watch.worked * NOMINAL_TH * 1e3,
        elapsed_s=watch.age,
        accepted=float(int(watch.worked * 0.3)),
        share_diff=65_536.0,
    )
    watch.poll(20, frozen)
    assert watch.health[0] is Health.FIRING


def test_shares_that_stop_while_hashes_grow_are_not_the_miners_fault() -> None:
    watch = Watch()
    watch.poll(10)
    accepted = float(int(watch.worked * 0.3))
    for _ in range(60):
        watch.worked += POLL_S
        t = healthy(watch.age + POLL_S, work_s=watch.worked)
        watch.poll(1, Telemetry(hashrate_th=t.hashrate_th, work_gh=t.work_gh, elapsed_s=t.elapsed_s, accepted=accepted))
    assert watch.health[0] is Health.HEALTHY


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_expected_state_keeps_it_quiet(expected: Expected) -> None:
    watch = Watch()
    watch.poll(3)
    watch.view.expected[0] = expected
    watch.poll(60, Reach.SILENT)
    assert watch.health[0] is Health.HEALTHY


def test_a_verdict_ends_when_it_turns_out_that_the_miner_was_told_to_sleep() -> None:
    watch = Watch()
    watch.poll(3)
    watch.poll(40, watch.dead())
    assert watch.health[0] is Health.FIRING
    watch.view.expected[0] = Expected.SUSPENDED
    watch.poll(1, watch.dead())
    assert watch.health[0] is Health.HEALTHY


def test_it_clears_only_when_counters_prove_the_whole_window() -> None:
    watch = Watch()
    watch.poll(10)
    watch.poll(60, Reach.SILENT)
    assert watch.health[0] is Health.FIRING
    back_at = watch.now
    watch.age = 0.0
    watch.worked = 0.0  # its process was restarted: counters begin anew
    while watch.health[0] is Health.FIRING and watch.now - back_at < 1000.0:
        watch.poll(1)
    assert 300.0 <= watch.now - back_at <= 300.0 + 3 * POLL_S


def test_a_slow_recovery_does_not_clear() -> None:
    watch = Watch()
    watch.poll(10)
    watch.poll(60, Reach.SILENT)
    watch.age = watch.worked = 0.0
    for _ in range(200):
        watch.worked += POLL_S * 0.9
        watch.poll(1, healthy(watch.age + POLL_S, rate_th=NOMINAL_TH, work_s=watch.worked))
    assert watch.health[0] is Health.FIRING


def test_missing_rate_is_not_low() -> None:
    watch = Watch()
    watch.poll(5)
    watch.poll(40, Telemetry(elapsed_s=watch.age, accepted=float(int(watch.worked * 0.3)) + 1))
    assert watch.health[0] is not Health.FIRING


def test_a_restored_verdict_ends_only_by_its_clear_condition() -> None:
    watch = Watch()
    watch.detector.restore(0, EPOCH - 100.0, Reason.UNRESPONSIVE)
    watch.poll(5)
    assert watch.health[0] is Health.FIRING
    assert watch.since[0] == EPOCH - 100.0
    watch.poll(40)
    assert watch.health[0] is Health.HEALTHY


def test_thresholds_are_figures_of_the_facts() -> None:
    t = StuckThresholds()
    assert (t.misses, t.not_hashing_s, t.share_gap, t.clear_window_s) == (6, 120.0, 24.0, 300.0)
