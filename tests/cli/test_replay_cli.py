"""`terrahash replay` as a person uses it: all at once, at a speed, key by key, as JSON."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.cli.replay import PROMPT
from tests.cli.test_incidents_cli import write
from tests.cli.test_main import loaded_after
from tests.ledger.examples import LIFE


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    write(path, *LIFE)
    return path


def replayed(ledger: Path, *options: str, keys: str = "") -> Result:
    return CliRunner().invoke(cli, ["replay", "inc-000001", "--ledger", str(ledger), *options], input=keys)


def test_all_at_once_where_nobody_looks_on(ledger: Path) -> None:
    done = replayed(ledger)
    assert done.exit_code == 0, done.output
    told = [
        "inc-000001: stuck",
        "detected +0.0 s → alerted +",
        "1 ○  2026-03-01 11:59:58Z",
        "alerted: inc-000001 is open",
        "ap-000001 approved by kim",
        "remediation started: power_off r1-m07 [pdu-a/7 pdu-b/7]",
        "mitigated: the clear condition holds",
        "resolved: auto_resolved",
    ]
    places = [done.stdout.index(words) for words in told]
    assert places == sorted(places)
    assert PROMPT not in done.output


def test_at_a_speed_it_is_the_same_with_how_the_signals_stood(ledger: Path) -> None:
    done = replayed(ledger, "--speed", "1e9")
    assert done.exit_code == 0
    whole = replayed(ledger).stdout.splitlines()
    assert [line for line in whole if line not in done.stdout.splitlines()] == []


def test_a_key_for_each_moment_until_one_has_seen_enough(ledger: Path) -> None:
    two = replayed(ledger, "--step", keys=" q")
    assert two.exit_code == 0
    assert [line[:5] for line in two.stdout.splitlines() if line[4:5] in set("○·▶☎")] == ["  1 ○", "  2 ○"]
    to_the_end = replayed(ledger, "--step", keys="g")
    assert "resolved: auto_resolved" in to_the_end.stdout, to_the_end.output
    assert to_the_end.stderr.count(PROMPT) == 1


def test_on_a_terminal_it_waits_for_keys_by_itself(ledger: Path) -> None:
    """The keyboard of a real terminal: the first moment comes, and `q` ends it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent.cli.main", "replay", "inc-000001", "--ledger", str(ledger)]
    shown = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while PROMPT.encode() not in shown:
            shown += os.read(ours, 4096)
        while process.poll() is None:  # what is typed before the terminal is in its raw mode is thrown away
            os.write(ours, b"q")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
        assert process.returncode == 0
    os.close(ours)
    assert b"detected: stuck" in shown
    assert b"alerted:" not in shown


def test_as_json_it_has_moments_and_signals(ledger: Path) -> None:
    told = json.loads(replayed(ledger, "--json").stdout)
    assert set(told) == {"story", "signals", "window"}
    assert [moment["number"] for moment in told["story"]["moments"]][:3] == [1, 2, 3]
    assert told["story"]["incident"] == "inc-000001"


def test_an_unknown_id_and_two_ways_at_once_are_refused(ledger: Path) -> None:
    none = CliRunner().invoke(cli, ["replay", "inc-000009", "--ledger", str(ledger)])
    assert (none.exit_code, none.stdout) == (1, "")
    assert "terrahash incidents list shows the ids" in none.stderr
    both = replayed(ledger, "--step", "--json")
    assert both.exit_code == 2
    assert "give one of" in both.stderr


def test_help_has_an_example_and_the_exit_codes() -> None:
    told = CliRunner().invoke(cli, ["replay", "--help"]).output
    assert "Example: terrahash replay" in told
    assert "Exit codes: 0" in told


def test_as_a_page_it_is_written_whole_or_refused_beforehand(ledger: Path, tmp_path: Path) -> None:
    page = tmp_path / "incident.html"
    assert replayed(ledger, "--html", str(page)).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    nowhere = replayed(ledger, "--html", str(tmp_path / "none" / "x.html"))
    assert nowhere.exit_code == 2
    assert "there is no folder" in nowhere.stderr


@pytest.fixture
def archive(ledger: Path, tmp_path: Path) -> Path:
    path = tmp_path / "incident.zip"
    done = CliRunner().invoke(cli, ["incidents", "export", "inc-000001", "--ledger", str(ledger), "-o", str(path)])
    assert (done.exit_code, done.output) == (0, "")
    return path


def test_an_archive_shows_what_the_ledger_shows_where_there_is_none(ledger: Path, archive: Path) -> None:
    of_ledger = replayed(ledger).stdout
    ledger.unlink()
    alone = CliRunner().invoke(cli, ["replay", str(archive)])
    assert (alone.exit_code, alone.stdout) == (0, of_ledger)


def test_an_archive_goes_to_a_file_or_a_pipe_and_never_onto_a_terminal(ledger: Path, archive: Path) -> None:
    command = ["incidents", "export", "inc-000001", "--ledger", str(ledger)]
    assert CliRunner().invoke(cli, command).stdout_bytes == archive.read_bytes()
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli.main", *command],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "write it to a file" in done.stderr


def test_an_export_of_nothing_writes_nothing(ledger: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.zip"
    command = ["incidents", "export", "inc-000009", "--ledger", str(ledger), "-o", str(path)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 1
    assert not path.exists()
    assert "terrahash incidents list shows the ids" in done.stderr


def test_an_archive_that_was_changed_is_one_line_and_code_2(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"more")
    done = CliRunner().invoke(cli, ["replay", str(archive)])
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "data behind it" in line
    assert archive.name in line


def test_an_archive_has_its_own_ledger(archive: Path, ledger: Path) -> None:
    done = CliRunner().invoke(cli, ["replay", str(archive), "--ledger", str(ledger)])
    assert done.exit_code == 2
    assert "leave --ledger and --config out" in done.stderr


@pytest.mark.parametrize("command", ["replay", "explain"])
def test_telling_of_an_incident_loads_nothing_that_acts_or_polls(command: str, ledger: Path) -> None:
    assert loaded_after(command, "inc-000001", "--ledger", str(ledger)) <= {"numpy"}
