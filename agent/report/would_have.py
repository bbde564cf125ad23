"""What the agent would have done where it only observed, and how each of those incidents really ended. Pure fold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.model.action import Action, Risk
from agent.model.events import Closed, IncidentOpened, IncidentRelapsed, Judged, Mitigated, Record, RunStarted
from agent.model.guard import GuardReason
from agent.model.ids import IncidentId
from agent.model.incident import Outcome
from agent.report.figures import Rate
from agent.report.table import Table
from agent.report.text import NOTHING, duration, percent
from agent.report.timeline import words_of

NEEDLESS_S = 300.0
"""What is well so soon after the decision would have been well without it: restarts take as long to show an effect."""


@dataclass(frozen=True, slots=True)
class WouldHave:
    """One action that the mode kept the agent from. Times in UTC s.

    Attributes:
        playbook, fingerprint: whose step it was.
        decided_at: when every gate before the mode's had allowed it.
        cleared_at: when the symptom was first gone; None while it is not.
        outcome: how the incident stands.
        until: the last moment the ledger knows of.
    """

    incident: IncidentId
    cause: str
    detected_at: float
    playbook: str
    fingerprint: str
    action: Action
    decided_at: float
    until: float
    cleared_at: float | None = None
    outcome: Outcome = Outcome.OPEN

    @property
    def risk(self) -> Risk:
        """How much it could have hurt."""
        return self.action.traits.risk

    @property
    def was_needed(self) -> bool | None:
        """Whether the symptom lasted, so that something had to be done; None while nobody can tell."""
        if self.cleared_at is not None:
            return self.cleared_at - self.decided_at >= NEEDLESS_S
        return True if self.until - self.decided_at >= NEEDLESS_S else None


def would_have(records: Iterable[Record]) -> list[WouldHave]:
    """Return what would have been done, in the order decided; of each run the first step that acts."""
    found: dict[str, WouldHave] = {}
    run_of: dict[IncidentId, RunStarted] = {}
    opened: dict[IncidentId, tuple[str, float]] = {}
    at = 0.0
    for record in records:
        at, event = record.at, record.event
        match event:
            case IncidentOpened() | IncidentRelapsed():
                opened[event.incident] = (event.cause, event.detected_at)
            case RunStarted():
                run_of[event.incident] = event
            case Judged() if event.reason == GuardReason.OBSERVE_MODE and event.run is not None:
                run = run_of[event.incident]
                cause, detected_at = opened[event.incident]
                told = WouldHave(
                    event.incident, cause, detected_at, run.playbook, run.fingerprint, event.action, at, at
                )
                found.setdefault(event.run, told)
            case Mitigated() | Closed() if event.incident in run_of:
                key = run_of[event.incident].run
                if key in found:
                    outcome = event.outcome if isinstance(event, Closed) else found[key].outcome
                    cleared_at = found[key].cleared_at
                    found[key] = replace(
                        found[key], outcome=outcome, cleared_at=at if cleared_at is None else cleared_at
                    )
            case _:
                pass
    return [replace(told, until=at) for told in found.values()]


def needed(cases: Sequence[WouldHave]) -> Rate:
    """Return how many of those that can be told were needed."""
    told = [case.was_needed for case in cases if case.was_needed is not None]
    return Rate(sum(told), len(told))


def tables(cases: Sequence[WouldHave]) -> list[Table]:
    """Lay it out for people."""
    rows = [
        (
            case.incident,
            words_of(case.action),
            duration(case.decided_at - case.detected_at),
            case.outcome.value,
            NOTHING if case.cleared_at is None else duration(case.cleared_at - case.decided_at),
            {True: "yes", False: "no", None: NOTHING}[case.was_needed],
        )
        for case in cases
    ]
    rate = needed(cases)
    number = f"{len(cases)} action{'' if len(cases) == 1 else 's'}"
    notes = (
        f"{number} kept back by mode observe; {rate.hits} of {rate.of} needed ({percent(rate.value)})",
        f"needed: the symptom lasted {duration(NEEDLESS_S)} or more after the decision",
    )
    headers = ("incident", "would have", "after", "ended", "well after", "needed")
    return [Table("", headers, rows, frozenset(("after", "well after")), notes)]


def as_json(cases: Sequence[WouldHave]) -> list[Mapping[str, Any]]:
    """Return it as plain data, times in UTC s."""
    return [
        {
            "incident": case.incident,
            "cause": case.cause,
            "detected_at": case.detected_at,
            "playbook": case.playbook,
            "action": case.action,
            "risk": case.risk.name.lower(),
            "decided_at": case.decided_at,
            "outcome": case.outcome,
            "cleared_at": case.cleared_at,
            "needed": case.was_needed,
        }
        for case in cases
    ]
