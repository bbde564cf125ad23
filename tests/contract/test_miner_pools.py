"""Pools of the simulated devices, switched on their real protocols: what counts is the plant and its journal."""

import asyncio
import json
from collections.abc import Callable

import pytest

from agent.model.errors import DeviceError, PolicyError, RefusedError, SilentError, TransportError
from agent.model.ids import PoolId
from agent.model.topology import Family
from simulators.devices.antminer_pages import FACTORY_SETTINGS
from simulators.memory_net import run_memory
from simulators.plant.journal import What
from simulators.plant.pools import PoolLine, Trouble
from simulators.plant.state import Process, WireFault, WireFaultKind
from simulators.virtual_time import run
from tests.contract.pools_bench import (
    ELSEWHERE,
    EVERY_FAMILY,
    LUXOS,
    STOCK,
    WHATSMINER,
    WORKER,
    WRONG_SECRET,
    Bench,
    bench,
    played,
)
from tests.simulators.devices_site import ask

# -- what a switch does ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [run, run_memory], ids=["wire", "memory"])
@EVERY_FAMILY
def test_a_switch_reorders_the_list_and_the_miner_works_for_the_first(family: Family, on: Callable[..., None]) -> None:
    async def story(b: Bench) -> None:
        before = await b.poll()
        await b.switch(2, 1, 3)
        assert b.order() == ["p2", "p1", "p3"]
        await asyncio.sleep(900.0)
        assert b.works_for() == "p2"
        assert b.plant.healthy
        after = await b.poll()
        assert (before.pool_url, after.pool_url) == (b.pools(1)[0].url, b.pools(2)[0].url)
        assert before.pool_user == after.pool_user == WORKER
        assert after.pool_alive

    played(family, story, on=on)


@EVERY_FAMILY
def test_what_is_so_already_is_not_written_again(family: Family) -> None:
    async def story(b: Bench) -> None:
        await b.switch(1, 2, 3)
        assert b.changes() == []
        await b.switch(3, 1, 2)
        done = b.changes()
        assert done
        for _ in range(2):
            await b.switch(3, 1, 2)
        assert b.changes() == done

    played(family, story)


def test_order_alone_is_one_switch_on_luxos_and_no_restart() -> None:
    async def story(b: Bench) -> None:
        age_s = b.plant.readings(b.now()).elapsed_s
        await b.switch(3, 1, 2)
        assert b.changes() == [What.SWITCH_POOL]
        assert b.plant.readings(b.now()).elapsed_s >= age_s
        await b.switch(2, 1, 3)
        assert b.changes() == [What.SWITCH_POOL] * 3
        assert b.order() == ["p2", "p1", "p3"]

    played(LUXOS, story)


@EVERY_FAMILY
def test_pools_are_added_and_taken_out(family: Family) -> None:
    async def story(b: Bench) -> None:
        await b.switch(3)
        assert b.order() == ["p3"]
        await b.switch(2, 3)
        assert b.order() == ["p2", "p3"]
        await b.switch(1, 2, 3)
        assert b.order() == ["p1", "p2", "p3"]
        await asyncio.sleep(900.0)
        assert b.works_for() == "p1"

    played(family, story)


@EVERY_FAMILY
def test_a_hijacked_list_is_put_right(family: Family) -> None:
    async def story(b: Bench) -> None:
        b.site.plant.pools.foreign(ELSEWHERE)
        thief = PoolLine(ELSEWHERE, "thief")
        b.plant.hijack(b.now(), (thief, PoolLine(b.pools(2)[0].url, "thief")))
        await asyncio.sleep(900.0)
        told = await b.poll()
        assert (told.pool_url, told.pool_user) == (ELSEWHERE, "thief")
        await b.switch(1, 2)
        assert b.plant.client.lines == tuple(PoolLine(pool.url, WORKER) for pool in b.pools(1, 2))
        await asyncio.sleep(900.0)
        assert (await b.poll()).pool_user == WORKER
        assert b.plant.healthy

    played(family, story)


@EVERY_FAMILY
def test_lines_that_are_there_twice_are_taken_out(family: Family) -> None:
    async def story(b: Bench) -> None:
        line = PoolLine(b.pools(1)[0].url, WORKER)
        b.plant.hijack(b.now(), (line, line, line))
        await asyncio.sleep(900.0)
        await b.switch(1, 2)
        assert b.order() == ["p1", "p2"]

    played(family, story)


