"""The audit trail event by event: one line for each, with what was in force then. Pure: records in, lines out.

A line can be read by itself, whatever stood in the events before it. What was done, a line a deed, is told by
`agent.report.deeds`.
"""

from collections.abc import Iterable, Iterator

import msgspec

from agent.model.action import Action
from agent.model.events import Intended, Judged, Record, Settled
from agent.model.ids import IncidentId
from agent.report.in_force import InForce, devices_of, evidence_text, iso
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
    now = InForce()
    confirmed: dict[IncidentId, str | None] = {}
    for record in records:
        now.follow(record.event)
        if isinstance(record.event, Intended):
            confirmed[record.event.incident] = now.confirmed(record.event.approval)
        if since is None or record.at >= since:
            yield _line(record, now, confirmed)


def _line(record: Record, now: InForce, confirmed: dict[IncidentId, str | None]) -> Line:
    event = record.event
    incident: IncidentId | None = getattr(event, "incident", None)
    opened, run = now.opened(incident), now.run(incident)
    action: Action | None = getattr(event, "action", None)
    judged = event if isinstance(event, Judged) else None
    settled = event if isinstance(event, Settled) else None
    return Line(
        seq=record.seq,
        at=iso(record.at),
        actor=record.actor,
        kind=str(event.__struct_config__.tag),
        incident=incident,
        category=None if opened is None else opened.category,
        cause=None if opened is None else opened.cause,
        what=tell(event),
        verb=None if action is None else action.verb,
        devices=None if action is None else devices_of(action),
        approved_by=confirmed.get(event.incident) if isinstance(event, Intended | Settled) else None,
        gate=None if judged is None else judged.gate,
        verdict=None if judged is None else judged.verdict,
        why=getattr(event, "reason", None) or getattr(event, "why", None),
        result=None if settled is None else settled.result,
        detail=None if settled is None else settled.detail,
        playbook=None if run is None else run.playbook,
        playbook_fingerprint=None if run is None else run.fingerprint,
        version=now.version,
        config_fingerprint=now.config_fingerprint,
        evidence=evidence_text(getattr(event, "evidence", {})),
        prev=record.prev,
        hash=record.hash,
    )
