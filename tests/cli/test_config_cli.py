"""`terrahash config`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.config import config_group
from agent.config.example import example_path
from tests.config.sites import SITE, TEN_LINES, TEN_LINES_CSV, written


def test_a_good_file_is_summed_up(tmp_path: Path) -> None:
    result = CliRunner().invoke(config_group, ["check", str(written(tmp_path, TEN_LINES, TEN_LINES_CSV))])

    assert result.exit_code == 0
    assert "mode         observe" in result.stdout
    assert "2 (1 antminer_stock, 1 whatsminer), nominal 0.22 PH/s, 6.6 kW" in result.stdout
    assert "credentials  pdu-read" in result.stdout
    assert result.stderr == ""


def test_warnings_are_told_and_accepted(tmp_path: Path) -> None:
    path = written(tmp_path, SITE.replace("1-4, rating_a: 60", "1-4, rating_a: 30"))

    result = CliRunner().invoke(config_group, ["check", str(path)])

    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {path}:9:45: pdus[pdu-a].banks[0].rating_a: expected")


def test_problems_are_told_line_by_line(tmp_path: Path) -> None:
    path = written(tmp_path, SITE.replace("id: b", "id: a").replace("ports: 24", "ports: x"))

    result = CliRunner().invoke(config_group, ["check", str(path)])

    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines[:-1]] == [f"{path}:14:40", f"{path}:17:10"]
    assert lines[-1] == f"2 problems in {path}"


def test_json_says_the_same(tmp_path: Path) -> None:
    good = CliRunner().invoke(config_group, ["check", "--json", str(example_path())])
    bad = CliRunner().invoke(config_group, ["check", "--json", str(written(tmp_path, "site: {name: x}"))])

    document = json.loads(good.stdout)
    assert (good.exit_code, document["ok"], document["miners"], document["mode"]) == (0, True, 48, "observe")
    assert document["miners_by_family"] == {"antminer_stock": 16, "luxos": 16, "whatsminer": 16}
    assert len(document["credentials"]) == 8
    document = json.loads(bad.stdout)
    assert (bad.exit_code, document["ok"], len(document["problems"])) == (2, False, 1)
    assert document["problems"][0]["line"] == 1
    assert document["problems"][0]["path"] == "inventory"


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "--json"]])
def test_the_schema_is_json(arguments: list[str]) -> None:
    result = CliRunner().invoke(config_group, arguments)

    assert result.exit_code == 0
    assert json.loads(result.stdout)["properties"]["poll"]["description"]


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    result = CliRunner().invoke(config_group, ["check", str(tmp_path / "none.yaml")])

    assert result.exit_code == 2
    assert "No such file" in result.stderr
