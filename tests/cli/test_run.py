"""The daemon's process as an operator or systemd ends it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.ledger.reader import read
from agent.model.events import AgentStarted, AgentStopped
from tests.config.sites import TEN_LINES, TEN_LINES_CSV, written

pytestmark = pytest.mark.timeout(60)

WATCHED = """
import gc, os, signal, sys

def watch(phase, info):
    if left_out := gc.get_freeze_count():
        gc.callbacks.clear()
        print('{"left_out": %d}' % left_out, file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

gc.callbacks.append(watch)
from agent.cli.main import main
main()
"""
"""The command line, which stops itself at the first search for garbage that leaves something out."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_stop_during_the_first_poll_is_obeyed_at_once(tmp_path: Path, number: signal.Signals) -> None:
    # Addresses of this test alone: other sites' copies may be up on the same machine.
    text, rows = (part.replace("10.20.", "10.218.") for part in (TEN_LINES, TEN_LINES_CSV))
    # No poll is due for minutes, so the agent cannot have become ready by itself.
    site = written(tmp_path, f"{text}poll: {{interval_s: 600}}\n", rows)
    ledger = tmp_path / "ledger.sqlite3"
    command = [sys.executable, "-m", "agent.cli.main", "run", "-c", str(site), "--dry-run", "--ledger", str(ledger)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        process.send_signal(number)
        rest = [json.loads(line) for line in process.stderr]
    assert process.returncode == 0
    assert first["event"] == "agent_starting"
    assert [line["event"] for line in rest] == ["agent_stopping"]
    events = [record.event for record in read(ledger)]
    assert not any(isinstance(event, AgentStarted) for event in events)
    assert events == [AgentStopped(reason="signal")]


def test_what_the_start_has_built_is_left_out_of_every_later_search_for_garbage(tmp_path: Path) -> None:
    """To search it takes 90 ms on a large site, in the midst of a tick."""
    text, rows = (part.replace("10.20.", "10.215.") for part in (TEN_LINES, TEN_LINES_CSV))
    site = written(tmp_path, f"{text}poll: {{interval_s: 4, deadline_s: 1}}\n", rows)
    command = ["run", "-c", str(site), "--dry-run", "--ledger", str(tmp_path / "ledger.sqlite3")]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    said, left_out = (
        json.loads(line) for line in done.stderr.splitlines() if '"agent_ready"' in line or "left_out" in line
    )
    assert said["event"] == "agent_ready", "not before the agent is up"
    assert left_out["left_out"] > 50_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "miner.process_died=miner:r1-01"], "--fault goes with --dry-run"),
        (["--keep-mode"], "--keep-mode goes with --dry-run"),
        (["--dry-run", "--fault", "miner.tired=miner:r1-01"], "no fault kind 'miner.tired'"),
        (["--dry-run", "--fault", "miner.process_died=miner:nobody"], "the site has no miner 'nobody'"),
        (["--dry-run", "--fault", "miner.process_died"], "expected a target of the form miner:"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_before_anything_does(
    tmp_path: Path, options: list[str], words: str
) -> None:
    text, rows = (part.replace("10.20.", "10.219.") for part in (TEN_LINES, TEN_LINES_CSV))
    site = written(tmp_path, text, rows)
    command = [sys.executable, "-m", "agent.cli.main", "run", "-c", str(site), "--ledger", str(tmp_path / "l.sqlite3")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert words in done.stderr
