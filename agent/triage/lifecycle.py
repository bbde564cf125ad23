"""Incident lifecycle: a firing verdict opens an incident, or belongs to one; a returning one re-opens it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.model.events import AnyEvent, IncidentOpened, IncidentRelapsed, IncidentUpdated, Mitigated
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Health, Incident, Severity
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts
from agent.triage.limits import TriageLimits

CRITICAL_SHARE = 0.10
HIGH_SHARE = 0.01
"""Shares of the site's hashrate from which an incident is critical or high (KPI reference, severities)."""


@dataclass(frozen=True, slots=True)
class Triage:
    """One tick's result: what to record, and the open incidents whose symptom has cleared."""

    events: list[AnyEvent]
    recovered: frozenset[IncidentId]


def triage(view: SiteView, memory: Memory, verdicts: Sequence[Verdicts], limits: TriageLimits, now: float) -> Triage:
    """Turn verdicts into incidents.

    One incident a miner and category: while one is open, a change of symptom updates it; within `min_healthy_s` of
    its end the symptom re-opens it.
    """
    events: list[AnyEvent] = []
    opened = 0
    firing: set[tuple[Category, MinerId]] = set()
    for verdict in verdicts:
        for row in np.flatnonzero(verdict.health == Health.FIRING):
            miner = view.site.miners[int(row)].id
            firing.add((verdict.category, miner))
            latest = memory.latest(verdict.category, miner)
            if latest is None or _is_past(latest, limits, now):
                events.append(_open(view, memory.incident_id(opened), verdict, int(row)))
                opened += 1
            elif latest.is_open:
                events.extend(_update(latest, verdict, int(row)))
            else:
                evidence = verdict.evidence.of(int(row))
                events.append(
                    IncidentRelapsed(
                        incident=latest.id,
                        cause=verdict.evidence.reason(int(row)),
                        detected_at=float(verdict.since[row]),
                        evidence=evidence,
                    )
                )
    recovered = frozenset(
        i.id for i in memory.open_incidents if not any((i.category, member) in firing for member in i.members)
    )
    return Triage(events, recovered)


def _is_past(incident: Incident, limits: TriageLimits, now: float) -> bool:
    return incident.resolved_at is not None and now - incident.resolved_at >= limits.min_healthy_s


def _open(view: SiteView, incident: IncidentId, verdict: Verdicts, row: int) -> IncidentOpened:
    target_th = view.target_th()
    return IncidentOpened(
        incident=incident,
        category=verdict.category,
        cause=verdict.evidence.reason(row),
        severity=_severity(float(target_th[row] / target_th.sum())),
        members=(view.site.miners[row].id,),
        detected_at=float(verdict.since[row]),
        evidence=verdict.evidence.of(row),
    )


def _update(incident: Incident, verdict: Verdicts, row: int) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    cause = verdict.evidence.reason(row)
    # Once something was done, a new symptom is what the deed did: booting, not hashing yet. The first one stands.
    if cause != incident.cause and not incident.attempts:
        events.append(
            IncidentUpdated(
                incident=incident.id, cause=cause, severity=incident.severity, evidence=verdict.evidence.of(row)
            )
        )
    if incident.mitigated_at is None and not np.isnan(verdict.clear_since[row]):
        events.append(Mitigated(incident=incident.id))
    return events


def _severity(share: float) -> Severity:
    if share >= CRITICAL_SHARE:
        return Severity.CRITICAL
    return Severity.HIGH if share >= HIGH_SHARE else Severity.MEDIUM
