"""Deciding again: recorded readings and outcomes through the stages of today, beside what was decided then. Pure.

Each tick gets what it got then: the readings, and the memory that the ledger yields up to that moment, so that every
decision is looked at by itself. Once one about the incident differs, today's decisions are remembered of it instead, as
long as nobody has acted: what was read does not hang on them. From the first action on, of either side, the world
would have been another one, and what came after is not known.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.detect.leaves import Place, places, put_back
from agent.ledger.fold import State
from agent.model.columns import Counter
from agent.model.errors import AgentError
from agent.model.events import (
    Actor,
    AgentStarted,
    AnyEvent,
    ApprovalAsked,
    Closed,
    Escalated,
    IncidentAbsorbed,
    IncidentJoined,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Intended,
    Judged,
    Mitigated,
    Moved,
    Record,
    RunStarted,
)
from agent.model.ids import IncidentId
from agent.model.recording import Frame, Loss, Recording, Stretch
from agent.model.site_view import SiteView
from agent.stages import Stages

DECISIONS = (
    IncidentOpened
    | IncidentJoined
    | IncidentAbsorbed
    | IncidentReclassified
    | IncidentUpdated
    | IncidentRelapsed
    | Mitigated
    | RunStarted
    | Moved
    | Judged
    | ApprovalAsked
    | Intended
    | Escalated
    | Closed
)
"""What a tick decides about an incident; all else in a ledger is what came of it, or what people did."""

_ASIDE = ("incident", "run", "approval", "replaces", "evidence")
"""Numbers that count what there was before, and evidence, which is compared by itself."""

Cells = NDArray[Any]
Make = Callable[[SiteView, State], Stages]
"""Returns the stages that decide, of a view and a memory."""


class Verdict(StrEnum):
    """How what is decided today compares with what was decided then."""

    SAME = "same"
    OTHER_EVIDENCE = "same, other evidence"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """It was decided then, after something had already been decided otherwise and acted on."""
    UNDECIDABLE = "not decidable from the recording"


@dataclass(frozen=True, slots=True)
class Pair:
    """One decision, then and now; at UTC s. None where nothing was decided then, or is now."""

    at: float
    then: AnyEvent | None
    now: AnyEvent | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Redecided:
    """What deciding again came to.

    Attributes:
        pairs: every decision about the incident, in the order of time.
        unknown_from: UTC s from which on nothing can be said; None where all of it could be decided.
        span: UTC s of the first and last tick that was decided again.
    """

    incident: IncidentId
    pairs: tuple[Pair, ...]
    unknown_from: float | None
    span: tuple[float, float]

    @property
    def differs(self) -> bool:
        """Whether anything is decided otherwise today."""
        return any(pair.verdict is Verdict.DIFFERENT for pair in self.pairs)

    def count(self, verdict: Verdict) -> int:
        """Return how many decisions compare so."""
        return sum(pair.verdict is verdict for pair in self.pairs)

    @property
    def shift_s(self) -> float | None:
        """By how much later (negative: earlier) the incident is found today; None where it is not, or never was."""
        then = next((p.then.detected_at for p in self.pairs if isinstance(p.then, IncidentOpened)), None)
        now = next((p.now.detected_at for p in self.pairs if isinstance(p.now, IncidentOpened)), None)
        return None if then is None or now is None else now - then

    @property
    def is_missed(self) -> bool:
        """Whether it was found then, and is not today."""
        opened = [pair for pair in self.pairs if isinstance(pair.then, IncidentOpened)]
        found = any(isinstance(pair.now, IncidentOpened) for pair in self.pairs)
        return bool(opened) and opened[0].verdict is Verdict.DIFFERENT and not found


@dataclass(frozen=True, slots=True)
class _Tick:
    """One recorded tick: what it saw first, and which records it knew."""

    at: float
    seq: int
    stretch: Stretch
    place: int


class _Playback:
    """Puts what was recorded into a view and into the stages, tick by tick."""

    def __init__(self, recording: Recording, make: Make) -> None:
        self._recording = recording
        self._make = make
        self._restarts = {note.at for note in recording.notes if note.loss is Loss.RESTART}
        self._opened: Stretch | None = None
        self._tables: list[tuple[Cells, Cells, list[tuple[Cells, Cells]]]] = []
        self._copies: list[tuple[int, Counter, Cells, Cells, Cells]] = []
        self._everybody = np.arange(len(recording.head.site.miners))
        self._look_anew()

    def _look_anew(self) -> None:
        self.view = SiteView(self._recording.head.site)
        self._pieces = {place.path: place for place in places(self.view, len(self.view.reach))}
        self._opened = None

    def ticks(self) -> Iterator[_Tick]:
        """Yield every tick, in order."""
        for stretch in self._recording.stretches:
            pairs = zip(stretch.ticks.unpacked().tolist(), stretch.seqs.unpacked().tolist(), strict=True)
            for place, (at, seq) in enumerate(pairs):
                yield _Tick(at, seq, stretch, place)

    def see(self, tick: _Tick) -> None:
        """Bring the view to what that tick saw."""
        stretch, place = tick.stretch, tick.place
        if stretch is not self._opened:
            self._open(stretch)
        for ticks, rows, columns in self._tables:
            first, last = np.searchsorted(ticks, (place, place + 1)).tolist()
            if first < last:
                where = rows[first:last]
                for into, cells in columns:
                    into[where] = cells[first:last]
        for k, counter, into_rows, at, total in self._copies:
            if k == place:
                counter.add_copy(into_rows, at, total)
        for change in stretch.changes:
            if change.tick == place and change.path in self._pieces:
                rows = self._everybody if change.rows is None else change.rows.unpacked().astype(np.int64)
                put_back(self._pieces[change.path], change.leaf, rows)

    def begin(self, frames: Sequence[Frame], state: State) -> Stages:
        """Return the stages as they stood when a tick began of which the state was recorded."""
        if frames[0].tick in self._restarts:
            self._look_anew()
        self._put(frames, self._pieces)
        stages = self._make(self.view, state)
        stages.tick(frames[0].tick)  # makes what is made at the first look; what it decides is nobody's business
        self._put(frames, self._pieces | _by_path(stages, len(self.view.reach)))
        stages.look_anew()
        return stages

    def join(self, frame: Frame, stages: Stages) -> None:
        """Take in the state of miners that are followed from that tick on."""
        self._put([frame], self._pieces | _by_path(stages, len(self.view.reach)))
        rows = frame.rows.unpacked().astype(np.int64)
        for name, counter in self._counters():
            at, total = frame.state.get(f"{name}/at"), frame.state.get(f"{name}/total")
            if at is not None and total is not None and at.array is not None and total.array is not None:
                counter.put_history(rows, at.array.unpacked(), total.array.unpacked())

    def _put(self, frames: Sequence[Frame], pieces: Mapping[str, Place]) -> None:
        for frame in frames:
            rows = frame.rows.unpacked().astype(np.int64)
            for path, leaf in frame.state.items():
                if path in pieces:
                    put_back(pieces[path], leaf, rows)

    def _counters(self) -> Iterator[tuple[str, Counter]]:
        for name, counter in vars(self.view).items():
            if isinstance(counter, Counter) and counter.has_history:
                yield name, counter

    def _open(self, stretch: Stretch) -> None:
        """Lay out a stretch's readings beside the columns they go into."""
        self._opened = stretch
        self._tables = []
        for group, table in stretch.tables.items():
            known = [
                (self._pieces[name].value, column.unpacked())
                for name, column in table.columns.items()
                if name in self._pieces and not self._pieces[name].is_plain and self._pieces[name].group == group
            ]
            self._tables.append((table.tick.unpacked(), table.row.unpacked(), known))
        self._copies = []
        miners = stretch.rows.unpacked().astype(np.int64)
        for name, counter in self._counters():
            if f"{name}/tick" in stretch.copies:
                rows = np.arange(len(counter.total)) if name.startswith("port_") else miners
                told = [stretch.copies[f"{name}/{what}"].unpacked() for what in ("tick", "at", "total")]
                self._copies += [(int(k), counter, rows, at, total) for k, at, total in zip(*told, strict=True)]


