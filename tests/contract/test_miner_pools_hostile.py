"""Switching pools of devices that lie, dawdle or answer garbage; the others are in `test_miner_pools`."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable

import pytest

from agent.model.errors import AgentError, DeviceError, PolicyError, RefusedError, TransportError
from agent.model.topology import Family
from simulators.loopback import LoopbackDialer
from simulators.virtual_time import run
from tests.contract.pools_bench import ELSEWHERE, EVERY_FAMILY, LUXOS, STOCK, WORKER, WRONG_SECRET, Bench, bench
from tests.simulators.devices_site import LOGINS, ask


async def hostile(family: Family, reply: bytes, kind: type[AgentError], match: str = ".") -> None:
    """Let a server on the miner's API port answer that to everything."""
    async with bench(family) as b:
        spec, pools = b.spec, b.pools(2, 1)
        host = b.spec.host
        driver = b.driver
        secret = b.site.password(family) if family in LOGINS else WRONG_SECRET

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(reply)
        writer.close()

    endpoint = LoopbackDialer().endpoint(host, 80 if family is STOCK else 4028)
    server = await asyncio.start_server(answer, *endpoint)
    try:
        with pytest.raises(kind, match=match) as caught:
            async with asyncio.timeout(10.0):
                await driver.switch_pool(spec, pools, WORKER)
    finally:
        server.close()
        await server.wait_closed()
    assert secret not in "".join(traceback.format_exception(caught.value))


def row(**fields: object) -> bytes:
    pool = {"POOL": 0, "URL": ELSEWHERE, "User": "u", "Priority": 0, "Status": "Alive", **fields}
    return json.dumps({"STATUS": [{"STATUS": "S"}], "POOLS": [pool], "id": 1}).encode()


YES = json.dumps({"STATUS": [{"STATUS": "S"}], "SESSION": [{"SessionID": "abc"}], "id": 1}).encode()
GARBAGE = [
    b"",
    b"\xff" * 99,
    b"{}",
    b'{"STATUS":[{"STATUS":"S"}],"id":1}',
    row(URL=7),
    row(URL=None),
    row(User=["x"]),
    row(POOL="-1"),
    row(POOL=10**40),
    row(Priority="first"),
    row()[:90],
    json.dumps({"STATUS": [{"STATUS": "S"}], "POOLS": [{"POOL": 0}] * 99}).encode(),
    b'{"POOLS":' + b"[" * 60_000,
    b"x" * 200_000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"pools":[]}',
    b'HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{"bitmain-work-mode":"0","pools":[{"url":[5]}]}',
]


@EVERY_FAMILY
@pytest.mark.parametrize("reply", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_raises_nothing_but_the_tree(family: Family, reply: bytes) -> None:
    await hostile(family, reply, AgentError)


async def test_a_luxos_that_splits_its_hashrate_is_left_alone() -> None:
    async with bench(LUXOS) as b:
        reply = await ask(b.site.host(), "pools")
    reply["POOLS"][1]["GROUP"] = 1
    await hostile(LUXOS, json.dumps(reply).encode(), PolicyError, "group")


def test_a_luxos_that_says_yes_to_everything_and_does_nothing_is_not_believed() -> None:
    asked: list[bytes] = []

    def answer(command: bytes) -> bytes:
        asked.append(command)
        return row() if b'"pools"' in command else YES

    async def story(b: Bench) -> None:
        await b.refused(DeviceError, 2, 1, match=r"expected the pools .* after the change")

    impersonated(answer, story)
    assert b"addpool" in b"".join(asked)
    assert b"removepool" not in b"".join(asked)


def test_luxos_is_given_time_to_take_the_wanted_pool_over_before_the_others_go() -> None:
    """One that goes on with its old pool for three seconds after a switch, and keeps what it works for."""
    names, switched_at = ["p1", "p2", "p3"], [0.0]

    def current() -> int:
        return 0 if asyncio.get_running_loop().time() >= switched_at[0] + 3.0 else 1

    def answer(command: bytes) -> bytes:
        asked = json.loads(command)
        rows: list[dict[str, object]] = []
        verdict = "S"
        match asked["command"]:
            case "pools":
                for at, name in enumerate(names):
                    told = json.loads(row(POOL=at, Priority=at, URL=f"{name}.example.com:3333", User=WORKER))
                    rows += [{**told["POOLS"][0], "Stratum Active": at == current()}]
            case "switchpool":
                names.insert(0, names.pop(int(asked["parameter"])))
                switched_at[0] = asyncio.get_running_loop().time()
            case "removepool" if int(asked["parameter"]) == current():
                verdict = "E"
            case "removepool":
                names.pop(int(asked["parameter"]))
        reply = {"STATUS": [{"STATUS": verdict, "Msg": "Cannot remove active pool"}], "id": 1}
        return json.dumps(reply | ({"POOLS": rows} if rows else {"SESSION": [{"SessionID": "abc"}]})).encode()

    async def story(b: Bench) -> None:
        await b.switch(2)
        assert names == ["p2"]

    impersonated(answer, story)


def test_a_luxos_gone_in_the_middle_of_a_change_is_an_unknown_outcome() -> None:
    gone: list[asyncio.Server] = []

    def answer(command: bytes) -> bytes:
        if b"addpool" in command:
            gone[0].close()
        return row(SESSION="x") if b'"pools"' in command else YES

    async def story(b: Bench) -> None:
        with pytest.raises(TransportError, match=r"refused.*unknown") as caught:
            await b.switch(2, 1)
        assert not isinstance(caught.value, RefusedError)

    impersonated(answer, story, gone)


def impersonated(
    answer: Callable[[bytes], bytes],
    story: Callable[[Bench], Awaitable[None]],
    servers: list[asyncio.Server] | None = None,
) -> None:
    """Play it in virtual time with that in place of the LuxOS miner's API; its server goes into `servers`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.read(1024)))
        writer.close()

    async def main() -> None:
        async with bench(LUXOS) as b:
            pass
        server = await asyncio.start_server(serve, *LoopbackDialer().endpoint(b.spec.host, 4028))
        if servers is not None:
            servers.append(server)
        try:
            await story(b)
        finally:
            server.close()
            await server.wait_closed()

    run(main(), timeout_wall_s=30)
