"""`terrahash audit`: what is sound, what is broken and where, and what is printed for those who keep it elsewhere."""

import csv
import io
import json
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.model.events import AgentStopped, HoldChanged
from agent.report import deeds, trail
from tests.cli.test_incidents_cli import write
from tests.ledger.examples import LIFE
from tests.ledger.test_chain import tamper


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["audit", *words, "--ledger", str(path)])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    write(path, *LIFE)
    return path


def test_a_ledger_as_it_was_written_is_sound(ledger: Path) -> None:
    head = run(ledger, "head").output.strip()
    assert head.startswith(f"{len(LIFE)}:")
    done = run(ledger, "verify", "--anchor", head)
    assert (done.exit_code, done.output) == (0, f"sound: {len(LIFE)} events, the anchor among them; head {head}\n")


def test_the_first_bad_event_is_named(ledger: Path) -> None:
    tamper(ledger, "UPDATE events SET actor = 'operator' WHERE seq = 6")
    done = run(ledger, "verify")
    assert (done.exit_code, done.output) == (1, "broken at event 6: its content is not what was written (changed)\n")
    assert run(ledger, "head").exit_code == 1


def test_a_tail_that_was_cut_off_shows_against_an_anchor_and_only_there(ledger: Path) -> None:
    head = run(ledger, "head").output.strip()
    tamper(ledger, f"DELETE FROM events WHERE seq > {len(LIFE) - 3}")
    assert run(ledger, "head").exit_code == 0
    done = run(ledger, "verify", "--anchor", head)
    assert done.exit_code == 1
    assert done.output.startswith(f"broken at event {len(LIFE)}: the anchor names it, and the ledger ends before it")


def test_a_ledger_that_was_written_anew_shows_against_an_anchor(ledger: Path, tmp_path: Path) -> None:
    head = run(ledger, "head").output.strip()
    other = tmp_path / "other.sqlite3"
    write(other, *LIFE[1:], LIFE[0])
    assert run(other, "verify", "--anchor", head).output.endswith("(not_the_anchor)\n")


@pytest.mark.parametrize("anchor", ["", "7", "7:abc", "x:" + "a" * 64, "7:" + "A" * 64])
def test_what_is_no_anchor_is_refused(ledger: Path, anchor: str) -> None:
    done = run(ledger, "verify", "--anchor", anchor)
    assert done.exit_code == 2
    assert "expected what `terrahash audit head` prints" in " ".join(done.output.split())


@pytest.mark.parametrize(("words", "headers"), [((), deeds.HEADERS), (("--events",), trail.HEADERS)])
def test_the_trail_is_the_same_in_either_form(ledger: Path, words: tuple[str, ...], headers: tuple[str, ...]) -> None:
    lines = [json.loads(line) for line in run(ledger, "export", *words).output.splitlines()]
    rows = list(csv.DictReader(io.StringIO(run(ledger, "export", "--csv", *words).output)))
    assert list(rows[0]) == list(lines[0]) == list(headers)
    told = [{name: "" if cell is None else str(cell) for name, cell in line.items()} for line in lines]
    assert rows == told


def test_a_row_is_a_deed_or_on_demand_an_event(ledger: Path) -> None:
    assert len(run(ledger, "export", "--events").output.splitlines()) == len(LIFE)
    told = [json.loads(line)["deed"] for line in run(ledger, "export").output.splitlines()]
    assert told.count("power_off") == 1
    assert {"agent_started", "approval_given", "hold_changed", "window_set"} < set(told)
    assert not {"judged", "moved", "settled", "incident_opened"} & set(told)
    assert run(ledger, "export", "--since", "0m").output == ""


def test_every_anchor_of_a_deed_is_one_that_verify_takes(ledger: Path) -> None:
    deed = next(d for d in map(json.loads, run(ledger, "export").output.splitlines()) if d["deed"] == "power_off")
    anchors = deed["anchors"].split()
    assert len(anchors) >= 4
    for anchor in anchors:
        assert run(ledger, "verify", "--anchor", anchor).exit_code == 0


def test_no_cell_is_a_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    write(path, LIFE[0], HoldChanged(why="=HYPERLINK(1)"), *(AgentStopped(reason=f"{sign}1") for sign in "=+-@"))
    rows = list(csv.DictReader(io.StringIO(run(path, "export", "--csv").output)))
    assert [row["what"] for row in rows[2:]] == ["'=1", "'+1", "'-1", "'@1"]
    assert json.loads(run(path, "export").output.splitlines()[2])["what"] == "=1"


def test_old_events_leave_for_a_file_and_all_is_proven_together(ledger: Path) -> None:
    done = run(ledger, "archive", "--before", "0m")
    assert done.exit_code == 0
    name, _, said = done.output.partition(": ")
    assert said.startswith("events 1 to ")
    kept = done.output.strip().rpartition(" ")[2]
    assert run(ledger, "verify", "--anchor", kept).output.startswith(f"sound: {len(LIFE) + 1} events, the anchor among")

    ledger.with_name(name).rename(ledger.with_name("elsewhere.sqlite3"))
    assert run(ledger, "verify").exit_code == 2
    alone = run(ledger, "verify", "--live").output
    assert alone.startswith("sound: ")
    assert f"head {len(LIFE) + 1}:" in alone
    assert "is in an archive" in run(ledger, "verify", "--live", "--anchor", "0:" + "a" * 64).output


def test_rules_that_were_dropped_by_hand_are_noticed(ledger: Path) -> None:
    with apsw.Connection(str(ledger)) as connection:
        connection.execute("DROP TRIGGER events_are_never_deleted")
    done = run(ledger, "verify")
    assert (done.exit_code, done.output) == (
        1,
        "broken: the ledger's own rules were changed by hand: events_are_never_deleted\n",
    )
