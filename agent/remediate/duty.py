"""The duty to switch on again: an outlet the agent switched off is owed a switch-on, whatever became of the run."""

from agent.model.action import Action, Result, Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Incident, Phase
from agent.model.memory import Memory
from agent.model.topology import Outlet

RETRY_S = 60.0
"""Time between two tries of a switch-on that failed: no hurry that could weld a relay, no night without a miner."""

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
        tries = [a for a in incident.attempts if a.verb is Verb.POWER_ON and a.settled_at is not None]
        if tries and tries[-1].result is not Result.OK and now - (tries[-1].settled_at or 0.0) < RETRY_S:
            continue
        miner: MinerId = incident.members[0]
        due.append((incident, Action(verb=Verb.POWER_ON, miner=miner, outlets=tuple(sorted(missing)))))
    return due
