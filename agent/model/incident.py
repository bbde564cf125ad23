"""Symptoms and incidents, as the fold over the ledger yields them."""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from agent.model.action import Result, Verb
from agent.model.ids import ImageId, IncidentId, MinerId, RunId


class Category(StrEnum):
    """The classes of incident, with the keys the KPIs use."""

    STUCK = "stuck"
    POOL = "pool"
    THERMAL = "thermal"
    FIRMWARE = "firmware"
    NETWORK = "network"
    REJECTS = "rejects"
    OTHER = "other"


class Severity(IntEnum):
    """1 critical … 4 low; definitions and limits in the KPI reference."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


class Health(IntEnum):
    """A detector's three-valued verdict on one row."""

    HEALTHY = 0
    SUSPECT = 1
    FIRING = 2


class Reason(StrEnum):
    """Why a detector fires."""

    UNRESPONSIVE = "unresponsive"
    """The management API gives no telemetry."""
    NOT_HASHING = "not_hashing"
    """The API answers; no hashes and no shares."""
    NO_POOL = "no_pool"
    """It computes, or could, and nothing it finds is accepted anywhere: its pool is gone."""
    UNSTEADY_POOL = "unsteady_pool"
    """Its pool drops all its miners in the same moment, again and again, and takes them back."""
    REJECTS = "rejects"
    """Of the shares it sends, too many are refused."""
    FOREIGN_POOL = "foreign_pool"
    """It works for a pool or under a name that is not the site's."""
    POWER_LOST = "power_lost"
    """Together with all that hang on the same breaker, PDU or feed it is without power."""
    CURTAILED = "curtailed"
    """Together with all that it shares something with it was told to sleep, and nobody has said so."""
    CUT_OFF = "cut_off"
    """It draws full power and cannot be reached: the network between, not the miner."""
    BOARD_LOST = "board_lost"
    """A hashboard has no chip that answers, while others hash."""
    FAN_LOST = "fan_lost"
    """A fan stands still in a miner that has power."""
    PSU_HICCUP = "psu_hiccup"
    """Its power supply cuts out for moments, again and again."""
    DEGRADED = "degraded"
    """It hashes, steadily below what it aims at."""
    OVERTEMP_CUT_OUT = "overtemp_cut_out"
    """It stopped itself at the limit of its temperature."""
    BOOT_LOOP = "boot_loop"
    """It starts again and again by itself."""
    CRASHED = "crashed"
    """Its firmware says that it crashed, or a restart did not hold."""
    OVERHEATED = "overheated"
    """It is near its limit and slower for it, by itself: a clog, dust or a fan."""
    LOOP_HOT = "loop_hot"
    """Its coolant is too warm or too little, and so is everybody's on that loop."""
    COOLING_LOST = "cooling_lost"
    """Its loop is not cooled any more: a pump gone, no flow, or a supply that runs away."""
    UNIT_SILENT = "unit_silent"
    """The cooling unit of its loop answers nothing: nobody watches that loop, or can do anything about it."""
    UNIT_LEAKS = "unit_leaks"
    """The cooling unit of its loop has found a leak."""
    UNIT_SENSOR = "unit_sensor"
    """What the cooling unit tells of its supply does not fit what the miners on it show."""
    UNIT_FLOW_SENSOR = "unit_flow_sensor"
    """The cooling unit tells of no flow, while the miners on it hash and do not get hotter."""
    OWN_NETWORK = "own_network"
    """The agent's own link or way out is gone: it sees nothing, and can do nothing."""
    OWN_LEDGER = "own_ledger"
    """The agent's ledger takes long to write: its disk is slow or about to fail."""
    OWN_LAG = "own_lag"
    """The agent is late by seconds: its machine is overloaded."""
    OWN_CLOCK = "own_clock"
    """The clock of the agent's machine was set, or jumped."""
    OWN_DNS = "own_dns"
    """The agent gets no answer from any nameserver."""


SENSORS_DOUBTED = frozenset({Reason.UNIT_SENSOR, Reason.UNIT_FLOW_SENSOR})
"""Causes that say that what a unit shows is nothing to steer by."""

OF_DEVICES = SENSORS_DOUBTED | {Reason.UNIT_SILENT, Reason.UNIT_LEAKS}
"""Causes that lie in a device which serves miners; what these miners show besides is another incident's."""


class Outcome(StrEnum):
    """How an incident ended (or stands, while open)."""

    OPEN = "open"
    AUTO_RESOLVED = "auto_resolved"
    ASSISTED = "assisted"
    SELF_RECOVERED = "self_recovered"
    HUMAN_RESOLVED = "human_resolved"
    SUPPRESSED = "suppressed"


