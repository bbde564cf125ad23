"""The shelf: recordings as files, written one job after the other, and never by the tick itself.

Everything that takes time is here: packing what the tape brings, keeping the last while of the whole site packed in
memory, and adding to the files of the incidents that are being recorded. A disk that is full, or gone, costs parts of
recordings and nothing else: what is missing is noted in the file as soon as it can be written again.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import structlog

from agent.ledger.recordings import SUFFIX
from agent.model.ids import IncidentId
from agent.model.recording import AnyPart, Array, End, Exchange, Exchanges, Frame, Head, Leaf, Loss, Note, Stretch
from agent.model.recording_bytes import MAGIC, MOST_FILE_BYTES, packed, unpacked_part, whole_length
from agent.model.words import one_line
from agent.observe.overhear import FAILED_CHARS, MARGIN_BYTES
from agent.observe.settings import RecordSettings
from agent.observe.tape import Cut, Selection, selected

_log = structlog.get_logger(__name__)

HISTORY_S = 400.0
"""A counter's history reaches back so long: as much is needed from before the state that deciding again begins with."""

SURROUNDINGS_MOST = 4096
"""Of a larger site, what was read of the other miners last is not kept with each incident."""

OPENED_S = 240.0
"""A shared cause is opened so long after the first of its symptoms was detected, and a little later recorded."""

RESERVE = 64 * 1024
"""Bytes of a recording that are left for notes and its end."""


