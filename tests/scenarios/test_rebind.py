"""Miners whose address moved: found by their hardware address, looked for there from then on, over restarts too."""

from pathlib import Path
from typing import Any

import pytest

from agent.model.action import Verb
from agent.model.events import Rebound
from agent.model.incident import Category, Outcome
from agent.model.topology import Family
from tests.scenarios.site_bench import NETWORK, Bench, Story, configuration, play, settings_of

FAMILIES = (Family.LUXOS, Family.WHATSMINER, Family.ANTMINER_STOCK)
MOVED = "network.address_moved"


def site(*, macs: bool = True) -> dict[str, Any]:
    tree = configuration([(family, 1) for family in FAMILIES])
    if macs:
        for k, row in enumerate(tree["inventory"], 1):
            row["mac"] = f"02:54:48:00:01:{k:02x}"
    return tree


def is_closed(bench: Bench) -> bool:
    incidents = bench.agent.memory.incidents
    return bool(incidents) and not bench.agent.memory.open_incidents


def moving(miner: str) -> Story:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_(MOVED, miner)
        await bench.until(lambda: is_closed(bench), 2400.0)

    return story


@pytest.mark.parametrize("miner", ["m1", "m2", "m3"])
def test_a_miner_of_any_family_is_found_by_its_hardware_address(tmp_path: Path, miner: str) -> None:
    bench = play(tmp_path, site(), moving(miner))
    incident = bench.incident(miner)
    assert (incident.category, incident.outcome) == (Category.NETWORK, Outcome.AUTO_RESOLVED)
    assert bench.verbs(miner) == [Verb.REBIND]
    (found,) = bench.events(Rebound)
    assert (found.miner, found.host) == (miner, bench.plant(miner).lan.host)
    assert found.host != found.inventory_host == bench.plant(miner).spec.host
    assert incident.attempts[0].detail.startswith(f"it answers at {found.host} as 02:54:48:00:01:")
    bench.check(touched=())


def test_it_is_looked_for_where_it_was_found_after_a_restart_and_the_inventory_stays_as_it_is(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await moving("m1")(bench)
        await bench.kill()
        await bench.sleep(20.0)
        await bench.start()
        await bench.run(300.0)
        row = bench.agent.view.row(bench.agent.view.site.miners[0].id)
        assert row.missing_s == 0.0
        assert bench.agent.view.goods[0] > 20

    bench = play(tmp_path, site(), story)
    assert len(bench.events(Rebound)) == 1
    assert len(bench.memory.incidents) == 1
    assert bench.settings.site.miners[0].host == f"{NETWORK}.1.1"
    bench.check(touched=())


def test_a_search_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_(MOVED, "m1")
        await bench.until_intent(Verb.REBIND, 1800.0)
        await bench.kill()
        await bench.sleep(15.0)
        await bench.start()
        await bench.until(lambda: is_closed(bench), 2400.0)

    bench = play(tmp_path, site(), story)
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED
    assert bench.verbs("m1") == [Verb.REBIND]
    assert len(bench.events(Rebound)) == 1


def test_a_miner_that_gets_its_old_address_back_is_found_there_again(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await moving("m1")(bench)
        plant = bench.plant("m1")
        plant.lan.change(bench.now, host=plant.spec.host)
        await bench.until(lambda: not is_closed(bench), 300.0)
        await bench.until(lambda: is_closed(bench), 2400.0)

    bench = play(tmp_path, site(), story)
    assert [event.host == event.inventory_host for event in bench.events(Rebound)] == [False, True]
    bench.check(touched=())


def test_an_inventory_that_was_corrected_has_the_last_word(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await moving("m1")(bench)
        await bench.kill()
        tree = site()
        tree["inventory"][0]["host"] = bench.plant("m1").lan.host
        folder = tmp_path / "corrected"
        folder.mkdir()
        bench.settings = settings_of(folder, tree)
        await bench.start()
        await bench.run(120.0)
        assert bench.agent.view.goods[0] > 5

    bench = play(tmp_path, site(), story)
    assert len(bench.events(Rebound)) == 1


def test_without_a_hardware_address_in_the_inventory_a_person_is_asked(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_(MOVED, "m1")
        await bench.until(lambda: bool(bench.agent.memory.incidents) and bool(bench.incident("m1").escalated_at), 2400)

    bench = play(tmp_path, site(macs=False), story)
    incident = bench.incident("m1")
    assert incident.escalation_reason == "works_unreached"
    assert "add its mac to the inventory" in incident.attempts[0].detail
    assert bench.events(Rebound) == []
