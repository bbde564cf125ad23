"""`terrahash incidents` and `terrahash report` over a ledger that a real one wrote."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.cli.options import moment
from agent.ledger.store import Ledger
from agent.model.events import AnyEvent, Closed, IncidentOpened
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Reason, Severity
from tests.ledger.examples import EPOCH_S, LIFE, HandClock

POOL_DOWN = IncidentOpened(
    incident=IncidentId("inc-000002"),
    category=Category.POOL,
    cause=Reason.NOT_HASHING,
    severity=Severity.HIGH,
    members=(MinerId("r1-m01"), MinerId("r1-m02"), MinerId("r1-m03")),
    detected_at=EPOCH_S + 86400.0,
    evidence={"detail": "\x1b[31mred"},
)


@dataclass(frozen=True)
class Terrahash:
    """The command on one ledger."""

    ledger: Path

    def __call__(self, *arguments: str, env: dict[str, str | None] | None = None) -> Result:
        return CliRunner().invoke(cli, list(arguments), env={"TERRAHASH_LEDGER": str(self.ledger)} | (env or {}))


def write(path: Path, *events: AnyEvent) -> None:
    async def append() -> None:
        hand = HandClock()
        ledger = Ledger.open(path, hand.clock(), threaded=False)
        for event in events:
            await ledger.append([event])
            hand.at_s += 30.0
        await ledger.close()

    asyncio.run(append())


@pytest.fixture
def terrahash(tmp_path: Path) -> Terrahash:
    """Return the command on a ledger with one incident resolved and one open."""
    path = tmp_path / "ledger.sqlite3"
    closed = next(place for place, event in enumerate(LIFE) if isinstance(event, Closed))
    write(path, *LIFE[: closed + 1], POOL_DOWN)
    return Terrahash(path)


def test_list_shows_every_incident_on_a_line(terrahash: Terrahash) -> None:
    result = terrahash("incidents", "list")
    assert result.exit_code == 0, result.output
    header, first, second, note = result.output.splitlines()
    assert header.split()[:3] == ["incident", "detected", "category"]
    for words in ("inc-000001", "stuck", "r1-m07", "auto_resolved", "8 min 32 s", "power_off ok"):
        assert words in first
    for words in ("inc-000002", "2026-03-02 12:00:00Z", "pool", "r1-m01 +2", "open"):
        assert words in second
    assert note == "2 incidents, 1 open"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["inc-000001", "inc-000002"]),
        (["--open"], ["inc-000002"]),
        (["--category", "stuck"], ["inc-000001"]),
        (["--since", "2026-03-02"], ["inc-000002"]),
        (["--since", "2026-03-01T11:00:00+01:00"], ["inc-000001", "inc-000002"]),
        (["--category", "stuck", "--open"], []),
        (["--category", "thermal"], []),
        (["--since", "2026-03-09"], []),
    ],
)
def test_list_filters_and_says_by_its_code_whether_any_matched(
    terrahash: Terrahash, options: list[str], expected: list[str]
) -> None:
    result = terrahash("incidents", "list", "--json", *options)
    assert [found["id"] for found in json.loads(result.stdout)] == expected
    assert result.exit_code == (0 if expected else 1)
    assert terrahash("incidents", "list", *options).exit_code == result.exit_code


def test_show_tells_the_whole_story_in_order(terrahash: Terrahash) -> None:
    result = terrahash("incidents", "show", "inc-000001")
    assert result.exit_code == 0, result.output
    story = result.output[result.output.index("Timeline") :]
    told = (
        "stuck, unresponsive, severity 3: r1-m07; detected 2026-03-01 11:59:58Z; misses=6",
        'note=silent\\n"since" 11:59 outlet_w=3312.5 pool=null port_up=true',
        "playbook stuck_miner in state gather",
        "gather → power_off on done",
        "power_off r1-m07 [pdu-a/7 pdu-b/7] in power_off: defer until 2026-03-01 12:00:05Z by gate cooldown (cooldown)",
        "power_off r1-m07 [pdu-a/7 pdu-b/7] in power_off, attempt 1",
        "power_off r1-m07 [pdu-a/7 pdu-b/7]: ok (0.0 A); power_off → dwell; current_a=0",
        "a person is asked: no_recovery; tried power_off ok",
        "the clear condition holds",
        "auto_resolved; shares=24",
    )
    places = [story.index(words) for words in told]
    assert places == sorted(places)
    assert "agent_started" not in story
    ticket = result.output[result.output.index("Ticket") : result.output.index("Timeline")].split()
    assert ticket[:5] == ["Ticket", "needed", "a", "person", "(no"]
    assert ticket[6:] == ["asked", "for", "no_recovery", "tried", "1", "power_off", "ok", "outlet_w", "2"]
    assert "gather → power_off → dwell" in result.output


def test_show_as_json_holds_the_incident_and_its_records(terrahash: Terrahash) -> None:
    shown = json.loads(terrahash("incidents", "show", "inc-000001", "--json").stdout)
    assert shown["incident"]["outcome"] == "auto_resolved"
    assert [record["seq"] for record in shown["timeline"]] == list(range(2, 19))
    assert shown["timeline"][0]["event"]["kind"] == "incident_opened"


def test_nothing_a_device_said_steers_the_terminal(terrahash: Terrahash) -> None:
    result = terrahash("incidents", "show", "inc-000002")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\\x1b[31mred" in result.output


def test_an_unknown_id_is_told_with_the_way_to_find_one(terrahash: Terrahash) -> None:
    result = terrahash("incidents", "show", "inc-000009")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no incident 'inc-000009'" in result.stderr
    assert "terrahash incidents list" in result.stderr


def test_report_in_its_three_forms(terrahash: Terrahash) -> None:
    as_text = terrahash("report")
    assert as_text.exit_code == 0
    assert "1 of 2, Wilson 95 %" in as_text.output
    as_json = json.loads(terrahash("report", "--json").stdout)
    assert (as_json["counted"], as_json["rate"], as_json["outcomes"]["open"]) == (2, 0.5, 1)
    assert as_json["by_category"]["stuck"]["rate"] == 1.0
    as_csv = terrahash("report", "--csv").stdout.splitlines()
    assert as_csv[1].startswith("fleet,all,2,")
    since = json.loads(terrahash("report", "--json", "--since", "2026-03-02").stdout)
    assert (since["counted"], since["since"]) == (1, EPOCH_S + 43200.0)


def test_a_report_of_nothing_is_a_report(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    write(path)
    result = Terrahash(path)("report", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rate"] is None


@pytest.mark.parametrize("command", [["incidents", "list"], ["incidents", "show", "inc-000001"], ["report"]])
def test_a_ledger_that_cannot_be_read_is_one_line_and_code_2(tmp_path: Path, command: list[str]) -> None:
    missing = Terrahash(tmp_path / "none.sqlite3")(*command)
    assert missing.exit_code == 2
    assert "expected a file, found none" in missing.stderr
    (tmp_path / "notes.txt").write_text("no ledger\n" * 300)
    other = Terrahash(tmp_path / "notes.txt")(*command)
    assert other.exit_code == 2
    assert "is no ledger" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_the_command_line_names_the_ledger_before_the_environment_does(terrahash: Terrahash, tmp_path: Path) -> None:
    elsewhere = {"TERRAHASH_LEDGER": str(tmp_path / "none.sqlite3")}
    assert terrahash("incidents", "list", env=elsewhere).exit_code == 2
    assert terrahash("incidents", "list", "--ledger", str(terrahash.ledger), env=elsewhere).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--json", "--csv"],
        ["report", "--since", "yesterday"],
        ["incidents", "list", "--category", "weather"],
        ["incidents", "list", "--ledger", "a.sqlite3", "-c", "b.yaml"],
        ["incidents", "show"],
    ],
)
def test_usage_errors_end_with_code_2(terrahash: Terrahash, arguments: list[str]) -> None:
    assert terrahash(*arguments).exit_code == 2


def test_an_age_counts_back_from_now() -> None:
    for text, age_s in (("90m", 5400.0), ("24h", 86400.0), ("7d", 604800.0), ("2w", 1209600.0)):
        before, told = time.time(), moment(text)
        assert before - age_s <= told <= time.time() - age_s
    assert moment("999999w") == 0.0
    assert moment("2026-03-01") == EPOCH_S - 43200.0
    assert moment("2026-03-01T12:00:00Z") == EPOCH_S


@pytest.mark.parametrize("command", [["incidents", "list"], ["incidents", "show"], ["report"]])
def test_help_has_an_example_and_the_exit_codes(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example: terrahash {' '.join(command)}" in result.output
    assert "Exit codes: 0" in result.output
    assert "--json" in result.output
