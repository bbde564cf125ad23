"""Symptoms and what explains them best: the figures of facts "detection", section 3, on the site they were made for."""

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.model.domains import Domains, Kind
from agent.model.ids import MinerId, PduId, PoolGroupId, PoolId, SwitchId
from agent.model.topology import Bank, Family, Miner, Outlet, Pdu, Pool, PoolGroup, Port, Site, Switch
from agent.triage.cover import BRAKE_AT, P0, RIVALS, Cover, Symptom

CONTAINERS, RACKS, PER_RACK = 5, 5, 48
BANK = 6


@cache
def big() -> Site:
    """Five containers of five racks with 48 miners, a switch each rack, PDUs of 24 outlets in banks of six."""
    miners, pdus, switches = [], [], []
    for rack in range(CONTAINERS * RACKS):
        container = rack // RACKS
        switches.append(Switch(SwitchId(f"sw{rack}"), f"10.1.0.{rack + 1}", PER_RACK))
        for half in range(2):
            banks = tuple(
                Bank(PduId(f"p{rack}-{half}"), k + 1, tuple(range(k * BANK + 1, k * BANK + BANK + 1)), 60.0)
                for k in range(24 // BANK)
            )
            pdus.append(Pdu(PduId(f"p{rack}-{half}"), f"10.1.{half + 1}.{rack + 1}", "apc_rpdu2", 24, 240.0, banks))
        miners += [
            Miner(
                MinerId(f"r{rack}-{place}"),
                f"10.2.{rack}.{place + 1}",
                Family.ANTMINER_STOCK,
                "S19 Pro",
                110.0,
                3250.0,
                (Outlet(PduId(f"p{rack}-{place // 24}"), place % 24 + 1),),
                rack=f"r{rack}",
                port=Port(SwitchId(f"sw{rack}"), place + 1),
                loop=f"loop{container}",
                pool_group=PoolGroupId(f"g{place % 5 // 2}"),
            )
            for place in range(PER_RACK)
        ]
    pools = tuple(Pool(PoolId(f"pool{k}"), f"pool{k}.example", 3333) for k in range(3))
    groups = tuple(PoolGroup(PoolGroupId(f"g{k}"), (pools[k].id,)) for k in range(3))
    return Site("big", tuple(miners), tuple(pdus), tuple(switches), pools=pools, pool_groups=groups)


@cache
def cover() -> Cover:
    return Cover(Domains(big()))


@cache
def domains() -> Domains:
    return Domains(big())


def shown(domain_id: str, count: int) -> NDArray[np.bool_]:
    """The symptom at the first `count` miners of a domain, spread evenly over it."""
    domain = domains().get(domain_id)
    assert domain is not None
    active = np.zeros(len(big().miners), dtype=np.bool_)
    active[domain.rows[np.linspace(0, len(domain.rows) - 1, count).round().astype(int)]] = True
    return active


def least(symptom: Symptom, domain_id: str) -> int:
    """The fewest members that make a domain the explanation, where every smaller domain is left out of it."""
    domain = domains().get(domain_id)
    assert domain is not None
    for count in range(1, len(domain.rows) + 1):
        # A switch and the subnet behind it hold the same miners: either names the place.
        if any(np.array_equal(g.domain.rows, domain.rows) for g in cover().explain(symptom, shown(domain_id, count))):
            return count
    return len(domain.rows) + 1


@pytest.mark.parametrize(
    ("symptom", "domain_id", "members"),
    [
        (Symptom.DARK, "breaker:p0-0:bank1", 3),
        (Symptom.DARK, "pdu:p0-0", 9),
        (Symptom.DARK, "rack:r3", 16),
        (Symptom.HOT, "loop:loop1", 32),
    ],
)
def test_so_many_members_make_a_group(symptom: Symptom, domain_id: str, members: int) -> None:
    """What the facts' formula gives; their table has one more for the breaker of 6 and for the PDU of 24."""
    assert least(symptom, domain_id) == members


FAILURES = [
    (Symptom.DARK, "breaker:p7-1:bank2"),
    (Symptom.DARK, "pdu:p4-0"),
    (Symptom.DARK, "rack:r9"),
    (Symptom.UNREACHABLE, "switch:sw11"),
    (Symptom.POOL, "pool:pool1"),
    (Symptom.HOT, "loop:loop2"),
    (Symptom.UNREACHABLE, "site:big"),
]


@pytest.mark.parametrize(("symptom", "domain_id"), FAILURES)
@pytest.mark.parametrize("coverage", [1.0, 0.9, 0.7])
def test_the_domain_that_failed_is_named(symptom: Symptom, domain_id: str, coverage: float) -> None:
    """Over 200 seeds with background failures: at least 95 % at a coverage of 90 % (breakers of six: 90 %)."""
    rng = np.random.default_rng(sum(map(ord, domain_id)))
    domain = domains().get(domain_id)
    assert domain is not None
    right = 0
    for _ in range(200):
        active = rng.random(len(big().miners)) < P0 / 10
        active[domain.rows[rng.random(len(domain.rows)) < coverage]] = True
        groups = cover().explain(symptom, active)
        found = {str(group.domain) for group in groups}
        same = domains().get(next(iter(found), "")) if len(found) == 1 else None
        # A switch of a whole rack and the rack's own subnet hold the same miners: either names the place.
        right += same is not None and np.array_equal(same.rows, domain.rows)
    wanted = {1.0: 1.0, 0.9: 0.95, 0.7: 0.95}[coverage]
    if domain.kind is Kind.BREAKER:  # two of its six missing at 70 % are too many for so few: facts, 73 %
        wanted = {1.0: 1.0, 0.9: 0.95, 0.7: 0.65}[coverage]
    assert right / 200 >= wanted


def test_singles_are_no_group() -> None:
    """9,000 windows of 120 s at one failure a miner-day: no group."""
    rng = np.random.default_rng(9)
    for _ in range(9000):
        active = rng.random(len(big().miners)) < 120.0 / 86_400.0
        for symptom in Symptom:
            assert cover().explain(symptom, active) == []


def test_two_failures_at_once_are_told_apart() -> None:
    groups = cover().explain(Symptom.DARK, shown("pdu:p4-0", 24) | shown("breaker:p20-1:bank3", 6))
    assert [str(group.domain) for group in groups] == ["pdu:p4-0", "breaker:p20-1:bank3"]
    assert all(group.score > 0 for group in groups)
    assert sum(len(group.rows) for group in groups) == 30


def test_the_causes_that_were_weighed_are_told_with_their_scores() -> None:
    (group,) = cover().explain(Symptom.DARK, shown("pdu:p4-0", 22))
    told = group.considered
    assert (str(told[0].domain), told[0].shown, told[0].score) == ("pdu:p4-0", 22, group.score)
    assert [str(rival.domain) for rival in told[1:]][:1] == ["rack:r4"], "the next best one"
    assert len(told) == 1 + RIVALS
    assert all(rival.score <= group.score for rival in told[1:])
    assert str(told[0]).startswith(f"pdu:p4-0 {group.score:+.1f} (22 of 24)")


def test_what_is_left_over_stays_alone() -> None:
    active = shown("switch:sw2", 48)
    active[-1] = True
    (group,) = cover().explain(Symptom.UNREACHABLE, active)
    assert len(group.rows) == 48
    assert active[-1]


@pytest.mark.parametrize(("members", "braked"), [(BRAKE_AT - 1, 0), (BRAKE_AT, 24)])
def test_the_brake_holds_everybody_under_the_domain(members: int, braked: int) -> None:
    held = cover().brake(Symptom.DARK, shown("pdu:p4-0", members))
    rows = domains().get("pdu:p4-0")
    assert rows is not None
    assert held[rows.rows].sum() == braked


def test_three_of_a_whole_site_brake_nobody() -> None:
    active = np.zeros(len(big().miners), dtype=np.bool_)
    active[[0, 300, 700]] = True
    assert not cover().brake(Symptom.DARK, active).any()


@pytest.mark.parametrize(("members", "held"), [(11, 0), (12, 24)])
def test_where_most_of_those_that_answer_show_it_everybody_is_held(members: int, held: int) -> None:
    rows = domains().get("pdu:p4-0")
    assert rows is not None
    answers = np.ones(len(big().miners), dtype=np.bool_)
    answers[rows.rows[22:]] = False
    under = cover().mostly(Symptom.ASLEEP, shown("pdu:p4-0", members), answers)
    assert under.sum() == held
    assert under[rows.rows].sum() == held


@pytest.mark.parametrize(("members", "held"), [(1, 0), (2, 24)])
def test_two_are_believed_where_hardly_anybody_else_answers_and_one_is_chance(members: int, held: int) -> None:
    rows = domains().get("pdu:p4-0")
    assert rows is not None
    answers = np.ones(len(big().miners), dtype=np.bool_)
    answers[rows.rows[3:]] = False
    assert cover().mostly(Symptom.ASLEEP, shown("pdu:p4-0", members), answers).sum() == held


def test_nobody_is_explained_by_a_site_without_topology() -> None:
    bare = Site(
        "bare", tuple(Miner(MinerId(f"m{k}"), f"host-{k}", Family.LUXOS, "S19", 95.0, 3250.0, ()) for k in range(9))
    )
    explains = Cover(Domains(bare))
    assert explains.explain(Symptom.HOT, np.zeros(9, dtype=np.bool_)) == []
    (group,) = explains.explain(Symptom.DARK, np.ones(9, dtype=np.bool_))
    assert str(group.domain) == "site:bare"
    assert math.isfinite(group.score)
