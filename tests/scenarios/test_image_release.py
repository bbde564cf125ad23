"""A frozen image is released while the agent runs: who had waited for it gets its turn, and was assisted."""

from pathlib import Path

import msgspec

from agent.api.groups import routes_of
from agent.api.images import Released, ReleaseOrder
from agent.api.routes import Failure, Reply, Routes
from agent.model.action import Verb
from agent.model.events import Actor, Escalated, ImageReleased, Intended
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from simulators.plant.state import Board
from tests.scenarios.flash_bench import FIRST, NEXT, SHA, site, told_so_far
from tests.scenarios.site_bench import Bench, play


async def release(bench: Bench, digits: str = SHA[:8]) -> Reply:
    body = msgspec.json.encode(ReleaseOrder(digits))
    return await Routes(routes_of(bench.agent)).answer("POST", "/v1/images/release", body)


def test_a_person_looks_at_one_board_and_the_other_miner_is_flashed(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.break_("miner.flash_bricks", FIRST)
        bench.break_("miner.firmware_corrupt", NEXT, cured_by="flash")
        await told_so_far(bench)
        await bench.start()
        await bench.until_intent(Verb.FLASH, 3600.0)
        refused = await release(bench)
        assert (
            refused.status,
            "is being flashed with it" in msgspec.json.decode(refused.body, type=Failure).error,
        ) == (
            422,
            True,
        )
        bench.tick()
        await bench.until(lambda: len(bench.agent.memory.waiting_for(SHA)) == 1, 7200.0, look_s=30.0)
        waits = bench.agent.memory.waiting_for(SHA)[0]
        assert waits.members == (NEXT,)
        assert (await release(bench, "ffffffff")).status == 422
        reply = await release(bench)
        assert (reply.status, msgspec.json.decode(reply.body, type=Released).again) == (200, (waits.id,))
        await bench.kill()
        await bench.start()
        await bench.until(lambda: not bench.agent.memory.incidents[waits.id].is_open, 3 * 3600.0, look_s=60.0)
        assert bench.plant(NEXT).healthy

    bench = play(tmp_path, site(tmp_path, Family.LUXOS, pools=True), story)
    lost, helped = bench.incident(FIRST), bench.incident(NEXT)
    assert (bench.plant(FIRST).board, lost.phase, lost.escalation_reason) == (
        Board.BRICKED,
        Phase.ESCALATED,
        "flash_unproven",
    )
    assert (helped.outcome, helped.escalation_reason) == (Outcome.ASSISTED, "image_frozen")
    (asked, waited) = bench.events(Escalated)
    assert (asked.evidence["image"], waited.evidence["image"]) == (SHA[:12], SHA[:12])
    assert f"terrahash images release {SHA[:12]}" in asked.evidence["to_do"]
    assert (waited.evidence["frozen_by"], waited.evidence["refused"]) == (f"{FIRST} in {lost.id}", "flash")
    assert waited.evidence["to_do"].startswith(f"look at {FIRST}")
    assert [r.actor for r in bench.records if isinstance(r.event, ImageReleased)] == [Actor.OPERATOR]
    assert [e.action.miner for e in bench.events(Intended) if e.action.verb is Verb.FLASH] == [FIRST, NEXT]
    assert bench.memory.frozen == {}
