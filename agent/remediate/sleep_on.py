"""Sleep on: who hashes on a loop whose cooling is lost, or is about to, is put to sleep, whenever it begins.

A miner that was booting, silent or busy with something else when its loop was put to sleep begins to hash minutes
later, and some firmware begins again by itself once it is cool. By then a person has the incident, and nothing cools
them. Like the duty to switch on it is worked out anew each tick from the ledger and the view.

Who starts says so a while before his boards have power: his process is younger than the order, and he says that he does
not sleep. He is told then; a rate that shows comes late where firmware ramps up, or polls are seldom.

Cooling that is back carries heat away long before it is calm: miners that are woken warm their loop by a kelvin or two
for minutes, and are not put to sleep for it, or they would be woken and put to sleep until their budget is spent.
"""

import numpy as np

from agent.model.action import VERB_TRAITS, Action, Verb
from agent.model.columns import Bools, Floats
from agent.model.incident import Incident, Phase, Reason
from agent.model.loops import DOMAIN, Rows, is_cooled, members
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
        if now < max(told, default=-np.inf) + TAKES_S:
            continue  # those that start within seconds of each other are told together
        if not np.isnan(view.cooling.calm_since[view.cooling.rows[unit.id]]) or is_cooled(view, unit.id, now):
            continue
        rows = members(view, unit.id)
        awake = _hashes_on(memory, view, rows) | _starts(memory, view, rows)
        named = [view.site.miners[row].id for row in rows[awake & (view.misses[rows] == 0)].tolist()]
        if named:
            due.append((incident, Action(verb=Verb.SLEEP, miner=named[0], others=tuple(named[1:]))))
    return due


def _hashes_on(memory: Memory, view: SiteView, rows: Rows) -> Bools:
    """Return which rows hash by a reading before which they had the time to follow their order, shape of `rows`."""
    hashes: Bools = view.hashrate_th.value[rows] > STOPPED_SHARE * view.nominal_th[rows]
    return hashes & (view.answered_at[rows] >= _told_at(memory, view, rows) + TAKES_S)


def _starts(memory: Memory, view: SiteView, rows: Rows) -> Bools:
    """Return which rows have a mining process that may not have heard the order and, by their own word, do not sleep.

    Once for each process, and a few times for one that began while the order was under way.
    """
    told_at, said = _told_at(memory, view, rows), view.suspended
    began_at = view.elapsed_s.at[rows] - view.elapsed_s.value[rows]
    awake: Bools = (said.value[rows] == 0.0) & (said.at[rows] >= np.fmax(began_at, told_at))
    return awake & (began_at >= told_at - VERB_TRAITS[Verb.SLEEP].timeout_s)


def _told_at(memory: Memory, view: SiteView, rows: Rows) -> Floats:
    """Return when each row was last told to sleep, UTC s; -inf for who never was, or has been woken since."""
    never = None, -np.inf
    return np.array([memory.asleep.get(view.site.miners[row].id, never)[1] for row in rows.tolist()])
