"""The kill switch from the command line, and an agent that heeds it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.model.action import Verb
from agent.model.events import Actor, HoldChanged
from agent.model.topology import Family
from agent.observe.hold import NOTHING_WRITTEN, UNREADABLE, HoldFile, hold_path
from tests.scenarios.site_bench import Bench, configuration, play


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, args)


def test_hold_and_release(tmp_path: Path) -> None:
    ledger = tmp_path / "site.sqlite3"
    held = run("hold", "--ledger", str(ledger), "--why", "electrician  in\ncontainer 2")
    assert held.exit_code == 0
    path = tmp_path / "site.sqlite3.hold"
    assert held.output == f"held: electrician in container 2 ({path})\n"
    assert [*tmp_path.iterdir()] == [path], "nothing half-written is left behind"
    assert run("hold", "--ledger", str(ledger)).output == f"held: {NOTHING_WRITTEN} ({path})\n"
    assert run("release", "--ledger", str(ledger)).output == f"released; it was held: {NOTHING_WRITTEN}\n"
    again = run("release", "--ledger", str(ledger))
    assert (again.exit_code, path.exists()) == (1, False)
    assert "not held" in again.output


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    refused = run("hold", "--ledger", str(tmp_path / "none" / "site.sqlite3"))
    assert refused.exit_code == 2
    assert "expected to write the hold file: No such file or directory" in refused.output


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"", NOTHING_WRITTEN),
        (b"\x1b[31mred\x07 \xff\xfe\n second line", "[31mred  \ufffd\ufffd"),
        (b"x" * 10_000, "x" * 200),
    ],
)
def test_whatever_stands_in_the_file_it_holds(tmp_path: Path, written: bytes, why: str) -> None:
    path = hold_path(tmp_path / "l")
    path.write_bytes(written)
    assert HoldFile(path).why() == why


def test_a_hold_file_that_cannot_be_read_holds(tmp_path: Path) -> None:
    path = hold_path(tmp_path / "l")
    path.mkdir()
    assert HoldFile(path).why() == UNREADABLE


def test_a_running_agent_keeps_its_hands_off_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "here.hold"

    def obey(agent: object) -> None:
        agent._hold = HoldFile(path)  # type: ignore[attr-defined]

    async def story(bench: Bench) -> None:
        bench.prepare = obey
        await bench.start()
        path.write_text("drill")
        bench.break_("miner.process_died", "m1")
        await bench.run(900.0)
        assert bench.actions == []
        path.unlink()
        await bench.until(lambda: bool(bench.memory.incidents) and not bench.memory.open_incidents, 1800.0)

    bench = play(tmp_path, configuration([(Family.LUXOS, 1), (Family.LUXOS, 1)]), story)
    assert bench.verbs("m1") == [Verb.RESTART]
    holds = [record for record in bench.records if isinstance(record.event, HoldChanged)]
    assert [(record.actor, record.event.why) for record in holds] == [(Actor.OPERATOR, "drill"), (Actor.OPERATOR, None)]
