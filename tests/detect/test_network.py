"""The network detector: which silence is the network's, which is the miner's, and what ends it."""

import math

import numpy as np
import pytest

from agent.detect.network import NetworkDetector, NetworkThresholds, cut_off
from agent.model.incident import Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import OutletReading, OutletState, PortReading, Reach
from tests.factory import EPOCH, NOMINAL_W, healthy, site

POLL_S = 8.0
FRAME = 640


class Watch:
    """One detector over one site, polled every 8 s; outlets and ports are read with every poll. Row 0 is the one."""

    def __init__(self, miners: int = 4) -> None:
        self.view = SiteView(site(miners))
        self.detector = NetworkDetector(miners)
        self.now = EPOCH
        self.age = 10_000.0
        self.silent = [False] * miners
        self.hashes = [True] * miners
        self.power_w = [NOMINAL_W] * miners
        self.outlet = [OutletState.ON] * miners
        self.reach = Reach.SILENT
        self.up: list[bool | None] = [True] * miners
        self.talks = [True] * miners
        self.octets = [0] * miners
        self.errors = [0] * miners
        self.reads_ports = self.reads_outlets = True
        self.poll(5)

    def poll(self, times: int) -> Health:
        for _ in range(times):
            self.now += POLL_S
            self.age += POLL_S
            for row, miner in enumerate(self.view.site.miners):
                if self.silent[row]:
                    self.view.put_miss(row, self.now, self.reach)
                else:
                    self.view.put_answer(row, self.now, healthy(self.age, work_s=self.age if self.hashes[row] else 1.0))
                if self.reads_outlets:
                    reading = OutletReading(self.outlet[row], self.power_w[row] / 240.0, self.power_w[row])
                    self.view.put_outlet(miner.outlets[0], self.now, reading)
                self.octets[row] += FRAME * self.talks[row]
                if self.reads_ports and miner.port is not None:
                    port = PortReading(self.up[row], self.octets[row], in_errors=self.errors[row])
                    self.view.put_port(miner.port, self.now, port)
            verdicts = self.detector.judge(self.view, self.now)
            self.health = [Health(int(h)) for h in verdicts.health]
            self.since, self.evidence = verdicts.since, verdicts.evidence
        return self.health[0]


def test_a_healthy_miner_stays_healthy() -> None:
    assert Watch().poll(100) is Health.HEALTHY


def test_six_misses_without_a_link_at_full_draw_fire_and_five_do_not() -> None:
    watch = Watch()
    watch.silent[0], watch.up[0], watch.talks[0] = True, False, False
    assert watch.poll(5) is not Health.FIRING
    assert watch.poll(1) is Health.FIRING
    assert watch.health[1:] == [Health.HEALTHY] * 3
    assert watch.evidence.reason(0) is Reason.CUT_OFF
    assert watch.evidence.domain(0) == ""
    told = watch.evidence.of(0)
    assert (told["port"], told["port_up"], told["draw_w"], told["misses"]) == ("sw-1/1", False, NOMINAL_W, 6)


@pytest.mark.parametrize(("share", "health"), [(0.5, Health.FIRING), (1.0, Health.HEALTHY)])
def test_a_derated_miner_works_at_its_share_of_the_draw(share: float, health: Health) -> None:
    watch = Watch()
    watch.view.derated[0], watch.view.any_derated = share, share < 1.0
    watch.silent[0], watch.power_w[0] = True, 0.5 * NOMINAL_W
    assert watch.poll(6) is health


def test_a_port_that_goes_on_receiving_is_cut_off_beyond_it() -> None:
    watch = Watch()
    watch.silent[0] = True
    assert watch.poll(6) is Health.FIRING


def test_what_was_received_before_the_silence_began_is_no_sign_of_life() -> None:
    watch = Watch()
    watch.reads_ports = False
    watch.poll(2)
    watch.silent[0], watch.talks[0] = True, False  # hung, right after it had sent something
    watch.poll(4)
    watch.reads_ports = True
    assert watch.poll(1) is not Health.FIRING
    watch.reads_ports = False
    assert watch.poll(2) is Health.SUSPECT, "one reading since then shows growth, and cannot tell of when"
    watch.reads_ports = True
    assert watch.poll(60) is Health.HEALTHY


