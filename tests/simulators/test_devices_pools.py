"""Pools of the simulated miners on the wire: what is shown of each, and which changes the firmware takes."""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.model.ids import PoolId
from agent.model.topology import Family
from simulators.devices.antminer_pages import AntminerPages
from simulators.devices.whatsminer_token import TokenVault
from simulators.plant.journal import ACTIONS, What
from simulators.plant.pools import PoolLine, Trouble
from simulators.plant.readings import PoolReading
from simulators.plant.state import Process
from simulators.virtual_time import run
from tests.simulators.devices_site import EPOCH_S, Running, ask, running

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
SECOND = "stratum+tcp://p2.example.com:3333"


def now() -> float:
    return asyncio.get_running_loop().time()


def on_virtual_time(family: Family, story: Callable[[Running], Awaitable[None]], pools: int = 3) -> None:
    async def main() -> None:
        async with running(family, pools=pools) as site:
            await story(site)

    run(main(), timeout_wall_s=20)


async def shown(site: Running) -> list[dict[str, Any]]:
    return list((await ask(site.host(), "pools"))["POOLS"])


def truth(site: Running) -> tuple[PoolReading, ...]:
    return site.miner().readings(now()).pools


# -- what is shown -----------------------------------------------------------------------------------------------------


@EVERY_FAMILY
def test_every_configured_pool_is_shown_with_its_own_shares(family: Family) -> None:
    async def story(site: Running) -> None:
        await asyncio.sleep(600.0)
        site.plant.pools.pools[PoolId("p1")].begin(Trouble.DOWN, now())
        await asyncio.sleep(600.0)
        rows, pools = await shown(site), truth(site)
        assert len(rows) == len(pools) == 3
        for row, pool in zip(rows, pools, strict=True):
            assert (row["URL"], row["User"], row["Priority"]) == (pool.url, pool.user, pool.priority)
            assert row["Status"] == ("Alive" if pool.alive else "Dead")
            assert row["Stratum Active"] is pool.stratum_active
            assert (row["Accepted"], row["Rejected"], row["Stale"]) == (
                pool.tally.accepted,
                pool.tally.rejected,
                pool.tally.stale,
            )
            assert row["Difficulty Accepted"] == pytest.approx(pool.tally.accepted_diff, abs=1.0)
            assert (row["Getworks"], row["Get Failures"]) == (pool.getworks, pool.get_failures)
        assert [row["Stratum Active"] for row in rows] == [False, True, False]
        assert rows[0]["Accepted"] > 0
        assert rows[1]["Accepted"] > 0
        assert rows[2]["Accepted"] == 0
        first = rows[0]["Accepted"]
        await asyncio.sleep(600.0)
        assert (await shown(site))[0]["Accepted"] == first

    on_virtual_time(family, story)


def test_each_family_tells_the_time_of_the_last_share_its_own_way() -> None:
    async def story(site: Running) -> None:
        await asyncio.sleep(600.0)
        site.plant.pools.pools[PoolId("p1")].begin(Trouble.DOWN, now())
        await asyncio.sleep(4000.0)
        elapsed = site.miner().readings(now()).elapsed_s
        ages = [pool.tally.last_share_at for pool in truth(site)]
        assert ages[0] is not None
        first, second, third = [row["Last Share Time"] for row in await shown(site)]
        match site.miner().spec.family:
            case Family.ANTMINER_STOCK:
                assert re.fullmatch(r"1:0\d:\d\d", first)
                assert re.fullmatch(r"0:0\d:\d\d", second)
                assert third == "0"
            case Family.LUXOS:
                assert re.fullmatch(r"01:0\d:\d\d", first)
                assert re.fullmatch(r"00:0\d:\d\d", second)
                assert third == f"{elapsed // 3600:02d}:{elapsed // 60 % 60:02d}:{elapsed % 60:02d}"
            case Family.WHATSMINER:
                assert first == int(EPOCH_S + ages[0])
                assert second > first
                assert third == 0

    for family in Family:
        on_virtual_time(family, story)


