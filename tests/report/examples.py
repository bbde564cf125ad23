"""Incidents to count: one builder, and a strategy for any mix of them."""

from hypothesis import strategies as st

from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Incident, Outcome, Phase, Severity

T0 = 1_772_366_400.0
NOW = T0 + 30 * 86400.0

ENDED = (Outcome.AUTO_RESOLVED, Outcome.ASSISTED, Outcome.SELF_RECOVERED, Outcome.HUMAN_RESOLVED)


def incident(
    outcome: Outcome = Outcome.AUTO_RESOLVED,
    *,
    category: Category = Category.STUCK,
    severity: Severity = Severity.MEDIUM,
    took_s: float = 600.0,
    detected_at: float = T0,
    started_s: float | None = None,
    mitigated_s: float | None = None,
    excused_s: float = 0.0,
    number: int = 1,
) -> Incident:
    """Return an incident that ended so, `took_s` after its detection (all offsets in s after detection)."""
    ended = outcome is not Outcome.OPEN
    return Incident(
        id=IncidentId(f"inc-{number:06d}"),
        category=category,
        cause="unresponsive",
        severity=severity,
        members=(MinerId("m1"),),
        evidence={},
        detected_at=detected_at,
        alerted_at=detected_at,
        phase=Phase.CLOSED if ended else Phase.ESCALATED,
        outcome=outcome,
        remediation_started_at=None if started_s is None else detected_at + started_s,
        mitigated_at=None if mitigated_s is None else detected_at + mitigated_s,
        resolved_at=detected_at + took_s if ended else None,
        excused_s=excused_s,
    )


ANY_INCIDENT: st.SearchStrategy[Incident] = st.builds(
    incident,
    st.sampled_from(Outcome),
    category=st.sampled_from(Category),
    severity=st.sampled_from(Severity),
    took_s=st.floats(0.0, 1e6),
    detected_at=st.floats(T0, NOW),
    started_s=st.none() | st.floats(0.0, 1e5),
    mitigated_s=st.none() | st.floats(0.0, 1e6),
    number=st.integers(1, 999),
)
