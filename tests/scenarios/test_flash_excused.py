"""A breaker trips while a board behind it is flashed: the board is lost, and its image is not to blame for that."""

from pathlib import Path
from typing import Any

from agent.model.action import Verb
from agent.model.events import Escalated, Intended
from agent.model.incident import Outcome, Phase, Reason
from agent.model.topology import Family
from simulators.plant.state import Board
from tests.scenarios.flash_bench import FIRST, NEXT, SHA, site, told_so_far
from tests.scenarios.site_bench import Bench, play

WRITES_S = 90.0
"""The upload is over by then, and the write is not."""


def behind_two_breakers(folder: Path) -> dict[str, Any]:
    """Two banks of three: the one that is flashed next is not behind the first one's breaker."""
    tree = site(folder, Family.LUXOS, pools=True, miners=7)
    inventory = tree["inventory"]
    inventory[1]["outlets"], inventory[6]["outlets"] = inventory[6]["outlets"], inventory[1]["outlets"]
    inventory[2]["outlets"] = "pdu-a/3"
    return tree | {"shared_outlets": []}


def test_a_board_that_lost_its_power_while_it_was_flashed_freezes_no_image(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        for miner in (FIRST, NEXT):
            bench.break_("miner.firmware_corrupt", miner, cured_by="flash")
        await told_so_far(bench)
        await bench.start()
        await bench.until_intent(Verb.FLASH, 3600.0)
        bench.tick()
        await bench.run(WRITES_S)
        bench.break_("pdu.breaker_trip", "pdu:pdu-a", bank=1, for_s=900.0)
        await bench.until(lambda: bench.incident(FIRST).phase is Phase.ESCALATED, 3 * 3600.0, look_s=30.0)
        await bench.kill()
        await bench.start()
        await bench.until(lambda: not bench.incident(NEXT).is_open, 4 * 3600.0, look_s=60.0)

    bench = play(tmp_path, behind_two_breakers(tmp_path), story)
    lost, helped = bench.incident(FIRST), bench.incident(NEXT)
    power = next(i for i in bench.memory.incidents.values() if i.cause is Reason.POWER_LOST)
    (asked,) = (e for e in bench.events(Escalated) if e.incident == lost.id)
    assert bench.plant(FIRST).board is Board.BRICKED
    assert (asked.reason, asked.excused_by) == ("flash_unproven", power.id)
    assert "its power was lost" in str(asked.evidence["to_do"])
    assert bench.memory.frozen == {}
    assert helped.outcome is Outcome.AUTO_RESOLVED
    assert bench.plant(NEXT).healthy
    assert [e.action.miner for e in bench.events(Intended) if e.action.verb is Verb.FLASH] == [FIRST, NEXT]
    assert bench.memory.may_be_flashing(lost.members[0]), "nobody but a person lets that board be touched again"
    assert SHA in bench.memory.proven
