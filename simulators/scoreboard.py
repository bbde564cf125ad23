"""How well the agent did, as one dictionary: its incidents held against the ground truth. Pure; measures nothing.

Matching. An incident belongs to a fault if they share a miner and it was detected between the fault's beginning and its
end plus MATCH_SLACK_S. Where several fit, faults that count come before disturbances, then the latest. The first
incident of a fault is the one it is judged by; a relapse re-opens that same incident and so belongs to it. Incidents
that belong to nothing are false; one that belongs to a disturbance alone is neither false nor a find. Suppressed
incidents are left out.

Definitions of rates, times and targets are those of the KPI reference: a rate is auto_resolved over counted minus
self-recovered, with its Wilson interval; resolution times are taken over every counted incident that was resolved.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.model.action import Verb
from agent.model.incident import Category, Incident, Outcome
from simulators.truth import FaultTruth, Harm

SCHEMA = 1
MATCH_SLACK_S = 300.0
Z_95 = 1.959963984540054
DECIMALS = 3

TARGETS: Mapping[Category, float] = {
    Category.STUCK: 0.98,
    Category.POOL: 0.99,
    Category.THERMAL: 0.95,
    Category.FIRMWARE: 0.90,
    Category.NETWORK: 0.85,
    Category.REJECTS: 0.80,
    Category.OTHER: 0.40,
}
"""Automated resolution rate wanted of each category; KPI reference."""

COST_KEYS = ("wall_s", "site_s_per_wall_s", "miner_hours_per_wall_s", "peak_rss_mb")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What run it was.

    Attributes:
        site_s: how long it lasted in site seconds.
        epoch_s: UTC s of site time 0; incidents carry UTC.
    """

    scenario: str
    seed: int
    tier: str
    miners: int
    site_s: float
    epoch_s: float


@dataclass(frozen=True, slots=True)
class Duty:
    """What the agent did, counted from its ledger.

    Attributes:
        actions: intents by verb.
        approvals: how often a person was asked.
        during_hold: actions that reached the plant while the agent should have held.
    """

    actions: Mapping[Verb, int] = field(default_factory=dict)
    approvals: int = 0
    during_hold: int = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """Which incident belongs to which fault.

    Attributes:
        of: for each incident, in order of detection, its fault or None.
        first: for each fault by its place in the truth, the incident it is judged by.
    """

    of: tuple[tuple[Incident, FaultTruth | None], ...]
    first: Mapping[int, Incident]


