"""The only module that knows pysnmp: one request out, one reply in. No retries, no meaning, no MIB.

The command generators are driven directly, below pysnmp's high-level functions: those resolve every OID through a MIB
view, which compiles MIBs (and blocks the loop for a second) wherever a compiler happens to be installed.
"""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pyasn1.type import univ
from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import auth as usm
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator
from pysnmp.hlapi.v3arch.asyncio.transport import UdpTransportTarget
from pysnmp.proto.api import v2c
from pysnmp.proto.secmod.rfc3414 import service as usm_service

from agent.model.errors import CodecError, TransportError

Value = int | bytes | str
"""INTEGER, counters and ticks as int; OCTET STRING as bytes; OBJECT IDENTIFIER as dotted str."""

_FORGET_S: Final = 6
"""When the engine forgets a request: past every deadline of the client, so that it never decides anything."""
_TICK_S: Final = 0.5


class AuthProtocol(StrEnum):
    """SNMPv3 authentication, as set on the device."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class PrivProtocol(StrEnum):
    """SNMPv3 encryption, as set on the device. 192 and 256 bit keys are extended the way net-snmp extends them."""

    DES = "des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"


_AUTH: Final[Mapping[AuthProtocol, Any]] = {
    AuthProtocol.MD5: usm.USM_AUTH_HMAC96_MD5,
    AuthProtocol.SHA1: usm.USM_AUTH_HMAC96_SHA,
    AuthProtocol.SHA224: usm.USM_AUTH_HMAC128_SHA224,
    AuthProtocol.SHA256: usm.USM_AUTH_HMAC192_SHA256,
    AuthProtocol.SHA384: usm.USM_AUTH_HMAC256_SHA384,
    AuthProtocol.SHA512: usm.USM_AUTH_HMAC384_SHA512,
}
_PRIV: Final[Mapping[PrivProtocol, Any]] = {
    PrivProtocol.DES: usm.USM_PRIV_CBC56_DES,
    PrivProtocol.AES128: usm.USM_PRIV_CFB128_AES,
    PrivProtocol.AES192: usm.USM_PRIV_CFB192_AES_BLUMENTHAL,
    PrivProtocol.AES256: usm.USM_PRIV_CFB256_AES_BLUMENTHAL,
}


@dataclass(frozen=True, slots=True)
class Community:
    """A v2c login. Holds the secret, so it never prints it."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """A v3 authPriv login. Holds the secrets, so it never prints them."""

    name: str
    auth: AuthProtocol
    auth_secret: str = field(repr=False)
    priv: PrivProtocol
    priv_secret: str = field(repr=False)


Login = Community | User


@dataclass(frozen=True, slots=True)
class Get:
    """GET of these OIDs."""

    oids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Bulk:
    """GETBULK that starts behind each of these OIDs."""

    oids: Sequence[str]
    repetitions: int


@dataclass(frozen=True, slots=True)
class Set:
    """SET of one INTEGER."""

    oid: str
    value: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        complaint: the name pysnmp gives to a failure below the PDU ("wrongDigest"), empty where there was none.
        status: error-status of the PDU, 0 for none.
        values: (OID, value) in the order of the reply; None where the device has no such object.
    """

    complaint: str
    status: int
    values: Sequence[tuple[str, Value | None]]


class _LoopClock:
    """Stands where pysnmp's SNMPv3 module reads the wall clock.

    It only ever takes differences, to follow each device's own clock. On the wall clock a step of this host's time
    would put every device out of its time window, and a simulated site would not repeat itself.
    """

    @staticmethod
    def time() -> float:
        """Return the running event loop's time in s."""
        return asyncio.get_running_loop().time()


usm_service.time = _LoopClock


