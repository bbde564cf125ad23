"""The detector of unsteady pools: periods it finds and when, what is none, and what ends it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.detect.unsteady_pool import UnsteadyPoolDetector
from agent.model.columns import Floats
from agent.model.incident import Health, Reason
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from tests.factory import EPOCH, miner, pooled, site

TICK_S = 2.0
BACKUP = 1


class Watch:
    """Miners of the first of two pools, each polled at a phase of its own, judged every 2 s.

    Attributes:
        drops, pool_drops: lost connections of each, to any pool and to the one worked for.
        pool: the place of the pool that each works for.
    """

    def __init__(self, miners: int = 12, poll_s: float = 8.0, seed: int = 1) -> None:
        self.view = SiteView(pooled(site(tuple(miner(k, outlets=(1,)) for k in range(1, miners + 1))), "alpha", "beta"))
        self.detector = UnsteadyPoolDetector(miners)
        self.rows, self.poll_s, self.now = miners, poll_s, EPOCH
        self.rng = np.random.default_rng(seed)
        self.due: Floats = EPOCH + self.rng.uniform(0.0, poll_s, miners)
        self.drops: Floats = np.zeros(miners)
        self.pool_drops: Floats = np.zeros(miners)
        self.pool: NDArray[np.int16] = np.zeros(miners, dtype=np.int16)
        self.lost_polls = 0.0
        self.good = True
        self.run(60.0)

    def drop(self, rows: NDArray[np.bool_] | None = None, *, leave: bool = False) -> None:
        """Let rows lose the pool they work for at this moment, and go to the other one."""
        rows = np.ones(self.rows, dtype=np.bool_) if rows is None else rows
        self.drops[rows] += 1
        if leave:
            self.pool[rows], self.pool_drops[rows] = BACKUP, 0
        else:
            self.pool_drops[rows] += 1

    def go_home(self) -> None:
        """Let everybody work for the first pool again, which nobody was dropped for."""
        self.pool[:], self.pool_drops[:] = 0, self.drops

    def run(self, for_s: float) -> None:
        """Let time pass: polls at each one's time, a look from the gateway every minute, a judgement every tick."""
        until = self.now + for_s
        while self.now < until - 1e-6:
            self.now = min(self.now + TICK_S, until)
            due = self.due <= self.now
            heard = due & (self.rng.random(self.rows) >= self.lost_polls)
            at = np.where(due, self.due, 0.0)
            ones = np.ones(self.rows, dtype=np.int32)
            if heard.any():
                told = {"drops": (heard, self.drops), "pool_drops": (heard, self.pool_drops)}
                self.view.put_answers(heard, at, ones, told)
                self.view.put_pools(heard, at, self.pool, np.ones(self.rows))
            self.due[due] += self.poll_s
            if (self.now - EPOCH) % 60.0 < TICK_S:
                verdict = Verdict.GOOD if self.good else Verdict.REFUSED
                for pool in self.view.site.pools:
                    self.view.put_probe(ProbeResult(pool.id, self.now, (), verdict))
            self.verdicts = self.detector.judge(self.view, self.now)

    def periods(self, period_s: float, times: int) -> None:
        """Drop everybody so often, one period apart."""
        for _ in range(times):
            self.drop()
            self.run(period_s)

    @property
    def firing(self) -> int:
        return int((self.verdicts.health == Health.FIRING).sum())


@pytest.mark.parametrize("poll_s", [8.0, 30.0])
@pytest.mark.parametrize("period_s", [60.0, 120.0, 600.0])
def test_the_fourth_drop_at_the_same_distance_tells_the_period(period_s: float, poll_s: float) -> None:
    watch = Watch(poll_s=poll_s)
    watch.periods(period_s, 3)
    assert watch.firing == 0
    watch.drop()
    watch.run(2 * poll_s + TICK_S)
    assert watch.firing == watch.rows
    evidence = watch.verdicts.evidence
    assert evidence.reason(0) is Reason.UNSTEADY_POOL
    assert evidence.domain(0) == "pool:alpha"
    told = evidence.of(0)
    assert told["period_s"] == pytest.approx(period_s, rel=0.06)
    assert told["miners_dropped"] == told["miners_of_pool"] == watch.rows
    assert told["miners_leave"] is False


