"""`terrahash simulate`, `faults` and `scenarios` as a user runs them; in memory, but for one run on the wire."""

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.cli.scenario_run import shipped
from agent.cli.tiers import TIERS
from agent.config.scenario import TierName
from agent.ledger import chain
from agent.ledger.reader import audit, read
from agent.model.events import AgentStarted
from agent.report.text import duration
from simulators.faults import FAULT_KINDS

NETWORK = f"10.{32 + os.getpid() % 30}.0.0/16"
"""A block of its own for each process that runs tests on this machine."""

STORY = f"""\
name: story
seed: 3
duration: 25m
tier: memory
site:
  generate: {{miners: 4, miners_per_pdu: 4, network: {NETWORK}}}
faults:
  - {{at: 1m, kind: miner.process_died, target: "miner:r1-01"}}
  - {{at: 2m, kind: wire.silent, target: "miner:r1-0[23]", count: 1, for: 5m}}
expect:
"""
MET = """\
  - {by: 25m, incident: {category: stuck, outcome: auto_resolved, miner: r1-01}}
  - {by: 10m, action: restart, target: "miner:r1-01"}
  - {never: {action: power_off}}
  - {never: {incident: {category: stuck, outcome: human_resolved}}}
  - {never: {action: any, while: pdu.slow}}
  - {at_end: {faults: 1, outlets_off: 0, open_incidents: 0, unhealthy_miners: 0}}
  - {at_end: {detection.recall: 1, remediation.rate_fixable: {at_least: 0.9}, duty.actions.restart: 1}}
"""
GROUPS = {
    "truth": {"faults", "fixable", "by_category"},
    "detection": {
        "recall",
        "precision",
        "false_incidents",
        "false_per_1000_miner_days",
        "wrong_category",
        "wrong_cause",
        "delay_s",
    },
    "remediation": {
        "rate",
        "rate_fixable",
        "escalated_right",
        "escalated_wrong",
        "open",
        "by_category",
        "mttr_s",
    },
    "harm": {
        "actions_on_healthy",
        "useless_power_cycles",
        "outlets_left_off",
        "budget_breaches",
        "actions_during_hold",
        "miner_minutes_lost",
    },
    "duty": {"actions", "approvals"},
    "expect": {"passed", "failed"},
    "cost": {"wall_s", "site_s_per_wall_s", "miner_hours_per_wall_s", "peak_rss_mb"},
}


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def written(folder: Path, text: str, name: str = "story.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def without_cost(board: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in board.items() if key != "cost"}


def test_a_story_that_goes_as_expected_is_judged_so_and_printed_as_documented(tmp_path: Path) -> None:
    ledger = tmp_path / "kept.sqlite3"
    done = call("simulate", written(tmp_path, STORY + MET), "--json", "--ledger", ledger)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    board = json.loads(done.stdout)
    top = {key: board[key] for key in ("schema", "scenario", "seed", "tier", "miners", "site_s", "simulated")}
    assert top == {
        "schema": 1,
        "scenario": "story",
        "seed": 3,
        "tier": "memory",
        "miners": 4,
        "site_s": 1500.0,
        "simulated": True,
    }
    for group, keys in GROUPS.items():
        assert keys <= board[group].keys(), group
    assert board["expect"] == {"passed": 12, "failed": []}
    assert board["truth"]["skipped"] == 0
    assert isinstance(audit(ledger), chain.Sound)
    (started,) = [r.event for r in read(ledger) if isinstance(r.event, AgentStarted)]
    assert started.simulated


def test_what_was_not_met_is_told_with_its_line_and_ends_in_one(tmp_path: Path) -> None:
    # An agent that may only observe mends nothing; the very same expectations must now fail.
    text = STORY.replace("faults:", "agent: {mode: observe}\nfaults:") + MET
    text += "  - {never: {incident: {category: stuck}}}\n  - {at_end: {remediation.rate: 1}}\n"
    path = written(tmp_path, text)
    done = call("simulate", path, "--json")
    assert done.exit_code == 1
    failed = json.loads(done.stdout)["expect"]["failed"]
    first = text.splitlines().index("expect:") + 2
    assert {f["line"] - first for f in failed} == {0, 1, 5, 6, 7, 8}
    assert {"line", "expected", "got"} == failed[0].keys()
    assert failed[0]["expected"].startswith("by 25m at least 1 incidents with category stuck, outcome auto_resolved")
    lines = done.stderr.splitlines()
    assert len(lines) == len(failed)
    assert lines[0].startswith(f"{path}:{first}: expected by 25m")
    assert any("never incidents with category stuck, got 1: inc-000001 at " in line for line in lines)


def test_an_order_that_the_agent_refused_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, STORY.replace("expect:", 'orders:\n  - {at: 30s, resume: "rack:r1"}'))
    done = call("simulate", path, "--json", "--tier=fast-forward")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [f"{path}:11: the agent refused this order: no window lies within rack:r1"]


