"""The figures of the incident lifecycle."""

from dataclasses import dataclass

from agent.model.incident import Incident


@dataclass(frozen=True, slots=True)
class TriageLimits:
    """When an incident is over, and who comes back is back.

    Attributes:
        min_healthy_s: a symptom that returns within this time re-opens the incident (KPI reference, relapse).
        restore_s: after an announced window, and after each of its miners that wakes, others wake the next within this
            time; from then on each has its family's time to start. Ten minutes: facts "detection", section 6.
    """

    min_healthy_s: float = 3600.0
    restore_s: float = 600.0

    def is_past(self, incident: Incident, now: float) -> bool:
        """Whether an incident ended so long ago that the same symptom would be a new one; `now` is UTC s."""
        return incident.resolved_at is not None and now - incident.resolved_at >= self.min_healthy_s
