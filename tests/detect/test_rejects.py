"""The rejects detector: what fires and when, what must not, and what ends it; and what it sees of an endpoint."""

import numpy as np
import pytest

from agent.detect.rejects import Kind, RejectDetector, RejectThresholds
from agent.model.columns import Floats
from agent.model.incident import Category, Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Telemetry
from tests.detect.fleet import Fleet
from tests.factory import EPOCH, healthy, pooled, site

POLL_S = 8.0
WELL = 0.0025


def fleet(miners: int = 300, *, seed: int = 1) -> Fleet:
    return Fleet(miners, RejectDetector(miners), seed=seed)


def delays_min(f: Fleet, rejected: float, stale: float = 0.0, *, within_min: float) -> Floats:
    """Return after how many minutes of that share each row fired; NaN where it did not."""
    began = f.now
    first_at: Floats = np.full(f.rows, np.nan)
    while f.now - began < within_min * 60.0 and np.isnan(first_at).any():
        f.run(POLL_S, rejected, stale)
        first_at = np.fmin(first_at, f.verdicts.since)
    return (first_at - began) / 60.0


@pytest.mark.parametrize(
    ("share", "mean_min", "worst_min"),
    [(0.03, (42.0, 58.0), 240.0), (0.05, (16.0, 21.0), 60.0), (0.10, (6.0, 9.0), 30.0), (0.50, (2.5, 3.1), 5.0)],
)
def test_a_high_share_of_rejects_is_found_within_the_stated_delay(
    share: float, mean_min: tuple[float, float], worst_min: float
) -> None:
    f = fleet()
    for _ in range(100):
        f.run(POLL_S, WELL)
    delays = delays_min(f, share, within_min=worst_min)

    assert not np.isnan(delays).any()
    assert mean_min[0] < delays.mean() < mean_min[1]
    assert f.verdicts.evidence.reason(0) is Reason.REJECTS
    assert f.verdicts.category is Category.REJECTS


def test_a_high_share_of_stale_shares_is_found_too() -> None:
    delays = delays_min(fleet(100), WELL, 0.10, within_min=60.0)
    assert not np.isnan(delays).any()
    assert delays.mean() < 16.0


def test_two_percent_are_found_over_hours() -> None:
    f = fleet(50)
    delays = delays_min(f, 0.02, within_min=24 * 60.0)
    assert not np.isnan(delays).any()
    assert 2.5 < delays.mean() / 60.0 < 6.0


@pytest.mark.parametrize("share", [0.0, 0.0025, 0.0055])
def test_healthy_shares_raise_no_alarm(share: float) -> None:
    f = fleet(1000)
    for _ in range(1000):
        f.run(60.0, share, 0.0005)
        assert not f.firing.any()


@pytest.mark.parametrize("counted_as", ["stale", "rejected"])
def test_bursts_at_block_changes_fire_neither_miners_nor_endpoints(counted_as: str) -> None:
    """A hundred thousand blocks as miners see them, one in ten minutes: what is sent within 0.3 s of one is refused."""
    f = fleet(1000, seed=4)
    most_ill = 0.0
    for _ in range(100):
        for _ in range(9):
            f.run(66.0, WELL)
        burst = f.shares(0.3)
        f.poll(POLL_S, {"accepted": f.shares(POLL_S - 0.3), counted_as: burst})
        assert not f.firing.any()
        most_ill = max(most_ill, float(f.verdicts.evidence.endpoints.ill_share[0]))
        assert f.verdicts.evidence.domain(0) == ""
    assert most_ill < 0.02


def test_one_miner_that_sends_bad_shares_is_itself_to_blame() -> None:
    f = fleet(40)
    for _ in range(300):
        shares = f.shares(POLL_S)
        bad = np.zeros_like(shares)
        bad[7] = shares[7] // 2
        f.poll(POLL_S, {"accepted": shares - bad, "rejected": bad})
    assert np.flatnonzero(f.firing).tolist() == [7]
    assert f.verdicts.evidence.domain(7) == ""


