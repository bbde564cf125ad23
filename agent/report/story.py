"""One incident as a story: the moments in order, each with what was seen, decided, done and said then. Pure.

How it is laid out stands in `agent.report.replay_text` for a terminal, in `agent.report.replay_page` for a browser.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from agent.model.events import (
    AgentStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Closed,
    Escalated,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Intended,
    Judged,
    Mitigated,
    Moved,
    NoticeDue,
    NoticeSettled,
    Record,
    RunStarted,
    Settled,
)
from agent.model.incident import Evidence, Incident
from agent.report.explain import Meanings, Subject, gate_lines, shown, verdicts, weighed
from agent.report.timeline import headline

KPI_STEPS = ("detected", "alerted", "remediation started", "mitigated", "resolved")
"""What the KPIs are measured between, in order."""


class Mark(StrEnum):
    """What a moment is, at a glance."""

    SEEN = "seen"
    DECIDED = "decided"
    PUT_OFF = "put off"
    ACTED = "acted"
    FAILED = "failed"
    PERSON = "person"
    BETTER = "better"
    AGENT = "agent"


class Guide(msgspec.Struct, frozen=True):
    """What the incident's playbook says, where it is at hand as it was.

    Attributes:
        meanings: of its conditions, by the state they are looked at in and the trigger they take.
        waits: what is waited for in a state.
    """

    meanings: Meanings = {}
    waits: Mapping[str, str] = {}


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.

    Attributes:
        number: 1, 2, 3 … in order.
        after_s: since the incident was detected.
        by: who caused it.
        step: the step of the KPIs that this is; empty for none.
        kind: the event's, as in the ledger; `detected` for the detection itself.
        why: one line each: what a condition means, causes weighed, verdicts of the guards, what is waited for.
        evidence: what was seen, as far as it is new or another than at the moment before.
        seq: of the ledger's record.
    """

    number: int
    at: float
    after_s: float
    by: str
    mark: Mark
    step: str
    kind: str
    what: str
    why: tuple[str, ...]
    evidence: Evidence
    seq: int


class Story(Subject, frozen=True, kw_only=True):
    """An incident from its detection to its end, or to where the ledger ends.

    Attributes:
        steps: s from the detection to each step of the KPIs; None for what has not come.
        software, config_fingerprint: of the agent that detected it; empty where the ledger does not say.
    """

    steps: dict[str, float | None]
    playbook: str
    software: str
    config_fingerprint: str
    simulated: bool
    moments: tuple[Moment, ...]


def story(incident: Incident, records: Sequence[Record], started: Record | None, guide: Guide) -> Story:
    """Return the story.

    Args:
        incident: as it stands.
        records: all its records and what happened to the agent meanwhile, in order.
        started: the agent's start before the first of them.
        guide: what its playbook says.
    """
    began = started.event if started is not None and isinstance(started.event, AgentStarted) else None
    teller = _Teller(incident, began, guide)
    return Story(
        incident=incident.id,
        category=incident.category,
        cause=incident.cause,
        severity=incident.severity.value,
        miners=incident.members,
        domain=incident.domain,
        detected_at=incident.detected_at,
        state=incident.phase if incident.is_open else incident.outcome,
        steps=_steps(incident),
        playbook="" if incident.run is None else incident.run.playbook,
        software="" if began is None else began.version,
        config_fingerprint="" if began is None else began.config_fingerprint,
        simulated=began is not None and began.simulated,
        moments=tuple(moment for record in records for moment in teller.tell(record)),
    )


def _steps(incident: Incident) -> dict[str, float | None]:
    times = (
        incident.detected_at,
        incident.alerted_at,
        incident.remediation_started_at,
        incident.mitigated_at,
        incident.resolved_at,
    )
    after = (None if at is None else max(0.0, at - incident.detected_at) for at in times)
    return dict(zip(KPI_STEPS, after, strict=True))


