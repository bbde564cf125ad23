"""The SNMP client: what is sent how often, what a bad answer becomes, what is left behind."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.drivers.net import DirectDialer
from agent.drivers.snmp import READ_TIMEOUTS_S, SYS_OBJECT_ID, WRITE_TIMEOUT_S, SnmpAccess, SnmpClient, row_index
from agent.drivers.snmp_usm import AuthProtocol, PrivProtocol, User
from agent.drivers.snmp_wire import Community
from agent.model.errors import CodecError, DeviceError, PolicyError, SilentError, TransportError
from simulators.devices.snmp_agent import Community as DeviceCommunity
from simulators.devices.snmp_agent import SnmpAgent
from simulators.devices.snmp_ber import Oid
from simulators.devices.snmp_mib import Mib, MibObject, Status, constant, integer
from simulators.devices.snmp_usm import UsmUser
from tests.contract.pdu_bench import in_virtual_time

HOST = "127.66.0.1"
OTHER_HOST = "127.66.0.2"
ACCESS = SnmpAccess(community="ro", write_community="rw", port=20161)
V3 = SnmpAccess(version="3", user="joe", auth_credential="auth", priv_credential="priv", port=20161)
SECRETS = {
    "ro": "read-me",
    "rw": "write-me",
    "auth": "auth-passphrase",
    "priv": "priv-passphrase",
    "auth2": "second-auth-passphrase",
    "priv2": "second-priv-passphrase",
    "short": "seven77",
}
TABLE: Oid = (1, 3, 6, 1, 4, 1, 9, 1)


class Known:
    """The credentials of these tests; the rest is missing."""

    def get(self, name: str) -> str:
        if name not in SECRETS:
            raise PolicyError(f"credential {name} is missing: set it")
        return SECRETS[name]


class Listener(asyncio.DatagramProtocol):
    """A host that hears everything and never answers, or answers always the same."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.heard: list[bytes] = []
        self.answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        if self.answer is not None:
            self.transport.sendto(self.answer, addr)


@asynccontextmanager
async def deaf(answer: bytes | None = None) -> AsyncIterator[Listener]:
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_datagram_endpoint(lambda: Listener(answer), local_addr=(HOST, ACCESS.port))
    try:
        yield listener
    finally:
        transport.close()


@asynccontextmanager
async def client() -> AsyncIterator[SnmpClient]:
    made = SnmpClient(DirectDialer(), Known())
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def device(agent: SnmpAgent, host: str = HOST) -> AsyncIterator[SnmpAgent]:
    await agent.start((host, ACCESS.port))
    try:
        yield agent
    finally:
        agent.stop()


def communities() -> tuple[DeviceCommunity, ...]:
    return DeviceCommunity(SECRETS["ro"]), DeviceCommunity(SECRETS["rw"], may_write=True)


def column(number: int, rows: int) -> list[MibObject]:
    return [constant((*TABLE, number, row), 1000 * number + row) for row in range(1, rows + 1)]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_set_is_sent_once_and_never_again() -> None:
    async def main() -> None:
        async with deaf() as listener, client() as snmp:
            with pytest.raises(SilentError, match="no SNMP answer within 3 s"):
                await snmp.set(HOST, ACCESS, "1.3.6.1.4.1.9.1.0", 2)
            assert now() == pytest.approx(WRITE_TIMEOUT_S, abs=0.1)
            await asyncio.sleep(120.0)
            assert len(listener.heard) == 1

    in_virtual_time(main())


def test_a_set_whose_task_is_cancelled_is_not_sent_again() -> None:
    async def main() -> None:
        async with deaf() as listener, client() as snmp:
            writing = asyncio.create_task(snmp.set(HOST, ACCESS, "1.3.6.1.4.1.9.1.0", 2))
            await asyncio.sleep(0.7)
            writing.cancel()
            await asyncio.sleep(120.0)
            assert writing.cancelled()
            assert len(listener.heard) == 1

    in_virtual_time(main())


