"""Names to addresses, asked of the nameservers themselves, so that a failure says whose it is.

The system's own resolver would tell neither a name that does not exist from a nameserver that is gone, nor keep to a
deadline. Messages are dnspython's; the exchange goes over the loop's own endpoints. What a gateway's hosts file says is
not looked at: the miners do not see it either. Names are taken as complete: no search list is tried.
"""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver

from agent.drivers.miners.connection import OWN_FAULTS
from agent.drivers.net import Dialer
from agent.model.errors import AgentError, CodecError, DeviceError, SilentError, TransportError
from agent.model.probe import NameFault

DNS_PORT: Final = 53
QUERY_S: Final = 1.5
"""How long one nameserver is waited for; two of them, asked twice, fit into a probe's 10 s."""
ROUNDS: Final = 2
"""Datagrams get lost: every nameserver is asked this often before the name counts as unresolved."""
NAMESERVERS_LIMIT: Final = 3
"""As many as the C library asks (resolv.conf(5))."""
ADDRESSES_LIMIT: Final = 4
"""Addresses kept of an answer; a pool's name often leads to several hosts."""

_FAULT_OF: Final = {CodecError: NameFault.GARBAGE, DeviceError: NameFault.SERVER_FAILED}


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the nameservers said of a name.

    Attributes:
        addresses: in the nameserver's order; empty where there is a fault.
        detail: the fault in words.
    """

    addresses: tuple[str, ...] = ()
    fault: NameFault | None = None
    detail: str = ""


class Resolver:
    """Asks nameservers for a host's addresses.

    Args:
        nameservers: their addresses, in order; those of the system where None, read anew each time.
        query_s: how long each is waited for, in s.
    """

    def __init__(self, dialer: Dialer, nameservers: Sequence[str] | None = None, *, query_s: float = QUERY_S) -> None:
        self._dialer = dialer
        self._nameservers = nameservers
        self._query_s = query_s

    async def look_up(self, host: str) -> Lookup:
        """Return the addresses of a host, or why there are none; an address is its own. IPv6 where there is no IPv4.

        Raises TransportError where this host could not ask at all.
        """
        if is_address(host):
            return Lookup((host,))
        try:
            name = dns.name.from_text(host)
        except (dns.exception.DNSException, UnicodeError):
            name = dns.name.root
        if name == dns.name.root:
            return Lookup(fault=NameFault.UNKNOWN, detail=f"{host} cannot be a host's name: check the configuration")
        servers = self._servers()
        if not servers:
            return Lookup(fault=NameFault.SERVER_FAILED, detail="this host has no nameserver: see /etc/resolv.conf")
        worst = Lookup(fault=NameFault.SILENT, detail=_none_answered(host, servers))
        for _ in range(ROUNDS):
            for server in servers:
                try:
                    return await self._ask_both(name, server)
                except SilentError:
                    continue
                except (CodecError, DeviceError) as error:
                    worst = Lookup(fault=_FAULT_OF[type(error)], detail=f"nameserver {server}: {error}")
        return worst

    def _servers(self) -> tuple[str, ...]:
        servers: Sequence[object] | None = self._nameservers
        if servers is None:
            try:
                servers = dns.resolver.Resolver().nameservers
            except dns.resolver.NoResolverConfiguration:
                servers = ()
        return tuple(str(server) for server in servers)[:NAMESERVERS_LIMIT]

    async def _ask_both(self, name: dns.name.Name, server: str) -> Lookup:
        found = await self._ask(name, dns.rdatatype.A, server)
        return await self._ask(name, dns.rdatatype.AAAA, server) if found.fault is NameFault.NO_ADDRESS else found

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, server: str) -> Lookup:
        """Return what one nameserver knows; raises SilentError, CodecError or DeviceError where it knows nothing."""
        query = dns.message.make_query(name, kind, use_edns=0)
        endpoint = self._dialer.endpoint(server, DNS_PORT)
        try:
            async with asyncio.timeout(self._query_s):
                reply = await _exchange(query, endpoint)
                if reply.flags & dns.flags.TC:
                    reply = await _exchange_whole(query, endpoint)
        except TimeoutError:
            raise SilentError(f"no answer within {self._query_s:g} s") from None
        return _read(name, kind, reply)


def is_address(host: str) -> bool:
    """Tell whether a host is given as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _read(name: dns.name.Name, kind: dns.rdatatype.RdataType, reply: dns.message.QueryMessage) -> Lookup:
    host = name.to_text(omit_final_dot=True)
    rcode = reply.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return Lookup(fault=NameFault.UNKNOWN, detail=f"there is no name {host} (NXDOMAIN)")
    if rcode != dns.rcode.NOERROR:
        raise DeviceError(f"expected an answer for {host}, came {dns.rcode.to_text(rcode)}")
    try:
        records = reply.resolve_chaining().answer
    except dns.exception.DNSException:
        raise CodecError(f"expected the addresses of {host}, came an answer to something else") from None
    addresses = (str(record.address) for record in records or ())
    # A filtering nameserver answers 0.0.0.0 for what it blocks; connecting there would reach this host itself.
    usable = [
        a for a in addresses if not (ipaddress.ip_address(a).is_unspecified or ipaddress.ip_address(a).is_multicast)
    ]
    if not usable:
        return Lookup(fault=NameFault.NO_ADDRESS, detail=f"{host} exists and has no usable address")
    return Lookup(tuple(usable[:ADDRESSES_LIMIT]))


