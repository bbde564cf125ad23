"""`terrahash outlets` by the ledger of a stopped agent, and what it says where only a running one will do."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.model.events import OutletsTrusted
from tests.cli.test_incidents_cli import write
from tests.ledger.examples import LIFE


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["outlets", *words])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a ledger with an outlet that is proven and one in doubt, which nobody has trusted yet."""
    path = tmp_path / "ledger.sqlite3"
    write(path, *(event for event in LIFE if not isinstance(event, OutletsTrusted)))
    return path


def test_the_list_names_what_is_in_doubt_and_what_is_proven(ledger: Path) -> None:
    done = run("list", "--ledger", str(ledger))
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "in doubt",
        "pdu  incident    meant for  switched off  fell instead",
        "p1   inc-000001  m7         p1/7          m8",
        "",
        "proven",
        "pdu  outlet  feeds",
        "p1   7       m7",
    ]
    told = json.loads(run("list", "--json", "--ledger", str(ledger)).output)
    assert told["proven"] == [{"pdu": "p1", "outlet": 7, "miner": "m7"}]
    assert told["doubted"][0]["fell"] == ["m8"]


def test_without_a_doubt_it_ends_with_0(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    write(path, *LIFE)
    assert run("list", "--ledger", str(path)).exit_code == 0


def test_only_a_running_agent_is_told_to_trust(ledger: Path) -> None:
    done = run("trust", "p1", "--why", "looked", "--ledger", str(ledger))
    assert done.exit_code == 2
    assert "no agent is running on it" in done.output
