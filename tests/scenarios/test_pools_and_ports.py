"""Pools, ports and rejects on every tier: each fault opens in its class, and its playbook ends where the truth is."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario
from agent.config.scenario import TierName
from agent.model.action import Verb
from agent.model.incident import Category, Incident, Outcome, Reason

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"

SINGLE = f"""
name: ports-and-shares
seed: 3
duration: 75m
site: {{generate: {{miners: 18, miners_per_pdu: 18, pools: 2, network: {NETWORK}}}}}
faults:
  - {{at: 4m, kind: network.port_hung, target: "miner:r1-01"}}
  - {{at: 7m, kind: network.port_hung, target: "miner:r1-02"}}
  - {{at: 10m, kind: network.cable_cut, target: "miner:r1-03"}}
  - {{at: 13m, kind: network.cable_errors, target: "miner:r1-04"}}
  - {{at: 16m, kind: network.wrong_vlan, target: "miner:r1-05"}}
  - {{at: 19m, kind: network.address_moved, target: "port:c1-sw/6"}}
  - {{at: 22m, kind: network.address_lost, target: "miner:r1-13"}}
  - {{at: 6m, kind: miner.unauthorised_pool, target: "miner:r1-07"}}
  - {{at: 6m, kind: miner.unauthorised_pool, target: "miner:r1-08", what: worker}}
  - {{at: 6m, kind: miner.unauthorised_pool, target: "miner:r1-09"}}
  - {{at: 6m, kind: miner.rejects, target: "miner:r1-10", share: 0.2}}
  - {{at: 6m, kind: miner.rejects_board, target: "miner:r1-11", share: 0.2}}
  - {{at: 6m, kind: miner.rejects_board, target: "miner:r1-14", share: 0.2, eases: true}}
  - {{at: 8m, kind: miner.process_died, target: "miner:r1-12"}}
"""

ENDS: dict[str, tuple[Category, tuple[Verb, ...], str]] = {
    "r1-01": (Category.NETWORK, (Verb.BOUNCE_PORT,), ""),
    "r1-02": (Category.NETWORK, (Verb.BOUNCE_PORT,), ""),
    "r1-03": (Category.NETWORK, (), "no_link"),
    "r1-04": (Category.NETWORK, (), "cable_errors"),
    "r1-05": (Category.NETWORK, (), "wrong_vlan"),
    "r1-06": (Category.NETWORK, (Verb.REBIND,), ""),
    "r1-07": (Category.OTHER, (Verb.SWITCH_POOL,), ""),
    "r1-08": (Category.OTHER, (Verb.SWITCH_POOL,), ""),
    "r1-09": (Category.OTHER, (Verb.SWITCH_POOL,), ""),
    "r1-10": (Category.REJECTS, (Verb.RESTART,), ""),
    "r1-11": (Category.REJECTS, (Verb.RESTART, Verb.DERATE, Verb.DERATE), "hardware_rejects"),
    "r1-12": (Category.STUCK, (Verb.RESTART,), ""),
    "r1-13": (Category.NETWORK, (Verb.REBIND,), "works_unreached"),
    "r1-14": (Category.REJECTS, (Verb.RESTART, Verb.DERATE), "derated_needs_repair"),
}
"""For each miner the class, what is done, and the reason a person is given; empty where it is mended."""

POOL = f"""
name: a-pool
seed: 3
duration: 50m
site: {{generate: {{miners: 12, miners_per_pdu: 12, pools: 2, network: {NETWORK}}}}}
faults:
  - {{at: 4m, kind: KIND, target: "pool:primary", for: 30m}}
