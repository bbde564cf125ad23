"""Connections in memory beside real ones: the same little conversations on both loops, with the same events seen."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.memory_datagram import QUEUE_BYTES
from simulators.memory_net import MemoryLoop, run_memory
from simulators.memory_stream import PIPE_BYTES
from simulators.virtual_time import WallTimeoutError, run
from tests.simulators.conversations import CONVERSATIONS, HOST, Ear, Said, Side, call


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: c.__name__)
def test_a_conversation_goes_as_on_sockets(conversation: Callable[[], Coroutine[Any, Any, object]]) -> None:
    on_sockets = run(conversation(), timeout_wall_s=20.0)
    assert run_memory(conversation(), timeout_wall_s=20.0) == on_sockets


# -- memory alone ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "hold", "go", "wait"]), st.integers(0, 2 * PIPE_BYTES)),
        max_size=12,
    )
)
def test_every_byte_arrives_once_and_in_order_however_it_is_split(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        c = await call()
        sent = bytearray()
        for step, number in steps:
            if step == "write":
                piece = bytes((len(sent) + k) % 251 for k in range(0, number, 97)) or b"-"
                c.client.transport.write(piece)
                sent += piece
                waiting = c.client.transport.get_write_buffer_size()
                assert len(sent) - len(c.server.received) - waiting <= PIPE_BYTES
            elif step == "hold":
                c.server.transport.pause_reading()
            elif step == "go":
                c.server.transport.resume_reading()
            else:
                await asyncio.sleep(0)
        c.server.transport.resume_reading()
        c.client.transport.close()
        await c.server.lost
        assert c.server.received == sent
        assert c.client.paused == c.client.resumed
        await c.end()

    run_memory(main(), timeout_wall_s=20.0)


def test_what_no_socket_buffer_would_hold_is_lost_and_no_memory_grows() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        device, there = await loop.create_datagram_endpoint(Ear, local_addr=(HOST, 161))
        client, _ = await loop.create_datagram_endpoint(Ear, remote_addr=(HOST, 161))
        for _ in range(1000):
            client.sendto(bytes(1000))
        await asyncio.sleep(1.0)
        device.close()
        client.close()
        return len(there.heard)

    assert run_memory(main(), timeout_wall_s=5.0) == QUEUE_BYTES // 1000


def test_a_silent_server_takes_no_real_time() -> None:
    async def main() -> tuple[Said, float]:
        c = await call()
        c.client.transport.write(b"anybody?")
        await asyncio.wait([c.client.lost], timeout=86_400.0)
        said, _ = await c.end()
        return said, asyncio.get_running_loop().time()

    said, now = run_memory(main(), timeout_wall_s=2.0)
    assert said == ["made", ("lost", "NoneType")]
    assert now == pytest.approx(86_400.0, abs=0.1)


def test_a_connection_is_made_and_taken_in_one_go_and_lives_on_when_its_server_closes() -> None:
    async def main() -> tuple[Said, Said]:
        loop = asyncio.get_running_loop()
        taken = Side(on_data=lambda side: side.transport.close())
        server = await loop.create_server(lambda: taken, HOST, 4028)
        connecting = asyncio.create_task(loop.create_connection(Side, HOST, 4028))
        await asyncio.sleep(0)
        assert connecting.done()
        assert taken.said == ["made"]
        server.close()
        _, side = await connecting
        side.transport.write(b"still there?")
        await side.lost
        await server.wait_closed()
        return side.said, taken.said

    ended = ("lost", "NoneType")
    assert run_memory(main(), timeout_wall_s=2.0) == (["made", "eof", ended], ["made", "data", ended])


def test_what_a_client_says_at_once_is_heard_at_once_and_an_end_behind_a_reply_comes_with_it() -> None:
    class Caller(Side):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.write(b"ping")

    def answer(side: Side) -> None:
        side.transport.write(b"pong")
        side.transport.close()

    async def main() -> tuple[Said, Said, Said]:
        loop = asyncio.get_running_loop()
        taken = Side(on_data=answer)
        server = await loop.create_server(lambda: taken, HOST, 4028)
        _, side = await loop.create_connection(Caller, HOST, 4028)
        at_once = list(taken.said)
        await side.lost
        server.close()
        return at_once, side.said, taken.said

    ended = ("lost", "NoneType")
    at_once, client, server = run_memory(main(), timeout_wall_s=2.0)
    assert at_once == ["made", "data"]
    assert (client, server) == (["made", "data", "eof", ended], ["made", "data", ended])


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "miner.example", "::1"])
def test_there_is_no_other_network(host: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="no address in 127/8"):
            await loop.create_connection(Side, host, 4028)
        with pytest.raises(OSError, match="assign"):
            await loop.create_server(Side, host, 4028)
        with pytest.raises(OSError, match="assign"):
            await loop.create_datagram_endpoint(Ear, local_addr=(host, 161))

    run_memory(main(), timeout_wall_s=2.0)


def test_real_descriptors_are_refused_instead_of_never_looked_at() -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        with one, other, pytest.raises(RuntimeError, match="VirtualTimeLoop"):
            asyncio.get_running_loop().add_reader(one, print)

    run_memory(main(), timeout_wall_s=2.0)


def test_the_clock_waits_for_threads() -> None:
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(None, sum, range(1000))
        waiting = asyncio.create_task(asyncio.sleep(3600.0))
        total = await working
        now = loop.time()
        waiting.cancel()
        return total, now

    assert run_memory(main(), timeout_wall_s=5.0) == (499_500, 0.0)


def test_a_run_that_never_ends_is_ended() -> None:
    async def main() -> None:
        for _ in range(100_000_000):
            await asyncio.sleep(1.0)

    with pytest.raises(WallTimeoutError):
        run_memory(main(), timeout_wall_s=0.05)


def test_the_loop_leaves_no_descriptor_open() -> None:
    loop = MemoryLoop(timeout_wall_s=5.0)
    try:
        c = loop.run_until_complete(call())
        sock = c.client.transport.get_extra_info("socket")
        assert sock.fileno() >= 0
        loop.run_until_complete(c.end())
        assert sock.fileno() == -1
    finally:
        loop.close()
