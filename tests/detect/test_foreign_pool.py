"""The foreign-pool detector: what is an intruder's work, what is not, and what ends it."""

from collections.abc import Sequence

import pytest

from agent.detect.foreign_pool import (
    BREAK_IN,
    MAX_SHOWN,
    ForeignPoolDetector,
    ForeignPoolThresholds,
    shown_pool,
    shown_worker,
)
from agent.model.incident import Category, Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Telemetry
from tests.factory import EPOCH, pooled, site

POLL_S = 8.0
OURS, OTHER, THEIRS = "stratum+tcp://alpha.pool.example:3333", "beta.pool.example:3333", "evil.example:3333"


class Watch:
    """Two miners; the second one is always well."""

    def __init__(self, pools: Sequence[str] = ("alpha", "beta")) -> None:
        self.view = SiteView(pooled(site(2), *pools) if pools else site(2))
        self.detector = ForeignPoolDetector(2)
        self.now = EPOCH

    def poll(self, times: int, url: str | None = OURS, user: str | None = "site.m1") -> Health:
        for _ in range(times):
            self.now += POLL_S
            self.view.put_answer(0, self.now, Telemetry(hashrate_th=1.0, pool_url=url, pool_user=user))
            self.view.put_answer(1, self.now, Telemetry(hashrate_th=1.0, pool_url=OURS, pool_user="site.m2"))
            for _ in range(4):  # judged oftener than polled
                self.verdicts = self.detector.judge(self.view, self.now)
            assert self.verdicts.health[1] == Health.HEALTHY
        return Health(int(self.verdicts.health[0]))


@pytest.mark.parametrize(
    ("url", "user"), [(THEIRS, "site.m1"), (THEIRS, "thief.1"), (OURS, "thief.1"), (OURS, "site.m2"), (OTHER, "")]
)
def test_a_foreign_pool_or_worker_fires_at_the_second_answer(url: str, user: str) -> None:
    watch = Watch()
    assert watch.poll(5) is Health.HEALTHY
    assert watch.poll(1, url, user) is Health.SUSPECT
    assert watch.poll(1, url, user) is Health.FIRING
    assert watch.verdicts.category is Category.OTHER
    assert watch.verdicts.evidence.reason(0) is Reason.FOREIGN_POOL
    assert watch.verdicts.evidence.domain(0) == ""


@pytest.mark.parametrize(("url", "user"), [(OURS, "site.m1"), (OTHER, "site.m1"), (OURS, None), (None, None), ("", "")])
def test_what_is_ours_or_not_said_is_no_intruder(url: str | None, user: str | None) -> None:
    assert Watch().poll(20, url, user) is Health.HEALTHY


def test_one_odd_answer_now_and_then_is_none() -> None:
    watch = Watch()
    for _ in range(10):
        watch.poll(1, THEIRS)
        assert watch.poll(1) is Health.HEALTHY


def test_a_name_that_was_wrong_once_is_not_held_against_answers_without_one() -> None:
    watch = Watch()
    watch.poll(1, OURS, "thief.1")
    assert watch.poll(5, OURS, None) is Health.HEALTHY


@pytest.mark.parametrize("expected", list(Expected))
def test_no_state_excuses_it(expected: Expected) -> None:
    watch = Watch()
    watch.view.expected[0] = expected
    assert watch.poll(2, THEIRS) is Health.FIRING


def test_where_no_pools_are_listed_nothing_is_foreign() -> None:
    assert Watch(pools=()).poll(20, THEIRS, "thief.1") is Health.HEALTHY


def test_it_clears_after_twelve_good_answers_in_a_row() -> None:
    watch = Watch()
    watch.poll(5, THEIRS)
    assert watch.poll(11) is Health.FIRING
    assert watch.verdicts.clear_since[0] == watch.now - 10 * POLL_S
    watch.poll(1, THEIRS)
    assert watch.poll(11) is Health.FIRING
    assert watch.poll(1) is Health.HEALTHY


def test_answers_that_name_no_pool_prove_nothing() -> None:
    watch = Watch()
    watch.poll(5, THEIRS)
    assert watch.poll(30, None, None) is Health.FIRING


def test_a_restored_verdict_ends_only_by_its_clear_condition() -> None:
    watch = Watch()
    watch.detector.restore(0, EPOCH - 100.0, Reason.FOREIGN_POOL)
    watch.detector.restore(1, EPOCH - 100.0, Reason.NO_POOL)
    assert watch.poll(11) is Health.FIRING
    assert watch.verdicts.since[0] == EPOCH - 100.0
    assert watch.poll(1) is Health.HEALTHY


def test_evidence_says_what_was_told() -> None:
    watch = Watch()
    watch.poll(3, THEIRS, "thief.1")
    assert watch.verdicts.evidence.of(0) == {
        "security": BREAK_IN,
        "foreign_pool": THEIRS,
        "foreign_worker": "thief.1",
        "pool": "foreign",
        "worker_ok": False,
        "pool_told_s": 0.0,
    }
    watch.poll(3)
    assert watch.verdicts.evidence.of(0)["foreign_pool"] == THEIRS, "who it was is told when it is over, too"
    assert watch.verdicts.evidence.of(0)["pool"] == "alpha"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("stratum+tcp://eu.pool.example.net:3333", "stratum+tcp://eu.pool.example.net:3333"),
        ("stratum+tcp://thief:s3cret@eu.pool.example.net:3333/x?p=s3cret", "stratum+tcp://eu.pool.example.net:3333"),
        ("thief:s3cret@eu.pool.example.net:3333", "eu.pool.example.net:3333"),
        ("stratum+tcp://a@b@host:1", "stratum+tcp://host:1"),
        ("http://x\x1b[31m\n:1", "http://x?[31m?:1"),
        ("x" * 500, "x" * (MAX_SHOWN - 1) + "…"),
    ],
)
def test_a_foreign_address_is_shown_without_its_login_and_in_bounds(url: str, shown: str) -> None:
    assert shown_pool(url) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("bc1qforeign.1", "bc1qforeign.1"), ("thief.1:s3cret", "thief.1:…"), ("thief,s3cret", "thief:…"), ("\x00a", "?a")],
)
def test_a_foreign_name_is_shown_without_a_password(name: str, shown: str) -> None:
    assert shown_worker(name) == shown


def test_thresholds_are_figures_of_the_facts() -> None:
    assert ForeignPoolThresholds() == ForeignPoolThresholds(polls=2, clear_polls=12)
