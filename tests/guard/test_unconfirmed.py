"""Whatever is wanted, answered and restarted: where people confirm, nothing is done that nobody has confirmed."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.api import approvals
from agent.api.routes import Routes
from agent.guard.limits import GuardLimits
from agent.ledger.fold import State
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import (
    Actor,
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Escalated,
    IncidentOpened,
    Intended,
    Record,
    RunStarted,
    Settled,
)
from agent.model.guard import Mode
from agent.model.ids import ApprovalId, IncidentId, MinerId, PoolId, RunId
from agent.model.incident import Category, Reason, Severity
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.topology import Outlet
from agent.remediate.reconcile import Perform
from agent.remediate.tables import Tables
from agent.stages import Stages, _Tick
from agent.triage.limits import TriageLimits
from tests.factory import EPOCH, PDU, put_outlets, site

MINERS = 6
LIMITS = GuardLimits()
NUMBERS = st.integers(1, MINERS)
WANTED = st.one_of(
    st.sampled_from((Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF, Verb.POWER_ON, Verb.COLLECT_LOGS)).map(
        lambda v: (v, ())
    ),
    st.tuples(st.just(Verb.SWITCH_POOL), st.lists(NUMBERS, max_size=3, unique=True).map(tuple)),
)
FREE = frozenset({Verb.COLLECT_LOGS, Verb.POWER_ON})


class Unconfirmed(RuleBasedStateMachine):
    """Six miners, an incident each, and people who answer whatever they like. The stages' own door decides."""

    @initialize()
    def begin(self) -> None:
        self.at, self.memory = EPOCH, State()
        self.records: list[Record] = []
        for number in range(1, MINERS + 1):
            self.open(number)
        self.wire()

    def open(self, number: int) -> None:
        incident = IncidentId(f"inc-{number:06d}")
        opened = IncidentOpened(
            incident=incident,
            category=Category.STUCK,
            cause=Reason.UNRESPONSIVE,
            severity=Severity.MEDIUM,
            members=(MinerId(f"m{number}"),),
            detected_at=self.at,
            evidence={},
        )
        run = RunStarted(
            incident=incident, run=RunId(f"{incident}/run-1"), playbook="any", fingerprint="f", state="act"
        )
        self.tell([opened, run])

    def wire(self) -> None:
        self.view = SiteView(site(MINERS))
        modes = {"any": dict.fromkeys(Risk, Mode.APPROVE)}
        self.stages = Stages(self.view, self.memory, [], Tables([]), modes=modes, guard=LIMITS, limits=TriageLimits())
        self.routes = Routes(approvals.routes(self))  # type: ignore[arg-type]  # all that these routes use of an agent

    def tell(self, events: Sequence[AnyEvent], actor: Actor = Actor.AGENT) -> None:
        for event in events:
            self.check(event)
            self.records.append(Record(len(self.records) + 1, self.at, actor, event, "", ""))
            self.memory.apply(self.records[-1])

    def now(self) -> float:
        return self.at

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        self.tell(wanted(self.memory, self.at), actor)

    def check(self, event: AnyEvent) -> None:
        """An intent that needs one names an approval that was given, not taken back, in time, unused, and for this."""
        if not isinstance(event, Intended) or event.action.verb in FREE:
            return
        told = [record.event for record in self.records]
        assert event.approval is not None
        (asked,) = [e for e in told if isinstance(e, ApprovalAsked) and e.approval == event.approval]
        answers = [e for e in told if isinstance(e, ApprovalGiven | ApprovalDenied) and e.approval == event.approval]
        assert answers
        assert isinstance(answers[-1], ApprovalGiven)
        assert self.at < asked.expires_at
        assert not [e for e in told if isinstance(e, Intended) and e.approval == event.approval]
        assert (asked.incident, asked.run, asked.state) == (event.incident, event.run, event.state)
        assert (asked.action.verb, asked.action.pool, asked.action.outlets) == (
            event.action.verb,
            event.action.pool,
            event.action.outlets,
        )
        assert set(event.action.targets) <= set(asked.action.targets)

    @rule(gap_s=st.one_of(st.floats(0.1, 70.0), st.floats(60.0, LIMITS.approval_s + 1.0)))
    def time_passes(self, gap_s: float) -> None:
        self.at += gap_s

    @rule()
    def the_agent_restarts(self) -> None:
        self.memory = State()
        for record in self.records:
            self.memory.apply(record)
        self.wire()

    @rule(number=NUMBERS, wanted=WANTED)
    def something_is_wanted(self, number: int, wanted: tuple[Verb, tuple[int, ...]]) -> None:
        verb, others = wanted
        incident = self.memory.incidents[IncidentId(f"inc-{number:06d}")]
        if incident.run is None or not incident.is_running or incident.in_flight is not None:
            return
        owed = any(owner == incident.id for owner in self.memory.duties.values())
        if (verb is Verb.POWER_ON) is not owed:
            return
        put_outlets(self.view, self.at - 1.0)
        self.view.polled_at.fill(self.at - 1.0)
        action = Action(
            verb,
            MinerId(f"m{number}"),
            (Outlet(PDU, number),) if verb in (Verb.POWER_OFF, Verb.POWER_ON) else (),
            tuple(MinerId(f"m{other}") for other in others if other != number),
            PoolId("backup") if verb is Verb.SWITCH_POOL else None,
        )
        tick = _Tick(self.at, (), None)
        self.tell(self.stages._ask(incident, Perform(action, incident.run.state), incident.run.id, tick))

    @rule(number=NUMBERS, result=st.sampled_from(Result))
    def something_settles(self, number: int, result: Result) -> None:
        flying = self.memory.flying.get(IncidentId(f"inc-{number:06d}"))
        if flying is not None:
            self.tell(
                [
                    Settled(
                        incident=flying.incident,
                        run=flying.run,
                        attempt=flying.attempt,
                        action=flying.action,
                        result=result,
                        detail="",
                        from_state="act",
                        to_state="act",
                        trigger="t",
                    )
                ]
            )

    @rule(which=st.integers(1, 12), approves=st.booleans())
    def somebody_answers(self, which: int, approves: bool) -> None:
        """Approve or deny something, be it there or not: twice, too late, or what is not wanted any more."""
        number = ApprovalId(f"ap-{which:06d}")
        body: dict[str, str] = {} if approves else {"why": "no"}
        before = self.memory.approvals.get(number)
        answer = self.routes.answer(
            "POST", f"/v1/approvals/{number}/{'approve' if approves else 'deny'}", msgspec.json.encode(body)
        )
        status = asyncio.run(answer).status
        assert status in (200, 422)
        assert (self.memory.approvals.get(number) != before) is (status == 200)

    @rule(number=NUMBERS)
    def a_person_takes_over(self, number: int) -> None:
        incident = self.memory.incidents[IncidentId(f"inc-{number:06d}")]
        if incident.is_running and incident.in_flight is None:
            self.tell([Escalated(incident=incident.id, reason="any", tried=(), evidence={})])


TestUnconfirmed = Unconfirmed.TestCase
TestUnconfirmed.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
