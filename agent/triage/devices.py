"""Incidents about devices that serve miners: a cooling unit that is silent, leaks, or whose sensors lie.

The miners on it may all be well, and what they show besides is theirs: such an incident names them, and is nobody's
own. Nothing is done about it; a person is told, once.
"""

from collections.abc import Callable, Sequence

import numpy as np

from agent.model.events import AnyEvent, IncidentOpened, IncidentRelapsed, Mitigated
from agent.model.ids import IncidentId
from agent.model.incident import SENSORS_DOUBTED, Category, Reason, Severity
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.verdicts import Ailing, Verdicts
from agent.triage.limits import TriageLimits

DOMAIN = "cdu:"
"""What the domain of a cooling unit's incident begins with; the unit's name follows."""


def changes(
    view: SiteView,
    memory: Memory,
    verdicts: Sequence[Verdicts],
    limits: TriageLimits,
    now: float,
    *,
    next_id: Callable[[], IncidentId],
) -> list[AnyEvent]:
    """Return what this tick's verdicts on devices change, and note in the view whom nobody is to believe.

    Args:
        view: the columns.
        memory: the incidents so far.
        verdicts: one for each detector.
        limits: how long a closed incident may relapse.
        now: UTC s.
        next_id: gives the id of a new incident.
    """
    doubted = {i.domain for i in memory.open_incidents if i.cause in SENSORS_DOUBTED}
    if doubted or view.cooling.doubted.any():
        view.cooling.doubted[:] = [f"{DOMAIN}{unit.id}" in doubted for unit in view.site.cooling_units]
    events: list[AnyEvent] = []
    for ailing in (ailing for verdict in verdicts for ailing in verdict.devices):
        latest = memory.of_device(ailing.domain, ailing.cause)
        if latest is None or limits.is_past(latest, now):
            events.append(_opened(view, ailing, next_id()))
        elif not latest.is_open:
            events.append(
                IncidentRelapsed(
                    incident=latest.id, cause=ailing.cause, detected_at=ailing.since, evidence=ailing.evidence()
                )
            )
        elif latest.mitigated_at is None and not np.isnan(ailing.clear_since):
            events.append(Mitigated(incident=latest.id))
    return events


def recovered(memory: Memory, verdicts: Sequence[Verdicts]) -> frozenset[IncidentId]:
    """Return the open incidents about devices that nothing is wrong with any more."""
    ill = {(ailing.domain, ailing.cause) for verdict in verdicts for ailing in verdict.devices}
    return frozenset(i.id for i in memory.open_incidents if i.is_of_device and (i.domain, i.cause) not in ill)


def _opened(view: SiteView, ailing: Ailing, incident: IncidentId) -> IncidentOpened:
    return IncidentOpened(
        incident=incident,
        category=Category.OTHER,
        cause=ailing.cause,
        # A leak is a danger; nothing is lost yet by the others, but a whole loop is without its watch.
        severity=Severity.CRITICAL if ailing.cause is Reason.UNIT_LEAKS else Severity.HIGH,
        members=tuple(view.site.miners[row].id for row in ailing.rows),
        detected_at=ailing.since,
        evidence=ailing.evidence(),
        domain=ailing.domain,
    )
