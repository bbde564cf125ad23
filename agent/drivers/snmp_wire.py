"""SNMP on its one socket: a datagram out, the datagram that answers it in. No retries, no meaning.

What answers is what comes from the address asked, with the number given, from one who knows the community or the keys;
everything else is dropped, as if it had never come.
"""

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from agent.codecs.snmp import (
    RESPONSE,
    Pdu,
    Request,
    Set,
    V2cMessage,
    V3Message,
    Value,
    decode_message,
    encode_request,
    encode_v2c,
)
from agent.drivers.snmp_usm import Complaint, Engine, User, ciphers
from agent.model.errors import CodecError, TransportError

Address = tuple[str, int]

_CURABLE: Final = frozenset({Complaint.UNKNOWN_ENGINE, Complaint.NOT_IN_WINDOW})
"""What a device says of a request that it has not carried out because it and we did not know each other well."""
_HOSTS_REMEMBERED: Final = 16_384

ROUNDS: Final = 4
"""Datagrams one SNMPv3 request may cost: meet the engine, ask, follow its clock and ask again, and one to spare."""


@dataclass(frozen=True, slots=True)
class Community:
    """A v2c login. Holds the secret, so it never prints it."""

    secret: str = field(repr=False)


Login = Community | User


class Reply(NamedTuple):
    """What came back.

    Attributes:
        complaint: what the device complained of below the PDU, None where it did not.
        status: error-status of the PDU, 0 for none.
        values: (OID, value) in the order of the reply; None where the device has no such object.
    """

    complaint: Complaint | None
    status: int
    values: list[tuple[str, Value | None]]


class _Awaited(NamedTuple):
    """A datagram that is waited for; `read` returns None for one that is not it."""

    answer: "asyncio.Future[Reply]"
    read: Callable[[V2cMessage | V3Message], Reply | None]


class SnmpWire(asyncio.DatagramProtocol):
    """Carry requests over one socket. Belongs to the event loop it is first used on."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._awaited: dict[tuple[Address, int], _Awaited] = {}
        self._engines: dict[tuple[Address, User], Engine] = {}

    async def warm_up(self) -> None:
        """Open the socket and load what SNMPv3 needs; OSError where there is no socket to be had."""
        await self._open()
        ciphers()

    async def request(self, endpoint: Address, login: Login, request: Request) -> Reply:
        """Send once and wait for the reply, for as long as the caller does: put a timeout around it.

        SNMPv3 may need datagrams of its own before. A request whose sender the device did not know, or found out of
        its time, was not carried out: a read is then sent again, a SET only if the device's signature says so.

        Raises TransportError where nothing could be sent, CodecError where the reply holds garbage.
        """
        try:
            address = await _resolved(endpoint)
            transport = self._transport or await self._open()
            if isinstance(login, User):
                return await self._request_v3(transport, address, login, request)
            return await self._request_v2c(transport, address, login, request)
        except (OSError, UnicodeError) as failure:
            raise TransportError(
                f"{endpoint[0]}: the SNMP request could not be sent ({type(failure).__name__}): check the host's name"
            ) from failure

    def close(self) -> None:
        """Close the socket. Whatever is in flight is never answered."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # -- asyncio's protocol --------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Give a datagram to the request it answers, or drop it."""
        try:
            message = decode_message(data)
        except CodecError:
            return
        number = message.pdu.request_id if isinstance(message, V2cMessage) else message.message_id
        awaited = self._awaited.get((addr, number))
        if awaited is None or awaited.answer.done():
            return
        try:
            reply = awaited.read(message)
        except CodecError as garbage:
            awaited.answer.set_exception(CodecError(f"{addr[0]}: {garbage}"))
            return
        if reply is not None:
            awaited.answer.set_result(reply)

    # -- sending -------------------------------------------------------------------------------------------------------

    async def _request_v2c(
        self, transport: asyncio.DatagramTransport, address: Address, login: Community, request: Request
    ) -> Reply:
        number, community = _number(), login.secret.encode()

        def read(message: V2cMessage | V3Message) -> Reply | None:
            if not isinstance(message, V2cMessage) or message.community != community:
                return None
            return _reply(message.pdu, number)

        datagram = encode_v2c(community, encode_request(request, number))
        return await self._exchange(transport, address, number, datagram, read)

    async def _request_v3(
        self, transport: asyncio.DatagramTransport, address: Address, user: User, request: Request
    ) -> Reply:
        engine = self._engines.get((address, user)) or self._engines.setdefault((address, user), Engine(user))
        now = asyncio.get_running_loop().time
        reply = Reply(Complaint.UNKNOWN_ENGINE, 0, [])
        for _ in range(ROUNDS):
            number, is_asked = _number(), engine.is_known
            datagram = engine.seal(request, number, now()) if is_asked else engine.introduction(number)

            def read(message: V2cMessage | V3Message, number: int = number) -> Reply | None:
                if not isinstance(message, V3Message):
                    return None
                answer = engine.open(message, now())
                if answer is None or isinstance(answer, Complaint):
                    return None if answer is None else Reply(answer, 0, [])
                return _reply(answer, number)

            reply = await self._exchange(transport, address, number, datagram, read)
            if reply.complaint is Complaint.UNKNOWN_ENGINE and is_asked:
                engine.forget()
            if reply.complaint not in _CURABLE or (isinstance(request, Set) and not engine.is_known):
                return reply
        engine.forget()
        return reply

    async def _exchange(
        self,
        transport: asyncio.DatagramTransport,
        address: Address,
        number: int,
        datagram: bytes,
        read: Callable[[V2cMessage | V3Message], Reply | None],
    ) -> Reply:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._awaited[address, number] = _Awaited(answer, read)
        try:
            transport.sendto(datagram, address)
            return await answer
        finally:
            del self._awaited[address, number]

    async def _open(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None:
                loop = asyncio.get_running_loop()
                self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("0.0.0.0", 0))  # noqa: S104 - devices are on any of the site's networks
            return self._transport


def _number() -> int:
    """Return a number for a message: not to be guessed from outside, and always of four octets."""
    return 1 << 30 | secrets.randbits(30)


def _reply(pdu: Pdu, number: int) -> Reply | None:
    if pdu.kind != RESPONSE or pdu.request_id != number:
        return None
    return Reply(None, pdu.status, pdu.values())


async def _resolved(endpoint: Address) -> Address:
    """Return the address to send to; a literal one takes no detour over the resolver's thread."""
    if _is_literal(endpoint[0]):
        return endpoint
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(*endpoint, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    host, port = found[0][4][:2]
    return str(host), int(port)


@lru_cache(_HOSTS_REMEMBERED)
def _is_literal(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
