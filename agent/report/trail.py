"""The audit trail: one line for each event, with what an auditor asks of it. Pure: records in, lines out.

An event has only what it alone knows; what was in force when it was written (version, configuration, playbook) stands
in the events before it. A line has both, so that it can be read by itself: who or what did what to which device, on
what evidence, approved by whom, with what result.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from agent.model.action import Action
from agent.model.events import (
    AgentStarted,
    AnyEvent,
    ApprovalGiven,
    IncidentOpened,
    Intended,
    Judged,
    Record,
    RunStarted,
    Settled,
)
from agent.model.ids import ApprovalId, IncidentId
from agent.model.incident import LOGS, Evidence
from agent.report.timeline import tell


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the trail. What does not apply is None.

    Attributes:
        at: UTC, ISO 8601 to the millisecond.
        actor: who caused it: agent, operator, schedule or integration.
        what: the event in one sentence.
        category, cause: of its incident, as it was opened.
        verb, devices: what was or would be done, and to what: miners, outlets as `pdu/number`, a cooling unit.
        approved_by: where a person had to confirm the action, who did and by which approval; of its intent and outcome.
        verdict: allow, defer or refuse, of the gate named; `why` is its reason, or that of the event.
        result, detail: how the action went.
        playbook, playbook_fingerprint: the run's. version, config_fingerprint: the agent's, at that time.
        evidence: as JSON, without the text of a miner's logs.
        prev, hash: of the chain.
    """

    seq: int
    at: str
    actor: str
    kind: str
    incident: str | None
    category: str | None
    cause: str | None
    what: str
    verb: str | None
    devices: str | None
    approved_by: str | None
    gate: str | None
    verdict: str | None
    why: str | None
    result: str | None
    detail: str | None
    playbook: str | None
    playbook_fingerprint: str | None
    version: str | None
    config_fingerprint: str | None
    evidence: str | None
    prev: str
    hash: str


HEADERS = Line.__struct_fields__


def trail(records: Iterable[Record], since: float | None = None) -> Iterator[Line]:
    """Yield the lines of a whole ledger's records; of those after `since` (UTC s) only, where it is given."""
    context = _Context()
    for record in records:
        context.follow(record.event)
        if since is None or record.at >= since:
            yield context.line(record)


class _Context:
    """What is in force at the present event."""

    def __init__(self) -> None:
        self._started: AgentStarted | None = None
        self._opened: dict[IncidentId, IncidentOpened] = {}
        self._runs: dict[IncidentId, RunStarted] = {}
        self._given: dict[ApprovalId, str] = {}
        self._confirmed: dict[IncidentId, str | None] = {}

    def follow(self, event: AnyEvent) -> None:
        match event:
            case AgentStarted():
                self._started = event
            case IncidentOpened():
                self._opened[event.incident] = event
            case RunStarted():
                self._runs[event.incident] = event
            case ApprovalGiven():
                self._given[event.approval] = f"{event.by or 'a person'} ({event.approval})"
            case Intended():
                self._confirmed[event.incident] = None if event.approval is None else self._given.get(event.approval)
            case _:
                pass

    def line(self, record: Record) -> Line:
        event = record.event
        incident: IncidentId | None = getattr(event, "incident", None)
        opened = None if incident is None else self._opened.get(incident)
        run = None if incident is None else self._runs.get(incident)
        action: Action | None = getattr(event, "action", None)
        judged = event if isinstance(event, Judged) else None
        settled = event if isinstance(event, Settled) else None
        return Line(
            seq=record.seq,
            at=datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds"),
            actor=record.actor,
            kind=str(event.__struct_config__.tag),
            incident=incident,
            category=None if opened is None else opened.category,
            cause=None if opened is None else opened.cause,
            what=tell(event),
            verb=None if action is None else action.verb,
            devices=None if action is None else _devices(action),
            approved_by=self._confirmed.get(event.incident) if isinstance(event, Intended | Settled) else None,
            gate=None if judged is None else judged.gate,
            verdict=None if judged is None else judged.verdict,
            why=getattr(event, "reason", None) or getattr(event, "why", None),
            result=None if settled is None else settled.result,
            detail=None if settled is None else settled.detail,
            playbook=None if run is None else run.playbook,
            playbook_fingerprint=None if run is None else run.fingerprint,
            version=None if self._started is None else self._started.version,
            config_fingerprint=None if self._started is None else self._started.config_fingerprint,
            evidence=_shown(getattr(event, "evidence", {})),
            prev=record.prev,
            hash=record.hash,
        )


def _devices(action: Action) -> str:
    unit = () if action.unit is None else (action.unit,)
    return " ".join([*action.targets, *map(str, action.outlets), *unit])


def _shown(evidence: Evidence) -> str | None:
    kept = {key: value for key, value in sorted(evidence.items()) if key != LOGS}
    return msgspec.json.encode(kept).decode() if kept else None