@dataclass(frozen=True, slots=True)
class Start:
    """An incident that is to be recorded from now on; `since`: UTC s from which its readings are wanted."""

    head: Head
    since: float
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What one cut of the tape brings.

    Attributes:
        now: UTC s. cut: of the whole site. following: of each recording that goes on, what of that.
        frame: the whole site's state, where it is time for it: the columns', and that of whoever judges them.
        late: the state of miners that are followed from now on. starts: with what of the site each wants.
        ends: recordings that are over. devices: the addresses whose exchanges each recording has.
        lost_at: UTC s of a job that was lost before this one; None where none was. missed: exchanges that were lost.
    """

    now: float
    cut: Cut
    everything: Selection
    following: Mapping[IncidentId, Selection]
    exchanges: Sequence[Exchange] = ()
    frame: tuple[Frame, Frame] | None = None
    late: Frame | None = None
    starts: Sequence[tuple[Start, Selection]] = ()
    ends: Sequence[IncidentId] = ()
    devices: Mapping[IncidentId, frozenset[str]] = field(default_factory=dict)
    lost_at: float | None = None
    missed: int = 0


@dataclass(slots=True)
class _File:
    """One open recording; `length`: bytes that are whole. `lost_at`: UTC s since when nothing could be written."""

    path: Path
    head: Head
    length: int = 0
    lost_at: float | None = None
    is_full: bool = False


class Shelf:
    """Does jobs; one thread at a time.

    Args:
        folder: where the files lie; made when the first is.
        of_miners: the pieces of state that have a cell, or an entry, for each miner.
        scrub: returns a text without secrets.
    """

    def __init__(
        self, folder: Path, settings: RecordSettings, of_miners: frozenset[str], scrub: Callable[[str], str]
    ) -> None:
        self._scrub = scrub
        self._folder = folder
        self._of_miners = of_miners
        self._settings = settings
        self._ring: deque[tuple[float, float, bytes]] = deque()
        self._ring_bytes = 0
        self._frames: deque[tuple[float, bytes, bytes]] = deque()
        self._asked: deque[Exchange] = deque(maxlen=settings.most_exchanges)
        self._files: dict[IncidentId, _File] = {}

    def do(self, job: Job) -> None:
        """Write and keep what a job brings."""
        if job.lost_at is not None:
            self._ring.clear()
            self._frames.clear()
            for file in self._files.values():
                file.lost_at = job.lost_at if file.lost_at is None else file.lost_at
        missed = [Note(at=job.now, loss=Loss.EXCHANGES, count=job.missed)] if job.missed else []
        for incident, wanted in job.following.items():
            asked = self._of(job.exchanges, job.devices[incident])
            self._add(incident, job.now, [job.cut.stretch(wanted), *asked, *missed])
        self._keep(job)
        for start, wanted in job.starts:
            self._start(start, wanted, job)
        if job.late is not None:
            for incident in job.following:
                self._add(incident, job.now, [job.late])
        for incident in job.ends:
            self._add(incident, job.now, [End(at=job.now)])
            self._files.pop(incident, None)

    # -- what is kept of the whole site ------------------------------------------------------------------------------

    def _keep(self, job: Job) -> None:
        self._asked.extend(job.exchanges)
        if job.cut.ticks:
            data = packed(job.cut.stretch(job.everything))
            self._ring.append((job.cut.ticks[0], job.cut.ticks[-1], data))
            self._ring_bytes += len(data)
        if job.frame is not None:
            self._frames.append((job.frame[0].tick, packed(job.frame[0]), packed(job.frame[1])))
        begin = job.now - self._settings.before_s - OPENED_S
        while len(self._frames) > 1 and self._frames[1][0] <= begin:
            self._frames.popleft()
        oldest = min(begin, self._frames[0][0]) - HISTORY_S if self._frames else begin
        while self._ring and (self._ring[0][1] < oldest or self._ring_bytes > self._settings.most_memory_bytes):
            self._ring_bytes -= len(self._ring.popleft()[2])
        while len(self._frames) > 1 and self._ring and self._frames[0][0] < self._ring[0][0]:
            self._frames.popleft()

    # -- files -------------------------------------------------------------------------------------------------------

    def _start(self, start: Start, wanted: Selection, job: Job) -> None:
        """Begin a recording with what is known from before, or go on with one that an agent before left."""
        incident = start.head.incident
        self._make_room(job.now)
        file = self._files[incident] = _File(self._folder / f"{incident}{SUFFIX}", start.head)
        last = self._resumed(file)
        parts: list[AnyPart] = list(start.notes)
        frames = [frame for frame in self._frames if frame[0] > last]
        before = [frame for frame in frames if frame[0] <= start.since]
        chosen = before[-1] if before else frames[0] if frames else None
        if chosen is None:
            self._add(incident, job.now, parts)
            return
        if not before:
            parts.append(Note(at=chosen[0], loss=Loss.LATE_START if not file.length else Loss.RESTART))
        parts.extend(self._frames_of(chosen, wanted))
        for began, ended, data in self._ring:
            if ended < chosen[0] - HISTORY_S or began <= last:
                continue
            stretch = unpacked_part(data)
            if isinstance(stretch, Stretch):
                parts.append(selected(stretch, wanted, histories_alone=ended < chosen[0]))
        parts.extend(self._of([e for e in self._asked if e.at >= start.since], job.devices[incident]))
        self._add(incident, job.now, parts)

    def _resumed(self, file: _File) -> float:
        """Find where an older file of the same incident can be gone on with; return its last tick, UTC s."""
        with contextlib.suppress(OSError):
            data = file.path.read_bytes()
            file.length, last = whole_length(data)
            if not file.length:
                file.path.replace(file.path.with_suffix(".damaged"))
            return last
        return -np.inf

    def _of(self, exchanges: Sequence[Exchange], devices: frozenset[str]) -> list[AnyPart]:
        chosen = tuple(self._clean(exchange) for exchange in exchanges if exchange.device in devices)
        return [Exchanges(exchanges=chosen)] if chosen else []

    def _clean(self, exchange: Exchange) -> Exchange:
        """Return the exchange without secrets; what is no text is told in escapes."""
        sides = ((exchange.sent, exchange.sent_bytes), (exchange.got, exchange.got_bytes))
        sent, got = (
            self._scrub(side.decode(errors="backslashreplace")).encode()[: -MARGIN_BYTES if size > len(side) else None]
            for side, size in sides
        )
        cut = len(exchange.failed) >= FAILED_CHARS + MARGIN_BYTES
        failed = self._scrub(exchange.failed)[: -MARGIN_BYTES if cut else None]
        return msgspec.structs.replace(exchange, sent=sent, got=got, failed=one_line(failed, FAILED_CHARS))

    def _add(self, incident: IncidentId, now: float, parts: Sequence[AnyPart]) -> None:
        """Add parts to a file, whole or not at all; what cannot be added is noted as soon as something can."""
        file = self._files.get(incident)
        if file is None or file.is_full:
            return
        if file.lost_at is not None:
            parts = [Note(at=file.lost_at, loss=Loss.DISK), *parts]
        if not file.length:
            parts = [file.head, *parts]
        data = b"".join(map(packed, parts))
        if file.length + len(data) > MOST_FILE_BYTES - RESERVE:
            file.is_full = True
            data = packed(Note(at=now, loss=Loss.FULL))
        try:
            self._write(file, data if file.length else MAGIC + data)
        except OSError as error:
            if file.lost_at is None:
                file.lost_at = now
                _log.warning("recording_incomplete", incident=incident, why=error.strerror)
        else:
            file.lost_at = None

    def _write(self, file: _File, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, file.length)  # what a write that failed left behind
            written = os.pwrite(descriptor, data, file.length)
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], file.length + written)
            file.length += len(data)
        finally:
            os.close(descriptor)

    def _make_room(self, now: float) -> None:
        """Drop the recordings that are too old, too many, or together too large: the oldest first."""
        with contextlib.suppress(OSError):
            ages = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob(f"*{SUFFIX}"))
            total = sum(size for _, size, _ in ages)
            for place, (at, size, path) in enumerate(ages):
                too_many = len(ages) - place >= self._settings.most_files
                too_large = total > self._settings.most_bytes - MOST_FILE_BYTES
                too_old = now - at > self._settings.most_age_s
                if path.stem in self._files or not (too_many or too_large or too_old):
                    continue
                path.unlink()
                total -= size

    def _frames_of(self, kept: tuple[float, bytes, bytes], wanted: Selection) -> list[AnyPart]:
        """Return the state of the chosen miners; and what was known of all others, where they are not too many."""
        columns, judges = unpacked_part(kept[1]), unpacked_part(kept[2])
        if not (isinstance(columns, Frame) and isinstance(judges, Frame)):
            return []
        if columns.rows.shape[0] > SURROUNDINGS_MOST:
            columns = self._narrowed(columns, wanted)
        return [columns, self._narrowed(judges, wanted)]

    def _narrowed(self, frame: Frame, wanted: Selection) -> Frame:
        rows = wanted.miners
        state = {
            path: Leaf(Array.of(leaf.array.unpacked()[..., rows])) if leaf.array and path in self._of_miners else leaf
            for path, leaf in frame.state.items()
            if leaf.array is not None or path not in self._of_miners
        }
        return msgspec.structs.replace(frame, rows=Array.of(rows.astype(np.int32)), state=state)
