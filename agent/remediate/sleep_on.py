"""Sleep on: who hashes on a loop whose cooling is lost is put to sleep, whenever it begins.

A miner that was booting, silent or busy with something else when its loop was put to sleep begins to hash minutes
later, and some firmware begins again by itself once it is cool. By then a person has the incident, and nothing cools
them. Like the duty to switch on it is worked out anew each tick from the ledger and the view.

Cooling that is back carries heat away long before it is calm: miners that are woken warm their loop by a kelvin or two
for minutes, and are not put to sleep for it, or they would be woken and put to sleep until their budget is spent.
"""

import numpy as np

from agent.model.action import Action, Verb
from agent.model.incident import Incident, Phase, Reason
from agent.model.loops import DOMAIN, is_cooled, members
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.thermal import STOPPED_SHARE, TAKES_S

STATE = "sleep_on"
"""Stands where an attempt made outside any run would name its playbook state."""

MOST = 20
"""Who does not sleep after so many orders does not sleep: a person was asked about that loop long ago."""


def owed(memory: Memory, view: SiteView, now: float) -> list[tuple[Incident, Action]]:
    """Return who is to be put to sleep now, at most one action for each incident."""
    due: list[tuple[Incident, Action]] = []
    for incident in memory.open_incidents:
        if incident.cause is not Reason.COOLING_LOST or incident.phase is not Phase.ESCALATED or incident.in_flight:
            continue
        unit = view.site.unit_of_loop.get(incident.domain.removeprefix(DOMAIN))
        told = [a.settled_at or a.at for a in incident.attempts if a.verb is Verb.SLEEP]
        if unit is None or len(told) >= MOST:
            continue
        if not np.isnan(view.cooling.calm_since[view.cooling.rows[unit.id]]) or is_cooled(view, unit.id, now):
            continue
        rows = members(view, unit.id)
        with np.errstate(invalid="ignore"):
            hashes = view.hashrate_th.value[rows] > STOPPED_SHARE * view.nominal_th[rows]
        # What it showed earlier, it showed before it could have followed the last order.
        since = view.answered_at[rows] >= max(told, default=-np.inf) + TAKES_S
        named = [view.site.miners[row].id for row in rows[hashes & since & (view.misses[rows] == 0)].tolist()]
        if named:
            due.append((incident, Action(verb=Verb.SLEEP, miner=named[0], others=tuple(named[1:]))))
    return due
