"""Where a replayed incident comes from: the ledger of this machine with its recordings, or an archive from anywhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent import __version__
from agent.cli.options import ledger_path
from agent.ledger.chain import Row
from agent.model.ids import IncidentId

if TYPE_CHECKING:
    from agent.model.recording import Recording

SUFFIX = ".zip"


@dataclass(frozen=True, slots=True)
class Source:
    """One incident's events and recording.

    Attributes:
        path: of the ledger, or of the archive.
        rows: the ledger's.
        recording: None where there is none.
    """

    incident: IncidentId
    path: Path
    rows: Iterable[Row]
    recording: "Recording | None"


def is_archive(named: str) -> bool:
    """Whether the command line names a file, and not an incident of a ledger."""
    return named.endswith(SUFFIX) or Path(named).is_file()


def source_of(named: str, ledger: Path | None, config: Path | None) -> Source:
    """Return where the incident comes from that the command line names: an archive by its file, another by its id.

    Raises:
        click.UsageError: an archive and a ledger are named.
        ArchiveError, RecordingError, LedgerError: what was named cannot be used.
    """
    path = Path(named)
    if is_archive(named):
        if ledger is not None or config is not None:
            raise click.UsageError("an archive has its own ledger: leave --ledger and --config out")
        from agent.ledger.archive import read_archive  # noqa: PLC0415 - only where one is read

        archive = read_archive(path)
        return Source(IncidentId(archive.manifest.incident), path, archive.rows, archive.recording)
    from agent.ledger.reader import rows  # noqa: PLC0415 - loads SQLite
    from agent.ledger.recordings import load, path_of  # noqa: PLC0415 - loads numpy

    incident, found = IncidentId(named), ledger_path(ledger, config)
    stored = rows(found)
    recording = load(found, incident) if path_of(found, incident).exists() else None
    return Source(incident, found, stored, recording)


def exported(ledger: Path, incident: IncidentId) -> bytes | None:
    """Return the archive of an incident of that ledger; None where there is none of that id.

    Raises:
        ArchiveError, RecordingError, LedgerError: it cannot be made.
    """
    from agent.ledger.archive import pack  # noqa: PLC0415 - only where one is made
    from agent.ledger.episode import episode  # noqa: PLC0415 - as above
    from agent.ledger.reader import rows  # noqa: PLC0415 - loads SQLite
    from agent.ledger.recordings import path_of, read_file  # noqa: PLC0415 - loads numpy

    found = episode(rows(ledger), incident, ledger)
    if found is None:
        return None
    recorded = path_of(ledger, incident)
    recording = read_file(recorded) if recorded.exists() else None
    return pack(incident, rows(ledger), last=found.records[-1].seq, software=__version__, recording=recording)
