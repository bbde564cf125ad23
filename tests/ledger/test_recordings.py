"""Recordings by their incident's id: what lies there is bounded and believed only where it says that it is that one."""

from pathlib import Path

import msgspec
import pytest

from agent.ledger.recordings import folder_beside, load, path_of, recorded
from agent.ledger.store import Ledger
from agent.model.events import Mitigated
from agent.model.ids import IncidentId
from agent.model.recording import RecordingError, Stretch
from agent.model.recording_bytes import MOST_FILE_BYTES
from tests.ledger.examples import INC, OPENED, HandClock
from tests.model.test_recording import HEAD, a_file, of

OTHER = IncidentId("inc-000002")


@pytest.fixture
async def ledger(tmp_path: Path) -> Path:
    """Return a ledger of three events with an empty folder of recordings."""
    path = tmp_path / "ledger.sqlite3"
    made = Ledger.open(path, HandClock().clock(), threaded=False)
    await made.append([OPENED, Mitigated(incident=INC), Mitigated(incident=INC)])
    await made.close()
    folder_beside(path).mkdir()
    return path


def kept(ledger: Path, name: IncidentId, *, last_seq: int) -> None:
    """Keep a recording of `INC`, whose last tick knew that record, under a name."""
    stretch = Stretch(ticks=of(1.0), seqs=of(last_seq, kind="i8"), tables={}, rows=of(0, kind="i4"), copies={})
    path_of(ledger, name).write_bytes(a_file(msgspec.structs.replace(HEAD, incident=INC), stretch))


@pytest.mark.parametrize("last_seq", [2, 3])
def test_a_recording_has_the_ledger_up_to_its_end_and_no_further(ledger: Path, last_seq: int) -> None:
    kept(ledger, INC, last_seq=last_seq)
    assert [record.seq for record in load(ledger, INC).records] == list(range(1, last_seq + 1))


def test_another_incidents_recording_under_this_ones_name_is_refused(ledger: Path) -> None:
    kept(ledger, OTHER, last_seq=3)
    with pytest.raises(RecordingError, match="expected the recording of inc-000002; got that of inc-000001"):
        load(ledger, OTHER)


def test_what_is_too_large_is_never_read(ledger: Path) -> None:
    path = path_of(ledger, INC)
    with path.open("wb") as file:
        file.truncate(2 * MOST_FILE_BYTES + 1)
    with pytest.raises(RecordingError, match="bytes at most"):
        load(ledger, INC)


def test_only_what_may_be_an_incidents_is_listed(ledger: Path) -> None:
    kept(ledger, OTHER, last_seq=1)
    kept(ledger, INC, last_seq=1)
    (folder_beside(ledger) / "..rec").write_bytes(b"")
    assert recorded(ledger) == [INC, OTHER]
    assert recorded(ledger.with_name("none.sqlite3")) == []