def test_a_read_is_tried_again_and_then_given_up_within_its_deadline() -> None:
    async def main() -> None:
        async with deaf() as listener, client() as snmp:
            with pytest.raises(SilentError, match="community: a wrong one is not answered"):
                await snmp.get(HOST, ACCESS, [SYS_OBJECT_ID])
            assert now() == pytest.approx(sum(READ_TIMEOUTS_S), abs=0.1)
            assert len(listener.heard) == len(READ_TIMEOUTS_S)

    in_virtual_time(main())


def test_a_cancelled_read_ends_at_once() -> None:
    async def main() -> None:
        async with deaf() as listener, client() as snmp:
            reading = asyncio.create_task(snmp.get(HOST, ACCESS, [SYS_OBJECT_ID]))
            await asyncio.sleep(0.5)
            reading.cancel()
            await asyncio.sleep(60.0)
            assert reading.cancelled()
            assert len(listener.heard) == 1

    in_virtual_time(main())


def test_a_reply_that_comes_too_late_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        values = iter(range(100))
        delays = iter([2.0, 0.1, 0.1])
        mib = Mib([integer((*TABLE, 0), lambda: next(values))])
        agent = SnmpAgent(mib, engine_id=b"slow", communities=communities(), reply_delay_s=lambda: next(delays))
        async with device(agent), client() as snmp:
            oid = "1.3.6.1.4.1.9.1.0"
            assert await snmp.get(HOST, ACCESS, [oid]) == {oid: 1}  # the second try's; the first comes after it
            await asyncio.sleep(10.0)
            assert await snmp.get(HOST, ACCESS, [oid]) == {oid: 2}

    in_virtual_time(main())


def test_one_request_is_in_flight_per_host_and_hosts_do_not_wait_for_each_other() -> None:
    async def main() -> None:
        def slow() -> SnmpAgent:
            mib = Mib([constant((*TABLE, 0), 7)])
            return SnmpAgent(mib, engine_id=b"slow", communities=communities(), reply_delay_s=lambda: 1.0)

        oid = "1.3.6.1.4.1.9.1.0"
        async with device(slow()), device(slow(), OTHER_HOST), client() as snmp:
            await asyncio.gather(*(snmp.get(host, ACCESS, [oid]) for host in (HOST, OTHER_HOST) for _ in range(4)))
            assert now() == pytest.approx(4.0, abs=0.1)

    in_virtual_time(main())


def test_a_queue_that_does_not_move_ends_in_silence() -> None:
    async def main() -> None:
        async with deaf(), client() as snmp:
            asked = [snmp.get(HOST, ACCESS, [SYS_OBJECT_ID]) for _ in range(8)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, SilentError) for answer in answers)
            assert "waited 20 s" in str(answers[-1])
            assert now() < 30.0

    in_virtual_time(main())


@pytest.mark.parametrize("room", [160, 300, 1472, 60_000])
def test_a_walk_goes_on_where_a_reply_was_cut_off(room: int) -> None:
    async def main() -> None:
        mib = Mib([*column(1, 30), *column(2, 30), *column(3, 5), *column(5, 2)])
        agent = SnmpAgent(mib, engine_id=b"x", communities=communities(), max_reply_bytes=room)
        async with device(agent), client() as snmp:
            columns = [f"1.3.6.1.4.1.9.1.{n}" for n in (1, 2, 3, 4)]
            table = await snmp.walk(HOST, ACCESS, columns)
            lengths = [sum(row_index(name, oid) is not None for oid in table) for name in columns]
            assert lengths == [30, 30, 5, 0]
            assert table[f"{columns[1]}.17"] == 2017
            wanted = await snmp.walk(HOST, ACCESS, columns, ["2", "3"])
            assert wanted[f"{columns[2]}.3"] == 3003

    in_virtual_time(main())


def test_oids_that_do_not_increase_end_the_walk() -> None:
    class Circle(Mib):
        def after(self, at: Oid, count: int) -> list[MibObject]:
            return super().after(TABLE, 2)

    async def main() -> None:
        async with device(SnmpAgent(Circle(column(1, 9)), engine_id=b"x", communities=communities())), client() as snmp:
            with pytest.raises(CodecError, match=r"expected an OID behind 1\.3\.6\.1\.4\.1\.9\.1\.1\.2"):
                await snmp.walk(HOST, ACCESS, ["1.3.6.1.4.1.9.1.1"])

    in_virtual_time(main())


