"""`terrahash status` where no agent answers: it says which of the reasons it is, and what the ledger has."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.api.status import status_of
from agent.cli.main import cli
from agent.ledger.database import claim
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from tests.cli.test_incidents_cli import write
from tests.factory import EPOCH, site
from tests.ledger.examples import LIFE


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    write(path, *LIFE)
    return path


def test_of_a_stopped_agent_the_ledger_tells(ledger: Path) -> None:
    done = CliRunner().invoke(cli, ["status", "--ledger", str(ledger)])
    assert done.exit_code == 1
    assert "does not answer" in done.output
    assert "no agent is running on it: start it with terrahash run" in done.output
    told = json.loads(CliRunner().invoke(cli, ["status", "--json", "--ledger", str(ledger)]).output)
    assert (told["running"], told["ticks"]) == (False, None)
    assert told["version"] is not None
    assert told["stopped_at"] is not None


def test_one_that_has_the_ledger_and_no_socket_is_told_from_none(ledger: Path) -> None:
    with claim(ledger):
        done = CliRunner().invoke(cli, ["status", "--ledger", str(ledger)])
    assert done.exit_code == 1
    assert "an agent is running on it and does not answer (yet)" in done.output


def test_without_a_ledger_there_is_nothing_to_say(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["status", "--ledger", str(tmp_path / "none.sqlite3")])
    assert done.exit_code == 2


def test_how_well_the_miners_are_heard_is_told() -> None:
    view = SiteView(site(2))
    assert (status_of(Memory(), EPOCH, ticks=1, view=view).answered, view.polling.latency.p95_s) == (None, None)
    view.polling.polls, view.polling.answered = 1000, 998
    view.polling.latency.add(0.003)
    told = status_of(Memory(), EPOCH, ticks=1, view=view)
    assert told.answered == 0.998
    assert told.latency_p95_s == view.polling.latency.p95_s
