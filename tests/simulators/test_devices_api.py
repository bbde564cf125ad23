"""The cgminer API server: framing, state behaviour, faults of the wire, bounds."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import uvloop
from hypothesis import example, given
from hypothesis import strategies as st

from agent.model.errors import PolicyError
from agent.model.topology import Family
from simulators.devices.cgminer_api import MAX_JOINED, MAX_REQUEST_BYTES, BadRequestError, parse_request
from simulators.devices.miners import MinerServers
from simulators.devices.wire_faults import Defect
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process, WireFault, WireFaultKind
from simulators.secrets import SimulatedSecrets
from simulators.virtual_time import run
from tests.simulators.devices_site import LOGINS, Running, ask, ask_raw, connect, inventory, running

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
POLL = b'{"command":"summary+pools+devs"}'


def on_virtual_time(family: Family, story: Callable[[Running], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(family) as site:
            await story(site)

    run(main(), timeout_wall_s=20)


# -- framing ---------------------------------------------------------------------------------------------------------


@EVERY_FAMILY
async def test_a_joined_command_answers_each_under_its_own_name(family: Family) -> None:
    async with running(family) as site:
        reply = await ask(site.host(), "summary+pools+devs")
        assert set(reply) == {"summary", "pools", "devs", "id"}
        for name, section in (("summary", "SUMMARY"), ("pools", "POOLS"), ("devs", "DEVS")):
            (part,) = reply[name]
            assert part["STATUS"][0]["STATUS"] == "S"
            assert part["id"] == 1
            assert part[section]


async def test_a_request_may_come_in_pieces() -> None:
    async with running(STOCK) as site:
        reader, writer = await connect(site.host())
        for byte in b'{"command":"version"}':
            writer.write(bytes((byte,)))
            await writer.drain()
        reply = await reader.read()
        writer.close()
        assert json.loads(reply.rstrip(b"\0"))["VERSION"][0]["Type"] == "Antminer S19 Pro"


async def test_bare_text_is_answered_in_text() -> None:
    async with running(STOCK) as site:
        reply = await ask_raw(site.host(), b"summary\n")
        status, summary, end = reply.split(b"|")
        assert status.startswith(b"STATUS=S,When=")
        assert summary.startswith(b"SUMMARY,Elapsed=")
        assert end == b"\0"
        pools = await ask_raw(site.host(), b"pools|\n")
        assert b"|POOL=0,URL=stratum+tcp://" in pools


async def test_text_without_an_end_is_taken_as_it_stands_when_the_client_stops_sending() -> None:
    async with running(STOCK) as site:
        reader, writer = await connect(site.host())
        writer.write(b"version")
        writer.write_eof()
        assert (await reader.read()).startswith(b"STATUS=S")
        writer.close()


@pytest.mark.parametrize("request_bytes", [b'{"command":"summary"', b"{]", b'{"command":5}'])
async def test_what_is_not_a_request_gets_an_error(request_bytes: bytes) -> None:
    async with running(STOCK) as site:
        reader, writer = await connect(site.host())
        writer.write(request_bytes)
        writer.write_eof()
        reply = json.loads((await reader.read()).rstrip(b"\0"))
        writer.close()
        assert reply["STATUS"][0]["STATUS"] == "E"
        assert reply["STATUS"][0]["Code"] in {23, 24}


async def test_stock_refuses_what_only_its_web_server_may_do() -> None:
    async with running(STOCK) as site:
        before = site.miner().process
        assert (await ask(site.host(), "restart"))["STATUS"][0]["Code"] == 45
        assert (await ask(site.host(), "no_such_thing"))["STATUS"][0]["Code"] == 14
        assert site.miner().process is before


async def test_a_request_that_never_ends_is_cut_off() -> None:
    async with running(STOCK) as site:
        with pytest.raises(ConnectionError):
            await ask_raw(site.host(), b'{"command":"' + b"x" * (2 * MAX_REQUEST_BYTES))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f'{{"command":"{text}'.encode()), st.booleans())
@example(b'{"command":' + b"[" * 30_000, True)
@example(b'{"command":"' + b"+a" * 100 + b'"}', True)
def test_no_bytes_upset_the_server(raw: bytes, whole: bool) -> None:
    with contextlib.suppress(BadRequestError):
        request = parse_request(raw, peer="127.0.0.1", whole=whole)
        assert request is None or len(request.commands) <= MAX_JOINED


@given(st.lists(st.sampled_from(["summary", "pools", "stats", "devs", "version"]), min_size=1), st.data())
def test_a_request_is_the_same_however_it_is_cut(commands: list[str], data: st.DataObject) -> None:
    raw = json.dumps({"command": "+".join(commands), "parameter": "a,b"}).encode()
    cut = data.draw(st.integers(1, len(raw) - 1))
    assert parse_request(raw[:cut], peer="", whole=False) is None
    request = parse_request(raw, peer="", whole=False)
    assert request is not None
    assert request.commands == tuple(dict.fromkeys(commands))
    assert (request.joined, request.parameter) == (len(commands) > 1, "a,b")


def test_a_connection_without_a_request_is_closed_after_ten_seconds() -> None:
    async def story(site: Running) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await connect(site.host())
        began = loop.time()
        with pytest.raises(ConnectionError):
            await reader.read()
        assert loop.time() - began == pytest.approx(10.0, abs=0.1)
        writer.close()

    on_virtual_time(STOCK, story)


def test_replies_take_their_time_from_the_seed() -> None:
    async def delays() -> list[float]:
        loop = asyncio.get_running_loop()
        async with running(STOCK, latency_s=(0.005, 0.060)) as site:
            taken = []
            for _ in range(5):
                began = loop.time()
                await ask(site.host(), "summary")
                taken.append(loop.time() - began)
        return taken

    first, second = run(delays(), timeout_wall_s=20), run(delays(), timeout_wall_s=20)
    assert first == second
    assert len(set(first)) == 5
    assert all(0.005 <= delay <= 0.0601 for delay in first)


# -- state -----------------------------------------------------------------------------------------------------------


@EVERY_FAMILY
def test_a_booting_board_refuses_and_then_answers_again(family: Family) -> None:
    async def story(site: Running) -> None:
        site.miner().reboot(asyncio.get_running_loop().time())
        await asyncio.sleep(1.5)
        with pytest.raises(ConnectionRefusedError):
            await connect(site.host())
        await asyncio.sleep(120.0)
        assert site.miner().board is Board.UP
        assert "SUMMARY" in await ask(site.host(), "summary")

    on_virtual_time(family, story)


def test_an_outage_too_short_for_the_sockets_to_follow_leaves_none_closed() -> None:
    async def story(site: Running) -> None:
        site.miner().process = Process.DEAD
        site.host().settle()
        with pytest.raises(ConnectionRefusedError):
            await connect(site.host())
        site.miner().process = Process.RUNNING
        await asyncio.sleep(1.5)
        assert "SUMMARY" in await ask(site.host(), "summary")

    on_virtual_time(Family.ANTMINER_STOCK, story)


@EVERY_FAMILY
def test_a_joined_reply_repeats_the_single_ones_and_tells_of_one_moment(family: Family) -> None:
    async def story(site: Running) -> None:
        first = await ask(site.host(), "summary+pools")
        assert first["summary"][0] == await ask(site.host(), "summary")
        assert first["pools"][0] == await ask(site.host(), "pools")
        await asyncio.sleep(30.0)
        second = await ask(site.host(), "summary+pools")
        assert second["summary"][0]["SUMMARY"][0]["Elapsed"] == first["summary"][0]["SUMMARY"][0]["Elapsed"] + 30
        for name in ("summary", "pools"):
            assert second[name][0]["STATUS"][0]["When"] == first[name][0]["STATUS"][0]["When"] + 30

    on_virtual_time(family, story)


@EVERY_FAMILY
def test_a_hung_board_takes_connections_and_never_answers(family: Family) -> None:
    async def story(site: Running) -> None:
        loop = asyncio.get_running_loop()
        site.miner().hang_board(loop.time(), draw="full")
        reader, writer = await connect(site.host())
        writer.write(POLL)
        began = loop.time()
        with pytest.raises(ConnectionError):
            await reader.read()
        assert loop.time() - began == pytest.approx(100.0, abs=1.0)
        writer.close()
        assert not site.host().connections

    on_virtual_time(family, story)


def test_a_board_that_loses_power_between_request_and_reply_says_nothing() -> None:
    async def main() -> None:
        async with running(LUXOS, latency_s=(0.05, 0.05)) as site:
            reader, writer = await connect(site.host())
            writer.write(POLL)
            await asyncio.sleep(0.02)
            site.miner().set_energised(False, asyncio.get_running_loop().time())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5.0):
                    await reader.read()
            writer.close()

    run(main(), timeout_wall_s=20)


def test_a_dead_process_closes_the_api_of_a_stock_antminer_and_leaves_its_web_server() -> None:
    async def story(site: Running) -> None:
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        await asyncio.sleep(1.5)
        with pytest.raises(ConnectionRefusedError):
            await connect(site.host())
        _, writer = await connect(site.host(), 80)
        writer.close()

    on_virtual_time(STOCK, story)


def test_a_process_that_died_this_instant_resets_the_client() -> None:
    async def story(site: Running) -> None:
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        with pytest.raises(ConnectionError):
            await ask_raw(site.host(), POLL)

    on_virtual_time(STOCK, story)


@pytest.mark.parametrize("family", [LUXOS, WHATSMINER])
async def test_a_dead_process_leaves_errors_in_place_of_telemetry(family: Family) -> None:
    async with running(family) as site:
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        single, joined = await ask(site.host(), "summary"), await ask(site.host(), "summary+pools+devs")
        assert site.miner().process is Process.DEAD
        if family is LUXOS:
            assert single["STATUS"][0]["STATUS"] == "E"
            assert [joined[name][0]["STATUS"][0]["STATUS"] for name in ("summary", "pools", "devs")] == ["E"] * 3
            assert (await ask(site.host(), "version"))["STATUS"][0]["STATUS"] == "S"
        else:
            assert (single["STATUS"], joined["STATUS"]) == ("E", "E")
            assert (await ask(site.host(), "get_version"))["STATUS"] == "S"


# -- faults of the wire ----------------------------------------------------------------------------------------------


def spoil(site: Running, kind: WireFaultKind, *defects: Defect) -> None:
    site.miner().wire = WireFault(kind)
    site.host().defects = defects or tuple(Defect)


def test_a_silent_wire_takes_and_keeps() -> None:
    async def story(site: Running) -> None:
        spoil(site, WireFaultKind.SILENT)
        for port in (4028, 80):
            reader, writer = await connect(site.host(), port)
            writer.write(POLL)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60.0):
                    await reader.read()
            writer.close()
        site.miner().wire = None
        assert "SUMMARY" in await ask(site.host(), "summary")

    on_virtual_time(STOCK, story)


async def test_a_dropping_wire_breaks_off_in_the_middle() -> None:
    async with running(STOCK) as site:
        spoil(site, WireFaultKind.DROP)
        with pytest.raises(ConnectionError):
            await ask_raw(site.host(), POLL)


async def test_a_dropping_wire_may_spare_some() -> None:
    async with running(STOCK) as site:
        site.miner().wire = WireFault(WireFaultKind.DROP, 0.5)
        outcomes = []
        for _ in range(30):
            try:
                outcomes.append((await ask_raw(site.host(), b'{"command":"version"}')).endswith(b"\0"))
            except ConnectionError:
                outcomes.append(False)
        assert {True, False} == set(outcomes)


async def spoilt(family: Family, defect: Defect) -> bytes:
    async with running(family) as site:
        spoil(site, WireFaultKind.GARBAGE, defect)
        return await ask_raw(site.host(), b'{"command":"summary+stats+pools"}' if family is not WHATSMINER else POLL)


@EVERY_FAMILY
@pytest.mark.parametrize("defect", [Defect.MISSING_COMMA, Defect.TRUNCATED, Defect.NAN])
async def test_garbage_is_not_json(family: Family, defect: Defect) -> None:
    reply = await spoilt(family, defect)
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.rstrip(b"\0"))


@EVERY_FAMILY
async def test_the_closing_nul_can_be_missing(family: Family) -> None:
    reply = await spoilt(family, Defect.NO_NUL)
    assert json.loads(reply)["summary"]


@EVERY_FAMILY
async def test_a_dead_board_leaves_empty_strings(family: Family) -> None:
    reply = json.loads((await spoilt(family, Defect.EMPTY_STRINGS)).rstrip(b"\0"))
    if family is WHATSMINER:
        assert reply["devs"][0]["DEVS"][1]["MHS 5s"] == ""
        assert reply["devs"][0]["DEVS"][0]["MHS 5s"] > 0
    else:
        stats = reply["stats"][0]["STATS"][1]
        assert (stats["chain_rate2"], stats["temp_chip2"]) == ("", "")
        assert float(stats["chain_rate1"]) > 0


@EVERY_FAMILY
async def test_a_byte_is_not_utf8(family: Family) -> None:
    reply = await spoilt(family, Defect.LATIN1)
    with pytest.raises(UnicodeDecodeError):
        reply.decode()
    assert json.loads(reply.rstrip(b"\0").decode("latin-1"))["pools"][0]["POOLS"][0]["User"].startswith("caf\xe9")


async def test_a_reply_can_be_huge() -> None:
    assert 9_990_000 < len(await spoilt(STOCK, Defect.HUGE)) < 10_100_000


def test_a_reply_can_be_endless_but_not_for_ever() -> None:
    async def story(site: Running) -> None:
        spoil(site, WireFaultKind.GARBAGE, Defect.ENDLESS)
        reader, writer = await connect(site.host())
        writer.write(POLL)
        assert len(await reader.readexactly(1_000_000)) == 1_000_000
        with pytest.raises(ConnectionError):
            await reader.read()
        assert not site.host().connections
        writer.close()

    on_virtual_time(STOCK, story)


async def test_garbage_comes_in_turns() -> None:
    async with running(STOCK) as site:
        spoil(site, WireFaultKind.GARBAGE, Defect.NO_NUL, Defect.TRUNCATED)
        replies = [(await ask_raw(site.host(), POLL)) for _ in range(4)]
        for whole in replies[0::2]:
            assert json.loads(whole)["summary"]
        for part in replies[1::2]:
            with pytest.raises(json.JSONDecodeError):
                json.loads(part)


async def test_garbage_spares_control_and_identification() -> None:
    async with running(LUXOS) as site:
        spoil(site, WireFaultKind.GARBAGE)
        assert (await ask(site.host(), "logon"))["SESSION"][0]["SessionID"]
        assert (await ask(site.host(), "version"))["VERSION"]


# -- many, and none --------------------------------------------------------------------------------------------------


async def test_connections_a_miner_holds_are_bounded() -> None:
    async with running(STOCK) as site:
        writers = [(await connect(site.host()))[1] for _ in range(70)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(site.host().connections) <= 64
        for writer in writers:
            writer.close()


async def test_two_miners_on_one_loopback_address_are_refused_by_name() -> None:
    site = inventory(STOCK, LUXOS)
    first, second = site.miners
    double = replace(second, host=first.host.replace("10.", "11.", 1))
    plant = SitePlant(replace(site, miners=(first, double)), seed=1)
    servers = MinerServers(plant, SimulatedSecrets(1), LOGINS)
    with pytest.raises(PolicyError, match=first.host):
        await servers.start()


def test_everything_works_on_the_production_loop_too() -> None:
    async def main() -> None:
        async with running(STOCK) as site:
            assert "SUMMARY" in await ask(site.host(), "summary")
            site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
            with pytest.raises(ConnectionError):
                await ask_raw(site.host(), POLL)
            _, writer = await connect(site.host(), 80)
            writer.close()

    uvloop.run(main())


async def test_stopping_leaves_no_socket_behind() -> None:
    async with running(STOCK, LUXOS, WHATSMINER) as site:
        reader, writer = await connect(site.host())
        addresses = [site.host(n).spec.host for n in (1, 2, 3)]
    with pytest.raises(ConnectionError):
        await reader.read()
    writer.close()
    for address in addresses:
        with socket.create_server(("127" + address[2:], 4028)):
            pass


def test_a_secret_is_stable_long_and_its_own() -> None:
    secrets = SimulatedSecrets(7)
    assert secrets.get("a") == SimulatedSecrets(7).get("a")
    assert len({secrets.get("a"), secrets.get("b"), SimulatedSecrets(8).get("a")}) == 3
    assert len(secrets.get("a")) >= 16
    assert secrets.get("a").isalnum()
