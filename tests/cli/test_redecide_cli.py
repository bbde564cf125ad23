"""`terrahash replay --redecide`: both sides printed, exit code 1 where they differ, refusals that say why."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from agent.cli.main import cli
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.ledger.recordings import path_of
from agent.model.ids import IncidentId

INC = IncidentId("inc-000001")
STORY = """
name: recorded
seed: 5
duration: 45m
tier: fast-forward
site: {generate: {miners: 4, miners_per_pdu: 4, network: 10.0.0.0/9}}
agent: {tick_s: 10, poll: {interval_s: 10, pdu_interval_s: 30, switch_interval_s: 60}}
faults:
  - {at: 18m, kind: miner.hashing_stopped, target: "miner:r1-02"}
"""
OTHER = Path(__file__).parents[2] / "config.example.yaml"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    scenario = folder / "scenario.yaml"
    scenario.write_text(STORY)
    path = folder / "ledger.sqlite3"
    play_scenario(read_scenario(scenario), path, console=Console(file=io.StringIO()), log=io.StringIO(), records=True)
    return path


def other(folder: Path, not_hashing_s: float) -> Path:
    """The example's configuration, with another delay; its inventory stands beside it."""
    path = folder / "other.yaml"
    path.write_text(OTHER.read_text().replace("not_hashing_s: 120", f"not_hashing_s: {not_hashing_s:g}"))
    (folder / "inventory.example.csv").write_text((OTHER.parent / "inventory.example.csv").read_text())
    return path


def replay(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def test_unchanged_both_sides_are_the_same(ledger: Path) -> None:
    result = replay(INC, "--ledger", ledger, "--redecide")
    assert result.exit_code == 0, result.output
    assert "decided then" in result.output
    assert "intended: restart r1-02" in result.output
    assert result.output.splitlines()[-1].endswith(" same")


def test_another_configuration_shows_what_it_changes(ledger: Path, tmp_path: Path) -> None:
    result = replay(INC, "--ledger", ledger, "--redecide", "--config", other(tmp_path, 180))
    assert result.exit_code == 1, result.output
    assert "found 1 min later than then" in result.output
    assert "is unknown" in result.output


def test_all_of_them_as_a_regression_run(ledger: Path, tmp_path: Path) -> None:
    as_then = replay("--all", "--redecide", "--ledger", ledger, "--json")
    changed = replay("--all", "--redecide", "--ledger", ledger, "--config", other(tmp_path, 180))
    assert as_then.exit_code == 0
    assert [(one["incident"], one["found"]) for one in json.loads(as_then.stdout)] == [(INC, "as then")]
    assert changed.exit_code == 1
    assert "0 found as then, 0 found earlier, 1 found later, 0 found not before somebody acted" in changed.output


def test_incidents_from_before_are_left_out(ledger: Path) -> None:
    result = replay("--all", "--redecide", "--since", "2026-01-02", "--ledger", ledger, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_elsewhere_it_is_decided_alike(ledger: Path, tmp_path: Path) -> None:
    archive = tmp_path / "incident.zip"
    archive.write_bytes(CliRunner().invoke(cli, ["incidents", "export", INC, "--ledger", str(ledger)]).stdout_bytes)
    here, there = replay(INC, "--ledger", ledger, "--redecide"), replay(archive, "--redecide")
    assert there.exit_code == 0, there.output
    assert there.output == here.output


def test_what_was_not_recorded_is_not_decided_again(ledger: Path, tmp_path: Path) -> None:
    bare = tmp_path / "ledger.sqlite3"
    bare.write_bytes(ledger.read_bytes())
    result = replay(INC, "--ledger", bare, "--redecide")
    assert result.exit_code == 2
    assert "only what was recorded" in result.output


def test_a_damaged_recording_is_named_and_the_others_are_decided(ledger: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(ledger.read_bytes())
    path_of(copy, INC).parent.mkdir()
    path_of(copy, INC).write_bytes(path_of(ledger, INC).read_bytes())
    path_of(copy, IncidentId("inc-000002")).write_bytes(b"PK")
    result = replay("--all", "--redecide", "--ledger", copy)
    assert result.exit_code == 0
    assert "inc-000002: expected a flight recording" in result.output
    assert "1 recordings could not be used" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["--all"], ["--since", "24h", "--redecide", "x"], [], ["x", "--all", "--redecide"], ["x", "--redecide", "--step"]],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    assert replay(*arguments).exit_code == 2
