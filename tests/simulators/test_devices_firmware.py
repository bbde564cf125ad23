"""Firmware over HTTP and over port 4028: uploads, refusals, versions, crash codes and logs, as each family has them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from agent.model.ids import ImageId
from agent.model.topology import Family
from simulators.devices.antminer_upgrade import uploaded
from simulators.faults import FAULT_KINDS
from simulators.loopback import loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.flash import Phase
from simulators.plant.image import Image, model_key
from simulators.plant.state import Board
from simulators.virtual_time import run
from tests.simulators.devices_site import Running, ask, connect, running
from tests.simulators.test_devices_whatsminer_token import Client

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
TIERS = pytest.mark.parametrize("on", [run, run_memory], ids=["wire", "memory"])
TARGET = "miner:m1"
IMAGE = bytes(range(256)) * 400
VERSION = "2026.7"

Story = Callable[[Running], Awaitable[None]]


def played(family: Family, story: Story, on: Callable[..., Any] = run_memory, *, pools: int = 0) -> None:
    async def main() -> None:
        async with running(family, pools=pools) as site:
            await story(site)

    on(main(), timeout_wall_s=60.0)


def allow_image(site: Running, **differs: Any) -> None:
    m, shelf = site.miner(), site.plant.images
    fits = Image(
        "good", m.spec.family, VERSION, frozenset({model_key(m.spec.model)}), frozenset({m.system.control_board})
    )
    shelf.put(ImageId(shelf.of(IMAGE).name), replace(fits, **differs))


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def browser(site: Running) -> AsyncIterator[httpx.AsyncClient]:
    address, port = loopback_endpoint(site.host().spec.host, 80)
    auth = httpx.DigestAuth("root", site.password(STOCK))
    url = f"http://{address}:{port}/cgi-bin/"
    async with httpx.AsyncClient(base_url=url, auth=auth, trust_env=False, timeout=600.0) as client:
        yield client


# -- stock Antminer ----------------------------------------------------------------------------------------------------


@TIERS
@pytest.mark.parametrize(("page", "keeps"), [("upgrade.cgi", True), ("upgrade_clear.cgi", False)])
def test_a_signed_image_is_written_while_the_request_lasts(page: str, keeps: bool, on: Callable[..., Any]) -> None:
    async def story(site: Running) -> None:
        allow_image(site)
        lines = site.miner().client.lines
        async with browser(site) as client:
            assert (await client.get("miner_type.cgi")).json()["subtype"] == "ZYNQCtrl_BHB42601"
            began = now()
            answer = await client.post(page, files={"firmware": ("update.bmu", IMAGE)})
        assert answer.json()["stats"] == "success"
        assert now() - began > 60.0
        await asyncio.sleep(5.0)
        assert site.miner().board is Board.BOOTING
        await asyncio.sleep(300.0)
        assert (await ask(site.host(), "version"))["VERSION"][0]["Miner"] == VERSION
        assert site.miner().client.lines == (lines if keeps else ())
        assert site.miner().healthy is keeps

    played(STOCK, story, on, pools=2)


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"signed": False}, "signature"),
        ({"whole": False}, "signature"),
        ({"models": frozenset({"s21"})}, "not for this machine"),
        (None, "signature"),
    ],
)
def test_an_image_that_is_not_the_makers_or_not_for_it_is_refused(differs: dict[str, Any] | None, words: str) -> None:
    async def story(site: Running) -> None:
        if differs is not None:
            allow_image(site, **differs)
        async with browser(site) as client:
            answer = await client.post("upgrade.cgi", files={"firmware": ("update.bmu", IMAGE)})
        assert answer.json()["stats"] == "error"
        assert words in answer.json()["msg"]
        assert site.miner().healthy
        assert [flash.phase for flash in site.plant.journal.flashes] == [Phase.REFUSED]

    played(STOCK, story)


def test_a_form_without_an_image_is_refused_and_nothing_begins() -> None:
    async def story(site: Running) -> None:
        async with browser(site) as client:
            for form in ({"files": {"other": b"x"}}, {"content": b"x"}, {"data": {"firmware": ""}}):
                answer = await client.post("upgrade.cgi", **form)  # type: ignore[arg-type]
                assert answer.json()["stats"] == "error"
        assert site.plant.journal.flashes == []

    played(STOCK, story)


def test_a_client_that_goes_away_does_not_stop_the_flash() -> None:
    async def story(site: Running) -> None:
        allow_image(site)
        async with browser(site) as client:
            with pytest.raises(httpx.TimeoutException):
                await client.post("upgrade.cgi", files={"firmware": ("u", IMAGE)}, timeout=20.0)
        await asyncio.sleep(600.0)
        assert site.miner().system.version == VERSION

    played(STOCK, story)


@given(st.text(max_size=80), st.binary(max_size=400))
def test_no_form_upsets_the_page(content_type: str, body: bytes) -> None:
    uploaded(content_type, body)
    uploaded("multipart/form-data; boundary=x", b"--x" + body)


def test_a_crash_is_in_a_stock_antminers_logs() -> None:
    async def story(site: Running) -> None:
        FAULT_KINDS["miner.boot_loop"].inject(site.plant, TARGET, now())
        await asyncio.sleep(100.0)
        async with browser(site) as client:
            assert "ERROR_SOC_INIT" in (await client.get("log.cgi")).text
            assert "Linux version" in (await client.get("get_kernel_log.cgi")).text

    played(STOCK, story)


# -- Whatsminer --------------------------------------------------------------------------------------------------------


async def announced(site: Running) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Announce an image; return what came back and the connection."""
    client = await Client(site).log_on()
    plain = json.dumps({"token": client._sign, "cmd": "update_firmware"}).encode()
    plain += b"\0" * (-len(plain) % 16)
    cipher = Cipher(algorithms.AES(client._key), modes.ECB())
    encryptor, decryptor = cipher.encryptor(), cipher.decryptor()
    data = base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
    reader, writer = await connect(site.host())
    writer.write(json.dumps({"enc": 1, "data": data}).encode())
    reply = json.loads((await reader.readuntil(b"\0"))[:-1])
    if "enc" in reply:
        reply = json.loads(decryptor.update(base64.b64decode(reply["enc"])).rstrip(b"\0"))
    return reply["Msg"], reader, writer


