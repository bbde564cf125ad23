"""Every fault of a pool, or of what is sent to one: it does what it declares, its remedy mends it, its end ends it."""

import pytest

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PoolId
from agent.model.topology import Family
from simulators.faults.kind import FaultKind, On
from simulators.faults.pool import POOL_FAULTS, WORK_FAULTS
from simulators.plant.miner import MinerPlant
from simulators.plant.pools import Trouble
from simulators.plant.site import SitePlant
from tests.factory import miner, pooled, site

PRIMARY, BACKUP, MINER = "pool:primary", "pool:backup", "miner:m1"
M1 = MinerId("m1")
KINDS = {kind.name: kind for kind in (*POOL_FAULTS, *WORK_FAULTS)}
LEAVES_AT_ONCE = ("pool.down", "pool.login_refused", "pool.dns_broken")
ids = [kind.name for kind in POOL_FAULTS]


def plant_of(*pools: str, family: Family = Family.LUXOS) -> SitePlant:
    return SitePlant(pooled(site((miner(1, family=family), miner(2, family=family))), *pools), seed=5)


def healthy(plant: SitePlant) -> list[bool]:
    return [m.healthy for m in plant.miners.values()]


def mended_by(kind: FaultKind, target: str, verb: Verb) -> bool:
    plant = plant_of("primary", "backup")
    kind.inject(plant, target, 10.0)
    m = plant.miners[M1]
    plant.advance(600.0)
    if verb is Verb.RESTART:
        m.restart_process(600.0)
    elif verb is Verb.REBOOT:
        m.reboot(600.0)
    else:
        point_at_backup(plant, m)
    plant.advance(1400.0)
    was_healthy = m.healthy
    plant.advance(2400.0)
    return was_healthy and m.healthy


def point_at_backup(plant: SitePlant, m: MinerPlant) -> None:
    m.set_pools(600.0, tuple(reversed(plant.pools.lines_for(m.spec))))


@pytest.mark.parametrize("family", list(Family))
def test_a_hung_client_tries_nothing_until_it_is_given_pools_or_a_new_process(family: Family) -> None:
    kind = KINDS["miner.pool_client_hung"]
    for cure in (point_at_backup, lambda _, m: m.restart_process(900.0), lambda _, m: m.repair(900.0)):
        plant = plant_of("primary", "backup", family=family)
        m = plant.miners[M1]
        kind.inject(plant, MINER, 10.0)
        plant.pools.pools[PoolId("primary")].begin(Trouble.DOWN, 200.0, 0.0)
        plant.pools.pools[PoolId("primary")].end(Trouble.DOWN, 300.0)
        plant.advance(900.0)
        assert (m.healthy, m.client.alive, m.hashing.is_still) == (False, False, True)
        assert plant.miners[MinerId("m2")].healthy
        cure(plant, m)
        plant.advance(2400.0)
        assert m.healthy


def test_there_is_a_kind_for_every_trouble_of_a_pool() -> None:
    assert set(ids) == {f"pool.{trouble}" for trouble in Trouble}
    for kind in KINDS.values():
        assert kind.counts
        assert kind.does.endswith(".")
        assert kind.signature.endswith(".")
        assert kind.on == ({On.POOL} if kind.name.startswith("pool.") else {On.MINER})


@pytest.mark.parametrize("kind", POOL_FAULTS, ids=ids)
def test_without_another_pool_it_lasts_until_it_ends(kind: FaultKind) -> None:
    plant = plant_of("primary")
    kind.inject(plant, PRIMARY, 10.0)
    for now in (11.0, 600.0, 3600.0):
        plant.advance(now)
        assert healthy(plant) == [False, False]
    kind.end(plant, PRIMARY, 3600.0)
    plant.advance(3700.0)
    assert healthy(plant) == [True, True]
    assert plant.pools.pools[PoolId("primary")].troubles == {}


@pytest.mark.parametrize("kind", POOL_FAULTS, ids=ids)
def test_it_leaves_those_alone_that_work_for_another_pool(kind: FaultKind) -> None:
    plant = plant_of("primary", "backup")
    kind.inject(plant, BACKUP, 10.0)
    plant.advance(2000.0)
    assert healthy(plant) == [True, True]


@pytest.mark.parametrize("name", LEAVES_AT_ONCE)
def test_miners_help_themselves_where_the_connection_goes(name: str) -> None:
    plant = plant_of("primary", "backup")
    KINDS[name].inject(plant, PRIMARY, 10.0)
    assert healthy(plant) == [False, False]
    plant.advance(14.0)
    assert healthy(plant) == [True, True]


@pytest.mark.parametrize("kind", POOL_FAULTS, ids=ids)
def test_working_for_another_pool_mends_it(kind: FaultKind) -> None:
    assert kind.remedy is Verb.SWITCH_POOL
    assert mended_by(kind, PRIMARY, kind.remedy)


@pytest.mark.parametrize("name", ["pool.rejects", "pool.times_out"])
def test_where_miners_stay_nothing_milder_helps(name: str) -> None:
    assert not any(mended_by(KINDS[name], PRIMARY, verb) for verb in (Verb.RESTART, Verb.REBOOT))


@pytest.mark.parametrize("kind", WORK_FAULTS, ids=lambda kind: kind.name)
def test_a_miners_own_fault_is_mended_by_its_remedy_and_by_nothing_milder(kind: FaultKind) -> None:
    ladder = [Verb.SWITCH_POOL, Verb.RESTART, Verb.REBOOT]
    working = [verb for verb in ladder if mended_by(kind, MINER, verb)]
    assert (working[0] if working else None) is kind.remedy
    assert kind.fixable is bool(working)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", WORK_FAULTS, ids=lambda kind: kind.name)
def test_a_person_can_always_put_a_miner_right(kind: FaultKind, family: Family) -> None:
    plant = plant_of("primary", "backup", family=family)
    kind.inject(plant, MINER, 10.0)
    plant.advance(3600.0)
    assert healthy(plant) == [False, True]
    kind.end(plant, MINER, 3600.0)
    plant.advance(4500.0)
    assert healthy(plant) == [True, True]
    assert plant.miners[M1].client.lines == plant.pools.lines_for(plant.miners[M1].spec)


def test_the_end_of_an_intrusion_that_was_undone_already_disturbs_nobody() -> None:
    plant = plant_of("primary", family=Family.ANTMINER_STOCK)
    m = plant.miners[M1]
    kind = KINDS["miner.unauthorised_pool"]
    kind.inject(plant, MINER, 10.0, what="worker")
    assert {line.url for line in m.client.lines} == {"stratum+tcp://primary.pool.example:3333"}
    assert not m.healthy
    m.set_pools(100.0, plant.pools.lines_for(m.spec))
    plant.advance(900.0)
    before = m.readings(900.0).elapsed_s
    kind.end(plant, MINER, 900.0)
    assert m.readings(960.0).elapsed_s == before + 60


@pytest.mark.parametrize(
    ("name", "target", "params"),
    [
        ("pool.down", "miner:m1", {}),
        ("pool.down", "pool:third", {}),
        ("pool.down", PRIMARY, {"share": 0.1}),
        ("pool.rejects", PRIMARY, {"share": 1.1}),
        ("pool.flaps", PRIMARY, {"period_s": 0.0}),
        ("miner.rejects", PRIMARY, {}),
        ("miner.unauthorised_pool", MINER, {"what": "password"}),
    ],
)
def test_what_does_not_fit_is_refused(name: str, target: str, params: dict[str, float | str]) -> None:
    with pytest.raises(PolicyError):
        KINDS[name].inject(plant_of("primary"), target, 10.0, **params)
