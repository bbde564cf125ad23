"""What befalls power and sleep of many, or the agent itself, on the wire; and that every kind has been there."""

import os
import re
from pathlib import Path

import pytest

from agent.cli.scenario_run import EPOCH_S
from agent.config.scenario import TierName
from agent.model.incident import Category, Outcome, Reason
from simulators.faults import FAULT_KINDS
from tests.scenarios.test_parts import MINUTE_S, play

pytestmark = pytest.mark.timeout(280)

SECOND = 75 + os.getpid() % 60
MANY = f"""
name: power-and-sleep
seed: 5
duration: 19m
site: {{generate: {{miners: 18, containers: 3, racks_per_container: 1, miners_per_pdu: 6, network: 10.{SECOND}.0.0/16,
       families: {{luxos: 1}}}}}}
orders:
  - {{at: 2m, curtail: "switch:c2-sw", for: 7m}}
  - {{at: 11m, maintain: "miner:r1-01", for: 3m}}
faults:
  - {{at: 1m, kind: site.heat_wave, target: "site:generated", extra_k: 4}}
  - {{at: 2m, kind: site.curtailed, target: "switch:c2-sw", for: 6m}}
  - {{at: 2m, kind: pdu.dark, target: "pdu:c1-p1", for: 5m}}
  - {{at: 3m, kind: site.curtailed_unannounced, target: "switch:c3-sw", for: 6m}}
  - {{at: 11m, kind: site.maintenance, target: "miner:r1-01", for: 2m}}
  - {{at: 15m, kind: site.outage, target: "site:generated", for: 3m}}
"""
BREAKER = f"""
name: breaker
seed: 5
duration: 14m
site: {{generate: {{miners: 8, containers: 1, racks_per_container: 1, miners_per_pdu: 8, network: 10.{SECOND}.0.0/16}}}}
faults:
  - {{at: 2m, kind: pdu.breaker_trip, target: "pdu:c1-p1", for: 5m}}
"""
HOST = {
    "host.clock_stepped": Reason.OWN_CLOCK,
    "host.dns_lost": Reason.OWN_DNS,
    "host.disk_slow": Reason.OWN_LEDGER,
    "host.overloaded": Reason.OWN_LAG,
    "host.router_lost": Reason.OWN_NETWORK,
}
"""What befalls the agent's machine, five minutes apart, and what the agent makes of it; its link is the last to go.

That a disk is slow shows when something is to be put on record: a miner fails meanwhile."""


def test_power_lost_and_sleep_are_told_from_each_other_and_what_was_announced_is_nothing(tmp_path: Path) -> None:
    played = play(tmp_path, MANY, TierName.WIRE)
    counted = [incident for incident in played.incidents if incident.outcome is not Outcome.SUPPRESSED]
    found = {
        (incident.cause, incident.escalation_reason): {member.partition("-")[0] for member in incident.members}
        for incident in counted
    }
    assert found == {
        (Reason.POWER_LOST, "pdu_silent"): {"r1"},
        (Reason.CURTAILED, "curtailed_by_whom"): {"r3"},
        (Reason.POWER_LOST, "power_lost"): {"r1", "r2", "r3"},
    }
    assert len(counted) == len(found)
    told = played.board["detection"]
    assert {incident.category for incident in counted} == {Category.OTHER}
    assert [told[name] for name in ("false_incidents", "wrong_category", "wrong_cause")] == [0] * 3
    assert told["recall"] == 1.0
    assert told["delay_s"]["other"]["p95"] <= 3 * MINUTE_S
    assert played.board["remediation"]["escalated_wrong"] == 0
    assert not any(incident.attempts for incident in played.incidents)


def test_a_tripped_breaker_is_a_persons(tmp_path: Path) -> None:
    played = play(tmp_path, BREAKER, TierName.WIRE)
    (tripped,) = (incident for incident in played.incidents if incident.outcome is not Outcome.SUPPRESSED)
    assert (tripped.category, tripped.cause) == (Category.OTHER, Reason.POWER_LOST)
    assert tripped.domain.startswith("breaker:c1-p1")
    assert tripped.escalation_reason == "breaker_tripped"
    assert tripped.detected_at - EPOCH_S <= 5 * MINUTE_S
    assert not tripped.attempts


def test_whatever_ails_the_agent_is_its_own_incident(tmp_path: Path) -> None:
    faults = [*HOST, "host.link_lost"]
    lines = [f"  - {{at: {2 + 5 * k}m, kind: {kind}, target: 'host:agent', for: 2m}}" for k, kind in enumerate(faults)]
    text = "\n".join(
        (
            "name: own",
            "seed: 5",
            f"duration: {5 * len(faults) + 3}m",
            f"site: {{generate: {{miners: 2, network: 10.{SECOND}.0.0/16}}}}",
            "faults:",
            *lines,
            f"  - {{at: {2 + 5 * faults.index('host.disk_slow')}m, kind: miner.process_died, target: 'miner:r1-01'}}",
        )
    )
    played = play(tmp_path, text, TierName.WIRE)
    own = [incident for incident in played.incidents if incident.is_own]
    spells = [(spell.cause, spell.outcome) for incident in own for spell in incident.spells]
    wanted = [*HOST.values(), Reason.OWN_NETWORK]
    assert spells == [(cause, Outcome.SELF_RECOVERED) for cause in wanted]
    assert [incident.category for incident in played.incidents if not incident.is_own] == [Category.STUCK]
    assert played.board["detection"]["recall"] == 1.0
    assert played.board["harm"]["actions_during_hold"] == 0


ON_THE_WIRE = (
    "test_heat_kinds",
    "test_unit_kinds",
    "test_firmware_kinds",
    "test_parts",
    "test_other_kinds",
    "test_pools_and_ports",
    "test_outlet_map",
    "test_stuck",
    "test_fast_forward",
)
"""Modules whose scenarios, or benches, are played on the wire."""

ELSEWHERE = {
    "host.agent"
    + "_killed": "the death of the process, whatever carries the bytes: tests/scenarios/test_agent_killed.py",
}


def test_every_kind_of_heat_firmware_and_the_rest_is_played_on_the_wire() -> None:
    folder = Path(__file__).parent
    text = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in ON_THE_WIRE)
    played = set(re.findall(r"\b(?:" + "|".join(map(re.escape, FAULT_KINDS)) + r")\b(?!\.)", text))
    classes = {Category.THERMAL, Category.FIRMWARE, Category.OTHER}
    wanted = {name for name, kind in FAULT_KINDS.items() if kind.category in classes}
    assert wanted - played == set(ELSEWHERE)
