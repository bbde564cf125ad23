"""A miner through start, faults and commands, as seen at its outlets, its port and its displays."""

import pytest

from agent.model.topology import Family, Miner
from simulators.plant.miner import MinerPlant
from simulators.plant.profile import PROFILES
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process
from tests.factory import miner, site

FAMILIES = tuple(Family)


def plant_of(*specs: Miner, seed: int = 7, start_s: float = 0.0) -> SitePlant:
    return SitePlant(site(specs or (miner(1),)), seed=seed, start_s=start_s)


def only(plant: SitePlant) -> MinerPlant:
    return next(iter(plant.miners.values()))


def start_up_s(family: Family) -> float:
    p = PROFILES[family]
    return p.boot_s[1] + p.init_s[1] + p.ramp_s[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start_s", [0.0, 1e6])
def test_a_site_begins_well_and_long_since(family: Family, start_s: float) -> None:
    m = only(plant_of(miner(1, family=family), start_s=start_s))
    r = m.readings(start_s)
    assert m.healthy
    assert (m.board, m.process) == (Board.UP, Process.RUNNING)
    assert r.rate_5s == pytest.approx(110_000.0, rel=0.25)
    for rate in (r.rate_1m, r.rate_5m, r.rate_15m, r.rate_30m, r.rate_av):
        assert rate == pytest.approx(110_000.0, rel=0.07)
    assert r.elapsed_s >= 3600
    assert r.uptime_s > r.elapsed_s
    assert r.accepted == pytest.approx(r.elapsed_s * 0.3, rel=0.1)
    assert r.accepted_diff == r.accepted * r.diff
    assert r.work_gh == pytest.approx(r.rate_av * r.elapsed_s, rel=0.01)
    assert 3150.0 < r.power_w < 3320.0
    assert all(r.parts.answering)
    assert r.pool_alive
    assert all(40.0 < c < 100.0 for c in r.chip_temp_c)
    assert len(r.fans_rpm) == PROFILES[family].fans
    assert sum(r.board_rates_gh) == pytest.approx(r.rate_5s)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_cycle_goes_through_boot_start_and_ramp(family: Family) -> None:
    plant = plant_of(miner(1, family=family))
    m, p = only(plant), PROFILES[family]
    m.set_energised(False, 100.0)
    assert (m.board, m.process, m.power_w(), m.healthy) == (Board.OFF, Process.STOPPED, 0.0, False)
    m.set_energised(True, 110.0)
    assert m.board is Board.BOOTING
    assert p.idle_w[0] * 0.98 < m.power_w() < p.idle_w[1] * 1.02
    plant.advance(110.0 + p.boot_s[1])
    assert (m.board, m.process) == (Board.UP, Process.STARTING)
    r = m.readings(110.0 + p.boot_s[1])
    assert (r.rate_5s, r.accepted, r.pool_alive, r.upfreq_complete) == (0.0, 0, False, False)
    assert r.elapsed_s <= p.boot_s[1] - p.boot_s[0]
    plant.advance(110.0 + start_up_s(family))
    assert m.process is Process.RUNNING
    assert m.healthy
    assert m.readings(plant.now).upfreq_complete
    assert m.hashing_ratio() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("family", "least_s", "most_s"),
    [
        # Facts "detection", section 1.1: about 45 s of boot and 129 s of start; up to 5 min; 6 to 7 min of ramp alone.
        (Family.ANTMINER_STOCK, 150.0, 225.0),
        (Family.LUXOS, 140.0, 300.0),
        (Family.WHATSMINER, 360.0, 500.0),
    ],
)
def test_start_up_times_are_the_families(family: Family, least_s: float, most_s: float) -> None:
    plant = plant_of(*(miner(k, family=family) for k in range(1, 13)))
    times = set()
    for m in plant.miners.values():
        m.set_energised(False, 0.0)
        m.set_energised(True, 0.0)
    plant.advance(1000.0)
    times = {e.at for e in plant.journal.entries if e.what == "healthy"}
    assert len(times) == 12
    assert least_s < min(times)
    assert max(times) < most_s


def test_a_miner_warms_up_the_same_whoever_looks() -> None:
    temperatures = []
    for every in (1.0, 400.0):
        m = only(plant_of(miner(1, family=Family.WHATSMINER)))
        m.reboot(0.0)
        now = 0.0
        while now < 400.0:
            now += every
            seen = m.readings(now)
        temperatures.append(seen.warmth.excess)
        assert max(seen.chip_temp_c) > 70.0
    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-9)


