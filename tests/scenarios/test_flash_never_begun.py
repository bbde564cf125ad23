"""An agent dies between the intent of a flash and its beginning: where the board shows that, no image is frozen for it.

Where the board, or the agent's own machine, cannot vouch for that, it is as with every flash that nobody saw end.
"""

from pathlib import Path

import pytest

from agent.model.action import Result, Verb
from agent.model.events import AgentStarted
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from tests.scenarios.flash_bench import FIRST, NEXT, SHA, site, told_so_far
from tests.scenarios.site_bench import EPOCH_S, Bench, play

HOURS_S = 3600.0
DOWN_S = 15.0


def tries(bench: Bench, miner: str) -> list[Result | None]:
    return [a.result for a in bench.incident(miner).attempts if a.verb is Verb.FLASH]


def dead_before_the_flash(
    folder: Path,
    family: Family = Family.LUXOS,
    *,
    lives: int = 1,
    boots: tuple[str, ...] = ("one", "one", "one"),
    behind_s: float = 0.0,
    board_restarts: bool = False,
) -> tuple[Bench, str]:
    """Let agents die with the intent of the first flash committed; return the bench, and whose flash it was.

    Args:
        lives: how many agents die before one is left alone, all but the first as they come up.
        boots: what each agent's machine tells its start by.
        behind_s: by how much the clock of the later ones is slow.
        board_restarts: the board is cycled by somebody meanwhile.
    """
    flown: list[str] = []

    async def story(bench: Bench) -> None:
        host = bench.simulated.host
        for miner in (FIRST, NEXT):
            bench.break_("miner.firmware_corrupt", miner, cured_by="flash")
        await told_so_far(bench)
        await bench.sleep(900.0)
        host.boot = lambda: boots[0]  # type: ignore[method-assign]
        await bench.start()
        await bench.until_intent(Verb.FLASH, HOURS_S)
        (intent,) = bench.agent.memory.flying.values()
        flown.append(intent.action.miner)
        for life in range(1, lives + 1):
            await bench.kill()
            if board_restarts:
                bench.plant(flown[0]).reboot(bench.now)
            await bench.sleep(DOWN_S)
            host.boot = lambda life=life: boots[life]  # type: ignore[method-assign,misc]
            await bench.start(behind_s=behind_s, ticking=life == lives)
        await bench.until(
            lambda: all(
                i.phase in (Phase.CLOSED, Phase.ESCALATED)
                for i in bench.agent.memory.incidents.values()
                if flown[0] in i.members
            ),
            6 * HOURS_S,
            look_s=30.0,
        )

    bench = play(folder, site(folder, family, pools=True), story)
    return bench, flown[0]


@pytest.mark.parametrize("lives", [1, 2])
def test_a_flash_that_was_never_begun_is_tried_again_and_freezes_nothing(tmp_path: Path, lives: int) -> None:
    bench, miner = dead_before_the_flash(tmp_path, lives=lives)
    assert tries(bench, miner) == [Result.FAILED, Result.OK]
    first = next(a for a in bench.incident(miner).attempts if a.verb is Verb.FLASH)
    assert "no flash was begun" in first.detail
    assert (bench.incident(miner).outcome, bench.plant(miner).healthy) == (Outcome.AUTO_RESOLVED, True)
    assert [flash.miner for flash in bench.simulated.plant.journal.flashes].count(miner) == 1
    assert bench.memory.frozen == {}
    starts = bench.events(AgentStarted)
    assert {start.boot for start in starts} == {"one"}
    assert {start.boot_since for start in starts} == {starts[0].boot_since}
    assert starts[0].boot_since is not None
    assert starts[0].boot_since < EPOCH_S + 1000.0


def as_before(bench: Bench, miner: str) -> None:
    """What is expected of a flash of which nobody knows: left alone, reported, and its image frozen."""
    assert tries(bench, miner) in ([Result.UNKNOWN], [Result.OK]), "seen to be younger than the intent, if at all"
    assert bench.incident(miner).phase is Phase.ESCALATED
    assert SHA in bench.memory.frozen
    assert [flash.miner for flash in bench.simulated.plant.journal.flashes].count(miner) == 0


def test_on_a_machine_that_was_started_meanwhile_nobody_knows_how_long_ago_it_was(tmp_path: Path) -> None:
    as_before(*dead_before_the_flash(tmp_path, boots=("one", "another")))


def test_nor_is_it_known_where_two_starts_ago_it_was_another(tmp_path: Path) -> None:
    as_before(*dead_before_the_flash(tmp_path, lives=2, boots=("one", "another", "another")))


def test_nor_where_the_machine_tells_no_start_from_another(tmp_path: Path) -> None:
    as_before(*dead_before_the_flash(tmp_path, boots=("", "")))


def test_nor_by_a_clock_that_was_behind_the_ledger(tmp_path: Path) -> None:
    as_before(*dead_before_the_flash(tmp_path, behind_s=3600.0))


def test_a_board_that_was_started_meanwhile_shows_nothing(tmp_path: Path) -> None:
    as_before(*dead_before_the_flash(tmp_path, board_restarts=True))


@pytest.mark.parametrize("family", [Family.ANTMINER_STOCK, Family.WHATSMINER])
def test_a_board_that_cannot_be_looked_into_shows_nothing(tmp_path: Path, family: Family) -> None:
    as_before(*dead_before_the_flash(tmp_path, family))
