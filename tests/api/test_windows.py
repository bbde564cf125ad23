"""Announcing through the API: on record with who did it, in force from the next tick on, never for nobody."""

from pathlib import Path

import msgspec

from agent.api.groups import routes_of
from agent.api.routes import Routes
from agent.api.windows import Announced, AnnouncedWindows
from agent.model.events import Actor, WindowEnded, WindowSet
from agent.model.site_view import Expected
from agent.model.topology import Family
from agent.model.windows import EndReason
from tests.scenarios.site_bench import EPOCH_S, Bench, configuration, play

SITE = configuration([(Family.LUXOS, 1), (Family.WHATSMINER, 1)])


async def post(bench: Bench, path: str, body: object) -> tuple[int, bytes]:
    reply = await Routes(routes_of(bench.agent)).answer("POST", f"/v1{path}", msgspec.json.encode(body))
    return reply.status, reply.body


async def listed(bench: Bench) -> tuple[Announced, ...]:
    reply = await Routes(routes_of(bench.agent)).answer("GET", "/v1/windows", b"")
    return msgspec.json.decode(reply.body, type=AnnouncedWindows).windows


def test_a_window_is_on_record_in_force_and_ended_by_selectors(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(20.0)
        order = {"purpose": "curtailed", "scope": ["miner:m1"], "until": EPOCH_S + 600.0, "share": 0.0, "why": "4CP"}
        status, body = await post(bench, "/windows", order)
        made = msgspec.json.decode(body, type=Announced)
        assert (status, made.id, made.miners, made.asleep, made.by) == (200, "w-000001", 1, 0, "operator")
        await bench.run(10.0)
        assert bench.agent.view.expected.tolist()[0] == Expected.CURTAILED
        assert [w.id for w in await listed(bench)] == ["w-000001"]
        assert (await post(bench, "/windows/end", {"which": ["switch:sw-1"]}))[0] == 200
        assert await listed(bench) == ()
        await post(bench, "/windows", order | {"until": EPOCH_S + 60.0, "purpose": "maintenance"})
        await bench.run(60.0)
        assert await listed(bench) == (), "it ended by itself"

    bench = play(tmp_path, SITE, story)
    said = [(r.actor, type(r.event)) for r in bench.records if isinstance(r.event, WindowSet | WindowEnded)]
    assert said == [
        (Actor.OPERATOR, WindowSet),
        (Actor.OPERATOR, WindowEnded),
        (Actor.OPERATOR, WindowSet),
        (Actor.AGENT, WindowEnded),
    ]
    assert [e.reason for e in bench.events(WindowEnded)] == [EndReason.RESUMED, EndReason.EXPIRED]


def test_what_cannot_be_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        good = {"purpose": "curtailed", "scope": ["miner:m1"], "until": EPOCH_S + 600.0}
        for wrong, status in (
            ({"scope": []}, 400),
            ({"scope": ["miner:m9"]}, 422),
            ({"scope": ["rack:"]}, 422),
            ({"until": EPOCH_S - 1.0}, 422),
            ({"share": 1.0}, 400),
            ({"purpose": "holiday"}, 400),
            ({"nonsense": 1}, 400),
        ):
            assert (await post(bench, "/windows", good | wrong))[0] == status, wrong
        assert (await post(bench, "/windows/end", {"which": ["w-000001"]}))[0] == 422

    assert play(tmp_path, SITE, story).events(WindowSet) == []
