"""Which incident belongs to which fault, rule by rule, on hand-made cases."""

from dataclasses import dataclass, replace

import pytest

from agent.ledger.fold import State
from agent.model.events import Actor, AnyEvent, Closed, Escalated, IncidentOpened, IncidentRelapsed, Record
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Evidence, Incident, Outcome, Phase, Reason, Severity, Spell
from simulators.matching import MATCH_SLACK_S, Matches, match
from simulators.scoreboard import Duty, RunFacts, scoreboard
from simulators.truth import FaultTruth, Harm
from tests.factory import EPOCH

RUN = RunFacts(scenario="hand-made", seed=7, tier="wire", miners=48, site_s=7200.0, epoch_s=EPOCH)


def fault(
    at: float,
    over_at: float | None = None,
    *,
    miners: str = "m1",
    category: Category = Category.STUCK,
    counts: bool = True,
    fixable: bool = True,
    cause: Reason = Reason.UNRESPONSIVE,
) -> FaultTruth:
    names = tuple(MinerId(name) for name in miners.split())
    return FaultTruth("some.kind", category, counts, fixable, frozenset({cause}), names, at, over_at)


@dataclass(frozen=True)
class S:
    """One spell in site seconds: from its detection until it was taken for solved, None for still open."""

    at: float
    until: float | None = None
    cause: Reason = Reason.UNRESPONSIVE
    asked_at: float | None = None
    outcome: Outcome = Outcome.AUTO_RESOLVED

    def spell(self) -> Spell:
        outcome = Outcome.OPEN if self.until is None else self.outcome
        until = None if self.until is None else EPOCH + self.until
        return Spell(
            EPOCH + self.at, self.cause, outcome, until, None if self.asked_at is None else EPOCH + self.asked_at
        )


def incident(*spells: S, miners: str = "m1", category: Category = Category.STUCK) -> Incident:
    *earlier, last = (s.spell() for s in spells)
    return Incident(
        id=IncidentId(f"i-{miners}-{category}-{spells[0].at:g}"),
        category=category,
        cause=last.cause,
        severity=Severity.MEDIUM,
        members=tuple(MinerId(name) for name in miners.split()),
        evidence={},
        detected_at=EPOCH + spells[0].at,
        alerted_at=EPOCH + spells[0].at,
        phase=Phase.REMEDIATING if last.resolved_at is None else Phase.CLOSED,
        outcome=last.outcome,
        resolved_at=last.resolved_at,
        escalated_at=max((s.escalated_at for s in (*earlier, last) if s.escalated_at is not None), default=None),
        relapses=len(earlier),
        earlier=tuple(earlier),
        relapsed_at=last.detected_at if earlier else None,
    )


def matched(faults: list[FaultTruth], *incidents: Incident) -> Matches:
    return match(faults, incidents, EPOCH)


def found(faults: list[FaultTruth], *incidents: Incident) -> dict[int, tuple[list[float], float | None]]:
    """For each fault found: detection of its own spells, and of the spell that carries it."""
    return {
        place: (
            [seen.spell.detected_at - EPOCH for seen in find.own],
            None if find.carried_by is None else find.carried_by.spell.detected_at - EPOCH,
        )
        for place, find in matched(faults, *incidents).finds.items()
    }


def detection(faults: list[FaultTruth], *incidents: Incident) -> dict[str, object]:
    board = scoreboard(RUN, faults, incidents, harm=Harm(), duty=Duty())
    found: dict[str, object] = board["detection"] | board["remediation"]
    return found


# -- rule 1: what fits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "fits"),
    [
        (99.999, False),
        (100.0, True),
        (700.0, True),
        (700.0 + MATCH_SLACK_S, True),
        (700.001 + MATCH_SLACK_S, False),
    ],
)
def test_a_spell_fits_from_the_beginning_to_the_edge_of_the_slack(at: float, fits: bool) -> None:
    assert found([fault(100.0, 700.0)], incident(S(at, at + 600.0))) == ({0: ([at], None)} if fits else {})


def test_a_fault_that_lasts_fits_for_ever_and_another_miner_never() -> None:
    assert found([fault(100.0)], incident(S(90_000.0))) == {0: ([90_000.0], None)}
    assert found([fault(100.0)], incident(S(140.0), miners="m2")) == {}


def test_one_member_in_common_is_enough() -> None:
    pool = fault(100.0, 900.0, miners="m1 m2 m3", category=Category.POOL)
    assert found([pool], incident(S(160.0, 900.0), miners="m3 m9", category=Category.POOL)) == {0: ([160.0], None)}


