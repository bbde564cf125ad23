"""How well the agent did, as one dictionary: its incidents held against the ground truth. Pure; measures nothing.

Which incident belongs to which fault is told in `simulators.matching`. Suppressed incidents are left out.

Definitions of rates, times and targets are those of the KPI reference: a rate is auto_resolved over counted minus
self-recovered, with its Wilson interval; resolution times are taken over every counted incident that was resolved.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.model.action import Verb
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Outcome, Severity
from simulators.matching import Matches, Sighting, match
from simulators.truth import FaultTruth, Harm

SCHEMA = 1
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
        answered: how many of its questions a person at the simulated site answered.
    """

    actions: Mapping[Verb, int] = field(default_factory=dict)
    approvals: int = 0
    during_hold: int = 0
    answered: int = 0


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
    matches = match(faults, counted, run.epoch_s)
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
            "bricked": harm.bricked,
            "flashes_twice": harm.flashes_twice,
            "power_cut_while_flashing": harm.power_cuts_while_flashing,
            "wrong_image": harm.wrong_images,
            "overheated_minutes": harm.overheated_minutes,
            "dry_boards": harm.dry_boards,
            "setpoints_below_dew_point": harm.setpoints_below_dew_point,
            "cooling_writes": harm.cooling_writes,
            "actions_while_away": harm.actions_while_away,
        },
        "duty": {
            "actions": {verb.value: duty.actions.get(verb, 0) for verb in Verb},
            "approvals": duty.approvals,
            "answered": duty.answered,
        },
        "expect": dict(expect) if expect is not None else {"passed": 0, "failed": []},
        "cost": {key: (cost or {}).get(key) for key in COST_KEYS},
    }
    rounded: dict[str, Any] = _rounded(board)
    return rounded


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
    real = sum(fault.counts for fault in faults)
    first = [(faults[place], find.own[0]) for place, find in matches.finds.items() if find.own]
    true, false, false_relapses = _tallied(faults, matches.sightings)
    miner_days = run.miners * run.site_s / 86_400.0
    delays: dict[Category, list[float]] = {}
    for fault, seen in first:
        delays.setdefault(fault.category, []).append(seen.spell.detected_at - run.epoch_s - fault.started_at)
    return {
        "recall": _ratio(len(matches.finds), real),
        "precision": _ratio(true, true + false),
        "false_incidents": false,
        "false_per_1000_miner_days": false * 1000.0 / miner_days if miner_days else None,
        "wrong_category": sum(seen.incident.category is not fault.category for fault, seen in first),
        "wrong_cause": sum(seen.spell.cause not in fault.causes for fault, seen in first),
        "delay_s": {
            category.value: {"p50": percentile(delays[category], 0.5), "p95": percentile(delays[category], 0.95)}
            for category in _present(delays)
        },
        "false_relapses": false_relapses,
    }


def _tallied(faults: Sequence[FaultTruth], sightings: Iterable[Sighting]) -> tuple[int, int, int]:
    """Return how many incidents are true, how many false, and how many relapses are false."""
    true: set[IncidentId] = set()
    something: set[IncidentId] = set()
    everything: set[IncidentId] = set()
    false_relapses = 0
    for seen in sightings:
        name = seen.incident.id
        is_relapse = name in everything
        everything.add(name)
        if seen.fault is not None or seen.carries:
            something.add(name)
        else:
            false_relapses += is_relapse
        if seen.carries or (seen.fault is not None and faults[seen.fault].counts):
            true.add(name)
    return len(true), len(everything - something), false_relapses


def _remediation(faults: Sequence[FaultTruth], counted: Sequence[Incident], matches: Matches) -> dict[str, Any]:
    hits, of = _resolution(counted)
    by_itself = sum(i.outcome is Outcome.SELF_RECOVERED for i in counted)
    escalated = [seen for seen in matches.sightings if seen.spell.escalated_at is not None]
    right = sum(_is_hopeless(faults, seen) for seen in escalated)
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
        "mttr_auto_s": _mttr([i for i in counted if i.outcome is Outcome.AUTO_RESOLVED]),
        "ci95": wilson(hits, of) if of else None,
        "rate_inclusive": _ratio(hits + by_itself, len(counted)),
    }


def _is_hopeless(faults: Sequence[FaultTruth], seen: Sighting) -> bool:
    """Whether one of the faults behind a spell is one that nothing remote fixes."""
    behind = (*(() if seen.fault is None else (seen.fault,)), *seen.carries)
    return any(not faults[place].fixable for place in behind)


def _resolution(counted: Iterable[Incident]) -> tuple[int, int]:
    """Return (auto-resolved, counted minus self-recovered)."""
    outcomes = [incident.outcome for incident in counted]
    return outcomes.count(Outcome.AUTO_RESOLVED), len(outcomes) - outcomes.count(Outcome.SELF_RECOVERED)


def _rate_fixable(faults: Sequence[FaultTruth], matches: Matches) -> float | None:
    """Return the share of fixable faults that the agent fixed; one it never saw is one it did not fix."""
    fixable = [place for place, fault in enumerate(faults) if fault.counts and fault.fixable]
    outcomes = [matches.finds[place].last.outcome if place in matches.finds else Outcome.OPEN for place in fixable]
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
        "severities_1_3": _mean([s for i, s in took if i.severity is not Severity.LOW]),
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
