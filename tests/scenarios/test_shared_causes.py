"""Shared causes from the device to the ledger: one incident, its miners left alone, the others mended as ever."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import Played, play_scenario, read_scenario
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.model.action import Verb
from agent.model.events import Intended, Moved
from agent.model.incident import Category, Outcome, Reason

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"
SUBNET = NETWORK.replace("0.0/16", "0.0/24")
TIERS = [TierName.FAST_FORWARD, TierName.MEMORY]

SITE = f"site: {{generate: {{miners: 48, racks_per_container: 2, miners_per_pdu: 12, network: {NETWORK}, pools: %d}}}}"


def play(folder: Path, tier: TierName, faults: str, duration: str = "45m", *, pools: int = 1) -> tuple[Played, Path]:
    path, ledger = folder / "scenario.yaml", folder / "ledger.sqlite3"
    path.write_text(f"name: shared\nseed: 5\nduration: {duration}\n{SITE % pools}\nfaults:\n{faults}")
    console = Console(file=io.StringIO())
    return play_scenario(read_scenario(path, tier=tier), ledger, console=console, log=io.StringIO()), ledger


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ('kind: pdu.dark, target: "pdu:c1-p2"', ("pdu:c1-p2", Reason.POWER_LOST, 12)),
        ('kind: pdu.breaker_trip, target: "pdu:c1-p3", bank: 2', ("breaker:c1-p3:bank2", Reason.POWER_LOST, 3)),
        ('kind: network.switch_down, target: "switch:c1-sw"', ("switch:c1-sw", Reason.CUT_OFF, 48)),
        (f'kind: network.subnet_down, target: "subnet:{SUBNET}"', (f"subnet:{SUBNET}", Reason.CUT_OFF, 48)),
        ('kind: network.core_down, target: "site:generated"', ("switch:c1-sw", Reason.CUT_OFF, 48)),
    ],
)
def test_it_is_one_incident_and_nothing_is_done_to_its_miners(
    tmp_path: Path, tier: TierName, fault: str, expected: tuple[str, Reason, int]
) -> None:
    played, ledger = play(tmp_path, tier, f"  - {{at: 5m, {fault}, for: 10m}}\n", "40m")
    counted = [i for i in played.incidents if i.outcome is not Outcome.SUPPRESSED]
    assert [(i.domain, i.cause, len(i.members)) for i in counted] == [expected]
    assert not [record for record in read(ledger) if isinstance(record.event, Intended)]
    assert played.board["detection"]["recall"] == played.board["detection"]["precision"] == 1.0
    assert played.board["detection"]["wrong_cause"] == 0
    assert not counted[0].is_open


def test_a_pdu_that_is_back_while_it_is_looked_at_has_its_miners_waited_for(tmp_path: Path) -> None:
    dark = '  - {at: 5m, kind: pdu.dark, target: "pdu:c1-p2", for: 205s}\n'
    played, ledger = play(tmp_path, TierName.MEMORY, dark, "25m")
    (incident,) = (i for i in played.incidents if i.outcome is not Outcome.SUPPRESSED)
    assert (incident.domain, incident.outcome) == ("pdu:c1-p2", Outcome.SELF_RECOVERED)
    moves = [record.event.trigger for record in read(ledger) if isinstance(record.event, Moved)]
    assert moves == ["stays_away", "back", "recovered"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_hung_neighbour_is_mended_all_the_same(tmp_path: Path, tier: TierName) -> None:
    played, ledger = play(
        tmp_path,
        tier,
        '  - {at: 5m, kind: miner.control_board_hung, target: "miner:r2-20"}\n'
        '  - {at: 5m, kind: pdu.dark, target: "pdu:c1-p1", for: 10m}\n',
    )
    acts = [record.event for record in read(ledger) if isinstance(record.event, Intended)]
    assert [(a.action.verb, a.action.miner) for a in acts] == [
        (Verb.POWER_OFF, "r2-20"),
        (Verb.POWER_ON, "r2-20"),
    ]
    ends = {i.category: i.outcome for i in played.incidents if i.outcome is not Outcome.SUPPRESSED}
    assert ends == {Category.STUCK: Outcome.AUTO_RESOLVED, Category.OTHER: Outcome.HUMAN_RESOLVED}
    (parent,) = [i for i in played.incidents if i.domain]
    assert (parent.domain, len(parent.members)) == ("pdu:c1-p1", 12)


def test_what_a_person_left_off_behind_a_closed_breaker_is_brought_back_one_by_one(tmp_path: Path) -> None:
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        '  - {at: 5m, kind: pdu.breaker_trip, target: "pdu:c1-p3", bank: 2, closed_onto: one, for: 10m}\n',
    )
    acts = [(record.at, record.event) for record in read(ledger) if isinstance(record.event, Intended)]
    assert [(act.action.verb, act.state) for _, act in acts] == [(Verb.POWER_ON, "reenergise")] * 2
    assert acts[1][0] - acts[0][0] >= 10.0
    (parent,) = [i for i in played.incidents if i.domain]
    assert (parent.escalation_reason, parent.outcome) == ("breaker_tripped", Outcome.HUMAN_RESOLVED)
    assert played.board["harm"]["outlets_left_off"] == 0
    assert played.board["harm"]["budget_breaches"] == 0


@pytest.mark.parametrize("at", ["320s", "20m"])
def test_a_breaker_that_trips_while_every_pool_is_gone_is_one_incident(tmp_path: Path, at: str) -> None:
    """Its miners had been the pool's: they ended as single ones, and some of them in a power cycle."""
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        '  - {at: 5m, kind: pool.down, target: "pool:primary", for: 30m}\n'
        '  - {at: 5m, kind: pool.down, target: "pool:backup", for: 30m}\n'
        f'  - {{at: {at}, kind: pdu.breaker_trip, target: "pdu:c1-p3", bank: 2}}\n',
        "50m",
        pools=2,
    )
    counted = [i for i in played.incidents if i.outcome is not Outcome.SUPPRESSED]
    assert {(i.domain, i.cause, len(i.members)) for i in counted} == {
        ("pool:primary", Reason.NO_POOL, 48),
        ("breaker:c1-p3:bank2", Reason.POWER_LOST, 3),
    }
    acts = [record.event.action.verb for record in read(ledger) if isinstance(record.event, Intended)]
    assert set(acts) <= {Verb.SWITCH_POOL}


def test_who_loses_its_power_while_its_pool_is_gone_is_found_when_the_pool_is_back(tmp_path: Path) -> None:
    """What silent miners had said of their pool kept its incident open, and theirs from being one."""
    played, _ = play(
        tmp_path,
        TierName.FAST_FORWARD,
        '  - {at: 5m, kind: pool.down, target: "pool:primary", for: 10m}\n'
        '  - {at: 7m, kind: pdu.breaker_trip, target: "pdu:c1-p3", bank: 2}\n',
        "60m",
    )
    ended = {i.category: i.is_open for i in played.incidents if i.outcome is not Outcome.SUPPRESSED}
    assert not ended[Category.POOL]
    dark = {m for i in played.incidents if i.category is not Category.POOL and i.is_open for m in i.members}
    assert len(dark) == 3
