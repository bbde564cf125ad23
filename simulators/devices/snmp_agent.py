"""An SNMP agent on one UDP endpoint: v2c communities and v3 users with real access control, GET to GETBULK, SET.

Speaks the protocol on its own (RFC 3416, 3414) and shares no code with the client under test. What objects there are
is the Mib's business; when things happen is the plant's. Datagrams that make no sense are dropped, as devices do.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final

from simulators.devices.snmp_ber import (
    COUNTER32,
    END_OF_VIEW,
    OCTETS,
    SEQUENCE,
    BerError,
    Data,
    Oid,
    Reader,
    integer,
    oid,
    tlv,
    variable,
)
from simulators.devices.snmp_mib import Mib, Status
from simulators.devices.snmp_usm import DIGEST_BYTES, UsmUser

GET: Final = 0xA0
GET_NEXT: Final = 0xA1
RESPONSE: Final = 0xA2
SET: Final = 0xA3
GET_BULK: Final = 0xA5
REPORT: Final = 0xA8

REPETITIONS_MAX: Final = 1024
BINDS_MAX: Final = 2048
_END: Final[Data] = (END_OF_VIEW, None)
TIME_WINDOW_S: Final = 150
"""RFC 3414, section 3.2, 7."""
_REQUESTS_REMEMBERED: Final = 4096
_PLANS_REMEMBERED: Final = 32
_AUTH_PRIV: Final = 3
_REPORTABLE: Final = 4
_USM_STATS: Final[Oid] = (1, 3, 6, 1, 6, 3, 15, 1, 1)
_UNSUPPORTED_LEVEL, _NOT_IN_WINDOW, _UNKNOWN_USER, _UNKNOWN_ENGINE, _WRONG_DIGEST = 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Community:
    """A v2c community as set up on the device."""

    secret: str = field(repr=False)
    may_write: bool = False


Binds = tuple[tuple[Oid, Data], ...]


@dataclass(frozen=True, slots=True)
class Pdu:
    """A request, decoded.

    Attributes:
        first, second: error-status and error-index, or non-repeaters and max-repetitions.
        binds: OID and value of each variable.
    """

    kind: int
    request_id: int
    first: int
    second: int
    binds: Binds

    def answer(self, variables: Iterable[bytes], status: Status = Status.OK, index: int = 0) -> bytes:
        """Encode the response to it."""
        return encode_pdu(RESPONSE, self.request_id, status, index, variables)

    def echo(self) -> list[bytes]:
        """Return its own variables, encoded, as the answer to a SET repeats them."""
        return [variable(oid(at), data) for at, data in self.binds]


def encode_pdu(kind: int, request_id: int, first: int, second: int, variables: Iterable[bytes]) -> bytes:
    """Encode a PDU of variables that are encoded already."""
    head = integer(request_id) + integer(first) + integer(second)
    return tlv(kind, head + tlv(SEQUENCE, b"".join(variables)))


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What stands around a v3 message's PDU; `digest` is where the digest begins and ends in the datagram."""

    message_id: int
    flags: int
    engine_id: bytes
    boots: int
    clock_s: int
    name: bytes
    digest: tuple[int, int]
    salt: bytes


