"""One tick: detect, triage, reconcile, guard, in this order. Synchronous and pure but for the arrays detectors keep.

It reads the view and the memory and returns the events to commit; intents among them are acted on once committed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.detect.itself import SelfDetector, SelfThresholds
from agent.guard import approval
from agent.guard.limits import GuardLimits
from agent.guard.order import judge
from agent.guard.request import Request
from agent.guard.safety import for_those_free
from agent.guard.storm import is_stormy
from agent.model.action import Action, Risk
from agent.model.columns import Bools
from agent.model.events import (
    AnyEvent,
    ApprovalAsked,
    Closed,
    Escalated,
    IncidentAbsorbed,
    IncidentReclassified,
    Intended,
    Judged,
    Moved,
    RunStarted,
    StormBegan,
    StormOver,
)
from agent.model.guard import Allow, Defer, GuardReason, Mode
from agent.model.ids import MinerId, RunId
from agent.model.incident import Category, Evidence, Incident, Outcome, Phase, Reason
from agent.model.memory import Memory
from agent.model.playbook import Resolve, Situation
from agent.model.site_view import SiteView
from agent.model.verdicts import Detector, Verdicts
from agent.remediate import duty, failback, outlet_map, reenergise, restore, sleep_on
from agent.remediate.excuse import excuse_of
from agent.remediate.flash_note import flash_note
from agent.remediate.machine import Table
from agent.remediate.reconcile import Begin, Close, Decision, HandOver, Hold, Move, Perform, reconcile, taken_up
from agent.remediate.tables import Tables
from agent.remediate.ticket import ticket
from agent.triage.announced import ended_by, is_within, waits, was_interrupted
from agent.triage.correlate import Correlator
from agent.triage.evidence import evidence_of
from agent.triage.expected import ExpectedState
from agent.triage.itself import suspect
from agent.triage.lifecycle import Triage, triage
from agent.triage.limits import TriageLimits

ANEW_S = 0.5
"""What was seen so lately is not looked for again: who goes on does so 0.1 s later, when hardly anything was read. Far
below the shortest time between two polls."""

_SHOWN_AS = {Reason.POWER_LOST: (Category.STUCK, Reason.UNRESPONSIVE)}
"""As what its members show a shared cause that no detector names."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last look at all miners found; `at` is its UTC s, `windows` the version of those announced by then."""

    at: float
    windows: int
    verdicts: Sequence[Verdicts]
    triaged: Triage


_NOTHING = _Seen(-math.inf, 0, (), Triage([], frozenset(), None))


@dataclass(frozen=True, slots=True)
class _Tick:
    """What one tick's later stages share: its time, its verdicts, whom the brake holds, what it allowed and asked."""

    now: float
    verdicts: Sequence[Verdicts]
    braked: Bools | None
    drowsy: Bools | None = None
    wanted: list[Action] = field(default_factory=list)
    asked: list[ApprovalAsked] = field(default_factory=list)


