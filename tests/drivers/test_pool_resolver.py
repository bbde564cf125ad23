"""The resolver before nameservers that answer, stall, lie, and contradict each other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from agent.drivers.pools.resolver import Lookup, Resolver
from agent.model.probe import NameFault
from simulators.loopback import loopback_endpoint
from tests.drivers.pool_bench import NAMESERVER, Tier, in_memory, on_sockets

NAME = "pool.example"
HERE = loopback_endpoint(NAMESERVER, 53)[0]
"""An address of its own: the TCP port of the same number is free too."""
Message = dns.message.QueryMessage
Said = dns.message.Message | bytes
Answering = Callable[[Message], Said | list[bytes] | None]


@pytest.fixture(params=[in_memory, on_sockets], ids=["memory", "sockets"])
def tier(request: pytest.FixtureRequest) -> Tier[Lookup]:
    chosen: Tier[Lookup] = request.param
    return chosen


def reply_to(query: Message, *records: str, flags: int = 0, rcode: int = dns.rcode.NOERROR) -> Message:
    """An answer with those of the records that were asked for, and any alias."""
    reply = cast(Message, dns.message.make_response(query))
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.flags |= flags
    for record in records:
        owner, kind, value = record.split()
        if kind in ("CNAME", dns.rdatatype.to_text(query.question[0].rdtype)):
            reply.answer.append(dns.rrset.from_text(owner + ".", 60, "IN", kind, value))
    return reply


def answered(*records: str, flags: int = 0, rcode: int = dns.rcode.NOERROR) -> Answering:
    """A nameserver that always answers so."""
    return lambda query: reply_to(query, *records, flags=flags, rcode=rcode)


def silent(_: Message) -> None:
    return None


class Nameserver(asyncio.DatagramProtocol):
    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        query = dns.message.from_wire(data)
        assert isinstance(query, dns.message.QueryMessage)
        said = self.answer(query)
        for reply in said if isinstance(said, list) else [said] if said is not None else []:
            self.transport.sendto(reply if isinstance(reply, bytes) else reply.to_wire(), addr)


class Directory:
    """Where the nameservers called "0", "1", … really listen."""

    def __init__(self) -> None:
        self.at: list[tuple[str, int]] = []

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        assert port == 53
        return self.at[int(host)]


@asynccontextmanager
async def resolver(*answers: Answering) -> AsyncIterator[tuple[Resolver, list[Nameserver]]]:
    directory, servers = Directory(), []
    for answer in answers:
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            partial(Nameserver, answer), local_addr=(HERE, 0)
        )
        directory.at.append(transport.get_extra_info("sockname")[:2])
        servers.append(server)
    try:
        yield Resolver(directory, [str(number) for number in range(len(answers))]), servers
    finally:
        for server in servers:
            server.transport.abort()
        await asyncio.sleep(0)


async def look_up(*answers: Answering, name: str = NAME) -> Lookup:
    async with resolver(*answers) as (asking, _):
        return await asking.look_up(name)


@pytest.mark.parametrize(
    ("records", "addresses"),
    [
        (["pool.example A 192.0.2.7"], ("192.0.2.7",)),
        ([f"pool.example A 192.0.2.{n}" for n in range(1, 9)], tuple(f"192.0.2.{n}" for n in range(1, 5))),
        (["pool.example CNAME eu.pool.example.", "eu.pool.example A 192.0.2.8"], ("192.0.2.8",)),
        (["pool.example AAAA 2001:db8::1"], ("2001:db8::1",)),
        (["pool.example A 192.0.2.7", "pool.example AAAA 2001:db8::1"], ("192.0.2.7",)),
        (["pool.example A 0.0.0.0", "pool.example A 192.0.2.9"], ("192.0.2.9",)),
    ],
    ids=["one", "many", "alias", "v6", "both", "one of them blocked"],
)
def test_addresses_come_in_the_nameservers_order(
    tier: Tier[Lookup], records: list[str], addresses: tuple[str, ...]
) -> None:
    assert tier(look_up(answered(*records))) == Lookup(addresses)


@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::7"])
def test_an_address_is_its_own(address: str) -> None:
    assert in_memory(look_up(name=address)) == Lookup((address,))


@pytest.mark.parametrize(
    ("answer", "fault", "words"),
    [
        (answered(rcode=dns.rcode.NXDOMAIN), NameFault.UNKNOWN, "there is no name pool.example"),
        (answered(), NameFault.NO_ADDRESS, "no usable address"),
        (answered("pool.example A 0.0.0.0", "pool.example AAAA ::"), NameFault.NO_ADDRESS, "no usable address"),
        (answered("pool.example CNAME elsewhere.example."), NameFault.NO_ADDRESS, "no usable address"),
        (answered("pool.example CNAME pool.example."), NameFault.GARBAGE, "an answer to something else"),
        (answered(rcode=dns.rcode.SERVFAIL), NameFault.SERVER_FAILED, "SERVFAIL"),
        (answered(rcode=dns.rcode.REFUSED), NameFault.SERVER_FAILED, "REFUSED"),
        (silent, NameFault.SILENT, "no nameserver answered for pool.example (asked 0)"),
        (lambda query: query.id.to_bytes(2, "big") + b"\xff" * 40, NameFault.GARBAGE, "42 bytes that are none"),
        (lambda query: query.id.to_bytes(2, "big"), NameFault.GARBAGE, "2 bytes that are none"),
        (lambda query: query.to_wire(), NameFault.GARBAGE, "came something else"),
        (lambda query: b"\0\0" + query.to_wire()[2:], NameFault.SILENT, "no nameserver answered"),
        (
            lambda query: answered("other.example A 192.0.2.1")(
                dns.message.make_query("other.example", "A", id=query.id)
            ),
            NameFault.GARBAGE,
            "came something else",
        ),
    ],
)
def test_why_there_is_no_address_is_told(tier: Tier[Lookup], answer: Answering, fault: NameFault, words: str) -> None:
    found = tier(look_up(answer))
    assert (found.addresses, found.fault) == ((), fault)
    assert words in found.detail


@pytest.mark.parametrize("first", [silent, answered(rcode=dns.rcode.SERVFAIL), lambda q: q.to_wire()])
def test_the_second_nameserver_helps_out(tier: Tier[Lookup], first: Answering) -> None:
    assert tier(look_up(first, answered("pool.example A 192.0.2.7"))) == Lookup(("192.0.2.7",))


def test_a_no_is_final_and_a_failure_tells_more_than_silence(tier: Tier[Lookup]) -> None:
    no = tier(look_up(answered(rcode=dns.rcode.NXDOMAIN), answered("pool.example A 192.0.2.7")))
    assert no.fault is NameFault.UNKNOWN
    failed = tier(look_up(answered(rcode=dns.rcode.SERVFAIL), silent))
    assert failed.fault is NameFault.SERVER_FAILED


def test_a_lost_datagram_is_asked_for_again(tier: Tier[Lookup]) -> None:
    seen = []

    def forgetful(query: Message) -> Message | None:
        seen.append(query)
        return reply_to(query, "pool.example A 192.0.2.7") if len(seen) > 1 else None

    assert tier(look_up(forgetful)) == Lookup(("192.0.2.7",))


def test_every_nameserver_is_asked_a_bounded_number_of_times(tier: Tier[None]) -> None:
    async def main() -> None:
        async with resolver(silent, silent, silent, silent, silent) as (asking, servers):
            began = asyncio.get_running_loop().time()
            assert (await asking.look_up(NAME)).fault is NameFault.SILENT
            assert asyncio.get_running_loop().time() - began == pytest.approx(3 * 2 * 1.5)
            assert [server.asked for server in servers] == [2, 2, 2, 0, 0]

    tier(main())


@pytest.mark.parametrize("whole", ["answer", "nothing", "half", "refused"])
def test_an_answer_too_long_for_a_datagram_is_fetched_over_tcp(tier: Tier[Lookup], whole: str) -> None:
    async def main() -> Lookup:
        async with resolver(answered(flags=dns.flags.TC)) as (asking, servers):

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
                reply = reply_to(cast(Message, query), "pool.example A 192.0.2.7")
                said = {"answer": reply.to_wire(prepend_length=True), "half": b"\0\xff\0"}
                writer.write(said.get(whole, b""))
                await writer.drain()
                writer.close()

            address = servers[0].transport.get_extra_info("sockname")[:2]
            server = await asyncio.start_server(serve, *address) if whole != "refused" else None
            try:
                return await asking.look_up(NAME)
            finally:
                if server is not None:
                    server.close()
                await asyncio.sleep(0.1)

    found = tier(main())
    assert found.addresses == (("192.0.2.7",) if whole == "answer" else ())
    assert found.fault is (None if whole == "answer" else NameFault.SILENT)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", "a." * 130, ".example"])
def test_what_cannot_be_a_name_is_not_asked_for(name: str) -> None:
    async def main() -> Lookup:
        async with resolver(silent) as (asking, servers):
            found = await asking.look_up(name)
            assert servers[0].asked == 0
            return found

    assert in_memory(main()).fault is NameFault.UNKNOWN


def test_no_nameserver_is_said() -> None:
    found = in_memory(look_up())
    assert found.fault is NameFault.SERVER_FAILED
    assert "/etc/resolv.conf" in found.detail


def test_a_forger_cannot_outrun_the_nameserver(tier: Tier[Lookup]) -> None:
    """Answers with other numbers, sent first, change nothing."""

    def forging(query: Message) -> list[bytes]:
        forged = reply_to(query, "pool.example A 192.0.2.66").to_wire()[2:]
        numbers = [(query.id + 1 + number) % 65_536 for number in range(50)]
        good = reply_to(query, "pool.example A 192.0.2.7").to_wire()
        return [*(number.to_bytes(2, "big") + forged for number in numbers), good]

    assert tier(look_up(forging)) == Lookup(("192.0.2.7",))