@EVERY_FAMILY
def test_without_a_pool_or_with_an_odd_worker_the_list_is_still_a_list(family: Family) -> None:
    async def story(site: Running) -> None:
        site.miner().hijack(now(), (PoolLine(SECOND, 'a"b%s\\ ü'),))
        assert (await shown(site))[0]["User"] == 'a"b%s\\ ü'
        site.miner().hijack(now(), ())
        assert await shown(site) == []
        await asyncio.sleep(600.0)
        assert await shown(site) == []

    on_virtual_time(family, story)


# -- stock Antminer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "noted"), [(SECOND, What.SET_POOLS), ("stratum+tcp://p1.example.com:3333", What.RESTART)]
)
async def test_a_save_sets_the_pools_or_only_restarts_the_process(url: str, noted: What) -> None:
    async with running(STOCK, pools=1) as site:
        pages = AntminerPages(site.host(), site.plant.images)
        posted = {"pools": [{"url": url, "user": "site.m1", "pass": "p"}]}
        page = pages.post("/cgi-bin/set_miner_conf.cgi", json.dumps(posted).encode())
        assert page.effect is not None
        page.effect()
        assert [entry.what for entry in site.plant.journal.entries if entry.what in ACTIONS] == [noted]
        assert site.miner().process is Process.STARTING
        conf = json.loads(pages.get("/cgi-bin/get_miner_conf.cgi").body)
        assert conf["pools"] == posted["pools"]


async def test_the_configuration_shows_what_somebody_else_configured() -> None:
    async with running(STOCK, pools=2) as site:
        pages = AntminerPages(site.host(), site.plant.images)
        site.miner().hijack(now(), (PoolLine(SECOND, "thief"),))
        pools = json.loads(pages.get("/cgi-bin/get_miner_conf.cgi").body)["pools"]
        assert [(pool["url"], pool["user"]) for pool in pools] == [(SECOND, "thief"), ("", ""), ("", "")]


# -- LuxOS -------------------------------------------------------------------------------------------------------------


async def code(site: Running, command: str, parameter: str = "") -> int:
    return int((await ask(site.host(), command, parameter=parameter))["STATUS"][0]["Code"])


def test_luxos_takes_pools_line_by_line_without_a_session() -> None:
    async def story(site: Running) -> None:
        assert await code(site, "addpool", f"{SECOND},site.m1,x") == 55
        assert [pool.url for pool in truth(site)][1:] == [SECOND]
        assert await code(site, "switchpool", "1") == 27
        assert [row["Priority"] for row in await shown(site)] == [1, 0]
        await asyncio.sleep(5.0)
        assert [row["Stratum Active"] for row in await shown(site)] == [False, True]
        assert await code(site, "removepool", "1") == 67
        assert await code(site, "removepool", "0") == 68
        assert await code(site, "removepool", "0") == 66
        assert [row["URL"] for row in await shown(site)] == [SECOND]
        assert (await ask(site.host(), "config"))["CONFIG"][0]["Pool Count"] == 1
        journal = [entry.what for entry in site.plant.journal.entries]
        assert journal.count(What.SET_POOLS) == 2
        assert What.RESTART not in journal

    async def main() -> None:
        async with running(LUXOS, pools=2) as site:
            site.miner().hijack(now(), site.miner().client.lines[:1])
            await story(site)

    run(main(), timeout_wall_s=20)


