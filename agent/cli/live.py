"""The live terminal view: site hashrate, a progress bar, and incidents as they move through their states."""

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agent.clock import Stopwatch
from agent.model.incident import Incident, Outcome, Phase
from agent.model.telemetry import Reach
from agent.report.table import printable
from agent.report.text import duration

if TYPE_CHECKING:
    from agent.app import Agent

FRAME_S = 0.1
"""Least real time between two pictures."""

SPARKS = " ▁▂▃▄▅▆▇█"
PHASE_STYLE = {
    Phase.OPEN: "yellow",
    Phase.REMEDIATING: "bright_blue",
    Phase.ESCALATED: "bright_red",
    Phase.CLOSED: "green",
}


class LiveView:
    """Draws a running agent. On a terminal a picture that changes; elsewhere one line for each change of an incident.

    Args:
        total_s: site time the run will take, in s.
    """

    def __init__(self, agent: "Agent", console: Console, total_s: float) -> None:
        self._agent = agent
        self._console = console
        self._total_s = total_s
        self._rates: deque[float] = deque(maxlen=60)
        self._seen: dict[str, str] = {}
        self._watch = Stopwatch()
        self._drawn_at = -FRAME_S
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

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
        rate_ph, target_ph, answering = self._site()
        self._rates.append(rate_ph / target_ph if target_ph else 0.0)
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column(ratio=1)
        head.add_column(justify="right")
        spark = "".join(SPARKS[min(8, max(0, round(share * 8)))] for share in self._rates)
        total = len(self._agent.view.site.miners)
        head.add_row(
            Text.assemble("hashrate ", (f"{rate_ph:.2f}", "bold"), f" of {target_ph:.2f} PH/s  ", (spark, "cyan")),
            Text(f"{answering} of {total} miners answer"),
        )
        head.add_row(
            ProgressBar(total=self._total_s, completed=site_s),
            Text(f"site time {duration(site_s)} of {duration(self._total_s)}"),
        )
        title = f"terrahash · {printable(self._agent.view.site.name)} · simulated"
        return Group(Panel(head, title=title, border_style="dim"), self._incidents())

    def _incidents(self) -> Table:
        table = Table(expand=True, box=None, header_style="bold", pad_edge=False)
        for column in ("incident", "miner", "cause", "state", "tried", "outcome"):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        incidents = list(self._agent.memory.incidents.values())
        room = max(4, self._console.height - 8)
        for incident in sorted(incidents, key=lambda i: (not i.is_open, i.id))[:room]:
            style = PHASE_STYLE[incident.phase]
            table.add_row(
                incident.id,
                printable(", ".join(incident.members)),
                incident.cause.replace("_", " "),
                Text(_state(incident), style=style),
                " ".join(_mark(a.verb.value, a.result) for a in incident.attempts),
                Text(_ending(incident), style=style),
            )
        return table

    def _site(self) -> tuple[float, float, int]:
        """Return site hashrate and target in PH/s, and how many miners answer. A silent miner's rate is not counted."""
        view = self._agent.view
        answers = view.reach == Reach.ANSWERED
        rate_th = float(np.nansum(np.where(answers, view.hashrate_th.value, 0.0)))
        return rate_th / 1e3, float(view.target_th().sum()) / 1e3, int(answers.sum())

    def _print_changes(self, site_s: float) -> None:
        for incident in self._agent.memory.incidents.values():
            line = (
                f"{incident.id}  {printable(', '.join(incident.members)):<14} {incident.cause:<13} "
                f"{_state(incident):<17} {_ending(incident)}"
            ).rstrip()
            if self._seen.get(incident.id) != line:
                self._seen[incident.id] = line
                self._console.print(f"{duration(site_s):>9}  {line}", highlight=False, markup=False, soft_wrap=True)


def _state(incident: Incident) -> str:
    if incident.phase is Phase.REMEDIATING and incident.run is not None:
        return incident.run.state
    return incident.phase.value


def _mark(verb: str, result: str | None) -> str:
    return verb + {"ok": "✓", "failed": "✗", "unknown": "?", None: "…"}[result]


def _ending(incident: Incident) -> str:
    if incident.phase is Phase.ESCALATED:
        return f"asks a person: {incident.escalation_reason}"
    if incident.outcome is Outcome.OPEN or incident.resolved_at is None:
        return ""
    return f"{incident.outcome.replace('_', ' ')} in {duration(incident.resolved_at - incident.detected_at)}"
