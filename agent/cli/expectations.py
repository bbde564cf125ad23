"""Holds a run's ledger, truth and scoreboard against what its scenario expects.

What an expectation means is told in `agent.config.scenario.expect`. Records carry UTC seconds; a scenario's own times
are site seconds, counted from `epoch_s`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from agent.config.scenario import AtEnd, By, Expectation, IncidentFilter, Never
from agent.config.scenario.plan import ActionFilter, What
from agent.config.wording import number_text
from agent.ledger.fold import State
from agent.model.events import Intended, Record
from agent.model.ids import IncidentId
from agent.model.incident import Outcome
from agent.report.text import duration
from simulators.truth import FaultTruth

MAX_NAMED = 8
"""Incidents or actions that a failure names."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run left behind.

    Attributes:
        epoch_s: UTC s of site time 0.
        unhealthy: miners that were not well at the end.
    """

    records: Sequence[Record]
    faults: Sequence[FaultTruth]
    board: Mapping[str, Any]
    epoch_s: float
    unhealthy: int


def judge(expect: Sequence[Expectation], evidence: Evidence) -> dict[str, Any]:
    """Return the scoreboard's `expect`: how many were met, and of each other one what was expected and what came."""
    failed = []
    for expectation in expect:
        came = _came(expectation, evidence)
        if came is not None:
            place = expectation.place
            failed.append({"line": place.line, "expected": expectation.text, "got": came})
    return {"passed": len(expect) - len(failed), "failed": failed}


def flattened(board: Mapping[str, Any], prefix: str = "") -> dict[str, float | None]:
    """Return every figure of a scoreboard by its dotted name."""
    flat: dict[str, float | None] = {}
    for key, value in board.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        elif value is None or isinstance(value, int | float):
            flat[prefix + key] = value
    return flat


def _came(expectation: Expectation, evidence: Evidence) -> str | None:
    """Return what came in place of what was expected; None where that came."""
    match expectation:
        case By():
            return _by(expectation, evidence)
        case Never():
            return _never(expectation, evidence)
        case AtEnd():
            return _at_end(expectation, evidence)
        case _:
            assert_never(expectation)


def _by(wanted: By, evidence: Evidence) -> str | None:
    until = [r for r in evidence.records if r.at <= evidence.epoch_s + wanted.at_s]
    if isinstance(wanted.what, IncidentFilter):
        incidents = _folded(until).incidents.values()
        found: list[str] = [incident.id for incident in incidents if wanted.what.fits(incident)]
        others = [f"{i.id} {i.category} {i.phase} {i.outcome}" for i in incidents if i.id not in found]
        came = _named(found) + (f"; not counted: {_named(others)}" if others else "")
    else:
        found = [told for _, told in _actions(wanted.what, until, evidence.epoch_s)]
        came = _named(found)
    return None if len(found) >= wanted.count else came


def _never(wanted: Never, evidence: Evidence) -> str | None:
    found: dict[str, str] = {}
    if isinstance(wanted.what, IncidentFilter):
        # An incident offends at every record that leaves it as it must not be; between records nothing changes.
        state = State()
        for record in evidence.records:
            state.apply(record)
            name: IncidentId | None = getattr(record.event, "incident", None)
            at_s = record.at - evidence.epoch_s
            if name is not None and wanted.what.fits(state.incidents[name]) and _within(wanted, at_s, evidence.faults):
                found.setdefault(name, f"{name} at {duration(at_s)}")
    else:
        actions = _actions(wanted.what, evidence.records, evidence.epoch_s)
        found = {told: told for at_s, told in actions if _within(wanted, at_s, evidence.faults)}
    return _named(list(found.values())) if found else None


def _at_end(wanted: AtEnd, evidence: Evidence) -> str | None:
    figures = {**flattened(evidence.board), **_short(evidence)}
    value = figures.get(wanted.figure)
    if value is None:
        return "nothing: there was no such thing in this run"
    if math.isclose(value, wanted.least, abs_tol=1e-9) or wanted.least <= value <= wanted.most:
        return None
    return number_text(value)


def _short(evidence: Evidence) -> dict[str, float]:
    """Return the figures that have a short name."""
    incidents = [i for i in _folded(evidence.records).incidents.values() if i.outcome is not Outcome.SUPPRESSED]
    still_open = [incident for incident in incidents if incident.is_open]
    return {
        "outlets_off": evidence.board["harm"]["outlets_left_off"],
        "incidents": len(incidents),
        "open_incidents": len(still_open),
        "unattended_incidents": sum(incident.escalated_at is None for incident in still_open),
        "escalated_incidents": sum(incident.escalated_at is not None for incident in incidents),
        "unhealthy_miners": evidence.unhealthy,
        "actions": len(_actions(ActionFilter(None, None), evidence.records, evidence.epoch_s)),
        "faults": sum(fault.counts for fault in evidence.faults),
    }


def _actions(what: What, records: Sequence[Record], epoch_s: float) -> list[tuple[float, str]]:
    """Return site time in s and words for each action of that description that was begun."""
    found = []
    for record in records:
        event = record.event
        if isinstance(event, Intended) and not isinstance(what, IncidentFilter):
            action = event.action
            # What is done to a cooling unit is done for the miners on it, of which it names one.
            if any(what.fits(action.verb, miner) for miner in action.targets or (action.miner,)):
                at_s = record.at - epoch_s
                found.append((at_s, f"{action.verb} {action.miner} at {duration(at_s)}"))
    return found


def _within(wanted: Never, at_s: float, faults: Sequence[FaultTruth]) -> bool:
    """Whether it was forbidden at that site time: always, or while one of the kinds lasted."""
    return wanted.during is None or any(fault.kind in wanted.during and fault.lasted_at(at_s) for fault in faults)


def _folded(records: Sequence[Record]) -> State:
    state = State()
    for record in records:
        state.apply(record)
    return state


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"{len(found)}: {', '.join(found[:MAX_NAMED])}{more}" if found else "none"
