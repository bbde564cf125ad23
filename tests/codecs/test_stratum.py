"""Lines and messages of stratum V1: every shape pools use, and whatever else may come."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codecs.stratum import (
    Answer,
    Lines,
    Notice,
    Subscription,
    decode,
    garbage,
    is_job,
    redirection,
    request,
    subscription,
)
from agent.model.errors import CodecError

HASH = "ab" * 32
JOB = ["1f", HASH, "0100", "ffff", [HASH, HASH], "20000000", "17034219", "66f0a1b2", True]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


def drained(lines: Lines) -> list[bytes | str]:
    """Return every line, and the fault behind them."""
    taken: list[bytes | str] = []
    try:
        while (line := lines.take()) is not None:
            taken.append(line)
    except CodecError as fault:
        taken.append(str(fault))
    return taken


def said(**message: object) -> bytes:
    return json.dumps(message).encode()


@given(st.lists(st.binary(max_size=30), max_size=30), st.data())
def test_lines_are_the_same_however_the_bytes_are_split(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"\n".join(pieces)
    whole, split = Lines(20, 10), Lines(20, 10)
    whole.feed(stream)
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 20))
        split.feed(stream[at : at + step])
        at += step
    assert split.is_full == whole.is_full
    assert split.partial == whole.partial
    assert split.has_begun == whole.has_begun
    assert drained(split) == drained(whole)


def test_lines_before_a_bound_are_given_and_then_the_fault() -> None:
    lines = Lines(10, 2)
    lines.feed(b"one\r\n\n  \ntwo\nthree\nfour\n")
    assert drained(lines) == [b"one", b"two", "expected a handful of lines, they do not end; is this a pool?"]
    lines = Lines(10, 5)
    lines.feed(b"one\n" + b"x" * 11)
    assert lines.is_full
    assert drained(lines)[0] == b"one"
    assert "at most 10 bytes" in str(drained(lines)[0])
    lines.feed(b"\nmore\n")
    assert len(drained(lines)) == 1


def test_a_line_of_exactly_the_limit_is_one() -> None:
    lines = Lines(10)
    lines.feed(b"x" * 10)
    assert lines.partial == b"x" * 10
    lines.feed(b"\n")
    assert drained(lines) == [b"x" * 10]


@given(st.integers(0, 9), st.text(), st.text())
def test_a_request_is_one_line_of_json(number: int, worker: str, password: str) -> None:
    line = request(number, "mining.authorize", worker, password)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"id": number, "method": "mining.authorize", "params": [worker, password]}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ([24, "Unauthorized worker", None], "Unauthorized worker (code 24)"),
        ([20, "Other/Unknown"], "Other/Unknown (code 20)"),
        ([24], "no words (code 24)"),
        ([None, "banned", {"trace": []}], "banned"),
        ({"code": -2, "message": "no such user"}, "no such user (code -2)"),
        ({"traceback": None}, "no reason given"),
        ("go away", "go away"),
        (True, "no reason given"),
        (-1, "no reason given"),
    ],
)
def test_every_shape_of_an_error_is_a_refusal(error: object, words: str) -> None:
    assert decode(said(id=2, result=None, error=error)) == Answer(2, None, words)


@pytest.mark.parametrize("none", [None, False, "", [], {}])
def test_every_shape_of_no_error_is_none(none: object) -> None:
    assert decode(said(id=2, result=True, error=none)) == Answer(2, True, None)
    assert decode(said(id=2, result=False, error=none)) == Answer(2, False, "no reason given")


def test_an_answer_without_error_or_without_result() -> None:
    assert decode(said(id="2", result=True)) == Answer(2, True, None)
    assert decode(said(id=2, error=[21, "x", None])) == Answer(2, None, "x (code 21)")


@pytest.mark.parametrize("number", [None, True, 1.5, "one", "1" * 30, [1], {"id": 1}])
def test_a_number_that_cannot_be_ours_is_none(number: object) -> None:
    assert decode(said(id=number, result=True)) == Answer(None, True, None)


def test_notices_and_requests_of_the_pool() -> None:
    assert decode(said(id=None, method="mining.set_difficulty", params=[8])) == Notice("mining.set_difficulty", (8,))
    assert decode(said(id=7, method="client.get_version")) == Notice("client.get_version", ())
    assert decode(said(method="mining.notify", params="x", result=1)) == Notice("mining.notify", ())


@pytest.mark.parametrize(
    ("line", "like"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "set the pool's tls"),
        (b"HTTP/1.1 400 Bad Request", "a web server"),
        (b'{"id":1,"resu', "13 bytes that are none"),
        (b'{"id":1,"result":"\xff"}', "bytes that are none"),
        (b"[1,2]", "bytes that are none"),
        (b"{}", "neither method, result nor error"),
        (b"[" * 16000, "bytes that are none"),
        (b"\0" * 40, "bytes that are none"),
    ],
)
def test_garbage_is_told_by_its_looks(line: bytes, like: str) -> None:
    with pytest.raises(CodecError, match=like):
        decode(line)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_message_or_a_codec_error(line: bytes) -> None:
    try:
        message = decode(line)
    except CodecError:
        return
    if isinstance(message, Notice):
        is_job(message)
        try:
            redirection(message, "pool.example", 3333)
        except CodecError:
            return


@given(JSON)
def test_whatever_is_subscribed_can_be_worked_with_or_is_refused(result: object) -> None:
    try:
        given_out = subscription(result)
    except CodecError:
        return
    assert bytes.fromhex(given_out.extranonce1) is not None
    assert 1 <= given_out.extranonce2_size <= 16


@pytest.mark.parametrize(
    "head", [[["mining.set_difficulty", "a"], ["mining.notify", "b"]], ["mining.notify", "ae6812"], None, [], "x"]
)
def test_subscriptions_come_in_many_forms(head: object) -> None:
    assert subscription([head, "08000002", 4]) == Subscription("08000002", 4)
    assert subscription([head, "", 8, "more"]) == Subscription("", 8)


@pytest.mark.parametrize(
    "result",
    [
        None,
        True,
        [],
        [[], "08000002"],
        [[], "0800000", 4],
        [[], "xyz0", 4],
        [[], "08" * 33, 4],
        [[], "08", 0],
        [[], "08", 17],
        [[], "08", True],
        [[], "08", "4"],
        [[], None, 4],
        {"extranonce": "08"},
    ],
)
def test_a_subscription_no_miner_could_work_with_is_refused(result: object) -> None:
    with pytest.raises(CodecError, match=r"mining\.subscribe"):
        subscription(result)


def test_a_job_is_told_from_what_is_none() -> None:
    assert is_job(Notice("mining.notify", tuple(JOB)))
    assert is_job(Notice("mining.notify", (*JOB, "more")))
    assert not is_job(Notice("mining.set_difficulty", tuple(JOB)))
    wrong = {1: "ab", 2: "", 3: "0", 4: [HASH, "ab"], 5: "2000", 6: 7, 7: "66f0a1bx"}
    for at, value in wrong.items():
        assert not is_job(Notice("mining.notify", (*JOB[:at], value, *JOB[at + 1 :]))), at
    assert not is_job(Notice("mining.notify", tuple(JOB[:7])))
    assert not is_job(Notice("mining.notify", ()))


@pytest.mark.parametrize(
    ("params", "to"),
    [
        ((), None),
        (("", 0, 10), None),
        ((None, None), None),
        (("Pool.Example.", 3333), None),
        (("pool.example", "3333"), None),
        (("pool.example", 443), ("pool.example", 443)),
        (("", 443), ("pool.example", 443)),
        (("evil.example",), ("evil.example", 3333)),
        (("evil.example", "4444", 0), ("evil.example", 4444)),
    ],
)
def test_a_redirection_is_told_from_a_return(params: tuple[object, ...], to: tuple[str, int] | None) -> None:
    assert redirection(Notice("client.reconnect", params), "pool.example", 3333) == to


@pytest.mark.parametrize("params", [(7, 3333), ("x" * 254, 1), ("evil.example", "99x"), ("evil.example", [1])])
def test_a_redirection_to_no_place_is_garbage(params: tuple[object, ...]) -> None:
    with pytest.raises(CodecError, match=r"client\.reconnect"):
        redirection(Notice("client.reconnect", params), "pool.example", 3333)


def test_errors_quote_nothing_of_what_came() -> None:
    assert "hunter2" not in str(garbage(b'{"id":2,"params":["w","hunter2"]'))