def test_averages_restart_from_zero_with_the_process() -> None:
    plant = plant_of()
    m = only(plant)
    before = m.readings(100.0)
    assert m.restart_process(100.0)
    r = m.readings(101.0)
    assert (r.elapsed_s, r.accepted, r.rate_30m, r.work_gh) == (1, 0, 0.0, 0.0)
    assert r.uptime_s == before.uptime_s + 1
    r = m.readings(100.0 + 140.0 + 15 * 60.0)
    assert r.rate_30m < 0.5 * r.target_gh < 0.9 * r.target_gh < r.rate_5m
    assert m.healthy


def test_commands_reach_only_a_living_board() -> None:
    plant = plant_of()
    m = only(plant)
    m.hang_board(10.0, draw="idle")
    assert not m.restart_process(20.0)
    assert not m.reboot(20.0)
    assert m.board is Board.HUNG
    m.set_energised(False, 30.0)
    assert not m.reboot(31.0)
    m.set_energised(True, 40.0)
    assert not m.restart_process(41.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dead_process_wants_a_restart(family: Family) -> None:
    plant = plant_of(miner(1, family=family))
    m = only(plant)
    m.kill_process(10.0, watchdog=False)
    plant.advance(4000.0)
    assert (m.board, m.process, m.healthy, m.fault.process_dead) == (Board.UP, Process.DEAD, False, True)
    assert m.power_w() < 30.0
    m.restart_process(4000.0)
    plant.advance(4000.0 + start_up_s(family))
    assert m.healthy
    assert not m.fault.any()


def test_the_stock_watchdog_starts_a_missing_process_again() -> None:
    plant = plant_of()
    m = only(plant)
    m.kill_process(10.0, watchdog=True)
    plant.advance(31.9)
    assert m.process is Process.DEAD
    plant.advance(32.0)
    assert m.process is Process.STARTING
    plant.advance(400.0)
    assert m.healthy


def test_stopped_hashing_leaves_the_api_with_frozen_averages() -> None:
    plant = plant_of()
    m = only(plant)
    before = m.readings(100.0)
    m.stop_hashing(100.0)
    r = m.readings(4000.0)
    assert m.process is Process.RUNNING
    assert (r.rate_5s, r.rate_30m, r.rate_av) == (pytest.approx(0.0, abs=0.01), before.rate_30m, before.rate_av)
    assert (r.accepted, r.pool_alive, any(r.parts.answering)) == (before.accepted, True, False)
    assert r.elapsed_s == before.elapsed_s + 3900
    assert max(r.chip_temp_c) < 30.0
    assert r.power_w < 30.0


def test_a_hung_board_draws_idle_once_its_boards_lose_the_heartbeat() -> None:
    plant = plant_of()
    m = only(plant)
    m.hang_board(100.0, draw="idle")
    plant.advance(110.0)
    assert m.power_w() > 1000.0
    plant.advance(161.0)
    assert m.power_w() < 25.0


def test_a_hung_board_may_draw_in_full_and_hash_nothing() -> None:
    plant = plant_of()
    m = only(plant)
    shares = m.readings(100.0).accepted
    m.hang_board(100.0, draw="full")
    plant.advance(5000.0)
    assert m.power_w() == pytest.approx(3250.0, rel=0.04)
    assert m.readings(5000.0).accepted == shares
    assert m.hashing_ratio() == 0.0


@pytest.mark.parametrize(
    ("off_s", "mended"), [(5.0, False), (29.0, False), (29.999, False), (30.0, True), (60.0, True)]
)
def test_a_latched_supply_wants_thirty_seconds_without_mains(off_s: float, mended: bool) -> None:
    plant = plant_of()
    m = only(plant)
    m.latch_psu(10.0)
    plant.advance(100.0)
    assert m.board is Board.OFF
    assert 10.0 <= m.power_w() <= 18.0
    m.set_energised(False, 100.0)
    assert m.power_w() == 0.0
    m.set_energised(True, 100.0 + off_s)
    plant.advance(600.0)
    assert m.healthy is mended
    assert m.fault.psu_latched is not mended


def test_two_short_breaks_do_not_add_up_to_a_cold_one() -> None:
    plant = plant_of()
    m = only(plant)
    m.latch_psu(0.0)
    for start in (100.0, 121.0):
        m.set_energised(False, start)
        m.set_energised(True, start + 20.0)
    plant.advance(600.0)
    assert m.fault.psu_latched


@pytest.mark.parametrize("standby_w", [0.0, 12.0])
def test_nothing_helps_a_dead_supply(standby_w: float) -> None:
    plant = plant_of()
    m = only(plant)
    m.kill_psu(0.0, standby_w=standby_w)
    assert m.power_w() == standby_w
    m.set_energised(False, 10.0)
    assert m.power_w() == 0.0
    m.set_energised(True, 200.0)
    plant.advance(2000.0)
    assert (m.board, m.healthy, m.power_w()) == (Board.OFF, False, standby_w)
    m.repair(2000.0)
    plant.advance(2600.0)
    assert m.healthy


def test_a_miner_on_two_cords_is_down_when_it_loses_one() -> None:
    plant = plant_of(miner(1, outlets=(1, 2)))
    m = only(plant)
    first, second = m.spec.outlets
    assert plant.power.power_w(first) == pytest.approx(plant.power.power_w(second))
    assert plant.power.power_w(first) + plant.power.power_w(second) == pytest.approx(m.power_w())
    m.set_feed(first, False, 10.0)
    assert m.board is Board.OFF
    assert 5.0 < m.power_w() < 25.0
    m.latch_psu(20.0)
    m.set_feed(first, True, 60.0)
    assert m.fault.psu_latched, "one live cord keeps the supply latched"
    for outlet in (first, second):
        m.set_feed(outlet, False, 100.0)
    for outlet in (first, second):
        m.set_feed(outlet, True, 130.0)
    plant.advance(700.0)
    assert m.healthy


def test_sleep_is_told_and_ends_on_command() -> None:
    plant = plant_of()
    m = only(plant)
    m.suspend(10.0)
    r = m.readings(100.0)
    assert (r.suspended, m.process, m.healthy) == (True, Process.RUNNING, False)
    assert r.power_w < 30.0
    m.resume(200.0)
    plant.advance(300.0)
    assert m.healthy
    assert not m.readings(300.0).suspended


def test_a_reboot_interrupts_what_was_under_way() -> None:
    plant = plant_of()
    m = only(plant)
    m.restart_process(0.0)
    m.reboot(121.0)
    plant.advance(150.0)
    assert (m.board, m.process) == (Board.BOOTING, Process.STOPPED), "the old start must not complete on the new boot"
    plant.advance(121.0 + start_up_s(Family.ANTMINER_STOCK))
    assert m.healthy


def test_the_port_tells_dead_from_hung_from_alive() -> None:
    plant = plant_of(miner(1), miner(2), miner(3), miner(4))
    ports = [m.port for m in plant.site.miners]
    alive, hung, off, dead_process = plant.miners.values()
    hung.hang_board(0.0, draw="full")
    off.latch_psu(0.0)
    dead_process.kill_process(0.0, watchdog=False)
    before = [plant.network.in_octets(p) for p in ports if p]
    plant.advance(120.0)
    grown = [plant.network.in_octets(p) - old for p, old in zip(ports, before, strict=True) if p]
    assert [plant.network.port_up(p) for p in ports if p] == [True, True, False, True]
    assert [g > 0 for g in grown] == [True, False, False, True]
    alive.api_octets += 3000
    assert plant.network.in_octets(ports[0]) == before[0] + grown[0] + 3000


def test_the_same_seed_gives_the_same_site_and_another_seed_another() -> None:
    def history(seed: int) -> list[object]:
        plant = plant_of(*(miner(k, family=FAMILIES[k % 3]) for k in range(1, 7)), seed=seed)
        seen: list[object] = []
        for t in range(0, 2000, 8):
            if t == 400:
                plant.power.set_relay(plant.site.miners[0].outlets[0], False, float(t))
            if t == 440:
                plant.power.set_relay(plant.site.miners[0].outlets[0], True, float(t))
            plant.advance(float(t))
            seen.extend(m.readings(float(t)) for m in plant.miners.values())
        return seen

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_one_miners_chance_does_not_depend_on_its_neighbours() -> None:
    alone = plant_of(miner(1)).miners[miner(1).id].readings(500.0)
    among = plant_of(miner(1), miner(2), miner(3)).miners[miner(1).id].readings(500.0)
    assert alone == among
