"""`terrahash drill` against a real dry run in a process of its own, and what it says where there is none."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.ledger.database import claim
from agent.ledger.reader import read
from agent.model.events import IncidentOpened
from tests.config.sites import TEN_LINES, TEN_LINES_CSV, written

pytestmark = pytest.mark.timeout(120)
READY_S = 60.0


def terrahash(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def configured(folder: Path, network: str) -> Path:
    text, rows = (part.replace("10.20.", network) for part in (TEN_LINES, TEN_LINES_CSV))
    quick = "tick_s: 0.5\npoll: {interval_s: 4, deadline_s: 1}\nstuck: {misses: 2}\nledger: ledger.sqlite3\n"
    return written(folder, f"{text}{quick}", rows)


class DryRun:
    """A dry run of two miners, and what is asked of it."""

    def __init__(self, folder: Path) -> None:
        self.site = configured(folder, "10.217.")
        self.ledger = folder / "ledger.dry-run.sqlite3"
        command = [sys.executable, "-m", "agent.cli.main", "run", "-c", str(self.site), "--dry-run", "--json"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if '"agent_ready"' in line:
                break

    def drill(self, *words: str) -> Any:
        done = terrahash("drill", *words, "-c", str(self.site), "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        done = terrahash("drill", *words, "-c", str(self.site))
        assert done.exit_code == 2, done.stdout
        return done.stderr

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture
def dry_run(tmp_path: Path) -> Iterator[DryRun]:
    running = DryRun(tmp_path)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_a_drill_is_begun_seen_by_the_agent_and_ended(dry_run: DryRun) -> None:
    told = terrahash("status", "--ledger", str(dry_run.ledger), "--json")
    assert (told.exit_code, json.loads(told.stdout)["running"]) == (0, True), told.stderr
    begun = dry_run.drill("miner.control_board_hung", "miner:r1-01", "--param", "draw=full")
    assert (begun["number"], begun["miners"], begun["fixable"], begun["over"]) == (1, ["r1-01"], True, False)
    assert dry_run.drill("miner.board_lost", "miner:r1-02", "--param", "board=2", "--for", "30m")["number"] == 2
    for words, said in [
        (("miner.board_lost", "miner:r1-02"), "it is not healthy now"),
        (("miner.tired", "miner:r1-01"), "no fault kind 'miner.tired'"),
        (("wire.silent", "miner:nobody"), "the site has no miner 'nobody'"),
        (("wire.drop", "miner:r1-01", "--param", "for_s=3"), "has no parameter for_s"),
        (("wire.drop", "miner:r1-01", "--param", "probability=7"), "expected probability to be a number"),
        (("wire.drop", "miner:r1-01", "--for", "soon"), "expected a duration"),
        (("wire.drop", "miner:r1-01", "--param", "probability"), "expected NAME=VALUE"),
        (("stop", "9"), "expected the number of a drill, 1 to 2; got 9"),
    ]:
        assert said in dry_run.refused(*words)
    # The agent finds out by itself: two polls, four seconds apart.
    deadline = time.monotonic() + READY_S
    while not (opened := [r.event for r in read(dry_run.ledger) if isinstance(r.event, IncidentOpened)]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert opened[0].members == ("r1-01",)
    assert dry_run.drill("stop", "2")["number"] == 2
    listed = dry_run.drill("list")
    assert [(drill["number"], drill["kind"]) for drill in listed] == [
        (1, "miner.control_board_hung"),
        (2, "miner.board_lost"),
    ]
    dry_run.stop()
    assert "no dry run is running" in dry_run.refused("list")
    assert not (dry_run.ledger.with_suffix(".sock")).exists()
    told = terrahash("status", "--ledger", str(dry_run.ledger))
    assert told.exit_code == 1
    assert "does not answer" in told.stdout
    assert "no agent is running on it: start it with terrahash run" in told.stdout


def test_a_real_agent_is_never_drilled(tmp_path: Path) -> None:
    site = configured(tmp_path, "10.216.")
    with claim(tmp_path / "ledger.sqlite3"):
        done = terrahash("drill", "miner.psu_dead", "miner:r1-01", "-c", str(site))
    assert done.exit_code == 2
    assert "works on the real site, and nothing is broken on purpose there" in done.stderr
    assert "give --config or --ledger" in terrahash("drill", "list").stderr
