"""`terrahash replay --redecide`: what was recorded, decided again by today's stages, beside what was decided then."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from agent.app import modes_of, stages
from agent.config import Settings, load
from agent.config.canonical import decoded
from agent.ledger import recordings
from agent.model.events import AnyEvent
from agent.model.recording import Head, Loss, Recording, RecordingError
from agent.redecide import Pair, Redecided, Verdict, redecide
from agent.remediate.tables import Tables
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, duration, instant, later
from agent.report.timeline import headline
from agent.shipped import load_playbooks

AS_THEN, NOT_AT_ALL, NOT_YET = "as then", "not at all", "not before somebody acted then"

LOST = {
    Loss.LATE_START: "it does not reach back as far as it should",
    Loss.PEERS: "some healthy neighbours are missing: there were too many",
    Loss.OTHERS: "some miners are missing: there were too many",
    Loss.EXCHANGES: "some exchanges with devices are missing",
    Loss.FULL: "it had reached its bound, and what came after is missing",
    Loss.DISK: "for a while it could not be written",
    Loss.RESTART: "the agent was started again",
}


class Decider:
    """Decides recorded incidents again.

    Args:
        config: the configuration to decide by; the recorded one where None.
    """

    def __init__(self, config: Path | None) -> None:
        self._settings: Settings | None = None if config is None else load(config)
        self._tables: Tables = load_playbooks()

    def decide(self, recording: Recording) -> Redecided:
        """Return what today's stages decide; raises RecordingError where the recording does not fit this version."""
        head = recording.head
        # What stands on the site, and in which row, is the recording's: a configuration may have changed that since.
        settings = (
            decoded(head.settings, head.site) if self._settings is None else replace(self._settings, site=head.site)
        )
        modes = modes_of(settings, on_auto=head.on_auto)
        return redecide(recording, lambda view, memory: stages(settings, view, memory, self._tables, modes))


def compare_one(recording: Recording, config: Path | None, *, as_json: bool) -> bool:
    """Print one incident's decisions, then and now, side by side; return whether any differs."""
    found = Decider(config).decide(recording)
    if as_json:
        write_json(_plain(found), sys.stdout)
    else:
        show([_side_by_side(found, recording)], sys.stdout)
    return found.differs


def compare_all(ledger: Path, config: Path | None, since: float | None, *, as_json: bool) -> bool:
    """Print how every recorded incident would be decided; return whether any decision differs.

    Args:
        ledger: whose recordings are meant.
        config: the configuration to decide by; each one's recorded one where None.
        since: UTC s; incidents detected before are left out.
        as_json: print JSON.
    """
    decider, refused = Decider(config), 0
    found: list[tuple[Redecided, Head]] = []
    for incident in recordings.recorded(ledger):
        try:
            recording = recordings.load(ledger, incident)
        except RecordingError as error:
            click.echo(f"{incident}: {error}", err=True)
            refused += 1
            continue
        if since is None or recording.head.detected_at >= since:
            found.append((decider.decide(recording), recording.head))
    if as_json:
        write_json([_plain(one) for one, _ in found], sys.stdout)
    else:
        show([_regression(found, refused)], sys.stdout)
    return any(one.differs for one, _ in found)


def _side_by_side(found: Redecided, recording: Recording) -> Table:
    detected_at = recording.head.detected_at
    rows = [
        (later(pair.at - detected_at), _told(pair.then), _told(pair.now, pair.verdict), pair.verdict.value)
        for pair in found.pairs
    ]
    notes = [_summary([found])]
    if found.shift_s:
        notes.append(f"found {_shift(found)} than then")
    if found.is_missed:
        notes.append(f"found today: {_way(found)}")
    if found.unknown_from is not None:
        began = later(found.unknown_from - detected_at)
        notes.append(f"what would have come after {began} is unknown: then or today, something else was done")
    notes.extend(f"the recording: {LOST[loss]}" for loss in dict.fromkeys(n.loss for n in recording.notes))
    title = f"{found.incident} · detected {instant(detected_at)} · recorded by version {recording.head.software}"
    return Table(title, ("after", "decided then", "decided now", "compared"), rows, frozenset(("after",)), tuple(notes))


def _regression(found: Sequence[tuple[Redecided, Head]], refused: int) -> Table:
    rows = [
        (
            one.incident,
            instant(head.detected_at),
            _shift(one),
            *(str(one.count(verdict)) for verdict in Verdict),
        )
        for one, head in found
    ]
    ways = Counter(_way(one) for one, _ in found)
    notes = [
        _summary([one for one, _ in found]),
        f"{len(found)} incidents: " + ", ".join(f"{ways[way]} found {way}" for way in WAYS),
        "what this configuration alone would find, apart from recorded incidents, is not looked for",
    ]
    if refused:
        notes.append(f"{refused} recordings could not be used")
    headers = ("incident", "detected", "found", *(verdict.value for verdict in Verdict))
    return Table("", headers, rows, frozenset(verdict.value for verdict in Verdict), tuple(notes))


WAYS = (AS_THEN, "earlier", "later", NOT_YET, NOT_AT_ALL)


def _way(found: Redecided) -> str:
    if found.is_missed:
        return NOT_AT_ALL if found.unknown_from is None else NOT_YET
    return AS_THEN if not found.shift_s else "later" if found.shift_s > 0.0 else "earlier"


def _shift(found: Redecided) -> str:
    way = _way(found)
    return way if found.shift_s is None or way == AS_THEN else f"{duration(abs(found.shift_s))} {way}"


def _summary(found: Sequence[Redecided]) -> str:
    counts = {verdict: sum(one.count(verdict) for one in found) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{sum(counts.values())} decisions: {told or NOTHING}"


def _told(event: AnyEvent | None, verdict: Verdict = Verdict.SAME) -> str:
    if event is None:
        return "unknown" if verdict is Verdict.UNKNOWN else "?" if verdict is Verdict.UNDECIDABLE else NOTHING
    return f"{event.__struct_config__.tag}: {headline(event)}"


def _plain(found: Redecided) -> dict[str, object]:
    return {
        "incident": found.incident,
        "differs": found.differs,
        "found": _way(found),
        "shift_s": found.shift_s,
        "unknown_from": found.unknown_from,
        "span": found.span,
        "decisions": {verdict.value: found.count(verdict) for verdict in Verdict},
        "pairs": [_plain_pair(pair) for pair in found.pairs],
    }


def _plain_pair(pair: Pair) -> dict[str, object]:
    return {"at": pair.at, "verdict": pair.verdict, "then": pair.then, "now": pair.now}