def test_a_pool_that_is_still_down_fits_what_is_said_is_shareds_though_its_miners_are_well() -> None:
    down = replace(fault(100.0, 103.0, miners="m1 m2", category=Category.POOL), lingers=True, gone_at=1300.0)
    assert found([down], incident(S(900.0), miners="m1 m2", category=Category.POOL)) == {0: ([900.0], None)}
    assert found([down], incident(S(1301.0 + MATCH_SLACK_S), miners="m1", category=Category.POOL)) == {}
    assert found([down], incident(S(900.0), miners="m1")) == {}, "a stuck miner is none of a pool's doing"
    assert found([replace(down, gone_at=None)], incident(S(9e6), miners="m1", category=Category.POOL)) != {}


# -- rule 2: whom it belongs to ----------------------------------------------------------------------------------------


def test_the_second_fault_of_a_miner_is_found_by_the_relapse_and_its_delay_counts_to_that() -> None:
    faults = [fault(100.0, 700.0), fault(1500.0, 2100.0)]
    both = incident(S(140.0, 1000.0), S(1560.0, 2400.0))
    assert found(faults, both) == {0: ([140.0], None), 1: ([1560.0], None)}
    told = detection(faults, both)
    assert (told["recall"], told["precision"], told["false_relapses"]) == (1.0, 1.0, 0)
    assert told["delay_s"] == {"stuck": {"p50": 50.0, "p95": 59.0}}
    assert told["rate_fixable"] == 1.0


def test_an_agent_that_gave_up_too_early_is_judged_by_the_relapse() -> None:
    told = detection([fault(100.0)], incident(S(140.0, 400.0), S(420.0)))
    assert (told["recall"], told["false_relapses"], told["rate_fixable"]) == (1.0, 0, 0.0)
    assert told["delay_s"] == {"stuck": {"p50": 40.0, "p95": 40.0}}


def test_each_of_two_faults_is_judged_by_its_own_end() -> None:
    faults = [fault(100.0, 700.0), fault(1500.0, fixable=False)]
    told = detection(faults, incident(S(140.0, 1000.0), S(1560.0, asked_at=3000.0)))
    assert told["rate_fixable"] == 1.0
    assert (told["escalated_right"], told["escalated_wrong"]) == (1, 0)


def test_an_escalation_belongs_to_the_spell_it_was_made_in() -> None:
    faults = [fault(100.0, 2000.0, fixable=False), fault(3000.0, 3600.0)]
    asked_first = incident(S(140.0, 2300.0, asked_at=500.0, outcome=Outcome.HUMAN_RESOLVED), S(3050.0, 3900.0))
    told = detection(faults, asked_first)
    assert (told["escalated_right"], told["escalated_wrong"]) == (1, 0)
    swapped = [fault(100.0, 2000.0), fault(3000.0, 3600.0, fixable=False)]
    told = detection(swapped, asked_first)
    assert (told["escalated_right"], told["escalated_wrong"]) == (0, 1)


def test_the_cause_is_that_of_the_spell_not_of_the_last_one() -> None:
    faults = [fault(100.0, 700.0), fault(1500.0, 2100.0, cause=Reason.NOT_HASHING)]
    right = incident(S(140.0, 1000.0), S(1560.0, 2400.0, cause=Reason.NOT_HASHING))
    wrong = incident(S(140.0, 1000.0, cause=Reason.NOT_HASHING), S(1560.0, 2400.0))
    assert detection(faults, right)["wrong_cause"] == 0
    assert detection(faults, wrong)["wrong_cause"] == 2


def test_a_fault_that_counts_comes_before_the_disturbance_around_it() -> None:
    around = fault(100.0, 3000.0, counts=False, category=Category.NETWORK, fixable=False)
    assert found([around, fault(200.0, 900.0), around], incident(S(240.0, 1200.0))) == {1: ([240.0], None)}


def test_of_two_at_once_each_is_found_by_the_incident_of_its_category() -> None:
    faults = [
        fault(100.0, 900.0, miners="m1 m2 m3", category=Category.POOL),
        fault(120.0, 1500.0, miners="m3"),
    ]
    pool = incident(S(200.0, 1200.0), miners="m1 m2 m3", category=Category.POOL)
    stuck = incident(S(210.0, 1800.0), miners="m3")
    assert found(faults, pool, stuck) == {0: ([200.0], None), 1: ([210.0], None)}
    assert detection(faults, pool, stuck)["wrong_category"] == 0


def test_of_two_of_one_category_the_later_one_has_the_incident() -> None:
    faults = [fault(100.0, 400.0), fault(500.0, 1200.0)]
    assert found(faults, incident(S(540.0, 1500.0)))[1] == ([540.0], None)


# -- rule 3: what is carried -------------------------------------------------------------------------------------------


