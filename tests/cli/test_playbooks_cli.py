"""`terrahash playbooks`: what it prints, draws and says, and its exit codes."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.playbooks import playbooks_group
from playbooks.stuck_miner import PLAYBOOK

LEFT_OFF = """
from agent.model.action import Verb
from agent.model.incident import Category
from agent.model.playbook import Act, Escalate, Playbook, Resolve, Transition

PLAYBOOK = Playbook(
    name="left_off",
    category=Category.STUCK,
    initial="off",
    steps={"off": Act(Verb.POWER_OFF, "done", "failed"), "end": Resolve(), "ask \\\\ me": Escalate('a "person"')},
    transitions=(Transition("done", "off", "end"), Transition("failed", "off", "ask \\\\ me")),
)
"""

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(playbooks_group, arguments, env=environment)


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def squeezed(text: str) -> list[str]:
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines()]


@pytest.fixture
def left_off(tmp_path: Path) -> str:
    path = tmp_path / "left_off.py"
    path.write_text(LEFT_OFF)
    return str(path)


def test_list_says_what_each_may_do_and_for_how_long() -> None:
    result = run("list")
    (told,) = [told for told in read("list") if told["name"] == "stuck_miner"]

    assert result.exit_code == 0
    assert any("stuck_miner stuck hold" in line for line in squeezed(result.stdout))
    assert "restart 1, reboot 1, power_off 2, power_on 4" in result.stdout
    assert told["fingerprint"][:12] in result.stdout
    assert (told["category"], told["initial"], told["states"]) == ("stuck", "hold", len(PLAYBOOK.steps))
    assert {verb["verb"]: verb["most"] for verb in told["verbs"]}["power_off"] == 2
    assert told["longest_s"] > 3600.0


def test_show_prints_every_state_and_every_row() -> None:
    result = run("show", "stuck_miner")
    document = read("show", "stuck_miner")

    assert result.exit_code == 0
    lines = squeezed(result.stdout)
    assert "hold wait, 1 min 15 s time is up held gather" in lines
    assert "restart restart (soft) unless works_again, 1 min ok, unknown accepted after_restart" in lines
    assert "power_off power_off (power) unless works_again, 4 min ok is_off dwell" in lines
    assert "failed, unknown failed late_off" in lines
    assert "resolved resolve" in lines
    assert "ask_pdu escalate: pdu_failed" in lines
    judged = lines.index(next(line for line in lines if line.startswith("judge check, 30 min")))
    assert [line.split()[0] for line in lines[judged + 1 : judged + 3]] == ["draws_nothing", "link_is_down"]
    assert "Every outlet is on, metered, and next to nothing flows." in lines[judged + 1]
    rows = {(w["trigger"], s["name"], w["leads_to"]) for s in document["states"] for w in s["ways"]}
    assert rows == {(row.trigger, row.source, row.dest) for row in PLAYBOOK.transitions}


def test_a_mermaid_graph_has_every_state_and_every_row() -> None:
    result = run("graph", "stuck_miner")

    assert result.exit_code == 0
    lines = squeezed(result.stdout)
    assert lines[3:5] == ["flowchart TD", "begin(( )) --> s_hold"]
    assert 's_judge{{"judge<br/>check, 30 min"}}:::check' in lines
    assert 's_power_off["power_off<br/>power_off (power) unless works_again, 4 min"]:::act' in lines
    assert 's_after_reboot -->|"ineffective, not_recovered"| s_gather_power' in lines
    states = [line for line in lines if ":::" in line]
    arrows = {tuple(re.findall(r"\bs_(\w+)", line)) for line in lines if " -->|" in line}
    assert len(states) == len(PLAYBOOK.steps)
    assert arrows == {(row.source, row.dest) for row in PLAYBOOK.transitions}
    assert {line.split()[1] for line in lines if line.startswith("classDef")} == {
        kind.rpartition(":::")[2] for kind in states
    }


def test_odd_names_are_quoted_where_they_are_drawn(left_off: str) -> None:
    mermaid = run("graph", left_off).stdout
    dot = run("graph", left_off, "--format", "dot").stdout

    assert 's_ask_20__5c__20_me(["ask \\ me<br/>escalate: a #34;person#34;"]):::escalate' in mermaid
    assert '"ask \\\\ me" [label="ask \\\\ me\\nescalate: a \\"person\\""' in dot
    assert '"off" -> "ask \\\\ me" [label="failed"]' in dot


def test_a_graph_goes_to_a_file_or_into_json(tmp_path: Path) -> None:
    out = tmp_path / "stuck.dot"

    result = run("graph", "stuck_miner", "--format", "dot", "-o", str(out))

    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text().startswith('digraph "stuck_miner" {')
    assert read("graph", "stuck_miner", "--format", "dot")["text"] == out.read_text()


def test_json_and_a_file_are_not_both_written(tmp_path: Path) -> None:
    result = run("graph", "stuck_miner", "--json", "-o", str(tmp_path / "x"))

    assert result.exit_code == 2
    assert "not both" in result.stderr


def test_svg_without_graphviz_says_what_to_do(tmp_path: Path) -> None:
    result = run("graph", "stuck_miner", "--format", "svg", PATH=str(tmp_path))

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "apt install graphviz" in result.stderr
    assert "--format mermaid" in result.stderr


def test_what_graphviz_complains_about_is_passed_on(tmp_path: Path) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'syntax error in line 1' >&2\nexit 1\n")
    program.chmod(0o755)

    result = run("graph", "stuck_miner", "--format", "svg", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert result.exit_code == 2
    assert "syntax error in line 1" in result.stderr


@needs_graphviz
def test_svg_is_drawn_by_graphviz(left_off: str) -> None:
    for name in ("stuck_miner", left_off):
        result = run("graph", name, "--format", "svg")
        assert result.exit_code == 0
        assert "<svg" in result.stdout


def test_a_sound_playbook_is_verified_with_figures() -> None:
    result = run("verify")
    (document,) = (found for found in read("verify") if found["playbook"]["name"] == "stuck_miner")

    assert result.exit_code == 0
    assert "stuck_miner: sound" in result.stdout
    assert f"{document['bounds']['paths']:,} paths" in result.stdout
    assert document["sound"] is True
    assert document["faults"] == []
    assert [found["name"] for found in document["properties"]] == [
        "outlets",
        "flashes",
        "attempts",
        "risk",
        "gentle",
        "rollback",
    ]
    assert all(found["pairs"] >= len(PLAYBOOK.steps) for found in document["properties"])
    ends = {end["state"]: end for end in document["bounds"]["ends"]}
    assert ends["ask_exhausted"]["longest_s"] == document["bounds"]["longest_s"]
    assert ends["ask_exhausted"]["slowest"][-1] == ["ask_exhausted", ""]
    ask_pdu = next(line for line in squeezed(result.stdout) if line.startswith("ask_pdu "))
    assert ask_pdu.endswith("owed, on again")


def test_a_broken_playbook_is_refused_with_a_counterexample(left_off: str) -> None:
    result = run("verify", left_off)
    document = json.loads(run("verify", left_off, "--json").stdout)

    assert result.exit_code == 1
    lines = squeezed(result.stdout)
    assert lines[0] == "left_off: NOT SOUND"
    fault = lines.index(
        "outlets: this run is resolved with its outlets off, and never tries to switch on what it may have switched off"
    )
    assert lines[fault + 1 : fault + 4] == ["state left by", "off power_off ok: done", "end"]
    assert document[0]["faults"][0]["trail"] == [["off", "power_off ok: done"], ["end", ""]]
    assert run("verify", left_off, "--json").exit_code == 1


def test_a_cycle_is_listed_and_shown_without_bounds(tmp_path: Path) -> None:
    path = tmp_path / "round.py"
    path.write_text(LEFT_OFF.replace('Transition("done", "off", "end")', 'Transition("done", "off", "off")'))

    assert run("verify", str(path)).exit_code == 1
    shown = run("show", str(path))
    assert shown.exit_code == 0
    assert "off power_off (power), 4 min ok done off" in squeezed(shown.stdout)
    assert run("graph", str(path)).exit_code == 0


@pytest.mark.parametrize("command", ["show", "graph", "verify"])
def test_what_is_no_playbook_is_refused(command: str, tmp_path: Path) -> None:
    unfinished, other = tmp_path / "unfinished.py", tmp_path / "other.py"
    unfinished.write_text("PLAYBOOK = Playbook(")
    other.write_text("PLAYBOOK = 1")

    for name, said in [
        ("nothing", "expected one of breaker_tripped, "),
        (str(tmp_path / "none.py"), "No such file"),
        (str(unfinished), "SyntaxError"),
        (str(other), "to define PLAYBOOK"),
    ]:
        result = run(command, name)
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())
