"""The simulated nameserver before a resolver's library that is not ours, and before what is no query at all."""

import asyncio
from typing import cast

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.devices.dns import DnsFault, DnsServer, names_of
from simulators.loopback import loopback_endpoint
from tests.drivers.pool_bench import NAMESERVER, in_memory, on_sockets

NAMES = {"pool.example": "127.9.8.7", "EU.Pool.example.": "127.9.8.6"}


class Asking(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.put_nowait(data)


async def exchange(server: DnsServer, *sent: bytes) -> list[bytes | None]:
    """Return what comes back for each datagram within a second."""
    await server.start()
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(
        Asking, remote_addr=loopback_endpoint(server.host, 53)
    )
    replies: list[bytes | None] = []
    try:
        for data in sent:
            transport.sendto(data)
            try:
                replies.append(await asyncio.wait_for(asking.heard.get(), 1.0))
            except TimeoutError:
                replies.append(None)
    finally:
        transport.abort()
        server.stop()
        await asyncio.sleep(0)
    return replies


def ask(query: dns.message.Message, fault: DnsFault | None = None) -> dns.message.QueryMessage | None:
    server = DnsServer(NAMESERVER, NAMES, lambda name: fault if name == "pool.example" else None)
    (reply,) = on_sockets(exchange(server, query.to_wire()))
    if reply is None:
        return None
    message = dns.message.from_wire(reply)
    assert query.is_response(message)
    assert message.flags & dns.flags.RA
    return cast(dns.message.QueryMessage, message)


@pytest.mark.parametrize("name", ["pool.example", "POOL.example.", "eu.pool.example"])
def test_a_name_has_its_address(name: str) -> None:
    reply = ask(dns.message.make_query(name, "A", use_edns=0))
    assert reply is not None
    answer = reply.resolve_chaining().answer
    assert answer is not None
    assert [str(record) for record in answer] == [f"127.9.8.{6 if name.startswith('eu') else 7}"]


def test_a_name_without_the_record_asked_for_has_no_answer_and_an_unknown_one_is_none() -> None:
    v6 = ask(dns.message.make_query("pool.example", "AAAA"))
    assert v6 is not None
    assert (v6.rcode(), v6.answer) == (dns.rcode.NOERROR, [])
    unknown = ask(dns.message.make_query("pool.example.evil", "A"))
    assert unknown is not None
    assert unknown.rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(("fault", "rcode"), [(DnsFault.NXDOMAIN, "NXDOMAIN"), (DnsFault.SERVFAIL, "SERVFAIL")])
def test_a_name_fails_as_it_is_told_to_and_others_do_not(fault: DnsFault, rcode: str) -> None:
    reply = ask(dns.message.make_query("pool.example", "A"), fault)
    assert reply is not None
    assert (dns.rcode.to_text(reply.rcode()), reply.answer) == (rcode, [])
    other = ask(dns.message.make_query("eu.pool.example", "A"), fault)
    assert other is not None
    assert other.rcode() == dns.rcode.NOERROR


def test_a_silent_nameserver_is_silent() -> None:
    assert ask(dns.message.make_query("pool.example", "A"), DnsFault.SILENT) is None


def test_what_is_no_query_for_one_name_is_refused_or_ignored() -> None:
    status = dns.message.make_query("pool.example", "A")
    status.set_opcode(dns.opcode.STATUS)
    reply = ask(status)
    assert reply is not None
    assert reply.rcode() == dns.rcode.NOTIMP

    good = dns.message.make_query("pool.example", "A").to_wire()
    answer = good[:2] + b"\x81\x80" + good[4:]
    twice = good[:4] + b"\0\2" + good[6:]
    pointer = good[:12] + b"\xc0\x0c\0\1\0\1"
    replies = in_memory(exchange(DnsServer(NAMESERVER, NAMES), answer, b"short", twice, good[:-2], pointer, good))
    assert replies[:2] == [None, None]
    assert [reply[3] & 0xF for reply in replies[2:] if reply is not None] == [1, 1, 1, 0]


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_no_datagram_breaks_it(sent: list[bytes]) -> None:
    good = dns.message.make_query("pool.example", "A").to_wire()
    replies = in_memory(exchange(DnsServer(NAMESERVER, NAMES), *sent, good))
    assert replies[-1] is not None
    assert replies[-1][-4:] == bytes((127, 9, 8, 7))
    assert all(reply is None or len(reply) <= len(data) + 16 for reply, data in zip(replies, sent, strict=False))


def test_only_names_need_a_nameserver() -> None:
    assert names_of(["10.1.2.3", "2001:db8::1", "pool.example"]) == {
        "pool.example": loopback_endpoint("pool.example", 0)[0]
    }
