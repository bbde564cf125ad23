"""What is done to a hot miner whose polls are lost, that can be set to no less, or that stands still without a pool."""

from collections.abc import Callable

import pytest

from agent.model.action import Verb
from agent.model.incident import Outcome, Phase, Reason
from tests.playbooks.heat_bench import POLL_S, HeatBench

LONG_S = 4 * 3600.0


def one_in(polls: int) -> Callable[[float], bool]:
    """Have one poll in so many be answered, which is too few for anything to be known all the time."""
    return lambda now: int(now / POLL_S) % polls == 0


def shares(bench: HeatBench) -> list[float]:
    """What it was set to, in order."""
    return [action.share or 0.0 for _, action in bench.done if action.verb is Verb.DERATE]


def hot(clog: float, *, slows: bool, floor_k: float = 0.0) -> HeatBench:
    """A miner that stops for its heat, or is slowed down by it."""
    bench = HeatBench()
    bench.clog, bench.slows, bench.floor_k = clog, slows, floor_k
    return bench


@pytest.mark.parametrize(("slows", "proof"), [(False, "proof_1"), (True, "derate_proof")])
def test_a_cool_miner_whose_polls_are_lost_is_a_person_s_after_a_while_and_not_derated_further(
    slows: bool, proof: str
) -> None:
    bench = hot(1.8, slows=slows)
    bench.run(LONG_S, lambda: bench.state == proof)
    bench.heard = one_in(3)
    bench.run(LONG_S, lambda: bench.is_over)
    assert len(shares(bench)) == 1
    assert bench.chip_c < 85.0
    assert bench.incident.escalation_reason == "heat_unproven"


@pytest.mark.parametrize(("slows", "proof"), [(False, "proof_1"), (True, "derate_proof")])
def test_once_it_is_read_again_it_is_proved(slows: bool, proof: str) -> None:
    bench = hot(1.8, slows=slows)
    bench.run(LONG_S, lambda: bench.state == proof)
    bench.heard = one_in(3)
    bench.run(1000.0 if slows else 1300.0)
    bench.heard = one_in(1)
    bench.run(LONG_S, lambda: bench.is_over)
    assert len(shares(bench)) == 1
    assert bench.incident.outcome is Outcome.AUTO_RESOLVED


def test_one_that_was_warm_and_is_not_read_when_it_is_judged_is_derated_only_once_it_shows_that_it_still_is() -> None:
    bench = hot(2.5, slows=False)
    bench.run(LONG_S, lambda: bench.state == "look_2")
    bench.heard = lambda _: False
    bench.clog = 1.0
    bench.run(600.0)
    assert bench.state == "cooler_2"
    bench.heard = one_in(1)
    bench.run(LONG_S, lambda: bench.is_over)
    assert shares(bench) == [0.8, 0.65]


def test_one_that_is_warm_again_after_its_polls_were_lost_is_derated_further() -> None:
    """What is not known leads to nothing; what is known then does."""
    bench = hot(2.5, slows=False)
    bench.run(LONG_S, lambda: bench.state == "look_2")
    bench.heard = lambda _: False
    bench.run(600.0)
    assert shares(bench) == [0.8, 0.65]
    bench.heard = one_in(1)
    bench.run(LONG_S, lambda: bench.is_over)
    assert shares(bench) == [0.8, 0.65, 0.5]
    assert bench.incident.outcome is Outcome.AUTO_RESOLVED


def test_a_miner_that_is_hot_at_the_least_share_is_a_person_s_at_once() -> None:
    """Of three rounds at half its power two changed nothing, and took half an hour."""
    bench = hot(1.2, slows=True, floor_k=56.0)
    bench.run(LONG_S, lambda: bench.is_over)
    assert bench.incident.cause is Reason.OVERHEATED
    assert bench.incident.escalation_reason == "hot_at_any_share"
    assert shares(bench) == [0.5]
    bench.run(3600.0)
    assert shares(bench) == [0.5]


def test_one_that_stays_warm_at_the_least_share_after_a_cut_out_is_a_person_s_at_once() -> None:
    bench = hot(1.01, slows=False, floor_k=46.0)
    bench.run(LONG_S, lambda: bench.is_over)
    assert bench.incident.cause is Reason.OVERTEMP_CUT_OUT
    assert bench.incident.escalation_reason == "hot_at_any_share"
    assert len(set(shares(bench))) == len(shares(bench))
    assert shares(bench)[-1] == 0.5


def test_one_that_stops_at_the_least_share_is_started_once_it_is_cold_and_not_set_to_what_it_is_set_to() -> None:
    """What blocks its intake may pass meanwhile."""
    bench = hot(1.3, slows=False, floor_k=49.0)
    bench.run(LONG_S, lambda: shares(bench)[-1:] == [0.5])
    bench.run(LONG_S, lambda: bench.stands)
    before = len(bench.done)
    bench.run(LONG_S, lambda: bench.state.startswith("cool"))
    bench.clog, bench.floor_k = 1.0, 0.0
    bench.run(LONG_S, lambda: bench.is_over)
    assert bench.verbs[before:] == [Verb.RESTART]
    assert bench.incident.phase is Phase.CLOSED


def test_a_miner_that_stands_still_for_want_of_a_pool_has_not_stopped_for_its_heat() -> None:
    bench = hot(1.8, slows=False)
    bench.run(LONG_S, lambda: bench.state == "proof_1")
    bench.run(350.0)
    bench.pool = False
    bench.run(240.0)
    bench.pool = True
    bench.run(LONG_S, lambda: bench.state not in ("proof_1", "cooler_1"))
    assert shares(bench) == [0.8]
