"""What was done, one row a deed, as an auditor asks for it. Pure: records in, rows out.

A deed is an action of the agent's on devices, from its intent to what became of its incident; or something by which a
person, a schedule or another system had a say in what the agent may do. What was only considered, put off or refused is
no deed: `agent.report.trail` has it, event by event.
"""

from collections.abc import Iterable

import msgspec

from agent.model.action import Risk
from agent.model.events import (
    AgentStarted,
    AgentStopped,
    AnyEvent,
    ApprovalDenied,
    ApprovalGiven,
    Archived,
    Closed,
    Escalated,
    HoldChanged,
    ImageReleased,
    IncidentAbsorbed,
    IncidentRelapsed,
    Intended,
    Judged,
    Mitigated,
    OutletsTrusted,
    Record,
    Settled,
    WindowEnded,
    WindowSet,
)
from agent.model.guard import Mode
from agent.model.ids import IncidentId
from agent.model.incident import Evidence, Outcome
from agent.report.in_force import InForce, devices_of, evidence_text, iso
from agent.report.timeline import headline, words_of

DUTY = "duty"
"""What allows an action that the agent owes to what it has done itself: it is owed in every mode."""

ORDERS = (
    AgentStarted
    | AgentStopped
    | HoldChanged
    | ApprovalGiven
    | ApprovalDenied
    | WindowSet
    | WindowEnded
    | ImageReleased
    | OutletsTrusted
    | Archived
)
"""By which somebody, or the agent's start or end, changes what the agent may do. Done as soon as it is written."""


class Deed(msgspec.Struct, kw_only=True):
    """One deed. What does not apply, or is not known yet, is None.

    Attributes:
        at: UTC, ISO 8601 to the millisecond; of the intent, which stands in the ledger before a device is touched.
        by: who or what did it: agent, operator, schedule or integration.
        deed: the action's verb, or the kind of the order. what: the same in one sentence.
        devices: what it was done to: miners, outlets as `pdu/number`, a cooling unit.
        evidence: what had last been seen of the incident, as JSON, without the text of a miner's logs.
        allowed_by: the rung of the trust ladder for that playbook and risk: auto, or approve where a person had to
            confirm it; `duty` for what the agent owes to what it has done itself.
        approved_by: that person, and by which approval.
        gates: every guard in the order asked; all of them allowed it. put_off: those that did not before, and why.
        result, detail, settled_at: how the action itself went, as read back from the device.
        outcome: what became of the incident; `escalated` where a person was asked.
        proof: what was seen when it was taken for solved, as JSON; or why a person was asked. proven_at: when.
        playbook_fingerprint, config_fingerprint, version: what was in force.
        anchors: NUMBER:SHA256 of every event that this row was made from, as `audit verify --anchor` takes them.
    """

    seq: int
    at: str
    by: str
    deed: str
    what: str
    devices: str | None = None
    incident: str | None = None
    category: str | None = None
    cause: str | None = None
    evidence: str | None = None
    allowed_by: str | None = None
    approved_by: str | None = None
    gates: str | None = None
    put_off: str | None = None
    result: str | None = None
    detail: str | None = None
    settled_at: str | None = None
    outcome: str | None = None
    proof: str | None = None
    proven_at: str | None = None
    playbook: str | None = None
    playbook_fingerprint: str | None = None
    version: str | None = None
    config_fingerprint: str | None = None
    anchors: str


HEADERS = Deed.__struct_fields__


def deeds(records: Iterable[Record], since: float | None = None) -> list[Deed]:
    """Return the deeds of a whole ledger's records, in order; of those begun after `since` (UTC s) only, if given."""
    book = _Book()
    for record in records:
        book.follow(record)
    return [deed for at, deed in book.deeds if since is None or at >= since]


class _Case:
    """What is known of one incident so far.

    Attributes:
        flying: the deed that has an intent and no outcome yet.
        deeds: of the present stretch of its life, whose end tells what became of them.
        seen: by which event, and what.
        put_off: what the guards said since the last intent, and by which events.
    """

    def __init__(self) -> None:
        self.flying: Deed | None = None
        self.deeds: list[Deed] = []
        self.seen: tuple[Record, Evidence] | None = None
        self.put_off: dict[str, Record] = {}


