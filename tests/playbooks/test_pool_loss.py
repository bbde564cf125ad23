"""Pool loss on the bench: what is found out about a pool, who is told to leave it and when, and what is never done."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from agent.model.action import Verb
from agent.model.events import Intended, Settled
from agent.model.incident import Outcome
from agent.model.pools import RELAPSES
from agent.model.probe import NameFault, Verdict
from agent.model.topology import Family
from agent.remediate.machine import Table
from playbooks.pool_loss import PLAYBOOK, WAIT_S
from tests.playbooks.pool_bench import PoolBench, pools_site

STOCK = (Family.ANTMINER_STOCK,)
MIXED = (Family.WHATSMINER, Family.ANTMINER_STOCK, Family.LUXOS)


def bench(miners: int, *names: str, families: tuple[Family, ...] = (Family.LUXOS,)) -> PoolBench:
    return PoolBench(pools_site(miners, *names, families=families))


def places(b: PoolBench) -> Counter[int]:
    """How many miners work for each pool, by its place."""
    return Counter(b.world.pool.tolist())


def nobody_was_switched_twice(b: PoolBench) -> bool:
    return all(times == 1 for times in Counter(b.world.taken).values())


def test_it_does_nothing_harder_than_changing_pools_and_one_restart() -> None:
    Table(PLAYBOOK)
    verbs = [verb for step in PLAYBOOK.steps.values() if (verb := getattr(step, "verb", None))]
    assert set(verbs) == {Verb.SWITCH_POOL, Verb.RESTART}
    assert verbs.count(Verb.RESTART) == 1


@pytest.mark.parametrize(
    ("miners", "waves"),
    [
        (1, [("canary_1", 1)]),
        (3, [("canary_1", 1), ("rest_1", 2)]),
        (20, [("canary_1", 1), ("part_1", 2), ("rest_1", 17)]),
        (2000, [("canary_1", 1), ("part_1", 200), ("rest_1", 1799)]),
    ],
)
def test_a_pool_that_is_down_is_left_in_waves(miners: int, waves: list[tuple[str, int]]) -> None:
    b = bench(miners)
    b.world.pools[0].fall()
    fell_at = b.now
    incident = b.run_to_end()
    assert b.waves == waves
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: miners}
    assert nobody_was_switched_twice(b)
    assert incident.mitigated_at is not None
    assert incident.mitigated_at - fell_at < 300.0


@pytest.mark.parametrize("verdict", [Verdict.SILENT, Verdict.DROPPED, Verdict.LOGIN_REFUSED, Verdict.DNS, Verdict.TLS])
def test_whatever_is_wrong_with_the_pool_it_is_left(verdict: Verdict) -> None:
    b = bench(4)
    b.world.pools[0].fall(verdict, NameFault.UNKNOWN if verdict is Verdict.DNS else None)
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: 4}


def test_a_pool_that_takes_logins_and_sends_no_work_is_bad() -> None:
    b = bench(4)
    b.world.pools[0].fall(Verdict.GOOD)
    b.world.pools[0].work = False
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.incident.attempts[0].at - b.incident.alerted_at < 80.0


def test_of_two_good_pools_the_one_with_work_is_taken() -> None:
    b = bench(4)
    b.world.pools[0].fall()
    b.world.pools[1].work = False
    b.run_to_end()
    assert places(b) == {2: 4}


def test_miners_that_change_by_themselves_are_left_alone() -> None:
    b = bench(20)
    b.world.pools[0].fall()
    b.run(300.0, lambda: bool(b.state.incidents))
    b.world.pool[:] = 1
    assert b.run_to_end().outcome is Outcome.SELF_RECOVERED
    assert b.actions == []


def test_only_those_that_do_not_change_by_themselves_are_told() -> None:
    b = bench(20)
    b.world.pools[0].fall()
    b.run(300.0, lambda: bool(b.state.incidents))
    b.world.pool[5:] = 2
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: 5, 2: 15}


def test_a_pool_that_comes_back_in_time_is_not_left() -> None:
    b = bench(10, "only")
    b.world.pools[0].fall()
    b.run(600.0)
    b.world.pools[0].rise()
    assert b.run_to_end().outcome is Outcome.SELF_RECOVERED
    assert b.actions == []


def test_without_a_good_pool_a_person_is_asked_after_half_an_hour() -> None:
    b = bench(10)
    for pool in b.world.pools:
        pool.fall()
    incident = b.run_to_end()
    assert incident.escalation_reason == "no_healthy_pool"
    assert b.actions == []
    assert incident.escalated_at is not None
    assert 1800.0 <= incident.escalated_at - incident.alerted_at < 2000.0


def test_another_pool_that_comes_up_while_none_is_good_is_taken() -> None:
    b = bench(10)
    for pool in b.world.pools:
        pool.fall()
    b.run(900.0)
    b.world.pools[2].rise()
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {2: 10}


@pytest.mark.parametrize(
    ("verdict", "fault"), [(Verdict.UNREACHABLE, None), (Verdict.DNS, NameFault.SILENT)], ids=["way", "dns"]
)
def test_where_the_gateway_reaches_nothing_its_own_way_out_is_at_fault(
    verdict: Verdict, fault: NameFault | None
) -> None:
    b = bench(10)
    for pool in b.world.pools:
        pool.fall(verdict, fault)
    assert b.run_to_end().escalation_reason == "gateway_path"
    assert b.actions == []


def test_names_that_are_not_known_are_no_fault_of_the_gateway() -> None:
    b = bench(10)
    for pool in b.world.pools:
        pool.fall(Verdict.DNS, NameFault.UNKNOWN)
    assert b.run_to_end().escalation_reason == "no_healthy_pool"


def test_a_pool_that_is_good_from_here_and_loses_its_miners_is_left() -> None:
    b = bench(20)
    b.world.pools[0].fall(Verdict.GOOD)
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 2), ("rest_1", 17)]
    assert b.incident.attempts[0].at - b.incident.alerted_at >= 120.0


def test_who_earns_at_a_pool_that_others_lose_stays_there() -> None:
    b = bench(60)
    b.world.no_way[:30] = True
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {0: 30, 1: 30}
    assert {target for a in b.actions for target in a.targets} == {m.id for m in b.site.miners[:30]}


def test_who_is_lost_and_not_a_member_yet_is_told_with_the_rest() -> None:
    b = bench(60)
    b.world.back_at[50:] = np.inf
    b.run(16.0)
    b.world.pools[0].fall()
    b.run(900.0, b.state_is("rest_1"))
    assert len(b.incident.members) == 50
    b.world.back_at[50:] = b.now
    b.run(8.0)
    assert b.waves == [("canary_1", 1), ("part_1", 5), ("rest_1", 54)]
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: 60}


def test_a_pool_that_is_good_from_here_with_no_other_is_a_persons_business() -> None:
    b = bench(20, "only")
    b.world.pools[0].fall(Verdict.GOOD)
    assert b.run_to_end().escalation_reason == "pool_good_from_here"
    assert b.actions == []


@pytest.mark.parametrize("waited_s", [1200.0, WAIT_S - 8.0])
def test_the_only_pool_is_back_and_its_miners_have_their_time_before_a_person_is_asked(waited_s: float) -> None:
    """Whether it comes back while it is waited for, or just as the wait is over."""
    b = bench(20, "only")
    b.world.pools[0].fall()
    b.run(600.0, b.state_is("judge"))
    b.run(waited_s)
    b.world.pools[0].rise()
    b.world.cut[:] = True
    b.run(90.0)
    b.world.cut[:] = False
    assert b.run_to_end().outcome is Outcome.SELF_RECOVERED
    assert b.actions == []


def test_a_pool_that_is_lost_again_after_every_round_is_a_persons_at_last() -> None:
    b = bench(20, "primary", "backup")
    for _ in range(RELAPSES + 1):
        b.world.pools[0].fall()
        b.run(1500.0)
        b.world.pools[0].rise()
        b.world.pool[:] = 0
        b.run(600.0)
    (incident,) = b.state.incidents.values()
    assert (incident.relapses, incident.escalation_reason) == (RELAPSES, "keeps_returning")
    assert [a for a in incident.attempts if a.at >= incident.began] == []


def test_one_miner_that_loses_a_good_pool_is_moved_alone() -> None:
    b = bench(20)
    b.world.cut[3] = True
    b.run(600.0, lambda: bool(b.world.taken))
    b.world.cut[3] = False
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("few", 1)]
    assert places(b) == {0: 19, 1: 1}


def test_one_that_is_lost_after_others_were_told_is_told_in_another_round() -> None:
    b = bench(20)
    b.world.no_way[3:6] = True
    b.run(600.0, lambda: bool(b.world.taken))
    b.world.no_way[7] = True
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("few", 3), ("few_2", 1)]
    assert places(b) == {0: 16, 1: 4}


def test_two_that_are_lost_one_after_the_other_are_each_moved_alone() -> None:
    b = bench(20)
    b.world.no_way[3] = True
    b.run(600.0, lambda: bool(b.world.taken))
    b.world.no_way[7] = True
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("few", 1), ("few", 1)]
    assert places(b) == {0: 18, 1: 2}


def test_one_miner_whom_no_pool_helps_is_a_persons_business() -> None:
    b = bench(20)
    b.world.cut[3] = True
    assert b.run_to_end().escalation_reason == "miner_only"
    assert b.waves == [("few", 1)]


def test_a_canary_that_refuses_is_followed_by_another() -> None:
    b = bench(4)
    b.world.refuses = {b.site.miners[0].id}
    b.world.pools[0].fall()
    incident = b.run_to_end()
    assert b.waves[:3] == [("canary_1", 1), ("other_canary_1", 1), ("rest_1", 3)]
    assert incident.escalation_reason == "stragglers"
    assert places(b) == {0: 1, 1: 3}


def test_a_pool_that_does_not_keep_its_promise_costs_two_canaries() -> None:
    b = bench(20)
    b.world.pools[0].fall()
    b.world.pools[1].takes = False
    incident = b.run_to_end()
    assert [state for state, _ in b.waves] == ["canary_1", "other_canary_1", "canary_2", "part_2", "rest_2"]
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {2: 20}
    assert nobody_was_switched_twice(b)


def test_one_share_or_two_prove_nothing() -> None:
    b = bench(20)
    b.world.pools[0].fall()
    b.run(600.0, b.state_is("verify_canary_1"))
    b.run(8.0)
    b.world.pools[1].takes = False
    b.run_to_end()
    assert [state for state, _ in b.waves][:3] == ["canary_1", "other_canary_1", "canary_2"]


def test_two_pools_that_do_not_keep_their_promise_are_enough() -> None:
    b = bench(20)
    for pool in b.world.pools:
        pool.takes = False
    b.world.pools[0].fall()
    assert b.run_to_end().escalation_reason == "switch_failed"
    assert [state for state, _ in b.waves] == ["canary_1", "other_canary_1", "canary_2", "other_canary_2"]


@pytest.mark.parametrize("kind", ["refuses", "deaf"])
def test_one_miner_that_does_not_take_it_does_not_hold_up_the_others(kind: str) -> None:
    b = bench(40)
    setattr(b.world, kind, {b.site.miners[30].id})
    b.world.pools[0].fall()
    incident = b.run_to_end()
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {0: 1, 1: 39}
    assert [state for state, _ in b.waves] == ["canary_1", "part_1", "rest_1", "late_1"]
    assert b.waves[-1] == ("late_1", 1)
    assert nobody_was_switched_twice(b)
    b.run(3600.0, lambda: b.latest.escalated_at is not None)
    assert (b.latest.members, b.latest.escalation_reason) == ((b.site.miners[30].id,), "switch_failed")
    assert b.incident.outcome is Outcome.AUTO_RESOLVED, "what one of them still shows is its own"


def test_one_that_loses_the_pool_within_the_hour_is_no_relapse_of_all() -> None:
    """From `month`: one hung client re-opened an incident of 1,984, and what befell them in four days went unseen."""
    b = bench(40)
    b.world.pools[0].fall()
    b.run_to_end()
    b.run(600.0)
    b.world.cut[3] = True
    b.run(3600.0, lambda: b.latest.escalated_at is not None)
    assert b.latest.members == (b.site.miners[3].id,)
    assert (b.incident.outcome, b.incident.relapses) == (Outcome.AUTO_RESOLVED, 0)


def test_all_that_lose_it_again_within_the_hour_are_one_relapse() -> None:
    b = bench(40, "only")
    b.world.pools[0].fall()
    b.run(900.0)
    b.world.pools[0].rise()
    b.run(900.0)
    assert not b.incident.is_open
    b.world.pools[0].fall()
    b.run(300.0)
    assert len(b.state.incidents) == 1
    assert (b.incident.relapses, len(b.incident.members)) == (1, 40)


def test_one_silent_miner_is_told_when_it_is_back() -> None:
    b = bench(40)
    b.world.pools[0].fall()
    b.run(600.0, b.state_is("part_1"))
    b.world.back_at[30] = b.now + 240.0
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 4), ("rest_1", 34), ("late_1", 1)]
    assert b.actions[-1].targets == (b.site.miners[30].id,)
    assert places(b) == {1: 40}


@pytest.mark.parametrize("state", ["verify_canary_1", "verify_part_1", "proof_1"])
def test_members_that_join_late_are_in_a_later_wave(state: str) -> None:
    b = bench(40)
    b.world.back_at[20:] = np.inf
    b.run(16.0)
    b.world.pools[0].fall()
    b.run(900.0, b.state_is(state))
    assert len(b.incident.members) == 20
    b.world.back_at[20:] = b.now
    incident = b.run_to_end()
    assert len(incident.members) == 40
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: 40}
    assert nobody_was_switched_twice(b)


def test_families_that_begin_anew_are_given_the_time_and_the_canary_is_one_that_does_not() -> None:
    b = bench(30, families=MIXED)
    b.world.pools[0].fall()
    b.run(600.0, b.state_is("verify_canary_1"))
    assert b.site.miner(b.actions[0].miner).family is Family.LUXOS
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 3), ("rest_1", 26)]
    assert places(b) == {1: 30}
    assert nobody_was_switched_twice(b)


def test_stock_miners_are_not_taken_for_failed_while_they_begin_anew() -> None:
    b = bench(20, families=STOCK)
    b.world.pools[0].fall()
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 2), ("rest_1", 17)]


def test_without_a_look_at_the_pools_nothing_is_done() -> None:
    b = bench(10)
    for pool in b.world.pools:
        pool.fall()
        pool.verdict = None
    b.restart()
    b.run(160.0)
    incident = b.run_to_end()
    assert b.actions == []
    assert incident.escalation_reason == "evidence_missing"


def test_an_old_look_says_nothing() -> None:
    b = bench(10)
    b.world.pools[0].fall()
    b.world.pools[0].verdict = b.world.pools[1].verdict = b.world.pools[2].verdict = None
    b.run(120.0)
    assert b.run_to_end().escalation_reason == "evidence_missing"
    assert b.actions == []


@pytest.mark.parametrize("state", ["gather", "judge", "verify_canary_1", "verify_part_1", "verify_rest_1", "proof_1"])
@pytest.mark.parametrize("families", [(Family.LUXOS,), STOCK], ids=["luxos", "stock"])
def test_a_restart_of_the_agent_between_waves_changes_nothing(state: str, families: tuple[Family, ...]) -> None:
    b = bench(40, families=families)
    b.world.pools[0].fall()
    b.run(3600.0, b.state_is(state))
    b.restart()
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert b.waves == [("canary_1", 1), ("part_1", 4), ("rest_1", 35)]
    assert places(b) == {1: 40}
    assert nobody_was_switched_twice(b)


def test_the_next_pool_dying_between_waves_leads_to_the_one_after() -> None:
    b = bench(40)
    b.world.pools[0].fall()
    b.run(600.0, b.state_is("part_1"))
    b.world.pools[1].fall()
    incident = b.run_to_end()
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {2: 40}
    told = Counter(target for action in b.actions for target in action.targets)
    assert max(told.values()) <= 2


def flap(b: PoolBench, times: int) -> None:
    """The primary fails for 200 s of every 400; whoever has it first in its list leaves at once and comes back."""
    for _ in range(times):
        b.world.pools[0].fall()
        b.world.pool[b.world.first == 0] = 1
        b.run(200.0)
        b.world.pools[0].rise()
        b.run(120.0)
        b.world.pool[b.world.first == 0] = 0
        b.run(80.0)


def test_a_pool_that_flaps_is_left_once_and_for_all() -> None:
    b = bench(20)
    flap(b, 12)
    b.run(1200.0)
    assert b.waves == [("stay_first", 2), ("stay_others", 18)]
    assert len(b.state.incidents) == 1
    assert b.incident.outcome is Outcome.AUTO_RESOLVED
    assert places(b) == {1: 20}


def test_a_pool_that_flaps_is_not_left_where_no_other_is_good() -> None:
    b = bench(20, "primary", "backup")
    b.world.pools[1].verdict = Verdict.REFUSED
    flap(b, 6)
    assert b.actions == []


def test_every_target_of_a_group_action_is_a_member_that_is_not_there_yet() -> None:
    b = bench(60)
    b.world.pools[0].fall()
    b.world.pool[::7] = 1
    b.run_to_end()
    there = {m.id for m in b.site.miners[::7]}
    assert not any(there.intersection(action.targets) for action in b.actions)
    members = set(b.incident.members)
    assert all(members.issuperset(action.targets) for action in b.actions)


def test_a_miner_in_no_group_is_a_persons_business() -> None:
    known = pools_site(2, "only")
    b = PoolBench(replace(known, miners=tuple(replace(m, pool_group=None) for m in known.miners), pool_groups=()))
    b.world.pools[0].fall()
    assert b.run_to_end().escalation_reason == "no_pool_group"
    assert b.actions == []


def test_each_intent_is_settled_once() -> None:
    b = bench(40)
    b.world.pools[0].fall()
    b.run_to_end()
    intents = [e.attempt for e in b.events if isinstance(e, Intended)]
    assert intents == [e.attempt for e in b.events if isinstance(e, Settled)]
    assert np.all(b.world.pool == 1)
