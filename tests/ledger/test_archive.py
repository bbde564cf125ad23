"""Archives of incidents: whole and the same each time; whatever is changed about one, it is refused in words."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger import archive as archives
from agent.ledger.archive import (
    CONFIGURATION,
    LEDGER,
    MANIFEST,
    MOST,
    RECORDING,
    TOPOLOGY,
    Archive,
    pack,
    read_archive,
    unpack,
)
from agent.ledger.chain import GENESIS, Row, digest
from agent.ledger.episode import episode
from agent.ledger.zip_strict import MOST_BYTES, ArchiveError, zipped
from agent.model.errors import PolicyError
from agent.model.ids import IncidentId
from agent.model.recording import End
from agent.report.replay import replay
from agent.report.replay_page import page
from agent.report.replay_text import moment_lines, plots
from agent.report.story import Guide
from tests.ledger.examples import EPOCH_S, INC, LIFE, OPENED
from tests.model.test_recording import HEAD, a_file
from tests.report.test_story import chained

ROWS = chained(LIFE)
SOUND = pack(INC, ROWS, last=len(ROWS), software="0.1.0")
MEMBERS = {MANIFEST, LEDGER}


def members(data: bytes = SOUND) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


def again(contents: Mapping[str, bytes], **changed: Any) -> bytes:
    """Return an archive of these members with a manifest that fits them, but for what is `changed` in it."""
    manifest = msgspec.json.decode(contents[MANIFEST])
    others = {name: content for name, content in contents.items() if name != MANIFEST}
    manifest["members"] = {
        name: {"bytes": len(content), "sha256": sha256(content).hexdigest()} for name, content in others.items()
    }
    return zipped({MANIFEST: msgspec.json.encode(manifest | changed), **others})


def of_rows(rows: list[Row], **changed: Any) -> bytes:
    """Return an archive of a ledger that somebody wrote himself: its manifest agrees with it."""
    ledger = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    told = {"first": rows[0].seq, "last": rows[-1].seq, "prev": rows[0].prev, "head": rows[-1].hash}
    return again(members() | {LEDGER: ledger}, **({"ledger": told} | changed))


def rechained(rows: list[Row]) -> list[Row]:
    """Return rows with the places and hashes that make them a sound chain."""
    made: list[Row] = []
    for seq, row in enumerate(rows, start=1):
        prev = made[-1].hash if made else GENESIS
        told = {"seq": seq, "at_ms": row.at_ms, "actor": row.actor, "kind": row.kind, "body": row.body, "prev": prev}
        made.append(Row(incident=row.incident, hash=digest(**told), **told))
    return made


def refused(data: bytes, *words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        unpack(data)
    for word in ("expected", *words):
        assert word in str(caught.value), str(caught.value)


def test_what_comes_out_is_what_went_in_and_the_same_each_time() -> None:
    found = unpack(SOUND)
    assert found.rows == tuple(ROWS)
    assert found.is_from_the_beginning
    assert found.recording is None
    assert found.manifest.left_out == (RECORDING, CONFIGURATION, TOPOLOGY)
    assert pack(INC, ROWS, last=len(ROWS), software="0.1.0") == SOUND
    assert set(members()) == MEMBERS


def test_it_ends_where_it_is_told_and_goes_back_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpack(pack(INC, ROWS, last=10, software="0.1.0")).rows == tuple(ROWS[:10])
    monkeypatch.setattr(archives, "MOST_EVENTS", 8)
    late = unpack(pack(INC, ROWS, last=20, software="0.1.0"))
    assert [row.seq for row in late.rows] == list(range(13, 21))
    assert not late.is_from_the_beginning
    with pytest.raises(ArchiveError, match="expected inc-000009 within the last 8 events"):
        pack(IncidentId("inc-000009"), ROWS, last=20, software="0.1.0")


def test_a_ledger_that_does_not_hold_is_not_exported() -> None:
    with pytest.raises(ArchiveError, match="event 5 is not"):
        pack(INC, [*ROWS[:4], ROWS[4]._replace(body="{}"), *ROWS[5:]], last=len(ROWS), software="0.1.0")
    with pytest.raises(ArchiveError, match="nothing to export"):
        pack(INC, [], last=0, software="0.1.0")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_byte_can_be_changed_removed_or_added_unnoticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SOUND)))
    some = data.draw(st.binary(min_size=1, max_size=6))
    cut = data.draw(st.integers(0, 8))
    other = SOUND[:place] + some + SOUND[place + cut :]
    try:
        found = unpack(other)
    except PolicyError:
        return
    # What a zip says beside its members, such as their dates, is nobody's business.
    assert (found.manifest, found.rows) == (unpack(SOUND).manifest, tuple(ROWS))
    assert len(other) == len(SOUND)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=400) | st.integers(0, len(SOUND)).map(lambda end: SOUND[:end] if end < len(SOUND) else b""))
def test_what_is_no_archive_or_not_all_of_one_is_refused(other: bytes) -> None:
    refused(other)


def test_data_before_behind_and_between_is_refused() -> None:
    refused(b"#!/bin/sh\n" + SOUND, "something else")
    refused(SOUND + b"x", "data behind it")
    refused(SOUND[:20], "its beginning")
    refused(SOUND + SOUND, "members")
    directory = SOUND.index(b"PK\x01\x02")
    refused(SOUND[:directory] + b"hidden" + SOUND[directory:], "data there")
    end = bytearray(SOUND[:directory] + b"hidden" + SOUND[directory:])
    struct.pack_into("<I", end, len(end) - 6, directory + 6)
    refused(bytes(end), "between a zip file's members")


def with_member(name: str, content: bytes = b"{}", **told: Any) -> bytes:
    """Return the archive with one more member, written by hand."""
    file = io.BytesIO(SOUND)
    with zipfile.ZipFile(file, "a") as made:
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        for attribute, value in told.items():
            setattr(info, attribute, value)
        made.writestr(info, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "..\\evil", "C:evil", "\\evil", "x/..", "recording.rec/../../x"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    refused(with_member(name), "leads elsewhere")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_strange_members_are_refused() -> None:
    refused(with_member(LEDGER), "twice")
    refused(with_member("notes.txt"), "no incident's archive")
    refused(with_member(RECORDING, external_attr=(stat.S_IFLNK | 0o777) << 16), "link")
    refused(with_member("recording.rec/"), "link, a folder")
    refused(with_member(RECORDING, external_attr=(stat.S_IFIFO | 0o644) << 16), "device")
    refused(with_member(RECORDING, extra=b"\x99\x99\x02\x00ab"), "packed another way")
    refused(with_member(RECORDING, compress_type=zipfile.ZIP_LZMA), "packed another way")
    refused(with_member(RECORDING, comment=b"x"), "packed another way")
    refused(with_member(TOPOLOGY), "members that the manifest names")
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as made:
        for number in range(1000):
            made.writestr(f"{number}", b"")
    refused(many.getvalue(), f"{len(MOST)} members at most")


def test_a_bomb_is_never_unpacked() -> None:
    bomb = zipped({MANIFEST: b"{}", LEDGER: b"\0" * (MOST[LEDGER] + 1)})
    assert len(bomb) < 1_000_000
    refused(bomb, "at most")
    small = bytearray(bomb)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # it says that it is small: no more is unpacked
        struct.pack_into("<I", small, small.rindex(mark) + offset, 10)
    refused(bytes(small))
    refused(b"PK\x03\x04" + b"\0" * MOST_BYTES, "bytes at most")


def test_members_that_lie_in_each_other_are_refused() -> None:
    """As in a bomb whose members share their content: the second one's head points to the first."""
    data = bytearray(SOUND)
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)
    refused(bytes(data))


