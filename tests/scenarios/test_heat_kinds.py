"""Every kind of heat on the wire and in fast-forward: right class in time, right remedy, the truth at the end."""

import os
from pathlib import Path

import pytest

from agent.cli.scenario_run import EPOCH_S, Played
from agent.config.scenario import TierName
from agent.ledger import queries
from agent.model.action import Verb
from agent.model.events import Closed
from agent.model.incident import Category, Incident, Outcome, Reason
from tests.scenarios.test_parts import MINUTE_S, play

pytestmark = pytest.mark.timeout(280)

SECOND = 65 + os.getpid() % 60
AIR = f"""
name: heat-of-miners
seed: 5
duration: 62m
site: {{generate: {{miners: 7, network: 10.{SECOND}.0.0/16,
       families: {{antminer_stock: 0.34, whatsminer: 0.33, luxos: 0.33}}}}}}
agent: {{guard: {{at_once_share: 1.0, site_at_once_share: 1.0}}}}
faults:
  - {{at: 2m, kind: miner.clogged, target: "miner:r1-01", within_s: 600}}
  - {{at: 7m, kind: miner.clogged, target: "miner:r1-02", within_s: 600}}
  - {{at: 12m, kind: miner.clogged, target: "miner:r1-03", within_s: 600}}
  - {{at: 4m, kind: miner.overtemp_cut_out, target: "miner:r1-04"}}
  - {{at: 9m, kind: miner.overtemp_cut_out, target: "miner:r1-05"}}
  - {{at: 14m, kind: miner.overtemp_cut_out, target: "miner:r1-06"}}
"""
LOOPS = f"""
name: heat-of-loops
seed: 5
duration: 45m
site: {{generate: {{miners: 15, containers: 5, cooling: hydro, network: 10.{SECOND}.0.0/16,
       families: {{antminer_stock: 0.5, luxos: 0.5}}}}}}
agent: {{guard: {{at_once_share: 1.0, site_at_once_share: 1.0}}}}
faults:
  - {{at: 2m, kind: loop.heat_rejection_weak, target: "loop:c1-loop"}}
  - {{at: 8m, kind: loop.flow_low, target: "loop:c2-loop", share: 0.18}}
  - {{at: 14m, kind: loop.pump_failed, target: "loop:c3-loop"}}
  - {{at: 20m, kind: loop.rejection_lost, target: "loop:c4-loop"}}
  - {{at: 26m, kind: loop.flow_blocked, target: "loop:c5-loop"}}
"""

OF_MINERS: dict[str, tuple[set[Reason], float, Verb]] = {
    "r1-01": ({Reason.OVERTEMP_CUT_OUT, Reason.OVERHEATED}, 10 * MINUTE_S, Verb.DERATE),
    "r1-02": ({Reason.OVERHEATED}, 12 * MINUTE_S, Verb.DERATE),
    "r1-03": ({Reason.OVERTEMP_CUT_OUT, Reason.OVERHEATED}, 12 * MINUTE_S, Verb.DERATE),
    "r1-04": ({Reason.OVERTEMP_CUT_OUT}, 3 * MINUTE_S, Verb.DERATE),
    "r1-05": ({Reason.OVERTEMP_CUT_OUT}, 3 * MINUTE_S, Verb.DERATE),
    "r1-06": ({Reason.OVERTEMP_CUT_OUT}, 3 * MINUTE_S, Verb.DERATE),
}
"""For each miner what it may be seen as, the longest delay, what is done first. A clog takes ten minutes to grow."""

OF_LOOPS: dict[str, tuple[Reason, float, Verb, str]] = {
    "loop:c1-loop": (Reason.LOOP_HOT, 5 * MINUTE_S, Verb.SET_SUPPLY, ""),
    "loop:c2-loop": (Reason.LOOP_HOT, 1 * MINUTE_S, Verb.SET_FLOW, ""),
    "loop:c3-loop": (Reason.COOLING_LOST, 15.0, Verb.SLEEP, "cooling_lost"),
    "loop:c4-loop": (Reason.COOLING_LOST, 3 * MINUTE_S, Verb.SLEEP, "cooling_lost"),
    "loop:c5-loop": (Reason.COOLING_LOST, 30.0, Verb.SLEEP, "cooling_lost"),
}
"""For each loop the cause, the longest delay, what is done first, and what a person is asked for; empty: it is over."""

TIERS = pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.WIRE])
GENTLE = {Verb.DERATE, Verb.RESTART, Verb.SET_SUPPLY, Verb.SET_FLOW, Verb.SLEEP, Verb.WAKE}


def began_at(played: Played, target: str) -> float:
    """When the fault of that target began, UTC s."""
    place = {f"miner:{fault.miners[0]}": fault.started_at for fault in played.faults if len(fault.miners) == 1}
    loops = dict(zip(sorted(OF_LOOPS), (f.started_at for f in played.faults if len(f.miners) > 1), strict=False))
    return EPOCH_S + (place | loops)[target]


def no_harm_done(played: Played) -> None:
    harm, told = played.board["harm"], played.board["detection"]
    for name in ("actions_on_healthy", "outlets_left_off", "dry_boards", "setpoints_below_dew_point"):
        assert harm[name] == 0, name
    assert (told["recall"], told["false_incidents"], told["wrong_category"], told["wrong_cause"]) == (1.0, 0, 0, 0)
    assert played.board["remediation"]["escalated_wrong"] == 0
    assert {attempt.verb for incident in played.incidents for attempt in incident.attempts} <= GENTLE


def left(played: Played, incident: Incident) -> str:
    """What an incident left to a person, with a ticket to work from."""
    found = queries.history(played.scenario.path.with_suffix(".sqlite3"), incident.id)
    assert found is not None
    (closed,) = [record.event for record in found.records if isinstance(record.event, Closed)]
    assert {"miner", "rack", "outlets", "board_1"} <= set(closed.evidence)
    return closed.leaves


@TIERS
def test_a_miner_s_heat_is_named_derated_and_left_to_a_person(tier: TierName, tmp_path: Path) -> None:
    played = play(tmp_path, AIR, tier)
    no_harm_done(played)
    assert len(played.incidents) == len(OF_MINERS)
    for incident in played.incidents:
        (name,) = incident.members
        causes, within_s, first = OF_MINERS[name]
        assert (incident.category, incident.outcome) == (Category.THERMAL, Outcome.AUTO_RESOLVED)
        assert incident.cause in causes
        assert incident.severity == 1
        assert incident.detected_at - began_at(played, f"miner:{name}") <= within_s
        assert incident.attempts[0].verb is first
        expected = "clean_or_mend_fan" if incident.cause is Reason.OVERHEATED else "find_what_made_it_hot"
        assert left(played, incident) == expected
    assert all(fault.over_at is not None for fault in played.faults)


@TIERS
def test_every_kind_of_a_loop_s_heat_is_answered_as_it_must_be(tier: TierName, tmp_path: Path) -> None:
    played = play(tmp_path, LOOPS, tier)
    no_harm_done(played)
    assert {incident.domain for incident in played.incidents} == set(OF_LOOPS)
    for incident in played.incidents:
        cause, within_s, first, reason = OF_LOOPS[incident.domain]
        assert (incident.category, incident.cause) == (Category.THERMAL, cause)
        assert incident.detected_at - began_at(played, incident.domain) <= within_s
        assert incident.attempts[0].verb is first
        assert incident.escalation_reason == reason
        assert incident.outcome is (Outcome.OPEN if reason else Outcome.AUTO_RESOLVED)
    assert [fault.fixable for fault in played.faults] == [True, True, False, False, False]