class _Teller:
    """Turns records into moments, one after the other, and knows what has been told already."""

    def __init__(self, incident: Incident, started: AgentStarted | None, guide: Guide) -> None:
        self._incident = incident
        self._gates = () if started is None else started.gates
        self._guide = guide
        self._seen: Evidence = {}
        self._number = 0
        self._acted = False

    def tell(self, record: Record) -> Iterator[Moment]:
        event = record.event
        if isinstance(event, AgentStarted):
            self._gates = event.gates
        evidence = self._news(event)
        if isinstance(event, IncidentOpened):
            detected = self._moment(record, "detected", evidence)
            after_s = event.detected_at - self._incident.detected_at
            yield replace(detected, at=event.detected_at, after_s=after_s, kind="detected")
            told = f"{self._incident.id} is open: it stands in the ledger from here on"
            yield replace(self._moment(record, "alerted", {}), what=told, why=())
            return
        yield self._moment(record, self._step(event), evidence)

    def _moment(self, record: Record, step: str, evidence: Evidence) -> Moment:
        self._number += 1
        return Moment(
            number=self._number,
            at=record.at,
            after_s=record.at - self._incident.detected_at,
            by=record.actor,
            mark=_mark(record.event),
            step=step,
            kind=str(record.event.__struct_config__.tag),
            what=headline(record.event),
            why=tuple(self._why(record.event)),
            evidence=evidence,
            seq=record.seq,
        )

    def _news(self, event: AnyEvent) -> Evidence:
        """Return what an event's evidence has that was not told, or not so."""
        found = shown(getattr(event, "evidence", {}))
        news = {key: value for key, value in found.items() if key not in self._seen or self._seen[key] != value}
        self._seen = self._seen | found
        return news

    def _step(self, event: AnyEvent) -> str:
        """Return the step of the KPIs that an event is."""
        if isinstance(event, Intended) and not self._acted:
            self._acted = True
            return "remediation started"
        if isinstance(event, Mitigated):
            return "mitigated"
        return "resolved" if isinstance(event, Closed) else ""

    def _why(self, event: AnyEvent) -> Iterator[str]:
        match event:
            case IncidentOpened() | IncidentReclassified():
                yield from (
                    f"cause {'chosen' if k == 0 else 'weighed'}: {cause}" for k, cause in enumerate(weighed(event))
                )
            case Moved():
                yield from filter(None, (self._guide.meanings.get((event.from_state, event.trigger)),))
            case Judged():
                yield from gate_lines(verdicts(event, self._gates), event.until)
            case Intended() if self._gates:
                yield from gate_lines(verdicts(event, self._gates), None)
            case Escalated():
                yield from (f"tried: {tried}" for tried in event.tried)
            case _:
                pass
        entered = _entered(event)
        if entered in self._guide.waits:
            yield f"then waits for {self._guide.waits[entered]}"


def _entered(event: AnyEvent) -> str:
    """Return the state of its playbook that an event brings it to; empty for none."""
    match event:
        case RunStarted():
            return event.state
        case Moved():
            return event.to_state
        case Settled():
            return event.to_state if event.to_state != event.from_state else ""
        case _:
            return ""


def _mark(event: AnyEvent) -> Mark:  # noqa: PLR0911 - one return for each mark
    match event:
        case IncidentOpened() | IncidentUpdated() | IncidentReclassified() | IncidentRelapsed():
            return Mark.SEEN
        case Judged():
            return Mark.PUT_OFF
        case Intended():
            return Mark.ACTED
        case Settled():
            return Mark.ACTED if event.result == "ok" else Mark.FAILED
        case ApprovalAsked() | ApprovalGiven() | ApprovalDenied() | Escalated() | NoticeDue() | NoticeSettled():
            return Mark.PERSON
        case Mitigated() | Closed():
            return Mark.BETTER
        case RunStarted() | Moved():
            return Mark.DECIDED
        case _:
            return Mark.SEEN if hasattr(event, "incident") else Mark.AGENT