def test_a_miner_that_breaks_again_under_the_clear_window_is_carried() -> None:
    faults = [fault(100.0, 700.0), fault(800.0, 1600.0)]
    one = incident(S(140.0, 1900.0))
    assert found(faults, one) == {0: ([140.0], None), 1: ([], 140.0)}
    told = detection(faults, one)
    assert (told["recall"], told["precision"], told["wrong_cause"]) == (1.0, 1.0, 0)
    assert told["delay_s"] == {"stuck": {"p50": 40.0, "p95": 40.0}}, "nothing was detected anew"
    assert told["rate_fixable"] == 1.0


def test_it_is_not_carried_by_what_was_taken_for_solved_before_it_was_over() -> None:
    faults = [fault(100.0, 700.0), fault(990.0, 1600.0)]
    closed = incident(S(140.0, 1000.0))
    assert found(faults, closed) == {0: ([140.0], None)}
    assert detection(faults, closed)["recall"] == 0.5
    relapsed = incident(S(140.0, 1000.0), S(1050.0, 1900.0))
    assert found(faults, relapsed) == {0: ([140.0], None), 1: ([1050.0], None)}


def test_a_fault_that_lasts_is_carried_only_by_what_stays_open() -> None:
    faults = [fault(100.0, 700.0), fault(800.0, fixable=False)]
    asked = incident(S(140.0, asked_at=4000.0))
    assert found(faults, asked) == {0: ([140.0], None), 1: ([], 140.0)}
    told = detection(faults, asked)
    assert (told["escalated_right"], told["escalated_wrong"]) == (1, 0), "one of the two is hopeless"
    assert found(faults, incident(S(140.0, 9000.0))) == {0: ([140.0], None)}


@pytest.mark.parametrize(
    ("miners", "began_at", "kind", "found"),
    [
        ("m3 m4", 0.0, "some.kind", True),
        ("m3 m4", 70.0, "some.kind", False),
        ("m3 m9", 0.0, "some.kind", False),
        ("m2 m3", 0.0, "some.kind", False),
        ("m3 m4", 0.0, "some.other_kind", False),
    ],
)
def test_one_incident_tells_of_all_places_at_which_the_same_happened_whenever_it_ends(
    miners: str, began_at: float, kind: str, found: bool
) -> None:
    """It was found by no incident where its miners took longer to be well than it took to be answered."""
    here = fault(0.0, 500.0, miners="m1 m2")
    there = replace(fault(began_at, 620.0, miners=miners), kind=kind)
    asked = incident(S(60.0, 510.0), miners="m1 m2 m3 m4")
    assert set(match([there, here], [asked], EPOCH).finds) == ({0, 1} if found else {1})


def test_a_fault_that_passed_before_it_was_seen_is_carried_by_the_next_ones_incident() -> None:
    faults = [fault(100.0, 160.0), fault(165.0, 900.0)]
    assert found(faults, incident(S(210.0, 1200.0))) == {0: ([], 210.0), 1: ([210.0], None)}
    late = incident(S(161.0 + MATCH_SLACK_S, 1200.0))
    assert found(faults, late) == {1: ([161.0 + MATCH_SLACK_S], None)}


def test_an_incident_of_a_whole_pool_does_not_hide_that_a_miner_was_never_looked_at() -> None:
    faults = [fault(100.0, 3000.0, miners="m1 m2 m3", category=Category.POOL), fault(300.0, 2000.0, miners="m3")]
    pool = incident(S(200.0, 3300.0), miners="m1 m2 m3", category=Category.POOL)
    assert found(faults, pool) == {0: ([200.0], None)}
    own = incident(S(200.0, 3300.0), miners="m3", category=Category.NETWORK)
    assert found(faults, own) == {0: ([200.0], None), 1: ([], 200.0)}, (
        "the miner's own incident goes on, whatever its name"
    )


def test_a_disturbance_is_never_carried_and_carries_nothing() -> None:
    quiet = fault(100.0, 3000.0, counts=False, category=Category.NETWORK, fixable=False)
    seen = incident(S(160.0, 2000.0), category=Category.NETWORK)
    assert found([quiet], seen) == {}
    hidden = [quiet, fault(400.0, 1500.0)]
    assert found(hidden, seen) == {1: ([], 160.0)}, "its miner was being looked after all along"
    told = detection(hidden, seen)
    assert (told["recall"], told["precision"], told["false_incidents"]) == (1.0, 1.0, 0)
    passing = [fault(100.0, 1500.0), fault(400.0, 600.0, counts=False, fixable=False)]
    assert found(passing, incident(S(160.0, 1800.0))) == {0: ([160.0], None)}


# -- rules 4 and 5: found, true and false ------------------------------------------------------------------------------


