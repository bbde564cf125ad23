"""Where flight recordings lie, and how one is read by its incident: a folder beside the ledger, a file for each.

Files are written by `agent.observe.recorder` alone, and only ever added to. Reading needs no daemon.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

from agent.ledger.reader import read
from agent.model.ids import IncidentId
from agent.model.recording import Recording, RecordingError
from agent.model.recording_bytes import MOST_FILE_BYTES, unpacked

SUFFIX = ".rec"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def folder_beside(ledger: Path) -> Path:
    """Return the folder of the recordings of whoever keeps that ledger."""
    return ledger.with_name(f"{ledger.name}.recordings")


def path_of(ledger: Path, incident: IncidentId) -> Path:
    """Return where that incident's recording lies, if there is one.

    Raises:
        RecordingError: no incident can have that id.
    """
    if _ID.fullmatch(incident) is None:
        raise RecordingError(f"expected an incident's id such as inc-000001; got {incident!r}")
    return folder_beside(ledger) / f"{incident}{SUFFIX}"


def recorded(ledger: Path) -> list[IncidentId]:
    """Return the incidents of which there is a recording, in the order of their ids."""
    try:
        found = sorted(path.stem for path in folder_beside(ledger).glob(f"*{SUFFIX}"))
    except OSError:
        return []
    return [IncidentId(name) for name in found if _ID.fullmatch(name)]


def load(ledger: Path, incident: IncidentId) -> Recording:
    """Return an incident's recording, with the ledger up to its end.

    Raises:
        RecordingError: there is none, or it cannot be used. LedgerError: the ledger cannot be read.
    """
    recording = load_file(path_of(ledger, incident))
    if recording.head.incident != incident:
        raise RecordingError(f"expected the recording of {incident}; got that of {recording.head.incident}")
    records = []
    for record in read(ledger):
        if record.seq > recording.last_seq:
            break
        records.append(record)
    return replace(recording, records=tuple(records))


def load_file(path: Path) -> Recording:
    """Return the recording in a file, without any ledger.

    Raises:
        RecordingError: there is none, or it cannot be used.
    """
    return unpacked(read_file(path))


def read_file(path: Path) -> bytes:
    """Return a recording's file as it is.

    Raises:
        RecordingError: there is none, it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > 2 * MOST_FILE_BYTES:
                raise RecordingError(f"{path}: expected {2 * MOST_FILE_BYTES} bytes at most; got {size}")
            return file.read()
    except FileNotFoundError as error:
        raise RecordingError(
            f"{path}: expected a recording; there is none: it was never made, or was dropped for its age"
        ) from error
    except OSError as error:
        raise RecordingError(f"{path}: expected a recording that can be read; {error.strerror}") from error
