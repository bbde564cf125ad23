"""Builds a memory by applying events the way the ledger would."""

from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.events import Actor, AnyEvent, IncidentOpened, Intended, Record, RunStarted, Settled
from agent.model.ids import IncidentId, MinerId, RunId
from agent.model.incident import Category, Reason, Severity
from agent.model.topology import Outlet
from tests.factory import EPOCH, PDU

INCIDENT = IncidentId("inc-000001")
RUN = RunId("inc-000001/run-1")
MINER = MinerId("m1")


class Story:
    """A ledger in memory, told one event at a time."""

    def __init__(self) -> None:
        self.state = State()
        self.records: list[Record] = []

    def tell(self, event: AnyEvent, at: float) -> "Story":
        record = Record(len(self.records) + 1, at, Actor.AGENT, event, "", "")
        self.records.append(record)
        self.state.apply(record)
        return self

    def opened(self, at: float = EPOCH, incident: IncidentId = INCIDENT, miner: MinerId = MINER) -> "Story":
        return self.tell(
            IncidentOpened(
                incident=incident,
                category=Category.STUCK,
                cause=Reason.UNRESPONSIVE,
                severity=Severity.MEDIUM,
                members=(miner,),
                detected_at=at,
                evidence={},
            ),
            at,
        )

    def running(self, state: str, at: float = EPOCH, fingerprint: str = "f") -> "Story":
        return self.tell(
            RunStarted(incident=INCIDENT, run=RUN, playbook="stuck_miner", fingerprint=fingerprint, state=state), at
        )

    def intended(
        self, verb: Verb, at: float, *, outlets: tuple[int, ...] = (1,), incident: IncidentId = INCIDENT
    ) -> "Story":
        return self.tell(
            Intended(
                incident=incident, run=RUN, state=verb.value, attempt=1, action=self._action(verb, outlets, incident)
            ),
            at,
        )

    def settled(
        self,
        verb: Verb,
        at: float,
        result: Result = Result.OK,
        *,
        outlets: tuple[int, ...] = (1,),
        to_state: str = "next",
        incident: IncidentId = INCIDENT,
    ) -> "Story":
        return self.tell(
            Settled(
                incident=incident,
                run=RUN,
                attempt=1,
                action=self._action(verb, outlets, incident),
                result=result,
                detail="",
                from_state=verb.value,
                to_state=to_state,
                trigger="t",
            ),
            at,
        )

    def _action(self, verb: Verb, outlets: tuple[int, ...], incident: IncidentId) -> Action:
        targets = tuple(Outlet(PDU, k) for k in outlets) if verb in (Verb.POWER_OFF, Verb.POWER_ON) else ()
        return Action(verb=verb, miner=self.state.incidents[incident].members[0], outlets=targets)
