"""The figures of the incident lifecycle."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriageLimits:
    """When an incident is over, and who comes back is back.

    Attributes:
        min_healthy_s: a symptom that returns within this time re-opens the incident (KPI reference, relapse).
        restore_s: after an announced window others wake its miners within this time, batch by batch; from then on each
            has its family's time to start. Ten minutes: facts "detection", section 6.
    """

    min_healthy_s: float = 3600.0
    restore_s: float = 600.0
