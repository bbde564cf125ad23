"""Two cords the wrong way round: what it costs the neighbour, what is not used any more, and how a person ends it."""

from pathlib import Path

import pytest

from agent.api.groups import routes_of
from agent.api.routes import Reply, Routes
from agent.model.action import Verb
from agent.model.events import Judged, NoticeDue, OutletsProven
from agent.model.guard import GuardReason
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from agent.notify.notifier import Notifier
from agent.observe.hold import HoldFile, hold_path
from simulators.plant.journal import What
from tests.notify.bench import HOOK, QUICK, listening
from tests.scenarios.site_bench import Bench, configuration, play

STOCK, LUXOS = Family.ANTMINER_STOCK, Family.LUXOS
SITE = configuration([(STOCK, 1), (STOCK, 1), (LUXOS, 1), (LUXOS, 1)])


async def asked(bench: Bench, method: str, path: str, body: bytes = b"") -> Reply:
    return await Routes(routes_of(bench.agent)).answer(method, f"/v1{path}", body)


async def swapped(bench: Bench) -> None:
    """Let m1 hang whose cord is where m2's should be, and wait until a person is asked and m2 hashes again."""
    await bench.start()
    await bench.run(30.0)
    bench.break_("pdu.outlet_map_wrong", "pdu:pdu-a", swap=(1, 2))
    await bench.run(30.0)
    bench.break_("miner.control_board_hung", "m1")
    await bench.until(lambda: any(i.phase is Phase.ESCALATED for i in bench.agent.memory.open_incidents), 900.0)
    await bench.until(lambda: bench.plant("m2").healthy and not bench.agent.memory.duties, 900.0)


def test_the_neighbour_is_back_on_within_seconds_and_a_person_is_asked(tmp_path: Path) -> None:
    bench = play(tmp_path, SITE, swapped)
    off, on = (bench.entry(what, "m2") for what in (What.RELAY_OFF, What.RELAY_ON))
    assert on.at - off.at < 30.0
    assert bench.done_to("m1") == []
    incident = bench.incident("m1")
    assert (incident.phase, incident.escalation_reason) == (Phase.ESCALATED, "outlet_map_wrong")
    assert bench.verbs("m1") == [Verb.POWER_OFF, Verb.POWER_ON]
    assert list(bench.memory.incidents) == [incident.id], "whom the agent itself cut off is no incident"
    assert not [m for m in bench.settings.site.miners if not bench.plant(m.id).energised]


def test_under_a_hold_the_neighbour_waits_and_the_desk_is_told_at_once(tmp_path: Path) -> None:
    """Somebody may have his hands in it, and trusts in nothing beginning there: docs/decisions/0031-safety.md."""
    seen: dict[str, float] = {}

    async def story(bench: Bench) -> None:
        bench.notifier = Notifier("bench", [HOOK], listener.secrets, lambda text: text, QUICK)
        await bench.start()
        await bench.run(30.0)
        bench.break_("pdu.outlet_map_wrong", "pdu:pdu-a", swap=(1, 2))
        bench.break_("miner.control_board_hung", "m1")
        await bench.until(lambda: not bench.plant("m2").energised, 900.0)
        switch = hold_path(bench.path)
        bench.agent._hold = HoldFile(switch)
        switch.write_text("electrician at pdu-a\n", encoding="utf-8")
        await bench.until(lambda: {"escalation", "owed"} <= {n.topic for n in bench.events(NoticeDue)}, 60.0)
        seen["told"] = bench.now
        await bench.run(600.0)
        assert not bench.plant("m2").energised
        switch.unlink()
        seen["released"] = bench.now
        await bench.until(lambda: bench.plant("m2").healthy and not bench.agent.memory.duties, 900.0)
        await bench.until(lambda: not bench.agent.memory.notices, 300.0)

    with listening(200) as listener:
        bench = play(tmp_path, SITE, story)
        owed = [n for one in listener.heard for n in one.told["notices"] if n["topic"] == "owed"]
    off, on = (bench.entry(what, "m2") for what in (What.RELAY_OFF, What.RELAY_ON))
    assert seen["told"] - off.at < 30.0
    assert 0.0 <= on.at - seen["released"] < 15.0
    assert [(n["evidence"]["outlets_off"], n["evidence"]["why"]) for n in owed] == [("pdu-a/1", "electrician at pdu-a")]
    assert owed[0]["evidence"]["fell"] == "m2"


def test_no_outlet_of_that_pdu_is_used_on_a_guess_until_a_person_has_looked(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await swapped(bench)
        await bench.kill()
        await bench.start()
        bench.break_("miner.control_board_hung", "m3")
        await bench.until(lambda: len(bench.agent.memory.incidents) == 2, 900.0)
        await bench.until(lambda: all(i.phase is Phase.ESCALATED for i in bench.agent.memory.open_incidents), 1800.0)
        assert bench.done_to("m3") == []
        wrong = await asked(bench, "POST", "/outlets/trust", b'{"pdu": "pdu-b", "why": "looked"}')
        assert (wrong.status, b"in doubt (pdu-a); got pdu-b" in wrong.body) == (422, True)
        listed = await asked(bench, "GET", "/outlets")
        assert b'"fell":["m2"]' in listed.body
        done = await asked(bench, "POST", "/outlets/trust", b'{"pdu": "pdu-a", "why": "cords put right"}')
        assert done.status == 200
        bench.break_("miner.control_board_hung", "m4")
        await bench.until(lambda: len(bench.agent.memory.incidents) == 3, 900.0)
        await bench.until(lambda: len(bench.agent.memory.open_incidents) == 2, 2400.0)

    bench = play(tmp_path, SITE, story)
    (refused,) = [e for e in bench.events(Judged) if e.verdict == "refuse"]
    assert (refused.action.miner, refused.reason) == ("m3", GuardReason.OUTLET_MAP_DOUBTED)
    assert bench.verbs("m4") == [Verb.POWER_OFF, Verb.POWER_ON]
    assert bench.incident("m4").outcome is Outcome.AUTO_RESOLVED
    assert bench.memory.doubted == {}


@pytest.mark.parametrize("family", [STOCK, LUXOS])
def test_a_power_cycle_that_mends_is_the_proof(tmp_path: Path, family: Family) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        for miner in ("m1", "m2"):
            bench.break_("miner.control_board_hung", miner)
        await bench.until(lambda: len(bench.agent.memory.incidents) == 2, 900.0)
        await bench.until(lambda: not bench.agent.memory.open_incidents, 2400.0)

    bench = play(tmp_path, configuration([(family, 1), (family, 2), (family, 1)]), story)
    bench.check(touched=["m1", "m2"])
    proven = {event.miner: [str(outlet) for outlet in event.outlets] for event in bench.events(OutletsProven)}
    assert proven == {"m1": ["pdu-a/1"], "m2": ["pdu-a/2", "pdu-a/3"]}
    offs = [e for e in bench.actions if e.what is What.RELAY_OFF and e.outlet is not None]
    on = next(e for e in bench.actions if e.what is What.RELAY_ON)
    assert {e.miner for e in offs if e.at < on.at} == {offs[0].miner}, "one proof at a time"
