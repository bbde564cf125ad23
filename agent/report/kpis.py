"""The incident KPIs: a pure fold over incidents. Definitions and targets are the KPI reference's.

An incident counts from the moment it is open; only suppressed ones never do. What is still open is not resolved, so it
lowers the automated resolution rate until it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Outcome, Phase, Severity
from agent.report.figures import Rate, Spread

RATE_TARGET = 0.85
MTTR_TARGET_S = 45 * 60.0

CATEGORY_TARGET: Mapping[Category, float] = {
    Category.STUCK: 0.98,
    Category.POOL: 0.99,
    Category.THERMAL: 0.95,
    Category.FIRMWARE: 0.90,
    Category.NETWORK: 0.85,
    Category.REJECTS: 0.80,
    Category.OTHER: 0.40,
}
"""Automated resolution rate wanted of each category; KPI reference."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How fast a severity wants mitigation and resolution, in s; None for "the next business day"."""

    mitigation_s: float | None
    resolution_s: float


SEVERITY_TARGET: Mapping[Severity, Deadlines] = {
    Severity.CRITICAL: Deadlines(30 * 60.0, 4 * 3600.0),
    Severity.HIGH: Deadlines(3600.0, 8 * 3600.0),
    Severity.MEDIUM: Deadlines(4 * 3600.0, 24 * 3600.0),
    Severity.LOW: Deadlines(None, 7 * 86400.0),
}
"""KPI reference, table of severities."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The KPIs of one set of incidents.

    Attributes:
        counted: all but the suppressed.
        outcomes: how many of the counted ended how; every outcome but suppressed has an entry.
        rate: automated resolution: auto_resolved / (counted - self_recovered).
        rate_inclusive: the same with self_recovered on both sides.
        mttr: resolved - detected - excused, over those resolved in whatever way.
        first_response: first intent - detected, over those with an intent.
        mitigation: end of impact - detected, over those mitigated.
        mttr_severities: those of the incidents that `mttr` is over.
    """

    counted: int
    suppressed: int
    outcomes: Mapping[Outcome, int]
    rate: Rate
    rate_inclusive: Rate
    mttr: Spread
    first_response: Spread
    mitigation: Spread
    mttr_severities: tuple[Severity, ...]

    @property
    def auto_resolved(self) -> int:
        """Incidents that the agent resolved by acting, and proved it."""
        return self.outcomes[Outcome.AUTO_RESOLVED]


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that still wants something; `age_s` since its detection, excused time not subtracted."""

    id: IncidentId
    category: Category
    severity: Severity
    phase: Phase
    age_s: float


@dataclass(frozen=True, slots=True)
class Kpis:
    """The report.

    Attributes:
        now: UTC s it holds for.
        since: UTC s; incidents detected earlier are left out; None for all.
        fleet: over all counted incidents; its `mttr_severities` tell what its MTTR covers.
        urgent: severities 1 and 2 alone, for a mean that week-long trifles do not drown.
        by_category, by_severity: those that occurred, in the order of the reference.
        open: the oldest first.
    """

    now: float
    since: float | None
    fleet: Figures
    urgent: Figures
    by_category: Mapping[Category, Figures]
    by_severity: Mapping[Severity, Figures]
    open: tuple[OpenIncident, ...]


def kpis(incidents: Iterable[Incident], *, now: float, since: float | None = None) -> Kpis:
    """Fold incidents into the report as of `now`, over those detected at `since` or later (both UTC s)."""
    chosen = [incident for incident in incidents if since is None or incident.detected_at >= since]
    categories = {incident.category for incident in chosen}
    severities = {incident.severity for incident in chosen}
    standing = [i for i in chosen if i.outcome is Outcome.OPEN]
    return Kpis(
        now=now,
        since=since,
        fleet=figures(chosen),
        urgent=figures(i for i in chosen if i.severity <= Severity.HIGH),
        by_category={c: figures(i for i in chosen if i.category is c) for c in Category if c in categories},
        by_severity={s: figures(i for i in chosen if i.severity is s) for s in Severity if s in severities},
        open=tuple(
            OpenIncident(i.id, i.category, i.severity, i.phase, now - i.detected_at)
            for i in sorted(standing, key=lambda incident: incident.detected_at)
        ),
    )


def figures(incidents: Iterable[Incident]) -> Figures:
    """Fold one set of incidents."""
    everything = list(incidents)
    counted = [incident for incident in everything if incident.outcome is not Outcome.SUPPRESSED]
    outcomes: dict[Outcome, int] = {outcome: 0 for outcome in Outcome if outcome is not Outcome.SUPPRESSED}
    for incident in counted:
        outcomes[incident.outcome] += 1
    resolved = [incident for incident in counted if incident.resolved_at is not None]
    auto, by_itself = outcomes[Outcome.AUTO_RESOLVED], outcomes[Outcome.SELF_RECOVERED]
    return Figures(
        counted=len(counted),
        suppressed=len(everything) - len(counted),
        outcomes=outcomes,
        rate=Rate(auto, len(counted) - by_itself),
        rate_inclusive=Rate(auto + by_itself, len(counted)),
        mttr=Spread.over(i.resolved_at - i.detected_at - i.excused_s for i in resolved if i.resolved_at is not None),
        first_response=Spread.over(
            i.remediation_started_at - i.detected_at for i in counted if i.remediation_started_at is not None
        ),
        mitigation=Spread.over(i.mitigated_at - i.detected_at for i in counted if i.mitigated_at is not None),
        mttr_severities=tuple(sorted({incident.severity for incident in resolved})),
    )
