"""The life of a self-incident: what ails the agent is one incident without members, whatever it makes of the site.

Nobody has to mend a device for it, and it is over when it is seen to be: it closes as recovered by itself.
"""

from agent.model.events import (
    AnyEvent,
    Closed,
    IncidentOpened,
    IncidentRelapsed,
    IncidentUpdated,
    Mitigated,
)
from agent.model.incident import Category, Incident, Outcome, Reason, Severity
from agent.model.itself import Ailment
from agent.model.memory import Memory
from agent.triage.limits import TriageLimits

DOMAIN = "host:agent"
"""Where the cause lies."""

_GRAVE = frozenset({Reason.OWN_NETWORK, Reason.OWN_LEDGER})
"""With these nothing can be mended anywhere."""


def suspect(memory: Memory, ailment: Ailment | None, limits: TriageLimits, now: float) -> list[AnyEvent]:
    """Return what became of the agent's own incident.

    Args:
        memory: the incidents so far.
        ailment: what is wrong with the agent.
        limits: how long a closed incident may relapse.
        now: UTC s.
    """
    own = memory.own_incident
    if ailment is None:
        return [Closed(incident=own.id, outcome=Outcome.SELF_RECOVERED)] if own is not None and own.is_open else []
    if own is None or not (own.is_open or _relapses(own, ailment, limits, now)):
        return [_opened(memory, ailment)]
    if not own.is_open:
        again = IncidentRelapsed(
            incident=own.id, cause=ailment.cause, detected_at=ailment.since, evidence=ailment.evidence
        )
        return [again]
    events: list[AnyEvent] = []
    if own.cause is not ailment.cause:
        changed = IncidentUpdated(
            incident=own.id, cause=ailment.cause, severity=_severity(ailment.cause), evidence=ailment.evidence
        )
        events.append(changed)
    if ailment.is_clear and own.mitigated_at is None:
        events.append(Mitigated(incident=own.id))
    return events


def _opened(memory: Memory, ailment: Ailment) -> IncidentOpened:
    return IncidentOpened(
        incident=memory.incident_id(0),
        category=Category.OTHER,
        cause=ailment.cause,
        severity=_severity(ailment.cause),
        members=(),
        detected_at=ailment.since,
        evidence=ailment.evidence,
        domain=DOMAIN,
    )


def _relapses(own: Incident, ailment: Ailment, limits: TriageLimits, now: float) -> bool:
    recent = own.resolved_at is not None and now - own.resolved_at < limits.min_healthy_s
    return recent and own.cause is ailment.cause


def _severity(cause: Reason) -> Severity:
    return Severity.HIGH if cause in _GRAVE else Severity.MEDIUM