class Stages:
    """The deciding half of the agent.

    Args:
        tables: the playbooks.
        modes: the mode in force by playbook name and risk.
    """

    def __init__(
        self,
        view: SiteView,
        memory: Memory,
        detectors: Sequence[Detector],
        tables: Tables,
        *,
        modes: Mapping[str, Mapping[Risk, Mode]],
        guard: GuardLimits,
        limits: TriageLimits,
        itself: SelfThresholds | None = None,
    ) -> None:
        self._view = view
        self._memory = memory
        self._detectors = detectors
        self._tables = tables
        self._modes = modes
        self._guard = guard
        self._limits = limits
        self._expected = ExpectedState(view, limits)
        self._correlator = Correlator(view.domains)
        self._itself = SelfDetector(itself or SelfThresholds())
        self._calm_at = 0.0
        self._seen = _NOTHING

    def tick(self, now: float) -> list[AnyEvent]:
        """Return everything this tick decided, to be committed together. `now` is UTC s.

        The agent suspects itself first: while it is blind, and in the tick in which its own trouble begins or ends, it
        judges nobody else and does nothing but what it owes.
        """
        ailment = self._itself.judge(self._view.itself, now)
        own = suspect(self._memory, ailment, self._limits, now)
        if own or self._view.itself.blind:
            return [*own, *self._owed(_Tick(now, (), None))]
        # What somebody has said since concerns whom to leave alone, and is never put off.
        looks = not 0.0 <= now - self._seen.at < ANEW_S or self._seen.windows != self._memory.windows.version
        events = self._look(now) if looks else []
        triaged = self._seen.triaged
        tick = _Tick(now, self._seen.verdicts, triaged.braked, triaged.drowsy)
        events.extend(outlet_map.judged(self._memory, self._view, now))
        anew = {e.incident for e in events if isinstance(e, IncidentReclassified | IncidentAbsorbed)}
        for incident in self._memory.open_incidents:
            if incident.is_own or incident.id in anew:
                continue  # what it is now, the memory says from the next tick on
            if incident.id in triaged.undecided:
                continue  # what its neighbours show is not known yet
            if incident.phase is Phase.ESCALATED and incident.run is not None and incident.id not in triaged.recovered:
                continue  # a person has it, and its symptom stands
            if waits(self._view, self._memory, incident, now):
                events.extend(self._excused(incident, tick, recovered=incident.id in triaged.recovered))
                continue
            recovered = self._has_recovered(incident, triaged)
            if incident.phase is Phase.ESCALATED and incident.run is not None and not recovered:
                continue  # ... or is gone, and what was changed for it stands
            decision = self._decide(incident, now, recovered=recovered)
            events.extend(self._record(incident, decision, tick))
        events.extend(self._owed(tick, alone=False))
        return [*events, *self._left_over(tick)] if looks else events

    def _look(self, now: float) -> list[AnyEvent]:
        """Look at all miners; return what that opens, ends and changes of incidents."""
        expired = ended_by(self._memory.windows, now)
        self._expected.update(self._view, self._memory, now)
        verdicts = [detector.judge(self._view, now) for detector in self._detectors]
        triaged = triage(self._view, self._memory, verdicts, self._limits, now, correlator=self._correlator)
        if is_stormy(triaged.ill, len(self._view.site.miners), self._guard.storm_share):
            self._calm_at = now + self._guard.storm_calm_s
        self._seen = _Seen(now, self._memory.windows.version, verdicts, triaged)
        return [*expired, *triaged.events, *self._storm(triaged.ill, now)]

    def _left_over(self, tick: _Tick) -> list[AnyEvent]:
        """Ask for what runs have left to be done: to go back to what was before, to sleep on, to feed again."""
        events: list[AnyEvent] = []
        now = tick.now
        for incident, action in restore.owed(self._memory, self._view, now):
            events.extend(self._ask(incident, Perform(action, restore.STATE), None, tick))
        for incident, action in sleep_on.owed(self._memory, self._view, now):
            events.extend(self._ask(incident, Perform(action, sleep_on.STATE), None, tick))
        for incident, action in failback.owed(self._memory, self._view, now):
            events.extend(self._ask(incident, Perform(action, failback.STATE), None, tick))
        for incident, action in reenergise.owed(self._memory, self._view, now):
            events.extend(self._ask(incident, Perform(action, reenergise.STATE), None, tick))
        return events

    def _storm(self, ill: int, now: float) -> list[AnyEvent]:
        """Return that a storm began, or is over."""
        if (now < self._calm_at) is self._memory.is_stormy:
            return []
        return [StormOver()] if self._memory.is_stormy else [StormBegan(ill=ill)]

    def _owed(self, tick: _Tick, *, alone: bool = True) -> list[AnyEvent]:
        """Ask for the switch-ons that are due; `alone`: no run goes on, so those of runs are asked for too."""
        events: list[AnyEvent] = []
        for incident in self._memory.open_incidents if alone else ():
            if self._memory.owes(incident.id):
                events.extend(self._record(incident, self._decide(incident, tick.now, recovered=False), tick))
        for incident, action in duty.owed(self._memory, tick.now):
            events.extend(self._ask(incident, Perform(action, duty.STATE), None, tick))
        return events

    def look_anew(self) -> None:
        """Have the next tick look at everybody, however soon it comes: what detectors keep is another's by then."""
        self._seen = _NOTHING

    def restore(self, now: float) -> None:
        """Hand the detectors the symptoms of the incidents that were open when the agent went down; `now` is UTC s.

        A run that stands at its end had seen its symptom gone: what is left is to close its incident.
        """
        self.look_anew()
        own = self._memory.own_incident
        if own is not None and own.is_open:
            self._itself.restore(own.began, own.cause, now)
        for incident in self._memory.open_incidents:
            category, cause = _SHOWN_AS.get(incident.cause, (incident.category, incident.cause))
            for detector in () if self._is_proven(incident) else self._detectors:
                if detector.category is category:
                    for miner in incident.members:
                        if miner in self._view.site.rows and self._shows_it(miner, incident):
                            detector.restore(self._view.site.rows[miner], incident.detected_at, cause)

    def _shows_it(self, miner: MinerId, incident: Incident) -> bool:
        """Whether it may show still what that incident is about: who has another one since was well of it, or mute."""
        owner = self._memory.owner(miner)
        return incident.is_of_device or owner is None or owner.id == incident.id

    def _is_proven(self, incident: Incident) -> bool:
        """Whether its run has seen it mended, and nothing but its end is left to record."""
        table, run = self._tables.running(incident), incident.run
        if incident.phase is not Phase.REMEDIATING or table is None or run is None:
            return False
        return isinstance(table.playbook.steps[run.state], Resolve)

    def situation(self, incident: Incident, now: float, *, recovered: bool) -> Situation | None:
        """Return what a run may look at; None while the incident has no run or its miner left the inventory."""
        miner = incident.members[0]
        run = incident.run
        if run is None or miner not in self._view.site.rows:
            return None
        own = self._memory.own_incident
        if own is not None and own.is_open and self._memory.stands_still(incident):
            run = run.stood_still(own.began, now)
        return Situation(now, incident, run, self._view.site.miner(miner), self._view.row(miner), recovered)

    def _has_recovered(self, incident: Incident, triaged: Triage) -> bool:
        """Whether its symptom is gone. One that a person was asked about is not over while what was changed stands."""
        if incident.id not in triaged.recovered:
            return False
        return incident.phase is not Phase.ESCALATED or not restore.stands(self._memory, incident.id)

    def _decide(self, incident: Incident, now: float, *, recovered: bool) -> Decision:
        table = self._tables.of(incident)
        situation = self.situation(incident, now, recovered=recovered)
        if incident.phase is Phase.REMEDIATING and incident.in_flight is None and self._memory.doubts(incident.id):
            return HandOver(outlet_map.WRONG)
        if incident.members[0] not in self._view.site.rows:
            return HandOver("not_in_inventory")
        if table is None:
            return HandOver("no_playbook")
        if situation is None or _is_anothers(incident, table):
            return Begin(table)
        running = self._tables.running(incident)
        if was_interrupted(self._memory, incident):
            return taken_up(incident, table, running)
        return reconcile(situation, running, answer_by=self._memory.answer_by(incident))

    def _record(self, incident: Incident, decision: Decision, tick: _Tick) -> list[AnyEvent]:
        run = incident.run
        match decision:
            case Begin():
                return [
                    RunStarted(
                        incident=incident.id,
                        run=self._memory.next_run(incident),
                        playbook=decision.table.playbook.name,
                        fingerprint=decision.table.fingerprint,
                        state=decision.table.playbook.initial,
                    )
                ]
            case Move() if run is not None:
                return [
                    Moved(
                        incident=incident.id,
                        run=run.id,
                        trigger=decision.trigger,
                        from_state=run.state,
                        to_state=decision.to_state,
                        evidence=evidence_of(self._view, incident, tick.verdicts),
                    )
                ]
            case Perform() if run is not None:
                return self._ask(incident, decision, run.id, tick)
            case Close():
                return [self._closed(incident, decision.outcome, tick, leaves=decision.leaves)]
            case HandOver() if incident.phase is not Phase.ESCALATED:
                evidence = evidence_of(self._view, incident, tick.verdicts)
                return [self._escalated(incident, decision.reason, evidence, tick.now)]
            case Hold() | HandOver() | Move() | Perform():
                return []

    def _closed(self, incident: Incident, outcome: Outcome, tick: _Tick, *, leaves: str = "") -> Closed:
        excused_s = self._memory.windows.excused_s(incident.members, incident.detected_at, tick.now)
        evidence = evidence_of(self._view, incident, tick.verdicts)
        if leaves:
            evidence = {**ticket(self._view, self._memory, incident, tick.now), **evidence}
        return Closed(incident=incident.id, outcome=outcome, evidence=evidence, leaves=leaves, excused_s=excused_s)

    def _excused(self, incident: Incident, tick: _Tick, *, recovered: bool) -> list[AnyEvent]:
        """Return the end of an incident that waits for its miners, if it came and went while they were away."""
        over = recovered and incident.in_flight is None and is_within(self._memory.windows, incident, tick.now)
        return [self._closed(incident, Outcome.SUPPRESSED, tick)] if over else []

    def _ask(self, incident: Incident, move: Perform, run: RunId | None, tick: _Tick) -> list[AnyEvent]:
        """Ask the guards; return the intent, or the verdict where it is news."""
        modes = self._modes[incident.run.playbook if incident.run else ""]
        request = Request(
            move.action,
            incident,
            tick.now,
            self._view,
            self._memory,
            tick.wanted,
            self._guard,
            modes,
            braked=tick.braked,
            drowsy=tick.drowsy,
            calm_at=self._calm_at,
            run=run,
            state=move.state,
        )
        request = for_those_free(request)
        action = request.action
        gate, verdict = judge(request)
        if isinstance(verdict, Allow):
            tick.wanted.append(action)
            return [
                Intended(
                    incident=incident.id,
                    run=run,
                    state=move.state,
                    attempt=len(incident.attempts) + 1,
                    action=action,
                    approval=approval.granted(request),
                )
            ]
        judged = Judged(
            incident=incident.id,
            run=run,
            state=move.state,
            action=action,
            gate=gate,
            verdict="defer" if isinstance(verdict, Defer) else "refuse",
            reason=verdict.reason,
            until=verdict.until if isinstance(verdict, Defer) else None,
        )
        events: list[AnyEvent] = [judged] if _is_news(self._memory.judged.get(incident.id), judged) else []
        if isinstance(verdict, Defer):
            return events + self._question(request, verdict, tick)
        if incident.phase in (Phase.OPEN, Phase.REMEDIATING):
            told: Evidence = {"refused": action.verb.value, "gate": gate}
            if verdict.reason is GuardReason.APPROVAL_DENIED:
                told["denied_because"] = approval.denial(request)
            events.append(self._escalated(incident, verdict.reason, told, tick.now, refused=action))
        return events

    def _question(self, request: Request, verdict: Defer, tick: _Tick) -> list[AnyEvent]:
        """Return what a person is to be asked, if it is news."""
        if verdict.reason is not GuardReason.AWAITING_APPROVAL or not approval.is_due(request):
            return []
        evidence = evidence_of(self._view, request.incident, tick.verdicts)
        tick.asked.append(approval.question(request, evidence, ahead=len(tick.asked)))
        return [tick.asked[-1]]

    def _escalated(
        self, incident: Incident, reason: str, evidence: Evidence, now: float, *, refused: Action | None = None
    ) -> Escalated:
        """Return the event that asks a person, with all that is needed to mend a single miner."""
        excuse = excuse_of(self._view, self._memory, incident)
        flashed = flash_note(self._view.site, self._memory, incident, now, refused, excuse=excuse)
        evidence = {**ticket(self._view, self._memory, incident, now), **flashed, **evidence}
        tried = tuple(f"{a.verb} {a.result or 'in flight'}: {a.detail}" for a in incident.attempts)
        return Escalated(
            incident=incident.id,
            reason=reason,
            tried=tried,
            evidence=evidence,
            excused_by=None if excuse is None else excuse.id,
        )


def _is_anothers(incident: Incident, table: Table) -> bool:
    """Whether the run is another playbook's than what it is seen as now asks for, and nothing has been done yet."""
    run = incident.run
    undecided = incident.phase is not Phase.ESCALATED and not incident.attempts
    return undecided and run is not None and run.playbook != table.playbook.name


def _is_news(before: Judged | None, judged: Judged) -> bool:
    return before is None or (before.action, before.gate, before.verdict, before.reason) != (
        judged.action,
        judged.gate,
        judged.verdict,
        judged.reason,
    )