def test_damaged_frames_are_the_cables() -> None:
    watch = Watch()
    watch.silent[0], watch.talks[0] = True, False
    watch.poll(2)
    watch.errors[0] = 40
    assert watch.poll(4) is Health.FIRING


def test_errors_of_long_ago_that_are_read_for_the_first_time_are_none_of_now() -> None:
    watch = Watch()
    watch.view.port_errors.total[:] = watch.view.port_errors.grew_at[:] = math.nan
    watch.errors[0] = 40
    watch.silent[0], watch.talks[0] = True, False
    assert watch.poll(60) is Health.HEALTHY


def test_full_draw_behind_a_quiet_port_is_a_hung_board() -> None:
    watch = Watch()
    watch.silent[0], watch.talks[0] = True, False
    assert watch.poll(60) is Health.HEALTHY
    assert not watch.detector.claims.any()


def test_a_dead_supply_leaves_no_link_and_is_not_the_network() -> None:
    watch = Watch()
    watch.reads_outlets = False  # the last reading, from before the silence, still shows the full draw
    watch.silent[0], watch.up[0], watch.talks[0] = True, False, False
    assert watch.poll(6) is Health.SUSPECT
    watch.reads_outlets, watch.power_w[0] = True, 0.0
    assert watch.poll(60) is Health.HEALTHY


@pytest.mark.parametrize("share", [0.0, 0.55, 0.79])
def test_less_than_most_of_the_draw_is_not_ours(share: float) -> None:
    watch = Watch()
    watch.silent[0], watch.up[0], watch.power_w[0] = True, False, NOMINAL_W * share
    assert watch.poll(60) is Health.HEALTHY


@pytest.mark.parametrize(
    ("share", "talks", "health"), [(0.5, True, "FIRING"), (0.5, False, "HEALTHY"), (0.1, True, "HEALTHY")]
)
def test_of_one_that_was_silent_before_the_agent_came_up_its_port_tells(share: float, talks: bool, health: str) -> None:
    watch = Watch()
    watch.view, watch.detector = SiteView(watch.view.site), NetworkDetector(4)
    watch.silent[0], watch.talks[0], watch.power_w[0] = True, talks, NOMINAL_W * share
    watch.poll(8)
    assert watch.poll(30) is Health[health]


def test_an_outlet_that_is_off_is_not_ours() -> None:
    watch = Watch()
    watch.silent[0], watch.up[0], watch.outlet[0] = True, False, OutletState.OFF
    assert watch.poll(60) is Health.HEALTHY


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.ERRORED, Reach.FAULTY])
def test_who_can_be_reached_is_not_cut_off(reach: Reach) -> None:
    watch = Watch()
    watch.silent[0], watch.reach = True, reach
    assert watch.poll(60) is Health.HEALTHY


def test_without_any_word_of_its_port_it_is_not_ours_and_is_not_claimed() -> None:
    watch = Watch()
    watch.reads_ports = False
    watch.view.port_up.at[:] = math.nan
    watch.silent[0] = True
    assert watch.poll(60) is Health.HEALTHY
    assert not watch.detector.claims.any()


def test_what_is_about_to_be_decided_is_claimed_but_not_for_long() -> None:
    watch = Watch()
    watch.reads_ports = False  # read lately, not since the silence began
    watch.silent[0] = True
    claimed = []
    for _ in range(20):
        watch.poll(1)
        claimed.append(bool(watch.detector.claims[0]))
    assert not claimed[4]
    assert claimed[5]
    assert sum(claimed) * POLL_S <= NetworkThresholds().await_s
    assert not claimed[-1]
    assert Health.FIRING not in watch.health