def test_a_lost_poll_here_and_there_hides_no_period() -> None:
    watch = Watch(miners=40)
    watch.lost_polls = 0.05
    watch.periods(120.0, 4)
    assert watch.firing >= 0.9 * watch.rows


def test_drops_at_any_other_time_are_no_period() -> None:
    watch = Watch()
    for wait_s in (60.0, 200.0, 90.0, 400.0, 130.0, 60.0):
        watch.drop()
        watch.run(wait_s)
    assert watch.firing == 0


def test_half_of_the_miners_are_a_drop_and_a_third_is_not() -> None:
    for part, fires in ((4, 0), (6, 6)):
        watch = Watch()
        some = np.arange(watch.rows) < part
        for _ in range(5):
            watch.drop(some)
            watch.run(120.0)
        assert watch.firing == fires


def test_miners_that_lose_it_one_after_the_other_do_not_lose_it_together() -> None:
    watch = Watch()
    for _ in range(6):
        for k in range(watch.rows):
            watch.drop(np.arange(watch.rows) == k)
            watch.run(10.0)
    assert watch.firing == 0


def test_one_miner_with_a_bad_line_does_not_hide_the_drop_of_the_others() -> None:
    watch = Watch()
    for _ in range(4):
        watch.drop(np.arange(watch.rows) == 0)
        watch.run(6.0)
        watch.drop(np.arange(watch.rows) > 0)
        watch.run(114.0)
    assert watch.firing == watch.rows - 1


def test_lost_connections_by_chance_are_nobodys_period() -> None:
    watch = Watch(miners=60, poll_s=30.0, seed=5)
    for _ in range(400):
        watch.drop(watch.rng.random(watch.rows) < 0.02)
        watch.run(30.0)
        assert watch.firing == 0


def test_miners_that_leave_three_times_while_the_gateway_finds_the_pool_good() -> None:
    watch = Watch()
    for gap_s in (300.0, 430.0):
        watch.drop(leave=True)
        watch.run(gap_s / 2)
        watch.go_home()
        watch.run(gap_s / 2)
    assert watch.firing == 0
    watch.drop(leave=True)
    watch.run(80.0)
    assert watch.firing == watch.rows
    assert watch.verdicts.evidence.domain(0) == "pool:alpha", (
        "the one they were dropped by, not the one they left for it"
    )
    assert watch.verdicts.evidence.of(0)["miners_leave"] is True


def test_a_pool_that_the_gateway_finds_bad_is_lost_and_the_pool_detectors() -> None:
    watch = Watch()
    watch.good = False
    for _ in range(5):
        watch.drop(leave=True)
        watch.run(200.0)
        watch.go_home()
        watch.run(200.0)
    assert watch.firing == 0


def test_counters_that_begin_anew_are_no_drop() -> None:
    watch = Watch()
    watch.drops[:] = watch.pool_drops[:] = 7.0
    watch.run(60.0)
    for count in (3.0, 2.0, 1.0, 0.0):
        watch.drops[:] = watch.pool_drops[:] = count
        watch.run(120.0)
    assert watch.firing == 0


def test_it_is_over_when_a_due_drop_did_not_come_and_five_minutes_passed() -> None:
    watch = Watch()
    watch.periods(120.0, 4)
    assert watch.firing == watch.rows
    assert np.isnan(watch.verdicts.clear_since).all()
    watch.run(60.0)  # 180 s after the last one
    assert not np.isnan(watch.verdicts.clear_since).any()
    watch.run(230.0)
    assert watch.firing == watch.rows
    watch.run(70.0)
    assert watch.firing == 0


def test_after_a_restart_of_the_agent_the_longest_distance_has_to_pass() -> None:
    watch = Watch()
    watch.detector.restore(3, EPOCH - 600.0, Reason.UNSTEADY_POOL)
    watch.detector.restore(4, EPOCH - 600.0, Reason.NO_POOL)
    watch.run(1400.0)
    assert np.flatnonzero(watch.verdicts.health == Health.FIRING).tolist() == [3]
    assert watch.verdicts.evidence.of(3)["period_s"] is None
    watch.run(40.0)
    assert watch.firing == 0
