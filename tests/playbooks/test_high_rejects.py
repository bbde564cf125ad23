"""High rejects on the bench: the pool is left, the miner is restarted once, the path is a person's business."""

from collections import Counter
from dataclasses import replace

import pytest

from agent.model.action import Result, Verb
from agent.model.ids import SwitchId
from agent.model.incident import Category, Outcome
from agent.model.probe import Verdict
from agent.model.topology import Family, Port
from agent.remediate.machine import Table
from playbooks.high_rejects import EASED_SHARE, PLAYBOOK
from tests.playbooks.pool_bench import PoolBench, pools_site

STOCK = (Family.ANTMINER_STOCK,)
WORN = 0.003
"""Share of a healthy miner's shares that are bad."""


def bench(miners: int, *names: str, families: tuple[Family, ...] = (Family.LUXOS,)) -> PoolBench:
    b = PoolBench(pools_site(miners, *names, families=families))
    b.world.bad[:] = WORN
    return b


def places(b: PoolBench) -> Counter[int]:
    return Counter(b.world.pool.tolist())


def test_it_restarts_once_derates_once_and_does_nothing_harder() -> None:
    Table(PLAYBOOK)
    verbs = Counter(step.verb for step in PLAYBOOK.steps.values() if hasattr(step, "verb"))
    assert set(verbs) == {Verb.RESTART, Verb.SWITCH_POOL, Verb.DERATE}
    assert verbs[Verb.RESTART] == 1
    assert verbs[Verb.DERATE] == 2, "down, and up again where it was for nothing"


@pytest.mark.parametrize("families", [(Family.LUXOS,), STOCK], ids=["luxos", "stock"])
@pytest.mark.parametrize(
    ("miners", "waves"),
    [
        (3, [("canary_1", 1), ("rest_1", 2)]),
        (20, [("canary_1", 1), ("part_1", 2), ("rest_1", 17)]),
        (300, [("canary_1", 1), ("part_1", 30), ("rest_1", 269)]),
    ],
)
def test_a_pool_that_rejects_is_left_in_waves(
    miners: int, waves: list[tuple[str, int]], families: tuple[Family, ...]
) -> None:
    b = bench(miners, families=families)
    b.world.pools[0].bad = 0.1
    incident = b.run_to_end()
    assert incident.category is Category.REJECTS
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert b.waves == waves
    assert places(b) == {1: miners}
    assert max(Counter(b.world.taken).values()) == 1


def test_where_the_next_pool_rejects_too_the_one_after_is_tried() -> None:
    b = bench(20)
    b.world.pools[0].bad = b.world.pools[1].bad = 0.1
    incident = b.run_to_end()
    assert [state for state, _ in b.waves] == ["canary_1", "other_canary_1", "canary_2", "part_2", "rest_2"]
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {2: 20}


def test_rejects_that_go_on_everywhere_are_a_persons_business() -> None:
    b = bench(20)
    for pool in b.world.pools:
        pool.bad = 0.1
    incident = b.run_to_end()
    assert incident.escalation_reason == "rejects_everywhere"
    assert len(b.waves) == 4
    assert all(size == 1 for _, size in b.waves)


def test_without_another_pool_a_person_is_asked() -> None:
    b = bench(20, "only")
    b.world.pools[0].bad = 0.1
    assert b.run_to_end().escalation_reason == "no_healthy_pool"
    assert b.actions == []


def test_a_bad_pool_is_no_place_to_go() -> None:
    b = bench(20, "primary", "backup")
    b.world.pools[0].bad = 0.1
    b.world.pools[1].verdict = Verdict.REFUSED
    assert b.run_to_end().escalation_reason == "no_healthy_pool"
    assert b.actions == []


def test_one_miner_is_restarted_once_and_proved() -> None:
    b = bench(20)
    b.world.bad[3] = 0.1

    def mend(row: int) -> None:
        b.world.bad[row] = WORN

    b.world.on_restart = mend
    incident = b.run_to_end()
    assert [(a.verb, a.targets) for a in b.actions] == [(Verb.RESTART, (b.site.miners[3].id,))]
    assert incident.outcome is Outcome.AUTO_RESOLVED


def gone_elsewhere(bad: float) -> PoolBench:
    """One miner has bad shares, and goes to another pool before anything is done; so many of them are bad there."""
    b = bench(20)
    b.world.bad[3] = 0.1
    b.run(3600.0, b.state_is("hold"))
    b.world.pool[3], b.world.bad[3] = 1, bad
    return b