def test_an_action_is_forbidden_only_while_the_fault_lasts(tmp_path: Path) -> None:
    text = STORY.replace("at: 2m, kind: wire.silent", "at: 30s, kind: wire.silent")
    text += "  - {never: {action: restart, while: 'wire.*'}}\n  - {never: {action: restart, while: pdu.slow}}\n"
    done = call("simulate", written(tmp_path, text), "--json")
    assert done.exit_code == 1
    (failed,) = json.loads(done.stdout)["expect"]["failed"]
    assert failed["expected"] == "never actions restart while wire.*"
    assert "restart r1-01" in failed["got"]


def test_the_same_seed_gives_the_same_json_and_ledger_in_another_process_with_other_hashes(tmp_path: Path) -> None:
    text = STORY.replace("duration: 25m", "duration: 12m").partition("expect:")[0]
    text += "  - {rate: 150/miner/day, kind: mix}\n  - {rate: 12/pdu/day, kind: pdu.slow, for: 2m}\n"
    path = written(tmp_path, text)
    boards, ledgers = [], []
    for hash_seed in ("1", "2"):
        ledger = tmp_path / f"ledger-{hash_seed}.sqlite3"
        command = [
            sys.executable,
            "-m",
            "agent.cli.main",
            "simulate",
            str(path),
            "--json",
            "--seed=5",
            "--tier=memory",
            f"--ledger={ledger}",
        ]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=100, check=False)
        assert done.returncode == 0, done.stderr.decode()
        boards.append(without_cost(json.loads(done.stdout)))
        ledgers.append([record.hash for record in read(ledger)])
    assert boards[0] == boards[1]
    assert ledgers[0] == ledgers[1]
    assert len(ledgers[0]) > 20
    assert boards[0]["truth"]["faults"] > 1
    other = json.loads(call("simulate", path, "--json", "--seed", 4).stdout)
    assert other["seed"] == 4
    assert other["detection"] != boards[0]["detection"]


def test_a_folder_gives_a_list_in_the_order_of_names(tmp_path: Path) -> None:
    short = STORY.replace("duration: 25m", "duration: 3m").partition("expect:")[0]
    for name in ("b", "a"):
        written(tmp_path, short.replace("name: story", f"name: {name}"), f"{name}.yaml")
    done = call("simulate", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    assert [board["scenario"] for board in json.loads(done.stdout)] == ["a", "b"]


def test_a_table_shows_every_group(tmp_path: Path) -> None:
    short = STORY.replace("duration: 25m", "duration: 3m").partition("expect:")[0]
    done = call("simulate", written(tmp_path, short))
    assert done.exit_code == 0, done.output
    assert all(any(line.startswith(group) for line in done.stdout.splitlines()) for group in GROUPS)


def test_a_page_is_written_beside_the_json_and_replaces_an_older_one(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("an older one")
    done = call("simulate", written(tmp_path, STORY + MET), "--json", "--html", page)
    assert done.exit_code == 0, done.output
    board = json.loads(done.stdout)
    text = page.read_text(encoding="utf-8")
    (data,) = [json.loads(found) for found in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text)]
    (stuck, network, disturbances) = data["groups"]
    ended = {span[6]: span[5] for group in (stuck, network) for span in group["spans"]}
    assert ended == {"inc-000001": "auto_resolved", "inc-000002": "human_resolved"}
    assert stuck["faults"] == [[60, 1, "miner.process_died", "r1-01"]]
    assert [span[6] for span in disturbances["spans"]] == ["wire.silent"]
    assert len(data["at"]) == len(data["rate"]) > 100
    assert min(data["low"]) < 0.8 * max(data["target"])
    assert f">{duration(board['detection']['delay_s']['stuck']['p50'])}</td>" in text
    assert "12 of 12 expectations met" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "story.yaml"]
    assert page.stat().st_mode & 0o777 == (tmp_path / "story.yaml").stat().st_mode & 0o777