class Phase(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    REMEDIATING = "remediating"
    ESCALATED = "escalated"
    CLOSED = "closed"


Evidence = dict[str, str | int | float | bool | None]
"""What was seen, flat and printable; keys carry their unit as suffix."""

LOGS = "logs"
"""The key under which evidence has the end of a miner's own logs: many lines, where everything else is a word."""

OWN = "the agent itself"
"""What stands for its members where an incident has none."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One action of an incident: what was tried and how it settled (`None` while in flight).

    Attributes:
        state: the playbook state it was made in.
        at: UTC s of the intent; settled_at: UTC s of the outcome.
        image: the firmware image, where it was about one.
        approved: a person confirmed it.
    """

    seq: int
    verb: Verb
    state: str
    at: float
    result: Result | None = None
    detail: str = ""
    settled_at: float | None = None
    image: ImageId | None = None
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a playbook for one incident.

    Attributes:
        entered_at: UTC s at which the present state was entered.
        path: every state entered, in order, the present one last.
        resumes: how often the agent broke off while this run was under way, and took it up again.
    """

    id: RunId
    playbook: str
    fingerprint: str
    state: str
    entered_at: float
    started_at: float
    path: tuple[str, ...]
    resumes: int = 0

    def stood_still(self, since: float, now: float) -> "Run":
        """Return the run with its time in the present state as it was at `since`; both UTC s."""
        return replace(self, entered_at=self.entered_at + max(0.0, now - max(self.entered_at, since)))


@dataclass(frozen=True, slots=True)
class Spell:
    """One stretch of an incident's life: from a detection until it was taken for solved. A relapse begins another.

    Attributes:
        detected_at: UTC s at which the symptom reached Firing.
        cause: what it was seen as when nothing had been done yet.
        outcome: how this stretch ended, or OPEN.
        resolved_at: UTC s at which it was taken for solved; None while it is open.
        escalated_at: UTC s at which a person was asked in it; None if none was.
    """

    detected_at: float
    cause: Reason
    outcome: Outcome
    resolved_at: float | None
    escalated_at: float | None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. Times are UTC seconds; definitions in the KPI reference.

    Attributes:
        runs: how many runs of playbooks it has had.
        domain: what its members share and the cause lies in, e.g. `pool:primary`; empty for a single device.
        members: the miners it is about; none where it is about the agent itself, those it serves where about a device.
        earlier: the stretches that relapses put an end to, oldest first.
        relapsed_at: detection of the present stretch's symptom where it is a relapse.
        answered_at: UTC s at which a person's word last let the agent go on with it after he was asked.
        leaves: what a person is still to do though it is over; empty for nothing.
    """

    id: IncidentId
    category: Category
    cause: Reason
    severity: Severity
    members: tuple[MinerId, ...]
    evidence: Evidence
    detected_at: float
    alerted_at: float
    phase: Phase = Phase.OPEN
    outcome: Outcome = Outcome.OPEN
    remediation_started_at: float | None = None
    mitigated_at: float | None = None
    resolved_at: float | None = None
    escalated_at: float | None = None
    escalation_reason: str = ""
    excused_s: float = 0.0
    relapses: int = 0
    run: Run | None = None
    runs: int = 0
    attempts: tuple[Attempt, ...] = ()
    domain: str = ""
    earlier: tuple[Spell, ...] = ()
    relapsed_at: float | None = None
    answered_at: float | None = None
    leaves: str = ""

    @property
    def spells(self) -> tuple[Spell, ...]:
        """Every stretch of its life, the present one last."""
        return (*self.earlier, Spell(self.began, self.cause, self.outcome, self.resolved_at, self.asked_at))

    @property
    def asked_at(self) -> float | None:
        """UTC s at which a person was asked in the present stretch of its life; None where nobody was."""
        asked = self.escalated_at
        return None if asked is None or asked < self.began else asked

    @property
    def is_own(self) -> bool:
        """Whether it is the agent's own trouble, and about no device."""
        return not self.members

    @property
    def is_of_device(self) -> bool:
        """Whether it is about a device that serves its members, and not about them: they may be well."""
        return self.cause in OF_DEVICES

    @property
    def began(self) -> float:
        """UTC s at which the present stretch of its life was detected."""
        return self.detected_at if self.relapsed_at is None else self.relapsed_at

    @property
    def is_open(self) -> bool:
        """Whether it still wants something: remediation, or a person."""
        return self.phase is not Phase.CLOSED

    @property
    def in_flight(self) -> Attempt | None:
        """The action that has an intent and no outcome yet."""
        return next((a for a in reversed(self.attempts) if a.result is None), None)

    @property
    def is_running(self) -> bool:
        """Whether its playbook goes on; after an escalation, and once it is closed, it does not."""
        return self.phase is Phase.REMEDIATING

    def tried(self, verb: Verb) -> int:
        """How often that verb was intended in this incident."""
        return sum(a.verb is verb for a in self.attempts)
