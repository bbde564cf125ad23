"""The one SNMP client: GET, bulk walk and SET, v2c and v3 authPriv.

Here live access data, deadlines, retries and the mapping of everything that can go wrong onto the error tree. The
socket is `agent.drivers.snmp_wire`'s business, bytes are `agent.codecs.snmp`'s; what an OID means is told by the PDU
profiles and the switch driver.

Reads are retried. A write is one datagram with one varbind and is never sent twice: a SET whose reply was lost may have
been carried out. One request is in flight per host. Source: facts "control", sections 1 and 4.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from agent.codecs.snmp import Bulk, Get, Request, Set, Value
from agent.drivers.net import Credentials, Dialer
from agent.drivers.snmp_usm import AuthProtocol, Complaint, PrivProtocol, User
from agent.drivers.snmp_wire import Community, Login, Reply, SnmpWire
from agent.model.errors import CodecError, DeviceError, PolicyError, SilentError

__all__ = ["AuthProtocol", "PrivProtocol", "SnmpAccess", "SnmpClient", "Value", "row_index"]

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
RUNS_REMEMBERED: Final = 1024
"""Pieces of columns that are not looked through again: one for each column of each kind of device, or a few."""
ROWS_REMEMBERED: Final = 16_384
"""Rows whose place in their column is not worked out again: those of every kind of PDU and switch a site has."""
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


@dataclass(slots=True)
class _Turns:
    """Who speaks to one host; `wanted` counts the one who does and those who wait."""

    host: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0

    async def __aenter__(self) -> None:
        self.wanted += 1
        try:
            # Who is alone does not wait, and a timer for it would be made in vain.
            async with asyncio.timeout(TURN_WAIT_S) if self.wanted > 1 else nullcontext():
                await self.lock.acquire()
        except BaseException as error:
            self.wanted -= 1
            if not isinstance(error, TimeoutError):
                raise
            raise SilentError(f"{self.host}: waited {TURN_WAIT_S:g} s for earlier SNMP requests to this host") from None

    async def __aexit__(self, *_: object) -> None:
        self.lock.release()
        self.wanted -= 1


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
        self._turns: dict[tuple[str, int], _Turns] = {}
        self._slow: set[tuple[str, int]] = set()

    async def warm_up(self) -> None:
        """Pay for the socket and the ciphers (a tenth of a second of CPU) before anything waits for them."""
        await self._wire.warm_up()

    def close(self) -> None:
        """Close the socket; what is in flight ends in silence."""
        self._wire.close()

    async def get(
        self, host: str, access: SnmpAccess, oids: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, Value]:
        """Read single objects. Missing ones raise DeviceError, unless `optional`: those are left out."""
        found: dict[str, Value] = {}
        asked = (*oids, *optional)
        for start in range(0, len(asked), OIDS_PER_GET):
            chunk = asked[start : start + OIDS_PER_GET]
            reply = await self._read(host, access, Get(chunk))
            if tuple(oid for oid, _ in reply.values) != chunk:
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
    ) -> dict[str, Value]:
        """Read whole columns of a table in as few requests as the device's reply size allows.

        Returns OID → value; of a column the device does not have, nothing. With `wanted`, a column is done as soon as
        the rows of all those indices were seen.
        """
        found: dict[str, Value] = {}
        open_columns = [_Column(host, column, wanted) for column in columns]
        while open_columns:
            left = min(VALUES_PER_BULK // len(open_columns), max(column.rows_left for column in open_columns))
            reply = await self._read(host, access, Bulk(tuple(column.cursor for column in open_columns), left))
            if not reply.values:
                raise CodecError(f"{host}: a GETBULK was answered with no values at all")
            for place, column in enumerate(open_columns):
                found.update(column.take(reply.values[place :: len(open_columns)]))
            open_columns = [column for column in open_columns if column.rows_left]
        return found

    async def set(self, host: str, access: SnmpAccess, oid: str, value: int) -> None:
        """Write one INTEGER, once.

        SilentError leaves open whether it was carried out, and so, with a PDU, does every other ending: look.
        """
        async with self._turn(host, access.port):
            reply = await self._exchange(host, access, Set(oid, value), WRITE_TIMEOUT_S)
        _refuse_error(host, reply)

    async def _read(self, host: str, access: SnmpAccess, request: Get | Bulk) -> Reply:
        timeouts_s = SLOW_TIMEOUTS_S if (host, access.port) in self._slow else READ_TIMEOUTS_S
        async with self._turn(host, access.port):
            try:
                reply = await self._timed(host, access, request, timeouts_s[0])
            except SilentError:
                # Only a host that was silent pays for the machinery of trying again: it costs as much as the request.
                again = AsyncRetrying(
                    stop=stop_after_attempt(len(timeouts_s) - 1),
                    retry=retry_if_exception_type(SilentError),
                    reraise=True,
                )
                async for attempt in again:
                    with attempt:
                        timeout_s = timeouts_s[attempt.retry_state.attempt_number]
                        reply = await self._timed(host, access, request, timeout_s)
        _refuse_error(host, reply)
        return reply

    async def _timed(self, host: str, access: SnmpAccess, request: Request, timeout_s: float) -> Reply:
        """Ask once, and remember whether the host is slow to answer."""
        now = asyncio.get_running_loop().time
        asked_at = now()
        reply = await self._exchange(host, access, request, timeout_s)
        is_slow = now() - asked_at > READ_TIMEOUTS_S[0]
        (self._slow.add if is_slow else self._slow.discard)((host, access.port))
        return reply

    async def _exchange(self, host: str, access: SnmpAccess, request: Request, timeout_s: float) -> Reply:
        login = self._login(access, write=isinstance(request, Set))
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._wire.request(self._dialer.endpoint(host, access.port), login, request)
        except TimeoutError:
            raise _silence(host, access, timeout_s) from None
        if reply.complaint is not None:
            raise DeviceError(f"{host}: SNMPv3 refused with {reply.complaint}: {_SECURITY[reply.complaint]}")
        return reply

    def _turn(self, host: str, port: int) -> _Turns:
        """Return what to enter before anything is sent to a host, and to leave once it is answered."""
        turns = self._turns.get((host, port))
        if turns is None:
            turns = self._turns[host, port] = _Turns(host)
        return turns

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


class _Column:
    """A column that is being walked.

    Attributes:
        cursor: where the walk has come to: the next request goes on behind it.
        rows_left: how many rows it still asks for at most; 0 when it is done.
    """

    __slots__ = ("_host", "_missing", "_name", "_rows", "cursor", "rows_left")

    def __init__(self, host: str, name: str, wanted: Collection[str] | None) -> None:
        self._host = host
        self._name = name
        self._missing = None if wanted is None else set(wanted)
        self._rows = 0
        self.cursor = name
        self.rows_left = ROWS_LIMIT if self._missing is None else len(self._missing)

    def take(self, values: Sequence[tuple[str, Value | None]]) -> list[tuple[str, Value]]:
        """Return those of a reply's values that lie in the column.

        Raises CodecError where the device's OIDs do not increase, since a walk over them would never end, and where the
        column is longer than any.
        """
        if not values:
            return []
        oids, told = zip(*values, strict=True)
        if None in told:
            oids = oids[: told.index(None)]
        try:
            indices = _run(self._name, self.cursor, oids)
        except CodecError as error:
            raise CodecError(f"{self._host}: {error}") from None
        rows = len(indices)
        self._rows += rows
        if self._rows > ROWS_LIMIT:
            raise CodecError(f"{self._host}: {self._name} has more than {ROWS_LIMIT} rows: this is no table we know")
        self.cursor = oids[rows - 1] if rows else self.cursor
        if self._missing is not None:
            self._missing.difference_update(indices)
        if rows < len(values):
            self.rows_left = 0
        elif self._missing is not None:
            self.rows_left = len(self._missing)
        return [(oid, value) for oid, value in values[:rows] if value is not None]


@lru_cache(RUNS_REMEMBERED)
def _run(column: str, behind: str, oids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the indices of the rows that a reply tells of, up to the first OID outside the column.

    A device names the same OIDs at every read, and the devices of one model name the same ones.

    Args:
        column: its OID.
        behind: where the walk had come to, or the column itself.
        oids: as they came.

    Raises:
        CodecError: they do not increase.
    """
    indices: list[str] = []
    before = _row(column, behind)
    for oid in oids:
        row = _row(column, oid)
        if row is None:
            break
        if before is not None and row[1] <= before[1]:
            raise CodecError(f"expected an OID behind {behind}, {oid} came")
        before, behind = row, oid
        indices.append(row[0])
    return tuple(indices)