def _by_path(stages: Stages, miners: int) -> dict[str, Place]:
    return {place.path: place for place in places(stages, miners)}


class _Comparison:
    """Compares what is decided about one incident, and keeps what is remembered of it."""

    def __init__(self, recording: Recording) -> None:
        self.id = recording.head.incident
        self._records = recording.records
        self._next = 0
        opened = (r.event for r in self._records if isinstance(r.event, IncidentOpened) and r.event.incident == self.id)
        self._members = next((event.members for event in opened), ())
        self.state = State()
        self.pairs: list[Pair] = []
        self.unknown_from: float | None = None
        self._is_apart = False

    def know(self, seq: int) -> None:
        """Bring the memory to what a tick knew."""
        while self._next < len(self._records) and self._records[self._next].seq <= seq:
            record = self._records[self._next]
            self._next += 1
            if not (self._is_apart and self._is_about(record.event)):
                self.state.apply(record)
            elif isinstance(record.event, Intended):
                self.unknown_from = record.at  # then somebody acted; today nobody has, or something else was done

    def compare(self, at: float, decided: Sequence[AnyEvent], until: int, within_s: float) -> None:
        """Hold what a tick decides today against what it did then: up to the record `until`, and so soon after it.

        What was decided later was decided by ticks that were not recorded.
        """
        between = list(self._between(until))
        others = [r.event for r in between if isinstance(r.event, IncidentOpened) and r.event.incident != self.id]
        now = [e for e in decided if isinstance(e, DECISIONS) and self._is_about(e, new=True) and not _is_of(e, others)]
        told = [
            record
            for record in between
            if record.actor is Actor.AGENT and isinstance(record.event, DECISIONS) and self._is_about(record.event)
        ]
        then = [record.event for record in told if record.at < at + within_s]
        apart = False
        for a, b in zip_longest(then, now):
            verdict = _verdict(a, b)
            apart |= verdict is Verdict.DIFFERENT
            self.pairs.append(Pair(at, a, b, verdict))
        left = [record for record in told if record.at >= at + within_s]
        self.pairs.extend(Pair(record.at, record.event, None, Verdict.UNDECIDABLE) for record in left)
        if not (apart or self._is_apart):
            return
        self._is_apart = True
        if any(isinstance(event, Intended) for event in (*then, *now)):
            self.unknown_from = at
            return
        self._remember(at, now)

    def rest(self, seq: int, *, verdict: Verdict) -> None:
        """Take in what was decided then after record `seq`, of which nothing can be said."""
        for record in self._records:
            if record.seq > seq and isinstance(record.event, DECISIONS) and self._is_about(record.event):
                self.pairs.append(Pair(record.at, record.event, None, verdict))

    def skip(self, after: int, until: int) -> None:
        """Take in what was decided between two records while nothing, or too little, was recorded."""
        for record in self._records:
            if after < record.seq <= until and isinstance(record.event, DECISIONS) and self._is_about(record.event):
                self.pairs.append(Pair(record.at, record.event, None, Verdict.UNDECIDABLE))

    def _remember(self, at: float, events: Sequence[AnyEvent]) -> None:
        """Remember what is decided today about the incident, under the id it had then."""
        for event in events:
            own: AnyEvent = msgspec.convert({**msgspec.to_builtins(event), "incident": self.id}, type(event))
            try:
                self.state.apply(Record(self.state.seq, at, Actor.AGENT, own, "", ""))
            except (KeyError, AgentError):
                self.unknown_from = at  # it builds on something that was never decided then
                return

    def _between(self, until: int) -> Iterator[Record]:
        for place in range(self._next, len(self._records)):
            if self._records[place].seq > until:
                return
            yield self._records[place]

    def _is_about(self, event: AnyEvent, *, new: bool = False) -> bool:
        """Whether it is about the incident; one that is opened today is the same if it has a member of it."""
        if new and isinstance(event, IncidentOpened):
            return not set(self._members).isdisjoint(event.members)
        return self.id in (getattr(event, "incident", None), getattr(event, "parent", None))


