"""The flight recorder: which incidents are recorded, what of the site goes with each, and when.

It looks on right before each tick, and decides nothing. What takes time is the shelf's, in a thread of its own; under
virtual time it is done at once. Should the shelf not keep up, or fail, readings are lost and the agent goes on.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.detect.leaves import Place, places, taken
from agent.ledger.recordings import folder_beside
from agent.model.ids import IncidentId
from agent.model.incident import Incident, Phase
from agent.model.memory import Memory
from agent.model.recording import MINERS, Array, Exchange, Frame, Head, Leaf
from agent.model.site_view import SiteView
from agent.observe.following import Company, not_well, sizes
from agent.observe.settings import RecordSettings
from agent.observe.shelf import Job, Shelf, Start
from agent.observe.tape import HISTORIES, Selection, Tape

_log = structlog.get_logger(__name__)

WAITING_JOBS = 16
"""Cuts of the tape that may wait for the shelf: minutes."""

Rows = NDArray[np.int64]
SIMULATED_FLUSH_S = 60.0
"""Under virtual time nothing is lost with a process, and what is written seldom is written fast."""

Heads = Callable[[Incident], Head]
NOBODY: Rows = np.zeros(0, dtype=np.int64)


class Records(Protocol):
    """What the agent asks of its recorder."""

    def see(self, now: float) -> None:
        """Take in what a tick is about to see; `now` is UTC s."""

    def wants(self, device: str) -> bool:
        """Whether polls of that device are of interest."""

    def note(self, exchange: Exchange) -> None:
        """Take in one exchange with a device."""

    def close(self) -> None:
        """Write down what was taken in so far."""


class Recorder:
    """Records the incidents of one agent.

    Args:
        view, memory, judges: what the agent sees, remembers, and decides with.
        head: what a recording of an incident begins with.
        folder: where the recordings lie.
        threaded: write in a thread of its own (real time), or at once (virtual time).
        scrub: returns a text without secrets.
    """

    def __init__(
        self,
        view: SiteView,
        memory: Memory,
        judges: object,
        head: Heads,
        *,
        folder: Path,
        threaded: bool,
        settings: RecordSettings | None = None,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self._view = view
        self._memory = memory
        self._judges = judges
        self._head = head
        self._settings = settings or RecordSettings()
        self._tape = Tape(view)
        self._columns = places(view, len(view.reach))
        self._followed: dict[IncidentId, Company] = {}
        self._everything = Selection({group: np.ones(n, dtype=np.bool_) for group, n in sizes(view).items()})
        self._parts_of: Rows = NOBODY
        self._others: Rows = NOBODY
        self._lost_at: float | None = None
        self._looks = 0
        self._exchanges: deque[Exchange] = deque(maxlen=self._settings.most_exchanges_at_once)
        self._heard: frozenset[str] = frozenset()
        self._missed = 0
        self._cut_at = self._frame_at = -np.inf
        of_miners = {place.path for place in (*self._columns, *places(judges, len(view.reach))) if place.is_of_miners}
        self._shelf = Shelf(folder, self._settings, frozenset(of_miners), scrub)
        self._jobs: queue.Queue[Job | None] | None = queue.Queue(WAITING_JOBS) if threaded else None
        self._thread: threading.Thread | None = None

    def see(self, now: float) -> None:
        """Take in what a tick is about to see; `now` is UTC s."""
        # What is made at the first judgement is there from the second look on, and only then is the state one to begin
        # with.
        due = now - self._cut_at >= self._settings.flush_s or self._looks == 1
        self._looks += 1
        job = self._next(now) if due else None
        self._tape.see(now, self._memory.seq, self._parts_of)
        if job is not None:
            self._cut_at = now
            self._hand_over(job)

    def wants(self, device: str) -> bool:
        """Whether polls of that device are of interest: those of members of incidents that are recorded."""
        return device in self._heard

    def note(self, exchange: Exchange) -> None:
        """Take in one exchange with a device; of too many at a time the oldest are lost."""
        self._missed += len(self._exchanges) == self._exchanges.maxlen
        self._exchanges.append(exchange)

    def close(self) -> None:
        """Write down what was taken in so far, and end the thread."""
        following = {incident: company.selection for incident, company in self._followed.items()}
        devices = {incident: company.devices for incident, company in self._followed.items()}
        last = Job(
            now=self._cut_at,
            cut=self._tape.cut(),
            everything=self._everything,
            following=following,
            exchanges=tuple(self._exchanges),
            devices=devices,
        )
        self._hand_over(last)
        if self._jobs is not None and self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    # -- what goes with which incident -------------------------------------------------------------------------------

    def _next(self, now: float) -> Job:
        """Return what the tape has so far, and who is recorded from this tick on."""
        before = {incident: company.selection for incident, company in self._followed.items()}
        begun = [incident for incident in self._memory.open_incidents if self._is_due(incident, now)]
        for incident in begun:
            self._followed[incident.id] = Company(self._view, self._settings)
        late = self._follow(now)
        ends = [i for i, company in self._followed.items() if company.until is not None and now >= company.until]
        devices = {incident: company.devices for incident, company in self._followed.items()}
        starts = [
            (Start(self._head(incident), incident.began - self._settings.before_s, company.notes), company.selection)
            for incident in begun
            for company in (self._followed[incident.id],)
        ]
        for incident_id in ends:
            del self._followed[incident_id]
        exchanges, missed = tuple(self._exchanges), self._missed
        self._exchanges.clear()
        self._missed = 0
        self._heard = frozenset().union(*devices.values())
        lost_at, self._lost_at = self._lost_at, None
        return Job(
            now=now,
            cut=self._tape.cut(),
            everything=self._everything,
            following=before,
            exchanges=exchanges,
            frame=self._frames(now),
            late=self._late(now, late) if late.size and before else None,
            starts=starts,
            ends=ends,
            devices=devices,
            lost_at=lost_at,
            missed=missed,
        )

    def _is_due(self, incident: Incident, now: float) -> bool:
        """Whether its recording is to begin: some go to a person sooner than anybody looks."""
        is_new = self._looks > 1 and incident.id not in self._followed and not incident.is_own
        asked_at = incident.escalated_at if incident.phase is Phase.ESCALATED else None
        return is_new and (asked_at is None or now - asked_at < self._settings.after_s)

    def _follow(self, now: float) -> Rows:
        """Bring everybody's company up to date; return the miners that are new in any."""
        if not self._followed:
            self._others = self._parts_of = NOBODY
            return NOBODY
        ill = not_well(self._view, self._memory, self._settings.most_others)
        room = max(0, self._settings.most_others - self._others.size)
        self._others = np.union1d(self._others, np.setdiff1d(ill, self._others)[:room])
        new = [c.follow(self._memory.incidents[i], self._others, now) for i, c in self._followed.items()]
        self._parts_of = np.unique(np.concatenate([company.rows for company in self._followed.values()]))
        return np.unique(np.concatenate(new))

    # -- state -------------------------------------------------------------------------------------------------------

    def _frames(self, now: float) -> tuple[Frame, Frame] | None:
        """Return the state of everything, where it is time for it."""
        if now - self._frame_at < self._settings.frame_s or self._looks < 2:
            return None
        self._frame_at = now
        everybody = np.arange(len(self._view.reach))
        return self._frame(now, self._columns, everybody), self._frame(now, self._state(), everybody)

    def _state(self) -> list[Place]:
        """Return what is kept by whoever decides: looked up anew, as some of it is made when it is first needed."""
        return places(self._judges, len(self._view.reach))

    def _frame(self, now: float, pieces: list[Place], rows: Rows) -> Frame:
        state = {place.path: taken(place, None) for place in pieces}
        packed_rows = Array.of(rows.astype(np.int32))
        return Frame(tick=now, seq=self._memory.seq, whole=True, rows=packed_rows, state=state)

    def _late(self, now: float, rows: Rows) -> Frame:
        """Return the state of miners that are followed from now on, the histories of their counters too."""
        pieces = [place for place in (*self._columns, *self._state()) if place.is_of_miners]
        state = {place.path: taken(place, rows) for place in pieces}
        for name, group in HISTORIES.items():
            if group == MINERS:
                at, total = getattr(self._view, name).history(rows)
                state |= {f"{name}/at": Leaf(Array.of(at)), f"{name}/total": Leaf(Array.of(total))}
        packed_rows = Array.of(rows.astype(np.int32))
        return Frame(tick=now, seq=self._memory.seq, whole=False, rows=packed_rows, state=state)

    # -- handing over ------------------------------------------------------------------------------------------------

    def _hand_over(self, job: Job) -> None:
        """Have the shelf do a job: at once, or in its thread; one it has no room for is lost, and said to be."""
        if self._jobs is None:
            self._shelf.do(job)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
            self._thread.start()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._lost_at, self._frame_at = job.now, -np.inf
            for start, _ in job.starts:
                self._followed.pop(start.head.incident, None)
            _log.warning("recorder_behind", waiting=WAITING_JOBS)

    def _work(self) -> None:
        jobs = self._jobs
        while jobs is not None and (job := jobs.get()) is not None:
            try:
                self._shelf.do(job)
            except Exception as error:  # whatever it is, the agent does not depend on its recorder
                _log.error("recording_failed", exc_info=error)


def recording_beside(
    ledger: Path, scrub: Callable[[str], str], *, threaded: bool
) -> Callable[[SiteView, Memory, object, Callable[[Incident], Head]], Recorder]:
    """Return what makes the recorder of whoever keeps that ledger; the others as of `Recorder`."""
    settings = RecordSettings() if threaded else RecordSettings(flush_s=SIMULATED_FLUSH_S)
    return partial(Recorder, folder=folder_beside(ledger), threaded=threaded, settings=settings, scrub=scrub)