def test_a_table_without_end_is_no_table() -> None:
    class Endless(Mib):
        def after(self, at: Oid, count: int) -> list[MibObject]:
            last = at[-1] if len(at) > len(TABLE) + 1 else 0
            return [constant((*TABLE, 1, last + step), 0) for step in range(1, count + 1)]

    async def main() -> None:
        async with device(SnmpAgent(Endless([]), engine_id=b"x", communities=communities())), client() as snmp:
            with pytest.raises(CodecError, match="more than 4096 rows"):
                await snmp.walk(HOST, ACCESS, ["1.3.6.1.4.1.9.1.1"])

    in_virtual_time(main())


@pytest.mark.parametrize("answer", [b"", b"\x30", b"garbage", b"\x30\x84\xff\xff\xff\xff", bytes(65_000)])
def test_garbage_is_as_good_as_silence(answer: bytes) -> None:
    async def main() -> None:
        async with deaf(answer), client() as snmp:
            with pytest.raises(TransportError):
                await snmp.get(HOST, ACCESS, [SYS_OBJECT_ID])

    in_virtual_time(main())


def test_a_missing_object_is_an_error_unless_it_is_optional() -> None:
    async def main() -> None:
        async with device(SnmpAgent(Mib(column(1, 3)), engine_id=b"x", communities=communities())), client() as snmp:
            here, missing = "1.3.6.1.4.1.9.1.1.2", "1.3.6.1.4.1.9.1.1.9"
            assert await snmp.get(HOST, ACCESS, [here], [missing]) == {here: 1002}
            with pytest.raises(DeviceError, match=missing):
                await snmp.get(HOST, ACCESS, [here, missing])

    in_virtual_time(main())


def test_an_error_reply_is_told_with_its_remedy() -> None:
    async def main() -> None:
        mib = Mib([integer((*TABLE, 0), lambda: 1, lambda _: Status.INCONSISTENT_VALUE), *column(1, 1)])
        async with device(SnmpAgent(mib, engine_id=b"x", communities=communities())), client() as snmp:
            with pytest.raises(DeviceError, match="inconsistentValue: the device cannot do that now"):
                await snmp.set(HOST, ACCESS, "1.3.6.1.4.1.9.1.0", 2)
            with pytest.raises(DeviceError, match="notWritable"):
                await snmp.set(HOST, ACCESS, "1.3.6.1.4.1.9.1.1.1", 2)
            with pytest.raises(DeviceError, match="noAccess"):
                await snmp.set(HOST, replace(ACCESS, write_community=None), "1.3.6.1.4.1.9.1.0", 2)

    in_virtual_time(main())


def test_one_user_name_may_have_other_passphrases_on_another_device() -> None:
    async def main() -> None:
        def agent(number: int, auth: str, priv: str) -> SnmpAgent:
            user = UsmUser("joe", "sha1", SECRETS[auth], "aes128", SECRETS[priv])
            return SnmpAgent(Mib([constant((*TABLE, 0), number)]), engine_id=bytes((number,)) * 8, users=(user,))

        second = replace(V3, auth_credential="auth2", priv_credential="priv2")
        oid = "1.3.6.1.4.1.9.1.0"
        async with device(agent(1, "auth", "priv")), device(agent(2, "auth2", "priv2"), OTHER_HOST), client() as snmp:
            for _ in range(3):
                found = await asyncio.gather(snmp.get(HOST, V3, [oid]), snmp.get(OTHER_HOST, second, [oid]))
                assert found == [{oid: 1}, {oid: 2}]

    in_virtual_time(main())


def test_a_v3_user_without_the_right_to_write_may_read() -> None:
    async def main() -> None:
        user = UsmUser("joe", "sha1", SECRETS["auth"], "aes128", SECRETS["priv"], may_write=False)
        mib = Mib([integer((*TABLE, 0), lambda: 1, lambda _: Status.OK)])
        async with device(SnmpAgent(mib, engine_id=b"readonly", users=(user,))), client() as snmp:
            oid = "1.3.6.1.4.1.9.1.0"
            assert await snmp.get(HOST, V3, [oid]) == {oid: 1}
            with pytest.raises(DeviceError, match="noAccess"):
                await snmp.set(HOST, V3, oid, 2)

    in_virtual_time(main())


