"""The pool probe before peers that lie, stall, flood or leave: always a verdict, in time, with nothing left behind."""

import asyncio
import gc
import os
import resource
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model.errors import TransportError
from agent.model.ids import PoolId
from agent.model.probe import ProbeResult, Stage, Verdict
from agent.model.topology import Pool
from simulators.virtual_time import run
from tests.drivers.pool_bench import (
    DIFFICULTY,
    JOB,
    SUBSCRIBED,
    WAY,
    WELCOME,
    WORKER,
    Script,
    Tier,
    direct_probe,
    in_memory,
    look_at,
    look_at_script,
    on_sockets,
    pool_bench,
    saying,
    stages,
)
from tests.drivers.wire import unused_endpoint


@pytest.fixture(params=[in_memory, on_sockets], ids=["memory", "sockets"])
def tier(request: pytest.FixtureRequest) -> Tier[ProbeResult]:
    chosen: Tier[ProbeResult] = request.param
    return chosen


async def _endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    while True:
        writer.write(b"x" * 4096)
        await writer.drain()


async def _endless_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    while True:
        writer.write(DIFFICULTY * 10)
        await writer.drain()


async def _dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in SUBSCRIBED:
        writer.write(bytes([byte]))
        await asyncio.sleep(1.0)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)


async def _resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = b"\x01\0\0\0\0\0\0\0"
    await reader.readline()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


HOSTILE: dict[str, tuple[Script, Verdict, Stage]] = {
    "endless line": (_endless_line, Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "endless lines": (_endless_lines, Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "ten megabytes": (saying(b"[" * 10_000_000), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "half json, then silence": (saying(b'{"id":1,"resu'), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "half json, then the end": (saying(b'{"id":1,"resu', then_close=True), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "broken json": (saying(b'{"id":1,"result":\n'), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "binary": (saying(bytes(range(256)) * 4), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "deep nesting": (saying(b"[" * 16_000 + b"\n"), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "web server": (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then_close=True), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "banner of a mail server": (saying(b"220 mail ESMTP\r\n"), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "wrong ids": (saying(SUBSCRIBED.replace(b":1,", b":9,")), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "wrong ids at login": (saying(SUBSCRIBED, WELCOME.replace(b"2", b"1")), Verdict.PROTOCOL, Stage.AUTHORIZE),
    "no extranonce": (saying(b'{"id":1,"result":true,"error":null}\n'), Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "echo": (_echo, Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "nothing but notices": (saying(DIFFICULTY + JOB), Verdict.SILENT, Stage.SUBSCRIBE),
    "silence": (saying(), Verdict.SILENT, Stage.SUBSCRIBE),
    "silence at login": (saying(SUBSCRIBED + DIFFICULTY + JOB), Verdict.SILENT, Stage.AUTHORIZE),
    "slow drip": (_dripping, Verdict.PROTOCOL, Stage.SUBSCRIBE),
    "end at once": (saying(then_close=True), Verdict.DROPPED, Stage.SUBSCRIBE),
    "end after subscribe": (saying(SUBSCRIBED, then_close=True), Verdict.DROPPED, Stage.AUTHORIZE),
    "end after authorize": (saying(SUBSCRIBED, WELCOME, then_close=True), Verdict.DROPPED, Stage.WORK),
    "reset": (_resetting, Verdict.DROPPED, Stage.SUBSCRIBE),
    "garbage after login": (saying(SUBSCRIBED, WELCOME + b"!\n"), Verdict.PROTOCOL, Stage.WORK),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_peers_are_told_apart_and_leave_nothing_behind(tier: Tier[ProbeResult], name: str) -> None:
    script, verdict, last = HOSTILE[name]
    result = tier(look_at_script(script, password="hunter2"))
    assert (result.verdict, stages(result)[-1]) == (verdict, last)
    assert result.took_s <= 10.0
    assert 0 < len(result.detail) <= 300
    assert result.detail.isprintable()
    assert "hunter2" not in result.detail
    gc.collect()  # a socket left open would speak up now


def test_a_tls_alert_to_a_plain_question_says_what_to_set(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at_script(saying(b"\x15\x03\x01\x00\x02\x02\x46", then_close=True)))
    assert result.verdict is Verdict.PROTOCOL
    assert "set the pool's tls" in result.detail


PIECES = st.one_of(
    st.sampled_from([SUBSCRIBED, WELCOME, JOB, DIFFICULTY, b"\n", b'{"id":1,"result":[[],"08",4]}\n', b'{"id":2}\n']),
    st.binary(max_size=60),
    st.text(max_size=30).map(str.encode),
)


@given(st.lists(st.lists(PIECES, max_size=6).map(b"".join), max_size=4), st.booleans())
@settings(max_examples=150)
def test_whatever_a_peer_says_there_is_a_verdict_in_time(said: list[bytes], then_close: bool) -> None:
    result = in_memory(look_at_script(saying(*said, then_close=then_close)))
    assert result.verdict in Verdict
    assert (result.detail == "") is (result.verdict is Verdict.GOOD)
    assert result.took_s <= 10.0
    if result.verdict is Verdict.GOOD:
        assert stages(result) == WAY[1:]


def test_nothing_listens(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at(unused_endpoint()))
    assert (result.verdict, stages(result)) == (Verdict.REFUSED, [Stage.TCP])


@pytest.mark.parametrize(("run_it", "host"), [(in_memory, "192.0.2.1"), (on_sockets, "127.255.255.255")])
def test_no_way_to_the_pool(run_it: Tier[ProbeResult], host: str) -> None:
    """In memory there is no way out of 127/8, on sockets none to the broadcast address."""
    result = run_it(look_at((host, 3333)))
    assert "no" in result.detail
    assert (result.verdict, stages(result)) == (Verdict.UNREACHABLE, [Stage.TCP])


def test_a_connect_that_nobody_answers_is_unreachable_at_the_deadline() -> None:
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for filler in (first, second):  # the backlog is full: a further SYN is dropped
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        result = on_sockets(look_at(server.getsockname()))
    assert (result.verdict, stages(result), result.took_s) == (Verdict.UNREACHABLE, [Stage.TCP], 10.0)


def test_cancelling_at_any_moment_leaves_nothing_behind(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b:
            for delay_s in (0.0, 0.001, 0.02, 0.04, 0.055):
                looking = asyncio.create_task(b.look())
                await asyncio.sleep(delay_s)
                looking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await looking
            await asyncio.sleep(1.0)
            assert b.host.sessions == set()

    tier(main())
    gc.collect()


def test_many_looks_at_a_time_do_not_mix(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b:
            good = [b.look() for _ in range(20)]
            refused = [look_at_script(saying(SUBSCRIBED, b'{"id":2,"result":false}\n')) for _ in range(20)]
            results = await asyncio.gather(*good, *refused)
        assert [r.verdict for r in results] == [Verdict.GOOD] * 20 + [Verdict.LOGIN_REFUSED] * 20

    tier(main())


def test_no_descriptor_left_is_this_hosts_own_fault() -> None:
    """The pool is not blamed for what the gateway lacks."""

    async def main() -> None:
        pool = Pool(PoolId("peer"), "127.0.0.1", 3333)
        probe = direct_probe()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        next_one = os.dup(0)
        os.close(next_one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
        try:
            with pytest.raises(TransportError, match="raise its limits"):
                await probe.probe(pool, WORKER)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    run(main(), timeout_wall_s=5.0)