def _none_answered(host: str, servers: Sequence[str]) -> str:
    return f"no nameserver answered for {host} (asked {', '.join(servers)}): the site's DNS or the way to it is broken"


# -- one exchange ------------------------------------------------------------------------------------------------------


class _Exchange(asyncio.DatagramProtocol):
    """Sends the query and resolves `outcome` with the reply to it, or with why there is none."""

    def __init__(self, query: dns.message.QueryMessage, loop: asyncio.AbstractEventLoop) -> None:
        self._query = query
        self._head = query.id.to_bytes(2, "big")
        self.outcome: asyncio.Future[dns.message.QueryMessage | AgentError] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.sendto(self._query.to_wire())  # type: ignore[attr-defined] # a datagram endpoint has one

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] != self._head:
            return  # a late reply to another question, or a forged one
        try:
            self._settle(_decoded(data, self._query))
        except CodecError as error:
            self._settle(error)

    def error_received(self, exc: Exception) -> None:
        self._settle(SilentError(f"nobody listens there ({exc})"))

    def _settle(self, outcome: dns.message.QueryMessage | AgentError) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


async def _exchange(query: dns.message.QueryMessage, endpoint: tuple[str, int]) -> dns.message.QueryMessage:
    """Ask over UDP."""
    loop = asyncio.get_running_loop()
    exchange = _Exchange(query, loop)
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: exchange, remote_addr=endpoint)
    except OSError as error:
        raise _explained(error) from None
    try:
        outcome = await exchange.outcome
    finally:
        transport.abort()
    if isinstance(outcome, AgentError):
        raise outcome
    return outcome


async def _exchange_whole(query: dns.message.QueryMessage, endpoint: tuple[str, int]) -> dns.message.QueryMessage:
    """Ask over TCP, for an answer that did not fit into a datagram."""
    try:
        reader, writer = await asyncio.open_connection(*endpoint)
    except OSError as error:
        raise _explained(error) from None
    try:
        writer.write(query.to_wire(prepend_length=True))
        size = int.from_bytes(await reader.readexactly(2))
        return _decoded(await reader.readexactly(size), query)
    except (asyncio.IncompleteReadError, ConnectionError):
        raise SilentError("the nameserver broke off its answer") from None
    finally:
        writer.transport.abort()


def _decoded(data: bytes, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
    try:
        reply = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        raise CodecError(f"expected a DNS message, came {len(data)} bytes that are none") from None
    if not isinstance(reply, dns.message.QueryMessage) or not query.is_response(reply):
        raise CodecError("expected an answer to the question, came something else")
    return reply


def _explained(error: OSError) -> AgentError:
    if error.errno in OWN_FAULTS:
        return TransportError(f"this host could not open a socket ({error.strerror}); raise its limits (LimitNOFILE)")
    return SilentError(f"no way to the nameserver ({error.strerror})")
