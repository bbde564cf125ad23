"""One event of every kind, hypothesis strategies for whole lives of incidents, and a clock that a test sets."""

import typing

from hypothesis import strategies as st

from agent.clock import Clock
from agent.model.action import Action, Result, Verb
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
    Event,
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
    RunStarted,
    Settled,
    StormBegan,
    StormOver,
    WindowEnded,
    WindowSet,
)
from agent.model.ids import ApprovalId, ChannelId, ImageId, IncidentId, MinerId, NoticeId, PduId, RunId, WindowId
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.model.notice import Topic
from agent.model.topology import Outlet
from agent.model.windows import EndReason, Purpose

EPOCH_S = 1_772_366_400.0
INC = IncidentId("inc-000001")
RUN = RunId("inc-000001/run-1")
OFF = Action(Verb.POWER_OFF, MinerId("r1-m07"), (Outlet(PduId("pdu-a"), 7), Outlet(PduId("pdu-b"), 7)))

OPENED = IncidentOpened(
    incident=INC,
    category=Category.STUCK,
    cause=Reason.UNRESPONSIVE,
    severity=Severity.MEDIUM,
    members=(MinerId("r1-m07"),),
    detected_at=EPOCH_S - 2.0,
    evidence={"outlet_w": 3312.5, "misses": 6, "port_up": True, "note": 'silent\n"since" 11:59', "pool": None},
)

LIFE: tuple[AnyEvent, ...] = (
    AgentStarted(
        version="0.1.0", site="north", config_fingerprint="c0ffee", playbooks={"stuck_miner": "f00d"}, simulated=True
    ),
    OPENED,
    IncidentUpdated(incident=INC, cause=Reason.NOT_HASHING, severity=Severity.LOW, evidence={}),
    IncidentJoined(incident=INC, members=(MinerId("r1-m08"),), severity=Severity.MEDIUM),
    IncidentReclassified(
        incident=INC, category=Category.STUCK, cause=Reason.UNRESPONSIVE, severity=Severity.MEDIUM, evidence={}
    ),
    RunStarted(incident=INC, run=RUN, playbook="stuck_miner", fingerprint="f00d", state="gather"),
    Moved(incident=INC, run=RUN, trigger="done", from_state="gather", to_state="power_off"),
    Judged(
        incident=INC,
        run=RUN,
        state="power_off",
        action=OFF,
        gate="cooldown",
        verdict="defer",
        reason="cooldown",
        until=EPOCH_S + 5.0,
    ),
    ApprovalAsked(
        approval=ApprovalId("ap-000001"),
        incident=INC,
        run=RUN,
        state="power_off",
        action=OFF,
        evidence={"misses": 6},
        expires_at=EPOCH_S + 1800.0,
    ),
    ApprovalGiven(approval=ApprovalId("ap-000001"), incident=INC, by="kim"),
    ApprovalAsked(
        approval=ApprovalId("ap-000002"),
        incident=INC,
        run=RUN,
        state="power_off",
        action=OFF,
        evidence={},
        expires_at=EPOCH_S + 1800.0,
    ),
    ApprovalDenied(approval=ApprovalId("ap-000002"), incident=INC, why="the owner is at it", by="kim"),
    Intended(incident=INC, run=RUN, state="power_off", attempt=1, action=OFF, approval=ApprovalId("ap-000001")),
    Settled(
        incident=INC,
        run=RUN,
        attempt=1,
        action=OFF,
        result=Result.OK,
        detail="0.0 A",
        from_state="power_off",
        to_state="dwell",
        trigger="ok",
        evidence={"current_a": 0.0},
    ),
    Escalated(incident=INC, reason="no_recovery", tried=("power_off ok",), evidence={"outlet_w": 2.0}),
    Rebound(incident=INC, miner=MinerId("m7"), host="10.20.1.201", inventory_host="10.20.1.7"),
    Mitigated(incident=INC),
    Closed(incident=INC, outcome=Outcome.AUTO_RESOLVED, evidence={"shares": 24}),
    IncidentRelapsed(incident=INC, cause=Reason.UNRESPONSIVE, detected_at=EPOCH_S + 60.0, evidence={}),
    HoldChanged(why="electrician"),
    StormBegan(ill=200),
    NoticeDue(
        notice=NoticeId("no-000001"), topic=Topic.STORM, channels=(ChannelId("oncall"), ChannelId("hook")), ill=200
    ),
    NoticeSettled(notices=(NoticeId("no-000001"),), channel=ChannelId("oncall"), delivered=True, tries=2),
    NoticeSettled(
        notices=(NoticeId("no-000001"),), channel=ChannelId("hook"), delivered=False, tries=26, detail="HTTP status 503"
    ),
    StormOver(),
    WindowSet(
        window=WindowId("w-000001"),
        purpose=Purpose.CURTAILED,
        scope=("rack:r1",),
        miners=(MinerId("r1-m07"), MinerId("r1-m08")),
        share=0.0,
        until=EPOCH_S + 3600.0,
        why="4CP",
    ),
    WindowEnded(window=WindowId("w-000001"), reason=EndReason.RESUMED),
    AgentStopped(reason="SIGTERM"),
    IncidentAbsorbed(incident=INC, parent=IncidentId("inc-000002")),
    ImageReleased(image=ImageId("a" * 64)),
    OutletsProven(incident=INC, miner=MinerId("m7"), outlets=(Outlet(PduId("p1"), 7),)),
    OutletsDoubted(
        incident=INC,
        miner=MinerId("m7"),
        outlets=(Outlet(PduId("p1"), 7),),
        fell=(MinerId("m8"),),
        evidence={"fell": "m8"},
    ),
    OutletsTrusted(pdu=PduId("p1"), why="cords are where they should be"),
    Archived(first_seq=1, last_seq=9, head="a" * 64, file="ledger.000000001-000000009.sqlite3", checkpoint="b" * 64),
)
"""An incident's life with every kind of event in it, in an order the fold accepts."""

KINDS: tuple[type[Event], ...] = typing.get_args(AnyEvent)

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_evidence = st.dictionaries(
    _texts, st.one_of(_texts, st.integers(-(2**63), 2**64 - 1), _floats, st.booleans(), st.none()), max_size=6
)
_outlets = st.builds(Outlet, _texts.map(PduId), st.integers(1, 48))
_actions = st.builds(Action, st.sampled_from(Verb), _texts.map(MinerId), st.lists(_outlets, max_size=3).map(tuple))

ANY_EVENT: st.SearchStrategy[AnyEvent] = st.one_of(
    st.builds(
        IncidentOpened,
        incident=_texts.map(IncidentId),
        category=st.sampled_from(Category),
        cause=st.sampled_from(Reason),
        severity=st.sampled_from(Severity),
        members=st.lists(_texts.map(MinerId), max_size=3).map(tuple),
        detected_at=_floats,
        evidence=_evidence,
    ),
    st.builds(
        Settled,
        incident=_texts.map(IncidentId),
        run=st.none() | _texts.map(RunId),
        attempt=st.integers(1, 9),
        action=_actions,
        result=st.sampled_from(Result),
        detail=_texts,
        from_state=_texts,
        to_state=_texts,
        trigger=_texts,
        evidence=_evidence,
    ),
    st.builds(AgentStopped, reason=_texts),
)


class HandClock:
    """Time that stands until the test moves it."""

    def __init__(self, at_s: float = EPOCH_S) -> None:
        self.at_s = at_s

    def clock(self) -> Clock:
        """Return a clock that reads this time."""
        return Clock(lambda: self.at_s, self.at_s)
