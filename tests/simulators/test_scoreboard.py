"""The scoreboard on hand-made runs: matching, rates with their intervals, times, and the shape of the JSON."""

import json
from typing import Any

import pytest

from agent.model.action import Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Incident, Outcome, Phase, Reason, Severity
from simulators.matching import MATCH_SLACK_S
from simulators.scoreboard import Duty, RunFacts, percentile, scoreboard, wilson
from simulators.truth import FaultTruth, Harm
from tests.factory import EPOCH

RUN = RunFacts(scenario="hand-made", seed=7, tier="wire", miners=48, site_s=7200.0, epoch_s=EPOCH)


def fault(
    number: int,
    at: float,
    *,
    over_at: float | None = None,
    category: Category = Category.STUCK,
    counts: bool = True,
    fixable: bool = True,
) -> FaultTruth:
    causes = frozenset({Reason.UNRESPONSIVE})
    return FaultTruth("miner.some", category, counts, fixable, causes, (MinerId(f"m{number}"),), at, over_at)


def incident(
    number: int,
    at: float,
    *,
    outcome: Outcome = Outcome.AUTO_RESOLVED,
    took_s: float = 600.0,
    category: Category = Category.STUCK,
    cause: str = "unresponsive",
    severity: Severity = Severity.MEDIUM,
    escalated: bool = False,
    excused_s: float = 0.0,
    relapses: int = 0,
) -> Incident:
    is_open = outcome is Outcome.OPEN
    detected = EPOCH + at
    open_phase = Phase.ESCALATED if escalated else Phase.REMEDIATING
    return Incident(
        id=IncidentId(f"i-{number}-{at:g}"),
        category=category,
        cause=cause,
        severity=severity,
        members=(MinerId(f"m{number}"),),
        evidence={},
        detected_at=detected,
        alerted_at=detected,
        phase=open_phase if is_open else Phase.CLOSED,
        outcome=outcome,
        resolved_at=None if is_open else detected + took_s,
        escalated_at=detected + 300.0 if escalated else None,
        excused_s=excused_s,
        relapses=relapses,
    )


def board(faults: list[FaultTruth], incidents: list[Incident], **more: Any) -> dict[str, Any]:
    return scoreboard(RUN, faults, incidents, harm=more.pop("harm", Harm()), duty=more.pop("duty", Duty()), **more)


def test_the_keys_stand_as_documented() -> None:
    made = board([fault(1, 100.0, over_at=700.0)], [incident(1, 140.0)])
    assert list(made) == [
        *("schema", "scenario", "seed", "tier", "miners", "site_s", "simulated"),
        *("truth", "detection", "remediation", "harm", "duty", "expect", "cost"),
    ]
    assert list(made["truth"])[:3] == ["faults", "fixable", "by_category"]
    assert list(made["truth"]["by_category"]["stuck"]) == ["faults", "fixable"]
    assert list(made["detection"])[:7] == [
        *("recall", "precision", "false_incidents", "false_per_1000_miner_days"),
        *("wrong_category", "wrong_cause", "delay_s"),
    ]
    assert list(made["remediation"])[:7] == [
        *("rate", "rate_fixable", "escalated_right", "escalated_wrong", "open", "by_category", "mttr_s"),
    ]
    assert list(made["remediation"]["by_category"]["stuck"])[:5] == [
        *("counted", "auto_resolved", "rate", "ci95", "target"),
    ]
    for name in ("mttr_s", "mttr_auto_s"):
        assert list(made["remediation"][name])[:5] == ["all", "p50", "p95", "by_severity", "by_category"]
    assert list(made["harm"])[:6] == [
        *("actions_on_healthy", "useless_power_cycles", "outlets_left_off", "budget_breaches"),
        *("actions_during_hold", "miner_minutes_lost"),
    ]
    assert list(made["duty"])[:2] == ["actions", "approvals"]
    assert list(made["cost"]) == ["wall_s", "site_s_per_wall_s", "miner_hours_per_wall_s", "peak_rss_mb"]


def test_where_nothing_happened_there_is_no_figure() -> None:
    made = board([], [])
    assert made["detection"] == {
        "recall": None,
        "precision": None,
        "false_incidents": 0,
        "false_per_1000_miner_days": 0.0,
        "wrong_category": 0,
        "wrong_cause": 0,
        "delay_s": {},
        "false_relapses": 0,
    }
    assert made["remediation"]["rate"] is None
    assert made["remediation"]["rate_fixable"] is None
    assert made["remediation"]["mttr_s"] == {
        "all": None,
        "p50": None,
        "p95": None,
        "by_severity": {},
        "by_category": {},
        "severities_1_3": None,
    }
    assert made["expect"] == {"passed": 0, "failed": []}
    assert set(made["duty"]["actions"]) == {verb.value for verb in Verb}
    json.dumps(made, allow_nan=False)