@lru_cache(ROWS_REMEMBERED)
def _row(column: str, oid: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the index of an OID's row, as text and in its order; None where it lies outside the column."""
    index = row_index(column, oid)
    return None if index is None else (index, tuple(map(int, index.split("."))))


def row_index(column: str, oid: str) -> str | None:
    """Return the index of an OID's row in a column, as text; None where it lies outside."""
    return oid[len(column) + 1 :] if oid.startswith(f"{column}.") else None


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

_SECURITY: Final[Mapping[Complaint, str]] = {
    Complaint.WRONG_DIGEST: "check the authentication passphrase and protocol",
    Complaint.UNKNOWN_USER: "check the user name: the device does not know it",
    Complaint.UNSUPPORTED_LEVEL: "give that user authentication and privacy on the device",
    Complaint.DECRYPTION: "check the privacy passphrase and protocol",
    Complaint.NOT_IN_WINDOW: "the device's SNMP clock does not agree with itself: restart its SNMP service",
    Complaint.UNKNOWN_ENGINE: "the device's SNMP engine does not introduce itself: restart its SNMP service",
    Complaint.OTHER: "see the device's manual, and whether it knows the default context",
}
"""What SNMPv3 can complain of below the PDU, with what to do about it."""


def _refuse_error(host: str, reply: Reply) -> None:
    if reply.status:
        name, remedy = _STATUS.get(reply.status, (f"error status {reply.status}", "see the device's manual"))
        raise DeviceError(f"{host}: the device answered {name}: {remedy}")


def _silence(host: str, access: SnmpAccess, timeout_s: float) -> SilentError:
    hint = (
        "check the address, and the community: a wrong one is not answered"
        if access.version == "2c"
        else "check the address, and the privacy passphrase: a wrong one is not answered"
    )
    return SilentError(f"{host}: no SNMP answer within {timeout_s:g} s: {hint}")
