"""SNMP's bytes: what snmpd said, what any device may say, and that nothing but CodecError comes of nonsense."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.codecs.snmp import (
    AUTH,
    PRIV,
    RESPONSE,
    Bulk,
    Get,
    Set,
    V2cMessage,
    V3Message,
    Value,
    decode_message,
    decode_scoped,
    encode_oid,
    encode_request,
    encode_scoped,
    encode_v2c,
    encode_v3,
)
from agent.model.errors import CodecError, PolicyError
from simulators.devices.snmp_agent import encode_pdu
from simulators.devices.snmp_ber import (
    COUNTER32,
    COUNTER64,
    END_OF_VIEW,
    GAUGE32,
    INTEGER,
    NO_SUCH_INSTANCE,
    NO_SUCH_OBJECT,
    NULL,
    OBJECT_ID,
    OCTETS,
    SEQUENCE,
    TICKS,
    Data,
    Oid,
    Reader,
    integer,
    oid,
    tlv,
    variable,
)

NUMBER = 0x40000001

SNMPD = {
    "every kind of value": (
        "3081c202010104067075626c6963a281b40204400000010201000201003081a5300f060a2b06010401ce0f0101000201fb3013060a2b0601"
        "0401ce0f010200040568656c6c6f3013060a2b06010401ce0f010300410500fffffffa3016060a2b06010401ce0f01040006082b06010401"
        "eb2e063013060a2b06010401ce0f010500420500ee6b28003012060a2b06010401ce0f010600020480000000301706082b06010201010200"
        "060b2b06010401823e01030406300e06082b0601020101030043020093",
        0,
        [
            ("1.3.6.1.4.1.9999.1.1.0", -5),
            ("1.3.6.1.4.1.9999.1.2.0", b"hello"),
            ("1.3.6.1.4.1.9999.1.3.0", 4294967290),
            ("1.3.6.1.4.1.9999.1.4.0", "1.3.6.1.4.1.13742.6"),
            ("1.3.6.1.4.1.9999.1.5.0", 4000000000),
            ("1.3.6.1.4.1.9999.1.6.0", -(2**31)),
            ("1.3.6.1.2.1.1.2.0", "1.3.6.1.4.1.318.1.3.4.6"),
            ("1.3.6.1.2.1.1.3.0", 147),
        ],
    ),
    "interfaces": (
        "307902010104067075626c6963a26c020440000001020100020100305e3010060b2b060102011f0101010601460100301206"
        "0a2b060102010202010501420400989680300f060a2b060102010202010a01410100300e060a2b06010201020201060104003015060d2b06"
        "010201041401017f00000140047f000001",
        0,
        [
            ("1.3.6.1.2.1.31.1.1.1.6.1", 0),
            ("1.3.6.1.2.1.2.2.1.5.1", 10_000_000),
            ("1.3.6.1.2.1.2.2.1.10.1", 0),
            ("1.3.6.1.2.1.2.2.1.6.1", b""),
            ("1.3.6.1.2.1.4.20.1.1.127.0.0.1", b"\x7f\x00\x00\x01"),
        ],
    ),
    "no instance, no object, an opaque float": (
        "305102010104067075626c6963a2440204400000010201000201003036300c06082b060102010102078100300e060a2b0601"
        "0401868d1f010080003016060b2b060104018f650a01060144079f78043ed80000",
        0,
        [
            ("1.3.6.1.2.1.1.2.7", None),
            ("1.3.6.1.4.1.99999.1.0", None),
            ("1.3.6.1.4.1.2021.10.1.6.1", b"\x9f\x78\x04\x3e\xd8\x00\x00"),
        ],
    ),
    "the end of everything": (
        "302e02010104067075626c6963a2210204400000010201000201003013300a06062b0601060312820030050601558200",
        0,
        [("1.3.6.1.6.3.18", None), ("2.5", None)],
    ),
    "a refused write": (
        "302e02010104067075626c6963a22102044000000102010602010130133011060a2b06010401ce0f0101000203feee90",
        6,
        [("1.3.6.1.4.1.9999.1.1.0", -70_000)],
    ),
}
"""Replies of Debian's snmpd (net-snmp 5.9), as they came over the wire."""

