"""The duty to switch on again: an outlet the agent switched off is owed a switch-on, whatever became of the run."""

import math

from agent.model.action import Action, Result, Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Incident, Phase
from agent.model.memory import Memory
from agent.model.topology import Outlet

RETRY_S = 60.0
LONGEST_RETRY_S = 960.0
"""Time between two tries of a switch-on that failed, doubled each time up to the longest: no hurry that could weld a
relay, no night without a miner."""

STATE = "duty"
"""Stands where an attempt made outside any run would name its playbook state."""


def owed(memory: Memory, now: float) -> list[tuple[Incident, Action]]:
    """Return the switch-ons that are due now because no run will do them."""
    outlets: dict[IncidentId, list[Outlet]] = {}
    for outlet, incident_id in memory.duties.items():
        outlets.setdefault(incident_id, []).append(outlet)
    due: list[tuple[Incident, Action]] = []
    for incident_id, missing in outlets.items():
        incident = memory.incidents[incident_id]
        if incident.in_flight is not None or incident.phase not in (Phase.ESCALATED, Phase.CLOSED):
            continue
        if now < _due_at(incident):
            continue
        miner: MinerId = incident.members[0]
        due.append((incident, Action(verb=Verb.POWER_ON, miner=miner, outlets=tuple(sorted(missing)))))
    return due


def _due_at(incident: Incident) -> float:
    """Return when the next try is due, in UTC s: by how many have failed since the last that worked."""
    failed = 0
    last = -math.inf
    for attempt in reversed(incident.attempts):
        if attempt.verb is not Verb.POWER_ON or attempt.settled_at is None or attempt.result is Result.OK:
            break
        failed += 1
        last = max(last, attempt.settled_at)
    return last + min(RETRY_S * 2.0 ** max(0, failed - 1), LONGEST_RETRY_S)
