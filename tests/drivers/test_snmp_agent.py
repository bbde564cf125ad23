"""The simulated agent's own codec and engine: any bytes, any request, and nothing but an answer or silence."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.devices.snmp_agent import GET, GET_BULK, GET_NEXT, RESPONSE, SET, Community, SnmpAgent, encode_pdu
from simulators.devices.snmp_ber import (
    COUNTER64,
    END_OF_VIEW,
    INTEGER,
    NO_SUCH_INSTANCE,
    NO_SUCH_OBJECT,
    NULL,
    OBJECT_ID,
    OCTETS,
    SEQUENCE,
    BerError,
    Data,
    Oid,
    Reader,
    encode,
    integer,
    oid,
    tlv,
    variable,
)
from simulators.devices.snmp_mib import Mib, Status, constant
from simulators.devices.snmp_mib import integer as writable
from simulators.devices.snmp_usm import UsmUser, _localised

ROOT: Oid = (1, 3, 6, 1, 4, 1, 9)

oids = st.lists(st.integers(0, 2**32 - 1), min_size=0, max_size=20).map(lambda parts: (1, 3, *parts))
values = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (INTEGER, n)),
    st.integers(0, 2**64 - 1).map(lambda n: (COUNTER64, n)),
    st.binary(max_size=300).map(lambda b: (OCTETS, b)),
    oids.map(lambda o: (OBJECT_ID, o)),
    st.just((NULL, None)),
)


@given(data=values)
def test_a_value_comes_back_as_it_went(data: Data) -> None:
    reader = Reader(encode(data))
    assert reader.value() == data
    assert not reader.more


@given(at=oids, data=values)
def test_a_variable_is_its_name_and_its_value(at: Oid, data: Data) -> None:
    assert variable(oid(at), data) == tlv(SEQUENCE, oid(at) + encode(data))


@given(data=st.binary(max_size=64))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    reader = Reader(data)
    try:
        while reader.more:
            reader.value()
    except BerError:
        return


def test_known_encodings() -> None:
    assert integer(-1) == b"\x02\x01\xff"
    assert integer(128) == b"\x02\x02\x00\x80"
    assert oid((1, 3, 6, 1, 4, 1, 13742)) == b"\x06\x07\x2b\x06\x01\x04\x01\xeb\x2e"
    assert tlv(SEQUENCE, bytes(200))[:3] == b"\x30\x81\xc8"


def test_keys_are_those_of_the_standard() -> None:
    engine = bytes.fromhex("000000000000000000000002")  # RFC 3414, A.3
    assert _localised("md5", "maplesyrup", engine).hex() == "526f5eed9fcce26f8964c2930787d82b"
    assert _localised("sha1", "maplesyrup", engine).hex() == "6695febc9288e36282235fc7151f128497b38f3f"


def agent() -> SnmpAgent:
    objects = [constant((*ROOT, 1, row), 10 + row) for row in (1, 2, 3)]
    objects += [constant((*ROOT, 2, row), "x" * row) for row in (1, 2)]
    objects.append(writable((*ROOT, 3, 0), lambda: 1, lambda value: Status.OK if value == 1 else Status.WRONG_VALUE))
    user = UsmUser("joe", "sha1", "auth-passphrase", "aes128", "priv-passphrase")
    return SnmpAgent(
        Mib(objects),
        engine_id=b"engine-x",
        communities=(Community("ro"), Community("rw", may_write=True)),
        users=(user,),
        max_reply_bytes=400,
    )


def message(kind: int, first: int, second: int, *binds: tuple[Oid, Data], community: bytes = b"rw") -> bytes:
    pdu = encode_pdu(kind, 77, first, second, [variable(oid(at), data) for at, data in binds])
    return tlv(SEQUENCE, integer(1) + tlv(OCTETS, community) + pdu)


def answer(data: bytes) -> tuple[int, int, list[tuple[Oid, Data]]]:
    """Return (error-status, error-index, variables) of what the agent answers."""
    reply = agent()._answer(data)
    assert reply is not None
    _, reader = Reader(reply).enter(SEQUENCE)
    assert reader.integer() == 1
    reader.octets()
    _, body = reader.enter(RESPONSE)
    assert body.integer() == 77
    status, index = body.integer(), body.integer()
    _, sequence = body.enter(SEQUENCE)
    binds = []
    while sequence.more:
        _, bind = sequence.enter(SEQUENCE)
        binds.append((bind.oid(), bind.value()))
    return status, index, binds


NOTHING: Data = (NULL, None)


def test_get_tells_a_missing_instance_from_a_missing_object() -> None:
    _, _, binds = answer(
        message(GET, 0, 0, ((*ROOT, 1, 2), NOTHING), ((*ROOT, 1, 9), NOTHING), ((1, 3, 6, 1, 9), NOTHING))
    )
    assert [data[0] for _, data in binds] == [INTEGER, NO_SUCH_INSTANCE, NO_SUCH_OBJECT]


def test_next_goes_through_everything_in_order_and_ends() -> None:
    at, seen = ROOT, []
    for _ in range(10):
        _, _, [(at, (tag, _))] = answer(message(GET_NEXT, 0, 0, (at, NOTHING)))
        if tag == END_OF_VIEW:
            break
        seen.append(at)
    assert seen == sorted(seen)
    assert len(seen) == 6


def test_bulk_interleaves_columns_and_is_cut_to_what_fits() -> None:
    _, _, binds = answer(message(GET_BULK, 0, 3, ((*ROOT, 1), NOTHING), ((*ROOT, 2), NOTHING)))
    assert [at[len(ROOT) :] for at, _ in binds] == [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (3, 0)]
    _, _, binds = answer(message(GET_BULK, 1, 1000, ((*ROOT, 1), NOTHING), ((*ROOT, 2), NOTHING)))
    assert [at[len(ROOT) :] for at, _ in binds] == [(1, 1), (2, 1), (2, 2), (3, 0)]
    many = [((*ROOT, 1), NOTHING)] * 40
    _, _, binds = answer(message(GET_BULK, 0, 3, *many))
    assert 1 < len(binds) < 40


def test_a_get_that_does_not_fit_is_too_big() -> None:
    status, _, binds = answer(message(GET, 0, 0, *[((*ROOT, 1, 1), NOTHING)] * 40))
    assert (status, binds) == (Status.TOO_BIG, [])


@pytest.mark.parametrize(
    ("community", "at", "data", "status"),
    [
        (b"rw", (*ROOT, 3, 0), (INTEGER, 1), Status.OK),
        (b"ro", (*ROOT, 3, 0), (INTEGER, 1), Status.NO_ACCESS),
        (b"rw", (*ROOT, 3, 0), (INTEGER, 2), Status.WRONG_VALUE),
        (b"rw", (*ROOT, 3, 0), (OCTETS, b"1"), Status.WRONG_TYPE),
        (b"rw", (*ROOT, 1, 1), (INTEGER, 1), Status.NOT_WRITABLE),
        (b"rw", (*ROOT, 9, 9), (INTEGER, 1), Status.NOT_WRITABLE),
    ],
)
def test_a_write_is_answered_as_the_standard_says(community: bytes, at: Oid, data: Data, status: Status) -> None:
    found, index, _ = answer(message(SET, 0, 0, (at, data), community=community))
    assert (found, index) == (status, 0 if status is Status.OK else 1)


def test_an_unknown_community_is_not_answered() -> None:
    assert agent()._answer(message(GET, 0, 0, ((*ROOT, 1, 1), NOTHING), community=b"public")) is None


@given(place=st.integers(0, 200), octet=st.integers(0, 255), cut=st.integers(0, 200))
def test_a_damaged_request_is_answered_or_dropped_and_never_more(place: int, octet: int, cut: int) -> None:
    async def main() -> None:
        whole = bytearray(message(GET_BULK, 0, 3, ((*ROOT, 1), NOTHING), ((*ROOT, 2), NOTHING)))
        whole[place % len(whole)] = octet
        agent().datagram_received(bytes(whole[: cut or None]), ("127.0.0.1", 9))

    asyncio.run(main())


@given(data=st.binary(max_size=120))
def test_noise_never_hurts(data: bytes) -> None:
    async def main() -> None:
        agent().datagram_received(data, ("127.0.0.1", 9))
        agent().datagram_received(tlv(SEQUENCE, integer(3) + data), ("127.0.0.1", 9))

    asyncio.run(main())