def redecide(recording: Recording, make: Make) -> Redecided:
    """Return what the stages of today decide from what was recorded, beside what was decided then.

    Raises:
        RecordingError: the recording does not fit this version.
    """
    playback, comparison = _Playback(recording, make), _Comparison(recording)
    frames: dict[float, list[Frame]] = {}
    for frame in recording.frames:
        frames.setdefault(frame.tick, []).append(frame)
    starts = [record.seq for record in recording.records if isinstance(record.event, AgentStarted)]
    stages: Stages | None = None
    ticks = list(playback.ticks())
    first = last = math.nan
    known = process = 0
    for tick, following in zip_longest(ticks, ticks[1:]):
        playback.see(tick)
        found = frames.get(tick.at, [])
        comparison.know(tick.seq)
        before, process = process, bisect_right(starts, tick.seq)
        if process != before:
            stages = None  # it began anew: until its state was noted nobody knows what it decided on
        if any(frame.whole for frame in found):
            comparison.skip(known, tick.seq)
            first = tick.at if math.isnan(first) else first
            stages = playback.begin([frame for frame in found if frame.whole], comparison.state)
        for frame in found:
            if stages is not None and not frame.whole:
                playback.join(frame, stages)
        if comparison.unknown_from is not None:
            break
        if stages is None or following is None:
            continue
        is_gap = bisect_right(starts, following.seq) > process or any(f.whole for f in frames.get(following.at, ()))
        within_s = recording.head.tick_s if is_gap else math.inf
        comparison.compare(tick.at, stages.tick(tick.at), following.seq, within_s)
        last, known = tick.at, following.seq
    after = Verdict.UNDECIDABLE if comparison.unknown_from is None else Verdict.UNKNOWN
    comparison.rest(known, verdict=after)
    return Redecided(recording.head.incident, tuple(comparison.pairs), comparison.unknown_from, (first, last))


def _verdict(then: AnyEvent | None, now: AnyEvent | None) -> Verdict:
    if then is None or now is None or type(then) is not type(now) or _core(then) != _core(now):
        return Verdict.DIFFERENT
    alike = getattr(then, "evidence", None) == getattr(now, "evidence", None)
    return Verdict.SAME if alike else Verdict.OTHER_EVIDENCE


def _is_of(event: AnyEvent, others: Sequence[IncidentOpened]) -> bool:
    """Whether what is decided about the same miners is what was decided about another incident of theirs."""
    return any(_verdict(other, event) is not Verdict.DIFFERENT for other in others)


def _core(event: AnyEvent) -> dict[str, Any]:
    """Return what of a decision has to agree; floats as the ledger keeps them."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    return {name: value for name, value in built.items() if name not in _ASIDE}