class _Book:
    """Follows a ledger."""

    def __init__(self) -> None:
        self._now = InForce()
        self._cases: dict[IncidentId, _Case] = {}
        self.deeds: list[tuple[float, Deed]] = []

    def follow(self, record: Record) -> None:
        """Take in a record, in order."""
        event = record.event
        self._now.follow(event)
        if isinstance(event, ORDERS):
            self._order(record)
            return
        incident: IncidentId | None = getattr(event, "incident", None)
        if incident is None:
            return
        case = self._cases.setdefault(incident, _Case())
        match event:
            case Judged():
                case.put_off[f"{event.gate} ({event.reason})"] = record
            case Intended():
                self._intended(record, event, case)
            case Settled():
                self._settled(record, event, case)
            case Mitigated() | Closed() | Escalated() | IncidentAbsorbed() | IncidentRelapsed():
                _became(record, case)
        if not isinstance(event, Judged | Closed | Escalated | Settled) and (found := getattr(event, "evidence", {})):
            case.seen = record, found

    def _order(self, record: Record) -> None:
        event = record.event
        incident: IncidentId | None = getattr(event, "incident", None)
        opened = self._now.opened(incident)
        deed = Deed(
            seq=record.seq,
            at=iso(record.at),
            by=record.actor,
            deed=str(event.__struct_config__.tag),
            what=headline(event),
            devices=_subjects(event),
            incident=incident,
            category=None if opened is None else opened.category,
            cause=None if opened is None else opened.cause,
            version=self._now.version,
            config_fingerprint=self._now.config_fingerprint,
            anchors=_anchor(record),
        )
        self.deeds.append((record.at, deed))

    def _intended(self, record: Record, event: Intended, case: _Case) -> None:
        now, action = self._now, event.action
        opened, run = now.opened(event.incident), now.run(event.incident)
        rung = None if run is None else now.trust(run.playbook, action.traits.risk)
        seen = () if case.seen is None else (case.seen[0],)
        deed = Deed(
            seq=record.seq,
            at=iso(record.at),
            by=record.actor,
            deed=action.verb,
            what=f"{words_of(action)} in {event.state}, attempt {event.attempt}",
            devices=devices_of(action),
            incident=event.incident,
            category=None if opened is None else opened.category,
            cause=None if opened is None else opened.cause,
            evidence=None if case.seen is None else evidence_text(case.seen[1]),
            allowed_by=_allowed_by(event, rung),
            approved_by=now.confirmed(event.approval),
            gates=" ".join(now.gates) or None,
            put_off=", ".join(case.put_off) or None,
            playbook=None if run is None else run.playbook,
            playbook_fingerprint=None if run is None else run.fingerprint,
            version=now.version,
            config_fingerprint=now.config_fingerprint,
            anchors=" ".join(_anchor(one) for one in (*seen, *case.put_off.values(), record)),
        )
        case.put_off.clear()
        case.flying = deed
        case.deeds.append(deed)
        self.deeds.append((record.at, deed))

    def _settled(self, record: Record, event: Settled, case: _Case) -> None:
        deed, case.flying = case.flying, None
        if deed is None:  # its intent is in an archive that is not there
            return
        deed.result, deed.detail, deed.settled_at = event.result, event.detail or None, iso(record.at)
        deed.anchors += f" {_anchor(record)}"
        if event.evidence:
            case.seen = record, event.evidence


def _allowed_by(event: Intended, rung: Mode | None) -> str | None:
    """Return the rung of the ladder that let it be done; what no rung allows without a person was owed."""
    needs_person = rung is not None and rung is not Mode.AUTO and event.action.traits.risk is not Risk.OBSERVE
    return DUTY if event.run is None or (needs_person and event.approval is None) else rung


def _became(record: Record, case: _Case) -> None:
    """Note with an incident's deeds what became of it."""
    event = record.event
    for deed in case.deeds:
        deed.outcome, deed.proven_at = _outcome(event), iso(record.at)
        deed.proof = _proof(event) or deed.proof
        deed.anchors += f" {_anchor(record)}"
    if isinstance(event, IncidentRelapsed):
        case.deeds = []


def _outcome(event: AnyEvent) -> str:
    match event:
        case Closed():
            return event.outcome
        case Escalated():
            return "escalated"
        case IncidentAbsorbed():
            return f"part of {event.parent}"
        case IncidentRelapsed():
            return "relapsed"
        case _:
            return Outcome.OPEN


def _proof(event: AnyEvent) -> str | None:
    match event:
        case Escalated():
            return event.reason
        case Closed() if event.leaves and not event.evidence:
            return event.leaves
        case Closed() | IncidentRelapsed():
            return evidence_text(event.evidence)
        case _:
            return None


def _subjects(event: AnyEvent) -> str | None:
    """Return the devices that an order is about."""
    match event:
        case WindowSet():
            return " ".join(event.miners)
        case OutletsTrusted():
            return event.pdu
        case _:
            return None


def _anchor(record: Record) -> str:
    return f"{record.seq}:{record.hash}"