def test_another_content_is_refused_though_its_checksum_of_the_zip_fits() -> None:
    contents = members()
    refused(zipped(contents | {LEDGER: contents[LEDGER].replace(b"gather", b"father")}), "other bytes")
    refused(zipped({MANIFEST: contents[MANIFEST]}), "got none")
    refused(zipped({LEDGER: contents[LEDGER]}), MANIFEST)
    refused(again({MANIFEST: contents[MANIFEST]}), "a ledger")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"format": 2}, "use the version of terrahash that wrote it"),
        ({"format": "1"}, "manifest"),
        ({"incident": "inc-000009"}, "events of"),
        ({"incident": ""}, "manifest"),
        ({"more": 1}, "manifest"),
        ({"ledger": {"first": 1, "last": 10**9, "prev": GENESIS, "head": GENESIS}}, "events 1 to"),
        ({"ledger": {"first": 1, "last": len(ROWS), "prev": GENESIS, "head": "f" * 64}}, "hash to hash"),
        ({"ledger": {"first": 1, "last": len(ROWS), "prev": GENESIS, "head": "no hash"}}, "manifest"),
        ({"ledger": {"first": 2, "last": len(ROWS) + 1, "prev": GENESIS, "head": ROWS[-1].hash}}, "chain"),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(changed: dict[str, Any], word: str) -> None:
    refused(again(members(), **changed), word)


