"""The trust ladder by the ledger: what each playbook and risk has shown, and what the next rung wants. Pure fold.

A rung is the operator's to give, in the configuration; this only says when there is reason to. The evidence is that of
the playbook as it is: a changed table begins anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agent.model.action import Result, Risk
from agent.model.events import (
    AgentStarted,
    ApprovalAsked,
    ApprovalDenied,
    Closed,
    Escalated,
    IncidentRelapsed,
    Record,
    RunStarted,
    Settled,
)
from agent.model.guard import Mode
from agent.model.ids import ApprovalId, IncidentId
from agent.report.figures import Rate, wilson
from agent.report.would_have import WouldHave, needed, would_have

APPROVE_FROM = 0.5
"""What is kept back has to be needed more often than not, at the least, before people are asked to confirm it."""

AUTO_FROM: Mapping[Risk, float] = {
    Risk.SOFT: 0.70,
    Risk.REBOOT: 0.80,
    Risk.POWER: 0.85,
    Risk.COOLING: 0.85,
    Risk.FLASH: 0.90,
}
"""The least share of runs that ended well, by the lower end of the Wilson 95 % interval: 9, 16, 22, 22, 35 of as many.

By what a wrong one costs: a minute of one miner, some minutes, everybody's breaker or coolant, a board for good. The
KPIs' targets are no measure here: a lower bound of 98 % wants 189 runs without one failure, more than most sites see of
any class in a year.
"""

MOST_MORE = 10_000


@dataclass(frozen=True, slots=True)
class Rung:
    """What one playbook has shown of one risk.

    Attributes:
        mode: in force since the last start.
        shown: in observe mode how much of what was kept back was needed; else how many of the runs, of which this was
            the most invasive step, ended well.
        next: the rung above; None on the highest.
        wants: what `shown` has to reach for it, by its lower bound; None on the highest.
        more: so many more, all well, would reach it; 0 where it is reached; None on the highest.
        doubtful: on the highest rung, and surely (by the upper bound) below what would lead to it.
    """

    playbook: str
    risk: Risk
    mode: Mode
    shown: Rate
    next: Mode | None = None
    wants: float | None = None
    more: int | None = None
    doubtful: bool = False


@dataclass(slots=True)
class _Run:
    """What became of one run."""

    playbook: str
    fingerprint: str
    used: Risk = Risk.OBSERVE
    denied: set[Risk] = field(default_factory=set)
    ended_well: bool | None = None


def ladder(records: Iterable[Record]) -> list[Rung]:
    """Return every rung of the playbooks of the last start, by playbook and risk; none for an empty ledger."""
    kept = list(records)
    started = next((r.event for r in reversed(kept) if isinstance(r.event, AgentStarted)), None)
    if started is None:
        return []
    current = started.playbooks
    runs = [run for run in _runs(kept) if current.get(run.playbook) == run.fingerprint]
    kept_back = [case for case in would_have(kept) if current.get(case.playbook) == case.fingerprint]
    return [
        _rung(playbook, Risk[risk.upper()], mode, runs, kept_back)
        for playbook, risks in sorted(started.trust.items())
        for risk, mode in sorted(risks.items(), key=lambda pair: Risk[pair[0].upper()])
    ]


def _rung(playbook: str, risk: Risk, mode: Mode, runs: list[_Run], kept_back: list[WouldHave]) -> Rung:
    if mode is Mode.OBSERVE:
        shown = needed([case for case in kept_back if (case.playbook, case.risk) == (playbook, risk)])
        return Rung(playbook, risk, mode, shown, Mode.APPROVE, APPROVE_FROM, _more(shown, APPROVE_FROM))
    shown, wants = _ended_well([run for run in runs if run.playbook == playbook], risk), AUTO_FROM[risk]
    if mode is Mode.APPROVE:
        return Rung(playbook, risk, mode, shown, Mode.AUTO, wants, _more(shown, wants))
    return Rung(playbook, risk, mode, shown, doubtful=shown.ci95 is not None and shown.ci95[1] < wants)


def _ended_well(runs: list[_Run], risk: Risk) -> Rate:
    """Return how many runs ended well of those that this risk settled, or in which a person denied it."""
    used = [run for run in runs if run.used is risk and run.ended_well is not None and risk not in run.denied]
    denied = sum(risk in run.denied for run in runs)
    return Rate(sum(run.ended_well is True for run in used), len(used) + denied)


def _more(shown: Rate, wants: float) -> int:
    return next(
        (n for n in range(MOST_MORE) if shown.of + n and wilson(shown.hits + n, shown.of + n)[0] >= wants), MOST_MORE
    )


def _runs(records: Iterable[Record]) -> Iterator[_Run]:
    """Yield what became of every run."""
    latest: dict[IncidentId, _Run] = {}
    asked: dict[ApprovalId, Risk] = {}
    every: list[_Run] = []
    for record in records:
        event = record.event
        match event:
            case RunStarted():
                latest[event.incident] = _Run(event.playbook, event.fingerprint)
                every.append(latest[event.incident])
            case ApprovalAsked():
                asked[event.approval] = event.action.traits.risk
            case ApprovalDenied() if event.incident in latest:
                latest[event.incident].denied.add(asked[event.approval])
            case Settled() if event.run is not None and event.result is not Result.FAILED:
                run = latest[event.incident]
                run.used = max(run.used, event.action.traits.risk)
            case Escalated() | IncidentRelapsed() if event.incident in latest:
                latest[event.incident].ended_well = False
            case Closed() if event.incident in latest and latest[event.incident].ended_well is None:
                # By this very run: a person may have been asked in another, before the symptom came back.
                latest[event.incident].ended_well = True
            case _:
                pass
    yield from every
