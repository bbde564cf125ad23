"""Miners that sleep though nobody has said that they are to: many at once were curtailed by somebody, who is asked for.

A miner says by itself that it was told to sleep (facts "detection", section 6). One alone is somebody's whim; what many
have in common is weighed like any other shared cause, over the domains by which sites are curtailed.
"""

import numpy as np

from agent.model.columns import Bools
from agent.model.events import AnyEvent, IncidentAbsorbed, IncidentJoined
from agent.model.incident import Reason
from agent.model.memory import Memory
from agent.model.site_view import Expected, SiteView
from agent.triage.correlate import HOLD_S, Correlator, Shared, is_alone, is_free, taken_over
from agent.triage.cover import BRAKE_AT, Group, Symptom

LEAST = 6
"""Fewer are nobody's curtailment, unless they are all there are."""

FEWEST = BRAKE_AT
"""So few are one if they are a whole rack, or whatever it is that they share."""

WITHIN_S = 900.0
"""Who fell asleep within so long of one another was told by the same. They sleep within a minute; that they do is found
out by asking each, which takes minutes where a family's polls do not tell."""

_SUSPENDED = int(Expected.SUSPENDED)


def sleepers(view: SiteView, memory: Memory) -> Bools | None:
    """Return who says that it was told to sleep by somebody who has not announced it, shape (n,); None for nobody."""
    told = view.expected == _SUSPENDED
    if not told.any():
        return None
    told &= ~np.isnan(view.asleep_since) & ~view.excused
    own = [view.site.rows[miner] for miner in memory.asleep if miner in view.site.rows]
    told[own] = False
    return told if told.any() else None


def curtailed(view: SiteView, memory: Memory, correlator: Correlator, asleep: Bools, now: float) -> list[Shared]:
    """Return what sleepers without an incident have in common, once half of them have slept for a while."""
    since = view.asleep_since
    rows = (asleep & (now - since <= WITHIN_S)).nonzero()[0]
    if rows.size < FEWEST:
        return []
    alone = is_alone(view, memory, rows)
    if alone.sum() < FEWEST or not (now - since[alone] >= HOLD_S).any():
        return []
    groups = correlator.cover.explain(Symptom.ASLEEP, alone)
    ripe = [g for g in groups if _is_many(g) and now - float(np.median(since[g.rows])) >= HOLD_S]
    return [correlator.told(view, Symptom.ASLEEP, group, since) for group in ripe]


def _is_many(group: Group) -> bool:
    size = group.rows.size
    return size >= LEAST or (size >= FEWEST and size == group.domain.rows.size)


def braked(view: SiteView, correlator: Correlator, asleep: Bools, now: float) -> Bools:
    """Return to whom nothing is done alone: it may be about to say that it sleeps too, or be meant to and not say it.

    The former is who is under a domain in which several have just fallen asleep. The latter is who is under one in
    which most of those that answer sleep: a miner that was out of order when they were told could not hear it, and one
    that fell silent since may have. Mended now, it would work while its power is not to be drawn.
    """
    soon = correlator.cover.brake(Symptom.ASLEEP, asleep & (now - view.asleep_since <= WITHIN_S))
    return soon | correlator.cover.mostly(Symptom.ASLEEP, asleep, view.misses == 0)


def joined(view: SiteView, memory: Memory, correlator: Correlator, asleep: Bools, now: float) -> list[AnyEvent]:
    """Return what makes late sleepers members of the curtailment that is being asked about."""
    events: list[AnyEvent] = []
    for incident in memory.open_incidents:
        if incident.cause is not Reason.CURTAILED:
            continue
        owners = {row: memory.owner(view.site.miners[row].id) for row in asleep.nonzero()[0].tolist()}
        late = [row for row, owner in owners.items() if is_free(owner) and correlator.absorbs(incident, row, now)]
        if late:
            alone = taken_over(owners[row] for row in late)
            events += [IncidentAbsorbed(incident=child, parent=incident.id) for child in alone]
            members = tuple(view.site.miners[row].id for row in late)
            events.append(IncidentJoined(incident=incident.id, members=members, severity=incident.severity))
    return events