def test_a_folder_has_one_page_and_a_failure_is_on_it(tmp_path: Path) -> None:
    short = STORY.replace("duration: 25m", "duration: 3m")
    for name in ("b", "a"):
        written(tmp_path, short.replace("name: story", f"name: {name}") + "  - {at_end: {faults: 7}}\n", f"{name}.yaml")
    page = tmp_path / "report.html"
    done = call("simulate", tmp_path, "--html", page)
    assert done.exit_code == 1
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'<a href="(#run-\d)">(\w)</a>', text) == [("#run-1", "a"), ("#run-2", "b")]
    assert "2 of 2 scenarios did not go as expected" in text
    assert text.count("1 of 1 expectations not met") >= 2


@pytest.mark.parametrize(("arguments", "shows"), [((), True), (("--json",), False)])
def test_progress_goes_to_a_terminal_unless_json_goes_into_a_pipe(
    tmp_path: Path, arguments: tuple[str, ...], shows: bool
) -> None:
    path = written(tmp_path, STORY.replace("duration: 25m", "duration: 10m").partition("expect:")[0])
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "agent.cli.main", "simulate", str(path), *arguments]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, env=environment) as process:
            os.close(follower)
            shown = told_on(terminal)
            assert process.stdout is not None
            assert b"story" in process.stdout.read()
        assert process.returncode == 0
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    if shows:
        assert re.search(r"site time .+ of 10 min", words)
        assert re.search(r"\d+%, about .+ left", words)
        assert re.search(r"incidents: \d+ open, \d+ closed", words)
    else:
        assert words == ""


def told_on(terminal: io.RawIOBase) -> str:
    """Return what is written to a terminal until nobody can write to it any more."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux reports the end of a pseudo-terminal as an error
        while part := terminal.read(65536):
            shown += part
    return shown.decode()


# -- refused before anything runs --------------------------------------------------------------------------------------


def test_one_bad_scenario_in_a_folder_stops_them_all(tmp_path: Path) -> None:
    written(tmp_path, STORY + MET, "a.yaml")
    written(tmp_path, "duration: -1h\nsite: {generate: {miners: 3}}\n", "b.yaml")
    written(tmp_path, "duration: 1h\n", "c.yaml")
    done = call("simulate", tmp_path, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{tmp_path / 'b.yaml'}:1:11: duration: expected a duration" in done.stderr
    assert "c.yaml" in done.stderr


def test_a_tier_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = [tier for tier in TierName if tier not in TIERS]
    for tier in missing:
        done = call("simulate", written(tmp_path, STORY + MET), "--tier", tier)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"got {tier}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.yaml",), "got 'nowhere.yaml'"),
        (("quiet-dy",), "did you mean 'quiet-day'?"),
        ((".", "--ledger", "x.sqlite3"), "name one scenario"),
        (("demo", "--ledger", "story.yaml"), "exists"),
        (("demo", "--tier", "wier"), "wire"),
        (("story.yaml", "--html", "nowhere/report.html"), "there is no folder nowhere; make it"),
        (("story.yaml", "--html", "."), "got something else; name another"),
        (("story.yaml", "--html", "/dev/null"), "got something else; name another"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, STORY)
    done = call("simulate", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


# -- catalogues --------------------------------------------------------------------------------------------------------


def test_every_fault_kind_is_listed_with_its_truth() -> None:
    kinds = json.loads(call("faults", "list", "--json").stdout)
    assert [kind["kind"] for kind in kinds] == list(FAULT_KINDS)
    hung = next(kind for kind in kinds if kind["kind"] == "miner.control_board_hung")
    assert (hung["category"], hung["counts"], hung["fixable_by"]) == ("stuck", True, "power_off")
    assert hung["signature"]
    (draw,) = hung["parameters"]
    assert (draw["name"], draw["default"], draw["accepts"]) == ("draw", "idle", "idle or full")
    table = call("faults", "list")
    assert table.exit_code == 0
    assert all(kind in table.stdout for kind in FAULT_KINDS)


def test_every_shipped_scenario_is_listed_and_can_be_shown() -> None:
    told = json.loads(call("scenarios", "list", "--json").stdout)
    assert [scenario["name"] for scenario in told] == list(shipped())
    assert all(scenario["summary"] and scenario["expectations"] for scenario in told)
    for name, path in shipped().items():
        assert call("scenarios", "show", name).stdout == path.read_text()
    assert json.loads(call("scenarios", "show", "demo", "--json").stdout)["path"] == str(shipped()["demo"])
    unknown = call("scenarios", "show", "nothing")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
