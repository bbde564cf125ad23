"""One incident as one file that says everything about itself: for a machine that has neither the site nor its secrets.

A zip of a manifest with the checksum of every member; the ledger from its beginning (or as far back as there is room)
up to the incident's end, so that its chain can be proven; and the recording. `configuration.json` and `topology.json`
say to people what the recording has for the program. Whatever comes from a file is checked before any of it is used.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from agent.ledger.chain import GENESIS, Broken, Row, decode, verify
from agent.ledger.zip_strict import MOST_BYTES, ArchiveError, unzipped, zipped
from agent.model.events import Record
from agent.model.ids import IncidentId
from agent.model.recording import Recording, RecordingError
from agent.model.recording_bytes import MOST_FILE_BYTES, unpacked

FORMAT = 1

MANIFEST, LEDGER, RECORDING = "manifest.json", "ledger.jsonl", "recording.rec"
CONFIGURATION, TOPOLOGY = "configuration.json", "topology.json"

MOST_EVENTS = 50_000
MOST_AT_MS = 253_402_300_799_000
"""UTC ms of the calendar's end."""

MEBIBYTE = 1024 * 1024
MOST = {
    MANIFEST: MEBIBYTE,
    LEDGER: 128 * MEBIBYTE,
    RECORDING: 2 * MOST_FILE_BYTES,
    CONFIGURATION: 8 * MEBIBYTE,
    TOPOLOGY: 64 * MEBIBYTE,
}
"""Every member there may be, and how many bytes each may have unpacked."""

_Text = Annotated[str, Meta(max_length=200)]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member has to be."""

    bytes: _Count
    sha256: _Hash


class Slice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events of the ledger are there, and between which hashes.

    Attributes:
        first, last: seq of the first and the last. Every event in between is there.
        prev: the hash before the first; all zeros where that is the ledger's first.
        head: the hash of the last, to be compared with an anchor that was kept elsewhere.
    """

    first: Annotated[int, Meta(ge=1)]
    last: _Count
    prev: _Hash
    head: _Hash


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive says of itself.

    Attributes:
        software: the version that exported it.
        left_out: what could not be had.
    """

    format: int
    incident: Annotated[str, Meta(min_length=1, max_length=64)]
    software: _Text
    ledger: Slice
    members: dict[_Text, Member]
    left_out: tuple[_Text, ...] = ()


class _Format(msgspec.Struct):
    """What is looked at first: the rest may be another in another format."""

    format: int


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds, checked.

    Attributes:
        rows: the ledger's, in order of seq without gaps; their chain holds.
        recording: with those records; None where there was none.
    """

    manifest: Manifest
    rows: tuple[Row, ...]
    recording: Recording | None

    @property
    def is_from_the_beginning(self) -> bool:
        """Whether the ledger is there from its first event on, so that everything the agent knew then can be told."""
        return self.manifest.ledger.prev == GENESIS


def pack(
    incident: IncidentId, rows: Iterable[Row], *, last: int, software: str, recording: bytes | None = None
) -> bytes:
    """Return an incident's archive; the same incident of the same ledger gives the same bytes.

    Args:
        incident: whose.
        rows: of its ledger, from the first on.
        last: seq of the last that is to be in it; what the recording was made with comes besides.
        software: the version that exports it.
        recording: its file, where there is one.

    Raises:
        ArchiveError: the chain does not hold, or the incident goes back further than there is room.
    """
    found = None if recording is None else unpacked(recording)
    kept = _kept(rows, last if found is None else max(last, found.last_seq))
    if not any(row.incident == incident for row in kept):
        raise ArchiveError(
            f"expected {incident} within the last {MOST_EVENTS} events before {last}; it is none of them"
        )
    prev = kept[0].prev
    match verify(kept, since_seq=kept[0].seq - 1, head=prev):
        case Broken() as broken:
            raise ArchiveError(f"expected a sound ledger; event {broken.seq} is not: see `terrahash audit verify`")
        case sound:
            head = sound.head
    contents = {LEDGER: b"".join(msgspec.json.encode(row) + b"\n" for row in kept)}
    if recording is not None and found is not None:
        contents |= {RECORDING: recording, **_for_people(found)}
    manifest = Manifest(
        format=FORMAT,
        incident=incident,
        software=software,
        ledger=Slice(kept[0].seq, kept[-1].seq, prev, head),
        members={name: Member(len(content), _sha256(content)) for name, content in contents.items()},
        left_out=tuple(name for name in (RECORDING, CONFIGURATION, TOPOLOGY) if name not in contents),
    )
    return zipped({MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2), **contents})