def test_a_find_is_a_find_and_its_delay_counts_from_the_fault() -> None:
    made = board(
        [fault(k, 100.0 * k, over_at=100.0 * k + 900.0) for k in range(1, 5)],
        [incident(k, 100.0 * k + 40.0 + k) for k in range(1, 4)],
    )
    assert made["detection"]["recall"] == 0.75
    assert made["detection"]["precision"] == 1.0
    assert made["detection"]["delay_s"] == {"stuck": {"p50": 42.0, "p95": 42.9}}
    assert made["remediation"]["rate"] == 1.0
    assert made["remediation"]["rate_fixable"] == 0.75, "what was never seen was not fixed"


@pytest.mark.parametrize(
    ("number", "at", "is_false"),
    [
        (1, 99.0, True),
        (1, 100.0, False),
        (1, 700.0 + MATCH_SLACK_S, False),
        (1, 701.0 + MATCH_SLACK_S, True),
        (2, 150.0, True),
    ],
)
def test_an_incident_belongs_to_a_fault_of_its_miner_and_its_time(number: int, at: float, is_false: bool) -> None:
    made = board([fault(1, 100.0, over_at=700.0)], [incident(number, at)])
    assert made["detection"]["false_incidents"] == is_false
    assert made["detection"]["recall"] == (0.0 if is_false else 1.0)
    assert made["detection"]["precision"] == (0.0 if is_false else 1.0)
    assert made["detection"]["false_per_1000_miner_days"] == (250.0 if is_false else 0.0)


def test_a_fault_that_lasts_goes_on_matching() -> None:
    made = board([fault(1, 100.0, fixable=False)], [incident(1, 7000.0, outcome=Outcome.OPEN, escalated=True)])
    assert made["detection"]["false_incidents"] == 0
    assert made["remediation"]["escalated_right"] == 1


def test_an_incident_in_a_disturbance_is_neither_false_nor_a_find() -> None:
    quiet = fault(1, 100.0, over_at=500.0, category=Category.NETWORK, counts=False, fixable=False)
    made = board([quiet], [incident(1, 160.0, outcome=Outcome.SELF_RECOVERED)])
    assert made["truth"]["faults"] == 0
    assert made["truth"]["disturbances"] == 1
    assert made["detection"]["false_incidents"] == 0
    assert made["detection"]["precision"] is None
    assert made["detection"]["wrong_category"] == 0
    assert made["remediation"]["rate"] is None
    assert made["remediation"]["rate_inclusive"] == 1.0


def test_a_real_fault_comes_before_the_disturbance_around_it() -> None:
    made = board([fault(1, 200.0), fault(1, 100.0, counts=False), fault(1, 210.0, counts=False)], [incident(1, 220.0)])
    assert made["detection"]["recall"] == 1.0
    assert made["detection"]["delay_s"]["stuck"]["p50"] == 20.0


def test_two_faults_of_one_miner_have_an_incident_each() -> None:
    made = board(
        [fault(1, 100.0, over_at=900.0), fault(1, 1000.0, over_at=1800.0)],
        [incident(1, 1040.0), incident(1, 140.0, relapses=1)],
    )
    assert made["detection"]["recall"] == 1.0
    assert made["detection"]["delay_s"]["stuck"] == {"p50": 40.0, "p95": 40.0}


def test_wrong_names_are_counted() -> None:
    made = board(
        [fault(1, 100.0), fault(2, 100.0)],
        [incident(1, 140.0, category=Category.NETWORK), incident(2, 140.0, cause="not_hashing")],
    )
    assert made["detection"]["wrong_category"] == 1
    assert made["detection"]["wrong_cause"] == 1


def test_escalations_are_right_only_where_nothing_remote_helps() -> None:
    made = board(
        [fault(1, 100.0, fixable=False), fault(2, 100.0), fault(3, 100.0, fixable=False)],
        [
            incident(1, 140.0, outcome=Outcome.OPEN, escalated=True),
            incident(2, 140.0, outcome=Outcome.OPEN, escalated=True),
            incident(3, 140.0, outcome=Outcome.OPEN),
            incident(4, 140.0, outcome=Outcome.OPEN, escalated=True),
        ],
    )
    remediation = made["remediation"]
    assert (remediation["escalated_right"], remediation["escalated_wrong"], remediation["open"]) == (1, 2, 1)
    assert remediation["rate"] == 0.0
    assert remediation["rate_fixable"] == 0.0