def test_an_idle_client_sets_no_timer() -> None:
    async def main() -> None:
        async with device(SnmpAgent(Mib(column(1, 3)), engine_id=b"x", communities=communities())), client() as snmp:
            await snmp.warm_up()
            await snmp.get(HOST, ACCESS, ["1.3.6.1.4.1.9.1.1.1"])
            await asyncio.sleep(60.0)
            assert [h for h in asyncio.get_running_loop()._scheduled if not h.cancelled()] == []  # type: ignore[attr-defined]

    in_virtual_time(main())


@pytest.mark.parametrize("access", [ACCESS, V3], ids=["v2c", "v3"])
async def test_closing_leaves_no_task_and_no_socket(access: SnmpAccess) -> None:
    user = UsmUser("joe", "sha1", SECRETS["auth"], "aes128", SECRETS["priv"])
    agent = SnmpAgent(Mib(column(1, 3)), engine_id=b"x" * 8, communities=communities(), users=(user,))
    before = asyncio.all_tasks()
    async with device(agent), client() as snmp:
        await snmp.warm_up()
        assert await snmp.get(HOST, access, ["1.3.6.1.4.1.9.1.1.1"])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    gc.collect()  # an open socket would warn now, and a warning is an error


def test_a_credential_that_is_missing_or_useless_is_named_and_nothing_is_sent() -> None:
    async def main() -> None:
        async with deaf() as listener, client() as snmp:
            with pytest.raises(PolicyError, match="credential nowhere is missing"):
                await snmp.get(HOST, replace(ACCESS, community="nowhere"), [SYS_OBJECT_ID])
            with pytest.raises(PolicyError, match="credential short: an SNMPv3 passphrase has at least 8") as refusal:
                await snmp.set(HOST, replace(V3, priv_credential="short"), SYS_OBJECT_ID, 1)
            assert SECRETS["short"] not in str(refusal.value)
            assert listener.heard == []

    in_virtual_time(main())


def test_half_an_access_is_refused_by_name() -> None:
    with pytest.raises(PolicyError, match="version 2c needs community"):
        SnmpAccess()
    with pytest.raises(PolicyError, match="version 3 needs user, auth_credential, priv_credential"):
        SnmpAccess(version="3")


def test_a_login_never_prints_its_secret() -> None:
    user = User("joe", AuthProtocol.SHA1, "auth-passphrase", PrivProtocol.AES128, "priv-passphrase")
    assert "passphrase" not in repr(user)
    assert "joe" in repr(user)
    assert "hidden" not in repr(Community("hidden"))


async def test_a_name_that_does_not_resolve_is_a_failure_of_the_wire() -> None:
    async with client() as snmp:
        with pytest.raises(TransportError, match="check the host's name"):
            await snmp.get("no-such-host.invalid", ACCESS, [SYS_OBJECT_ID])


def test_a_host_that_is_merely_slow_is_then_waited_for_instead_of_asked_again() -> None:
    async def main() -> None:
        asked_at: list[float] = []
        delay_s = 2.0
        agent = SnmpAgent(
            Mib([constant((*TABLE, 1, 0), 7)]),
            engine_id=b"engine-0",
            communities=communities(),
            before=asked_at.append,
            reply_delay_s=lambda: delay_s,
        )
        oid = ".".join(map(str, (*TABLE, 1, 0)))
        async with device(agent), client() as snmp:
            for _ in range(2):
                assert await snmp.get(HOST, ACCESS, [oid]) == {oid: 7}
            await asyncio.sleep(10.0)
            assert len(asked_at) == 3 + 1, "three tries the first time, one that waits the second"
            delay_s = 0.0
            await snmp.get(HOST, ACCESS, [oid])
            delay_s = 2.0
            await snmp.get(HOST, ACCESS, [oid])
            assert len(asked_at) == 3 + 1 + 1 + 3, "a host that was quick again is not called slow"

    in_virtual_time(main())
