"""Recordings as bytes: part after part, each with its length. They may come from a stranger: bounded and checked."""

import math
import zlib

import msgspec
import numpy as np

from agent.model.recording import (
    FORMAT,
    MINERS,
    OUTLETS,
    PORTS,
    UNITS,
    AnyPart,
    Frame,
    Group,
    Head,
    Recording,
    RecordingError,
    Stretch,
    Table,
)
from agent.model.topology import Site

MAGIC = b"TERRAREC\x01\n"

MOST_PART_BYTES = 64 * 1024 * 1024
"""What one part may unpack to; none that the recorder writes comes near."""

MOST_FILE_BYTES = 32 * 1024 * 1024
"""What one recording may take on the disk."""

MOST_BYTES = 16 * MOST_FILE_BYTES
"""What all its parts may unpack to."""

MOST_PARTS = 20_000

MOST_ROWS = 262_144
"""Of any group: a site has up to 14,000 miners, with a few outlets and ports each."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyPart)


def packed(part: AnyPart) -> bytes:
    """Return a part as it stands in the file: its length in four bytes, and its MessagePack, compressed."""
    body = zlib.compress(_encoder.encode(part), 3)
    return len(body).to_bytes(4, "big") + body


def unpacked(data: bytes) -> Recording:
    """Return the recording that a file's bytes are.

    One that ends in the middle of a part is what a process leaves that was killed while it wrote: what came before
    counts, and it has not ended.

    Raises:
        RecordingError: it is none, is damaged, breaks a bound, or is of a later version.
    """
    if not data.startswith(MAGIC):
        raise RecordingError("expected a flight recording; got something else: nothing of it was read")
    if len(data) > 2 * MOST_FILE_BYTES:
        raise RecordingError(f"expected a recording of {2 * MOST_FILE_BYTES} bytes at most; got {len(data)}")
    parts: list[AnyPart] = []
    place, left = len(MAGIC), MOST_BYTES
    while place + 4 <= len(data):
        length = _length(data, place)
        body = data[place + 4 : place + 4 + length]
        if len(body) < length:
            break
        if len(parts) >= MOST_PARTS:
            raise RecordingError(f"expected {MOST_PARTS} parts at most; got more: it is damaged")
        part, took = _part(body, len(parts))
        left -= took
        if left < 0:
            raise RecordingError("expected a recording that fits into memory; got one that unpacks to too much")
        parts.append(part)
        place += 4 + length
    recording = Recording.of(parts)
    _require_sound(recording)
    return recording


def unpacked_part(data: bytes) -> AnyPart:
    """Return the one part that `packed` returned as these bytes; raises RecordingError where they are none."""
    return _part(data[4:], 0)[0]


def whole_length(data: bytes) -> tuple[int, float]:
    """Return how many bytes of a file are whole parts, and UTC s of its last tick; 0 where it is no sound recording."""
    place = len(MAGIC)
    while place + 4 <= len(data) and place + 4 + _length(data, place) <= len(data):
        place += 4 + _length(data, place)
    try:
        ended = unpacked(data[:place]).span[1]
    except RecordingError:
        return 0, -math.inf
    return place, -math.inf if math.isnan(ended) else ended


def _length(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")


def _part(body: bytes, number: int) -> tuple[AnyPart, int]:
    """Return one part, and how many bytes it unpacked to."""
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(body, MOST_PART_BYTES)
        if not stream.eof:
            raise RecordingError(f"expected a part of {MOST_PART_BYTES} bytes at most; part {number} is longer or cut")
        part = _decoder.decode(raw)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise RecordingError(f"expected part {number} of a recording; got {error}: the file is damaged") from error
    if isinstance(part, Head) and part.format != FORMAT:
        raise RecordingError(f"expected format {FORMAT}; got {part.format}: use the version that recorded it")
    return part, len(raw)


def _require_sound(recording: Recording) -> None:
    """Raise RecordingError where an array is not what its place asks for, or speaks of what the site has not."""
    most = _sizes(recording.head.site)
    if max(most.values()) > MOST_ROWS:
        raise RecordingError(f"expected a site with {MOST_ROWS} outlets or ports at most; got more: it is damaged")
    for stretch in recording.stretches:
        _require_sound_stretch(stretch, most)
    for frame in recording.frames:
        _require_within(frame, most[MINERS])
    before = -np.inf
    for stretch in recording.stretches:
        ticks = stretch.ticks.unpacked()
        if ticks.size and not (np.isfinite(ticks).all() and before <= ticks[0] and (np.diff(ticks) >= 0.0).all()):
            raise RecordingError("expected ticks in the order of time; got others: the recording is damaged")
        before = float(ticks[-1]) if ticks.size else before


def _sizes(site: Site) -> dict[Group, int]:
    return {
        MINERS: len(site.miners),
        OUTLETS: sum(max(0, pdu.outlet_count) for pdu in site.pdus),
        PORTS: sum(max(0, switch.port_count) for switch in site.switches),
        UNITS: len(site.cooling_units),
    }


def _require_within(part: Frame | Stretch, miners: int) -> None:
    rows = part.rows.unpacked()
    if rows.ndim != 1 or rows.dtype.kind != "i" or (rows.size and not 0 <= rows.min() <= rows.max() < miners):
        raise RecordingError(f"expected rows of a site of {miners} miners; got others: the recording is damaged")


def _require_sound_stretch(stretch: Stretch, most: dict[Group, int]) -> None:
    ticks, seqs = stretch.ticks.unpacked(), stretch.seqs.unpacked()
    if ticks.ndim != 1 or ticks.dtype.kind != "f" or seqs.shape != ticks.shape or seqs.dtype.kind != "i":
        raise RecordingError("expected a time and a place in the ledger for each tick; got others: it is damaged")
    _require_within(stretch, most[MINERS])
    for group, table in stretch.tables.items():
        if not _is_sound(table, len(ticks), most[group]):
            raise RecordingError(f"expected readings of the site's {group}; got others: the recording is damaged")
    if any(not 0 <= change.tick < len(ticks) for change in stretch.changes):
        raise RecordingError("expected changes within their ticks; got others: the recording is damaged")


def _is_sound(table: Table, ticks: int, rows: int) -> bool:
    """Whether every entry is of a tick and a row that there is, and every column has a cell for it."""
    tick, row = table.tick.unpacked(), table.row.unpacked()
    if tick.ndim != 1 or tick.shape != row.shape or tick.dtype.kind != "i" or row.dtype.kind != "i":
        return False
    if any(column.unpacked().shape != tick.shape for column in table.columns.values()):
        return False
    return not tick.size or bool(tick.min() >= 0 and tick.max() < ticks and row.min() >= 0 and row.max() < rows)
