"""Miners whose pool client hangs: where it is moved to, when it is restarted for want of another pool, and when not."""

import pytest

from agent.model.action import Verb
from agent.model.events import HoldChanged
from agent.model.incident import Outcome, Phase
from tests.playbooks.pool_bench import PoolBench, pools_site


def bench(miners: int, *names: str) -> PoolBench:
    return PoolBench(pools_site(miners, *names))


def hangs(b: PoolBench, row: int) -> None:
    """Its pool client hangs: no share of its comes back until it is restarted."""

    def anew(restarted: int) -> None:
        b.world.cut[restarted] = False

    b.world.cut[row] = True
    b.world.on_restart = anew


@pytest.mark.parametrize("names", [("only",), ("primary", "backup")], ids=["no other pool", "the other is gone"])
def test_one_miner_with_nowhere_to_go_is_restarted_once(names: tuple[str, ...]) -> None:
    b = bench(20, *names)
    for pool in b.world.pools[1:]:
        pool.fall()
    hangs(b, 3)
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    assert [(action.verb, action.targets) for action in b.actions] == [(Verb.RESTART, (b.site.miners[3].id,))]
    assert b.incident.attempts[0].at - b.incident.alerted_at >= 240.0, "it had the time to come back by itself"


def test_one_miner_whom_a_restart_does_not_help_is_a_persons_business() -> None:
    b = bench(20, "only")
    b.world.cut[3] = True
    assert b.run_to_end().escalation_reason == "miner_only"
    assert [action.verb for action in b.actions] == [Verb.RESTART]


def test_one_that_hangs_again_within_the_hour_is_a_persons_business() -> None:
    b = bench(20, "only")
    hangs(b, 3)
    assert b.run_to_end().outcome is Outcome.AUTO_RESOLVED
    hangs(b, 3)
    b.run(3600.0, lambda: b.latest.escalated_at is not None)
    assert (b.incident.relapses, b.incident.escalation_reason) == (1, "miner_only")
    assert [action.verb for action in b.actions] == [Verb.RESTART]


def test_one_that_comes_back_while_its_restart_is_put_off_is_not_restarted() -> None:
    b = bench(20, "only")
    hangs(b, 3)
    b.run(600.0, b.state_is("again"))
    b.commit([HoldChanged(why="people at work")])
    b.run(300.0)
    assert b.state_is("restart")()
    b.world.cut[3] = False
    b.run(60.0)
    b.commit([HoldChanged(why=None)])
    assert b.run_to_end().outcome is Outcome.SELF_RECOVERED
    assert b.actions == []


@pytest.mark.parametrize(("miners", "cut"), [(1, (0,)), (2, (0, 1)), (3, (0, 1)), (8, (1, 3, 5))])
def test_nobody_is_restarted_for_what_others_suffer_too_or_cannot_tell(miners: int, cut: tuple[int, ...]) -> None:
    b = bench(miners, "only")
    for row in cut:
        hangs(b, row)
    b.run(3600.0)
    assert all(incident.escalated_at is not None for incident in b.state.open_incidents)
    assert b.actions == []


def test_one_that_hangs_again_where_it_was_moved_to_is_moved_on() -> None:
    b = bench(40)
    for place in (1, 0, 1):
        b.world.cut[3] = True
        told = len(b.world.taken) + 1
        b.run(1200.0, lambda told=told: len(b.world.taken) == told)
        b.world.cut[3] = False
        assert b.world.pool[3] == place
        b.run(1200.0, lambda: b.incident.phase is Phase.CLOSED)
    assert (b.incident.relapses, b.incident.outcome) == (2, Outcome.AUTO_RESOLVED)


def test_one_that_hangs_again_while_no_other_pool_is_good_is_told_the_same_one() -> None:
    b = bench(20, "primary", "backup")
    b.world.cut[3] = True
    b.run(600.0, lambda: bool(b.world.taken))
    b.world.cut[3] = False
    b.run_to_end()
    b.world.pools[0].fall()
    b.world.cut[3] = True
    b.run(1200.0, lambda: len(b.world.taken) > 1)
    assert {pool for _, pool in b.world.taken} == {"backup"}
