"""Deeds: each row has what an auditor asks of what was done, and nothing that was not done has one."""

import json

from msgspec.structs import replace

from agent.model.action import Action, Result, Verb
from agent.model.events import (
    Actor,
    AgentStarted,
    AnyEvent,
    ApprovalGiven,
    Closed,
    Escalated,
    IncidentRelapsed,
    Intended,
    Judged,
    Mitigated,
    Record,
    RunStarted,
    Settled,
    WindowSet,
)
from agent.model.guard import Mode
from agent.model.ids import ApprovalId, MinerId
from agent.model.incident import LOGS, Outcome, Reason
from agent.report.deeds import DUTY, HEADERS, Deed, deeds
from tests.ledger.examples import EPOCH_S, INC, LIFE, OFF, OPENED, RUN

STARTED = AgentStarted(
    version="0.1.0",
    site="north",
    config_fingerprint="c0ffee",
    playbooks={"stuck_miner": "f00d"},
    simulated=False,
    trust={"stuck_miner": {"power": Mode.APPROVE, "soft": Mode.AUTO}},
    gates=("target", "cooldown", "approval"),
)
BEGUN = RunStarted(incident=INC, run=RUN, playbook="stuck_miner", fingerprint="f00d", state="gather")
GIVEN = ApprovalGiven(approval=ApprovalId("ap-000001"), incident=INC, by="kim")
INTENDED = Intended(incident=INC, run=RUN, state="off", attempt=1, action=OFF, approval=GIVEN.approval)
SETTLED = Settled(
    incident=INC,
    run=RUN,
    attempt=1,
    action=OFF,
    result=Result.OK,
    detail="0.0 A",
    from_state="off",
    to_state="dwell",
    trigger="ok",
)
DEFERRED = Judged(incident=INC, run=RUN, state="off", action=OFF, gate="cooldown", verdict="defer", reason="cooldown")
CLOSED = Closed(incident=INC, outcome=Outcome.AUTO_RESOLVED, evidence={"shares": 24, LOGS: "secret"})


def told(*events: AnyEvent, since: float | None = None) -> list[Deed]:
    records = [
        Record(k, EPOCH_S + k, Actor.OPERATOR if isinstance(e, ApprovalGiven | WindowSet) else Actor.AGENT, e, "", "ab")
        for k, e in enumerate(events, 1)
    ]
    return deeds(records, since)


def of_device(*events: AnyEvent) -> list[Deed]:
    return [deed for deed in told(*events) if deed.result is not None or deed.deed in set(Verb)]


def test_a_deed_says_all_that_an_auditor_asks() -> None:
    (deed,) = of_device(STARTED, OPENED, BEGUN, DEFERRED, GIVEN, INTENDED, SETTLED, Mitigated(incident=INC), CLOSED)
    assert (deed.by, deed.deed, deed.devices) == ("agent", "power_off", "r1-m07 pdu-a/7 pdu-b/7")
    assert (deed.incident, deed.category, deed.cause) == (INC, "stuck", "unresponsive")
    assert json.loads(deed.evidence or "")["misses"] == 6
    assert (deed.allowed_by, deed.approved_by) == ("approve", "kim (ap-000001)")
    assert (deed.gates, deed.put_off) == ("target cooldown approval", "cooldown (cooldown)")
    assert (deed.result, deed.detail, deed.outcome) == ("ok", "0.0 A", "auto_resolved")
    assert json.loads(deed.proof or "") == {"shares": 24}
    assert (deed.playbook, deed.playbook_fingerprint, deed.config_fingerprint) == ("stuck_miner", "f00d", "c0ffee")
    assert deed.at < (deed.settled_at or "") < (deed.proven_at or "")
    assert deed.anchors == "2:ab 4:ab 6:ab 7:ab 8:ab 9:ab"


def test_what_has_no_outcome_yet_is_told_without() -> None:
    (deed,) = of_device(STARTED, OPENED, BEGUN, INTENDED)
    assert (deed.result, deed.settled_at, deed.outcome, deed.proof) == (None, None, None, None)


def test_what_no_rung_allows_without_a_person_is_a_duty() -> None:
    on = replace(INTENDED, action=Action(Verb.POWER_ON, OFF.miner, OFF.outlets), approval=None)
    soft = replace(INTENDED, action=Action(Verb.RESTART, MinerId("r1-m07")), approval=None)
    after = replace(on, run=None)
    assert [deed.allowed_by for deed in of_device(STARTED, OPENED, BEGUN, on, soft, after)] == [DUTY, "auto", DUTY]


def test_each_stretch_of_an_incident_s_life_tells_of_its_own_deeds() -> None:
    again = IncidentRelapsed(incident=INC, cause=Reason.UNRESPONSIVE, detected_at=EPOCH_S, evidence={"misses": 9})
    asked = Escalated(incident=INC, reason="no_recovery", tried=(), evidence={})
    first, second = of_device(STARTED, OPENED, BEGUN, INTENDED, SETTLED, CLOSED, again, INTENDED, SETTLED, asked)
    assert (first.outcome, first.proof) == ("relapsed", '{"misses":9}')
    assert (second.outcome, second.proof) == ("escalated", "no_recovery")
    assert second.evidence == '{"misses":9}'


def test_what_people_order_is_a_deed_and_what_is_only_considered_is_none() -> None:
    rows = told(*LIFE)
    kinds = {deed.deed for deed in rows}
    assert {"approval_given", "approval_denied", "hold_changed", "image_released", "outlets_trusted"} < kinds
    assert not kinds & {"judged", "moved", "incident_opened", "run_started", "settled", "escalated"}
    window = next(deed for deed in rows if deed.deed == "window_set")
    assert (window.by, window.devices) == ("operator", "r1-m07 r1-m08")
    assert all(LOGS not in (deed.evidence or "") + (deed.proof or "") for deed in rows)
    assert len(set(HEADERS)) == len(HEADERS)


def test_a_deed_is_told_whole_whatever_came_after_it() -> None:
    since = EPOCH_S + 5.0
    (deed,) = told(STARTED, OPENED, BEGUN, DEFERRED, replace(INTENDED, approval=None), SETTLED, CLOSED, since=since)
    assert (deed.deed, deed.category, deed.outcome) == ("power_off", "stuck", "auto_resolved")
    assert told(STARTED, OPENED, BEGUN, INTENDED, SETTLED, CLOSED, since=EPOCH_S + 60.0) == []
