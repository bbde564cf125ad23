"""Scenario files: a simulated site, what happens to it, and what is expected of the agent. Read, checked, never run.

`load_scenario` is the way in. What a scenario may contain depends on the fault kinds that exist; they come in as a
`Catalogue`, for nothing here knows the simulators.
"""

from agent.config.scenario.loader import load_scenario
from agent.config.scenario.plan import (
    AtEnd,
    By,
    Catalogue,
    Expectation,
    FaultPlan,
    IncidentFilter,
    Never,
    Rated,
    Scenario,
    TierName,
    Timed,
)

__all__ = [
    "AtEnd",
    "By",
    "Catalogue",
    "Expectation",
    "FaultPlan",
    "IncidentFilter",
    "Never",
    "Rated",
    "Scenario",
    "TierName",
    "Timed",
    "load_scenario",
]
