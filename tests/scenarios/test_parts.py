"""Faults of parts on the wire and in fast-forward: right class and cause in time, the right remedy, and once."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario
from agent.config.scenario import TierName
from agent.ledger import queries
from agent.model.action import Verb
from agent.model.events import Escalated
from agent.model.incident import Category, Evidence, Incident, Outcome, Reason

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"
CYCLE = [Verb.POWER_OFF, Verb.POWER_ON]

PARTS = f"""
name: parts
seed: 3
duration: 75m
site: {{generate: {{miners: 9, miners_per_pdu: 9, network: {NETWORK},
       families: {{antminer_stock: 0.34, whatsminer: 0.33, luxos: 0.33}}}}}}
agent: {{guard: {{at_once_share: 1.0, site_at_once_share: 1.0}}}}
faults:
  - {{at: 4m, kind: miner.board_lost, target: "miner:r1-01", cold_cures: true}}
  - {{at: 4m, kind: miner.board_lost, target: "miner:r1-02", error: eeprom, cold_cures: false}}
  - {{at: 4m, kind: miner.board_lost, target: "miner:r1-03", cold_cures: true}}
  - {{at: 4m, kind: miner.fan_lost, target: "miner:r1-04"}}
  - {{at: 4m, kind: miner.chips_lost, target: "miner:r1-05"}}
  - {{at: 4m, kind: miner.degraded, target: "miner:r1-06"}}
  - {{at: 4m, kind: miner.fan_lost, target: "miner:r1-07"}}
  - {{at: 4m, kind: miner.psu_hiccup, target: "miner:r1-08", every_s: 1500, cold_cures: false}}
"""

MINUTE_S = 60.0
ENDS: dict[str, tuple[Reason, float, list[Verb], str]] = {
    "r1-01": (Reason.BOARD_LOST, 3 * MINUTE_S, CYCLE, ""),
    "r1-02": (Reason.BOARD_LOST, 3 * MINUTE_S, CYCLE, "board_lost"),
    "r1-03": (Reason.BOARD_LOST, 3 * MINUTE_S, CYCLE, ""),
    "r1-04": (Reason.FAN_LOST, 2 * MINUTE_S, [], "fan_lost"),
    "r1-05": (Reason.DEGRADED, 16 * MINUTE_S, [], "degraded"),
    "r1-06": (Reason.DEGRADED, 16 * MINUTE_S, [], "degraded"),
    "r1-07": (Reason.FAN_LOST, 2 * MINUTE_S, [], "fan_lost"),
    "r1-08": (Reason.PSU_HICCUP, 2 * MINUTE_S, CYCLE, "supply_cuts_out"),
}
"""For each miner the cause, the longest delay, all that is done, and what a person is asked for; empty: it is mended.

Of a supply that cuts out the first time is seen at once, as silence, and named at the second.
"""


def play(folder: Path, text: str, tier: TierName) -> Played:
    path = folder / f"{tier}.yaml"
    path.write_text(text)
    console = Console(file=io.StringIO())
    ledger = folder / f"{tier}.sqlite3"
    return play_scenario(read_scenario(path, tier=tier), ledger, console=console, log=io.StringIO())


@pytest.fixture(scope="module", params=[TierName.FAST_FORWARD, TierName.WIRE])
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    tier: TierName = request.param
    return play(tmp_path_factory.mktemp("parts"), PARTS, tier)


def asked(played: Played, miner: str) -> Evidence:
    """What a person was told when asked about that miner."""
    found = queries.history(played.scenario.path.with_suffix(".sqlite3"), of(played, miner).id)
    assert found is not None
    (event,) = [record.event for record in found.records if isinstance(record.event, Escalated)]
    return event.evidence


def of(played: Played, miner: str) -> Incident:
    (found,) = [incident for incident in played.incidents if miner in incident.members]
    return found


@pytest.mark.parametrize("miner", sorted(ENDS))
def test_each_part_is_found_named_and_treated_once(parts: Played, miner: str) -> None:
    cause, within_s, verbs, reason = ENDS[miner]
    incident = of(parts, miner)
    assert (incident.category, incident.cause) == (Category.OTHER, cause)
    assert incident.detected_at - EPOCH_S - 4 * MINUTE_S <= within_s
    assert [attempt.verb for attempt in incident.attempts] == verbs
    assert incident.escalation_reason == reason
    assert incident.outcome is (Outcome.OPEN if reason else Outcome.AUTO_RESOLVED)


def test_the_ticket_says_which_part_and_where(parts: Played) -> None:
    board, fan, worn = asked(parts, "r1-02"), asked(parts, "r1-04"), asked(parts, "r1-05")
    whole = [board[key] for key in board if key.startswith("board_")]
    assert sum(str(text).startswith("0 of ") for text in whole) == 1
    assert board["boards_up"] == 2
    assert all(ticket["outlets"] and ticket["port"] and ticket["rack"] for ticket in (board, fan, worn))
    assert "0 rpm" in str(fan["fans"])
    assert float(str(worn["work_share"])) < 0.9
    assert asked(parts, "r1-08")["hiccups_24h"]


def test_no_harm_is_done_and_nobody_else_is_touched(parts: Played) -> None:
    board = parts.board
    assert {m for incident in parts.incidents for m in incident.members} == set(ENDS)
    harm = board["harm"]
    assert (harm["actions_on_healthy"], harm["useless_power_cycles"], harm["outlets_left_off"]) == (0, 0, 0)
    assert board["remediation"]["escalated_wrong"] == 0
