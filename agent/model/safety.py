"""Which incidents are about safety: said here, once, for everything that makes an exception (docs/decisions/0031)."""

from collections.abc import Mapping

from agent.model.events import (
    AnyEvent,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    RunStarted,
)
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Reason

DANGER = frozenset({Reason.COOLING_LOST, Reason.OVERTEMP_CUT_OUT})
"""Nothing cools it, or it has come to its limit (KPI reference, severity 1). A unit that leaks is left alone, and its
loop loses its flow."""


def is_danger(incident: Incident) -> bool:
    """Whether hardware is lost in the minutes that a delay would take."""
    return incident.cause in DANGER


_BEGINNINGS = IncidentOpened | IncidentReclassified | IncidentRelapsed | IncidentUpdated | RunStarted


def brings_danger(event: AnyEvent, incidents: Mapping[IncidentId, Incident]) -> bool:
    """Whether danger begins with it, or what is done about it: the next step is not to wait for a tick's time."""
    return isinstance(event, _BEGINNINGS) and is_danger(incidents[event.incident])


def is_heat(incident: Incident) -> bool:
    """Whether it is about heat, which goes on whatever was announced: a miner that was slowed down may be hot."""
    return incident.category is Category.THERMAL
