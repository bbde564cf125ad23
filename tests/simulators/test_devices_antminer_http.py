"""The stock Antminer's web server, with httpx as an independent client: login, configuration, reboot, bounds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.model.topology import Family
from simulators.devices.antminer_http import MAX_BODY_BYTES
from simulators.devices.antminer_pages import FACTORY_SETTINGS, AntminerPages
from simulators.devices.digest import NONCE_S, DigestGuard, Verdict
from simulators.loopback import loopback_endpoint
from simulators.plant.state import Board, Process
from simulators.virtual_time import run
from tests.simulators.devices_site import Running, ask, connect, running

STOCK = Family.ANTMINER_STOCK
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
JSON = st.dictionaries(st.sampled_from([*FACTORY_SETTINGS, "miner-mode", "pools", "other"]), VALUES)


@asynccontextmanager
async def browser(
    site: Running, *, password: str | None = None, user: str = "root"
) -> AsyncIterator[httpx.AsyncClient]:
    address, port = loopback_endpoint(site.host().spec.host, 80)
    auth = httpx.DigestAuth(user, site.password(STOCK) if password is None else password)
    async with httpx.AsyncClient(base_url=f"http://{address}:{port}/cgi-bin/", auth=auth, trust_env=False) as client:
        yield client


# -- login -------------------------------------------------------------------------------------------------------------


async def test_a_page_wants_the_password_and_checks_it() -> None:
    async with running(STOCK) as site:
        async with browser(site) as client:
            answer = await client.get("get_system_info.cgi")
        assert answer.status_code == 200
        assert answer.json()["minertype"] == "Antminer S19 Pro"
        for wrong in ({"password": "root"}, {"user": "admin"}):
            async with browser(site, **wrong) as client:
                assert (await client.get("get_system_info.cgi")).status_code == 401


async def test_without_login_every_page_challenges_in_the_antminers_realm() -> None:
    async with running(STOCK) as site:
        address, port = loopback_endpoint(site.host().spec.host, 80)
        async with httpx.AsyncClient(trust_env=False) as client:
            for path in ("/", "/cgi-bin/get_miner_conf.cgi", "/kaonsu/v1/brief"):
                answer = await client.get(f"http://{address}:{port}{path}")
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith('Digest realm="antMiner Configuration"')
                assert 'qop="auth"' in answer.headers["www-authenticate"]
            plain = await client.get(f"http://{address}:{port}/", auth=("root", site.password(STOCK)))
            assert plain.status_code == 401


def test_a_login_for_one_page_is_not_one_for_another_and_a_nonce_ages() -> None:
    now = [1000.0]
    guard = DigestGuard("r", "root", "secret", b"key", lambda: now[0])
    auth = httpx.DigestAuth("root", "secret")
    request = httpx.Request("GET", "http://x/a")
    flow = auth.auth_flow(request)
    next(flow)
    challenge = {"www-authenticate": guard.challenge()}
    authorised = flow.send(httpx.Response(401, headers=challenge, request=request)).headers["authorization"]
    assert guard.verify("GET", "/a", authorised) is Verdict.ADMITTED
    assert guard.verify("GET", "/b", authorised) is Verdict.DENIED
    assert guard.verify("POST", "/a", authorised) is Verdict.DENIED
    assert guard.verify("GET", "/a", authorised.replace('nonce="', 'nonce="f', 1)) is Verdict.DENIED
    now[0] += NONCE_S + 1.0
    assert guard.verify("GET", "/a", authorised) is Verdict.STALE


def test_a_client_that_keeps_its_nonce_is_asked_anew_and_served() -> None:
    async def main() -> None:
        async with running(STOCK) as site, browser(site) as client:
            assert (await client.get("summary.cgi")).status_code == 200
            await asyncio.sleep(2 * NONCE_S)
            assert (await client.get("summary.cgi")).status_code == 200

    run(main(), timeout_wall_s=20)


# -- configuration -----------------------------------------------------------------------------------------------------


async def test_what_was_read_can_be_written_back_unchanged_and_restarts_the_process() -> None:
    async with running(STOCK) as site, browser(site) as client:
        conf = (await client.get("get_miner_conf.cgi")).json()
        answer = await client.post("set_miner_conf.cgi", json=conf)
        assert answer.json() == {"stats": "success", "code": "M000", "msg": "OK!"}
        assert (await client.get("get_miner_conf.cgi")).json() == conf
        assert site.miner().process is Process.STARTING
        assert (await ask(site.host(), "summary"))["SUMMARY"][0]["Elapsed"] < 60


async def test_every_changed_key_is_kept() -> None:
    async with running(STOCK) as site, browser(site) as client:
        conf = (await client.get("get_miner_conf.cgi")).json()
        conf |= {"bitmain-fan-ctrl": True, "bitmain-fan-pwm": "80", "bitmain-freq": "500", "bitmain-pwth": "3"}
        conf["pools"][1] = {"url": "stratum+tcp://second.example.com:3333", "user": "u.1", "pass": "p"}
        await client.post("set_miner_conf.cgi", json=conf)
        assert (await client.get("get_miner_conf.cgi")).json() == conf
        assert len((await ask(site.host(), "pools"))["POOLS"]) == 2


async def test_the_page_of_the_firmware_itself_posts_other_names() -> None:
    async with running(STOCK) as site, browser(site) as client:
        pools = (await client.get("get_miner_conf.cgi")).json()["pools"]
        posted = {"miner-mode": 0, "freq-level": "90", "bitmain-fan-ctrl": False, "pools": pools}
        assert (await client.post("set_miner_conf.cgi", json=posted)).json()["code"] == "M000"
        conf = (await client.get("get_miner_conf.cgi")).json()
        assert (conf["bitmain-work-mode"], conf["bitmain-freq-level"]) == ("0", "90")


async def test_a_client_that_leaves_out_the_pools_loses_them() -> None:
    async with running(STOCK) as site, browser(site) as client:
        conf = (await client.get("get_miner_conf.cgi")).json()
        del conf["pools"]
        assert (await client.post("set_miner_conf.cgi", json=conf)).json()["code"] == "M000"
        assert (await client.get("get_miner_conf.cgi")).json()["pools"] == []
        assert (await ask(site.host(), "pools"))["POOLS"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"bitmain-fan-pwm": "101"},
        {"bitmain-fan-pwm": "fast"},
        {"bitmain-fan-ctrl": "yes"},
        {"miner-mode": 7},
        {"pools": "none"},
        {"pools": [{"url": 5, "user": "u", "pass": "p"}]},
        {"pools": [{}, {}, {}, {}]},
        {"pools": [{"url": "x" * 300, "user": "u", "pass": "p"}]},
    ],
)
async def test_a_configuration_that_makes_no_sense_changes_nothing(change: dict[str, object]) -> None:
    async with running(STOCK) as site, browser(site) as client:
        conf = (await client.get("get_miner_conf.cgi")).json()
        answer = await client.post("set_miner_conf.cgi", json=conf | change)
        assert answer.json()["stats"] == "error"
        assert (await client.get("get_miner_conf.cgi")).json() == conf
        assert site.miner().process is Process.RUNNING


async def test_a_body_that_is_no_json_changes_nothing() -> None:
    async with running(STOCK) as site, browser(site) as client:
        for body in (b"pools=none", b"\xff\xfe", b"[]", b""):
            assert (await client.post("set_miner_conf.cgi", content=body)).json()["code"] == "M001"
        assert site.miner().process is Process.RUNNING


@given(st.binary(max_size=300) | JSON.map(lambda body: json.dumps(body).encode()))
@example(b'{"pools":' + b"[" * 30_000)
@example(b'{"bitmain-freq":' + b"9" * 5_000 + b"}")
async def test_no_body_upsets_the_page(body: bytes) -> None:
    async with running(STOCK) as site:
        pages = AntminerPages(site.host(), site.plant.images)
        page = pages.post("/cgi-bin/set_miner_conf.cgi", body)
        assert json.loads(page.body)["code"] in {"M000", "M001"}
        assert set(json.loads(pages.get("/cgi-bin/get_miner_conf.cgi").body)) == {*FACTORY_SETTINGS, "pools"}


async def test_work_mode_one_is_sleep() -> None:
    async with running(STOCK) as site, browser(site) as client:
        conf = (await client.get("get_miner_conf.cgi")).json()
        await client.post("set_miner_conf.cgi", json=conf | {"bitmain-work-mode": "1"})
        assert site.miner().suspended
        await client.post("set_miner_conf.cgi", json=conf)
        assert not site.miner().suspended


# -- control and pages -------------------------------------------------------------------------------------------------


async def test_reboot_reboots_and_the_page_is_gone() -> None:
    async with running(STOCK) as site, browser(site) as client:
        assert (await client.get("reboot.cgi")).status_code == 200
        assert site.miner().board is Board.BOOTING
        for port in (80, 4028):
            with pytest.raises(ConnectionRefusedError):
                await connect(site.host(), port)


async def test_the_lamp_blinks_on_demand() -> None:
    async with running(STOCK) as site, browser(site) as client:
        assert (await client.get("get_blink_status.cgi")).json() == {"blink": False}
        assert (await client.post("blink.cgi", json={"blink": "true"})).json() == {"code": "B000"}
        assert (await client.get("get_blink_status.cgi")).json() == {"blink": True}
        assert (await client.post("blink.cgi", json={"blink": "false"})).json() == {"code": "B100"}


async def test_pages_agree_with_the_api() -> None:
    async with running(STOCK) as site, browser(site) as client:
        api = (await ask(site.host(), "summary"))["SUMMARY"][0]
        summary = (await client.get("summary.cgi")).json()["SUMMARY"][0]
        stats = (await client.get("stats.cgi")).json()["STATS"][0]
        pools = (await client.get("pools.cgi")).json()["POOLS"]
        assert summary["elapsed"] == pytest.approx(api["Elapsed"], abs=1)
        assert summary["rate_avg"] == pytest.approx(api["GHS av"], rel=1e-3)
        assert [chain["asic_num"] for chain in stats["chain"]] == [114, 114, 114]
        assert sum(chain["rate_real"] for chain in stats["chain"]) == pytest.approx(stats["rate_5s"], rel=0.01)
        assert (pools[0]["status"], pools[0]["user"]) == ("Alive", "site.m1")


async def test_pages_stay_while_the_process_is_dead_and_show_nothing() -> None:
    async with running(STOCK) as site, browser(site) as client:
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        assert (await client.get("summary.cgi")).json()["SUMMARY"] == []
        assert (await client.get("get_miner_conf.cgi")).status_code == 200


async def test_what_is_not_there_is_not_found() -> None:
    async with running(STOCK) as site, browser(site) as client:
        assert (await client.get("summary")).status_code == 404
        assert (await client.post("upgrades.cgi", content=b"x")).status_code == 404
        assert (await client.put("set_miner_conf.cgi", json={})).status_code == 405


# -- bounds ------------------------------------------------------------------------------------------------------------


async def test_several_requests_share_a_connection() -> None:
    async with running(STOCK) as site, browser(site) as client:
        for _ in range(3):
            await client.get("summary.cgi")
            assert len(site.host().connections) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    ],
)
async def test_malformed_and_oversized_requests_are_refused(request_bytes: bytes, status: int) -> None:
    async with running(STOCK) as site:
        reader, writer = await connect(site.host(), 80)
        writer.write(request_bytes)
        assert (await reader.readline()).startswith(b"HTTP/1.1 %d" % status)
        writer.close()


def test_a_client_that_says_nothing_is_closed() -> None:
    async def main() -> None:
        async with running(STOCK) as site:
            loop = asyncio.get_running_loop()
            for opening in (b"", b"POST /cgi-bin/set_miner_conf.cgi HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
                began = loop.time()
                reader, writer = await connect(site.host(), 80)
                writer.write(opening)
                assert await reader.read() == b""
                assert loop.time() - began == pytest.approx(10.0, abs=0.1)
                writer.close()

    run(main(), timeout_wall_s=20)
