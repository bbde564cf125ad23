"""Recordings as bytes: what is written comes back; what is damaged, hostile or of a later version is refused."""

import zlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from agent.model.ids import IncidentId
from agent.model.recording import (
    FORMAT,
    MINERS,
    AnyPart,
    Array,
    Change,
    End,
    Exchange,
    Exchanges,
    Frame,
    Head,
    Leaf,
    Loss,
    Note,
    RecordingError,
    Stretch,
    Table,
)
from agent.model.recording_bytes import MAGIC, MOST_FILE_BYTES, MOST_PART_BYTES, MOST_PARTS, packed, unpacked
from tests import factory

HEAD = Head(
    format=FORMAT,
    incident=IncidentId("inc-000001"),
    software="1",
    config_fingerprint="f",
    playbooks={},
    site=factory.pooled(factory.site(), "one"),
    settings=b"",
    detected_at=factory.EPOCH,
    tick_s=1.0,
    simulated=True,
    on_auto=True,
)


HUGE = replace(HEAD.site, pdus=(replace(HEAD.site.pdus[0], outlet_count=2**31),))


def of(*values: float, kind: str = "f8") -> Array:
    return Array.of(np.array(values, dtype=kind))


def stretch(*, tick: Array | None = None, row: Array | None = None, rate: Array | None = None) -> Stretch:
    table = Table(
        tick or of(0, 1, 1, kind="i4"),
        row or of(0, 0, 3, kind="i4"),
        {"hashrate_th.value": rate or of(100.0, 99.0, 7.0), "hashrate_th.at": of(9.5, 10.5, 10.6)},
    )
    ticks = of(10.0, 11.0)
    change = Change(1, "probes", Leaf(plain=b"\x80"))
    return Stretch(
        ticks=ticks,
        seqs=of(4, 5, kind="i8"),
        tables={MINERS: table},
        rows=of(0, 3, kind="i4"),
        copies={},
        changes=(change,),
    )


LATE = Change(2, "probes", Leaf(plain=b"\x80"))
"""Of a tick that is not there."""


def a_file(*parts: AnyPart) -> bytes:
    return MAGIC + b"".join(map(packed, parts))


def framed(raw: bytes) -> bytes:
    body = zlib.compress(raw)
    return len(body).to_bytes(4, "big") + body


def test_what_is_written_comes_back() -> None:
    frame = Frame(tick=10.0, seq=4, whole=True, rows=of(0, 3, kind="i4"), state={"reach": Leaf(of(1, 1, kind="i1"))})
    asked = Exchange(9.0, 0.2, "10.0.0.1", 4028, "tcp", b"{}", b"{ }", 2, 3)
    parts = [
        HEAD,
        frame,
        stretch(),
        Exchanges(exchanges=(asked,)),
        Note(at=11.0, loss=Loss.PEERS, count=3),
        End(at=12.0),
    ]

    found = unpacked(a_file(*parts))

    assert found.head == HEAD
    assert (found.frames, found.stretches, found.exchanges) == ((frame,), (parts[2],), (asked,))
    assert found.notes == (parts[4],)
    assert found.ended
    assert found.span == (10.0, 11.0)
    assert found.rows() == (0, 3)
    at, rate = found.series("hashrate_th", 0)
    assert (at.tolist(), rate.tolist()) == ([9.5, 10.5], [100.0, 99.0])


def test_a_file_cut_anywhere_has_what_was_whole_before_and_has_not_ended() -> None:
    whole = a_file(HEAD, stretch(), End(at=12.0))
    least = len(a_file(HEAD))
    for length in range(least, len(whole)):
        found = unpacked(whole[:length])
        assert not found.ended
        assert len(found.stretches) == (length >= len(a_file(HEAD, stretch())))


def test_no_flipped_byte_goes_unnoticed() -> None:
    whole = bytearray(a_file(HEAD, stretch()))
    for place in range(0, len(whole), 7):
        flipped = bytes([*whole[:place], whole[place] ^ 0x55, *whole[place + 1 :]])
        try:
            found = unpacked(flipped)
        except RecordingError:
            continue
        assert len(found.stretches) == 0, "a length that grew reads as a file that was cut"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PK\x03\x04", "expected a flight recording"),
        (MAGIC, "begins with its head"),
        (a_file(stretch()), "begins with its head"),
        (a_file(HEAD, HEAD), "two recordings"),
        (a_file(msgspec.structs.replace(HEAD, format=FORMAT + 1)), "use the version that recorded it"),
        (MAGIC + framed(b"\x00" * (MOST_PART_BYTES + 1)), "longer or cut"),
        (MAGIC + framed(msgspec.msgpack.encode({"part": "shell", "command": "x"})), "damaged"),
        (a_file(HEAD, stretch(rate=Array("f8", (3,), b"short"))), "damaged"),
        (a_file(HEAD, stretch(rate=Array("f8", (-1, -3), bytes(24)))), "damaged"),
        (a_file(HEAD, stretch(rate=Array("f8", (2**40,), b""))), "damaged"),
        (a_file(HEAD, stretch(rate=of(1.0))), "readings of the site's miners"),
        (a_file(HEAD, stretch(row=of(0, 0, 4, kind="i4"))), "readings of the site's miners"),
        (a_file(HEAD, stretch(tick=of(0, 0, 2, kind="i4"))), "readings of the site's miners"),
        (a_file(HEAD, stretch(row=of(0, 0, 1.5))), "readings of the site's miners"),
        (
            a_file(HEAD, Frame(tick=1.0, seq=1, whole=True, rows=of(99, kind="i4"), state={})),
            "rows of a site of 4 miners",
        ),
        (a_file(HEAD, stretch(), stretch()), "order of time"),
        (a_file(HEAD, msgspec.structs.replace(stretch(), seqs=of(4, kind="i8"))), "place in the ledger for each tick"),
        (a_file(HEAD, msgspec.structs.replace(stretch(), changes=(LATE,))), "changes within their ticks"),
        (a_file(HEAD) + b"\0" * (2 * MOST_FILE_BYTES), "a recording of [0-9]+ bytes at most"),
        (a_file(HEAD) + packed(Exchanges(exchanges=())) * MOST_PARTS, "parts at most"),
        (a_file(msgspec.structs.replace(HEAD, site=HUGE)), "outlets or ports at most"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        unpacked(data)