@EVERY_FAMILY
def test_spelling_of_an_address_is_no_difference(family: Family) -> None:
    async def story(b: Bench) -> None:
        spelt = [f"{scheme}{n}" for n, scheme in ((1, "STRATUM+TCP://P"), (2, "tcp://p"), (3, "p"))]
        b.plant.hijack(b.now(), [PoolLine(f"{url}.Example.com:3333/", WORKER) for url in spelt])
        await asyncio.sleep(300.0)
        await b.switch(1, 2, 3)
        assert b.changes() == []
        await b.switch(1, 2, 3, worker="site.other")
        assert [line.user for line in b.plant.client.lines] == ["site.other"] * 3

    played(family, story)


@pytest.mark.parametrize("family", [STOCK, WHATSMINER])
def test_more_pools_than_slots_are_left_out(family: Family) -> None:
    async def story(b: Bench) -> None:
        await b.switch(4, 3, 2, 1)
        assert b.order() == ["p4", "p3", "p2"]
        changes = b.changes()
        await b.switch(4, 3, 2, 1)
        assert b.changes() == changes

    played(family, story, pools=4)


def test_a_dead_primary_is_left_for_the_backup() -> None:
    async def story(b: Bench) -> None:
        b.site.plant.pools.pools[PoolId("p1")].begin(Trouble.HUNG, b.now())
        await b.switch(2, 1, 3)
        await asyncio.sleep(60.0)
        assert b.works_for() == "p2"
        assert b.plant.healthy

    played(LUXOS, story)


def test_luxos_keeps_the_pool_it_works_for_while_none_of_the_wanted_answers() -> None:
    async def story(b: Bench) -> None:
        b.site.plant.pools.pools[PoolId("p3")].begin(Trouble.DOWN, b.now())
        await b.refused(DeviceError, 3, match="half changed")
        assert "p1" in b.order()
        assert b.works_for() == "p1"

    played(LUXOS, story)


# -- what survives it --------------------------------------------------------------------------------------------------


async def test_other_settings_of_a_stock_antminer_survive() -> None:
    async with bench(STOCK) as b:
        web = b.driver._web(b.spec)  # type: ignore[attr-defined]
        conf = json.loads(await web._call("GET", "get_miner_conf", 5.0))
        conf |= {"bitmain-fan-ctrl": True, "bitmain-fan-pwm": "80", "bitmain-freq-level": "90", "bitmain-pwth": "3"}
        conf["pools"][1]["pass"] = "d=65536"
        await web._call("POST", "set_miner_conf", 5.0, conf)
        await b.switch(2, 1, 3)
        after = json.loads(await web._call("GET", "get_miner_conf", 5.0))
        assert {key: after[key] for key in FACTORY_SETTINGS} == {key: conf[key] for key in FACTORY_SETTINGS}
        assert [pool["pass"] for pool in after["pools"]] == ["d=65536", "x", "x"]


async def test_a_stock_antminer_has_three_slots_whatever_is_in_them() -> None:
    async with bench(STOCK) as b:
        await b.switch(2)
        web = b.driver._web(b.spec)  # type: ignore[attr-defined]
        after = json.loads(await web._call("GET", "get_miner_conf", 5.0))
        empty = {"url": "", "user": "", "pass": ""}
        assert after["pools"] == [{"url": b.pools(2)[0].url, "user": WORKER, "pass": "x"}, empty, empty]


@EVERY_FAMILY
async def test_a_dead_stock_process_does_not_hinder_and_the_others_say_so(family: Family) -> None:
    async with bench(family) as b:
        b.plant.kill_process(b.now(), watchdog=False)
        b.site.host().settle()
        if family is STOCK:
            await b.switch(2, 1)
            assert b.order() == ["p2", "p1"]
            assert b.plant.process is Process.STARTING
        else:
            await b.refused(DeviceError, 2, 1, match=r"not running|is down")
            assert b.changes() == []


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [STOCK, WHATSMINER])
async def test_a_wrong_password_changes_nothing_and_stays_secret(family: Family) -> None:
    async with bench(family, wrong=True) as b:
        told = await b.refused(DeviceError, 2, 1, match=r"password|credential")
        assert b.changes() == []
        assert b.order() == ["p1", "p2", "p3"]
    assert WRONG_SECRET not in told


