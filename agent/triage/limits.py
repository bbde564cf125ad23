"""The figures of the incident lifecycle."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriageLimits:
    """When an incident is over.

    Attributes:
        min_healthy_s: a symptom that returns within this time re-opens the incident (KPI reference, relapse).
    """

    min_healthy_s: float = 3600.0
