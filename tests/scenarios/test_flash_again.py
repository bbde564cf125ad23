"""The way to a miner breaks before anything is written: it is flashed some minutes later, once and no more."""

from pathlib import Path

from agent.model.action import Result, Verb
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from tests.scenarios.flash_bench import FIRST, NEXT, site, told_so_far
from tests.scenarios.site_bench import Bench, play

HOURS_S = 3600.0


def tries(bench: Bench, miner: str) -> list[Result | None]:
    return [a.result for a in bench.incident(miner).attempts if a.verb is Verb.FLASH]


def test_what_broke_the_upload_off_is_over_and_the_second_try_mends_it(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.break_("ssh.cut", FIRST, after_bytes=1000, for_s=300.0)
        bench.break_("ssh.cut", NEXT, after_bytes=1000)
        for miner in (FIRST, NEXT):
            bench.break_("miner.firmware_corrupt", miner, cured_by="flash")
        await told_so_far(bench)
        await bench.start()
        await bench.until(lambda: tries(bench, FIRST) == [Result.FAILED], HOURS_S, look_s=5.0)
        await bench.kill()
        await bench.start()
        await bench.until(
            lambda: not bench.incident(FIRST).is_open and bench.incident(NEXT).phase is Phase.ESCALATED,
            4 * HOURS_S,
            look_s=60.0,
        )

    bench = play(tmp_path, site(tmp_path, Family.LUXOS, pools=True), story)
    assert tries(bench, FIRST) == [Result.FAILED, Result.OK]
    assert (bench.incident(FIRST).outcome, bench.plant(FIRST).healthy) == (Outcome.AUTO_RESOLVED, True)
    assert tries(bench, NEXT) == [Result.FAILED, Result.FAILED]
    assert bench.incident(NEXT).escalation_reason == "flash_not_begun"
    assert [flash.miner for flash in bench.simulated.plant.journal.flashes] == [FIRST]
    assert bench.memory.frozen == {}
