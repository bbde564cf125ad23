"""The virtual-time loop over real loopback sockets: determinism, deadlines, threads, clean-up, the guard."""

import asyncio
import itertools
import selectors
import socket
import threading
import time
from typing import cast

import pytest

from simulators.virtual_time import JumpingSelector, VirtualTimeLoop, WallTimeoutError, run

HOST = "127.77.0.1"


async def _reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    line = await reader.readline()
    await asyncio.sleep(0.02)
    writer.write(line[::-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _poll(port: int, name: int, trace: list[tuple[float, int, bytes]]) -> None:
    for _ in range(20):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"from %d\n" % name)
        async with asyncio.timeout(0.5):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        trace.append((asyncio.get_running_loop().time(), name, answer))
        await asyncio.sleep(8.0 + name / 100.0)


async def _farm() -> list[tuple[float, int, bytes]]:
    trace: list[tuple[float, int, bytes]] = []
    server = await asyncio.start_server(_reverse, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.TaskGroup() as group:
        for name in range(30):
            group.create_task(_poll(port, name, trace))
    return trace


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asyncio.get_running_loop().call_later(0.05, self.transport.sendto, data, addr)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.put_nowait(data)


def test_two_runs_over_real_tcp_leave_the_same_trace() -> None:
    first = run(_farm(), timeout_wall_s=30.0)
    second = run(_farm(), timeout_wall_s=30.0)
    assert len(first) == 600
    assert {answer for _, name, answer in first if name == 7} == {b"\n7 morf"}
    assert first == second


def test_no_poll_times_out_falsely_and_the_clock_shows_site_time() -> None:
    trace = run(_farm(), timeout_wall_s=30.0)
    assert 19 * 8.0 < trace[-1][0] < 20 * 9.0


def test_datagrams_arrive_before_a_deadline_passes() -> None:
    async def main() -> tuple[list[bytes], float]:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(_Echo, local_addr=(HOST, 0))
        client, answers = await loop.create_datagram_endpoint(_Answers, remote_addr=server.get_extra_info("sockname"))
        came = []
        for i in range(50):
            client.sendto(b"%d" % i)
            came.append(await asyncio.wait_for(answers.came.get(), 0.06))
            await asyncio.sleep(10.0)
        client.close()
        server.close()
        return came, loop.time()

    came, ended = run(main(), timeout_wall_s=30.0)
    assert came == [b"%d" % i for i in range(50)]
    assert ended == pytest.approx(50 * 10.05)


class _LateSelector(JumpingSelector):
    """What a kernel shows whose packets are delivered only when somebody waits."""

    def _look(self, wait_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        return super()._look(wait_s) if wait_s > 0.0 else []


class _LateLoop(VirtualTimeLoop):
    def _make_selector(self) -> selectors.BaseSelector:
        return _LateSelector(self._idle)


def test_a_refusal_that_the_kernel_holds_back_is_no_silence() -> None:
    async def main() -> float:
        with socket.socket() as bound:  # and never listening
            bound.bind((HOST, 0))
            with pytest.raises(ConnectionRefusedError):
                async with asyncio.timeout(5.0):
                    await asyncio.open_connection(*bound.getsockname())
        return asyncio.get_running_loop().time()

    assert run(main(), timeout_wall_s=30.0, loop_type=_LateLoop) == 0.0


def test_time_starts_at_zero_and_jumps_to_the_timer() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        for delay in (3600.0, 0.25, 86_400.0):
            await asyncio.sleep(delay)
            times.append(loop.time())
        return times

    assert run(main(), timeout_wall_s=10.0) == [0.0, 3600.0, 3600.25, 90_000.25]


def test_a_month_of_timers_loses_no_precision() -> None:
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        ticks = 0
        for k in range(1, 20_001):
            deadline = k * 129.6
            await asyncio.sleep(deadline - loop.time())
            ticks += 1
        return ticks, loop.time()

    ticks, ended = run(main(), timeout_wall_s=30.0)
    assert ticks == 20_000
    assert ended == pytest.approx(30 * 86_400.0, abs=1e-3)


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def main() -> tuple[str, float, bool]:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        alarm = loop.call_later(1.0, rung.set)

        def work() -> str:
            threading.Event().wait(0.005)
            return "done"

        result = await loop.run_in_executor(None, work)
        alarm.cancel()
        return result, loop.time(), rung.is_set()

    assert run(main(), timeout_wall_s=10.0) == ("done", 0.0, False)


def test_leftover_tasks_are_cancelled_and_generators_closed() -> None:
    ended: list[str] = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("task")

    async def numbers():  # type: ignore[no-untyped-def]
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    kept = []

    async def main() -> None:
        kept.append(asyncio.create_task(sleeper()))
        generator = numbers()
        kept.append(generator)
        await anext(generator)
        await asyncio.sleep(1.0)

    run(main(), timeout_wall_s=10.0)
    assert sorted(ended) == ["generator", "task"]


def test_an_exception_comes_through() -> None:
    async def main() -> None:
        await asyncio.sleep(1.0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(main(), timeout_wall_s=10.0)


@pytest.mark.parametrize("kind", ["ticks for ever", "spins for ever", "waits for nothing"])
def test_a_runaway_is_stopped_and_cleaned_up(kind: str) -> None:
    cleaned = []

    async def main() -> None:
        try:
            if kind == "waits for nothing":
                await asyncio.get_running_loop().create_future()
            for _ in itertools.count():
                await asyncio.sleep(1.0 if kind == "ticks for ever" else 0)
        finally:
            cleaned.append(kind)

    before = time.monotonic()
    with pytest.raises(WallTimeoutError, match=r"given 0\.05 s of real time"):
        run(main(), timeout_wall_s=0.05)
    assert time.monotonic() - before < 5.0
    assert cleaned == [kind]
