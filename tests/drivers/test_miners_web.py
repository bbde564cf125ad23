"""The stock Antminer's pages where they misbehave; how they behave is in the contract tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent.drivers.miners.antminer_web import AntminerWeb, configuration
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.pools_list import PoolLine
from agent.model.errors import AgentError, CodecError, DeviceError, RefusedError, TransportError
from agent.model.ids import MinerId
from tests.drivers.wire import unused_endpoint

CONF = {
    "pools": [{"url": "stratum+tcp://pool.example.net:3333", "user": "site.w1", "pass": "x"}],
    "bitmain-work-mode": "0",
    "bitmain-freq-level": "100",
    "bitmain-fan-pwm": "87",
}
SAVED = {"stats": "success", "code": "M000", "msg": "OK!"}
CHALLENGE = 'Digest realm="antMiner Configuration", nonce="abc", qop="auth"'

Answer = Callable[[str, str, bytes], bytes | None]
"""(method, page, body) → the raw HTTP answer, or None to break the connection."""


def http(status: int, content: object = None, headers: str = "") -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def pages(answer: Answer) -> AsyncIterator[AntminerWeb]:
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                lengths = [
                    line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length")
                ]
                body = await reader.readexactly(int(lengths[0])) if lengths else b""
                raw = answer(method, path.removeprefix("/cgi-bin/").removesuffix(".cgi"), body)
                if raw is None:
                    break
                writer.write(raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield AntminerWeb(server.sockets[0].getsockname(), MinerLogin("root", "antminer-web"), "s3cret")
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_save_changes_nothing_and_leaves_nothing_out() -> None:
    settings = configuration(CONF).settings
    assert settings == {**CONF, "miner-mode": 0, "freq-level": "100"}


@pytest.mark.parametrize(
    "page",
    [
        {"pools": CONF["pools"], "bitmain-freq": "550"},
        {"bitmain-work-mode": "0", "pools": []},
        {"bitmain-work-mode": "0", "pools": "none"},
        {"bitmain-work-mode": "0", "pools": ["x"]},
        {"bitmain-work-mode": "", "pools": CONF["pools"]},
        {},
    ],
)
def test_a_page_of_another_firmware_is_not_written_back(page: dict[str, object]) -> None:
    with pytest.raises(CodecError, match="nothing was written"):
        configuration(page)


async def test_restart_writes_back_what_it_read() -> None:
    written: list[object] = []

    def answer(method: str, page: str, body: bytes) -> bytes:
        if method == "POST":
            written.append(json.loads(body))
            return http(200, SAVED)
        return http(200, CONF)

    async with pages(answer) as web:
        await web.restart()
    assert written == [configuration(CONF).settings]


async def test_pools_lost_by_the_save_are_noticed() -> None:
    saved = False

    def answer(method: str, page: str, body: bytes) -> bytes:
        nonlocal saved
        saved |= method == "POST"
        if method == "POST":
            return http(200, SAVED)
        return http(200, {**CONF, "pools": [{"url": "", "user": "", "pass": ""}]} if saved else CONF)

    async with pages(answer) as web:
        with pytest.raises(DeviceError, match="the same 1 pools"):
            await web.restart()


async def test_a_refused_save_is_the_devices_no() -> None:
    async with pages(lambda m, p, b: http(200, {"stats": "error", "code": "M001"} if m == "POST" else CONF)) as web:
        with pytest.raises(DeviceError, match="M001"):
            await web.restart()


async def test_a_save_whose_answer_is_lost_has_an_unknown_outcome() -> None:
    async with pages(lambda m, p, b: None if m == "POST" else http(200, CONF)) as web:
        with pytest.raises(TransportError, match="set_miner_conf"):
            await web.restart()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(401, b"", f"WWW-Authenticate: {CHALLENGE}\r\n"), DeviceError),
        (http(401, b"", "WWW-Authenticate: Digest nonsense\r\n"), AgentError),
        (http(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", algorithm="ROT13"\r\n'), CodecError),
        (http(404, b""), DeviceError),
        (http(302, b"", "Location: http://127.0.0.1:1/\r\n"), DeviceError),
        (http(200, b"x" * 100_000), CodecError),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n" * 1, AgentError),
        (b"garbage\r\n\r\n", AgentError),
        (None, TransportError),
    ],
    ids=["login", "challenge", "algorithm", "missing", "redirect", "huge", "unfinished", "garbage", "broken"],
)
async def test_a_reboot_is_no_success_unless_the_page_says_so(answer: bytes | None, error: type[AgentError]) -> None:
    if answer is not None and answer.startswith(b"HTTP/1.1 200 X\r\nTransfer"):
        answer += b"nonsense\r\n"
    async with pages(lambda m, p, b: answer) as web:
        with pytest.raises(error) as caught:
            await web.reboot()
    assert "s3cret" not in str(caught.value)


WANTED = [PoolLine("stratum+tcp://other.example.net:3333", "site.w1")]
HIDDEN = {**CONF, "pools": [{"url": "stratum+tcp://pool.example.net:3333", "user": "site.w1", "pass": "p00lpass"}]}


async def test_pools_are_written_into_three_slots_and_nothing_else_changes() -> None:
    written: list[dict[str, object]] = []

    def answer(method: str, page: str, body: bytes) -> bytes:
        if method == "POST":
            written.append(json.loads(body))
            return http(200, SAVED)
        return http(200, written[-1] if written else HIDDEN)

    async with pages(answer) as web:
        for _ in range(2):
            await web.set_pools(MinerId("m1"), WANTED)
    empty = {"url": "", "user": "", "pass": ""}
    slots = [{"url": WANTED[0].url, "user": "site.w1", "pass": "p00lpass"}, empty, empty]
    assert written == [{**configuration(HIDDEN).settings, "pools": slots}]


@pytest.mark.parametrize(
    ("saved", "error"),
    [
        (http(200, {"stats": "error", "code": "M001", "msg": "p00lpass"}), DeviceError),
        (http(200, SAVED), DeviceError),
        (http(200, b"p00lpass"), CodecError),
        (None, TransportError),
    ],
    ids=["refused", "ignored", "garbage", "lost"],
)
async def test_pools_not_taken_are_an_error_that_tells_no_password(
    saved: bytes | None, error: type[AgentError]
) -> None:
    async with pages(lambda m, p, b: saved if m == "POST" else http(200, HIDDEN)) as web:
        with pytest.raises(error) as caught:
            await web.set_pools(MinerId("m1"), WANTED)
    assert "p00lpass" not in str(caught.value)


async def test_a_configuration_that_is_no_json_is_garbage() -> None:
    async with pages(lambda m, p, b: http(200, b"<html>")) as web:
        with pytest.raises(CodecError, match="get_miner_conf"):
            await web.restart()


async def test_no_web_server_is_a_refusal() -> None:
    with pytest.raises(RefusedError):
        await AntminerWeb(unused_endpoint(), MinerLogin("root", "antminer-web"), "s3cret").reboot()
