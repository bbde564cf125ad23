"""Which incidents are about safety: said here, once, for everything that makes an exception (docs/decisions/0031)."""

from agent.model.incident import Category, Incident, Reason

DANGER = frozenset({Reason.COOLING_LOST, Reason.OVERTEMP_CUT_OUT})
"""Nothing cools it, or it has come to its limit (KPI reference, severity 1). A unit that leaks is left alone, and its
loop loses its flow."""


def is_danger(incident: Incident) -> bool:
    """Whether hardware is lost in the minutes that a delay would take."""
    return incident.cause in DANGER


def is_heat(incident: Incident) -> bool:
    """Whether it is about heat, which goes on whatever was announced: a miner that was slowed down may be hot."""
    return incident.category is Category.THERMAL