def test_an_incident_is_false_once_however_often_it_relapses() -> None:
    told = detection([], incident(S(100.0, 400.0), S(500.0, 900.0), S(1000.0)))
    assert (told["false_incidents"], told["false_relapses"], told["precision"]) == (1, 2, 0.0)


def test_a_relapse_that_nothing_explains_is_told_though_its_incident_is_true() -> None:
    told = detection([fault(100.0, 700.0)], incident(S(140.0, 1000.0), S(1000.001, 1400.0)))
    assert (told["false_incidents"], told["false_relapses"], told["precision"]) == (0, 1, 1.0)


def test_an_incident_that_was_false_becomes_true_with_a_relapse_that_is() -> None:
    told = detection([fault(1000.0, 1700.0)], incident(S(100.0, 400.0), S(1040.0, 2000.0)))
    assert (told["false_incidents"], told["false_relapses"], told["precision"], told["recall"]) == (0, 0, 1.0, 1.0)


def test_disturbances_alone_make_an_incident_neither_true_nor_false() -> None:
    quiet = [fault(at, at + 300.0, counts=False, fixable=False) for at in (100.0, 1000.0)]
    told = detection(quiet, incident(S(140.0, 500.0, outcome=Outcome.SELF_RECOVERED), S(1040.0, 1500.0)))
    assert (told["false_incidents"], told["false_relapses"], told["precision"], told["recall"]) == (0, 0, None, None)


def test_what_recovered_by_itself_is_found_and_not_counted_as_fixed() -> None:
    faults = [fault(100.0, 300.0), fault(2000.0, 2600.0, miners="m2")]
    told = detection(
        faults,
        incident(S(160.0, 600.0, outcome=Outcome.SELF_RECOVERED)),
        incident(S(2040.0, 2900.0), miners="m2"),
    )
    assert (told["recall"], told["rate_fixable"], told["rate"]) == (1.0, 1.0, 1.0)


def test_many_faults_of_many_miners_are_told_apart_in_any_order() -> None:
    faults = [fault(100.0 * k, 100.0 * k + 600.0, miners=f"m{k % 40}") for k in range(1, 400)]
    ones = [incident(S(100.0 * k + 45.0, 100.0 * k + 900.0), miners=f"m{k % 40}") for k in range(1, 400)]
    assert found(faults, *ones) == found(faults, *ones[::-1])
    assert set(found(faults, *ones)) == set(range(399))


def test_spells_are_told_from_the_ledger_s_own_fields() -> None:
    one = incident(S(100.0, 400.0, asked_at=300.0), S(500.0))
    assert [s.detected_at - EPOCH for s in one.spells] == [100.0, 500.0]
    assert [s.escalated_at for s in one.spells] == [EPOCH + 300.0, None], "the first one's call is not the second one's"
    assert [s.outcome for s in one.spells] == [Outcome.AUTO_RESOLVED, Outcome.OPEN]
    assert replace(one, earlier=(), relapsed_at=None).spells[0].detected_at == EPOCH + 100.0


def test_the_fold_keeps_what_a_relapse_puts_an_end_to() -> None:
    state = State()
    name = IncidentId("i-1")
    none: Evidence = {}
    told: list[tuple[float, AnyEvent]] = [
        (
            140.0,
            IncidentOpened(
                incident=name,
                category=Category.STUCK,
                cause=Reason.NOT_HASHING,
                severity=Severity.MEDIUM,
                members=(MinerId("m1"),),
                detected_at=138.0,
                evidence=none,
            ),
        ),
        (300.0, Escalated(incident=name, reason="no way", tried=(), evidence=none)),
        (700.0, Closed(incident=name, outcome=Outcome.HUMAN_RESOLVED)),
        (900.0, IncidentRelapsed(incident=name, cause=Reason.UNRESPONSIVE, detected_at=899.0, evidence=none)),
        (1500.0, Closed(incident=name, outcome=Outcome.AUTO_RESOLVED)),
        (1700.0, IncidentRelapsed(incident=name, cause=Reason.NOT_HASHING, detected_at=1699.0, evidence=none)),
    ]
    for seq, (at, event) in enumerate(told, 1):
        state.apply(Record(seq, at, Actor.AGENT, event, "", ""))
    assert state.incidents[name].spells == (
        Spell(138.0, Reason.NOT_HASHING, Outcome.HUMAN_RESOLVED, 700.0, 300.0),
        Spell(899.0, Reason.UNRESPONSIVE, Outcome.AUTO_RESOLVED, 1500.0, None),
        Spell(1699.0, Reason.NOT_HASHING, Outcome.OPEN, None, None),
    )
    assert (state.incidents[name].detected_at, state.incidents[name].relapses) == (138.0, 2)