def scoreboard(
    run: RunFacts,
    faults: Sequence[FaultTruth],
    incidents: Iterable[Incident],
    *,
    harm: Harm,
    duty: Duty,
    expect: Mapping[str, Any] | None = None,
    cost: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """Return the scoreboard, keys in their documented order, floats rounded so that equal runs give equal bytes.

    `cost` is measured by the caller; its keys are COST_KEYS.
    """
    counted = sorted((i for i in incidents if i.outcome is not Outcome.SUPPRESSED), key=lambda i: (i.detected_at, i.id))
    matches = match(run, faults, counted)
    board = {
        "schema": SCHEMA,
        "scenario": run.scenario,
        "seed": run.seed,
        "tier": run.tier,
        "miners": run.miners,
        "site_s": run.site_s,
        "simulated": True,
        "truth": _truth(faults),
        "detection": _detection(run, faults, matches),
        "remediation": _remediation(faults, counted, matches),
        "harm": {
            "actions_on_healthy": harm.actions_on_healthy,
            "useless_power_cycles": harm.useless_power_cycles,
            "outlets_left_off": harm.outlets_left_off,
            "budget_breaches": harm.budget_breaches,
            "actions_during_hold": duty.during_hold,
            "miner_minutes_lost": harm.miner_minutes_lost,
            "breaker_trips": harm.breaker_trips,
        },
        "duty": {"actions": {verb.value: duty.actions.get(verb, 0) for verb in Verb}, "approvals": duty.approvals},
        "expect": dict(expect) if expect is not None else {"passed": 0, "failed": []},
        "cost": {key: (cost or {}).get(key) for key in COST_KEYS},
    }
    rounded: dict[str, Any] = _rounded(board)
    return rounded


def match(run: RunFacts, faults: Sequence[FaultTruth], incidents: Sequence[Incident]) -> Matches:
    """Decide which incident belongs to which fault, by the rule of this module's docstring."""
    first: dict[int, Incident] = {}
    of: list[tuple[Incident, FaultTruth | None]] = []
    for incident in incidents:
        at = incident.detected_at - run.epoch_s
        fitting = [place for place, fault in enumerate(faults) if _fits(fault, incident, at)]
        best = max(
            fitting,
            key=lambda place: (faults[place].counts, faults[place].started_at),
            default=None,
        )
        if best is not None:
            first.setdefault(best, incident)
        of.append((incident, None if best is None else faults[best]))
    return Matches(tuple(of), first)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of `hits` out of `of` > 0."""
    share, zz = hits / of, Z_95 * Z_95
    middle = share + zz / (2 * of)
    spread = Z_95 * math.sqrt(share * (1.0 - share) / of + zz / (4 * of * of))
    scale = 1.0 + zz / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value at `share` of the sorted values, linear between neighbours; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _fits(fault: FaultTruth, incident: Incident, at: float) -> bool:
    until = math.inf if fault.over_at is None else fault.over_at + MATCH_SLACK_S
    return fault.started_at <= at <= until and not set(fault.miners).isdisjoint(incident.members)


def _truth(faults: Sequence[FaultTruth]) -> dict[str, Any]:
    real = [fault for fault in faults if fault.counts]
    return {
        "faults": len(real),
        "fixable": sum(fault.fixable for fault in real),
        "by_category": {
            category.value: {
                "faults": sum(f.category is category for f in real),
                "fixable": sum(f.category is category and f.fixable for f in real),
            }
            for category in _present(f.category for f in real)
        },
        "disturbances": len(faults) - len(real),
    }


def _detection(run: RunFacts, faults: Sequence[FaultTruth], matches: Matches) -> dict[str, Any]:
    real = [place for place, fault in enumerate(faults) if fault.counts]
    found = [(faults[place], matches.first[place]) for place in real if place in matches.first]
    false = sum(fault is None for _, fault in matches.of)
    true = sum(fault is not None and fault.counts for _, fault in matches.of)
    miner_days = run.miners * run.site_s / 86_400.0
    delays: dict[Category, list[float]] = {}
    for fault, incident in found:
        delays.setdefault(fault.category, []).append(incident.detected_at - run.epoch_s - fault.started_at)
    return {
        "recall": _ratio(len(found), len(real)),
        "precision": _ratio(true, true + false),
        "false_incidents": false,
        "false_per_1000_miner_days": false * 1000.0 / miner_days if miner_days else None,
        "wrong_category": sum(incident.category is not fault.category for fault, incident in found),
        "wrong_cause": sum(incident.cause not in fault.causes for fault, incident in found),
        "delay_s": {
            category.value: {"p50": percentile(delays[category], 0.5), "p95": percentile(delays[category], 0.95)}
            for category in _present(delays)
        },
    }


def _remediation(faults: Sequence[FaultTruth], counted: Sequence[Incident], matches: Matches) -> dict[str, Any]:
    hits, of = _resolution(counted)
    by_itself = sum(i.outcome is Outcome.SELF_RECOVERED for i in counted)
    escalated = [fault for incident, fault in matches.of if incident.escalated_at is not None]
    right = sum(fault is not None and not fault.fixable for fault in escalated)
    return {
        "rate": _ratio(hits, of),
        "rate_fixable": _rate_fixable(faults, matches),
        "escalated_right": right,
        "escalated_wrong": len(escalated) - right,
        "open": sum(i.is_open and i.escalated_at is None for i in counted),
        "by_category": {
            category.value: _category_rate(category, [i for i in counted if i.category is category])
            for category in _present(i.category for i in counted)
        },
        "mttr_s": _mttr(counted),
        "ci95": wilson(hits, of) if of else None,
        "rate_inclusive": _ratio(hits + by_itself, len(counted)),
    }


def _resolution(counted: Iterable[Incident]) -> tuple[int, int]:
    """Return (auto-resolved, counted minus self-recovered)."""
    outcomes = [incident.outcome for incident in counted]
    return outcomes.count(Outcome.AUTO_RESOLVED), len(outcomes) - outcomes.count(Outcome.SELF_RECOVERED)


def _rate_fixable(faults: Sequence[FaultTruth], matches: Matches) -> float | None:
    """Return the share of fixable faults that the agent fixed; one it never saw is one it did not fix."""
    fixable = [place for place, fault in enumerate(faults) if fault.counts and fault.fixable]
    outcomes = [matches.first[place].outcome if place in matches.first else Outcome.OPEN for place in fixable]
    of = len(outcomes) - outcomes.count(Outcome.SELF_RECOVERED)
    return _ratio(outcomes.count(Outcome.AUTO_RESOLVED), of)


def _category_rate(category: Category, counted: Sequence[Incident]) -> dict[str, Any]:
    hits, of = _resolution(counted)
    return {
        "counted": len(counted),
        "auto_resolved": hits,
        "rate": _ratio(hits, of),
        "ci95": wilson(hits, of) if of else None,
        "target": TARGETS[category],
        "self_recovered": len(counted) - of,
    }


def _mttr(counted: Sequence[Incident]) -> dict[str, Any]:
    took = [(i, i.resolved_at - i.detected_at - i.excused_s) for i in counted if i.resolved_at is not None]
    times = [s for _, s in took]
    return {
        "all": _mean(times),
        "p50": percentile(times, 0.5),
        "p95": percentile(times, 0.95),
        "by_severity": {
            str(int(severity)): _mean([s for i, s in took if i.severity is severity])
            for severity in sorted({i.severity for i, _ in took})
        },
        "by_category": {
            category.value: _mean([s for i, s in took if i.category is category])
            for category in _present(i.category for i, _ in took)
        },
    }


def _present(categories: Iterable[Category]) -> list[Category]:
    """Return the categories that occur, in the order of the reference."""
    occurring = set(categories)
    return [category for category in Category if category in occurring]


def _ratio(hits: int, of: int) -> float | None:
    return hits / of if of else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
