"""The agent's own trouble from the machine to the ledger: one incident, nobody touched, nothing forgotten."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from agent.api.status import status_of
from agent.app import QUIET_S
from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario, shipped
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.model.action import Verb
from agent.model.events import AgentStarted, HoldChanged, IncidentOpened, Intended, Judged
from agent.model.incident import Category, Outcome, Reason
from agent.model.topology import Family
from simulators.plant.journal import What
from tests.scenarios.site_bench import Bench, configuration
from tests.scenarios.site_bench import play as act_out

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"
SITE = f"site: {{generate: {{miners: 8, racks_per_container: 1, miners_per_pdu: 8, network: {NETWORK}, pools: 2}}}}"
HUNG = Family.LUXOS
CYCLE = [Verb.POWER_OFF, Verb.POWER_ON]


def play(folder: Path, tier: TierName, faults: str, duration: str = "40m") -> tuple[Played, Path]:
    path, ledger = folder / "scenario.yaml", folder / "ledger.sqlite3"
    path.write_text(f"name: own\nseed: 5\nduration: {duration}\n{SITE}\nfaults:\n{faults}")
    console = Console(file=io.StringIO())
    return play_scenario(read_scenario(path, tier=tier), ledger, console=console, log=io.StringIO()), ledger


@pytest.mark.parametrize(
    ("tier", "fault", "cause"),
    [
        (TierName.FAST_FORWARD, "host.link_lost", Reason.OWN_NETWORK),
        (TierName.MEMORY, "host.link_lost", Reason.OWN_NETWORK),
        (TierName.FAST_FORWARD, "host.clock_stepped", Reason.OWN_CLOCK),
        (TierName.MEMORY, "host.clock_stepped", Reason.OWN_CLOCK),
    ],
)
def test_it_is_one_incident_on_every_tier_and_of_nobody_else(
    tmp_path: Path, tier: TierName, fault: str, cause: Reason
) -> None:
    played, ledger = play(tmp_path, tier, f'  - {{at: 3m, kind: {fault}, target: "host:agent", for: 4m}}\n', "10m")
    (own,) = played.incidents
    assert (own.members, own.cause, own.category, own.outcome) == ((), cause, Category.OTHER, Outcome.SELF_RECOVERED)
    kinds = {type(record.event) for record in read(ledger)} - {AgentStarted, HoldChanged}
    assert Intended not in kinds
    assert Judged not in kinds
    found = played.board["detection"]
    assert (found["recall"], found["precision"], found["wrong_cause"]) == (1.0, 1.0, 0)
    assert found["delay_s"]["other"]["p95"] <= 10.0


def test_a_miner_that_hangs_meanwhile_is_found_and_mended_afterwards(tmp_path: Path) -> None:
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        '  - {at: 4m, kind: host.link_lost, target: "host:agent", for: 20m}\n'
        '  - {at: 10m, kind: miner.control_board_hung, target: "miner:r1-07"}\n',
        "50m",
    )
    own, stuck = played.incidents
    assert (own.cause, stuck.members, stuck.outcome) == (Reason.OWN_NETWORK, ("r1-07",), Outcome.AUTO_RESOLVED)
    assert own.resolved_at is not None
    acts = [r for r in read(ledger) if isinstance(r.event, Intended)]
    assert min(act.at for act in acts) > own.resolved_at
    assert played.board["harm"]["actions_on_healthy"] == 0


@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.MEMORY])
def test_a_disk_that_fails_on_a_quiet_night_is_known_before_it_is_needed(tmp_path: Path, tier: TierName) -> None:
    played, _ = play(tmp_path, tier, '  - {at: 7m, kind: host.disk_slow, target: "host:agent", for: 6m}\n', "20m")
    (own,) = played.incidents
    assert (own.cause, own.outcome) == (Reason.OWN_LEDGER, Outcome.SELF_RECOVERED)
    assert own.detected_at - EPOCH_S - 7 * 60.0 <= QUIET_S + 15.0


def test_the_shipped_one_of_a_machine_that_ails(tmp_path: Path) -> None:
    scenario = read_scenario(shipped()["own-machine-ails"], tier=TierName.FAST_FORWARD)
    played = play_scenario(scenario, tmp_path / "l", console=Console(file=io.StringIO()), log=io.StringIO())
    assert played.board["expect"]["failed"] == []


def test_an_outlet_that_is_off_when_the_trouble_begins_goes_on_again(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        bench.break_("miner.control_board_hung", "m1", draw="idle")
        await bench.until(lambda: not bench.relay_on("pdu-a/1"), 900.0)
        bench.break_("host.dns_lost", "host:agent")
        bench.simulated.plant.host.wall_ahead_s = 3600.0
        await bench.until(lambda: bench.relay_on("pdu-a/1"), 300.0)
        own = bench.agent.memory.own_incident
        assert own is not None
        assert own.is_open
        assert status_of(bench.agent.memory, bench.agent.now(), ticks=1).trouble == f"{own.id}, own_clock"
        await bench.run(30.0)

    bench = act_out(tmp_path, configuration([(HUNG, 1)]), story)
    assert bench.verbs("m1")[-2:] == CYCLE


def test_a_restart_in_the_middle_keeps_the_incident_and_the_hold(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        bench.break_("host.clock_stepped", "host:agent", for_s=400.0)
        await bench.run(30.0)
        bench.break_("miner.process_died", "m1")
        await bench.run(20.0)
        await bench.kill()
        await bench.start(behind_s=3600.0)
        await bench.until(lambda: not bench.agent.memory.open_incidents, 1200.0)

    bench = act_out(tmp_path, configuration([(HUNG, 1)]), story)
    (opened,) = [e for e in bench.events(IncidentOpened) if not e.members]
    assert opened.cause is Reason.OWN_CLOCK
    assert [record.at for record in bench.records] == sorted(record.at for record in bench.records)
    assert bench.done_to("m1") == [What.RESTART]
    bench.check(touched=["m1"])


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_neither_fires_nor_starves_a_deadline(tmp_path: Path, by_s: float) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        bench.break_("miner.control_board_hung", "m1", draw="idle")
        await bench.until(lambda: bool(bench.agent.memory.open_incidents), 300.0)
        bench.break_("host.clock_stepped", "host:agent", for_s=60.0, by_s=by_s)
        await bench.until(lambda: not bench.agent.memory.open_incidents, 2400.0)

    bench = act_out(tmp_path, configuration([(HUNG, 1)]), story)
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED
    assert bench.verbs("m1")[-2:] == CYCLE
    assert bench.incident("m1").escalated_at is None
    assert [record.at for record in bench.records] == sorted(record.at for record in bench.records)
    bench.check(touched=["m1"])
