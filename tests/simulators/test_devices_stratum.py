"""Simulated pools as a client of any make finds them: logins, jobs, shares, and everything that befalls a pool."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from simulators.devices.stratum_sessions import MAX_CONNECTIONS, MAX_LINE_BYTES
from simulators.plant.pools import Trouble
from tests.drivers.pool_bench import Blocks, PoolBench, Tier, in_memory, on_sockets, pool_bench

LOGIN: list[tuple[str, list[object]]] = [("mining.subscribe", ["client"]), ("mining.authorize", ["site.m1", "x"])]


@pytest.fixture(params=[in_memory, on_sockets], ids=["memory", "sockets"])
def tier(request: pytest.FixtureRequest) -> Tier[None]:
    chosen: Tier[None] = request.param
    return chosen


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard: list[dict[str, Any]] = []

    async def hear(self) -> dict[str, Any]:
        """Return the next message; EOFError where there is none."""
        line = await self.reader.readline()
        if not line:
            raise EOFError
        message: dict[str, Any] = json.loads(line)
        self.heard.append(message)
        return message

    async def ask(self, number: object, method: str, *params: object) -> dict[str, Any]:
        """Return the answer to a request, having heard what came before it."""
        self.writer.write(json.dumps({"id": number, "method": method, "params": params}).encode() + b"\n")
        while (message := await self.hear()).get("method") is not None:
            pass
        assert message["id"] == number
        return message

    async def log_in(self) -> str:
        """Log in and return the id of the first job."""
        for number, (method, params) in enumerate(LOGIN):
            assert (await self.ask(number, method, *params))["error"] is None
        return await self.job()

    async def job(self) -> str:
        while (message := await self.hear()).get("method") != "mining.notify":
            pass
        return str(message["params"][0])

    async def share(self, job: str, nonce: int, worker: str = "site.m1") -> object:
        """Send a share and return the error's code, or True."""
        answer = await self.ask(nonce, "mining.submit", worker, job, "00000000", "66f0a1b2", f"{nonce:08x}")
        return answer["error"][0] if answer["error"] else answer["result"]

    async def is_dropped(self, within_s: float = 0.5) -> bool:
        """Tell whether the pool ends the connection soon, having read what it said before."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.readline():
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True


@asynccontextmanager
async def client(b: PoolBench) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(b.pools_address(), b.pool.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0.1)


def test_a_client_logs_in_and_gets_what_it_needs_to_work(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b, client(b) as c, client(b) as other:
            configured = await c.ask("a", "mining.configure", ["version-rolling", "info"], {})
            assert configured["result"]["version-rolling"] is True
            assert configured["result"]["info"] is False
            subscribed = (await c.ask("mining.subscribe", "mining.subscribe"))["result"]
            assert (len(subscribed), subscribed[2]) == (3, 4)
            assert (await other.ask(1, "mining.subscribe"))["result"][1] != subscribed[1]
            assert (await c.ask(7, "mining.authorize", "site.m1", "x"))["result"] is True
            assert await c.hear() == {"id": None, "method": "mining.set_difficulty", "params": [65_536]}
            notify = await c.hear()
            assert (notify["method"], len(notify["params"]), notify["params"][8]) == ("mining.notify", 9, True)

    tier(main())


def test_shares_are_taken_once_for_a_known_job_from_a_known_worker(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b, client(b) as c, client(b) as stranger:
            job = await c.log_in()
            assert [await c.share(job, 1), await c.share(job, 1), await c.share(job, 2)] == [True, 22, True]
            assert await c.share("nope", 3) == 21
            assert await c.share(job, 4, "site.m2") == 24
            malformed = await c.ask(5, "mining.submit", "site.m1", job, "0", "1", "2")
            assert malformed["error"][0] == 20
            assert (await c.ask(6, "mining.submit"))["error"][0] == 20
            assert await stranger.share(job, 7) == 25
            assert (await c.ask(8, "mining.get_transactions", "x"))["error"][0] == -3
            assert (b.host.accepted, b.host.rejected) == (2, 6)

    tier(main())


def test_a_pool_that_rejects_rejects_its_part_of_the_shares(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b, client(b) as c:
            job = await c.log_in()
            b.plant.begin(Trouble.REJECTS, asyncio.get_running_loop().time(), 0.25)
            fates = [await c.share(job, nonce) for nonce in range(100)]
            assert (fates.count(23), fates.count(True)) == (25, 75)
            assert 23 in fates[:4]
            b.plant.end(Trouble.REJECTS, asyncio.get_running_loop().time())
            assert [await c.share(job, 200 + nonce) for nonce in range(8)] == [True] * 8

    tier(main())


def test_jobs_come_every_30_s_and_at_once_with_a_block(tier: Tier[None]) -> None:
    blocks = Blocks([70.2])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with pool_bench(blocks=blocks) as b, client(b) as c:
            ids, times = [await c.log_in()], []
            before = [*c.heard[-1]["params"]]
            for _ in range(4):
                ids.append(await c.job())
                times.append((round(loop.time(), 1), c.heard[-1]["params"][8]))
            assert times == [(30.0, False), (60.0, False), (71.0, True), (101.0, False)]
            assert len(set(ids)) == 5
            assert c.heard[-1]["params"][1] != before[1]
            assert await c.share(ids[0], 1) == 21
            assert [await c.share(job, 2) for job in ids[3:]] == [True, True]

    tier(main())


def test_a_pool_that_times_out_drops_everybody_at_its_period(tier: Tier[None]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with pool_bench() as b:
            b.plant.begin(Trouble.TIMES_OUT, loop.time(), 60.0)
            for expected in (60.0, 120.0, 180.0):
                async with client(b) as one, client(b) as two:
                    await one.log_in()
                    assert await one.is_dropped(within_s=70.0)
                    assert await two.is_dropped()
                    assert loop.time() == pytest.approx(expected, abs=1.5)
            assert b.host.sessions == set()

    tier(main())


def test_what_goes_wrong_later_ends_or_silences_what_is_connected(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b:
            for trouble, drops in (
                (Trouble.DOWN, True),
                (Trouble.LOGIN_REFUSED, True),
                (Trouble.DNS_BROKEN, True),
                (Trouble.HUNG, False),
            ):
                async with client(b) as c:
                    await c.log_in()
                    await b.begin(trouble)
                    c.writer.write(b'{"id":9,"method":"mining.subscribe","params":[]}\n')
                    assert await c.is_dropped() is drops, trouble
                    await b.end(trouble)
                    if not drops:
                        assert (await c.ask(10, "mining.subscribe"))["error"] is None

    tier(main())


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[1]\n",
        b'{"id":1}\n',
        b"\xff\xfe\n",
        b"x" * (MAX_LINE_BYTES + 1),
        b"[" * 9000 + b"\n",
    ],
)
def test_who_does_not_speak_stratum_is_shown_the_door(tier: Tier[None], said: bytes) -> None:
    async def main() -> None:
        async with pool_bench() as b, client(b) as c:
            c.writer.write(said)
            assert await c.is_dropped()

    tier(main())


def test_who_never_logs_in_is_dropped_and_so_are_too_many() -> None:
    async def main() -> None:
        async with pool_bench() as b:
            idle = [await asyncio.open_connection(b.pools_address(), b.pool.port) for _ in range(MAX_CONNECTIONS)]
            async with client(b) as late:
                assert await late.is_dropped()
            assert len(b.host.sessions) == MAX_CONNECTIONS
            await asyncio.sleep(61.0)
            assert b.host.sessions == set()
            for _, writer in idle:
                writer.transport.abort()
            await asyncio.sleep(0.1)

    in_memory(main())


def test_servers_stop_and_start_again(tier: Tier[None]) -> None:
    async def main() -> None:
        async with pool_bench() as b:
            async with client(b) as c:
                await c.log_in()
                await b.pools.stop()
                assert await c.is_dropped()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(b.pools_address(), b.pool.port)
            await b.pools.start()
            async with client(b) as c:
                await c.log_in()

    tier(main())
