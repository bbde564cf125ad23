"""`terrahash explain` from the ledger of an agent that is stopped."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from agent.model.events import Closed
from agent.report.explain import WIDTH
from tests.cli.test_incidents_cli import write
from tests.ledger.examples import LIFE


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    write(path, *LIFE[: 1 + next(place for place, event in enumerate(LIFE) if isinstance(event, Closed))])
    return path


def test_a_page_tells_why_and_what_is_next(ledger: Path) -> None:
    done = CliRunner().invoke(cli, ["explain", "inc-000001", "--ledger", str(ledger)])
    assert done.exit_code == 0, done.output
    assert all(len(line) <= WIDTH for line in done.output.splitlines())
    for title in ("Seen when it was decided", "Causes considered", "Chosen", "Guards", "People", "Done", "Next"):
        assert f"\n{title}" in done.output
    assert "waits for nothing: it is over, auto_resolved; 2 of its outlets" in done.output


def test_the_same_as_data(ledger: Path) -> None:
    told = json.loads(CliRunner().invoke(cli, ["explain", "inc-000001", "--json", "--ledger", str(ledger)]).output)
    assert set(told) == {"explanation", "next"}
    assert told["explanation"]["incident"] == "inc-000001"
    assert told["next"]["until"] is None


def test_an_id_of_nothing_is_said(ledger: Path) -> None:
    done = CliRunner().invoke(cli, ["explain", "inc-999999", "--ledger", str(ledger)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "terrahash incidents list shows the ids" in done.stderr
