"""The local API: only its owner can open it, everything is bounded, and whatever is wrong is said in words."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent.api import client
from agent.api.routes import Call, Failure, Route, Routes
from agent.api.server import MAX_BODY_BYTES, MAX_CONNECTIONS, ApiServer
from agent.api.socket import MAX_PATH_BYTES, socket_beside
from agent.model.errors import CodecError, PolicyError, RefusedError


class Said(msgspec.Struct, frozen=True):
    words: str


async def say(call: Call) -> object:
    return Said(call.parts["which"])


async def echo(call: Call) -> object:
    return call.read(Said)


async def refuse(_: Call) -> object:
    raise PolicyError("not today")


async def break_down(_: Call) -> object:
    raise ZeroDivisionError


ROUTES = Routes(
    [
        Route("GET", "/words/{which}", say),
        Route("POST", "/words", echo),
        Route("GET", "/never", refuse),
        Route("GET", "/broken", break_down),
    ]
)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Path]:
    path = folder / "api.sock"
    server = ApiServer(path, ROUTES)
    await server.start()
    try:
        yield path
    finally:
        await server.stop()


async def ask(path: Path, method: str, target: str, body: object = None) -> Said:
    return await asyncio.to_thread(client.ask, path, method, target, Said, body)


async def raw(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(sent)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_what_is_asked_is_answered_and_the_socket_is_its_owner_s_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, "GET", "/words/hello") == Said("hello")
        assert await ask(path, "POST", "/words", Said("there")) == Said("there")
    assert not path.exists()


@pytest.mark.parametrize(
    ("method", "target", "body", "words"),
    [
        ("GET", "/nowhere", None, "expected one of GET /v1/words"),
        ("DELETE", "/words", None, "expected one of"),
        ("GET", "/never", None, "not today"),
        ("POST", "/words", {"words": 7}, "the request's body does not fit"),
        ("POST", "/words", Said("x" * MAX_BODY_BYTES), "expected a body of at most"),
        ("GET", "/broken", None, "an internal error"),
    ],
)
async def test_what_is_wrong_is_said(tmp_path: Path, method: str, target: str, body: object, words: str) -> None:
    async with serving(tmp_path) as path:
        with pytest.raises(PolicyError, match=words):
            await ask(path, method, target, body)
        assert await ask(path, "GET", "/words/still-here") == Said("still-here")


@pytest.mark.parametrize(
    "sent",
    [b"GARBAGE\r\n\r\n", b"GET /v1/words/a HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000],
)
async def test_what_is_no_request_gets_an_error_and_harms_nobody(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path) as path:
        answer = await raw(path, sent)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=Failure).error
        assert await ask(path, "GET", "/words/still-here") == Said("still-here")


async def test_connections_that_say_nothing_are_bounded_and_keep_nobody_from_leaving(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS + 4)]
        refused = [await reader.read() for reader, _ in idle[MAX_CONNECTIONS:]]
        assert refused == [b""] * 4
        for _, writer in idle:
            writer.close()


async def test_a_socket_left_over_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "api.sock"))
    left.close()
    async with serving(tmp_path) as path:
        with pytest.raises(PolicyError, match="another process serves it"):
            await ApiServer(path, ROUTES).start()
        assert await ask(path, "GET", "/words/mine") == Said("mine")


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "api.sock").write_text("precious")
    with pytest.raises(PolicyError, match="found a file"):
        await ApiServer(tmp_path / "api.sock", ROUTES).start()
    assert (tmp_path / "api.sock").read_text() == "precious"


async def test_where_no_socket_can_be_it_is_said(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / ("x" * MAX_PATH_BYTES), "at most 107 bytes"),
        (tmp_path / "none" / "api.sock", "a directory that takes a socket"),
    ):
        with pytest.raises(PolicyError, match=words):
            await ApiServer(path, ROUTES).start()


def test_nobody_there_is_told_from_somebody_odd(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="nobody serves it"):
        client.ask(tmp_path / "none.sock", "GET", "/words/a", Said)
    assert socket_beside(tmp_path / "ledger.dry-run.sqlite3") == tmp_path / "ledger.dry-run.sock"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"])
async def test_an_answer_that_makes_no_sense_is_an_error_of_the_codec(tmp_path: Path, answer: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(say, path=str(tmp_path / "odd.sock"))
    try:
        with pytest.raises(CodecError):
            await ask(tmp_path / "odd.sock", "GET", "/words/a")
    finally:
        server.close()
