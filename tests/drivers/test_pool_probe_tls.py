"""The pool probe and TLS, on both tiers: what is trusted, and what speaks something else."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from agent.drivers.pools.wire import PoolWire
from agent.model.errors import CodecError
from agent.model.probe import ProbeResult, Stage, Verdict
from simulators.plant.pools import Trouble
from tests.drivers.pool_bench import (
    JOB,
    SUBSCRIBED,
    WAY,
    WELCOME,
    WORKER,
    Tier,
    in_memory,
    look_at,
    look_at_script,
    on_sockets,
    peer,
    pool_bench,
    stages,
)


@pytest.fixture(params=[in_memory, on_sockets], ids=["memory", "sockets"])
def tier(request: pytest.FixtureRequest) -> Tier[ProbeResult]:
    chosen: Tier[ProbeResult] = request.param
    return chosen


def test_a_tls_pool_is_good_where_its_certificate_is_trusted(tier: Tier[ProbeResult]) -> None:
    async def main() -> ProbeResult:
        async with pool_bench(tls=True) as b:
            await asyncio.gather(*(b.look() for _ in range(5)))
            return await b.look()

    result = tier(main())
    assert (result.verdict, result.has_work) == (Verdict.GOOD, True)
    assert stages(result) == [Stage.DNS, Stage.TCP, Stage.TLS, *WAY[2:]]


def test_a_certificate_is_verified_unless_told_otherwise(tier: Tier[ProbeResult]) -> None:
    async def main() -> tuple[ProbeResult, ProbeResult, ProbeResult]:
        async with pool_bench(tls=True) as b:
            unknown = await b.probe.probe(b.pool, WORKER)
            other = replace(b.pool, host="127." + ".".join(b.pools_address().split(".")[1:]))
            trusting = ssl.create_default_context(cadata=b.pools.certificate)
            wrong_name = await b.probe.probe(other, WORKER, context=trusting)
            careless = ssl.create_default_context()
            careless.check_hostname = False
            careless.verify_mode = ssl.CERT_NONE
            return unknown, wrong_name, await b.probe.probe(other, WORKER, context=careless)

    unknown, wrong_name, careless = tier(main())
    assert (unknown.verdict, stages(unknown)[-1]) == (Verdict.TLS, Stage.TLS)
    assert "self-signed" in unknown.detail
    assert (wrong_name.verdict, stages(wrong_name)[-1]) == (Verdict.TLS, Stage.TLS)
    assert "IP address mismatch" in wrong_name.detail
    assert careless.verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("trouble", "verdict", "last"),
    [
        (Trouble.DOWN, Verdict.REFUSED, Stage.TCP),
        (Trouble.HUNG, Verdict.SILENT, Stage.TLS),
        (Trouble.LOGIN_REFUSED, Verdict.LOGIN_REFUSED, Stage.AUTHORIZE),
    ],
)
def test_a_tls_pool_fails_as_others_do(
    tier: Tier[ProbeResult], trouble: Trouble, verdict: Verdict, last: Stage
) -> None:
    async def main() -> ProbeResult:
        async with pool_bench(tls=True) as b:
            await b.begin(trouble)
            return await b.look()

    result = tier(main())
    assert (result.verdict, stages(result)[-1]) == (verdict, last)


def test_tls_spoken_to_a_plain_pool_and_the_reverse(tier: Tier[ProbeResult]) -> None:
    async def main() -> tuple[ProbeResult, ProbeResult]:
        async with pool_bench() as b:
            tls_to_plain = await b.probe.probe(replace(b.pool, tls=True), WORKER)
        async with pool_bench(tls=True) as b:
            return tls_to_plain, await b.probe.probe(replace(b.pool, tls=False), WORKER)

    tls_to_plain, plain_to_tls = tier(main())
    assert tls_to_plain.verdict in (Verdict.TLS, Verdict.SILENT)  # whether the greeting holds a line end is chance
    assert stages(tls_to_plain)[-1] is Stage.TLS
    assert plain_to_tls.verdict in (Verdict.PROTOCOL, Verdict.DROPPED)
    assert stages(plain_to_tls)[-1] is Stage.SUBSCRIBE


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (b'{"id":null,"error":[20,"?",null]}\n', Verdict.TLS, "does this port speak TLS?"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Verdict.TLS, "does this port speak TLS?"),
        (b"\x15\x03\x01\x00\x02\x02\x28", Verdict.TLS, "does this port speak TLS?"),
        (b"", Verdict.SILENT, "expected a TLS handshake within 10 s"),
    ],
)
def test_a_peer_without_tls(tier: Tier[ProbeResult], answer: bytes, verdict: Verdict, words: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await reader.read()
        await asyncio.sleep(20.0)

    result = tier(look_at_script(script, tls=ssl.create_default_context()))
    assert (result.verdict, stages(result)[-1]) == (verdict, Stage.TLS)
    assert words in result.detail


def test_a_peer_that_leaves_at_the_handshake(tier: Tier[ProbeResult]) -> None:
    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(100)

    result = tier(look_at_script(script, tls=ssl.create_default_context()))
    assert (result.verdict, stages(result)[-1]) == (Verdict.TLS, Stage.TLS)
    assert "ended the connection" in result.detail


def test_what_is_said_before_the_handshake_is_not_taken_for_the_pools_word(tier: Tier[ProbeResult]) -> None:
    """Somebody in between says yes in plain text and then hands the client on to the real pool."""

    async def main() -> ProbeResult:
        async with pool_bench(tls=True) as b:

            async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(SUBSCRIBED + WELCOME + JOB)
                await writer.drain()
                up_reader, up_writer = await asyncio.open_connection(b.pools_address(), b.pool.port)
                try:
                    up_writer.write(await reader.read(4096))
                    writer.write(await up_reader.read(65536))
                    await reader.read()
                finally:
                    up_writer.transport.abort()

            trusting = ssl.create_default_context(cadata=b.pools.certificate)
            async with peer(script) as endpoint:
                result = await look_at(endpoint, tls=trusting)
                wire = PoolWire(asyncio.get_running_loop())
                await asyncio.get_running_loop().create_connection(lambda: wire, *endpoint)
                await asyncio.sleep(0.1)
                assert wire.lines.has_begun
                with pytest.raises(CodecError, match="plain text"):
                    await wire.secure(trusting, b.pool.host)
                wire.close()
                return result

    assert tier(main()).verdict is Verdict.TLS
