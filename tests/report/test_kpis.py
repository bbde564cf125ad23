"""The KPIs: both worked tables of the reference, the rules for what counts, and what must hold for any incidents."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.incident import Category, Incident, Outcome, Phase, Severity
from agent.report.kpis import CATEGORY_TARGET, SEVERITY_TARGET, OpenIncident, kpis
from tests.report.examples import ANY_INCIDENT, ENDED, NOW, T0, incident

MIN = 60.0
RESOLVED_OF = {
    Category.STUCK: (250, 245),
    Category.POOL: (200, 198),
    Category.THERMAL: (150, 142),
    Category.FIRMWARE: (100, 90),
    Category.NETWORK: (150, 127),
    Category.REJECTS: (100, 80),
    Category.OTHER: (50, 20),
}


def test_worked_table_of_categories() -> None:
    incidents = [
        incident(Outcome.AUTO_RESOLVED if n < resolved else Outcome.HUMAN_RESOLVED, category=category)
        for category, (detected, resolved) in RESOLVED_OF.items()
        for n in range(detected)
    ]
    report = kpis(incidents, now=NOW)

    assert (report.fleet.rate.hits, report.fleet.rate.of) == (902, 1000)
    assert report.fleet.rate.value == pytest.approx(0.902)
    assert report.fleet.rate.ci95 == pytest.approx((0.882, 0.919), abs=5e-4)
    assert list(report.by_category) == list(Category)
    for category, (detected, resolved) in RESOLVED_OF.items():
        rate = report.by_category[category].rate
        assert (rate.hits, rate.of) == (resolved, detected)
    assert sum(f.rate.hits for f in report.by_category.values()) == 902


def test_worked_table_of_severities() -> None:
    table = {
        Severity.CRITICAL: (15, 18 * MIN),
        Severity.HIGH: (45, 32 * MIN),
        Severity.MEDIUM: (120, 132 * MIN),
        Severity.LOW: (180, 18 * 60 * MIN),
    }
    incidents = [
        # Around the mean, not on it: half faster, half slower, the odd one in the middle.
        incident(severity=severity, took_s=mean_s + (n - (count - 1) / 2))
        for severity, (count, mean_s) in table.items()
        for n in range(count)
    ]
    report = kpis(incidents, now=NOW)

    assert report.fleet.mttr.mean_s == pytest.approx(588.75 * MIN)
    assert report.fleet.mttr_severities == tuple(Severity)
    assert report.urgent.mttr.mean_s == pytest.approx(28.5 * MIN)
    assert report.urgent.mttr_severities == (Severity.CRITICAL, Severity.HIGH)
    assert {s: f.mttr.mean_s for s, f in report.by_severity.items()} == pytest.approx(
        {severity: mean_s for severity, (_, mean_s) in table.items()}
    )


def test_self_recovered_leave_the_rate_and_join_both_sides_of_the_inclusive_one() -> None:
    outcomes = [Outcome.AUTO_RESOLVED] * 6 + [Outcome.SELF_RECOVERED] * 2 + [Outcome.ASSISTED, Outcome.HUMAN_RESOLVED]
    report = kpis([incident(outcome) for outcome in outcomes], now=NOW)
    assert (report.fleet.rate.hits, report.fleet.rate.of) == (6, 8)
    assert (report.fleet.rate_inclusive.hits, report.fleet.rate_inclusive.of) == (8, 10)
    assert report.fleet.auto_resolved == 6


def test_what_is_open_counts_as_not_resolved_and_is_shown_with_its_age() -> None:
    young = incident(Outcome.OPEN, detected_at=NOW - 60.0, number=2)
    old = incident(Outcome.OPEN, detected_at=NOW - 3600.0, number=1, severity=Severity.HIGH)
    report = kpis([young, incident(), old], now=NOW)
    assert (report.fleet.rate.hits, report.fleet.rate.of) == (1, 3)
    assert report.fleet.mttr.count == 1
    assert report.open == (
        OpenIncident(old.id, Category.STUCK, Severity.HIGH, Phase.ESCALATED, 3600.0),
        OpenIncident(young.id, Category.STUCK, Severity.MEDIUM, Phase.ESCALATED, 60.0),
    )
    assert report.fleet.mttr_severities == (Severity.MEDIUM,), "the open one of severity 2 has no time to resolve"


def test_excused_time_is_subtracted_from_the_time_to_resolve_alone() -> None:
    report = kpis([incident(took_s=900.0, excused_s=300.0, started_s=30.0, mitigated_s=800.0)], now=NOW)
    assert report.fleet.mttr.mean_s == 600.0
    assert report.fleet.first_response.mean_s == 30.0
    assert report.fleet.mitigation.mean_s == 800.0


def test_only_incidents_detected_since_are_chosen() -> None:
    before, at, after = (incident(detected_at=T0 + offset) for offset in (-1.0, 0.0, 1.0))
    assert kpis([before, at, after], now=NOW, since=T0).fleet.counted == 2
    assert kpis([before, at, after], now=NOW).fleet.counted == 3


def test_nothing_happened() -> None:
    report = kpis([], now=NOW)
    assert (report.fleet.counted, report.fleet.rate.value, report.fleet.mttr.mean_s) == (0, None, None)
    assert (dict(report.by_category), dict(report.by_severity), report.open) == ({}, {}, ())


def test_every_category_and_severity_has_a_target() -> None:
    assert set(CATEGORY_TARGET) == set(Category)
    assert set(SEVERITY_TARGET) == set(Severity)


@given(st.lists(ANY_INCIDENT, max_size=40))
def test_suppressed_incidents_change_nothing_but_their_number(incidents: list[Incident]) -> None:
    report = kpis(incidents, now=NOW)
    without = kpis([i for i in incidents if i.outcome is not Outcome.SUPPRESSED], now=NOW)
    assert report.fleet.rate == without.fleet.rate
    assert report.fleet.mttr == without.fleet.mttr
    assert report.open == without.open
    assert report.fleet.suppressed + report.fleet.counted == len(incidents)


@given(st.lists(ANY_INCIDENT, max_size=40))
def test_parts_add_up_to_the_whole(incidents: list[Incident]) -> None:
    report = kpis(incidents, now=NOW)
    for parts in (report.by_category, report.by_severity):
        assert sum(f.counted for f in parts.values()) == report.fleet.counted
        assert sum(f.rate.hits for f in parts.values()) == report.fleet.rate.hits
        assert sum(f.rate.of for f in parts.values()) == report.fleet.rate.of
        assert sum(f.mttr.count for f in parts.values()) == report.fleet.mttr.count
        if report.fleet.mttr.mean_s is not None:
            weighted = fsum(f.mttr.count * (f.mttr.mean_s or 0.0) for f in parts.values())
            assert weighted / report.fleet.mttr.count == pytest.approx(report.fleet.mttr.mean_s, abs=1e-6)
    assert sum(report.fleet.outcomes.values()) == report.fleet.counted
    assert len(report.open) == report.fleet.outcomes[Outcome.OPEN]


@given(st.lists(ANY_INCIDENT, min_size=1, max_size=40), st.randoms())
def test_the_order_of_incidents_does_not_matter(incidents: list[Incident], random: st.randoms) -> None:  # type: ignore[valid-type]
    shuffled = list(incidents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = kpis(incidents, now=NOW), kpis(shuffled, now=NOW)
    assert (one.fleet, one.by_category, one.by_severity) == (other.fleet, other.by_category, other.by_severity)


@given(st.lists(ANY_INCIDENT, max_size=20), st.sampled_from(ENDED))
def test_one_more_resolved_by_the_agent_never_lowers_the_rate(incidents: list[Incident], other: Outcome) -> None:
    better = kpis([*incidents, incident()], now=NOW).fleet
    worse = kpis([*incidents, incident(other)], now=NOW).fleet
    assert better.rate.value is not None
    assert better.rate.value >= (worse.rate.value or 0.0)
    assert (better.rate_inclusive.value or 0.0) >= (worse.rate_inclusive.value or 0.0)