oids = st.lists(st.integers(0, 2**32 - 1), max_size=20).map(lambda parts: (1, 3, *parts))
values = st.one_of(
    st.tuples(st.just(INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from([COUNTER32, GAUGE32, TICKS]), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(OCTETS), st.binary(max_size=300)),
    st.tuples(st.just(OBJECT_ID), oids),
    st.tuples(st.sampled_from([NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_VIEW]), st.none()),
)


def dotted(at: Oid) -> str:
    return ".".join(map(str, at))


def plain(data: Data) -> Value | None:
    value = data[1]
    return dotted(value) if isinstance(value, tuple) else value


def reply(*variables: bytes, status: int = 0) -> bytes:
    pdu = encode_pdu(RESPONSE, NUMBER, status, 0, variables)
    return tlv(SEQUENCE, integer(1) + tlv(OCTETS, b"public") + pdu)


def decoded(octets: bytes) -> list[tuple[str, Value | None]]:
    message = decode_message(octets)
    assert isinstance(message, V2cMessage)
    return message.pdu.values()


@pytest.mark.parametrize("name", SNMPD)
def test_what_snmpd_says_is_understood(name: str) -> None:
    octets, status, told = SNMPD[name]
    message = decode_message(bytes.fromhex(octets))
    assert isinstance(message, V2cMessage)
    assert (message.community, message.pdu.kind, message.pdu.request_id) == (b"public", RESPONSE, NUMBER)
    assert (message.pdu.status, message.pdu.values()) == (status, told)


@given(told=st.lists(st.tuples(oids, values), max_size=40))
def test_what_another_implementation_encodes_is_understood(told: list[tuple[Oid, Data]]) -> None:
    octets = reply(*(variable(oid(at), data) for at, data in told))
    assert decoded(octets) == [(dotted(at), plain(data)) for at, data in told]


@given(at=oids, repetitions=st.integers(0, 2**31 - 1), value=st.integers(-(2**31), 2**31 - 1))
def test_what_we_encode_is_understood_by_another_implementation(at: Oid, repetitions: int, value: int) -> None:
    for request, kind, second, data in (
        (Get((dotted(at),)), 0xA0, 0, (NULL, None)),
        (Bulk((dotted(at),), repetitions), 0xA5, repetitions, (NULL, None)),
        (Set(dotted(at), value), 0xA3, 0, (INTEGER, value)),
    ):
        _, message = Reader(encode_v2c(b"public", encode_request(request, NUMBER))).enter(SEQUENCE)
        assert (message.integer(), message.octets()) == (1, b"public")
        found, body = message.enter()
        assert (found, body.integer(), body.integer(), body.integer()) == (kind, NUMBER, 0, second)
        _, binds = body.enter(SEQUENCE)
        _, bind = binds.enter(SEQUENCE)
        assert (bind.oid(), bind.value(), bind.more, binds.more) == (at, data, False, False)


@given(octets=st.binary(max_size=200))
@example(b"")
@example(b"\x30")
@example(b"\x30\x80")
@example(b"\x30\x84\xff\xff\xff\xff")
@example(b"\x30\x88" + bytes(8))
def test_noise_is_a_message_or_a_codec_error(octets: bytes) -> None:
    for read in (decoded, decode_message, decode_scoped):
        with suppress(CodecError):
            read(octets)
        with suppress(CodecError, AssertionError):
            read(tlv(SEQUENCE, integer(3) + octets))


WHOLE = bytes.fromhex(SNMPD["every kind of value"][0])


@given(place=st.integers(0, len(WHOLE) - 1), octet=st.integers(0, 255))
def test_a_damaged_reply_is_a_reply_or_a_codec_error(place: int, octet: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] = octet
    with suppress(CodecError):
        decoded(bytes(damaged))


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_a_reply_that_is_cut_off_is_a_codec_error(end: int) -> None:
    with pytest.raises(CodecError):
        decoded(WHOLE[:end])


NAME = oid((1, 3, 6, 1))


@pytest.mark.parametrize(
    "variables",
    [
        NAME + integer(1),
        tlv(SEQUENCE, NAME),
        tlv(SEQUENCE, integer(1) + NAME),
        tlv(SEQUENCE, NAME + integer(1) + b"\x00"),
        tlv(SEQUENCE, NAME + tlv(INTEGER, b"")),
        tlv(SEQUENCE, NAME + tlv(INTEGER, bytes(9))),
        tlv(SEQUENCE, NAME + tlv(COUNTER32, b"")),
        tlv(SEQUENCE, NAME + tlv(COUNTER32, b"\x01\x00\x00\x00\x00")),
        tlv(SEQUENCE, NAME + tlv(COUNTER64, b"\x01" + bytes(8))),
        tlv(SEQUENCE, NAME + tlv(0x09, b"\x01")),
        tlv(SEQUENCE, tlv(OBJECT_ID, b"") + integer(1)),
        tlv(SEQUENCE, tlv(OBJECT_ID, b"\x2b\x86") + integer(1)),
        tlv(SEQUENCE, tlv(OBJECT_ID, b"\x2b\x90\x80\x80\x80\x00") + integer(1)),
        tlv(SEQUENCE, tlv(OBJECT_ID, b"\x2b" + bytes(128)) + integer(1)),
        b"\x30\x7f" + NAME + integer(1),
        b"\x30\x08" + NAME[:1] + b"\x7f" + NAME[2:] + integer(1),
        b"\x30\x08" + NAME + b"\x02\x7f\x01",
        b"\x30\x08" + NAME + b"\x04\x84\xff\xff\xff\xff",
        b"\x30\x84\xff\xff\xff\xff" + NAME + integer(1),
    ],
)
def test_variables_that_are_none_are_a_codec_error(variables: bytes) -> None:
    with pytest.raises(CodecError):
        decoded(reply(variables))


def test_a_length_reaches_no_further_than_what_holds_it() -> None:
    inner = tlv(SEQUENCE, NAME + integer(1))
    octets = bytearray(reply(inner, inner))
    octets[octets.index(inner) - 1] -= len(inner)  # the list of variables ends before the second one
    assert decoded(bytes(octets)) == [("1.3.6.1", 1)]
    octets[octets.index(inner) - 1] += len(inner) - 1  # it ends within the second one
    with pytest.raises(CodecError, match="something else came"):
        decoded(bytes(octets))
    octets[octets.index(inner) - 1] += 2  # it ends behind the message
    with pytest.raises(CodecError, match="longer than what holds it"):
        decoded(bytes(octets))


def test_an_unsigned_value_without_its_leading_zero_is_not_negative() -> None:
    assert decoded(reply(tlv(SEQUENCE, NAME + tlv(COUNTER32, b"\xff\xff\xff\xfa")))) == [("1.3.6.1", 4294967290)]
    assert decoded(reply(tlv(SEQUENCE, NAME + tlv(COUNTER64, b"\xff" * 8)))) == [("1.3.6.1", 2**64 - 1)]


def test_lengths_of_the_long_form_are_read_however_long() -> None:
    body = NAME + b"\x02\x84\x00\x00\x00\x01\x07"
    assert decoded(reply(b"\x30\x84\x00\x00\x00" + bytes((len(body),)) + body)) == [("1.3.6.1", 7)]


def test_the_largest_datagram_is_decoded() -> None:
    one = tlv(SEQUENCE, NAME + integer(1))
    octets = reply(*[one] * (65_000 // len(one)))
    assert len(decoded(octets)) == 65_000 // len(one)


def test_other_versions_are_refused() -> None:
    with pytest.raises(CodecError, match="version 2c or 3, the datagram says 0"):
        decode_message(tlv(SEQUENCE, integer(0) + tlv(OCTETS, b"public")))


@pytest.mark.parametrize("text", ["", "1", "1.3.x", "1.-3", "3.1", "1.40", "1.3." + "1." * 200 + "1", f"1.3.{2**32}"])
def test_what_is_no_oid_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(PolicyError, match="expected"):
        encode_oid(text)


@given(
    flags=st.sampled_from([0, AUTH, AUTH | PRIV]),
    engine_id=st.binary(max_size=32),
    clock=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)),
    user=st.binary(max_size=32),
    digest_octets=st.sampled_from([0, 12, 16, 24, 32, 48]),
    payload=st.binary(max_size=300),
)
def test_a_sealed_message_comes_back_as_it_went(
    *, flags: int, engine_id: bytes, clock: tuple[int, int], user: bytes, digest_octets: int, payload: bytes
) -> None:
    salt = b"saltsalt" if flags & PRIV else b""
    if not flags & PRIV:
        payload = encode_scoped(engine_id, encode_request(Get(("1.3.6.1",)), NUMBER))
    sent = V3Message(NUMBER, flags, engine_id, *clock, user, salt, payload, b"", 0, 0)
    octets, at = encode_v3(sent, digest_octets)
    digest = bytes(range(1, digest_octets + 1))
    octets = octets[:at] + digest + octets[at + digest_octets :]
    found = decode_message(octets)
    assert isinstance(found, V3Message)
    assert octets[found.digest_start : found.digest_stop] == digest
    assert (found.message_id, found.flags, found.engine_id, found.user) == (NUMBER, flags, engine_id, user)
    assert (found.boots, found.clock_s, found.salt, found.payload) == (*clock, salt, payload)


def test_a_scoped_pdu_may_be_followed_by_a_ciphers_padding() -> None:
    pdu = encode_pdu(RESPONSE, NUMBER, 0, 0, [variable(NAME, (INTEGER, 7))])
    scoped = decode_scoped(encode_scoped(b"engine-x", pdu) + bytes(7))
    assert (scoped.engine_id, scoped.context) == (b"engine-x", b"")
    assert (scoped.pdu.request_id, scoped.pdu.values()) == (NUMBER, [("1.3.6.1", 7)])
