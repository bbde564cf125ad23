"""The curtailment signal: what is one, what is fresh, and which changes count when."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.intake.signal import DEBOUNCE_S, MAX_BYTES, MAX_SKEW_S, Change, Feed, Signal, parse
from agent.model.errors import AgentError, CodecError, PolicyError
from agent.model.ids import MinerId, WindowId
from agent.model.windows import Purpose, Window
from tests.factory import EPOCH

HOLD_S = 3600.0


def said(target: int, at: float) -> Signal:
    return Signal(target, at)


def test_a_signal_is_a_target_and_a_time() -> None:
    assert parse(b'{"target": 0, "timestamp": 1772370000}') == Signal(0, 1772370000.0)
    assert parse(b'{"target": 100, "timestamp": 1772370000.5, "site": "north"}').target == 100


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"0",
        b"[]",
        b'{"target": 0}',
        b'{"target": -1, "timestamp": 1}',
        b'{"target": 101, "timestamp": 1}',
        b'{"target": "0", "timestamp": 1}',
        b'{"target": true, "timestamp": 1}',
        b'{"target": 0, "timestamp": 1e999}',
        b'{"target": 0, "timestamp": NaN}',
        b'{"target": 0, "timestamp": null}',
        b'{"target": 0, "timestamp": 1',
        b'\xff\xfe{"target": 0, "timestamp": 1}',
        b'{"target": 0, "timestamp": 1}' + b" " * MAX_BYTES,
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(CodecError):
        parse(payload)


@given(st.binary(max_size=2 * MAX_BYTES))
def test_no_bytes_break_it(payload: bytes) -> None:
    with contextlib.suppress(CodecError):
        assert 0 <= parse(payload).target <= 100


def test_a_beginning_counts_at_once_and_an_end_after_a_while_without_a_word_to_the_contrary() -> None:
    feed = Feed(None, HOLD_S)
    feed.take(said(0, EPOCH), EPOCH)
    assert feed.due(EPOCH) == Change(0.0, EPOCH)
    assert feed.due(EPOCH + 1.0) is None
    feed.take(said(100, EPOCH + 10.0), EPOCH + 10.0)
    assert feed.due(EPOCH + 10.0 + DEBOUNCE_S - 0.1) is None
    feed.take(said(0, EPOCH + 14.0), EPOCH + 14.0)
    assert feed.due(EPOCH + 60.0) is None, "it went on after all"
    feed.take(said(100, EPOCH + 70.0), EPOCH + 70.0)
    feed.take(said(100, EPOCH + 73.0), EPOCH + 73.0)
    assert feed.due(EPOCH + 70.0 + DEBOUNCE_S) == Change(1.0, EPOCH + 73.0), "said twice, it does not take longer"
    assert feed.due(EPOCH + 90.0) is None


def test_what_is_old_or_far_ahead_or_was_said_before_is_refused() -> None:
    feed = Feed(None, HOLD_S)
    for at in (EPOCH - MAX_SKEW_S - 1.0, EPOCH + MAX_SKEW_S + 1.0):
        with pytest.raises(PolicyError, match="set the sender's clock"):
            feed.take(said(0, at), EPOCH)
    feed.take(said(0, EPOCH - MAX_SKEW_S + 1.0), EPOCH)
    with pytest.raises(PolicyError, match="sent twice, or late"):
        feed.take(said(100, EPOCH - MAX_SKEW_S + 1.0), EPOCH + 1.0)


def test_a_clock_ahead_does_not_deafen_it() -> None:
    feed = Feed(None, HOLD_S)
    feed.take(said(0, EPOCH + 20 * 3600.0), EPOCH)
    feed.due(EPOCH)
    feed.take(said(100, EPOCH + 5.0), EPOCH + 5.0)
    assert feed.due(EPOCH + 5.0 + DEBOUNCE_S) == Change(1.0, EPOCH + 5.0)


def test_what_goes_on_being_said_is_prolonged_and_silence_lets_it_end() -> None:
    feed = Feed(None, HOLD_S)
    feed.take(said(0, EPOCH), EPOCH)
    feed.due(EPOCH)
    changes = []
    for minute in range(1, 121):
        at = EPOCH + minute * 60.0
        if minute <= 60:
            feed.take(said(0, at), at)
        if (change := feed.due(at)) is not None:
            changes.append((minute, change.again))
    assert changes == [(31, True), (62, True)], "twice an hour, and not any more when nothing is heard"


def test_after_a_restart_it_goes_on_from_the_ledger() -> None:
    window = Window(
        WindowId("mqtt:grid"),
        Purpose.CURTAILED,
        ("site:x",),
        frozenset({MinerId("m1")}),
        0.0,
        EPOCH,
        EPOCH + HOLD_S,
        "",
        "integration",
        told_at=EPOCH,
    )
    feed = Feed(window, HOLD_S)
    with pytest.raises(PolicyError):
        feed.take(said(0, EPOCH), EPOCH + 60.0)
    feed.take(said(100, EPOCH + 60.0), EPOCH + 60.0)
    assert feed.due(EPOCH + 60.0 + DEBOUNCE_S) == Change(1.0, EPOCH + 60.0)


@given(st.lists(st.tuples(st.floats(0.1, 4000.0), st.sampled_from([0, 40, 100]), st.floats(-1e5, 1e5)), max_size=30))
def test_it_never_curtails_longer_than_it_holds_after_the_last_word(steps: list[tuple[float, int, float]]) -> None:
    feed, now, heard, until = Feed(None, HOLD_S), EPOCH, EPOCH, EPOCH
    for wait_s, target, skew_s in steps:
        now += wait_s
        with contextlib.suppress(AgentError):
            feed.take(said(target, now + skew_s), now)
            heard = now
        change = feed.due(now)
        if change is not None:
            until = now + HOLD_S if change.share < 1.0 else now
    assert until <= heard + 1.5 * HOLD_S + DEBOUNCE_S
