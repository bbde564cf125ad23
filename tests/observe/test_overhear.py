"""What drivers and devices say to each other is recorded, with its time and its end, and without any secret."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.cli.redact import REDACTED, register_secret, scrub
from agent.clock import Clock
from agent.ledger.recordings import folder_beside, path_of
from agent.model.errors import DeviceError
from agent.model.recording import Exchange
from agent.observe.overhear import MOST_BYTES, Ear
from agent.observe.recorder import Recorder
from tests import factory
from tests.observe.test_recorder import INC, SETTINGS, Stand

SECRET = 'pl"anted-crédential-7f3a'
HOST = "10.0.0.1"


class Talkative:
    """A device that says the credential whatever it is asked, in every way there is."""

    port = 4028

    async def read(self) -> dict[str, str]:
        return {"note": f"community={SECRET}"}

    async def login(self, password: str) -> bytes:
        return password.encode()

    async def refuse(self) -> None:
        raise DeviceError(f"expected another password than {SECRET}")

    async def hang(self) -> None:
        await asyncio.sleep(3600)

    def decode(self, reply: bytes) -> int:
        return len(reply)


def all_bytes(path: Path) -> bytes:
    """Return a recording's parts as they are before they are compressed."""
    data, place, parts = path.read_bytes(), 10, []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        parts.append(zlib.decompress(data[place + 4 : place + 4 + length]))
        place += 4 + length
    return b"".join(parts)


async def ask(call: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(0.01):
            await call()
    except (DeviceError, TimeoutError):
        pass


def test_no_secret_gets_into_a_recording(tmp_path: Path) -> None:
    register_secret(SECRET)
    stand = Stand(tmp_path)
    stand.recorder = Recorder(
        stand.view,
        stand.memory,
        object(),
        stand.head,
        folder=folder_beside(stand.ledger),
        threaded=False,
        settings=SETTINGS,
        scrub=scrub,
    )
    stand.live(120.0)
    stand.open()
    stand.live(20.0)

    async def talk() -> None:
        ear = Ear(Clock.virtual(asyncio.get_running_loop(), stand.now))
        ear.listener = stand.recorder
        for protocol in ("api", "snmp", "modbus", "stratum", "firmware"):
            device = ear.heard(Talkative(), protocol, HOST)
            for call in (device.read, lambda device=device: device.login(SECRET), device.refuse, device.hang):
                await ask(call)
        cut = b"x" * (MOST_BYTES - 6) + SECRET.encode() * 2
        ear.poll((HOST, 4028), stand.now, cut, cut, "")
        ear.poll((HOST, 4028), stand.now, b'{"command":"x"}', f'{{"pass":"{SECRET}"}}'.encode(), f"got {SECRET}")

    asyncio.run(talk())
    stand.live(20.0)

    told = stand.found.exchanges
    assert len(told) == 5 * 4 + 2
    assert {exchange.protocol for exchange in told} == {"api", "snmp", "modbus", "stratum", "firmware", "tcp"}
    assert [e.failed.partition(":")[0] for e in told[:4]] == ["", "", "DeviceError", "CancelledError"]
    assert told[0].sent == b"read()"
    assert REDACTED.encode() in told[0].got
    written = all_bytes(path_of(stand.ledger, INC))
    assert b"login(" in written
    for form in (SECRET.encode(), b"anted-cr", b"dential-7f3a", SECRET.encode()[:5]):
        assert form not in written


def test_a_driver_that_is_heard_does_what_it_did(tmp_path: Path) -> None:
    del tmp_path
    heard: list[Exchange] = []

    class Listener:
        def wants(self, device: str) -> bool:
            return device == HOST

        def note(self, exchange: Exchange) -> None:
            heard.append(exchange)

    async def talk() -> None:
        ear = Ear(Clock.virtual(asyncio.get_running_loop(), factory.EPOCH))
        device = ear.heard(Talkative(), "api")
        assert await device.login("unheard") == b"unheard", "nobody listens"
        ear.listener = Listener()
        assert device.port == 4028
        assert device.decode(b"abc") == 3
        assert await device.login("x" * 2 * MOST_BYTES) == b"x" * 2 * MOST_BYTES
        with pytest.raises(DeviceError):
            await device.refuse()
        ear.poll(("10.0.0.2", 4028), factory.EPOCH, b"", b"", "")

    asyncio.run(talk())
    assert len(heard) == 2
    assert len(heard[0].sent) == MOST_BYTES
    assert heard[0].sent_bytes > 2 * MOST_BYTES
