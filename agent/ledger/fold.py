"""The fold: records in, state out. Everything the agent remembers over a restart is here and nowhere else."""

from dataclasses import replace
from typing import assert_never

from agent.ledger import announced, approving, mapping, moving, telling
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import (
    AgentStarted,
    AgentStopped,
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Archived,
    Closed,
    Escalated,
    HoldChanged,
    ImageReleased,
    IncidentAbsorbed,
    IncidentJoined,
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
    OutletsDoubted,
    OutletsProven,
    OutletsTrusted,
    Rebound,
    Record,
    RunStarted,
    Settled,
    StormBegan,
    StormOver,
    WindowEnded,
    WindowSet,
)
from agent.model.ids import ImageId, IncidentId, MinerId, PoolId
from agent.model.incident import Attempt, Category, Incident, Outcome, Phase, Run
from agent.model.memory import Done, Flash, Memory

DAY_S = 86_400.0


class State(Memory):
    """The memory with the one thing that changes it."""

    def apply(self, record: Record) -> None:  # noqa: PLR0912, PLR0915 - one arm for each member of a closed union
        """Take one more record in, in the order of `seq`."""
        self.seq, at = record.seq, record.at
        event: AnyEvent = record.event
        match event:
            case AgentStarted():
                self._resume(at)
                self.started, self.stopped_at = (event, at), None
            case AgentStopped():
                self.stopped_at = at
            case HoldChanged():
                self.held = event.why
            case IncidentOpened():
                self._opened(event, at)
            case IncidentJoined():
                self._joined(event)
            case IncidentReclassified():
                self._reclassified(event)
            case IncidentUpdated():
                self._change(event.incident, cause=event.cause, severity=event.severity, evidence=event.evidence)
            case IncidentRelapsed():
                self._relapsed(event)
            case Mitigated():
                self._change(event.incident, mitigated_at=at)
            case RunStarted():
                run = Run(event.run, event.playbook, event.fingerprint, event.state, at, at, (event.state,))
                runs = self.incidents[event.incident].runs + 1
                self._change(event.incident, run=run, runs=runs, phase=Phase.REMEDIATING)
            case IncidentAbsorbed():
                self._change(event.incident, phase=Phase.CLOSED, outcome=Outcome.SUPPRESSED, resolved_at=at)
                self._end(event.incident)
            case Moved():
                self._move(event.incident, event.to_state, at)
            case Judged():
                self.judged[event.incident] = event
            case ApprovalAsked():
                approving.asked(self, event, at)
            case ApprovalGiven() | ApprovalDenied():
                approving.answered(self, event, at)
            case Intended():
                self._intended(event, record.seq, at)
            case Settled():
                self._settled(event, at)
            case Rebound():
                self.rebound[event.miner] = event
            case StormBegan() | StormOver() | NoticeDue() | NoticeSettled():
                telling.follow(self, event, at)
            case Escalated():
                self._freeze(event.incident, event.excused_by)
                mapping.over(self, event.incident)
                self._change(event.incident, phase=Phase.ESCALATED, escalated_at=at, escalation_reason=event.reason)
            case Closed():
                self._closed(event, at)
            case WindowSet():
                announced.begun(self.windows, event, record.actor, at)
            case WindowEnded():
                oldest_open = min((incident.detected_at for incident in self.open_incidents), default=at)
                announced.ended(self.windows, event, at, oldest_open)
            case ImageReleased():
                self._released(event.image, at)
            case OutletsProven():
                mapping.proven(self, event)
            case OutletsDoubted():
                mapping.doubted(self, event, at)
            case OutletsTrusted():
                self.doubted.pop(event.pdu, None)
            case Archived():
                pass  # what was before it is remembered all the same
            case _:
                assert_never(event)

    def _resume(self, at: float) -> None:
        """Count, for every run under way, that the agent broke off, and let the run's present state begin anew.

        What the state had gathered went with the agent: how long a symptom has been gone, shares counted since. Without
        its whole time it would run out for want of what nobody could see.
        """
        broke_off = self.started is not None and self.stopped_at is None
        for incident in self.open_incidents:
            if incident.run is not None and incident.phase is Phase.REMEDIATING:
                resumes = incident.run.resumes + broke_off
                self._change(incident.id, run=replace(incident.run, resumes=resumes, entered_at=at))

    def _opened(self, event: IncidentOpened, at: float) -> None:
        self.incidents[event.incident] = Incident(
            id=event.incident,
            category=event.category,
            cause=event.cause,
            severity=event.severity,
            members=event.members,
            evidence=event.evidence,
            detected_at=event.detected_at,
            alerted_at=at,
            domain=event.domain,
        )
        self._open[event.incident] = None
        self._take(event.incident, event.category, event.members)
        if not event.members:
            self._own = event.incident

    def _joined(self, event: IncidentJoined) -> None:
        incident = self.incidents[event.incident]
        self._change(incident.id, members=(*incident.members, *event.members), severity=event.severity)
        self._take(incident.id, incident.category, event.members)

    def _reclassified(self, event: IncidentReclassified) -> None:
        incident = self.incidents[event.incident]
        self._change(
            incident.id,
            category=event.category,
            cause=event.cause,
            severity=event.severity,
            evidence=event.evidence,
            phase=Phase.OPEN,
            run=None,
        )
        self._take(incident.id, event.category, incident.members)

    def _closed(self, event: Closed, at: float) -> None:
        incident = self.incidents[event.incident]
        self._change(
            incident.id,
            phase=Phase.CLOSED,
            outcome=event.outcome,
            resolved_at=at,
            mitigated_at=at if incident.mitigated_at is None else incident.mitigated_at,
            leaves=event.leaves,
            excused_s=event.excused_s,
        )
        self._end(event.incident)
        self._prove(event.incident, at)
        self._go_on(self.incidents[event.incident], at)

    def _take(self, incident: IncidentId, category: Category, members: tuple[MinerId, ...]) -> None:
        told = self.incidents[incident]
        if told.is_of_device:
            self._of_device[told.domain, told.cause] = incident
            return
        for miner in members:
            self._latest[(category, miner)] = incident
            self._owner[miner] = incident

    def _end(self, incident: IncidentId) -> None:
        self.judged.pop(incident, None)
        self._open.pop(incident, None)
        mapping.over(self, incident)
        self._release(incident)

    def _release(self, incident: IncidentId) -> None:
        """Give its members free: to another incident that has them as well and is still open, if there is one."""
        for miner in self.incidents[incident].members:
            if self._owner.get(miner) != incident:
                continue
            del self._owner[miner]
            for category in Category:
                other = self._latest.get((category, miner))
                if other in self._open:
                    self._owner[miner] = other

    def _relapsed(self, event: IncidentRelapsed) -> None:
        incident = self.incidents[event.incident]
        self._open[incident.id] = None
        self._take(incident.id, incident.category, incident.members)
        self._change(
            event.incident,
            phase=Phase.OPEN,
            outcome=Outcome.OPEN,
            cause=event.cause,
            evidence=event.evidence,
            resolved_at=None,
            mitigated_at=None,
            run=None,
            relapses=incident.relapses + 1,
            earlier=incident.spells,
            relapsed_at=event.detected_at,
            leaves="",
        )

    def _move(self, incident_id: IncidentId, to_state: str, at: float) -> None:
        run = self.incidents[incident_id].run
        if run is not None:
            moved = replace(run, state=to_state, entered_at=at, path=(*run.path, to_state))
            self._change(incident_id, run=moved)

    def _intended(self, event: Intended, seq: int, at: float) -> None:
        incident = self.incidents[event.incident]
        action = event.action
        self.flying[incident.id] = event
        self.judged.pop(incident.id, None)
        approved = event.approval is not None
        attempt = Attempt(seq=seq, verb=action.verb, state=event.state, at=at, image=action.image, approved=approved)
        if event.approval is not None:
            approving.used(self, event.approval)
        first = incident.remediation_started_at
        self._change(
            incident.id,
            attempts=(*incident.attempts, attempt),
            remediation_started_at=at if first is None else first,
        )
        if action.disrupts:
            self.disruptions.append((at, action))
            while at - self.disruptions[0][0] >= DAY_S:
                self.disruptions.popleft()
        mapping.intended(self, action, incident.id, at)
        if action.verb is Verb.POWER_OFF:
            recent = (t for t in self.power_offs.get(action.miner, ()) if at - t < DAY_S)
            self.power_offs[action.miner] = (*recent, at)
            self.duties.update(dict.fromkeys(action.outlets, incident.id))
        elif action.verb is Verb.FLASH and action.image is not None:
            self.flashes[action.miner] = Flash(action.miner, action.image, incident.id, at)
        elif action.verb is Verb.POWER_ON:
            self.switched_on.update(dict.fromkeys(action.outlets, at))
        elif action.unit is not None:
            moving.intended(self, action, incident.id, at)

    def _settled(self, event: Settled, at: float) -> None:
        incident = self.incidents[event.incident]
        action = event.action
        self.flying.pop(incident.id, None)
        attempts = tuple(
            replace(a, result=event.result, detail=event.detail, settled_at=at) if a.result is None else a
            for a in incident.attempts
        )
        self._change(incident.id, attempts=attempts)
        if event.run is not None:
            self._move(incident.id, event.to_state, at)
        for miner in () if action.traits.risk is Risk.OBSERVE else action.targets:
            # Taken out first, so that the order is that of the settling.
            self.settled.pop(miner, None)
            self.settled[miner] = Done(action, at, event.result)
            if action.pool is not None and event.result is not Result.FAILED:
                self.pool_set[miner] = (action.pool, at)
        if action.pool is not None and event.result is not Result.FAILED:
            self._left(incident, action.pool, at)
        self._settle_flash(action, event.result)
        mapping.settled(self, action, event.result, at)
        if action.unit is not None:
            moving.settled(self, action, event.result, at)
        elif event.result is not Result.FAILED:
            moving.told(self, action, incident.id, at)
        if action.verb is Verb.POWER_OFF:
            # The relay moved some time between intent and outcome; a cool-down counted from the outcome is never short.
            *earlier, _ = self.power_offs[action.miner]
            self.power_offs[action.miner] = (*earlier, at)
        if action.verb is Verb.POWER_ON:
            self.switched_on.update(dict.fromkeys(action.outlets, at))
            if event.result is Result.OK:
                for outlet in action.outlets:
                    self.duties.pop(outlet, None)

    def _settle_flash(self, action: Action, result: Result) -> None:
        """Note a flash that is known not to have begun, and one that was seen to have ended well."""
        flash = self.flashes.get(action.miner)
        if flash is None or flash.image != action.image:
            return
        if action.verb is Verb.FLASH and result is Result.FAILED:
            del self.flashes[action.miner]
        elif action.verb is Verb.VERIFY_FIRMWARE and result is Result.OK:
            self.flashes[action.miner] = replace(flash, verified=True)

    def _prove(self, incident: IncidentId, at: float) -> None:
        """Take the flash of an incident that is over for a success, if it was verified and nobody had to be asked."""
        for flash in [f for f in self.flashes.values() if f.incident == incident and f.verified]:
            del self.flashes[flash.miner]
            if flash.image not in self.frozen:
                self.proven.setdefault(flash.image, {})[flash.miner] = at

    def _go_on(self, closed: Incident, at: float) -> None:
        """Let runs go on where they stood when the agent's own trouble began: nothing could be done or seen since."""
        if not closed.is_own:
            return
        for incident in self.open_incidents:
            if incident.run is not None and self.stands_still(incident):
                self._change(incident.id, run=incident.run.stood_still(closed.began, at))

    def _freeze(self, incident: IncidentId, excused_by: IncidentId | None) -> None:
        """Freeze the image of an incident's flash, which did not end well, unless something else is to blame."""
        for flash in [f for f in self.flashes.values() if f.incident == incident]:
            if excused_by is None:
                self.frozen.setdefault(flash.image, flash)
            else:
                self.flashes[flash.miner] = replace(flash, excused_by=excused_by)

    def _released(self, image: ImageId, at: float) -> None:
        """Let an image be used again, and have those taken up again that waited for nothing else."""
        self.frozen.pop(image, None)
        for flash in [f for f in self.flashes.values() if f.image == image]:
            if not (flash.verified and self.incidents[flash.incident].phase is Phase.REMEDIATING):
                del self.flashes[flash.miner]
        for incident in self.waiting_for(image):
            self._change(incident.id, phase=Phase.OPEN, run=None, answered_at=at)

    def _left(self, incident: Incident, pool: PoolId, at: float) -> None:
        """Note that an incident at a pool has moved miners to another one."""
        word, _, name = incident.domain.partition(":")
        if word != "pool" or name == pool:
            return
        left = self.pools_left.setdefault(PoolId(name), {})
        for other in [i for i, left_at in left.items() if at - left_at >= DAY_S]:
            del left[other]
        left.pop(incident.id, None)
        left[incident.id] = at

    def _change(self, incident: IncidentId, **changes: object) -> None:
        self.incidents[incident] = replace(self.incidents[incident], **changes)  # type: ignore[arg-type]  # checked by the frozen dataclass's own fields
