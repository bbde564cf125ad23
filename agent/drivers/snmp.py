"""The one SNMP client: GET, bulk walk and SET, v2c and v3 authPriv.

Here live access data, deadlines, retries and the mapping of everything that can go wrong onto the error tree. Bytes
are `agent.drivers.snmp_wire`'s business; what an OID means is told by the PDU profiles and the switch driver.

Reads are retried. A write is one datagram with one varbind and is never sent twice: a SET whose reply was lost may have
been carried out. One request is in flight per host. Source: facts "control", sections 1 and 4.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from agent.drivers.net import Credentials, Dialer
from agent.drivers.snmp_wire import (
    AuthProtocol,
    Bulk,
    Community,
    Get,
    Login,
    PrivProtocol,
    Reply,
    Set,
    SnmpWire,
    User,
    Value,
)
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError, SilentError

__all__ = ["AuthProtocol", "PrivProtocol", "SnmpAccess", "SnmpClient", "Value"]

READ_TIMEOUTS_S: Final = (1.5, 1.5, 3.0)
"""How long each try of a read waits; the last is longer, for a device that is merely slow. Source: facts
"pdu_profiles", driver_defaults (1.5 s, 2 retries)."""
SLOW_TIMEOUTS_S: Final = (4.0, 4.0)
"""The same for a host whose last reply took longer than the first try waits: repeating sooner only adds to its load."""
WRITE_TIMEOUT_S: Final = 3.0
"""How long the single try of a SET waits. Source: facts "pdu_profiles", driver_defaults."""
TURN_WAIT_S: Final = 20.0
"""How long a request waits for those before it on the same host."""
OIDS_PER_GET: Final = 32
"""OIDs of one GET: the request stays within one Ethernet frame."""
VALUES_PER_BULK: Final = 96
"""Values asked for in one GETBULK; a device truncates to what fits it, and the walk goes on from there."""
ROWS_LIMIT: Final = 4096
"""A longer column is no table of a PDU or a switch."""
PASSPHRASE_MIN: Final = 8
"""Shortest SNMPv3 passphrase (RFC 3414, section 11.2)."""
SYS_OBJECT_ID: Final = "1.3.6.1.2.1.1.2.0"
"""SNMPv2-MIB::sysObjectID.0: what kind of device this is."""


@dataclass(frozen=True, slots=True)
class SnmpAccess:
    """How to speak to one device. Credentials are named, never held.

    Attributes:
        community: credential of the read community (2c).
        write_community: credential of the write community (2c); the read community where absent.
        user: the SNMPv3 user name itself; it is no secret.
        auth, priv: what that user is set to on the device.
        auth_credential, priv_credential: credentials of the two passphrases (3).
    """

    version: Literal["2c", "3"] = "2c"
    community: str | None = None
    write_community: str | None = None
    user: str | None = None
    auth: AuthProtocol | None = AuthProtocol.SHA1
    auth_credential: str | None = None
    priv: PrivProtocol | None = PrivProtocol.AES128
    priv_credential: str | None = None
    port: int = 161

    def __post_init__(self) -> None:
        """Refuse half an access; raises PolicyError naming what is missing."""
        v3 = ("user", "auth", "auth_credential", "priv", "priv_credential")
        missing = [name for name in (("community",) if self.version == "2c" else v3) if not getattr(self, name)]
        if missing:
            raise PolicyError(f"SNMP version {self.version} needs {', '.join(missing)}: set it for this device")


class SnmpClient:
    """Speak SNMP to every PDU and switch of the site.

    Belongs to the event loop it is first used on. Every call has a deadline and raises nothing but the AgentError
    tree: SilentError when nothing came in time, DeviceError when the device said no, CodecError when it answered
    nonsense, PolicyError for a credential that is missing or unusable.
    """

    def __init__(self, dialer: Dialer, credentials: Credentials) -> None:
        self._dialer = dialer
        self._credentials = credentials
        self._wire = SnmpWire()
        self._turns: dict[tuple[str, int], asyncio.Lock] = {}
        self._slow: set[tuple[str, int]] = set()

    async def warm_up(self) -> None:
        """Pay for the engine and its first request (a tenth of a second of CPU) before anything waits for it."""
        try:
            async with asyncio.timeout(0.01):
                await self._wire.request(("127.0.0.1", 9), Community("warm-up"), Get([SYS_OBJECT_ID]))
        except TimeoutError:
            return

    def close(self) -> None:
        """Close socket and timer; what is in flight ends in silence."""
        self._wire.close()

    async def get(
        self, host: str, access: SnmpAccess, oids: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, Value]:
        """Read single objects. Missing ones raise DeviceError, unless `optional`: those are left out."""
        found: dict[str, Value] = {}
        asked = [*oids, *optional]
        for start in range(0, len(asked), OIDS_PER_GET):
            chunk = asked[start : start + OIDS_PER_GET]
            reply = await self._read(host, access, Get(chunk))
            named = [oid for oid, _ in reply.values]
            if named != chunk:
                raise CodecError(f"{host}: asked for {len(chunk)} objects from {chunk[0]} on; the reply names others")
            found.update({oid: value for oid, value in reply.values if value is not None})
        for oid in oids:
            if oid not in found:
                raise DeviceError(
                    f"{host}: expected a value at {oid}, the device has no such object: "
                    "check the profile, and whether this login may see that part of the tree"
                )
        return found

    async def walk(
        self, host: str, access: SnmpAccess, columns: Sequence[str], wanted: Collection[str] | None = None
    ) -> dict[str, dict[str, Value]]:
        """Read whole columns of a table in as few requests as the device's reply size allows.

        Returns column → index suffix → value; a column the device does not have comes back empty. With `wanted`, a
        column is done as soon as all those suffixes were seen.
        """
        table: dict[str, dict[str, Value]] = {column: {} for column in columns}
        cursor = {column: column for column in columns}
        while cursor:
            left = VALUES_PER_BULK // len(cursor)
            if wanted is not None:
                left = min(left, max(len(set(wanted) - table[column].keys()) for column in cursor))
            reply = await self._read(host, access, Bulk(list(cursor.values()), left))
            ended = _gather(host, list(cursor), reply, table)
            for column in list(cursor):
                if column in ended or (wanted is not None and set(wanted) <= table[column].keys()):
                    del cursor[column]
                elif len(table[column]) > ROWS_LIMIT:
                    raise CodecError(f"{host}: {column} has more than {ROWS_LIMIT} rows: this is no table we know")
                else:
                    cursor[column] = f"{column}.{_last(table[column])}" if table[column] else column
        return table

    async def set(self, host: str, access: SnmpAccess, oid: str, value: int) -> None:
        """Write one INTEGER, once.

        SilentError leaves open whether it was carried out, and so, with a PDU, does every other ending: look.
        """
        async with self._turn(host, access.port):
            reply = await self._exchange(host, access, Set(oid, value), WRITE_TIMEOUT_S)
        _refuse_error(host, reply)

    async def _read(self, host: str, access: SnmpAccess, request: Get | Bulk) -> Reply:
        who = (host, access.port)
        timeouts_s = SLOW_TIMEOUTS_S if who in self._slow else READ_TIMEOUTS_S
        tries = AsyncRetrying(
            stop=stop_after_attempt(len(timeouts_s)), retry=retry_if_exception_type(SilentError), reraise=True
        )
        now = asyncio.get_running_loop().time
        async with self._turn(host, access.port):
            async for attempt in tries:
                with attempt:
                    asked_at = now()
                    reply = await self._exchange(
                        host, access, request, timeouts_s[attempt.retry_state.attempt_number - 1]
                    )
                    is_slow = now() - asked_at > READ_TIMEOUTS_S[0]
                    (self._slow.add if is_slow else self._slow.discard)(who)
        _refuse_error(host, reply)
        return reply

    async def _exchange(self, host: str, access: SnmpAccess, request: Get | Bulk | Set, timeout_s: float) -> Reply:
        login = self._login(access, write=isinstance(request, Set))
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._wire.request(self._dialer.endpoint(host, access.port), login, request)
        except TimeoutError:
            raise _silence(host, access, timeout_s) from None
        if reply.complaint:
            raise _complaint(host, access, reply.complaint, timeout_s)
        return reply

    @asynccontextmanager
    async def _turn(self, host: str, port: int) -> AsyncIterator[None]:
        lock = self._turns.setdefault((host, port), asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_WAIT_S):
                await lock.acquire()
        except TimeoutError:
            raise SilentError(f"{host}: waited {TURN_WAIT_S:g} s for earlier SNMP requests to this host") from None
        try:
            yield
        finally:
            lock.release()

    def _login(self, access: SnmpAccess, *, write: bool) -> Login:
        if access.version == "2c":
            name = access.write_community if write and access.write_community else access.community
            return Community(self._credentials.get(str(name)))
        return User(
            str(access.user),
            AuthProtocol(str(access.auth)),
            self._passphrase(str(access.auth_credential)),
            PrivProtocol(str(access.priv)),
            self._passphrase(str(access.priv_credential)),
        )

    def _passphrase(self, credential: str) -> str:
        secret = self._credentials.get(credential)
        if len(secret) < PASSPHRASE_MIN:
            raise PolicyError(f"credential {credential}: an SNMPv3 passphrase has at least {PASSPHRASE_MIN} characters")
        return secret


def _gather(host: str, columns: Sequence[str], reply: Reply, table: dict[str, dict[str, Value]]) -> set[str]:
    """Sort a GETBULK's values into the table; return the columns that came to their end.

    Raises CodecError where the device's OIDs do not increase: a walk over them would never end.
    """
    if not reply.values:
        raise CodecError(f"{host}: a GETBULK was answered with no values at all")
    ended: set[str] = set()
    last = {column: _key(_last(table[column])) if table[column] else () for column in columns}
    for place, (oid, value) in enumerate(reply.values):
        column = columns[place % len(columns)]
        if column in ended:
            continue
        if value is None or not oid.startswith(f"{column}."):
            ended.add(column)
            continue
        suffix = oid[len(column) + 1 :]
        key = _key(suffix)
        if key <= last[column]:
            raise CodecError(f"{host}: expected an OID behind {column}.{_dotted(last[column])}, {oid} came")
        last[column] = key
        table[column][suffix] = value
    return ended


def _last(rows: dict[str, Value]) -> str:
    return next(reversed(rows))


def _key(suffix: str) -> tuple[int, ...]:
    return tuple(int(part) for part in suffix.split("."))


def _dotted(key: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in key)


_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    1: ("tooBig", "the device cannot answer that much at once"),
    2: ("noSuchName", "check the profile"),
    3: ("badValue", "check the profile"),
    4: ("readOnly", "use a login that may write"),
    5: ("genErr", "the device failed inside"),
    6: ("noAccess", "use a login that may write: the write community, or a user with write access"),
    7: ("wrongType", "check the profile"),
    8: ("wrongLength", "check the profile"),
    9: ("wrongEncoding", "check the profile"),
    10: ("wrongValue", "check the profile"),
    11: ("noCreation", "check the profile and the outlet's number"),
    12: ("inconsistentValue", "the device cannot do that now: an overload restriction, or a locked outlet"),
    13: ("resourceUnavailable", "the device cannot do that now"),
    14: ("commitFailed", "the device failed inside"),
    15: ("undoFailed", "the device failed inside"),
    16: ("authorizationError", "use a login that may write"),
    17: ("notWritable", "check the profile, and that the outlet is switchable"),
    18: ("inconsistentName", "check the profile and the outlet's number"),
}
"""Error statuses of RFC 3416, section 3, with what to do about each."""

_SECURITY: Final[Mapping[str, str]] = {
    "WrongDigest": "check the authentication passphrase and protocol",
    "AuthenticationFailure": "check the authentication passphrase and protocol",
    "AuthenticationError": "check the authentication passphrase and protocol",
    "UnknownUserName": "check the user name: the device does not know it",
    "UnknownSecurityName": "check the user name: the device does not know it",
    "UnsupportedSecurityLevel": "give that user authentication and privacy on the device",
    "UnsupportedAuthProtocol": "choose an authentication protocol this installation supports",
    "UnsupportedPrivProtocol": "choose a privacy protocol this installation supports",
    "DecryptionError": "check the privacy passphrase and protocol",
    "EncryptionError": "check the privacy protocol",
    "NotInTimeWindow": "the device's SNMP clock does not agree with itself: restart its SNMP service",
    "UnknownEngineID": "the device's SNMP engine does not introduce itself: restart its SNMP service",
}
"""What SNMPv3 can complain of below the PDU, with what to do about it."""


def _refuse_error(host: str, reply: Reply) -> None:
    if reply.status:
        name, remedy = _STATUS.get(reply.status, (f"error status {reply.status}", "see the device's manual"))
        raise DeviceError(f"{host}: the device answered {name}: {remedy}")


def _complaint(host: str, access: SnmpAccess, complaint: str, timeout_s: float) -> AgentError:
    if complaint == "RequestTimedOut":
        return _silence(host, access, timeout_s)
    remedy = _SECURITY.get(complaint)
    if remedy is None:
        return CodecError(f"{host}: expected an SNMP reply, pysnmp reports {complaint}: check that this is the device")
    return DeviceError(f"{host}: SNMPv3 refused with {complaint}: {remedy}")


def _silence(host: str, access: SnmpAccess, timeout_s: float) -> SilentError:
    hint = (
        "check the address, and the community: a wrong one is not answered"
        if access.version == "2c"
        else "check the address, and the privacy passphrase: a wrong one is not answered"
    )
    return SilentError(f"{host}: no SNMP answer within {timeout_s:g} s: {hint}")