@pytest.mark.parametrize(
    ("command", "parameter", "refusal"),
    [
        ("addpool", "", 52),
        ("addpool", "stratum+tcp://x:1", 53),
        ("addpool", "stratum+tcp://x:1,", 53),
        ("addpool", ",u,x", 53),
        ("addpool", f"{'x' * 300},u,x", 53),
        ("addpool", "stratum+tcp://x:1,u,x,7", 53),
        ("addpool", "stratum+tcp://x:1,u,x,0,1", 53),
        ("switchpool", "", 25),
        ("switchpool", "9", 26),
        ("switchpool", "-1", 26),
        ("switchpool", "²", 26),
        ("removepool", "", 25),
        ("removepool", "one", 26),
        ("removepool", "0", 67),
    ],
)
async def test_luxos_refuses_what_makes_no_sense(command: str, parameter: str, refusal: int) -> None:
    async with running(LUXOS, pools=3) as site:
        reply = await ask(site.host(), command, parameter=parameter)
        assert (reply["STATUS"][0]["STATUS"], reply["STATUS"][0]["Code"]) == ("E", refusal)
        assert len(truth(site)) == 3


async def test_luxos_takes_no_more_pools_than_it_has_room_for() -> None:
    async with running(LUXOS, pools=3) as site:
        codes = [await code(site, "addpool", f"stratum+tcp://x{n}:1,u,x") for n in range(15)]
        assert set(codes) == {54, 55}
        assert len(truth(site)) == 16


async def test_luxos_with_a_dead_process_takes_no_pools() -> None:
    async with running(LUXOS, pools=3) as site:
        site.miner().kill_process(now(), watchdog=False)
        for command in ("addpool", "switchpool", "removepool"):
            assert (await ask(site.host(), command, parameter="1"))["STATUS"][0]["STATUS"] == "E"


# -- Whatsminer --------------------------------------------------------------------------------------------------------


def pools_command(**changed: object) -> dict[str, object]:
    command: dict[str, object] = {"cmd": "update_pools"}
    for slot, url in enumerate((SECOND, "", ""), 1):
        command |= {f"pool{slot}": url, f"worker{slot}": "site.m1" if url else "", f"passwd{slot}": ""}
    return command | changed


async def privileged(site: Running, command: dict[str, object]) -> dict[str, Any]:
    """Send a command under a token, as a client with the right password does."""
    issued = (await ask(site.host(), "get_token"))["Msg"]
    vault = vault_of(site)
    sign = vault._issued[-1].sign
    assert set(issued) == {"time", "salt", "newsalt"}
    sealed = vault.seal({**command, "token": sign})["enc"]
    reply = await ask(site.host(), "", enc=1, data=sealed)
    return dict(opened(vault, reply) if "enc" in reply else reply)


def vault_of(site: Running) -> TokenVault:
    station = next(site.servers._all_stations())
    vault = station.api._vault  # type: ignore[attr-defined]
    assert isinstance(vault, TokenVault)
    return vault


def opened(vault: TokenVault, reply: dict[str, str]) -> dict[str, Any]:
    decryptor = vault._cipher().decryptor()
    return dict(json.loads(decryptor.update(base64.b64decode(reply["enc"])).rstrip(b"\0")))


async def test_a_whatsminer_takes_its_whole_list_at_once() -> None:
    async with running(WHATSMINER, pools=3) as site:
        assert (await privileged(site, pools_command()))["Code"] == 131
        assert site.miner().client.lines == (PoolLine(SECOND, "site.m1"),)
        assert [row["POOL"] for row in await shown(site)] == [1]


@pytest.mark.parametrize(
    "changed",
    [
        {"pool1": ""},
        {"pool1": 7},
        {"pool2": None},
        {"worker1": ""},
        {"pool3": "x" * 300, "worker3": "u"},
    ],
)
async def test_a_whatsminer_refuses_a_list_that_makes_no_sense(changed: dict[str, object]) -> None:
    async with running(WHATSMINER, pools=3) as site:
        reply = await privileged(site, pools_command(**changed))
        assert (reply["STATUS"], reply["Code"]) == ("E", 132)
        assert len(truth(site)) == 3


async def test_a_whatsminer_switched_off_for_writing_takes_nothing() -> None:
    async with running(WHATSMINER, pools=3) as site:
        site.host().writable = False
        for command in (pools_command(), {"cmd": "reboot"}):
            assert (await privileged(site, command))["Msg"] == "can't access write cmd"
        assert (len(truth(site)), site.miner().process) == (3, Process.RUNNING)