def test_a_switch_that_is_silent_with_three_of_its_miners_is_one_cause() -> None:
    watch = Watch()
    watch.reads_ports = False
    watch.silent[:3] = [True] * 3
    watch.poll(6)
    assert watch.health == [Health.FIRING] * 3 + [Health.HEALTHY]


def test_two_of_them_are_not() -> None:
    watch = Watch()
    watch.reads_ports = False
    watch.silent[:2] = [True] * 2
    watch.poll(60)
    assert watch.health == [Health.HEALTHY] * 4


def test_a_verdict_stays_when_work_and_draw_run_out_and_ends_with_hashes() -> None:
    watch = Watch()
    watch.silent[0], watch.up[0] = True, False
    watch.poll(20)
    since = watch.since[0]
    watch.power_w[0] = 0.5 * NOMINAL_W
    assert watch.poll(20) is Health.FIRING
    watch.power_w[0] = 15.0
    assert watch.poll(60) is Health.FIRING
    assert watch.since[0] == since
    assert watch.detector.claims[0]
    assert not cut_off(watch.view, watch.now)[0]
    watch.silent[0], watch.up[0], watch.power_w[0] = False, True, NOMINAL_W
    watch.hashes[0] = False
    assert watch.poll(30) is Health.FIRING, "it answers and does not hash yet"
    watch.hashes[0] = True
    assert watch.poll(2) is Health.HEALTHY
    assert not watch.detector.claims.any()


def test_it_clears_after_twelve_polls_and_not_before() -> None:
    watch = Watch()
    watch.silent[0], watch.up[0] = True, False
    watch.poll(20)
    watch.silent[0], watch.up[0] = False, True
    assert watch.poll(11) is Health.FIRING
    assert watch.poll(1) is Health.HEALTHY


def test_one_more_lost_poll_begins_the_clear_window_anew() -> None:
    watch = Watch()
    watch.silent[0], watch.up[0] = True, False
    watch.poll(20)
    watch.silent[0] = False
    watch.poll(11)
    watch.silent[0] = True
    watch.poll(1)
    watch.silent[0] = False
    assert watch.poll(11) is Health.FIRING
    assert watch.poll(1) is Health.HEALTHY


def test_a_restored_verdict_ends_only_by_its_clear_condition() -> None:
    watch = Watch()
    watch.silent[0] = True
    watch.power_w[0] = 15.0
    watch.detector.restore(0, EPOCH - 100.0, Reason.CUT_OFF)
    assert watch.poll(30) is Health.FIRING
    assert watch.since[0] == EPOCH - 100.0
    watch.silent[0] = False
    assert watch.poll(12) is Health.HEALTHY


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_expected_state_keeps_it_quiet(expected: Expected) -> None:
    watch = Watch()
    watch.view.expected[0] = expected
    watch.silent[0], watch.up[0] = True, False
    assert watch.poll(60) is Health.HEALTHY


def test_amperes_alone_are_enough() -> None:
    watch = Watch()
    watch.view.outlet_w.value[:] = watch.view.outlet_w.at[:] = np.nan
    watch.reads_outlets = False
    watch.silent[0], watch.up[0] = True, False
    for _ in range(6):
        reading = OutletReading(OutletState.ON, NOMINAL_W / 240.0)
        watch.view.put_outlet(watch.view.site.miners[0].outlets[0], watch.now + POLL_S, reading)
        watch.poll(1)
    assert watch.health[0] is Health.FIRING


def test_a_miner_without_outlets_or_port_is_never_ours() -> None:
    watch = Watch()
    bare = site(4)
    view = SiteView(type(bare)(bare.name, tuple(bare.miners), (), ()))
    for k in range(10):
        view.put_miss(0, EPOCH + k, Reach.SILENT)
    assert not cut_off(view, EPOCH + 10.0).any()
    assert watch.health[0] is Health.HEALTHY


def test_thresholds_are_figures_of_the_facts() -> None:
    t = NetworkThresholds()
    assert (t.misses, t.draw_share, t.together, t.clear_polls) == (6, 0.8, 3, 12)