"""


def play(folder: Path, text: str, tier: TierName) -> Played:
    path = folder / f"{tier}.yaml"
    path.write_text(text)
    ledger = folder / f"{tier}.sqlite3"
    console = Console(file=io.StringIO())
    return play_scenario(read_scenario(path, tier=tier), ledger, console=console, log=io.StringIO())


def of(played: Played, miner: str) -> Incident:
    (found,) = [incident for incident in played.incidents if miner in incident.members]
    return found


@pytest.fixture(scope="module", params=[TierName.FAST_FORWARD, TierName.WIRE])
def singles(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    tier: TierName = request.param
    return play(tmp_path_factory.mktemp("singles"), SINGLE, tier)


@pytest.mark.parametrize("miner", sorted(ENDS))
def test_each_fault_opens_in_its_class_and_ends_as_it_truly_can(singles: Played, miner: str) -> None:
    category, verbs, reason = ENDS[miner]
    incident = of(singles, miner)
    assert incident.category is category
    assert [attempt.verb for attempt in incident.attempts] == list(verbs)
    assert incident.escalation_reason == reason
    assert incident.outcome is (Outcome.OPEN if reason else Outcome.AUTO_RESOLVED)


def test_nothing_else_is_found_and_nobody_else_is_touched(singles: Played) -> None:
    board = singles.board
    assert board["detection"]["recall"] == board["detection"]["precision"] == 1.0
    assert board["detection"]["wrong_category"] == board["detection"]["wrong_cause"] == 0
    assert board["remediation"]["rate_fixable"] == 1.0
    assert board["remediation"]["escalated_wrong"] == 0
    assert board["harm"] == dict.fromkeys(board["harm"], 0)
    assert board["duty"]["actions"]["reboot"] == board["duty"]["actions"]["power_off"] == 0


def test_the_network_is_seen_within_a_minute_and_a_stranger_within_half_of_it(singles: Played) -> None:
    for place, miner in enumerate(("r1-01", "r1-02", "r1-03", "r1-04", "r1-05", "r1-06", "r1-13")):
        began_s = 240.0 + 180.0 * place  # apart, so that nobody takes them for one fault of their switch
        assert 0.0 < of(singles, miner).detected_at - EPOCH_S - began_s <= 75.0
    for miner in ("r1-07", "r1-08", "r1-09"):
        assert 0.0 < of(singles, miner).detected_at - EPOCH_S - 360.0 <= 30.0


@pytest.mark.parametrize("kind", ["pool.down", "pool.hung", "pool.login_refused", "pool.dns_broken"])
@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.MEMORY])
def test_where_the_miners_help_themselves_it_is_one_incident_and_nobody_is_touched(
    tmp_path: Path, kind: str, tier: TierName
) -> None:
    played = play(tmp_path, POOL.replace("KIND", kind).replace("50m", "25m"), tier)
    (incident,) = played.incidents
    assert (incident.category, incident.domain, incident.outcome) == (
        Category.POOL,
        "pool:primary",
        Outcome.SELF_RECOVERED,
    )
    assert len(incident.members) == 12
    assert incident.attempts == ()
    assert played.board["detection"]["recall"] == 1.0
    assert played.board["harm"] == dict.fromkeys(played.board["harm"], 0)


@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.WIRE])
def test_a_pool_that_rejects_is_left_in_waves(tmp_path: Path, tier: TierName) -> None:
    played = play(tmp_path, POOL.replace("KIND", "pool.rejects").replace("for: 30m", "for: 30m, share: 0.2"), tier)
    (incident,) = played.incidents
    assert (incident.category, incident.domain) == (Category.REJECTS, "pool:primary")
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert {attempt.verb for attempt in incident.attempts} == {Verb.SWITCH_POOL}
    assert len(incident.attempts) >= 3, "a canary, some, the rest"
    assert played.board["remediation"]["rate_fixable"] == 1.0
    assert played.board["harm"] == dict.fromkeys(played.board["harm"], 0)


@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.MEMORY])
@pytest.mark.parametrize(("kind", "period_s"), [("pool.times_out", 120.0), ("pool.sheds", 400.0)])
def test_a_pool_that_drops_its_miners_is_left_once_and_its_period_told(
    tmp_path: Path, tier: TierName, kind: str, period_s: float
) -> None:
    text = POOL.replace("KIND", kind).replace("for: 30m", f"for: 30m, period_s: {period_s}").replace("50m", "36m")
    played = play(tmp_path, text, tier)
    (incident,) = played.incidents
    assert (incident.category, incident.cause) == (Category.POOL, Reason.UNSTEADY_POOL)
    assert (incident.domain, incident.outcome) == ("pool:primary", Outcome.AUTO_RESOLVED)
    assert incident.evidence["period_s"] == pytest.approx(period_s, rel=0.03)
    assert len(incident.members) == 12
    assert {attempt.verb for attempt in incident.attempts} == {Verb.SWITCH_POOL}
    assert len(incident.attempts) <= 3, "none of the drops is followed"
    assert played.board["detection"]["wrong_cause"] == 0
    assert played.board["remediation"]["rate_fixable"] == 1.0
    assert played.board["harm"] == dict.fromkeys(played.board["harm"], 0)


@pytest.mark.parametrize("kind", ["pool.times_out", "pool.sheds"])
def test_without_another_pool_a_person_gets_the_period_of_an_unsteady_one(tmp_path: Path, kind: str) -> None:
    text = POOL.replace("KIND", kind).replace("pools: 2", "pools: 1").replace("50m", "30m")
    played = play(tmp_path, text, TierName.FAST_FORWARD)
    (incident,) = played.incidents
    if kind == "pool.times_out":
        assert (incident.cause, incident.escalation_reason) == (Reason.UNSTEADY_POOL, "pool_times_out")
        assert incident.evidence["period_s"] == pytest.approx(120.0, rel=0.03)
    else:
        assert incident.cause is Reason.NO_POOL, "with nowhere to go it is lost each time"
        assert incident.escalation_reason
    assert incident.attempts == ()
    assert played.board["remediation"]["escalated_wrong"] == 0


def test_a_pool_that_goes_down_when_a_person_was_told_that_it_times_out_is_a_lost_pool_after_all(
    tmp_path: Path,
) -> None:
    text = POOL.replace("KIND", "pool.times_out").replace("50m", "40m").replace("for: 30m", "period_s: 60")
    text += """
  - {at: 1m, kind: pool.login_refused, target: "pool:backup", for: 15m}
  - {at: 18m, kind: pool.hung, target: "pool:primary"}
