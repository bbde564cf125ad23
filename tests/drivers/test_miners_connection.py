"""One request, one reply: however the reply comes, and however it fails to."""

import asyncio
import socket

import pytest

from agent.drivers.miners.connection import request
from agent.model.errors import CodecError, RefusedError, ResetError, SilentError
from tests.drivers.wire import Wire, serving, unused_endpoint

REPLY = b'{"STATUS":[]}' * 50


async def ask(endpoint: tuple[str, int], *, deadline_s: float = 5.0, limit_bytes: int = 10_000) -> bytes:
    return await request(endpoint, b'{"command":"summary"}', deadline_s=deadline_s, limit_bytes=limit_bytes)


@pytest.mark.parametrize("wire", [Wire.REPLY, Wire.HELD_OPEN, Wire.DRIPPED, Wire.RESET_AFTER])
async def test_a_reply_is_whole_however_it_comes(wire: Wire) -> None:
    async with serving(wire, REPLY + b"\0") as endpoint:
        assert await ask(endpoint) == REPLY


@pytest.mark.parametrize("wire", [Wire.REPLY, Wire.DRIPPED])
async def test_the_end_of_the_connection_ends_a_reply_without_nul(wire: Wire) -> None:
    async with serving(wire, REPLY) as endpoint:
        assert await ask(endpoint) == REPLY


async def test_nothing_listens() -> None:
    with pytest.raises(RefusedError, match="nothing listens"):
        await ask(unused_endpoint())


async def test_a_reset_before_the_first_byte_is_no_refusal_what_was_sent_may_have_worked() -> None:
    async with serving(Wire.RESET) as endpoint:
        with pytest.raises(ResetError):
            await ask(endpoint)


async def test_half_a_reply_and_a_reset_is_given_to_the_codec() -> None:
    async with serving(Wire.RESET_AFTER, b'{"STAT') as endpoint:
        assert await ask(endpoint) == b'{"STAT'


async def test_no_reply_at_all_is_an_empty_one() -> None:
    async with serving(Wire.CLOSED) as endpoint:
        assert await ask(endpoint) == b""


@pytest.mark.parametrize("reply", [b"", b'{"half":'])
async def test_silence_and_half_a_reply_held_open_end_at_the_deadline(reply: bytes) -> None:
    async with serving(Wire.HELD_OPEN, reply) as endpoint:
        with pytest.raises(SilentError, match=r"127\.0\.0\.1:\d+"):
            await ask(endpoint, deadline_s=0.05)


async def test_a_reply_without_end_stops_at_the_limit() -> None:
    async with serving(Wire.ENDLESS) as endpoint:
        with pytest.raises(CodecError, match="at most 10000 bytes"):
            await ask(endpoint)


async def test_an_unreachable_network_is_silence() -> None:
    with pytest.raises(SilentError, match="no connection"):
        await ask(("127.255.255.255", 4028))  # the broadcast address: there is no way to it


async def test_cancelling_leaves_no_connection_behind() -> None:
    async with serving(Wire.SILENT) as endpoint:
        for delay_s in (0.0, 0.002, 0.02):
            task = asyncio.ensure_future(ask(endpoint))
            await asyncio.sleep(delay_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_many_at_a_time_get_their_own_replies() -> None:
    async with serving(Wire.DRIPPED, REPLY + b"\0") as good, serving(Wire.SILENT) as bad:
        outcomes = await asyncio.gather(
            *(ask(bad if n % 5 == 0 else good, deadline_s=2.0 if n % 5 else 0.1) for n in range(60)),
            return_exceptions=True,
        )
    assert [isinstance(outcome, SilentError) for outcome in outcomes] == [n % 5 == 0 for n in range(60)]
    assert all(outcome == REPLY for n, outcome in enumerate(outcomes) if n % 5)


async def test_a_connect_that_hangs_ends_at_the_deadline_and_leaves_cancelling_to_others() -> None:
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for filler in (first, second):  # the backlog is full: a further SYN is dropped
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(SilentError, match=r"within 0\.05 s"):
            await request(server.getsockname(), b"x", deadline_s=0.05, limit_bytes=10)
        assert task.cancelling() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await request(server.getsockname(), b"x", deadline_s=5.0, limit_bytes=10)
        assert task.cancelling() == 0