def test_one_miner_of_three_does_not_make_it_the_pools_fault() -> None:
    f = fleet(3)
    for _ in range(100):
        shares = f.shares(POLL_S)
        bad = np.array([shares[0], 0, 0])
        f.poll(POLL_S, {"accepted": shares - bad, "rejected": bad})
    assert f.firing.tolist() == [True, False, False]
    assert f.verdicts.evidence.domain(0) == ""


def test_rejected_shares_are_no_stale_ones_nor_the_other_way_about() -> None:
    for counted, still in (("rejected", Kind.STALE), ("stale", Kind.REJECTED)):
        detector = RejectDetector(5)
        f = Fleet(5, detector)
        for _ in range(30):
            f.poll(POLL_S, {counted: f.shares(POLL_S)})
        assert detector._sums[still].level.max() == 0.0
        assert f.firing.all()


def test_a_pool_that_rejects_is_named_while_many_of_its_miners_are_only_in_warning() -> None:
    f = fleet(40)
    f.pool[20:] = 1
    warned_first = False
    for _ in range(400):
        shares = f.shares(POLL_S)
        bad = f.rng.binomial(shares, np.where(np.arange(40) < 20, 0.05, WELL))
        f.poll(POLL_S, {"accepted": shares - bad, "rejected": bad})
        evidence = f.verdicts.evidence
        if evidence.domain(0) and not f.firing.any():
            warned_first = True
    assert warned_first
    assert f.verdicts.evidence.domain(0) == "pool:alpha"
    assert f.verdicts.evidence.domain(30) == ""
    assert f.verdicts.evidence.of(0)["pool"] == "alpha"
    assert f.verdicts.evidence.endpoints.miners.tolist() == [20, 20]


def test_a_miner_that_moves_to_another_pool_takes_no_suspicion_along() -> None:
    f = fleet(40)
    for _ in range(3):
        shares = f.shares(POLL_S)
        f.poll(POLL_S, {"accepted": shares, "rejected": np.full_like(shares, 3)})
    assert f.verdicts.evidence.domain(0) == "pool:alpha"
    assert not f.firing.any()
    f.pool[:] = 1
    f.run(POLL_S, 0.0)
    assert f.verdicts.evidence.domain(0) == ""
    assert not (f.verdicts.health == Health.SUSPECT).any()


def test_a_firing_miner_stays_with_the_pool_it_fired_on() -> None:
    f = fleet(10)
    delays_min(f, 0.5, within_min=10.0)
    f.pool[:] = 1
    f.run(POLL_S, 0.0)
    assert f.firing.all()
    assert f.verdicts.evidence.domain(0) == "pool:alpha"


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_it_clears_by_shares_soon_after_the_cure(share: float) -> None:
    f = fleet(100)
    delays_min(f, share, within_min=60.0)
    for _ in range(200):
        f.run(POLL_S, share)
    assert f.firing.all()
    cured, cleared_at = f.now, np.full(100, np.nan)
    while f.firing.any() and f.now - cured < 3600.0:
        f.run(POLL_S, WELL)
        cleared_at[np.isnan(cleared_at) & ~f.firing] = f.now
    took_min = (cleared_at - cured) / 60.0
    assert np.quantile(took_min, 0.05) > 10.0
    assert 13.0 < took_min.mean() < 19.0
    assert took_min.max() < 45.0


def test_a_pool_that_rejected_everything_is_cleared_as_soon() -> None:
    f = fleet(100)
    for _ in range(100):
        f.run(POLL_S, WELL)
    delays_min(f, 1.0, within_min=10.0)
    for _ in range(100):
        f.run(POLL_S, 1.0)
    assert {f.verdicts.evidence.of(row)["by"] for row in range(100)} == {"rejected"}
    for _ in range(330):
        f.run(POLL_S, 0.0)
    assert not f.firing.any()


def test_it_hardly_ever_clears_while_the_share_stays_bad() -> None:
    f = fleet(200)
    delays_min(f, 0.05, within_min=90.0)
    cleared = 0
    for _ in range(600):
        before = f.firing
        f.run(60.0, 0.05)
        cleared += int((before & ~f.firing).sum())
    assert cleared <= 2  # in 83 miner-days