"""
    played = play(tmp_path, text, TierName.FAST_FORWARD)
    (incident,) = [i for i in played.incidents if i.domain == "pool:primary"]
    assert incident.escalation_reason == "pool_times_out"
    assert incident.cause is Reason.NO_POOL
    assert incident.outcome is not Outcome.OPEN


def test_without_another_pool_nothing_can_be_done_and_a_person_is_asked(tmp_path: Path) -> None:
    text = POOL.replace("KIND", "pool.down").replace("pools: 2", "pools: 1").replace("for: 30m", "for: 45m")
    played = play(tmp_path, text, TierName.FAST_FORWARD)
    (incident,) = played.incidents
    assert incident.escalation_reason
    assert incident.attempts == ()
    assert played.board["remediation"]["escalated_wrong"] == 0
    assert played.board["harm"] == dict.fromkeys(played.board["harm"], 0)


def test_a_switch_that_is_down_is_one_incident_and_nobody_is_touched(tmp_path: Path) -> None:
    text = POOL.replace("KIND", "network.switch_down").replace("pool:primary", "switch:c1-sw")
    played = play(tmp_path, text.replace("50m", "20m"), TierName.FAST_FORWARD)
    (incident,) = played.incidents
    assert (incident.category, incident.domain) == (Category.NETWORK, "switch:c1-sw")
    assert incident.escalation_reason == "switch_silent"
    assert incident.attempts == ()
    assert played.board["harm"] == dict.fromkeys(played.board["harm"], 0)
