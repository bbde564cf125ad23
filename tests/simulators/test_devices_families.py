"""What each family says: documented field names and types, the oddities, and agreement with the plant."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.model.topology import Family
from simulators.plant.state import Board, Process
from simulators.virtual_time import run
from tests.simulators.devices_site import Running, ask, running

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
NUMBER = (int, float)

STOCK_STATS = {
    "Elapsed": int, "GHS 5s": float, "GHS av": float, "rate_30m": float, "fan_num": int, "fan1": int, "fan4": int,
    "temp_num": int, "chain_acn1": int, "chain_acs1": str, "chain_rate1": str, "chain_rate4": str, "temp_chip1": str,
    "temp_pcb3": str, "temp_chip4": str, "chain_hw1": int, "total_rateideal": float, "rate_unit": str, "miner_id": str,
    "total_acn": int, "frequency": int, "no_matching_work": int,
}  # fmt: skip
WHATSMINER_SUMMARY = {
    "Elapsed": int, "MHS av": float, "MHS 5s": float, "MHS 1m": float, "MHS 15m": float, "HS RT": float,
    "Accepted": int, "Rejected": int, "Hardware Errors": int, "Total MH": float, "Temperature": float,
    "Fan Speed In": int, "Fan Speed Out": int, "Power": int, "Power Mode": str, "Power Limit": int, "Factory GHS": int,
    "Target MHS": int, "Uptime": int, "Hash Stable": bool, "Error Code Count": int, "Chip Temp Max": float,
    "Firmware Version": str, "MAC": str,
}  # fmt: skip
LUXOS_SUMMARY = {
    "Accepted": int, "Elapsed": int, "GHS 5s": float, "GHS 1m": float, "GHS 5m": float, "GHS 15m": float,
    "GHS 30m": float, "GHS av": float, "Total MH": float, "Difficulty Accepted": int, "Rejected": int, "Stale": int,
}  # fmt: skip
POOL = {
    "POOL": int, "URL": str, "User": str, "Status": str, "Priority": int, "Accepted": int, "Rejected": int,
    "Stale": int, "Get Failures": int, "Remote Failures": int, "Stratum Active": bool, "Stratum URL": str,
    "Difficulty Accepted": NUMBER, "Last Share Difficulty": NUMBER,
}  # fmt: skip


def check_types(reply: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, kind in wanted.items():
        assert isinstance(reply[name], kind), f"{name}: {reply[name]!r}"


# -- stock Antminer ----------------------------------------------------------------------------------------------------


async def test_stock_fields_and_oddities() -> None:
    async with running(STOCK) as site:
        reading = site.miner().readings(site.plant.now)
        stats = (await ask(site.host(), "stats"))["STATS"]
        pools = (await ask(site.host(), "pools"))["POOLS"]
        devs = (await ask(site.host(), "devs"))["DEVS"]
        check_types(stats[1], STOCK_STATS)
        assert (stats[1]["chain_rate4"], stats[1]["chain_acs4"], stats[1]["temp_chip4"]) == ("", "", "0-0-0-0")
        assert re.fullmatch(r"( ooo)+", stats[1]["chain_acs1"])
        assert re.fullmatch(r"\d+-\d+-\d+-\d+", stats[1]["temp_chip1"])
        check_types(pools[0], POOL)
        assert "Pool Stale%%" in pools[0]
        assert "Pool Stale%" not in pools[0]
        assert pools[0]["Last Share Time"] == "0"
        assert devs[0]["Tenperature"] == 0.0
        assert stats[1]["total_rateideal"] == reading.target_gh


@pytest.mark.parametrize(("family", "scale"), [(STOCK, 1000.0), (WHATSMINER, 1000.0)])
async def test_total_mh_counts_work(family: Family, scale: float) -> None:
    async with running(family) as site:
        summary = (await ask(site.host(), "summary"))["SUMMARY"][0]
        assert summary["Total MH"] == pytest.approx(site.miner().readings(site.plant.now).work_gh * scale, rel=1e-6)


def test_a_stopped_stock_antminer_keeps_its_averages_and_loses_its_chips() -> None:
    async def main() -> None:
        async with running(STOCK) as site:
            await asyncio.sleep(60.0)
            before = (await ask(site.host(), "stats"))["STATS"][1]
            site.miner().stop_hashing(asyncio.get_running_loop().time())
            await asyncio.sleep(300.0)
            after = (await ask(site.host(), "stats"))["STATS"][1]
            pool = (await ask(site.host(), "pools"))["POOLS"][0]
            assert after["GHS 5s"] < 1.0
            assert after["rate_30m"] == pytest.approx(before["rate_30m"], rel=0.01)
            assert after["Elapsed"] == before["Elapsed"] + 300
            assert set(after["chain_acs1"]) == {" ", "x"}
            assert after["chain_rate1"] == "0.00"
            assert (pool["Status"], pool["Last Share Time"][:4]) == ("Alive", "0:05")

    run(main(), timeout_wall_s=20)


# -- LuxOS -------------------------------------------------------------------------------------------------------------


async def test_luxos_fields_and_oddities() -> None:
    async with running(LUXOS) as site:
        summary = (await ask(site.host(), "summary"))["SUMMARY"][0]
        check_types(summary, LUXOS_SUMMARY)
        assert summary["Total MH"] == pytest.approx(summary["GHS av"] * 1000.0, rel=1e-6)
        pool = (await ask(site.host(), "pools"))["POOLS"][0]
        check_types(pool, POOL)
        assert re.fullmatch(r"\d\d+:\d\d:\d\d", pool["Last Share Time"])
        stats = (await ask(site.host(), "stats"))["STATS"][1]
        assert stats["chain_rate4"] == "0"
        assert float(stats["chain_rate1"]) > 0
        config = (await ask(site.host(), "config"))["CONFIG"][0]
        assert (config["OS"], config["Model"], config["IsPowerSupplyOn"]) == ("LuxOS", "Antminer S19k Pro", True)
        for command, section in (
            ("power", "POWER"), ("temps", "TEMPS"), ("fans", "FANS"), ("groups", "GROUPS"), ("profiles", "PROFILES"),
            ("tempctrl", "TEMPCTRL"), ("devs", "DEVS"), ("atm", "ATM"),
        ):  # fmt: skip
            assert (await ask(site.host(), command))[section]
        assert (await ask(site.host(), "events"))["EVENTS"] == []


async def logged_on(site: Running) -> str:
    return str((await ask(site.host(), "logon"))["SESSION"][0]["SessionID"])


async def test_luxos_control_wants_the_live_session() -> None:
    async with running(LUXOS) as site:
        for parameter in ("", "wrong"):
            refused = await ask(site.host(), "rebootdevice", parameter=parameter)
            assert refused["STATUS"][0]["STATUS"] == "E"
        session = await logged_on(site)
        assert (await ask(site.host(), "session"))["SESSION"][0]["SessionID"] == session
        assert (await ask(site.host(), "logon"))["STATUS"][0]["STATUS"] == "E"
        assert (await ask(site.host(), "logoff", parameter=session))["STATUS"][0]["STATUS"] == "S"
        assert (await ask(site.host(), "session"))["SESSION"][0]["SessionID"] == ""
        assert (await ask(site.host(), "resetminer", parameter=session))["STATUS"][0]["STATUS"] == "E"
        assert (site.miner().board, site.miner().process) == (Board.UP, Process.RUNNING)


def test_a_luxos_session_ends_after_a_minute_without_use() -> None:
    async def main() -> None:
        async with running(LUXOS) as site:
            session = await logged_on(site)
            await asyncio.sleep(50.0)
            assert (await ask(site.host(), "ledset", parameter=f"{session},red,blink"))["STATUS"][0]["STATUS"] == "S"
            await asyncio.sleep(50.0)
            assert (await ask(site.host(), "session"))["SESSION"][0]["SessionID"] == session
            await asyncio.sleep(20.0)
            assert (await ask(site.host(), "resetminer", parameter=session))["STATUS"][0]["STATUS"] == "E"
            assert await logged_on(site) != session

    run(main(), timeout_wall_s=20)


async def test_luxos_restarts_reboots_sleeps_and_wakes() -> None:
    async with running(LUXOS) as site:
        session = await logged_on(site)
        await ask(site.host(), "curtail", parameter=f"{session},sleep")
        assert site.miner().suspended
        assert (await ask(site.host(), "events"))["EVENTS"][0]["Code"] == "SLEEP"
        await ask(site.host(), "curtail", parameter=f"{session},wakeup")
        assert not site.miner().suspended
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        assert (await ask(site.host(), "resetminer", parameter=session))["STATUS"][0]["STATUS"] == "S"
        assert site.miner().process is Process.STARTING
        session = await logged_on(site)
        assert (await ask(site.host(), "rebootdevice", parameter=session))["STATUS"][0]["STATUS"] == "S"
        assert site.miner().board is Board.BOOTING


# -- Whatsminer --------------------------------------------------------------------------------------------------------


async def test_whatsminer_fields_and_both_forms() -> None:
    async with running(WHATSMINER) as site:
        summary = (await ask(site.host(), "summary"))["SUMMARY"][0]
        check_types(summary, WHATSMINER_SUMMARY)
        pool = (await ask(site.host(), "pools"))["POOLS"][0]
        check_types(pool, POOL)
        assert pool["POOL"] == 1
        assert pool["Last Share Time"] == 0
        boards = (await ask(site.host(), "devs"))["DEVS"]
        assert [board["Upfreq Complete"] for board in boards] == [1, 1, 1]
        assert sum(board["MHS 5s"] for board in boards) == pytest.approx(summary["MHS 5s"], rel=0.05)
        details = (await ask(site.host(), "devdetails"))["DEVDETAILS"]
        assert (details[0]["Model"], details[0]["Driver"]) == ("M50S_VJ30", "bitmicro")
        for command in ("get_version", "get_psu", "get_miner_info", "get_error_code", "status"):
            flat = await ask(site.host(), command)
            assert set(flat) == {"STATUS", "When", "Code", "Msg", "Description"}
            assert (flat["STATUS"], flat["Code"]) == ("S", 131)
        assert (await ask(site.host(), "summary+get_version"))["Code"] == 14
        assert (await ask(site.host(), "version"))["Msg"] == "invalid cmd"
        assert (await ask(site.host(), "status"))["Msg"]["btmineroff"] == "false"


# -- against what real miners said -------------------------------------------------------------------------------------

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="captured replies are not here")
@pytest.mark.parametrize(
    ("family", "folder", "commands"),
    [
        (STOCK, "antminer-v2020", ("summary", "stats", "pools", "devs", "version")),
        (LUXOS, "luxminer-v1", ("summary", "stats", "pools", "power", "temps", "fans", "version")),
        (WHATSMINER, "whatsminer-v1", ("summary", "pools", "devs")),
    ],
)
async def test_types_are_those_of_captured_replies(family: Family, folder: str, commands: tuple[str, ...]) -> None:
    async with running(family) as site:
        for command in commands:
            captured = json.loads((CAPTURES / folder / f"{command}.json").read_text())
            reply = await ask(site.host(), command)
            assert set(captured) == set(reply)
            for section, items in captured.items():
                if isinstance(items, list):
                    same_types(items[-1], reply[section][-1], f"{family} {command} {section}")


def same_types(captured: dict[str, Any], ours: dict[str, Any], where: str) -> None:
    for key in captured.keys() & ours.keys():
        numbers = isinstance(captured[key], NUMBER) and not isinstance(captured[key], bool)
        assert isinstance(ours[key], NUMBER if numbers else type(captured[key])), f"{where} {key}"
    missing = captured.keys() - ours.keys()
    assert len(missing) < len(captured) / 4, f"{where}: too little of it: {sorted(missing)}"
