"""The live terminal view: site hashrate, a progress bar, and incidents as they move through their states."""

from collections import deque
from itertools import islice

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agent.clock import Stopwatch
from agent.ledger.fold import State
from agent.model.action import Verb
from agent.model.ids import IncidentId
from agent.model.incident import OWN, Incident, Outcome, Phase
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.report.table import printable
from agent.report.text import duration

FRAME_S = 0.1
"""Least real time between two pictures."""

COLUMNS = (("incident", 10, None), ("miner", 6, None), ("cause", 12, None), ("state", 29, None), ("tried", 14, 1))
"""Columns, their least width in characters (which all fit into 80) and which takes the rest."""

SHORT = {Verb.POWER_OFF: "off", Verb.POWER_ON: "on"}
"""Words for what was tried, where its own name is too long for a column."""

SPARKS = " ▁▂▃▄▅▆▇█"
BESIDE_SPARKS = 64
"""Characters of the line that the hashrate's history shares with figures and frame."""

PHASE_STYLE = {
    Phase.OPEN: "yellow",
    Phase.REMEDIATING: "bright_blue",
    Phase.ESCALATED: "bright_red",
    Phase.CLOSED: "green",
}


class LiveView:
    """Draws a running agent. On a terminal a picture that changes; elsewhere one line for each change of an incident.

    Args:
        view: the agent's columns.
        memory: its incidents.
        total_s: site time the run will take, in s.
    """

    def __init__(self, view: SiteView, memory: State, console: Console, total_s: float) -> None:
        self._view = view
        self._memory = memory
        self._console = console
        self._total_s = total_s
        self._rates: deque[float] = deque(maxlen=60)
        self._seen: dict[str, str] = {}
        self._shown: dict[IncidentId, Incident] = {}
        self._watched: set[IncidentId] = set()
        self._known = 0
        self._seq = -1
        self._watch = Stopwatch()
        self._drawn_at = -FRAME_S
        draws = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True) if draws else None

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def follow(self, view: SiteView, memory: State) -> None:
        """Show another agent from now on, which has taken up the same ledger."""
        self._view, self._memory = view, memory

    def update(self, site_s: float) -> None:
        """Show how things stand at `site_s` of site time; pictures are dropped when they come too fast to see."""
        if self._live is None:
            self._print_changes(site_s)
            return
        now = self._watch.elapsed_s()
        if now - self._drawn_at >= FRAME_S:
            self._drawn_at = now
            self._live.update(self._picture(site_s), refresh=True)

    def _picture(self, site_s: float) -> Group:
        rate_th, target_th = site_rate(self._view)
        rate_ph, target_ph = rate_th / 1e3, target_th / 1e3
        answering = int((self._view.reach == Reach.ANSWERED).sum())
        self._rates.append(rate_ph / target_ph if target_ph else 0.0)
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column(ratio=1)
        head.add_column(justify="right")
        newest = list(self._rates)[-max(8, self._console.width - BESIDE_SPARKS) :]
        spark = "".join(SPARKS[min(8, max(0, round(share * 8)))] for share in newest)
        total = len(self._view.site.miners)
        head.add_row(
            Text.assemble("hashrate ", (f"{rate_ph:.2f}", "bold"), f" of {target_ph:.2f} PH/s  ", (spark, "cyan")),
            Text(f"{answering} of {total} miners answer"),
        )
        head.add_row(
            ProgressBar(total=self._total_s, completed=site_s),
            Text(f"site time {duration(site_s)} of {duration(self._total_s)}"),
        )
        still_open = sum(incident.is_open for incident in self._memory.incidents.values())
        head.add_row(
            Text(f"incidents: {still_open} open, {len(self._memory.incidents) - still_open} closed"),
            Text(self._progress(site_s)),
        )
        title = f"terrahash · {printable(self._view.site.name)} · simulated"
        # The cursor rests on the empty last line, where a ^C that the terminal echoes wraps nothing.
        return Group(Panel(head, title=title, border_style="dim"), self._incidents(), Text())

    def _progress(self, site_s: float) -> str:
        """Return how far the run is, and how much longer it takes if it goes on as it went."""
        share = min(1.0, site_s / self._total_s)
        if not share:
            return "0%"
        left_s = self._watch.elapsed_s() * (1.0 - share) / share
        return f"{share:.0%}, about {f'{left_s:.0f} s' if left_s < 59.5 else duration(left_s)} left"

    def _incidents(self) -> Table:
        table = Table(expand=True, box=None, header_style="bold", pad_edge=False)
        for column, least, share in COLUMNS:
            table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=least, ratio=share)
        incidents = list(self._memory.incidents.values())
        room = max(4, self._console.height - 9)
        for incident in sorted(incidents, key=lambda i: (not i.is_open, i.id))[:room]:
            style = PHASE_STYLE[incident.phase]
            table.add_row(
                incident.id,
                printable(", ".join(incident.members or (OWN,))),
                _words(incident.cause),
                Text(_ending(incident) or _words(_state(incident)), style=style),
                " ".join(_mark(a.verb, a.result) for a in incident.attempts),
            )
        return table

    def _print_changes(self, site_s: float) -> None:
        """Print what became of the incidents that were open at the last look, and those that have been opened since."""
        if self._memory.seq == self._seq:
            return
        self._seq = self._memory.seq
        still_open = {incident.id for incident in self._memory.open_incidents}
        known, self._known = self._known, len(self._memory.incidents)
        incidents, shown = self._memory.incidents, self._shown
        looked_at = {*self._watched, *still_open, *islice(incidents, known, None)}
        for incident_id in sorted(name for name in looked_at if shown.get(name) is not incidents[name]):
            incident = incidents[incident_id]
            self._shown[incident_id] = incident
            line = (
                f"{incident.id}  {printable(', '.join(incident.members)):<14} {incident.cause:<13} "
                f"{_state(incident):<17} {_ending(incident)}"
            ).rstrip()
            if self._seen.get(incident.id) != line:
                self._seen[incident.id] = line
                self._console.file.write(f"{duration(site_s):>9}  {line}\n")  # no terminal: nothing to lay out
        self._console.file.flush()
        self._watched = still_open


def site_rate(view: SiteView) -> tuple[float, float]:
    """Return site hashrate and target in TH/s. A silent miner's rate is not counted."""
    rate_th = view.hashrate_th.value.copy()
    np.copyto(rate_th, 0.0, where=(view.reach != int(Reach.ANSWERED)) | np.isnan(rate_th))
    return float(rate_th.sum()), float(view.target_th().sum())


def _state(incident: Incident) -> str:
    if incident.phase is Phase.REMEDIATING and incident.run is not None:
        return incident.run.state
    return incident.phase.value


def _mark(verb: Verb, result: str | None) -> str:
    return SHORT.get(verb, _words(verb.value)) + {"ok": "✓", "failed": "✗", "unknown": "?", None: "…"}[result]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ending(incident: Incident) -> str:
    if incident.phase is Phase.ESCALATED:
        return f"asks a person: {_words(incident.escalation_reason)}"
    if incident.outcome is Outcome.OPEN or incident.resolved_at is None:
        return ""
    return f"{_words(incident.outcome)} in {duration(incident.resolved_at - incident.detected_at)}"
