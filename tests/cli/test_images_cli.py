"""`terrahash images`: what it says of each image, and a release that the next agent goes by."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.ledger.queries import fold
from agent.ledger.reader import audit, read
from agent.ledger.store import Ledger
from agent.model.events import Actor, AnyEvent
from tests.guard.test_flash import A, B, Told
from tests.ledger.examples import HandClock


def ledger(folder: Path, told: Told) -> Path:
    path = folder / "ledger.sqlite3"
    events: list[AnyEvent] = [record.event for record in told.records]

    async def write() -> None:
        made = Ledger.open(path, HandClock().clock(), threaded=False)
        await made.append(events)
        await made.close()

    asyncio.run(write())
    return path


def terrahash(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["images", *words, "--ledger", str(path)])


def listed(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(terrahash(path, "list", "--json").output)
    return found


def test_a_proven_image_and_one_under_way_are_told_apart(tmp_path: Path) -> None:
    path = ledger(tmp_path, Told().begun(1).verified(1).closed(1).begun(2, B))
    result = terrahash(path, "list")
    assert result.exit_code == 0
    _, first, second = result.output.splitlines()
    assert first.split() == [A[:12], "-", "1", "-", "-"]
    assert second.split()[3] == "m2"
    assert [(i["proven"], i["under_way"], i["frozen"]) for i in listed(path)] == [
        (["m1"], [], None),
        ([], ["m2"], None),
    ]


def test_a_frozen_image_is_an_answer_of_its_own_and_a_release_ends_it(tmp_path: Path) -> None:
    path = ledger(tmp_path, Told().begun(1).escalated(1))
    result = terrahash(path, "list")
    assert (result.exit_code, "m1, inc-000001" in result.output) == (1, True)
    released = terrahash(path, "release", A[:8].upper())
    assert (released.exit_code, released.output) == (0, f"released {A}\n")
    state = fold(path, read(path))
    assert (state.frozen, state.flashes) == ({}, {})
    assert list(read(path))[-1].actor is Actor.OPERATOR
    audit(path)
    assert terrahash(path, "list").exit_code == 0


@pytest.mark.parametrize("digits", ["aaaaa", "bbbbbb", "cccccccc", ""])
def test_only_what_waits_for_a_release_is_released(tmp_path: Path, digits: str) -> None:
    path = ledger(tmp_path, Told().begun(1).escalated(1).begun(2, B, None))
    before = len(list(read(path)))
    result = terrahash(path, "release", digits)
    if digits == "bbbbbb":
        assert result.exit_code == 0, "a flash that a dead agent left in flight may be released too"
        return
    assert (result.exit_code, len(list(read(path)))) == (2, before)
    assert A[:12] in result.stderr


def test_a_running_agents_ledger_is_not_written_to(tmp_path: Path) -> None:
    path = ledger(tmp_path, Told().begun(1).escalated(1))
    agents = Ledger.open(path, HandClock().clock(), threaded=False)
    result = terrahash(path, "release", A[:8])
    assert (result.exit_code, "running agent" in result.output + result.stderr) == (2, True)
    asyncio.run(agents.close())
