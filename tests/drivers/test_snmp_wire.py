"""What the SNMP socket believes: nothing from elsewhere, nothing unsigned, nothing late; and what it then does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codecs.snmp import AUTH, Get, Request, Set, V3Message, decode_message
from agent.drivers.snmp_usm import AuthProtocol, Complaint, Engine, PrivProtocol, User
from agent.drivers.snmp_wire import Address, Community, Login, Reply, SnmpWire
from agent.model.errors import CodecError
from simulators.devices.snmp_agent import RESPONSE, SnmpAgent, encode_pdu
from simulators.devices.snmp_agent import Community as DeviceCommunity
from simulators.devices.snmp_ber import COUNTER32, INTEGER, OCTETS, SEQUENCE, Oid, Reader, integer, oid, tlv, variable
from simulators.devices.snmp_mib import Mib, Status, constant
from simulators.devices.snmp_mib import integer as writable
from simulators.devices.snmp_usm import UsmUser
from simulators.memory_net import run_memory

DEVICE: Address = ("127.66.1.1", 10161)
ELSEWHERE: Address = ("127.66.1.2", 10161)
AT: Oid = (1, 3, 6, 1, 4, 1, 9, 1, 0)
NAME = ".".join(map(str, AT))
ASK = Get((NAME,))
V2C = Community("secret")
V3 = User("joe", AuthProtocol.SHA1, "auth-passphrase", PrivProtocol.AES128, "priv-passphrase")
ENGINE_ID = b"\x80\x00\x1f\x88\x04engine"


def device_user(priv_secret: str = V3.priv_secret) -> UsmUser:
    return UsmUser("joe", "sha1", V3.auth_secret, "aes128", priv_secret)


class Puppet(asyncio.DatagramProtocol):
    """A host that answers each datagram with whatever it is told to, from as many places as it is told to."""

    def __init__(self, answers: Callable[[bytes], Iterator[tuple[bytes, bool]]]) -> None:
        self.heard: list[bytes] = []
        self._answers = answers
        self.here: asyncio.DatagramTransport | None = None
        self.elsewhere: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.heard.append(data)
        for answer, is_from_here in self._answers(data):
            transport = self.here if is_from_here else self.elsewhere
            assert transport is not None
            transport.sendto(answer, addr)


@asynccontextmanager
async def puppet(answers: Callable[[bytes], Iterator[tuple[bytes, bool]]]) -> AsyncIterator[Puppet]:
    loop = asyncio.get_running_loop()
    host = Puppet(answers)
    host.here, _ = await loop.create_datagram_endpoint(lambda: host, local_addr=DEVICE)
    host.elsewhere, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=ELSEWHERE)
    try:
        yield host
    finally:
        host.here.close()
        host.elsewhere.close()


async def ask(wire: SnmpWire, login: Login, request: Request = ASK, wait_s: float = 1.0) -> Reply | None:
    """Ask once; None for silence."""
    try:
        async with asyncio.timeout(wait_s):
            return await wire.request(DEVICE, login, request)
    except TimeoutError:
        return None


def request_id(request: bytes) -> int:
    _, message = Reader(request).enter(SEQUENCE)
    message.integer()
    message.octets()
    _, body = message.enter()
    return body.integer()


def reply(number: int, value: int, *, community: bytes = b"secret", kind: int = RESPONSE, version: int = 1) -> bytes:
    pdu = encode_pdu(kind, number, 0, 0, [variable(oid(AT), (INTEGER, value))])
    return tlv(SEQUENCE, integer(version) + tlv(OCTETS, community) + pdu)


def run_against(
    answers: Callable[[bytes], Iterator[tuple[bytes, bool]]], login: Login = V2C, request: Request = ASK
) -> tuple[Reply | None, list[bytes]]:
    """Ask a puppet once; return the reply and what the puppet heard."""

    async def main() -> tuple[Reply | None, list[bytes]]:
        wire = SnmpWire()
        async with puppet(answers) as host:
            try:
                return await ask(wire, login, request), host.heard
            finally:
                wire.close()

    return run_memory(main(), timeout_wall_s=30.0)


def test_only_the_answer_to_this_request_from_this_place_is_believed() -> None:
    def answers(request: bytes) -> Iterator[tuple[bytes, bool]]:
        number = request_id(request)
        yield reply(number, 1), False
        yield reply(number ^ 1, 2), True
        yield reply(number, 3, community=b"public"), True
        yield reply(number, 4, kind=0xA0), True
        yield reply(number, 5, version=0), True
        yield reply(number, 6)[:-1], True
        yield request, True
        yield b"", True
        yield reply(number, 7) + b"what follows is ignored", True
        yield reply(number, 8), True

    told, heard = run_against(answers)
    assert told == Reply(None, 0, [(NAME, 7)])
    assert len(heard) == 1


@pytest.mark.parametrize("value", [tlv(INTEGER, b""), tlv(COUNTER32, bytes(9) + b"\x01"), tlv(0x09, b"\x01")])
def test_an_answer_that_holds_nonsense_is_told_as_that(value: bytes) -> None:
    def answers(request: bytes) -> Iterator[tuple[bytes, bool]]:
        binds = tlv(SEQUENCE, oid(AT) + value)
        pdu = encode_pdu(RESPONSE, request_id(request), 0, 0, [binds])
        yield tlv(SEQUENCE, integer(1) + tlv(OCTETS, b"secret") + pdu), True

    with pytest.raises(CodecError, match=r"127\.66\.1\.1: expected"):
        run_against(answers)


@given(noise=st.lists(st.binary(max_size=100), max_size=5))
def test_noise_is_silence(noise: list[bytes]) -> None:
    wire = SnmpWire()
    for octets in noise:
        wire.datagram_received(octets, DEVICE)
        wire.datagram_received(tlv(SEQUENCE, integer(3) + octets), DEVICE)


# -- version 3 ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def device(agent: SnmpAgent) -> AsyncIterator[None]:
    await agent.start(DEVICE)
    try:
        yield
    finally:
        agent.stop()
        await asyncio.sleep(0.01)  # until the place is free again


def v3_agent(*, writes: list[int] | None = None, engine_id: bytes = ENGINE_ID, **setting: str) -> SnmpAgent:
    """Make a device with one INTEGER, whose writes are noted down."""
    noted = [] if writes is None else writes

    def write(value: int) -> Status:
        noted.append(value)
        return Status.OK

    mib = Mib([writable(AT, lambda: 7, write)])
    return SnmpAgent(mib, engine_id=engine_id, users=(device_user(**setting),))


def test_a_device_that_restarts_is_followed_and_a_write_to_it_is_carried_out_once() -> None:
    async def main() -> None:
        wire, writes = SnmpWire(), list[int]()
        async with device(v3_agent()):
            await asyncio.sleep(10_000.0)
            assert await ask(wire, V3) == Reply(None, 0, [(NAME, 7)])
        # Its clock begins anew and, as with some devices, its count of restarts does not go up.
        async with device(v3_agent(writes=writes)):
            refused = await ask(wire, V3, Set(NAME, 5))
            assert refused is not None
            assert refused.complaint is Complaint.NOT_IN_WINDOW
            assert writes == []
            assert await ask(wire, V3, Set(NAME, 6)) == Reply(None, 0, [(NAME, 6)])
            assert writes == [6]
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)


def test_a_device_whose_clock_is_ahead_is_followed_within_one_request() -> None:
    async def main() -> None:
        wire, writes = SnmpWire(), list[int]()
        agent = v3_agent(writes=writes)
        async with device(agent):
            assert await ask(wire, V3) == Reply(None, 0, [(NAME, 7)])
            agent._started_at -= 5_000.0
            assert await ask(wire, V3, Set(NAME, 5)) == Reply(None, 0, [(NAME, 5)])
            assert writes == [5]
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)


def test_a_device_that_was_replaced_is_met_anew_by_a_read_and_refuses_a_write() -> None:
    async def main() -> None:
        wire, writes = SnmpWire(), list[int]()
        async with device(v3_agent()):
            assert await ask(wire, V3) == Reply(None, 0, [(NAME, 7)])
        async with device(v3_agent(engine_id=b"another-engine")):
            assert await ask(wire, V3) == Reply(None, 0, [(NAME, 7)])
        async with device(v3_agent(engine_id=b"a-third-engine", writes=writes)):
            refused = await ask(wire, V3, Set(NAME, 5))
            assert refused is not None
            assert refused.complaint is Complaint.UNKNOWN_ENGINE
            assert await ask(wire, V3, Set(NAME, 6)) == Reply(None, 0, [(NAME, 6)])
            assert writes == [6]
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)


def test_an_engine_that_is_unknown_again_and_again_ends_in_its_complaint() -> None:
    async def main() -> None:
        wire = SnmpWire()
        devices = [v3_agent(engine_id=bytes((number,)) * 8) for number in range(1, 40)]
        numbers = iter(range(100))

        def answers(request: bytes) -> Iterator[tuple[bytes, bool]]:
            answer = devices[next(numbers)]._answer(request)
            assert answer is not None
            yield answer, True

        for agent in devices:
            agent._started_at = 0.0
        async with puppet(answers) as host:
            told = await ask(wire, V3)
            assert told is not None
            assert told.complaint is Complaint.UNKNOWN_ENGINE
            assert len(host.heard) <= 5
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)


def test_a_wrong_privacy_passphrase_is_silence() -> None:
    async def main() -> None:
        wire = SnmpWire()
        async with device(v3_agent(priv_secret="another-passphrase")):
            assert await ask(wire, V3) is None
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)


async def sealed_by_device(change: Callable[[bytes], bytes]) -> tuple[Engine, V3Message]:
    """Return an engine that is known, and what its device answered to a request, changed on the way."""
    agent, engine = v3_agent(), Engine(V3)
    for number in (1, 2):
        request = engine.seal(ASK, number, 0.0) if engine.is_known else engine.introduction(number)
        answer = agent._answer(request)
        assert answer is not None
        message = decode_message(answer if number == 1 else change(answer))
        assert isinstance(message, V3Message)
        if number == 1:
            assert engine.open(message, 0.0) is Complaint.UNKNOWN_ENGINE
    return engine, message


def test_a_signed_answer_is_believed_while_it_is_in_time() -> None:
    async def main() -> None:
        engine, message = await sealed_by_device(bytes)
        told = engine.open(message, 0.0)
        assert told is not None
        assert not isinstance(told, Complaint)
        assert told.values() == [(NAME, 7)]
        assert engine.open(message, 150.0) is not None
        assert engine.open(message, 152.0) is None, "RFC 3414 gives a message 150 s"

    run_memory(main(), timeout_wall_s=30.0)


@pytest.mark.parametrize("place", range(-60, 0, 3))
def test_an_answer_changed_on_the_way_is_not_believed(place: int) -> None:
    def change(octets: bytes) -> bytes:
        damaged = bytearray(octets)
        damaged[place] ^= 1
        return bytes(damaged)

    async def main() -> None:
        with suppress(CodecError):  # a message that cannot be opened is dropped before anybody looks at its seal
            engine, message = await sealed_by_device(change)
            assert engine.open(message, 0.0) is None

    run_memory(main(), timeout_wall_s=30.0)


def test_an_answer_that_is_not_signed_is_never_data() -> None:
    async def main() -> None:
        engine, message = await sealed_by_device(bytes)
        pdu = encode_pdu(RESPONSE, 2, 0, 0, [variable(oid(AT), (INTEGER, 666))])
        plain = tlv(SEQUENCE, tlv(OCTETS, ENGINE_ID) + tlv(OCTETS, b"") + pdu)
        for flags in (0, AUTH):
            bare = V3Message(2, flags, ENGINE_ID, 1, 0, b"joe", b"", plain, message.octets, 0, 12)
            assert engine.open(bare, 0.0) is None

    run_memory(main(), timeout_wall_s=30.0)


def test_a_v2c_device_still_answers_beside_a_v3_one() -> None:
    async def main() -> None:
        wire = SnmpWire()
        agent = SnmpAgent(
            Mib([constant(AT, 7)]),
            engine_id=ENGINE_ID,
            communities=(DeviceCommunity("secret"),),
            users=(device_user(),),
        )
        async with device(agent):
            both = await asyncio.gather(*(ask(wire, login) for login in (V2C, V3) for _ in range(5)))
            assert both == [Reply(None, 0, [(NAME, 7)])] * 10
        wire.close()

    run_memory(main(), timeout_wall_s=30.0)
