"""Every pool of a simulated site as a stratum V1 server, plain or in TLS, on its own loopback address.

The servers are there for the gateway's probe and for other people's clients; simulated miners have their pools in the
plant. What a client hears is `stratum_sessions`'; names are `dns`'.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.model.ids import MinerId, PoolId
from agent.model.topology import Pool
from simulators.devices.dns import DnsFault
from simulators.devices.host import Presence
from simulators.devices.miners import ACCEPT_STEPS
from simulators.devices.stratum_sessions import PoolHost, StratumSession
from simulators.loopback import loopback_endpoint
from simulators.plant.pools import Link, PoolPlant

SETTLE_EVERY_S: Final = 1.0
JOB_EVERY_S: Final = 30.0
"""Pools send a new job this often without a new block; clients give up after 90 s (facts "detection", section 1.3)."""
LATENCY_S: Final = 0.03
HANDSHAKE_S: Final = 10.0
BACKLOG: Final = 64
_OURSELVES: Final = MinerId("the pools' own servers")
"""Under this name the plant tells the servers what happens to a pool, at once."""
_SIGNS: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
"""The certificate is its own authority, which strict verifiers want said."""
_VALID: Final = tuple(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2000, 2100))


class StratumPools:
    """The servers of all pools of a site.

    Args:
        plants: each pool in the plant.
        epoch_s: UTC s at which the loop's clock shows zero, for the time in the jobs.
        advance: brings the plant up to the given site time.
        heard: whether the network between the pools and their clients carries anything.
        blocks_between: when blocks were found from one site time until before another.

    Attributes:
        hosts: every pool as its clients see it, by id.
        certificate: what proves every TLS pool that it is itself, as PEM: a client that is to trust it loads this.
    """

    def __init__(
        self,
        pools: Iterable[Pool],
        plants: Mapping[PoolId, PoolPlant],
        *,
        epoch_s: float,
        advance: Callable[[float], None] = lambda _: None,
        blocks_between: Callable[[float, float], Sequence[float]] = lambda _a, _b: (),
        latency_s: float = LATENCY_S,
        heard: Callable[[], bool] = lambda: True,
    ) -> None:
        self._advance = advance
        self._blocks_between = blocks_between
        self.hosts: Mapping[PoolId, PoolHost] = {
            pool.id: PoolHost(pool, plants[pool.id], self._now, epoch_s, latency_s, heard=heard) for pool in pools
        }
        self.certificate = ""
        self._context: ssl.SSLContext | None = None
        self._listening: dict[PoolId, asyncio.AbstractServer] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open every socket that is to be open, and go on following the plant; OSError if an address is taken."""
        self._now()
        secured = [host.spec.host for host in self.hosts.values() if host.spec.tls]
        if secured and self._context is None:
            self._context, self.certificate = _identity(secured)
        try:
            for host in self.hosts.values():
                host.withdrawn = False
                host.plant.enlist(_OURSELVES, self)
                host.new_job(new_block=True)
                await self._settle(host)
        except BaseException:
            await self.stop()
            raise
        self._follower = asyncio.create_task(self._follow(), name="pools")

    async def stop(self) -> None:
        """Close every socket and end every connection; raises what ended the servers early, if anything did."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
        for host in self.hosts.values():
            host.withdrawn = True
            host.plant.strike(_OURSELVES)
            self._close(host)
            host.drop_all()
        for _ in range(ACCEPT_STEPS):  # what has been accepted finds the pool withdrawn
            await asyncio.sleep(0)
        handshakes = tuple(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' last callbacks
        if follower is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await follower

    def dns_fault(self, name: str) -> DnsFault | None:
        """Return what the nameserver makes of a pool's name: there is none while the plant says so."""
        named = (host for host in self.hosts.values() if host.spec.host.lower() == name)
        return None if all(host.plant.resolves for host in named) else DnsFault.NXDOMAIN

    # -- the plant's customer ------------------------------------------------------------------------------------------

    def pool_changed(self, pool: PoolPlant, _: float) -> None:
        """Close a pool that takes no connection, and end those that are lost. A socket opens again within a second."""
        for host in self._of(pool):
            if host.presence() is Presence.REFUSES:
                self._close(host)
            if pool.link is Link.LOST:
                host.drop_all()

    def dropped(self, pool: PoolPlant, _: float) -> None:
        """End every connection of a pool."""
        for host in self._of(pool):
            host.drop_all()

    def post(self, _: float) -> None:
        """Credit nothing: shares on the wire are not the miners'."""

    def _of(self, pool: PoolPlant) -> list[PoolHost]:
        return [host for host in self.hosts.values() if host.plant is pool]

    # -- time passes ---------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        self._advance(now)
        return now

    async def _follow(self) -> None:
        before = self._now()
        job_due = before + JOB_EVERY_S
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            now = self._now()
            new_block = bool(self._blocks_between(before, now))
            if new_block or now >= job_due:
                job_due = now + JOB_EVERY_S
                for host in self.hosts.values():
                    host.new_job(new_block=new_block)
            for host in self.hosts.values():
                await self._settle(host)
            before = now

    # -- sockets -------------------------------------------------------------------------------------------------------

    async def _settle(self, host: PoolHost) -> None:
        """Open or close a pool's socket, as its state wants."""
        wanted = host.presence() is not Presence.REFUSES
        if not wanted:
            self._close(host)
        elif host.spec.id not in self._listening:
            address, port = loopback_endpoint(host.spec.host, host.spec.port)
            self._listening[host.spec.id] = await asyncio.get_running_loop().create_server(
                lambda: self._client(host), address, port, family=socket.AF_INET, backlog=BACKLOG
            )

    def _close(self, host: PoolHost) -> None:
        server = self._listening.pop(host.spec.id, None)
        if server is not None:
            server.close()

    def _client(self, host: PoolHost) -> asyncio.Protocol:
        if not host.spec.tls or self._context is None:
            return StratumSession(host)
        return _Doorman(host, self._context, self._handshakes)


class _Doorman(asyncio.Protocol):
    """Lets a client in through a TLS handshake. A loop that carries TLS in no other way carries it so."""

    def __init__(self, host: PoolHost, context: ssl.SSLContext, handshakes: set[asyncio.Task[None]]) -> None:
        self._host = host
        self._context = context
        self._handshakes = handshakes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless the pool is one that hangs or refuses."""
        stream = cast(asyncio.Transport, transport)  # a loop hands a TCP server nothing else
        self._host.now()
        if self._host.presence() is not Presence.ANSWERS:
            StratumSession(self._host).connection_made(stream)
            return
        stream.pause_reading()
        task = asyncio.create_task(self._let_in(stream), name=f"handshake {self._host.spec.id}")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _let_in(self, stream: asyncio.Transport) -> None:
        session = StratumSession(self._host)
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                stream, session, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError:  # no TLS, a certificate the client does not trust, or a client that left
            stream.abort()
        except asyncio.CancelledError:
            stream.abort()
            raise
        else:
            session.connection_made(secured or stream)  # typeshed allows for a transport that closed meanwhile


def _identity(hosts: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS context for those hosts, and the self-signed certificate that it shows, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated pools")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_VALID[0])
        .not_valid_after(_VALID[1])
        .add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys(hosts)]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # OpenSSL reads keys from files alone
        file = Path(folder) / "pools.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem + secret)
        context.load_cert_chain(file)
    return context, pem.decode()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
