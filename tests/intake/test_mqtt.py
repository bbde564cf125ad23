"""The signal over a real broker (Debian's mosquitto), on loopback, on the event loop that production has."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import uvloop

from agent.config.signals import MqttSource, Source
from agent.intake.mqtt import MqttListener
from agent.intake.source import Intake
from agent.model.events import Actor, WindowSet
from tests.factory import EPOCH
from tests.intake.door import OpenDoor

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
BROKER, PASSWORDS = shutil.which("mosquitto", path=PATH), shutil.which("mosquitto_passwd", path=PATH)
SECRET = "open-sesame"
TOPIC = "site/test/curtailment"
PATIENCE_S = 20.0

if BROKER is None or PASSWORDS is None:
    reason = "no mosquitto broker on this machine (Debian: mosquitto)"
    if os.environ.get("TERRAHASH_REQUIRE_PEERS"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """A broker with one user, on loopback; ended by its own process id."""
    assert BROKER is not None
    assert PASSWORDS is not None
    port, users, config = _free_port(), tmp_path / "users", tmp_path / "mosquitto.conf"
    subprocess.run([PASSWORDS, "-b", "-c", str(users), "grid", SECRET], check=True, capture_output=True)
    users.chmod(0o644)
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nuser {_user()}\n")
    tmp_path.chmod(0o755)
    with subprocess.Popen([BROKER, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _await_port(port, running)
            yield port
        finally:
            running.terminate()
            running.wait(10)


def _user() -> str:
    return "root" if os.geteuid() == 0 else os.environ.get("USER", "mosquitto")


def _await_port(port: int, running: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.05)
                break
        else:
            return
    pytest.fail("the broker does not start")


class Site:
    """One listener and what it made of what it heard."""

    def __init__(self, port: int, secret: str = SECRET) -> None:
        source = Source("grid", ("site:test",), 3600.0, "mqtt-password")
        self.where = MqttSource(source, "127.0.0.1", port, "grid", TOPIC, tls=False, ca_file=None)
        self.door = OpenDoor(lambda: EPOCH)
        self.intake = Intake(self.door, "mqtt", source, lambda: EPOCH)
        self.listener = MqttListener(self.where, secret, self.intake, None)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(0.02)

    async def say(self, payload: bytes, *, retain: bool = False) -> None:
        async with aiomqtt.Client("127.0.0.1", self.where.port, username="grid", password=SECRET) as client:
            await client.publish(TOPIC, payload, qos=1, retain=retain)


def played(story: Callable[[Site], Coroutine[Any, Any, None]], site: Site) -> None:
    async def main() -> None:
        listening = asyncio.create_task(site.listener.run())
        try:
            await story(site)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def off(at: float = EPOCH) -> bytes:
    return json.dumps({"target": 0, "timestamp": at}).encode()


def test_what_the_broker_kept_is_heard_and_what_is_no_signal_is_passed_over(broker: int) -> None:
    async def story(site: Site) -> None:
        await site.say(b"x" * 5000, retain=False)
        await site.say(off(), retain=True)
        await site.until(lambda: bool(site.door.records))
        for payload in (b"nonsense", off(EPOCH - 2 * 86_400.0), b"y" * 1500, off()):
            await site.say(payload)
        await site.say(json.dumps({"target": 40, "timestamp": EPOCH + 1.0}).encode())

    site = Site(broker)
    played(story, site)
    (record,) = site.door.records
    assert record.actor is Actor.INTEGRATION
    assert isinstance(record.event, WindowSet)
    assert (record.event.window, record.event.share, len(record.event.miners)) == ("mqtt:grid", 0.0, 4)


def test_who_has_not_the_password_is_not_let_in_and_goes_on_trying(broker: int) -> None:
    async def story(site: Site) -> None:
        await site.say(off(), retain=True)
        await asyncio.sleep(0.3)
        assert site.door.records == []
        site.listener._secret = SECRET
        await site.until(lambda: bool(site.door.records))

    played(story, Site(broker, secret="wrong"))


def test_a_broker_that_is_not_there_is_tried_again_until_it_is(broker: int) -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(0.2)
        site.listener._source = replace(site.where, port=broker)
        site.where = site.listener._source
        await site.say(off(), retain=True)
        await site.until(lambda: bool(site.door.records))

    played(story, Site(_free_port()))
