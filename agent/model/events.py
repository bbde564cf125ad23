"""What the ledger remembers: a closed union of events, and the record that wraps each.

Incidents, budgets, duties and KPIs are folds over these; nothing else is stored.
"""

from enum import StrEnum

import msgspec

from agent.model.action import Action, Result
from agent.model.guard import Mode
from agent.model.ids import (
    ApprovalId,
    ChannelId,
    ImageId,
    IncidentId,
    MinerId,
    NoticeId,
    PduId,
    RunId,
    WindowId,
)
from agent.model.incident import Category, Evidence, Outcome, Reason, Severity
from agent.model.notice import Topic
from agent.model.topology import Outlet
from agent.model.windows import EndReason, Purpose


class Actor(StrEnum):
    """Who caused an event."""

    AGENT = "agent"
    OPERATOR = "operator"
    SCHEDULE = "schedule"
    INTEGRATION = "integration"


class Event(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    """Base of the union; `kind` is the tag in the ledger's JSON."""


class AgentStarted(Event, frozen=True, kw_only=True, tag="agent_started"):
    """The agent came up, after its first full poll. Fingerprints tell which configuration and tables it runs.

    Attributes:
        playbooks: the fingerprint of each table, by its name.
        trust: how far it may go, by playbook and risk in lower case.
        gates: the guards in the order asked.
        boot: tells one start of the machine that it runs on from another; empty where that is not known.
        boot_since: UTC s of the first start of an agent since that machine was started; None where that is not known.
    """

    version: str
    site: str
    config_fingerprint: str
    playbooks: dict[str, str]
    simulated: bool
    trust: dict[str, dict[str, Mode]] = {}
    gates: tuple[str, ...] = ()
    boot: str = ""
    boot_since: float | None = None


class AgentStopped(Event, frozen=True, kw_only=True, tag="agent_stopped"):
    """The agent went down in order."""

    reason: str


class HoldChanged(Event, frozen=True, kw_only=True, tag="hold_changed"):
    """A person told the agent to keep its hands off, or let it go on.

    Attributes:
        why: what the person wrote; None where the agent may act again.
    """

    why: str | None


class IncidentOpened(Event, frozen=True, kw_only=True, tag="incident_opened"):
    """A symptom became an incident, and was announced by this very event.

    `domain` names what its members share, e.g. `pool:primary`, where the cause lies there; empty for a single device.
    """

    incident: IncidentId
    category: Category
    cause: Reason
    severity: Severity
    members: tuple[MinerId, ...]
    detected_at: float
    evidence: Evidence
    domain: str = ""


class IncidentJoined(Event, frozen=True, kw_only=True, tag="incident_joined"):
    """More miners show the symptom of a shared cause whose incident is open."""

    incident: IncidentId
    members: tuple[MinerId, ...]
    severity: Severity


class IncidentAbsorbed(Event, frozen=True, kw_only=True, tag="incident_absorbed"):
    """What one device showed has a cause that it shares with others: their incident has it from now on."""

    incident: IncidentId
    parent: IncidentId


class IncidentReclassified(Event, frozen=True, kw_only=True, tag="incident_reclassified"):
    """Nothing had been done yet, and what is seen now belongs to another class: its playbook begins."""

    incident: IncidentId
    category: Category
    cause: Reason
    severity: Severity
    evidence: Evidence


class IncidentUpdated(Event, frozen=True, kw_only=True, tag="incident_updated"):
    """The symptom of an open incident changed."""

    incident: IncidentId
    cause: Reason
    severity: Severity
    evidence: Evidence


class IncidentRelapsed(Event, frozen=True, kw_only=True, tag="incident_relapsed"):
    """A closed incident's symptom came back within the minimum healthy period: it was not resolved."""

    incident: IncidentId
    cause: Reason
    detected_at: float
    evidence: Evidence


class Mitigated(Event, frozen=True, kw_only=True, tag="mitigated"):
    """The clear condition held for the first time."""

    incident: IncidentId


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """A playbook began on an incident, in its initial state."""

    incident: IncidentId
    run: RunId
    playbook: str
    fingerprint: str
    state: str


class Moved(Event, frozen=True, kw_only=True, tag="moved"):
    """A run changed state without acting."""

    incident: IncidentId
    run: RunId
    trigger: str
    from_state: str
    to_state: str
    evidence: Evidence = {}


class Judged(Event, frozen=True, kw_only=True, tag="judged"):
    """A guard's verdict on a wanted action; repeated only when it changes."""

    incident: IncidentId
    run: RunId | None
    state: str
    action: Action
    gate: str
    verdict: str
    reason: str
    until: float | None = None


class ApprovalAsked(Event, frozen=True, kw_only=True, tag="approval_asked"):
    """Every other gate allows an action, and a person is asked whether it may be done.

    Attributes:
        evidence: what is seen of the incident.
        expires_at: UTC s from which on it can be neither given nor used.
        replaces: what was asked before and is not wanted any more.
    """

    approval: ApprovalId
    incident: IncidentId
    run: RunId | None
    state: str
    action: Action
    evidence: Evidence
    expires_at: float
    replaces: tuple[ApprovalId, ...] = ()


class ApprovalGiven(Event, frozen=True, kw_only=True, tag="approval_given"):
    """A person confirmed an action. It is done when every gate allows it then, once, before it expires.

    `by` is who it was, as the command says by which it was given.
    """

    approval: ApprovalId
    incident: IncidentId
    by: str = ""


class ApprovalDenied(Event, frozen=True, kw_only=True, tag="approval_denied"):
    """A person denied an action, or took back a confirmation that had not been used yet."""

    approval: ApprovalId
    incident: IncidentId
    why: str
    by: str = ""


class Intended(Event, frozen=True, kw_only=True, tag="intended"):
    """An action is about to be performed. Committed before the device is touched.

    `run` is None for a duty carried out after its run ended. A POWER_OFF intent is a duty to switch on again, whatever
    its outcome; a POWER_ON settled OK discharges it. `approval` is what a person confirmed it by, where one had to.
    """

    incident: IncidentId
    run: RunId | None
    state: str
    attempt: int
    action: Action
    approval: ApprovalId | None = None


class Settled(Event, frozen=True, kw_only=True, tag="settled"):
    """An action's outcome and the run's transition, in one commit."""

    incident: IncidentId
    run: RunId | None
    attempt: int
    action: Action
    result: Result
    detail: str
    from_state: str
    to_state: str
    trigger: str
    evidence: Evidence = {}


class Rebound(Event, frozen=True, kw_only=True, tag="rebound"):
    """A miner was found at another address than its inventory has, and is looked for there from now on.

    The inventory stays as it is. This holds until another event of its kind, or until the inventory has another address
    for the miner than `inventory_host`.
    """

    incident: IncidentId
    miner: MinerId
    host: str
    inventory_host: str


class StormBegan(Event, frozen=True, kw_only=True, tag="storm_began"):
    """So many miners have an incident that nothing new is begun on single ones."""

    ill: int


class StormOver(Event, frozen=True, kw_only=True, tag="storm_over"):
    """Fewer have had one for long enough."""


class NoticeDue(Event, frozen=True, kw_only=True, tag="notice_due"):
    """People are to be told, through these channels: committed together with what they are told of."""

    notice: NoticeId
    topic: Topic
    channels: tuple[ChannelId, ...]
    incident: IncidentId | None = None
    approval: ApprovalId | None = None
    evidence: Evidence = {}
    ill: int = 0


class NoticeSettled(Event, frozen=True, kw_only=True, tag="notice_settled"):
    """A channel took these notices, in one message, or it was given up; `detail` says why."""

    notices: tuple[NoticeId, ...]
    channel: ChannelId
    delivered: bool
    tries: int
    detail: str = ""


class Escalated(Event, frozen=True, kw_only=True, tag="escalated"):
    """A person is asked, with the evidence and what was tried.

    `excused_by` is the loss of power that cut this incident's flash short: its image is not to blame for what became of
    the board.
    """

    incident: IncidentId
    reason: str
    tried: tuple[str, ...]
    evidence: Evidence
    excused_by: IncidentId | None = None


class Closed(Event, frozen=True, kw_only=True, tag="closed"):
    """The incident ended; resolved_at is this event's time.

    `leaves` is what a person is still to do, in his own time; the evidence is then a ticket's. Empty for nothing.
    `excused_s` is for how long since its detection announced windows had all its members.
    """

    incident: IncidentId
    outcome: Outcome
    evidence: Evidence = {}
    leaves: str = ""
    excused_s: float = 0.0


class WindowSet(Event, frozen=True, kw_only=True, tag="window_set"):
    """Miners are curtailed or worked on from now until a time; the same id again changes what was said.

    Who said so is the record's actor. The miners stand here by name: what is excused must not hang on what the
    inventory has later.
    """

    window: WindowId
    purpose: Purpose
    scope: tuple[str, ...]
    miners: tuple[MinerId, ...]
    share: float
    until: float
    why: str
    told_at: float | None = None


class WindowEnded(Event, frozen=True, kw_only=True, tag="window_ended"):
    """An announced window is over; its miners are expected to come back."""

    window: WindowId
    reason: EndReason


class ImageReleased(Event, frozen=True, kw_only=True, tag="image_released"):
    """A person has looked: no flash of this image is under way any more, and it may be used again."""

    image: ImageId


class OutletsProven(Event, frozen=True, kw_only=True, tag="outlets_proven"):
    """A power cycle has shown that these outlets feed this miner: it began anew as they were closed, and no other."""

    incident: IncidentId
    miner: MinerId
    outlets: tuple[Outlet, ...]


class OutletsDoubted(Event, frozen=True, kw_only=True, tag="outlets_doubted"):
    """These outlets do not feed the miner that the inventory has on them, or not it alone: a power-off has shown it.

    From here on, until a person has looked (`OutletsTrusted`), the map of their PDUs is believed where proven only.

    Attributes:
        fell: the miners that lost their power instead.
    """

    incident: IncidentId
    miner: MinerId
    outlets: tuple[Outlet, ...]
    fell: tuple[MinerId, ...]
    evidence: Evidence


class OutletsTrusted(Event, frozen=True, kw_only=True, tag="outlets_trusted"):
    """A person has looked at a PDU whose map was in doubt: what the inventory says of it is right now."""

    pdu: PduId
    why: str


class Archived(Event, frozen=True, kw_only=True, tag="archived"):
    """Old events have left the ledger for a file of their own, which begins and ends with these.

    Attributes:
        head: the hash of the last of them: the anchor of the file.
        checkpoint: hex SHA-256 of what the ledger keeps of them: what the agent remembered then.
    """

    first_seq: int
    last_seq: int
    head: str
    file: str
    checkpoint: str


AnyEvent = (
    AgentStarted
    | AgentStopped
    | HoldChanged
    | IncidentOpened
    | IncidentJoined
    | IncidentAbsorbed
    | IncidentReclassified
    | IncidentUpdated
    | IncidentRelapsed
    | Mitigated
    | RunStarted
    | Moved
    | Judged
    | ApprovalAsked
    | ApprovalGiven
    | ApprovalDenied
    | Intended
    | Settled
    | Rebound
    | StormBegan
    | StormOver
    | NoticeDue
    | NoticeSettled
    | Escalated
    | Closed
    | WindowSet
    | WindowEnded
    | ImageReleased
    | OutletsProven
    | OutletsDoubted
    | OutletsTrusted
    | Archived
)


class Record(msgspec.Struct, frozen=True):
    """One committed event.

    Attributes:
        seq: 1, 2, 3 … without gaps.
        at: UTC s, millisecond resolution.
        prev, hash: hex SHA-256 of the record before and of this one.
    """

    seq: int
    at: float
    actor: Actor
    event: AnyEvent
    prev: str
    hash: str
