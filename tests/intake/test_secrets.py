"""The secrets of integrations and channels are said by nobody of us, though no scrub knows them here.

A broker and a desk that repeat in their refusals whatever they were sent; a caller who signs wrongly and shows the key.
"""

import asyncio
import io
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from agent.api.routes import Routes
from agent.cli import logs
from agent.config.signals import MqttSource, Source
from agent.intake.mqtt import MqttListener
from agent.intake.source import Intake
from agent.intake.webhook import Webhook
from agent.notify.channels import signature
from tests.factory import EPOCH
from tests.intake.door import OpenDoor
from tests.notify.bench import APPRISE, HOOK, KEY, QUICK, SECRET_PATH, Desk, escalation, listening
from tests.notify.bench import play as at_desk

PASSWORD = "sesame-open-4711"
SOURCE = Source("grid", ("site:test",), 3600.0, "grid-secret")
REFUSED = 0x86
"""MQTT 5: bad user name or password."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure(stream=stream, debug=True)
    yield stream
    logs.configure()


def refusal(connect: bytes) -> bytes:
    """Return a CONNACK that refuses, its reason string what is printable of the client's own CONNECT."""
    said = "".join(chr(byte) for byte in connect if 32 <= byte < 127)[-90:].encode()
    reason = b"\x1f" + len(said).to_bytes(2, "big") + said
    body = bytes([0, REFUSED, len(reason)]) + reason
    return bytes([0x20, len(body)]) + body


def test_a_broker_that_repeats_the_password_it_refuses_is_not_quoted(log: io.StringIO) -> None:
    heard: list[bytes] = []

    async def main() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1024))
            writer.write(refusal(heard[-1]))
            await writer.drain()
            writer.close()

        broker = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = broker.sockets[0].getsockname()[1]
        where = MqttSource(SOURCE, "127.0.0.1", port, "grid", "t", tls=False, ca_file=None)
        intake = Intake(OpenDoor(lambda: EPOCH), "mqtt", SOURCE, lambda: EPOCH)
        listener = asyncio.create_task(MqttListener(where, PASSWORD, intake, None).run())
        async with asyncio.timeout(20.0):
            while "mqtt_lost" not in log.getvalue():  # noqa: ASYNC110 - paho's own thread answers
                await asyncio.sleep(0.01)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        broker.close()

    run(main())
    assert PASSWORD.encode() in heard[0]
    assert PASSWORD.encode() in refusal(heard[0])
    assert PASSWORD not in log.getvalue()


def test_a_caller_who_shows_the_key_is_not_quoted(log: io.StringIO) -> None:
    door = OpenDoor(lambda: EPOCH)
    routes = Routes(Webhook(Intake(door, "webhook", SOURCE, lambda: EPOCH), PASSWORD, lambda: EPOCH).routes)
    body = json.dumps({"target": PASSWORD, "key": PASSWORD}).encode()
    stamps = {"x-terrahash-timestamp": f"{EPOCH:.0f}", "x-terrahash-signature": f"sha256={PASSWORD}"}

    async def post(content: bytes, headers: dict[str, str]) -> bytes:
        reply = await routes.answer("POST", "/v1/curtailment", content, headers)
        assert reply.status >= 400
        return reply.body

    signed = stamps | {"x-terrahash-signature": signature(PASSWORD, f"{EPOCH:.0f}", body)}
    answers = [
        asyncio.run(post(content, headers))
        for content, headers in ((body, stamps), (body, signed), (b"", {**stamps, "authorization": PASSWORD}))
    ]
    assert PASSWORD.encode() not in b"".join(answers)
    assert PASSWORD not in log.getvalue()
    assert door.records == []


@pytest.mark.parametrize("channel", [HOOK, APPRISE], ids=lambda channel: channel.id)
@pytest.mark.parametrize("status", [503, 403])
def test_a_channel_that_cannot_be_reached_is_named_and_its_address_and_key_are_not(
    channel: Any, status: int, tmp_path: Path, log: io.StringIO
) -> None:
    said: list[str] = []

    async def story() -> None:
        desk = Desk(tmp_path / "l", [channel], listener.secrets, QUICK)
        desk.notifier._scrub = str
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        async with asyncio.timeout(3600.0):
            while not desk.settled:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(1.0)
        (settled,) = desk.settled
        assert not settled.delivered
        said.append(settled.detail)
        await desk.stop()

    with listening(status) as listener:
        at_desk(story)
        assert listener.heard
    assert "notice_not_delivered" in log.getvalue()
    assert said[0]
    for secret in (SECRET_PATH, KEY, f"127.0.0.1:{listener.port}"):
        assert secret not in log.getvalue()
        assert secret not in said[0]


def run(main: Coroutine[Any, Any, None], loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)