class SnmpWire:
    """Carry requests over one socket. Belongs to the event loop it is first used on."""

    def __init__(self) -> None:
        self._engines: list[tuple[Any, dict[str, User]]] = []
        self._auth: dict[Login, Any] = {}
        self._lcd = CommandGeneratorLcdConfigurator()
        self._get = cmdgen.GetCommandGenerator()
        self._bulk = cmdgen.BulkCommandGenerator()
        self._set = cmdgen.SetCommandGenerator()

    async def request(self, endpoint: tuple[str, int], login: Login, request: Get | Bulk | Set) -> Reply:
        """Send once and wait for the reply, for as long as the caller does: put a timeout around it.

        Raises TransportError where nothing could be sent, CodecError where the reply holds a value of no known type.
        """
        future: asyncio.Future[tuple[str, int, Any]] = asyncio.get_running_loop().create_future()

        def answered(_engine: Any, _handle: Any, complaint: Any, status: Any, _index: Any, binds: Any, _: Any) -> None:
            if not future.done():
                future.set_result((type(complaint).__name__ if complaint else "", int(status), binds))

        try:
            target = await _target(endpoint)
            engine = self._engine(login)
            name, _ = self._lcd.configure(engine, self._auth_data(login), target)
            self._send(engine, name, request, answered)
        except (PySnmpError, OSError, UnicodeError) as failure:
            raise TransportError(
                f"{endpoint[0]}: the SNMP request could not be sent ({type(failure).__name__}): check the host's name"
            ) from failure
        complaint, status, binds = await future
        return Reply(complaint, status, [(str(name), _decode(value)) for name, value in binds])

    def close(self) -> None:
        """Close the socket and the timer. Whatever is in flight is never answered."""
        for engine, _ in self._engines:
            engine.close_dispatcher()
        self._engines.clear()

    def _send(self, engine: Any, name: str, request: Get | Bulk | Set, answered: Any) -> None:
        match request:
            case Get(oids):
                self._get.send_varbinds(engine, name, None, b"", [(_oid(oid), v2c.null) for oid in oids], answered)
            case Bulk(oids, repetitions):
                binds = [(_oid(oid), v2c.null) for oid in oids]
                self._bulk.send_varbinds(engine, name, None, b"", 0, repetitions, binds, answered)
            case Set(oid, value):
                self._set.send_varbinds(engine, name, None, b"", [(_oid(oid), v2c.Integer32(value))], answered)

    def _engine(self, login: Login) -> Any:
        """Return the engine for that login: the first, unless it knows the same user by other passphrases.

        Pysnmp keeps one set of keys per user name; devices that share a name but not its passphrases need engines of
        their own.
        """
        for engine, users in self._engines:
            if isinstance(login, Community) or users.setdefault(login.name, login) == login:
                return engine
        from pysnmp.entity.engine import SnmpEngine  # noqa: PLC0415 - a tenth of a second that only a daemon should pay

        engine = SnmpEngine()
        engine.register_transport_dispatcher(_QuietDispatcher())
        self._engines.append((engine, {} if isinstance(login, Community) else {login.name: login}))
        return engine

    def _auth_data(self, login: Login) -> Any:
        if login not in self._auth:
            self._auth[login] = (
                usm.CommunityData(login.secret, mpModel=1)  # noqa: S508 - most PDUs in the field offer nothing else
                if isinstance(login, Community)
                else usm.UsmUserData(
                    login.name,
                    authKey=login.auth_secret,
                    privKey=login.priv_secret,
                    authProtocol=_AUTH[login.auth],
                    privProtocol=_PRIV[login.priv],
                )
            )
        return self._auth[login]


class _QuietDispatcher(AsyncioDispatcher):  # type: ignore[misc]
    """Pysnmp's dispatcher, ticking on the loop's own clock and only while a request is in flight.

    The stock one wakes ten times a second for ever and reads the wall clock: an idle agent would never sleep, and a
    virtual-time loop would be walked through its hours in tenths of a second.
    """

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._busy = asyncio.Event()
        self.set_timer_resolution(_TICK_S)

    def job_started(self, jobId: int, count: int = 1) -> None:  # noqa: N803 - pysnmp's name
        super().job_started(jobId, count)
        self._busy.set()

    def job_finished(self, jobId: int, count: int = 1) -> None:  # noqa: N803 - pysnmp's name
        super().job_finished(jobId, count)
        if not self.jobs_are_pending():
            self._busy.clear()

    async def handle_timeout(self) -> None:
        while True:
            await self._busy.wait()
            await asyncio.sleep(_TICK_S)
            self.handle_timer_tick(asyncio.get_running_loop().time())


async def _target(endpoint: tuple[str, int]) -> Any:
    """Return pysnmp's target; a literal address takes no detour over the resolver's thread."""
    try:
        ipaddress.IPv4Address(endpoint[0])
    except ValueError:
        return await UdpTransportTarget.create(endpoint, timeout=_FORGET_S, retries=0)
    return _LiteralTarget(endpoint)


class _LiteralTarget(UdpTransportTarget):  # type: ignore[misc]
    def __init__(self, endpoint: tuple[str, int]) -> None:
        self.transport_address = endpoint
        super().__init__(timeout=_FORGET_S, retries=0)


def _oid(dotted: str) -> Any:
    return v2c.ObjectIdentifier(tuple(int(part) for part in dotted.split(".")))


def _decode(value: Any) -> Value | None:
    """Turn a pyasn1 value into a plain one; None for noSuchObject, noSuchInstance and endOfMibView."""
    if isinstance(value, univ.Null):
        return None
    if isinstance(value, univ.Integer):
        return int(value)
    if isinstance(value, univ.OctetString):
        return bytes(value)
    if isinstance(value, univ.ObjectIdentifier):
        return str(value)
    raise CodecError(f"expected an INTEGER, OCTET STRING or OBJECT IDENTIFIER, a {type(value).__name__} came")
