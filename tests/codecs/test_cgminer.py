"""The cgminer codec: framing at any split, repair of known defects, and nothing but its own errors."""

import contextlib
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.codecs.cgminer import Framer, Section, dashed, decode, flag, number, with_suffix, within
from agent.model.errors import CodecError

LIMIT = 200


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def fed(parts: list[bytes], limit: int = LIMIT) -> bytes | type[CodecError]:
    """What a framer makes of the parts and the end of the connection."""
    framer = Framer(limit)
    try:
        for part in parts:
            framer.feed(part)
    except CodecError:
        return CodecError
    return framer.end()


# -- framing -----------------------------------------------------------------------------------------------------------


@given(data=st.binary(max_size=2 * LIMIT), cuts=st.lists(st.integers(0, 2 * LIMIT), max_size=12))
def test_any_split_of_bytes_gives_the_same_result(data: bytes, cuts: list[int]) -> None:
    assert fed(chunks(data, cuts)) == fed([data])


@given(reply=st.binary(max_size=LIMIT).filter(lambda b: b"\0" not in b), tail=st.binary(max_size=3 * LIMIT))
def test_the_reply_ends_at_its_nul_and_nothing_behind_it_matters(reply: bytes, tail: bytes) -> None:
    framer = Framer(LIMIT)
    assert framer.feed(reply + b"\0" + tail) == reply
    assert framer.feed(b"more" * LIMIT) == reply


def test_a_reply_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert fed([b"x" * LIMIT, b"\0"]) == b"x" * LIMIT
    assert fed([b"x" * LIMIT, b"x\0"]) is CodecError


def test_an_endless_reply_fails_at_once_and_goes_on_failing() -> None:
    framer = Framer(LIMIT)
    with pytest.raises(CodecError, match="at most 200 bytes"):
        framer.feed(b"x" * (LIMIT + 1))
    with pytest.raises(CodecError):
        framer.feed(b"\0")


# -- sections ----------------------------------------------------------------------------------------------------------


def test_a_joined_reply_has_one_section_a_command() -> None:
    sections = decode(
        b'{"summary":[{"STATUS":[{"STATUS":"S","Msg":"Summary"}],"SUMMARY":[{"Elapsed":5}],"id":1}],'
        b'"pools":[{"STATUS":[{"STATUS":"E","Msg":"no"}],"id":1}],"id":1}'
    )
    assert sections == {"summary": Section("S", "Summary", [{"Elapsed": 5}]), "pools": Section("E", "no", [])}
    assert not sections["summary"].failed
    assert sections["pools"].failed


def test_a_single_reply_is_named_after_its_payload() -> None:
    assert decode(b'{"STATUS":[{"STATUS":"S"}],"SUMMARY":[{"Elapsed":5}],"id":1}\0') == {
        "summary": Section("S", "", [{"Elapsed": 5}])
    }


def test_a_flat_status_is_understood() -> None:
    assert decode(b'{"STATUS":"E","When":1,"Code":14,"Msg":"invalid cmd","Description":"whatsminer v1.4.0"}') == {
        "": Section("E", "invalid cmd", [], 1.0)
    }


def test_the_widest_row_is_the_one_with_measurements() -> None:
    (stats,) = decode(b'{"stats":[{"STATS":[{"Type":"S19"},{"Elapsed":1,"fan1":2}]}]}').values()
    assert stats.widest == {"Elapsed": 1, "fan1": 2}


