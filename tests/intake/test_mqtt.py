"""The signal over a real broker (Debian's mosquitto), on loopback, on the event loop that production has."""

import asyncio
import contextlib
import gc
import ipaddress
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from agent.config.signals import MqttSource, Source
from agent.intake.mqtt import MqttListener, tls_of
from agent.intake.source import Intake
from agent.model.errors import PolicyError
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
    """A broker with one user, on loopback."""
    with _broker(tmp_path) as port:
        yield port


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The same behind TLS: its port, and the certificates of the authority that vouches for it."""
    ca_file, chain, key = _vouched(tmp_path)
    with _broker(tmp_path, f"certfile {chain}", f"keyfile {key}") as port:
        yield port, ca_file


@contextlib.contextmanager
def _broker(tmp_path: Path, *listener: str) -> Iterator[int]:
    """A broker, ended by its own process id."""
    assert BROKER is not None
    assert PASSWORDS is not None
    port, users, config = _free_port(), tmp_path / "users", tmp_path / "mosquitto.conf"
    subprocess.run([PASSWORDS, "-b", "-c", str(users), "grid", SECRET], check=True, capture_output=True)
    users.chmod(0o644)
    lines = (
        f"listener {port} 127.0.0.1",
        *listener,
        "allow_anonymous false",
        f"password_file {users}",
        f"user {_user()}",
    )
    config.write_text("\n".join(lines) + "\n")
    tmp_path.chmod(0o755)
    with subprocess.Popen([BROKER, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _await_port(port, running)
            yield port
        finally:
            running.terminate()
            running.wait(10)


def _vouched(folder: Path) -> tuple[Path, Path, Path]:
    """Make an authority and a server at 127.0.0.1; return its certificate, the server's, and the server's key."""
    signer = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", signer.public_key(), signer, of_authority=True)
    key = ec.generate_private_key(ec.SECP256R1())
    files = folder / "ca.pem", folder / "broker.pem", folder / "broker.key"
    of_server = _certificate("broker", key.public_key(), signer, of_authority=False)
    files[0].write_bytes(ca.public_bytes(Encoding.PEM))
    files[1].write_bytes(of_server.public_bytes(Encoding.PEM))
    files[2].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, *, of_authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=of_authority, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if not of_authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256())


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

    def __init__(self, port: int, secret: str = SECRET, ca_file: Path | None = None) -> None:
        source = Source("grid", ("site:test",), 3600.0, "mqtt-password")
        ca = None if ca_file is None else str(ca_file)
        self.where = MqttSource(source, "127.0.0.1", port, "grid", TOPIC, tls=ca is not None, ca_file=ca)
        self.door = OpenDoor(lambda: EPOCH)
        self.intake = Intake(self.door, "mqtt", source, lambda: EPOCH)
        self.tls = tls_of(self.where)
        self.listener = MqttListener(self.where, secret, self.intake, self.tls)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(0.02)

    async def say(self, payload: bytes, *, retain: bool = False) -> None:
        async with aiomqtt.Client(
            "127.0.0.1", self.where.port, username="grid", password=SECRET, tls_context=self.tls
        ) as client:
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


def test_a_broker_behind_tls_is_heard_if_the_site_s_authority_vouches_for_it(guarded: tuple[int, Path]) -> None:
    async def story(site: Site) -> None:
        await site.say(off(), retain=True)
        await site.until(lambda: bool(site.door.records))

    port, ca_file = guarded
    played(story, Site(port, ca_file=ca_file))


# The client library leaves the socket of a failed handshake to the collector, which has its turn here.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_another_authority_vouches_for_is_not_told_the_password(
    guarded: tuple[int, Path], tmp_path: Path
) -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(0.3)
        assert site.door.records == []
        site.listener._tls = trusted.tls
        await trusted.say(off(), retain=True)
        await site.until(lambda: bool(site.door.records))

    port, ca_file = guarded
    trusted = Site(port, ca_file=ca_file)
    other = tmp_path / "other"
    other.mkdir()
    played(story, Site(port, ca_file=_vouched(other)[0]))
    gc.collect()


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"ca\.pem: expected certificates in PEM"):
        Site(1, ca_file=tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(PolicyError, match="expected certificates in PEM"):
        Site(1, ca_file=tmp_path / "ca.pem")
