"""What the agent remembers, as the fold over the ledger yields it: data and look-ups, no way to change it."""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from agent.model.action import Action, Result, Verb
from agent.model.approval import Approval, Standing
from agent.model.events import AgentStarted, Intended, Judged, OutletsDoubted, Rebound
from agent.model.guard import GuardReason
from agent.model.ids import ApprovalId, CoolingUnitId, ImageId, IncidentId, MinerId, NoticeId, PduId, PoolId, RunId
from agent.model.incident import Category, Incident, Phase, Reason
from agent.model.notice import Notice
from agent.model.safety import is_danger
from agent.model.topology import Outlet
from agent.model.windows import Windows


@dataclass(frozen=True, slots=True)
class Flash:
    """One flash that began, or may have.

    Attributes:
        at: UTC s of the intent.
        verified: the miner was seen to run the image's version; until then nobody knows whether it is still written.
        excused_by: the loss of power that cut it short. It says nothing of its image, and nobody waits for it.
    """

    miner: MinerId
    image: ImageId
    incident: IncidentId
    at: float
    verified: bool = False
    excused_by: IncidentId | None = None


@dataclass(frozen=True, slots=True)
class Setpoint:
    """The record by which a cooling unit's setpoint that the agent has moved is brought back.

    It is there before anything is written, and until the unit was seen to aim at its base again.

    Attributes:
        base: what the unit aimed at before the agent's first write, in °C or L/min.
        known: what it may aim at by the agent's own doing; more than one value while an outcome is unknown.
        at: UTC s of the last intent or outcome.
    """

    incident: IncidentId
    base: float
    known: tuple[float, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """A power cycle on outlets of which nobody has shown yet that they feed this miner.

    Attributes:
        asked_at: UTC s of the intent to switch off.
        off_at: UTC s at which all of them were seen off; NaN before.
        on_asked_at: UTC s of the first intent since to switch one of them on; NaN before.
        on_at: UTC s at which all of them were seen on again; NaN before.
    """

    incident: IncidentId
    outlets: tuple[Outlet, ...]
    asked_at: float
    off_at: float = math.nan
    on_asked_at: float = math.nan
    on_at: float = math.nan


class Done(NamedTuple):
    """An action that is over.

    Attributes:
        at: UTC s of its outcome.
    """

    action: Action
    at: float
    result: Result


class Memory:
    """Everything that survives a restart. Changed only by the ledger's fold.

    Attributes:
        seq: the last record taken in.
        started: the agent's last start, with its UTC s; None before the first.
        stopped_at: UTC s since when it is stopped in order; None while it runs, or since it broke off.
        incidents: every incident ever, by id, in the order opened.
        flying: intents without an outcome, by incident.
        duties: outlets switched off (or tried) and not yet seen switched on again, with the incident that did it.
        power_offs: UTC s of each miner's power-offs of its last 24 h: the outcome's, the intent's while there is none.
        settled: the last settled action of each miner that changed anything, with its UTC s, the latest last.
        pool_set: the pool that each miner was last told to work for, with the UTC s of it.
        pools_left: for each pool, which incidents moved miners away from it in the last 24 h, with the UTC s of it.
        switched_on: UTC s of the last switch-on of each outlet.
        flashes: the flash of each miner whose incident is not over: begun, or perhaps begun.
        proven: for each image, the miners on which it ended well, and when (UTC s).
        frozen: images that did not end well on a miner, with that flash; a person has to release them.
        rebound: where each miner was last found that was not at its inventory's address.
        setpoints: the setpoints that the agent has moved and not yet brought back, by unit and verb.
        supply_moves: UTC s and K of each change of a unit's supply temperature of the last 24 h that may have happened.
        derated: the miners told to run at less than their nominal power: the share, the incident, UTC s.
        asleep: the miners told to sleep and not yet told to wake: the incident, UTC s.
        cycles: the power cycle of each miner that may show what its outlets feed, until it has.
        mapped: the outlets that a power cycle has shown to feed a miner, with that miner.
        doubted: the PDUs whose map was found wrong, with what was seen; a person has to look.
        fell: the miners that lost their power because of that, with the UTC s of it.
        disruptions: what took a miner out of service for a while in the last 24 h, with the UTC s of its intent.
        held: why a person told the agent to keep its hands off; None while it may act.
        approvals: every question to a person whether an action may be done, in the order asked.
        asked: the same by incident.
        windows: what was announced: who is curtailed or worked on, who was, and until when.
        judged: the last guard verdict of each incident, so that only changes are recorded.
        is_stormy: a storm has begun and is not over.
        notices: what people are to be told and some channel has not taken, the oldest first. told: how many there were.
        told_of: the incidents that people were told of, and were not told yet that they are over.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.started: tuple[AgentStarted, float] | None = None
        self.stopped_at: float | None = None
        self.incidents: dict[IncidentId, Incident] = {}
        self.flying: dict[IncidentId, Intended] = {}
        self.duties: dict[Outlet, IncidentId] = {}
        self.power_offs: dict[MinerId, tuple[float, ...]] = {}
        self.settled: dict[MinerId, Done] = {}
        self.pool_set: dict[MinerId, tuple[PoolId, float]] = {}
        self.pools_left: dict[PoolId, dict[IncidentId, float]] = {}
        self.switched_on: dict[Outlet, float] = {}
        self.flashes: dict[MinerId, Flash] = {}
        self.proven: dict[ImageId, dict[MinerId, float]] = {}
        self.frozen: dict[ImageId, Flash] = {}
        self.rebound: dict[MinerId, Rebound] = {}
        self.setpoints: dict[tuple[CoolingUnitId, Verb], Setpoint] = {}
        self.supply_moves: dict[CoolingUnitId, tuple[tuple[float, float], ...]] = {}
        self.derated: dict[MinerId, tuple[float, IncidentId, float]] = {}
        self.asleep: dict[MinerId, tuple[IncidentId, float]] = {}
        self.cycles: dict[MinerId, Cycle] = {}
        self.mapped: dict[Outlet, MinerId] = {}
        self.doubted: dict[PduId, OutletsDoubted] = {}
        self.fell: dict[MinerId, float] = {}
        self.disruptions: deque[tuple[float, Action]] = deque()
        self.held: str | None = None
        self.approvals: dict[ApprovalId, Approval] = {}
        self.asked: dict[IncidentId, tuple[ApprovalId, ...]] = {}
        self.windows = Windows()
        self.judged: dict[IncidentId, Judged] = {}
        self.is_stormy = False
        self.notices: dict[NoticeId, Notice] = {}
        self.told = 0
        self.told_of: dict[IncidentId, None] = {}
        self._latest: dict[tuple[Category, MinerId], IncidentId] = {}
        self._open: dict[IncidentId, None] = {}
        self._own: IncidentId | None = None
        self._of_device: dict[tuple[str, Reason], IncidentId] = {}
        self._owner: dict[MinerId, IncidentId] = {}

    @property
    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, in the order opened or re-opened."""
        return [self.incidents[i] for i in self._open]

    @property
    def own_incident(self) -> Incident | None:
        """The last incident about the agent itself, open or over; None if there never was one."""
        return None if self._own is None else self.incidents[self._own]

    def owes(self, incident: IncidentId) -> bool:
        """Whether an outlet that this incident switched off waits to be switched on again."""
        return incident in self.duties.values()

    def stands_still(self, incident: Incident) -> bool:
        """Whether its run waits while the agent has trouble of its own: it owes nothing, and nobody is in danger."""
        return not (self.owes(incident.id) or is_danger(incident))

    def latest(self, category: Category, miner: MinerId) -> Incident | None:
        """Return the last incident of that category that has this miner as a member."""
        found = self._latest.get((category, miner))
        return None if found is None else self.incidents[found]

    def of_device(self, domain: str, cause: Reason) -> Incident | None:
        """Return the last incident about that device for that cause."""
        found = self._of_device.get((domain, cause))
        return None if found is None else self.incidents[found]

    def owner(self, miner: MinerId) -> Incident | None:
        """Return the open incident that has this miner as a member; the latest where there are several."""
        found = self._owner.get(miner)
        return None if found is None else self.incidents[found]

    def shared(self, category: Category, domain: str) -> Incident | None:
        """Return the open incident of that category whose members share that domain."""
        return next((i for i in self.open_incidents if i.domain == domain and i.category is category), None)

    def is_awaited(self, flash: Flash) -> bool:
        """Whether a flash is still to come to its end, as far as anybody knows, and no person has it yet."""
        return flash.image not in self.frozen and flash.excused_by is None

    def may_be_flashing(self, miner: MinerId) -> bool:
        """Whether a flash of that miner has begun, or may have, and nobody has seen it end well."""
        flash = self.flashes.get(miner)
        return flash is not None and not flash.verified

    def waiting_for(self, image: ImageId) -> list[Incident]:
        """Return the incidents with which a person was asked because that image is frozen, and for nothing else."""
        return [incident for incident in self.open_incidents if self._waits_for(incident) == image]

    def _waits_for(self, incident: Incident) -> ImageId | None:
        judged = self.judged.get(incident.id)
        asked = incident.phase is Phase.ESCALATED and incident.escalation_reason == GuardReason.IMAGE_FROZEN
        return judged.action.image if asked and judged is not None else None

    def answer_by(self, incident: Incident) -> float:
        """Return until when (UTC s) an answer to what its run last asked a person is of use; -inf for no question."""
        asked = self.asked.get(incident.id)
        last = self.approvals[asked[-1]] if asked else None
        open_to_answer = last is not None and last.standing in (Standing.ASKED, Standing.GIVEN)
        return last.expires_at if last is not None and open_to_answer and last.is_wanted(incident) else -math.inf

    def is_mapped(self, outlet: Outlet, miner: MinerId) -> bool:
        """Whether a power cycle has shown that this outlet feeds this miner."""
        return self.mapped.get(outlet) == miner

    def doubts(self, incident: IncidentId) -> OutletsDoubted | None:
        """Return what an incident's power cycle has shown of a wrong map; None where it has shown nothing such."""
        return next((doubt for doubt in self.doubted.values() if doubt.incident == incident), None)

    def is_down(self, miner: MinerId) -> bool:
        """Whether any open incident has this miner as a member."""
        return miner in self._owner

    def incident_id(self, ahead: int) -> IncidentId:
        """Return the id of the incident to be opened after `ahead` others that are not committed yet."""
        return IncidentId(f"inc-{len(self.incidents) + 1 + ahead:06d}")

    def notice_id(self, ahead: int) -> NoticeId:
        """Return the id of the notice to be due after `ahead` others that are not committed yet."""
        return NoticeId(f"no-{self.told + 1 + ahead:06d}")

    def approval_id(self, ahead: int) -> ApprovalId:
        """Return the id of the approval to be asked for after `ahead` others that are not committed yet."""
        return ApprovalId(f"ap-{len(self.approvals) + 1 + ahead:06d}")

    def next_run(self, incident: Incident) -> RunId:
        """Return the id the incident's next run gets."""
        return RunId(f"{incident.id}/run-{incident.runs + 1}")