@TIERS
def test_a_whatsminer_takes_an_image_on_the_same_connection(on: Callable[..., Any]) -> None:
    async def story(site: Running) -> None:
        allow_image(site)
        said, reader, writer = await announced(site)
        assert said == "ready"
        writer.write(len(IMAGE).to_bytes(4, "little") + IMAGE)
        assert await reader.read() == b""
        writer.close()
        await asyncio.sleep(600.0)
        version = (await ask(site.host(), "get_version"))["Msg"]
        assert (version["fw_ver"], version["platform"]) == (VERSION, "H6OS")
        assert (await ask(site.host(), "summary"))["SUMMARY"][0]["Firmware Version"] == f"'{VERSION}'"

    played(WHATSMINER, story, on)


@pytest.mark.parametrize("sent", [0, 3, 4, 5, len(IMAGE), len(IMAGE) + 3])
def test_an_upload_that_stops_short_changes_nothing(sent: int) -> None:
    async def story(site: Running) -> None:
        allow_image(site)
        _, reader, writer = await announced(site)
        writer.write((len(IMAGE).to_bytes(4, "little") + IMAGE)[:sent])
        if sent % 2:
            writer.close()
        else:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        await asyncio.sleep(60.0)
        assert site.plant.journal.flashes == []
        assert site.miner().healthy

    played(WHATSMINER, story)


def test_a_whatsminer_that_may_not_be_written_to_takes_no_image() -> None:
    async def story(site: Running) -> None:
        site.host().writable = False
        said, _, writer = await announced(site)
        assert said == "can't access write cmd"
        writer.close()

    played(WHATSMINER, story)


@pytest.mark.parametrize(
    ("kind", "code"), [("miner.crash_code", "710"), ("miner.boot_loop", "710"), ("miner.crash_loop", "902")]
)
def test_a_whatsminers_crash_code_stands_for_half_an_hour(kind: str, code: str) -> None:
    async def story(site: Running) -> None:
        FAULT_KINDS[kind].inject(site.plant, TARGET, now())
        await asyncio.sleep(120.0)
        summary = (await ask(site.host(), "summary"))["SUMMARY"][0]
        assert (summary["Error Code Count"], summary["Error Code 0"]) == (1, int(code))
        ((told,),) = [list(e) for e in (await ask(site.host(), "get_error_code"))["Msg"]["error_code"]]
        assert told == code
        FAULT_KINDS[kind].end(site.plant, TARGET, now())
        await asyncio.sleep(3000.0)
        assert (await ask(site.host(), "summary"))["SUMMARY"][0]["Error Code Count"] == 0

    played(WHATSMINER, story)


def test_damaged_firmware_shows_its_code_though_the_mining_process_is_gone() -> None:
    async def story(site: Running) -> None:
        FAULT_KINDS["miner.firmware_corrupt"].inject(site.plant, TARGET, now())
        await asyncio.sleep(60.0)
        assert "down" in (await ask(site.host(), "summary"))["Msg"]
        assert "800" in (await ask(site.host(), "get_error_code"))["Msg"]["error_code"][0]

    played(WHATSMINER, story)


# -- LuxOS -------------------------------------------------------------------------------------------------------------


def test_luxos_tells_version_control_board_and_events() -> None:
    async def story(site: Running) -> None:
        version = (await ask(site.host(), "version"))["VERSION"][0]
        assert version["Miner"] == site.miner().system.version
        assert version["LUXminer"].startswith(version["Miner"])
        assert (await ask(site.host(), "config"))["CONFIG"][0]["ControlBoardType"] == "cvitek"
        assert (await ask(site.host(), "events"))["EVENTS"] == []
        FAULT_KINDS["miner.firmware_corrupt"].inject(site.plant, TARGET, now())
        await asyncio.sleep(60.0)
        (event,) = (await ask(site.host(), "events"))["EVENTS"]
        assert event["Code"] == "REBOOT_SYSINIT"

    played(LUXOS, story)


@pytest.mark.parametrize("family", list(Family))
def test_a_damaged_firmware_leaves_the_management_up(family: Family) -> None:
    async def story(site: Running) -> None:
        FAULT_KINDS["miner.firmware_corrupt"].inject(site.plant, TARGET, now())
        await asyncio.sleep(60.0)
        if family is STOCK:
            with pytest.raises(ConnectionRefusedError):
                await ask(site.host(), "version")
            async with browser(site) as client:
                assert (await client.get("summary.cgi")).json()["SUMMARY"] == []
        else:
            assert "STATUS" in await ask(site.host(), "get_version" if family is WHATSMINER else "version")

    played(family, story)
