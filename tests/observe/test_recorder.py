"""The flight recorder against what may befall it: killed, a full disk, a damaged file, too much to keep."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from agent.ledger.fold import State
from agent.ledger.recordings import folder_beside, load_file, path_of
from agent.model.events import Actor, Closed, Escalated, IncidentOpened, Record
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Outcome, Reason, Severity
from agent.model.recording import FORMAT, Head, Loss, Recording, RecordingError
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.observe import recorder
from agent.observe.recorder import Recorder
from agent.observe.settings import RecordSettings
from tests import factory

INC = IncidentId("inc-000001")
TICK_S = 2.0
SETTINGS = RecordSettings(before_s=60.0, after_s=60.0, frame_s=20.0)


class Stand:
    """A site that is polled, a memory, and the recorder that follows both."""

    def __init__(self, folder: Path, settings: RecordSettings = SETTINGS, *, threaded: bool = False) -> None:
        self.ledger = folder / "ledger.sqlite3"
        self.site = factory.site(6)
        self.settings = settings
        self.now = factory.EPOCH
        self.memory = State()
        self.threaded = threaded
        self.silent: set[int] = set()
        self.start()

    def start(self) -> None:
        """Another process: nothing of the one before is there but its files and its ledger."""
        self.view = SiteView(self.site)
        self.recorder = Recorder(
            self.view,
            self.memory,
            object(),
            self.head,
            folder=folder_beside(self.ledger),
            threaded=self.threaded,
            settings=self.settings,
        )

    def head(self, incident: Incident) -> Head:
        return Head(
            format=FORMAT,
            incident=incident.id,
            software="1",
            config_fingerprint="f",
            playbooks={},
            site=self.site,
            settings=b"",
            detected_at=incident.detected_at,
            tick_s=TICK_S,
            simulated=True,
            on_auto=True,
        )

    def live(self, for_s: float) -> None:
        for _ in range(round(for_s / TICK_S)):
            self.now += TICK_S
            for row in range(len(self.site.miners)):
                if row in self.silent:
                    self.view.put_miss(row, self.now, Reach.SILENT)
                else:
                    self.view.put_answer(row, self.now, factory.healthy(self.now - factory.EPOCH))
            self.recorder.see(self.now)

    def tell(self, event: IncidentOpened | Closed | Escalated) -> None:
        self.memory.apply(Record(self.memory.seq + 1, self.now, Actor.AGENT, event, "", ""))

    def open(self) -> None:
        self.tell(
            IncidentOpened(
                incident=INC,
                category=Category.STUCK,
                cause=Reason.UNRESPONSIVE,
                severity=Severity.MEDIUM,
                members=(self.site.miners[0].id,),
                detected_at=self.now,
                evidence={},
            )
        )

    @property
    def found(self) -> Recording:
        return load_file(path_of(self.ledger, INC))


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: the system refuses it as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        with structlog.testing.capture_logs():  # the log may be a file too
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_recorded_before_a_kill_stays_up_to_the_last_seconds(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    stand.open()
    stand.live(60.0)
    killed_at = stand.now

    assert stand.found.span[0] <= killed_at - 60.0 - 60.0
    assert stand.found.span[1] >= killed_at - SETTINGS.flush_s - TICK_S
    assert not stand.found.ended


def test_the_next_agent_goes_on_with_the_recording_and_says_that_it_is_another(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    with path_of(stand.ledger, INC).open("ab") as file:
        file.write(b"\x00\x00\x10\x00 cut")  # what a process leaves that dies while it writes
    stand.now += 20.0
    stand.start()
    stand.live(40.0)
    stand.tell(Closed(incident=INC, outcome=Outcome.AUTO_RESOLVED))
    stand.live(90.0)

    found = stand.found
    assert [note.loss for note in found.notes] == [Loss.RESTART]
    assert found.notes[0].at in {frame.tick for frame in found.frames}
    assert found.span[1] >= stand.now - 90.0 + SETTINGS.after_s - SETTINGS.flush_s
    assert found.ended


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    path = path_of(stand.ledger, INC)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        load_file(path)
    stand.start()
    stand.live(30.0)

    assert stand.found.head.incident == INC
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)


def test_a_full_disk_costs_the_recording_and_nothing_else(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    size = path_of(stand.ledger, INC).stat().st_size
    full_at = stand.now
    with full_disk(size + 100):
        stand.live(60.0)
        assert stand.found.span[1] <= full_at, "nothing half-written is left"
    stand.live(30.0)

    found = stand.found
    assert [note.loss for note in found.notes] == [Loss.DISK]
    assert full_at <= found.notes[0].at <= full_at + SETTINGS.flush_s + TICK_S
    assert found.span[1] >= stand.now - SETTINGS.flush_s - TICK_S


def test_a_disk_that_is_full_from_the_first_is_made_up_for(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    with full_disk(10):
        stand.open()
        stand.live(30.0)
    stand.live(30.0)
    assert Loss.DISK in [note.loss for note in stand.found.notes]


def test_the_writing_thread_leaves_the_same_as_writing_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "WAITING_JOBS", 0)  # without bound: the minutes of this test pass in an instant
    files = []
    for threaded in (False, True):
        (tmp_path / str(threaded)).mkdir()
        stand = Stand(tmp_path / str(threaded), threaded=threaded)
        stand.live(120.0)
        stand.open()
        stand.live(40.0)
        stand.recorder.close()
        files.append(stand.found)
    assert files[0] == files[1]


def test_who_falls_silent_meanwhile_is_followed_from_then_on(tmp_path: Path) -> None:
    lone = factory.miner(7)
    apart = type(lone)(**{**{f: getattr(lone, f) for f in lone.__slots__}, "outlets": (), "port": None})
    stand = Stand(tmp_path, replace(SETTINGS, most_peers=5))
    stand.site = factory.site((*stand.site.miners, apart))
    stand.start()
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    assert 6 not in stand.found.rows(), "it shares the site alone with the incident, and there is no room for that"
    stand.silent.add(6)
    stand.live(30.0)
    found = stand.found
    assert 6 in found.rows()
    assert [frame.rows.unpacked().tolist() for frame in found.frames if not frame.whole] == [[6]]


def test_what_goes_to_a_person_at_once_is_recorded_too_and_but_once(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.live(120.0)
    stand.open()
    stand.tell(Escalated(incident=INC, reason="unit_leaks", tried=(), evidence={}))
    stand.live(SETTINGS.after_s + 30.0)
    assert stand.found.ended
    size = path_of(stand.ledger, INC).stat().st_size
    stand.live(120.0)
    assert path_of(stand.ledger, INC).stat().st_size == size


def test_no_more_neighbours_go_with_it_than_stated(tmp_path: Path) -> None:
    stand = Stand(tmp_path, RecordSettings(before_s=60.0, most_peers=2, most_others=2))
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    assert len(stand.found.rows()) == 3
    assert [(note.loss, note.count) for note in stand.found.notes if note.loss is Loss.PEERS] == [(Loss.PEERS, 3)]


def test_old_recordings_make_room(tmp_path: Path) -> None:
    stand = Stand(tmp_path, RecordSettings(before_s=60.0, most_files=3))
    folder = folder_beside(stand.ledger)
    folder.mkdir()
    for k in range(6):
        (folder / f"inc-9{k}.rec").write_bytes(b"old")
    stand.live(120.0)
    stand.open()
    stand.live(30.0)
    assert len(list(folder.glob("*.rec"))) == 3
    assert stand.found.head.incident == INC


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".", "inc 1", "x" * 65])
def test_no_incident_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match="incident's id"):
        path_of(tmp_path / "ledger", IncidentId(name))