Change = Callable[[list[Row]], list[Row]]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda rows: [*rows[:3], *rows[4:]], "events"),
        (lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]], "chain"),
        (lambda rows: [rows[0], rows[1]._replace(body=rows[1].body.replace("r1-m07", "r1-m09")), *rows[2:]], "chain"),
        (lambda rows: [*rows[:3], rows[3]._replace(at_ms=0), *rows[4:]], "chain"),
        (lambda rows: rechained([*rows[:3], rows[3]._replace(at_ms=10**18)]), "calendar"),
        (lambda rows: rechained([*rows[:3], rows[3]._replace(at_ms=-1)]), "calendar"),
        (lambda rows: rechained([*rows[:3], rows[3]._replace(actor="nobody")]), "this version knows"),
        (lambda rows: rechained([*rows[:3], rows[3]._replace(body='{"kind":"x"}', kind="x", incident=None)]), "knows"),
        (lambda rows: rechained([rows[0]]), "events of"),
    ],
)
def test_another_ledger_is_refused(change: Change, word: str) -> None:
    refused(of_rows(change(list(ROWS))), word)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.sampled_from(ROWS), min_size=1, max_size=30), st.integers(0, 4))
def test_a_ledger_that_somebody_made_up_is_told_or_refused_and_breaks_nothing(rows: list[Row], at: int) -> None:
    """Sound by its hashes, nonsense by its order: what is no history is refused, all else is shown."""
    made = rechained([row._replace(at_ms=row.at_ms // 10 ** (3 * at)) for row in rows])
    try:
        shown = told(unpack(of_rows(made)))
    except PolicyError:
        return
    assert shown.startswith("<!doctype html>")


def told(archive: Archive) -> str:
    found = episode(archive.rows, INC, Path("incident.zip"))
    assert found is not None
    played = replay(found.incident, found.records, found.started, Guide())
    lines = [line for moment in played.story.moments for line in moment_lines(moment, 80)]
    assert lines + list(plots(played, 80))
    return page(played)


def test_another_incidents_recording_in_an_archive_is_refused() -> None:
    """Its bytes are as the manifest says: whoever packed it put in what is about something else."""
    other = a_file(msgspec.structs.replace(HEAD, incident=IncidentId("inc-000009")), End(at=EPOCH_S))
    refused(again(members() | {RECORDING: other}), "the recording of inc-000001", "inc-000009")
    own = a_file(msgspec.structs.replace(HEAD, incident=INC), End(at=EPOCH_S))
    found = unpack(again(members() | {RECORDING: own})).recording
    assert found is not None
    assert found.ended


def test_a_detection_outside_the_calendar_is_refused() -> None:
    rows = [
        row._replace(body=row.body.replace(f'"detected_at":{OPENED.detected_at}', '"detected_at":1e18')) for row in ROWS
    ]
    assert rows != list(ROWS)
    refused(of_rows(rechained(rows)), "detection", "calendar")


def test_times_and_figures_beyond_all_measure_are_told() -> None:
    huge = [
        row._replace(body=row.body.replace(f"{EPOCH_S + 1800.0}", "1e300").replace('"misses":6', '"misses":1e300'))
        for row in ROWS
    ]
    assert "1e300" in "".join(row.body for row in huge)
    assert told(unpack(of_rows(rechained(huge))))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"none\.zip: expected an incident's archive; No such file"):
        read_archive(tmp_path / "none.zip")
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(ArchiveError, match=r"bad\.zip: expected an incident's archive, a zip file; got something else"):
        read_archive(tmp_path / "bad.zip")