@pytest.mark.parametrize("family", [STOCK, WHATSMINER])
async def test_without_a_login_it_names_what_to_configure(family: Family) -> None:
    async with bench(family, logins=False) as b:
        await b.refused(PolicyError, 2, 1, match=f"logins.{family}")


async def test_a_whatsminer_switched_off_for_writing_names_the_remedy() -> None:
    async with bench(WHATSMINER) as b:
        b.site.host().writable = False
        told = await b.refused(DeviceError, 2, 1, match="can't access write cmd.*switch its API on for writing")
        assert b.changes() == []
        assert b.site.password(WHATSMINER) not in told


def test_a_session_that_nobody_uses_on_luxos_is_waited_out() -> None:
    """An agent that died in the midst of a change left it there."""

    async def story(b: Bench) -> None:
        await ask(b.site.host(), "logon")
        await b.switch(2, 1)
        assert b.order()[:2] == ["p2", "p1"]
        assert (await ask(b.site.host(), "session"))["SESSION"][0]["SessionID"] == ""

    played(LUXOS, story)


def test_a_session_that_somebody_uses_on_luxos_keeps_us_out() -> None:
    async def story(b: Bench) -> None:
        session = (await ask(b.site.host(), "logon"))["SESSION"][0]["SessionID"]

        async def use() -> None:
            while True:
                await asyncio.sleep(20.0)
                await ask(b.site.host(), "ledset", parameter=f"{session},red,blink")

        user = asyncio.ensure_future(use())
        await b.refused(DeviceError, 2, 1, match="Another session.*nothing was written")
        assert b.changes() == []
        user.cancel()
        await ask(b.site.host(), "logoff", parameter=session)
        await b.switch(2, 1)
        assert (await ask(b.site.host(), "session"))["SESSION"][0]["SessionID"] == ""

    played(LUXOS, story)


@EVERY_FAMILY
async def test_a_booting_board_refuses(family: Family) -> None:
    async with bench(family) as b:
        b.plant.reboot(b.now())
        b.site.host().settle()
        await b.refused(RefusedError, 2, 1)
        assert b.changes() == []


@EVERY_FAMILY
def test_silence_ends_within_the_actions_time(family: Family) -> None:
    async def story(b: Bench) -> None:
        b.plant.wire = WireFault(WireFaultKind.SILENT)
        async with asyncio.timeout(60.0):
            await b.refused(SilentError, 2, 1)
        assert b.changes() == []

    played(family, story)


@EVERY_FAMILY
def test_a_lost_answer_counts_for_nothing_where_the_list_is_as_wanted(family: Family) -> None:
    async def story(b: Bench) -> None:
        b.site.host().lost_replies = 1
        await b.switch(2, 1, 3)
        assert b.order() == ["p2", "p1", "p3"]
        assert len(b.changes()) == 1

    played(family, story)


def test_a_lost_answer_halfway_is_an_unknown_outcome_and_the_next_try_completes_it() -> None:
    async def story(b: Bench) -> None:
        await b.switch(1)
        b.site.host().lost_replies = 1
        await b.refused(TransportError, 3, 1)
        await asyncio.sleep(61.0)
        await b.switch(3, 1)
        assert b.order() == ["p3", "p1"]

    played(LUXOS, story)


@EVERY_FAMILY
def test_a_list_that_is_kept_in_part_is_noticed(family: Family) -> None:
    async def story(b: Bench) -> None:
        await b.switch(1)
        b.site.host().keeps_pools = 1
        async with asyncio.timeout(60.0):
            await b.refused(DeviceError, 1, 2, 3, match=r"expected the pools .*p3.* after the change")

    played(family, story)


@EVERY_FAMILY
async def test_what_is_no_list_to_configure_is_refused(family: Family) -> None:
    async with bench(family) as b:
        for numbers, worker in (((), WORKER), ((1, 1), WORKER), ((1,), "")):
            with pytest.raises(PolicyError, match="pool_group"):
                await b.switch(*numbers, worker=worker)
    assert b.changes() == []


async def test_a_worker_that_luxos_would_take_for_two_parameters_is_refused() -> None:
    async with bench(LUXOS) as b:
        with pytest.raises(PolicyError, match="commas"):
            await b.switch(1, 2, worker="a,b")
        assert b.changes() == []