ROWS = b'{"summary":[{"STATUS":[{"STATUS":"S"}],"SUMMARY":[%s],"id":1}]}'


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b'{"a":1}{"b":2}', [{"a": 1}, {"b": 2}]),
        (b'{"a":1},,{"b":2}', [{"a": 1}, {"b": 2}]),
        (b'{"a":1,}', [{"a": 1}]),
        (b',{"a":1}', [{"a": 1}]),
        (b'{"a":nan,"b":-inf,"c":Infinity,"d":NaN,"e":4}', [{"a": None, "b": None, "c": None, "d": None, "e": 4}]),
        (b'{"acs":"ooo""temp0":3}', [{"acs": "ooo", "temp0": 3}]),
        (b'{"user":"caf\xe9","a":1}', [{"user": "caf�", "a": 1}]),
        (b'{"a":"two\nlines"}', [{"a": "two\nlines"}]),
        (b'{"a":nan,"b":"x}{,} nan ,]"}', [{"a": None, "b": "x}{,} nan ,]"}]),
        (b'{"a":nan,"b":"quote \\"}{"}', [{"a": None, "b": 'quote "}{'}]),
    ],
    ids=[
        "joint",
        "double-comma",
        "comma-last",
        "comma-first",
        "nan",
        "no-comma",
        "latin1",
        "newline",
        "inside",
        "quote",
    ],
)
def test_known_defects_are_mended_and_strings_left_alone(row: bytes, expected: list[dict[str, object]]) -> None:
    assert decode(ROWS % row)["summary"].rows == expected


def test_a_joined_reply_that_is_cut_off_yields_the_sections_before_the_cut() -> None:
    whole = b'{"summary":[{"SUMMARY":[{"Elapsed":5}]}],"pools":[{"POOLS":[{"Accepted":4057}]}],"id":1}'
    for length in range(whole.index(b'"pools"'), whole.index(b"]}]") + 20):
        assert decode(whole[:length])["summary"].rows == [{"Elapsed": 5}]
    assert set(decode(whole[:-20])) == {"summary"}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\0",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"<html>",
        b'{"a":1}',
        b"{" * 50_000,
        b"[" * 50_000,
        b'{"a":' * 50_000,
    ],
)
def test_garbage_is_a_codec_error(junk: bytes) -> None:
    with pytest.raises(CodecError):
        decode(junk)


@pytest.mark.timeout(20)  # a pattern of quadratic cost takes minutes here
@pytest.mark.parametrize("piece", [b'"\\"', b'"', b"} ", b", ", b'{"a":"', b"\\", b'"a":nan,'])
def test_hostile_repetition_comes_to_an_end(piece: bytes) -> None:
    junk = b'{"a":' + piece * (262_144 // len(piece))
    with pytest.raises(CodecError):
        decode(junk)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_give_sections_or_a_codec_error(data: bytes) -> None:
    try:
        sections = decode(data)
    except CodecError:
        return
    assert all(isinstance(section, Section) for section in sections.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["STATUS", "SUMMARY", "Msg", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=200)
def test_any_json_gives_sections_or_a_codec_error(value: object) -> None:
    with contextlib.suppress(CodecError):
        decode(json.dumps(value).encode())


# -- fields ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0), (5.5, 5.5), ("5.5", 5.5), (" 7 ", 7.0), (-3, -3.0), ("1e3", 1000.0),
        (True, None), (None, None), ("", None), ("x", None), ("nan", None), ("inf", None), (float("nan"), None),
        (float("inf"), None), (10**400, None), ("9" * 5000, None), ("1_000", None), ("١٢", None),
        ([1], None), ({}, None),
    ],
)  # fmt: skip
def test_number(value: object, expected: float | None) -> None:
    assert number(value) == expected


def test_within_keeps_its_bounds() -> None:
    assert within("130", 0.0, 130.0) == 130.0
    assert within(130.1, 0.0, 130.0) is None
    assert within(-1, 0.0, 130.0) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("524K", 524e3),
        ("1.05M", 1.05e6),
        ("32k", 32e3),
        ("65536", 65536.0),
        (65536, 65536.0),
        ("", None),
        ("K", None),
        ("xK", None),
    ],
)
def test_short_form_of_difficulties(value: object, expected: float | None) -> None:
    assert with_suffix(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("78-50-69-70", [78, 50, 69, 70]), ("-40-50", [-40, 50]), ("78--40-69", [78, -40, 69]), ("78-x-69", [78, 69]),
        ("", []), ("-", []), (None, []), (78, []),
    ],
)  # fmt: skip
def test_dashed_lists_know_negative_readings(value: object, expected: list[float]) -> None:
    assert list(dashed(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("true", True),
        ("FALSE", False),
        (2, None),
        ("", None),
        (None, None),
    ],
)
def test_flags(value: object, expected: bool | None) -> None:
    assert flag(value) is expected