class SnmpAgent(asyncio.DatagramProtocol):
    """Serve one Mib.

    Attributes:
        max_reply_bytes: a GETBULK's reply is cut to this, any other reply that is longer becomes tooBig.
        reply_delay_s: asked for each request; the request takes effect at once, its reply goes out that much later.
        lives: whether the device is there at all; else nothing happens and nothing is said.
    """

    def __init__(
        self,
        mib: Mib,
        *,
        engine_id: bytes,
        communities: tuple[Community, ...] = (),
        users: tuple[UsmUser, ...] = (),
        before: Callable[[float], None] = lambda _: None,
        reply_delay_s: Callable[[], float] = lambda: 0.0,
        lives: Callable[[], bool] = lambda: True,
        max_reply_bytes: int = 1472,
    ) -> None:
        self._mib = mib
        self._engine_id = engine_id
        self._communities = communities
        self._users = {user.name.encode(): user for user in users}
        self._before = before
        self._reply_delay_s = reply_delay_s
        self._lives = lives
        self._max_reply_bytes = max_reply_bytes
        self._transport: asyncio.DatagramTransport | None = None
        self._started_at = 0.0
        self._late: set[asyncio.TimerHandle] = set()
        self._plan = lru_cache(_PLANS_REMEMBERED)(self._planned)

    async def start(self, endpoint: tuple[str, int]) -> None:
        """Listen on a local endpoint; OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=endpoint)

    def stop(self) -> None:
        """Stop listening; replies still on their way are lost."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one datagram, or drop it."""
        loop = asyncio.get_running_loop()
        self._before(loop.time())
        if not self._lives():
            return
        try:
            reply = self._answer(data)
        except (BerError, ValueError):
            return
        delay_s = self._reply_delay_s()
        if reply is None:
            return
        if delay_s <= 0.0:
            self._send(reply, addr)
            return
        handle: asyncio.TimerHandle

        def deliver() -> None:
            self._late.discard(handle)
            self._send(reply, addr)

        handle = loop.call_later(delay_s, deliver)
        self._late.add(handle)

    def _send(self, reply: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(reply, addr)

    def _answer(self, data: bytes) -> bytes | None:
        _, message = Reader(data).enter(SEQUENCE)
        version = message.integer()
        if version == 1:
            return self._answer_v2c(message)
        if version == 3:
            return self._answer_v3(data, message)
        return None

    # -- v2c -----------------------------------------------------------------------------------------------------------

    def _answer_v2c(self, message: Reader) -> bytes | None:
        name = message.octets()
        known = [c for c in self._communities if hmac.compare_digest(c.secret.encode(), name)]
        if not known:
            return None
        reply = self._perform(_read_pdu(message), may_write=any(c.may_write for c in known), overhead=len(name) + 32)
        return tlv(SEQUENCE, integer(1) + tlv(OCTETS, name) + reply)

    # -- v3 ------------------------------------------------------------------------------------------------------------

    def _answer_v3(self, data: bytes, message: Reader) -> bytes | None:
        envelope = _read_envelope(message)
        user = self._users.get(envelope.name)
        fault = self._fault(data, envelope, user)
        if fault:
            if not envelope.flags & _REPORTABLE:
                return None
            at = (*_USM_STATS, fault, 0)
            report = encode_pdu(REPORT, 0, 0, 0, [variable(oid(at), (COUNTER32, 1))])
            signed = user if fault == _NOT_IN_WINDOW else None
            return self._wrap(envelope.message_id, signed, report, private=False)
        if user is None:
            return None
        plain = user.decrypt(self._engine_id, envelope.boots, envelope.clock_s, envelope.salt, message.octets())
        _, scoped = Reader(plain).enter(SEQUENCE)
        if scoped.octets() != self._engine_id or scoped.octets():
            return None
        reply = self._perform(_read_pdu(scoped), may_write=user.may_write, overhead=160)
        return self._wrap(envelope.message_id, user, reply, private=True)

    def _fault(self, data: bytes, envelope: "_Envelope", user: UsmUser | None) -> int:
        """Return which usmStats counter this message would raise (RFC 3414, section 3.2), 0 for none."""
        if envelope.engine_id != self._engine_id:
            return _UNKNOWN_ENGINE
        if user is None:
            return _UNKNOWN_USER
        if envelope.flags & _AUTH_PRIV != _AUTH_PRIV:
            return _UNSUPPORTED_LEVEL
        start, end = envelope.digest
        blank = data[:start] + bytes(end - start) + data[end:]
        if not hmac.compare_digest(user.digest(self._engine_id, blank), data[start:end]):
            return _WRONG_DIGEST
        if envelope.boots != 1 or abs(envelope.clock_s - self._clock_s) > TIME_WINDOW_S:
            return _NOT_IN_WINDOW
        return 0

    def _wrap(self, message_id: int, user: UsmUser | None, pdu: bytes, *, private: bool) -> bytes:
        scoped = tlv(SEQUENCE, tlv(OCTETS, self._engine_id) + tlv(OCTETS, b"") + pdu)
        salt = b""
        clock_s = self._clock_s
        if user is not None and private:
            secret, salt = user.encrypt(self._engine_id, 1, clock_s, scoped)
            scoped = tlv(OCTETS, secret)
        name, blank = (b"", b"") if user is None else (user.name.encode(), bytes(DIGEST_BYTES[user.auth]))
        flags = bytes(((user is not None) | (bool(salt) << 1),))

        def message(digest: bytes) -> bytes:
            head = integer(message_id) + integer(65507) + tlv(OCTETS, flags) + integer(3)
            security = tlv(OCTETS, self._engine_id) + integer(1) + integer(clock_s) + tlv(OCTETS, name)
            security += tlv(OCTETS, digest) + tlv(OCTETS, salt)
            return tlv(SEQUENCE, integer(3) + tlv(SEQUENCE, head) + tlv(OCTETS, tlv(SEQUENCE, security)) + scoped)

        return message(blank if user is None else user.digest(self._engine_id, message(blank)))

    @property
    def _clock_s(self) -> int:
        return int(asyncio.get_running_loop().time() - self._started_at)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _perform(self, request: Pdu, *, may_write: bool, overhead: int) -> bytes:
        """Carry a request out; raises BerError for a kind that no manager sends."""
        room = self._max_reply_bytes - overhead
        if request.kind == GET_BULK:
            return request.answer(self._bulk(request, room))
        if request.kind == SET:
            return self._write(request, may_write)
        if request.kind == GET:
            told = [self._value(at) for at, _ in request.binds]
        elif request.kind == GET_NEXT:
            told = [self._next(at) for at, _ in request.binds]
        else:
            raise BerError(f"request kind {request.kind:#x} is not for an agent")
        reply = request.answer(told)
        return reply if len(reply) <= room else request.answer((), Status.TOO_BIG)

    def _value(self, at: Oid) -> bytes:
        found = self._mib.find(at)
        return variable(oid(at), self._mib.absent(at)) if found is None else found.variable()

    def _next(self, at: Oid) -> bytes:
        found = self._mib.after(at, 1)
        return found[0].variable() if found else variable(oid(at), _END)

    def _bulk(self, request: Pdu, room: int) -> list[bytes]:
        """Repeat GETNEXT row by row until all is told or the reply is full; what does not fit is not read either."""
        told: list[bytes] = []
        for tell in self._plan(request.binds, request.first, request.second):
            encoded = tell()
            room -= len(encoded)
            if room < 0:
                break
            told.append(encoded)
        return told

    def _planned(self, binds: Binds, first: int, second: int) -> list[Callable[[], bytes]]:
        """Work out which variables answer a GETBULK, in their order; the objects of a device never change."""
        single = min(max(first, 0), len(binds))
        count = min(max(second, 0), REPETITIONS_MAX)
        plan: list[Callable[[], bytes]] = [partial(self._next, at) for at, _ in binds[:single]]
        columns = [(at, self._mib.after(at, count)) for at, _ in binds[single:]] if count else []
        for row in range(max((max(len(found), 1) for _, found in columns), default=0)):
            for at, found in columns:
                ended = partial(variable, oid(found[-1].at if found else at), _END)
                plan.append(found[row].variable if row < len(found) else ended)
            if len(plan) > BINDS_MAX:
                break
        return plan

    def _write(self, request: Pdu, may_write: bool) -> bytes:
        """Write variable by variable; the first that fails ends it. PDUs are not transactional, and this one is not."""
        for index, (at, data) in enumerate(request.binds, start=1):
            status = self._mib.write(at, data) if may_write else Status.NO_ACCESS
            if status is not Status.OK:
                return request.answer(request.echo(), status, index)
        return request.answer(request.echo())


def _read_envelope(message: Reader) -> _Envelope:
    _, head = message.enter(SEQUENCE)
    message_id, _, flags, model = head.integer(), head.integer(), head.octets(), head.integer()
    if model != 3 or len(flags) != 1:
        raise BerError("not the user-based security model")
    _, wrapped = message.enter(OCTETS)
    _, security = wrapped.enter(SEQUENCE)
    engine_id, boots, clock_s, name = security.octets(), security.integer(), security.integer(), security.octets()
    _, start, end = security.span()
    return _Envelope(message_id, flags[0], engine_id, boots, clock_s, name, (start, end), security.octets())


def _read_pdu(message: Reader) -> Pdu:
    kind, body = message.enter()
    request_id, first, second = body.integer(), body.integer(), body.integer()
    return Pdu(kind, request_id, first, second, _read_binds(body.body(SEQUENCE)))


@lru_cache(_REQUESTS_REMEMBERED)
def _read_binds(encoded: bytes) -> Binds:
    """Decode a request's variables; managers ask for the same ones again and again."""
    sequence = Reader(encoded)
    binds: list[tuple[Oid, Data]] = []
    while sequence.more:
        if len(binds) >= BINDS_MAX:
            raise BerError(f"more than {BINDS_MAX} variables in one request")
        _, bind = sequence.enter(SEQUENCE)
        binds.append((bind.oid(), bind.value()))
    return tuple(binds)
