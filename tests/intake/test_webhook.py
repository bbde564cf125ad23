"""The signed webhook: on loopback, over its real socket; who cannot sign, comes late or comes twice is refused."""

import asyncio
import http.client
import json
from collections.abc import Callable

import pytest

from agent.api.routes import Reply, Routes
from agent.api.server import ApiServer
from agent.config.signals import Source
from agent.intake.source import Intake
from agent.intake.webhook import FRESH_S, Webhook, loopback
from agent.model.errors import PolicyError
from agent.model.events import Actor, WindowEnded, WindowSet
from agent.notify.channels import signature
from tests.factory import EPOCH
from tests.intake.door import OpenDoor

KEY = "a-key-that-both-know"
SOURCE = Source("grid", ("site:test",), 3600.0, "webhook-key")


class Bench:
    def __init__(self) -> None:
        self.at = EPOCH
        self.door = OpenDoor(lambda: self.at)
        self.intake = Intake(self.door, "webhook", SOURCE, lambda: self.at)
        self.hook = Webhook(self.intake, KEY, lambda: self.at)

    async def post(self, target: int, *, at: float | None = None, key: str = KEY, **changed: str) -> Reply:
        stamp = f"{self.at if at is None else at:.0f}"
        body = json.dumps({"target": target, "timestamp": float(stamp)}).encode()
        headers = {"x-terrahash-timestamp": stamp, "x-terrahash-signature": signature(key, stamp, body)}
        headers |= {f"x-terrahash-{name}": value for name, value in changed.items()}
        return await Routes(self.hook.routes).answer("POST", "/v1/curtailment", body, headers)


async def test_a_signed_request_begins_a_window_and_ends_it_by_the_integration() -> None:
    bench = Bench()
    assert (await bench.post(0)).status == 200
    (window,) = bench.door.memory.windows.open.values()
    assert (window.id, len(window.miners), window.until) == ("webhook:grid", 4, EPOCH + 3600.0)
    bench.at += 60.0
    assert (await bench.post(100)).status == 200
    assert bench.door.memory.windows.open, "five seconds without a word to the contrary"
    bench.at += 6.0
    await bench.intake._follow()
    assert not bench.door.memory.windows.open
    assert [(r.actor, type(r.event)) for r in bench.door.records] == [
        (Actor.INTEGRATION, WindowSet),
        (Actor.INTEGRATION, WindowEnded),
    ]


async def test_who_cannot_sign_comes_late_or_comes_twice_is_refused() -> None:
    bench = Bench()
    assert (await bench.post(0, key="another")).status == 422
    assert (await bench.post(0, signature="")).status == 422
    assert (await bench.post(0, timestamp=f"{EPOCH + 1:.0f}")).status == 422, "it is signed too"
    for at in (EPOCH - FRESH_S - 1.0, EPOCH + FRESH_S + 1.0):
        assert (await bench.post(0, at=at)).status == 422
    assert bench.door.records == []
    assert (await bench.post(0)).status == 200
    again = await bench.post(0)
    assert again.status == 422
    assert b"not sent before" in again.body
    assert len(bench.door.records) == 1


async def test_what_a_person_has_ended_begins_again_only_when_something_new_is_said() -> None:
    bench = Bench()
    await bench.post(0)
    window = bench.intake.window
    await bench.door.change(lambda _, __: [WindowEnded(window=window, reason="resumed")], Actor.OPERATOR)  # type: ignore[arg-type]
    for _ in range(6):
        bench.at += 600.0
        await bench.post(0)
    assert not bench.door.memory.windows.open, "the same goes on"
    bench.at += 1.0
    assert (await bench.post(100)).status == 200
    bench.at += 10.0
    await bench.intake._follow()
    bench.at += 10.0
    await bench.post(0)
    assert bench.door.memory.windows.open


async def test_over_its_socket_and_nobody_else_has_the_port(free_port: int) -> None:
    bench = Bench()
    server = ApiServer(lambda: loopback(free_port), Routes(bench.hook.routes))
    await server.start()
    try:
        with pytest.raises(PolicyError, match="free port"):
            loopback(free_port).listen()
        body = json.dumps({"target": 0, "timestamp": EPOCH}).encode()
        stamp = f"{EPOCH:.0f}"
        told = {"X-Terrahash-Timestamp": stamp, "X-Terrahash-Signature": signature(KEY, stamp, body)}
        status = await _in_a_thread(lambda: _request(free_port, body, told))
        assert status == 200
        assert await _in_a_thread(lambda: _request(free_port, body, told)) == 422
    finally:
        await server.stop()
    assert len(bench.door.records) == 1


def _request(port: int, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    try:
        connection.request("POST", "/v1/curtailment", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


async def _in_a_thread(work: Callable[[], int]) -> int:

    return await asyncio.to_thread(work)


@pytest.fixture
def free_port() -> int:
    with loopback(0) as probe:
        return int(probe.getsockname()[1])
