"""Miners and their pools: who fails over when, who runs out of work, and what each side has counted."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from agent.model.ids import MinerId, PoolId
from agent.model.topology import Family
from simulators.plant.journal import What
from simulators.plant.miner import MinerPlant
from simulators.plant.pool_client import CONNECT_S, DEAD_AFTER_S, RETRY_S, STABLE_S, WORK_LASTS_S
from simulators.plant.pools import DEFAULT_URL, PoolLine, PoolPlant, Trouble
from simulators.plant.profile import PROFILES
from simulators.plant.readings import PoolReading
from simulators.plant.site import SitePlant
from simulators.plant.state import Process
from tests.factory import miner, pooled, site

PRIMARY, BACKUP = PoolId("primary"), PoolId("backup")
CUT = (Trouble.DOWN, Trouble.LOGIN_REFUSED, Trouble.DNS_BROKEN)
"""Troubles that end a connection at once."""


def plant_of(
    *,
    pools: tuple[PoolId, ...] = (PRIMARY, BACKUP),
    miners: int = 1,
    family: Family = Family.ANTMINER_STOCK,
    seed: int = 5,
) -> SitePlant:
    specs = tuple(miner(k, family=family) for k in range(1, miners + 1))
    return SitePlant(pooled(site(specs), *pools), seed=seed)


def only(plant: SitePlant) -> MinerPlant:
    return next(iter(plant.miners.values()))


def primary(plant: SitePlant) -> PoolPlant:
    return plant.pools.pools[PRIMARY]


def backup(plant: SitePlant) -> PoolPlant:
    return plant.pools.pools[BACKUP]


def well(m: MinerPlant) -> bool:
    return m.healthy


def shown(m: MinerPlant, now: float) -> tuple[PoolReading, ...]:
    return m.readings(now).pools


def active(m: MinerPlant, now: float) -> int:
    return next(k for k, pool in enumerate(shown(m, now)) if pool.active)


def steps(since: float, until: float, every: float = 10.0) -> Iterator[float]:
    while since < until:
        since = min(until, since + every)
        yield since


def test_without_configured_pools_there_is_one_that_nothing_happens_to() -> None:
    plant = SitePlant(site(1), seed=1)
    m = only(plant)
    (pool,) = shown(m, 100.0)
    assert (pool.url, pool.user, pool.alive, pool.active) == (DEFAULT_URL, "site.m1", True, True)
    assert (m.readings(100.0).pool_url, m.readings(100.0).pool_user) == (DEFAULT_URL, "site.m1")
    assert pool.tally.accepted <= m.readings(100.0).accepted


def test_a_display_lists_the_group_in_order_of_priority() -> None:
    m = only(plant_of())
    first, second = shown(m, 60.0)
    assert (first.url, first.priority, first.active) == ("stratum+tcp://primary.pool.example:3333", 0, True)
    assert (second.url, second.priority, second.active, second.alive) == (
        "stratum+tcp://backup.pool.example:3333",
        1,
        False,
        True,
    )
    assert (second.tally.accepted, second.getworks) == (0, 3)


@pytest.mark.parametrize("trouble", CUT)
def test_a_lost_connection_is_followed_by_the_next_pool_within_seconds(trouble: Trouble) -> None:
    plant = plant_of()
    m = only(plant)
    before = m.readings(100.0)
    primary(plant).begin(trouble, 100.0)
    assert not well(m)
    plant.advance(100.0 + CONNECT_S[1])
    assert well(m)
    assert active(m, plant.now) == 1
    assert [pool.alive for pool in shown(m, plant.now)] == [False, True]
    later = m.readings(700.0)
    assert later.accepted > before.accepted + 100
    assert shown(m, 700.0)[1].tally.accepted == later.accepted - before.accepted
    assert later.rate_5m > 0.95 * later.target_gh, "the boards never noticed"
    assert later.pool_alive
    assert later.pool_url == "stratum+tcp://backup.pool.example:3333"


def test_a_silent_pool_is_given_up_after_ninety_seconds_and_no_share_counts_meanwhile() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.HUNG, 100.0)
    before = m.readings(100.0)
    last = m.readings(100.0 + DEAD_AFTER_S - 0.1)
    assert (last.accepted, last.rejected, last.stale) == (before.accepted, before.rejected, before.stale)
    assert (last.pool_alive, active(m, plant.now), m.healthy) == (True, 0, False)
    assert last.rate_1m > 0.9 * last.target_gh
    plant.advance(100.0 + DEAD_AFTER_S + CONNECT_S[1])
    assert (active(m, plant.now), m.healthy) == (1, True)


def test_silence_that_ends_in_time_changes_nothing() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.HUNG, 100.0)
    primary(plant).end(Trouble.HUNG, 100.0 + DEAD_AFTER_S - 1.0)
    plant.advance(400.0)
    assert (active(m, 400.0), m.healthy) == (0, True)


def test_the_client_returns_once_the_better_pool_was_well_for_two_minutes() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.DOWN, 100.0)
    primary(plant).end(Trouble.DOWN, 400.0)
    plant.advance(400.0 + RETRY_S)
    assert [pool.alive for pool in shown(m, plant.now)] == [True, True]
    assert active(m, 400.0 + STABLE_S - 0.1) == 1
    assert active(m, 400.0 + RETRY_S + STABLE_S) == 0
    plant.advance(400.0 + RETRY_S + STABLE_S + CONNECT_S[1])
    assert well(m)


def test_a_relapse_within_the_two_minutes_starts_them_anew() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.DOWN, 100.0)
    primary(plant).end(Trouble.DOWN, 200.0)
    primary(plant).begin(Trouble.DOWN, 290.0)
    primary(plant).end(Trouble.DOWN, 300.0)
    assert active(m, 300.0 + STABLE_S - 0.1) == 1
    assert active(m, 300.0 + RETRY_S + STABLE_S) == 0


@pytest.mark.parametrize("family", Family)
def test_without_any_pool_nonces_go_on_for_a_while_and_shares_do_not(family: Family) -> None:
    plant = plant_of(family=family)
    m = only(plant)
    for pool in plant.pools.pools.values():
        pool.begin(Trouble.DOWN, 1000.0)
    before = m.readings(1000.0)
    last = m.readings(1000.0 + WORK_LASTS_S - 0.1)
    assert last.work_gh - before.work_gh == pytest.approx(last.target_gh * WORK_LASTS_S, rel=0.05)
    assert (last.accepted, last.rejected, last.stale) == (before.accepted, before.rejected, before.stale)
    assert (last.pool_alive, last.power_w > 3100.0) == (False, True)
    ended = m.readings(1600.0)
    assert ended.work_gh == pytest.approx(last.work_gh, rel=1e-3)
    assert ended.rate_5s < 1.0
    assert ended.power_w == pytest.approx(3250.0 * PROFILES[family].unfed_share, rel=0.05)
    assert (any(ended.parts.answering), ended.elapsed_s, m.process, m.healthy) == (
        True,
        before.elapsed_s + 600,
        Process.RUNNING,
        False,
    )
    backup(plant).end(Trouble.DOWN, 1600.0)
    plant.advance(1600.0 + RETRY_S + CONNECT_S[1] + 10.0)
    assert well(m)
    assert m.readings(1700.0).accepted > ended.accepted
    assert active(m, 1700.0) == 1


def test_a_process_that_starts_without_a_pool_waits_for_one_and_then_ramps() -> None:
    plant = plant_of(pools=(PRIMARY,), family=Family.LUXOS)
    m = only(plant)
    primary(plant).begin(Trouble.DOWN, 10.0)
    m.restart_process(20.0)
    plant.advance(800.0)
    r = m.readings(800.0)
    assert (m.process, r.rate_5s, r.accepted, r.pool_alive, m.healthy) == (Process.RUNNING, 0.0, 0, False, False)
    primary(plant).end(Trouble.DOWN, 800.0)
    ramp_s = PROFILES[Family.LUXOS].ramp_s
    plant.advance(800.0 + 1.0 + ramp_s[0] / 2)
    assert not well(m)
    plant.advance(800.0 + RETRY_S + CONNECT_S[1] + ramp_s[1])
    assert well(m)


def test_rejected_shares_are_counted_as_such_and_move_nobody() -> None:
    plant = plant_of()
    m = only(plant)
    before = m.readings(100.0)
    primary(plant).begin(Trouble.REJECTS, 100.0, 0.3)
    for t in steps(100.0, 7300.0, 60.0):
        m.readings(t)
    after = m.readings(7300.0)
    sent = after.accepted + after.rejected - before.accepted - before.rejected
    assert (after.rejected - before.rejected) / sent == pytest.approx(0.3, abs=0.05)
    assert (active(m, 7300.0), m.healthy) == (0, False)
    primary(plant).end(Trouble.REJECTS, 7300.0)
    assert well(m)


def test_a_few_rejects_are_nobodys_illness() -> None:
    plant = plant_of()
    primary(plant).begin(Trouble.REJECTS, 100.0, 0.005)
    assert only(plant).healthy


def test_a_proxy_that_times_out_drops_all_workers_together_at_its_period() -> None:
    plant = plant_of(miners=3)
    primary(plant).begin(Trouble.TIMES_OUT, 100.0, 120.0)
    plant.advance(100.0 + 10 * 120.0 + 5.0)
    for m in plant.miners.values():
        first = shown(m, plant.now)[0]
        assert (first.get_failures, first.active, first.stratum_active) == (11, True, True)
        assert not well(m), "it will happen again"
    plant.advance(plant.now + 114.9)
    assert all(shown(m, plant.now)[0].stratum_active for m in plant.miners.values())
    plant.advance(plant.now + 0.3)
    assert not any(shown(m, plant.now)[0].stratum_active for m in plant.miners.values())
    primary(plant).end(Trouble.TIMES_OUT, plant.now)
    plant.advance(plant.now + 300.0)
    assert all(m.healthy and shown(m, plant.now)[0].get_failures == 12 for m in plant.miners.values())


def test_a_flapping_pool_is_left_and_returned_to_once_a_period() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.FLAPS, 1000.0, 400.0)
    seen = [active(m, t) for t in steps(1000.0, 2190.0)]
    assert sum(a != b for a, b in pairwise(seen)) == 5, "away and back, each period"
    assert set(seen) == {0, 1}
    primary(plant).end(Trouble.FLAPS, 2200.0)
    plant.advance(2200.0 + RETRY_S + STABLE_S + CONNECT_S[1])
    assert (active(m, plant.now), m.healthy) == (0, True)


def test_flapping_faster_than_a_client_trusts_keeps_it_away() -> None:
    plant = plant_of()
    m = only(plant)
    primary(plant).begin(Trouble.FLAPS, 1000.0, 60.0)
    assert {active(m, t) for t in steps(1010.0, 2200.0)} == {1}


def test_each_side_counts_the_same_shares() -> None:
    plant = plant_of(miners=2)
    one, other = plant.miners.values()
    primary(plant).begin(Trouble.DOWN, 300.0)
    primary(plant).end(Trouble.DOWN, 600.0)
    one.restart_process(900.0)
    plant.advance(1500.0)
    seen = primary(plant).shares_of(one.spec.id) + backup(plant).shares_of(one.spec.id)
    assert one.readings(1500.0).elapsed_s == 600
    assert seen > one.readings(1500.0).accepted
    assert backup(plant).shares_of(one.spec.id) > 30
    at = primary(plant).last_share_at(other.spec.id)
    assert at is not None
    assert 1400.0 < at <= 1500.0
    assert at == other.readings(1500.0).last_share_at
    assert primary(plant).shares_of(MinerId("nobody")) == 0
    assert primary(plant).last_share_at(MinerId("nobody")) is None


def test_the_pools_view_does_not_depend_on_who_looks() -> None:
    looked, not_looked = plant_of(), plant_of()
    for t in steps(0.0, 1200.0, 7.0):
        looked.advance(t)
        primary(looked).shares_of(only(looked).spec.id)
    not_looked.advance(1200.0)
    name = only(looked).spec.id
    assert primary(looked).shares_of(name) == primary(not_looked).shares_of(name)
    counted, unseen = (shown(only(plant), 1200.0)[0].tally for plant in (looked, not_looked))
    assert (counted.accepted, counted.rejected, counted.stale) == (unseen.accepted, unseen.rejected, unseen.stale)


def test_what_a_pool_is_asked_on_the_wire_tells_one_trouble_from_another() -> None:
    pool = primary(plant_of())

    def view() -> tuple[bool, bool, bool, bool]:
        return pool.resolves, pool.accepts, pool.answers, pool.logs_in

    views = {}
    for trouble in (Trouble.DNS_BROKEN, Trouble.DOWN, Trouble.HUNG, Trouble.LOGIN_REFUSED):
        pool.begin(trouble, 0.0)
        views[trouble] = view()
        pool.end(trouble, 0.0)
    assert view() == (True, True, True, True)
    assert list(views.values()) == [tuple(k != wrong for k in range(4)) for wrong in range(4)]


@pytest.mark.parametrize(
    ("family", "restarts"), [(Family.ANTMINER_STOCK, True), (Family.WHATSMINER, True), (Family.LUXOS, False)]
)
def test_another_list_of_pools_means_another_process_for_some(family: Family, restarts: bool) -> None:
    plant = plant_of(family=family)
    m = only(plant)
    assert m.set_pools(100.0, tuple(reversed(m.client.lines)))
    plant.advance(105.0)
    assert (m.process is Process.STARTING) is restarts
    assert (m.readings(105.0).elapsed_s == 5) is restarts
    plant.advance(900.0)
    r = m.readings(900.0)
    assert (r.pool_url, m.healthy) == ("stratum+tcp://backup.pool.example:3333", True)
    (entry,) = (e for e in plant.journal.entries if e.what is What.SET_POOLS)
    assert (entry.at, entry.miner, entry.healthy) == (100.0, m.spec.id, True)


def test_a_dead_board_takes_no_pools() -> None:
    plant = plant_of()
    m = only(plant)
    m.hang_board(10.0, draw="idle")
    before = m.client.lines
    assert not m.set_pools(20.0, ())
    assert not m.switch_pool(20.0, 1)
    assert m.client.lines == before


def test_a_switch_lasts_until_the_next_process() -> None:
    plant = plant_of()
    m = only(plant)
    assert m.switch_pool(100.0, 1)
    assert not m.switch_pool(100.0, 2)
    assert active(m, 1000.0) == 1
    assert [pool.priority for pool in shown(m, 1000.0)] == [1, 0]
    assert well(m)
    m.restart_process(1000.0)
    assert active(m, 1400.0) == 0


def test_an_address_where_nobody_is_gives_no_work() -> None:
    plant = plant_of(family=Family.LUXOS)
    m = only(plant)
    m.set_pools(100.0, (PoolLine("stratum+tcp://typo.example.com:3333", "site.m1"),))
    r = m.readings(600.0)
    assert (r.pool_alive, r.rate_5s < 1.0, m.healthy) == (False, True, False)


def test_no_pools_at_all_give_no_work() -> None:
    plant = plant_of(family=Family.LUXOS)
    m = only(plant)
    m.set_pools(100.0, ())
    r = m.readings(600.0)
    assert (r.pools, r.pool_url, r.pool_alive, r.rate_5s < 1.0) == ((), "", False, True)
    assert not m.switch_pool(600.0, 0)


def test_work_for_somebody_else_is_no_health() -> None:
    plant = plant_of()
    m = only(plant)
    site_lines = m.client.lines
    plant.pools.foreign("stratum+tcp://elsewhere.example.net:3333")
    m.hijack(100.0, (PoolLine("stratum+tcp://elsewhere.example.net:3333", "thief"),))
    r = m.readings(1000.0)
    assert (r.pool_alive, r.pool_user, r.rate_5m > 0.9 * r.target_gh, m.healthy) == (True, "thief", True, False)
    assert primary(plant).last_share_at(m.spec.id) is not None
    assert not [e for e in plant.journal.entries if e.what in {What.SET_POOLS, What.RESTART}]
    m.set_pools(1000.0, site_lines)
    plant.advance(1400.0)
    assert well(m)


@pytest.mark.parametrize("cured", [True, False])
def test_bad_shares_are_rejected_by_any_pool(cured: bool) -> None:
    plant = plant_of()
    m = only(plant)
    before = m.readings(100.0)
    m.spoil_shares(100.0, 0.2, until_restart=cured)
    after = m.readings(3700.0)
    assert (after.rejected - before.rejected) / (
        after.accepted + after.rejected - before.accepted - before.rejected
    ) == pytest.approx(0.2, abs=0.05)
    assert not well(m)
    m.restart_process(3700.0)
    plant.advance(4200.0)
    assert well(m) is cured
    if not cured:
        m.repair(4200.0)
        plant.advance(4700.0)
    assert well(m)
    assert m.hashing.reject_share == pytest.approx(m.profile.reject_share)


def test_whoever_keeps_steady_miners_hears_of_every_change_before_it_happens() -> None:
    plant = plant_of()
    m = only(plant)
    heard: list[tuple[MinerId, bool, float]] = []
    m.on_change = lambda miner_id: heard.append((miner_id, m.is_steady(plant.now), plant.now))
    assert m.is_steady(0.0)
    primary(plant).begin(Trouble.DOWN, 100.0)
    assert heard[0] == (m.spec.id, True, 100.0)
    assert not m.is_steady(100.0)
    plant.advance(110.0)
    assert m.is_steady(110.0) is True, "it works for the backup, and its boards never stopped"
    heard.clear()
    m.stop_hashing(120.0)
    assert heard[0] == (m.spec.id, True, 120.0)
    m.restart_process(130.0)
    heard.clear()
    plant.advance(130.0 + 440.0)
    assert heard
    assert not m.is_steady(130.0 + 400.0)
    assert m.is_steady(900.0)
