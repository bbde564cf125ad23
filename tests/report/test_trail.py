"""The audit trail: each line can be read by itself, and has what an auditor asks."""

import json

import msgspec

from agent.model.events import Actor, ApprovalGiven, Intended, Record, Settled
from agent.model.incident import LOGS
from agent.report.trail import HEADERS, trail
from tests.ledger.examples import EPOCH_S, LIFE


def records() -> list[Record]:
    return [Record(k, EPOCH_S + k, Actor.AGENT, event, "p" * 64, "h" * 64) for k, event in enumerate(LIFE, 1)]


def test_every_event_has_a_line_that_names_what_was_in_force() -> None:
    lines = list(trail(records()))
    assert [line.seq for line in lines] == list(range(1, len(LIFE) + 1))
    by_kind = {line.kind: line for line in lines}
    intended = by_kind["intended"]
    assert (intended.verb, intended.devices) == ("power_off", "r1-m07 pdu-a/7 pdu-b/7")
    assert intended.playbook == "stuck_miner"
    assert intended.playbook_fingerprint == "f00d"
    assert intended.version is not None
    assert intended.config_fingerprint is not None
    assert (intended.category, intended.cause) == (
        by_kind["incident_opened"].category,
        by_kind["incident_opened"].cause,
    )
    judged = by_kind["judged"]
    assert (judged.gate, judged.verdict, judged.why) == ("cooldown", "defer", "cooldown")
    settled = by_kind["settled"]
    assert (settled.result, settled.detail) == ("ok", "0.0 A")
    assert json.loads(settled.evidence or "") == {"current_a": 0.0}
    assert by_kind["escalated"].why == "no_recovery"
    assert all(line.what and line.at.endswith("+00:00") for line in lines)


def test_who_confirmed_an_action_stands_with_its_intent_and_its_outcome() -> None:
    given = next(event for event in LIFE if isinstance(event, ApprovalGiven))
    intended = next(event for event in LIFE if isinstance(event, Intended))
    settled = next(event for event in LIFE if isinstance(event, Settled))
    alone = msgspec.structs.replace(intended, approval=None)
    told = [given, intended, settled, alone]
    of_it = [Record(k, EPOCH_S + k, Actor.OPERATOR, event, "", "") for k, event in enumerate(told, 1)]
    who = f"{given.by} ({given.approval})"
    assert [line.approved_by for line in trail(of_it)] == [None, who, who, None]


def test_lines_before_a_time_are_left_out_and_what_was_in_force_is_not() -> None:
    lines = list(trail(records(), since=EPOCH_S + 8.0))
    assert lines[0].seq == 8
    assert lines[0].version is not None


def test_the_text_of_a_miner_s_logs_is_in_no_line() -> None:
    whole = json.dumps([line.evidence for line in trail(records())])
    assert LOGS not in whole
    assert len(set(HEADERS)) == len(HEADERS)
