"""The door into a running agent: what it takes is on record before it is answered, what it refuses leaves no trace."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from agent.api.groups import routes_of
from agent.api.routes import Routes
from agent.api.status import Status
from agent.model.errors import PolicyError
from agent.model.events import Actor, AnyEvent, HoldChanged
from agent.model.memory import Memory
from agent.model.topology import Family
from tests.scenarios.site_bench import Bench, configuration, play

SITE = configuration([(Family.LUXOS, 1)])


def held(_: Memory, now: float) -> Sequence[AnyEvent]:
    return [HoldChanged(why=f"asked at {now:.0f}")]


def test_what_comes_through_the_door_is_the_operator_s_and_known_at_once(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start(ticking=False)
        await bench.agent.change(held, Actor.OPERATOR)
        assert bench.agent.memory.held is not None

    bench = play(tmp_path, SITE, story)
    (record,) = [r for r in bench.records if isinstance(r.event, HoldChanged)]
    assert record.actor is Actor.OPERATOR


def test_what_is_refused_leaves_no_trace_and_the_agent_goes_on(tmp_path: Path) -> None:
    def refuse(_: Memory, __: float) -> Sequence[AnyEvent]:
        raise PolicyError("not today")

    async def story(bench: Bench) -> None:
        await bench.start()
        with pytest.raises(PolicyError, match="not today"):
            await bench.agent.change(refuse, Actor.OPERATOR)
        await bench.agent.change(lambda _, __: [], Actor.OPERATOR)
        ticks = bench.agent.ticks
        await bench.run(10.0)
        assert bench.agent.ticks > ticks

    bench = play(tmp_path, SITE, story)
    assert {r.actor for r in bench.records} == {Actor.AGENT}


def test_an_asker_that_goes_away_leaves_memory_and_ledger_alike(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start(ticking=False)
        asking = asyncio.create_task(bench.agent.change(held, Actor.OPERATOR))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await bench.sleep(1.0)
        assert bench.agent.memory.held == bench.memory.held is not None

    play(tmp_path, SITE, story)


def test_the_status_is_that_of_the_ledger(tmp_path: Path) -> None:
    async def asked(bench: Bench) -> Status:
        reply = await Routes(routes_of(bench.agent)).answer("GET", "/v1/status", b"")
        assert reply.status == 200
        return msgspec.json.decode(reply.body, type=Status)

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        well = await asked(bench)
        assert (well.running, well.site, well.simulated, well.incidents) == (True, "bench", True, 0)
        assert well.ticks == bench.agent.ticks > 0
        bench.break_("miner.psu_dead", "m1")
        await bench.until(lambda: bool(bench.agent.memory.open_incidents), 900.0)
        assert (await asked(bench)).incidents == 1

    bench = play(tmp_path, SITE, story)
    assert bench.memory.started is not None
    assert bench.memory.stopped_at is not None