def test_what_recovered_by_itself_and_what_was_suppressed_do_not_count_as_ours() -> None:
    made = board(
        [fault(k, 100.0, over_at=900.0) for k in range(1, 5)],
        [
            incident(1, 140.0),
            incident(2, 140.0, outcome=Outcome.SELF_RECOVERED),
            incident(3, 140.0, outcome=Outcome.HUMAN_RESOLVED),
            incident(4, 140.0, outcome=Outcome.SUPPRESSED),
        ],
    )
    stuck = made["remediation"]["by_category"]["stuck"]
    assert stuck["counted"] == 3
    assert stuck["self_recovered"] == 1
    assert stuck["rate"] == 0.5
    assert made["remediation"]["rate_inclusive"] == pytest.approx(0.667)
    assert made["remediation"]["rate_fixable"] == pytest.approx(0.333)


def test_the_first_worked_table_of_the_kpi_reference() -> None:
    table = {
        Category.STUCK: (250, 245),
        Category.POOL: (200, 198),
        Category.THERMAL: (150, 142),
        Category.FIRMWARE: (100, 90),
        Category.NETWORK: (150, 127),
        Category.REJECTS: (100, 80),
        Category.OTHER: (50, 20),
    }
    incidents = [
        incident(1, float(k), category=category, outcome=Outcome.AUTO_RESOLVED if k < hits else Outcome.HUMAN_RESOLVED)
        for category, (of, hits) in table.items()
        for k in range(of)
    ]
    remediation = board([], incidents)["remediation"]
    assert remediation["rate"] == 0.902
    assert remediation["ci95"] == [0.882, 0.919]
    assert list(remediation["by_category"]) == [category.value for category in Category]
    assert {c: (row["counted"], row["auto_resolved"]) for c, row in remediation["by_category"].items()} == table
    targets = [row["target"] for row in remediation["by_category"].values()]
    assert targets == [0.98, 0.99, 0.95, 0.9, 0.85, 0.8, 0.4]


def test_the_second_worked_table_of_the_kpi_reference() -> None:
    means = {Severity.CRITICAL: (15, 1080.0), Severity.HIGH: (45, 1920.0)}
    means |= {Severity.MEDIUM: (120, 7920.0), Severity.LOW: (180, 64_800.0)}
    incidents = [
        incident(1, float(k), severity=severity, took_s=took_s + 60.0, excused_s=60.0)
        for severity, (count, took_s) in means.items()
        for k in range(count)
    ]
    remediation = board([], incidents)["remediation"]
    mttr = remediation["mttr_s"]
    assert remediation["mttr_auto_s"] == mttr
    assert mttr["severities_1_3"] == 97.5 * 60.0
    assert mttr["all"] == 588.75 * 60.0
    assert mttr["by_severity"] == {"1": 1080.0, "2": 1920.0, "3": 7920.0, "4": 64_800.0}
    assert mttr["by_category"] == {"stuck": 588.75 * 60.0}
    assert mttr["p95"] == 64_800.0


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(902, 1000, 0.882, 0.919), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (1, 2, 0.095, 0.905)],
)
def test_wilson_intervals(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ((), 0.5, None),
        ((3.0,), 0.95, 3.0),
        ((4.0, 1.0, 3.0, 2.0), 0.5, 2.5),
        (tuple(map(float, range(101))), 0.95, 95.0),
    ],
)
def test_percentiles(values: tuple[float, ...], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def test_harm_duty_expectations_and_cost_pass_through() -> None:
    made = board(
        [],
        [],
        harm=Harm(1, 2, 3, 4, 5, 6.66666, 7, 8, 9, 10, 11.5, 12, 13, 14, 15),
        duty=Duty({Verb.POWER_OFF: 2, Verb.RESTART: 1}, approvals=3, during_hold=4, answered=5),
        expect={"passed": 2, "failed": ["at_end: outlets_off"]},
        cost={"wall_s": 1.23456, "peak_rss_mb": 80.0},
    )
    assert list(made["harm"].values()) == [1, 2, 3, 4, 4, 6.667, 5, 7, 8, 9, 10, 11.5, 12, 13, 14, 15]
    assert made["duty"] == {
        "actions": dict.fromkeys(Verb, 0) | {"restart": 1, "power_off": 2},
        "approvals": 3,
        "answered": 5,
    }
    assert made["expect"] == {"passed": 2, "failed": ["at_end: outlets_off"]}
    assert made["cost"]["wall_s"] == 1.235
    assert made["cost"]["site_s_per_wall_s"] is None


def test_the_order_of_incidents_does_not_matter() -> None:
    faults = [fault(k, 100.0 * k, over_at=100.0 * k + 900.0) for k in range(1, 9)]
    incidents = [incident(k, 100.0 * k + 41.7) for k in range(1, 9)]
    assert json.dumps(board(faults, incidents)) == json.dumps(board(faults, incidents[::-1]))
