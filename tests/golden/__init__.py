"""Recorded incidents of the simulated site, one for each class: what replay shows of them, and decides again.

`<class>.yaml` is the scenario, `<class>.zip` its first incident as `terrahash incidents export` writes it,
`<class>.txt` what replay tells of that. `python -m tests.golden [CLASS …]` records them anew: after a change of what is
decided or told that was wanted. Look at the difference before you keep it.
"""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from agent.cli.replay_source import exported
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.ledger.archive import Archive, read_archive
from agent.ledger.episode import episode
from agent.model.ids import IncidentId
from agent.report.replay import replay
from agent.report.replay_text import head, moment_lines, plots
from agent.report.story import Guide

FOLDER = Path(__file__).parent
CLASSES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
FIRST = IncidentId("inc-000001")
WIDTH = 120


def kept(name: str) -> Archive:
    """Return the archive of a class."""
    return read_archive(FOLDER / f"{name}.zip")


def told(archive: Archive) -> str:
    """Return what replay tells of an archive; without the playbook, whose words are not the incident's."""
    found = episode(archive.rows, IncidentId(archive.manifest.incident), Path("archive"))
    if found is None:
        raise ValueError("an archive has events of its incident")
    shown = replay(found.incident, found.records, found.started, Guide(), archive.recording)
    lines = [*head(shown.story, WIDTH), ""]
    for moment in shown.story.moments:
        lines += moment_lines(moment, WIDTH)
    return "\n".join([*lines, "", *plots(shown, WIDTH), ""])


def record(name: str) -> None:
    """Run a class's scenario and keep its first incident."""
    with TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.sqlite3"
        scenario = read_scenario(FOLDER / f"{name}.yaml")
        play_scenario(scenario, ledger, console=Console(file=io.StringIO()), log=io.StringIO(), records=True)
        content = exported(ledger, FIRST)
    if content is None:
        raise ValueError(f"expected an incident in the scenario {name}; there was none")
    (FOLDER / f"{name}.zip").write_bytes(content)
    (FOLDER / f"{name}.txt").write_text(told(kept(name)), encoding="utf-8")
