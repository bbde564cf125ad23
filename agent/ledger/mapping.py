"""The fold of what power cycles show of the outlet map: which miner an outlet really feeds."""

import math
from dataclasses import replace

from agent.model.action import Action, Result, Verb
from agent.model.events import OutletsDoubted, OutletsProven
from agent.model.ids import IncidentId
from agent.model.memory import Cycle, Memory


def intended(memory: Memory, action: Action, incident: IncidentId, at: float) -> None:
    """Note a power-off whose outlets nobody has tried before, and what is to end it."""
    cycle = memory.cycles.get(action.miner)
    if action.verb is Verb.POWER_OFF and not all(memory.is_mapped(o, action.miner) for o in action.outlets):
        memory.cycles[action.miner] = Cycle(incident, action.outlets, at)
    elif action.verb is Verb.POWER_ON and cycle is not None and math.isnan(cycle.on_asked_at):
        memory.cycles[action.miner] = replace(cycle, on_asked_at=at)


def settled(memory: Memory, action: Action, result: Result, at: float) -> None:
    """Note when the outlets of such a cycle were seen off, and on again."""
    cycle = memory.cycles.get(action.miner)
    if cycle is None or result is not Result.OK:
        return
    if action.verb is Verb.POWER_OFF:
        memory.cycles[action.miner] = replace(cycle, off_at=at)
    elif action.verb is Verb.POWER_ON and set(cycle.outlets) <= set(action.outlets):
        memory.cycles[action.miner] = replace(cycle, on_at=at)


def proven(memory: Memory, event: OutletsProven) -> None:
    """Take the map for shown to be right there."""
    memory.cycles.pop(event.miner, None)
    memory.mapped.update(dict.fromkeys(event.outlets, event.miner))


def doubted(memory: Memory, event: OutletsDoubted, at: float) -> None:
    """Doubt the map of these PDUs; whoever fell for it is about to start."""
    memory.cycles.pop(event.miner, None)
    memory.doubted.update(dict.fromkeys((outlet.pdu for outlet in event.outlets), event))
    memory.fell.update(dict.fromkeys(event.fell, at))


def over(memory: Memory, incident: IncidentId) -> None:
    """Forget the cycles of an incident that is over, or a person's: they show nothing any more."""
    for miner in [miner for miner, cycle in memory.cycles.items() if cycle.incident == incident]:
        del memory.cycles[miner]