def unpack(data: bytes) -> Archive:
    """Return what an archive's bytes hold.

    Raises:
        ArchiveError, RecordingError: it is none, damaged, of another version, beyond its bounds, or contradicts itself.
    """
    contents = unzipped(data, MOST)
    manifest = _manifest(contents.pop(MANIFEST, b""))
    if set(contents) != set(manifest.members) or LEDGER not in contents:
        raise ArchiveError(
            f"expected the members that the manifest names and a ledger; got {', '.join(sorted(contents)) or 'none'}:"
            " do not trust it"
        )
    for name, content in contents.items():
        if manifest.members[name] != Member(len(content), _sha256(content)):
            raise ArchiveError(
                f"expected {name} as the manifest has it; got other bytes: it was changed, do not trust it"
            )
    rows = _rows(contents[LEDGER], manifest)
    recording = None
    if RECORDING in contents:
        found = unpacked(contents[RECORDING])
        if found.head.incident != manifest.incident:
            raise ArchiveError(f"expected the recording of {manifest.incident}; got that of {found.head.incident!a}")
        recording = replace(found, records=tuple(r for r in _records(rows) if r.seq <= found.last_seq))
    return Archive(manifest, rows, recording)


def read_archive(path: Path) -> Archive:
    """Return what the archive in a file holds.

    Raises:
        ArchiveError, RecordingError: as `unpack`, with the file's name.
    """
    try:
        with path.open("rb") as file:
            return unpack(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise ArchiveError(f"{path}: expected an incident's archive; {error.strerror}: name another file") from error
    except (ArchiveError, RecordingError) as error:
        raise type(error)(f"{path}: {error}") from error


def _kept(rows: Iterable[Row], last: int) -> list[Row]:
    """Return the rows up to `last`, the newest MOST_EVENTS of them."""
    kept: list[Row] = []
    for row in rows:
        if row.seq > last:
            break
        kept.append(row)
        if len(kept) >= 2 * MOST_EVENTS:
            del kept[:MOST_EVENTS]
    if not kept:
        raise ArchiveError("expected a ledger with events; got an empty one: there is nothing to export")
    return kept[-MOST_EVENTS:]


def _for_people(recording: Recording) -> dict[str, bytes]:
    """Return what the recording's head has of configuration and site, to be read."""
    head = recording.head
    settings: Any = msgspec.msgpack.decode(head.settings)
    told = {
        "fingerprint": head.config_fingerprint,
        "software": head.software,
        "playbooks": head.playbooks,
        "settings": settings,
    }
    return {
        CONFIGURATION: msgspec.json.format(msgspec.json.encode(told, order="sorted"), indent=2),
        TOPOLOGY: msgspec.json.format(msgspec.json.encode(head.site), indent=2),
    }


def _manifest(content: bytes) -> Manifest:
    if not content:
        raise ArchiveError(f"expected a {MANIFEST}; got none: it is no incident's archive")
    try:
        found = msgspec.json.decode(content, type=_Format)
        if found.format != FORMAT:
            raise ArchiveError(
                f"expected format {FORMAT}; got {found.format}: use the version of terrahash that wrote it"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveError(f"expected a manifest of format {FORMAT}; got {error}: do not trust it") from error


def _rows(content: bytes, manifest: Manifest) -> tuple[Row, ...]:
    told = manifest.ledger
    wanted = told.last - told.first + 1
    if not 1 <= wanted <= MOST_EVENTS or content.count(b"\n") != wanted or not content.endswith(b"\n"):
        raise ArchiveError(f"expected the events {told.first} to {told.last}, a line each, {MOST_EVENTS} at most")
    try:
        rows = tuple(msgspec.json.decode(line, type=Row) for line in content.splitlines())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveError(f"expected events of a ledger; got {error}: do not trust it") from error
    found = verify(rows, since_seq=told.first - 1, head=told.prev)
    if isinstance(found, Broken):
        raise ArchiveError(f"expected a chain without a break; event {found.seq} is {found.flaw}: it was changed")
    if found.head != told.head or (told.prev == GENESIS) != (told.first == 1):
        raise ArchiveError(
            "expected the chain to go from hash to hash as the manifest says; it does not: it was changed"
        )
    if not any(row.incident == manifest.incident for row in rows):
        raise ArchiveError(f"expected events of {manifest.incident!a}; got none: do not trust it")
    if any(not 0 <= row.at_ms <= MOST_AT_MS for row in rows):
        raise ArchiveError("expected events of this age; got one outside the calendar: do not trust it")
    for record in _records(rows):
        if not 0.0 <= getattr(record.event, "detected_at", 0.0) <= MOST_AT_MS / 1000.0:
            raise ArchiveError("expected a detection of this age; got one outside the calendar: do not trust it")
    return rows


def _records(rows: Sequence[Row]) -> Iterator[Record]:
    for row in rows:
        try:
            yield decode(row)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ArchiveError(
                f"expected events that this version knows; event {row.seq} ({row.kind[:40]!a}) is none: {error};"
                " use the version of terrahash that wrote it"
            ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
