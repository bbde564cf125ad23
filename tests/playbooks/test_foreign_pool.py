"""A foreign pool on the bench: put right at once, proved, and not put right for ever."""

from dataclasses import replace

import pytest

from agent.model.action import Action, Verb
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.model.probe import Verdict
from agent.model.topology import Family
from agent.remediate.machine import Table
from playbooks.foreign_pool import PLAYBOOK
from tests.playbooks.pool_bench import PoolBench, pools_site

FAMILIES = [Family.LUXOS, Family.ANTMINER_STOCK, Family.WHATSMINER]


def bench(miners: int = 4, *, family: Family = Family.LUXOS) -> PoolBench:
    return PoolBench(pools_site(miners, families=(family,)))


def intrude(b: PoolBench, row: int = 0) -> None:
    """Somebody else's pool, under somebody else's name."""
    b.world.pool[row], b.world.named[row] = -2, 0.0


def test_it_only_changes_pools() -> None:
    Table(PLAYBOOK)
    assert {verb for step in PLAYBOOK.steps.values() if (verb := getattr(step, "verb", None))} == {Verb.SWITCH_POOL}


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_put_right_at_once_and_proved(family: Family) -> None:
    b = bench(family=family)
    intrude(b)
    incident = b.run_to_end()
    assert (incident.category, incident.cause) == (Category.OTHER, Reason.FOREIGN_POOL)
    assert incident.severity is Severity.CRITICAL
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert incident.evidence["pool"] == "foreign"
    assert b.actions == [Action(verb=Verb.SWITCH_POOL, miner=b.site.miners[0].id, pool=b.site.pools[0].id)]
    assert incident.attempts[0].at - incident.alerted_at <= 24.0
    assert (b.world.pool[0], b.world.named[0]) == (0, 1.0)


def test_another_name_at_the_sites_pool_is_put_right_too() -> None:
    b = bench()
    b.world.named[2] = 0.0
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.world.named[2] == 1.0


def test_it_goes_to_the_first_pool_that_is_good() -> None:
    b = bench()
    intrude(b)
    b.run(80.0, lambda: bool(b.state.incidents))
    b.world.pools[0].verdict = Verdict.REFUSED
    b.run_to_end()
    assert b.world.pool[0] == 1


def test_without_a_look_at_the_pools_it_goes_to_the_first() -> None:
    b = bench()
    for pool in b.world.pools:
        pool.verdict = None
    b.run(160.0)
    intrude(b)
    b.run_to_end()
    assert b.world.pool[0] == 0


def test_each_miner_is_put_right_by_itself() -> None:
    b = bench(6)
    for row in (1, 3, 4):
        intrude(b, row)
    b.run(1800.0)
    assert len(b.state.incidents) == 3
    assert {i.outcome for i in b.state.incidents.values()} == {Outcome.AUTO_RESOLVED}
    assert {target for action in b.actions for target in action.targets} == {b.site.miners[k].id for k in (1, 3, 4)}


@pytest.mark.parametrize("kind", ["refuses", "deaf"])
def test_a_miner_that_does_not_take_it_is_a_persons_business(kind: str) -> None:
    b = bench()
    setattr(b.world, kind, {b.site.miners[0].id})
    intrude(b)
    assert b.run_to_end().escalation_reason == "unauthorised_pool"
    assert len(b.actions) == 2


def test_what_the_miner_says_is_not_enough_without_shares() -> None:
    b = bench()
    intrude(b)
    b.world.cut[0] = True
    assert b.run_to_end().escalation_reason == "unauthorised_pool"
    assert len(b.actions) == 2


def test_what_is_replaced_again_and_again_is_a_persons_business() -> None:
    b = bench()
    for _ in range(2):
        intrude(b)
        assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
        b.run(300.0)
    intrude(b)
    b.run(200.0)
    assert b.run_to_end().escalation_reason == "unauthorised_pool_again"
    assert len(b.actions) == 2
    assert len(b.state.incidents) == 1


def test_a_miner_in_no_group_is_a_persons_business() -> None:
    known = pools_site(2)
    b = PoolBench(replace(known, miners=tuple(replace(m, pool_group=None) for m in known.miners)))
    intrude(b)
    assert b.run_to_end().escalation_reason == "no_pool_group"
    assert b.actions == []


@pytest.mark.parametrize("state", ["restore", "verify", "proof"])
def test_a_restart_of_the_agent_changes_nothing(state: str) -> None:
    b = bench(family=Family.ANTMINER_STOCK)
    intrude(b)
    b.run(900.0, b.state_is(state))
    b.restart()
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert len(b.world.taken) == 1
