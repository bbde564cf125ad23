"""The part of the fold about what has to be undone of heat: moved setpoints, derated miners, miners put to sleep."""

from dataclasses import replace

from agent.model.action import Action, Result, Verb
from agent.model.ids import IncidentId
from agent.model.memory import Memory, Setpoint

DAY_S = 86_400.0
SAME = 0.05
"""Two setpoints closer than this are the same: less than any unit's step."""


def intended(memory: Memory, action: Action, incident: IncidentId, at: float) -> None:
    """Take in that a setpoint is about to be written: from now on it may be either, and has to be brought back."""
    target, was, unit = _target(action), action.was, action.unit
    if target is None or was is None or unit is None:
        return
    key = unit, action.verb
    record = memory.setpoints.get(key)
    base = was if record is None else record.base
    memory.setpoints[key] = Setpoint(incident, base, (was, target), at)
    if action.verb is Verb.SET_SUPPLY:
        recent = (move for move in memory.supply_moves.get(unit, ()) if at - move[0] < DAY_S)
        memory.supply_moves[unit] = (*recent, (at, target - was))


def settled(memory: Memory, action: Action, result: Result, at: float) -> None:
    """Take in what became of the write of a setpoint; a record ends with the unit seen at its base."""
    target, was, unit = _target(action), action.was, action.unit
    record = None if unit is None else memory.setpoints.get((unit, action.verb))
    if target is None or was is None or unit is None or record is None:
        return
    key = unit, action.verb
    known = {Result.OK: (target,), Result.FAILED: (was,), Result.UNKNOWN: record.known}[result]
    memory.setpoints[key] = replace(record, known=known, at=at)
    if result is Result.FAILED and action.verb is Verb.SET_SUPPLY:
        *earlier, _ = memory.supply_moves[unit]
        memory.supply_moves[unit] = tuple(earlier)
    if all(abs(value - record.base) < SAME for value in known):
        del memory.setpoints[key]


def told(memory: Memory, action: Action, incident: IncidentId, at: float) -> None:
    """Take in that miners were told, or may have been, to run slower, to sleep, or to do as usual again."""
    for miner in action.targets:
        match action.verb:
            case Verb.DERATE if action.share is not None and action.share < 1.0:
                memory.derated[miner] = (action.share, incident, at)
            case Verb.DERATE:
                memory.derated.pop(miner, None)
            case Verb.SLEEP:
                memory.asleep[miner] = (incident, at)
            case Verb.WAKE:
                memory.asleep.pop(miner, None)
            case _:
                pass


def _target(action: Action) -> float | None:
    return action.supply_c if action.verb is Verb.SET_SUPPLY else action.flow_lpm