def test_one_miner_that_has_left_the_pool_that_refused_its_shares_is_let_be_where_it_has_good_ones() -> None:
    """Three played months restarted one each: the last of a pool's hundreds, at another one for an hour."""
    b = gone_elsewhere(WORN)
    assert b.run_to_end().outcome is Outcome.SELF_RECOVERED
    assert b.actions == []


def test_one_miner_whose_shares_are_bad_at_another_pool_too_is_restarted() -> None:
    b = gone_elsewhere(0.1)
    b.run(3600.0, lambda: bool(b.actions))
    assert [action.verb for action in b.actions] == [Verb.RESTART]


def test_one_miner_whom_a_restart_does_not_help_has_a_hardware_fault() -> None:
    b = bench(20)
    b.world.bad[3] = 0.1
    incident = b.run_to_end()
    assert [(a.verb, a.share) for a in b.actions] == [
        (Verb.RESTART, None),
        (Verb.DERATE, EASED_SHARE),
        (Verb.DERATE, 1.0),
    ]
    assert incident.escalation_reason == "hardware_rejects"
    assert incident.attempts[0].settled_at is not None
    assert incident.escalated_at is not None
    assert incident.escalated_at - incident.attempts[0].settled_at < 3600.0
    assert places(b) == {0: 20}


def test_one_miner_whom_less_power_helps_stays_derated_and_has_a_ticket() -> None:
    b = bench(6)
    b.world.bad[3] = 0.1

    def ease(row: int, share: float) -> Result:
        b.world.bad[row] = WORN if share <= EASED_SHARE else 0.1
        return Result.OK

    b.world.on_derate = ease
    incident = b.run_to_end()
    assert [(a.verb, a.share) for a in b.actions] == [(Verb.RESTART, None), (Verb.DERATE, EASED_SHARE)]
    assert incident.escalation_reason == "derated_needs_repair"
    told = memory_of(b)
    assert told == {b.site.miners[3].id: EASED_SHARE}
    b.run(20 * 3600.0)
    assert memory_of(b) == told, "it is not tried in full before a day has passed"
    assert b.incident.is_open


def test_a_miner_that_cannot_be_derated_has_a_hardware_fault() -> None:
    b = bench(6)
    b.world.bad[3] = 0.1
    b.world.on_derate = lambda _, __: Result.FAILED
    assert b.run_to_end().escalation_reason == "hardware_rejects"
    assert [a.verb for a in b.actions] == [Verb.RESTART, Verb.DERATE]


def test_a_miner_that_is_derated_for_its_heat_is_not_set_to_more_power_for_its_shares() -> None:
    b = bench(6)
    b.world.bad[3] = 0.1
    b.run(3600.0, b.state_is("after_restart"))
    name = b.site.miners[3].id
    b.state.derated[name] = (0.5, b.incident.id, b.now)
    assert b.run_to_end().escalation_reason == "hardware_rejects"
    assert [a.verb for a in b.actions] == [Verb.RESTART]
    assert memory_of(b) == {name: 0.5}


def memory_of(b: PoolBench) -> dict[str, float]:
    """Who is derated, and to what share, by the ledger."""
    return {miner: share for miner, (share, _, _) in b.state.derated.items()}


def test_the_miners_of_one_switch_have_a_bad_path() -> None:
    known = pools_site(40)
    other = SwitchId("sw-2")
    miners = tuple(replace(m, port=Port(other, k)) if k < 8 else m for k, m in enumerate(known.miners))
    b = PoolBench(replace(known, miners=miners))
    b.world.bad[:] = WORN
    b.world.bad[:8] = 0.12
    b.run(2 * 3600.0)
    assert {i.escalation_reason for i in b.state.incidents.values()} == {"path_rejects"}
    assert len(b.state.incidents) == 8
    assert b.actions == []


@pytest.mark.parametrize("state", ["verify_canary_1", "part_1", "verify_part_1", "verify_rest_1", "proof_1"])
def test_a_restart_of_the_agent_between_waves_changes_nothing(state: str) -> None:
    b = bench(40)
    b.world.pools[0].bad = 0.1
    b.run(3600.0, b.state_is(state))
    b.restart()
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 4), ("rest_1", 35)]
    assert places(b) == {1: 40}


def test_a_miner_that_refuses_is_an_incident_of_its_own_in_the_end() -> None:
    b = bench(20)
    b.world.refuses = {b.site.miners[9].id}
    b.world.pools[0].bad = 0.1
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {0: 1, 1: 19}
    b.run(60.0)
    assert b.latest.members == (b.site.miners[9].id,)
