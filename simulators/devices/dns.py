"""A simulated nameserver on UDP: IPv4 addresses for the names it is given, and the ways in which a site's DNS fails.

It reads the one question that resolvers ask at a time and knows nothing of zones, caches or TCP. What breaks when is
told by whoever starts it.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

from simulators.loopback import loopback_endpoint

DNS_PORT: Final = 53
TTL_S: Final = 60
_HEAD_BYTES: Final = 12
_LABEL_BYTES: Final = 63
_QUERY: Final = 0
_IN: Final = 1
_A: Final = 1
_NO_ERROR, _FORMAT_ERROR, _SERVER_FAILURE, _NO_NAME, _NOT_IMPLEMENTED = 0, 1, 2, 3, 4
_RESPONSE, _RECURSION_ASKED, _RECURSION = 0x8000, 0x0100, 0x0080


class DnsFault(StrEnum):
    """A way of failing."""

    NXDOMAIN = "nxdomain"
    """There is no such name, says the nameserver."""
    SERVFAIL = "servfail"
    """The nameserver cannot find out."""
    SILENT = "silent"
    """The nameserver does not answer."""


class DnsServer(asyncio.DatagramProtocol):
    """One nameserver.

    Args:
        host: the nameserver's own address or name; it listens at the loopback address that stands for it.
        names: IPv4 address by name.
        fault_of: what is wrong with a name now, if anything; asked at every query.

    Attributes:
        fault: what is wrong with the nameserver as a whole, if anything.
        queries: how many it was asked so far.
    """

    def __init__(
        self, host: str, names: Mapping[str, str], fault_of: Callable[[str], DnsFault | None] = lambda _: None
    ) -> None:
        self.host = host
        self.fault: DnsFault | None = None
        self.queries = 0
        self._names = {name.rstrip(".").lower(): address for name, address in names.items()}
        self._fault_of = fault_of
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen; raises OSError if the address is taken."""
        endpoint = loopback_endpoint(self.host, DNS_PORT)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=endpoint, family=socket.AF_INET
        )

    def stop(self) -> None:
        """Listen no more."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query; what is none is ignored, as are answers."""
        if self._transport is None or len(data) < _HEAD_BYTES or data[2] & 0x80:
            return
        self.queries += 1
        reply = self._reply(data)
        if reply is not None:
            self._transport.sendto(reply, addr)

    def _reply(self, data: bytes) -> bytes | None:
        if data[2] >> 3 & 0xF != _QUERY:
            return _message(data, _NOT_IMPLEMENTED)
        asked = _question(data)
        if asked is None:
            return _message(data, _FORMAT_ERROR)
        name, kind, question = asked
        fault = self.fault or self._fault_of(name)
        if fault is DnsFault.SILENT:
            return None
        if fault is DnsFault.SERVFAIL:
            return _message(data, _SERVER_FAILURE, question)
        address = self._names.get(name)
        if fault is DnsFault.NXDOMAIN or address is None:
            return _message(data, _NO_NAME, question)
        return _message(data, _NO_ERROR, question, address if kind == _A else None)


def names_of(hosts: Iterable[str]) -> dict[str, str]:
    """Return the names among hosts with the loopback addresses that stand for them; addresses need no name."""
    return {host: loopback_endpoint(host, 0)[0] for host in hosts if not _is_address(host)}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _question(data: bytes) -> tuple[str, int, bytes] | None:
    """Return name, type and the question's own bytes; None where there is not exactly one whole question."""
    if int.from_bytes(data[4:6]) != 1:
        return None
    labels: list[str] = []
    at = _HEAD_BYTES
    while at < len(data) and data[at]:
        length = data[at]
        if length > _LABEL_BYTES:  # a pointer: a question stands first and has nothing to point at
            return None
        labels.append(data[at + 1 : at + 1 + length].decode("ascii", errors="replace").lower())
        at += 1 + length
    end = at + 5
    if end > len(data):
        return None
    return ".".join(labels), int.from_bytes(data[at + 1 : at + 3]), data[_HEAD_BYTES:end]


def _message(query: bytes, rcode: int, question: bytes = b"", address: str | None = None) -> bytes:
    asked = int.from_bytes(query[2:4])
    flags = _RESPONSE | asked & (0x7800 | _RECURSION_ASKED) | _RECURSION | rcode
    counts = (1 if question else 0, 0 if address is None else 1, 0, 0)
    head = query[:2] + flags.to_bytes(2, "big") + b"".join(count.to_bytes(2, "big") for count in counts)
    if address is None:
        return head + question
    record = b"\xc0\x0c" + _A.to_bytes(2, "big") + _IN.to_bytes(2, "big") + TTL_S.to_bytes(4, "big") + b"\0\x04"
    return head + question + record + ipaddress.IPv4Address(address).packed