def test_mitigation_is_when_the_window_is_good_and_not_before() -> None:
    f = fleet(50)
    delays_min(f, 0.1, within_min=40.0)
    for _ in range(300):
        f.run(POLL_S, 0.1)
        assert np.isnan(f.verdicts.clear_since).all()
    for _ in range(120):
        f.run(POLL_S, 0.0)
    assert not f.firing.any()


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_expected_state_keeps_it_quiet(expected: Expected) -> None:
    f = fleet(20)
    f.view.expected[:] = expected
    for _ in range(100):
        f.run(POLL_S, 0.5)
    assert not f.firing.any()


class One:
    """One miner, polled with whole replies."""

    def __init__(self) -> None:
        self.view = SiteView(pooled(site(1), "alpha"))
        self.detector = RejectDetector(1)
        self.now = EPOCH
        self.tell(healthy(10_000.0))

    def tell(self, t: Telemetry) -> Health:
        self.now += POLL_S
        self.view.put_answer(0, self.now, t)
        return Health(int(self.detector.judge(self.view, self.now).health[0]))


def test_counters_that_begin_anew_with_the_process_are_neither_negative_nor_counted_twice() -> None:
    one = One()
    for age in range(8, 4000, 8):
        shares = float(age * 0.3 // 1)
        t = Telemetry(hashrate_th=110.0, elapsed_s=float(age), accepted=shares, rejected=0.0, stale=0.0)
        assert one.tell(t) is Health.HEALTHY
    for age in range(8, 400, 8):
        t = Telemetry(hashrate_th=110.0, elapsed_s=float(age), accepted=age * 0.3 // 1, rejected=0.0, stale=0.0)
        assert one.tell(t) is Health.HEALTHY


def test_a_counter_that_jumps_once_is_not_believed() -> None:
    one = One()
    calm = Telemetry(hashrate_th=110.0, elapsed_s=20_000.0, accepted=5_000.0, rejected=10.0)
    one.tell(calm)
    assert one.tell(Telemetry(hashrate_th=110.0, elapsed_s=20_008.0, accepted=5_003.0, rejected=1e9)) is Health.HEALTHY
    for _ in range(5):
        assert one.tell(calm) is Health.HEALTHY


def test_a_counter_that_falls_has_lost_shares_not_taken_them_back() -> None:
    one = One()
    for accepted in (9_000.0, 4_000.0, 4_003.0):
        t = Telemetry(hashrate_th=110.0, elapsed_s=30_000.0, accepted=accepted, rejected=10.0, stale=1.0)
        assert one.tell(t) is Health.HEALTHY


def test_a_device_that_tells_no_rejects_has_none() -> None:
    one = One()
    for n in range(500):
        assert one.tell(Telemetry(hashrate_th=110.0, elapsed_s=2e4 + 8 * n, accepted=5e3 + 3 * n)) is Health.HEALTHY


def test_a_restored_verdict_ends_only_by_its_clear_condition() -> None:
    f = fleet(2)
    f.detector.restore(0, EPOCH - 100.0, Reason.REJECTS)
    f.detector.restore(1, EPOCH - 100.0, Reason.NO_POOL)
    for _ in range(50):
        f.run(POLL_S, 0.0)
    assert f.firing.tolist() == [True, False]
    assert f.verdicts.since[0] == EPOCH - 100.0
    assert f.verdicts.evidence.of(0)["pool"] == "alpha"
    for _ in range(200):
        f.run(POLL_S, 0.0)
    assert not f.firing.any()


def test_evidence_says_what_was_counted() -> None:
    f = fleet(10)
    delays_min(f, 0.2, within_min=20.0)
    evidence = f.verdicts.evidence.of(3)
    assert evidence["by"] == "rejected"
    assert isinstance(evidence["bad_share"], float)
    assert 0.08 < evidence["bad_share"] < 0.5
    assert isinstance(evidence["shares"], int)
    assert evidence["shares"] >= 50


def test_thresholds_are_figures_of_the_facts() -> None:
    t = RejectThresholds()
    assert (t.rejected_healthy, t.rejected_bad, t.decision) == (0.005, 0.05, 24.0)
    assert (t.min_shares, t.clear_ratio, t.clear_shares, t.endpoint_share) == (50, 0.01, 200, 0.25)
