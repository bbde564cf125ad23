"""The page of simulated runs: one HTML file that needs nothing else. Data in, text out; opens only its own parts.

A page brings its style and its script along, and forbids the browser to load anything or to run any other script.
"""

from collections.abc import Mapping, Sequence
from string import Template

from agent import __version__
from agent.model.incident import OWN, Category, Incident, Outcome
from agent.report import boards
from agent.report.history import SiteHistory
from agent.report.markup import Cell, Markup, escaped, joined, script_json, table
from agent.report.parts import part, policy
from agent.report.plots import (
    ASKS,
    MAX_LANES,
    Group,
    SimulatedRun,
    distribution,
    grouped,
    hashrate_unit,
    plot_data,
    status_of,
)
from agent.report.text import NOTHING, duration, percent

MAX_LISTED = 300
"""Incidents that a page lists one by one; the plot and the figures have them all."""

MAX_INTERVALS = 24
"""Rows of the table beside the hashrate's plot."""

STATUS: Mapping[str, str] = {
    Outcome.AUTO_RESOLVED: "auto-resolved",
    Outcome.ASSISTED: "assisted: a person approved",
    Outcome.SELF_RECOVERED: "self-recovered",
    Outcome.HUMAN_RESOLVED: "resolved by a person",
    Outcome.OPEN: "open",
    ASKS: "asks a person",
    Outcome.SUPPRESSED: "suppressed",
    "disturbance": "disturbance, no fault",
}
"""What the colours of spans mean."""


def page(runs: Sequence[SimulatedRun], *, title: str) -> str:
    """Return the page of one run or several: an index where they are several, then a section each."""
    several = len(runs) > 1
    numbered = list(enumerate(runs, 1))
    script, library = part("assets/page.js"), part("vendor/uPlot.iife.min.js")
    return Template(part("assets/page.html")).substitute(
        title=escaped(title),
        policy=policy(library, script),
        styles="\n".join(map(part, ("vendor/pico.classless.min.css", "vendor/uPlot.min.css", "assets/page.css"))),
        index=_index(numbered, title) if several else "",
        sections=joined(_section(number, run, "h2" if several else "h1") for number, run in numbered),
        version=escaped(__version__),
        library=library,
        script=script,
    )


def _index(numbered: Sequence[tuple[int, SimulatedRun]], title: str) -> Markup:
    headers = ("scenario", "expectations", "faults", "recall", "precision", "fixed of fixable", "mean repair", "harm")
    rows = []
    for number, run in numbered:
        board = run.board
        found, fixed = board["detection"], board["remediation"]
        harm = boards.harm_kinds(board)
        rows.append(
            (
                Markup(f'<a href="#run-{number}">{escaped(board["scenario"])}</a>'),
                Markup(f'<span class="{boards.verdict_class(board)}">{escaped(boards.verdict(board))}</span>'),
                f"{board['truth']['faults']:,}",
                percent(found["recall"]),
                percent(found["precision"]),
                percent(fixed["rate_fixable"]),
                duration(fixed["mttr_s"]["all"]),
                harm if harm == "none" else Markup(f'<span class="bad">{harm}</span>'),
            )
        )
    failed = sum(bool(run.board["expect"]["failed"]) for _, run in numbered)
    told = f"{failed} of {len(rows)} scenarios did not go as expected" if failed else "No expectation was missed"
    return Markup(
        f'<header><p class="simulated">Simulated</p><h1>{escaped(title)}</h1>'
        f'<p class="verdict {"bad" if failed else "good"}">{told}.</p></header>'
        f'<nav aria-label="Scenarios">'
        f"{table(f'{len(rows)} scenarios', headers, rows, numbers=(2, 3, 4, 5, 6, 7), css='index')}</nav>"
    )


def _section(number: int, run: SimulatedRun, heading: str) -> Markup:
    board, groups = run.board, grouped(run)
    facts = (
        f"seed {board['seed']}",
        f"tier {board['tier']}",
        f"{board['miners']:,} miners",
        f"{duration(run.site_s)} of site time",
    )
    name = escaped(board["scenario"])
    parts = (
        f'<section id="run-{number}" aria-labelledby="name-{number}">',
        f'<header><p class="simulated">Simulated</p><{heading} id="name-{number}">{name}</{heading}>'
        f'<p class="facts">{escaped(" · ".join(facts))}</p>'
        f'<p class="verdict {boards.verdict_class(board)}">{escaped(boards.verdict(board))}.</p></header>',
        boards.headline(board),
        _timeline(number, run, groups),
        boards.expectations(board) if board["expect"]["failed"] else "",
        boards.pair(boards.detection(board), distribution("Detection delay, from the fault's beginning", _delays(run))),
        boards.remediation(board),
        boards.pair(boards.repair_times(board), distribution("Time to repair, from detection", _repairs(run))),
        '<div class="columns">',
        *(f"<div>{part(board)}</div>" for part in (boards.harm, boards.duty, boards.truth, boards.cost)),
        "</div>",
        _hashrate_table(run.history),
        _incident_table(run),
        "</section>",
    )
    return Markup("\n".join(parts))


def _timeline(number: int, run: SimulatedRun, groups: Sequence[Group]) -> Markup:
    """Return the figure of hashrate and incidents on one axis of time, and the data that the script draws it from."""
    data = script_json(plot_data(run, groups))
    seen = {span.status for group in groups for _, span in group.placed}
    keys = joined(
        (Markup(f'<li><i class="c-{s}"></i>{escaped(words)}</li>') for s, words in STATUS.items() if s in seen), ""
    )
    left_out = escaped(", ".join(f"{group.left_out:,} {group.name}" for group in groups if group.left_out))
    note = f"Left out of the plot, which has {MAX_LANES} lanes a category: {left_out}. All figures count them."
    note = f'<p class="note">{note}</p>' if left_out else ""
    return Markup(
        f'<figure class="timeline" aria-label="Simulated site hashrate and incidents over site time">'
        f'<figcaption>Site hashrate against target, and incidents<output class="readout" aria-live="off"></output>'
        f"</figcaption>"
        f'<ul class="key"><li><i class="line rate"></i>hashrate, mean</li><li><i class="line low"></i>its least</li>'
        f'<li><i class="line target"></i>target</li></ul>'
        f'<div class="hashrate" role="img" aria-label="{escaped(_hashrate_words(run.history))}"></div>'
        f'<div class="spans" role="img" aria-label="{escaped(_spans_words(groups))}"></div>'
        f'<ul class="key">{keys}<li><i class="mark"></i>remediation started</li>'
        f'<li><i class="mark person"></i>person asked, then a thread while waiting</li>'
        f'<li><i class="fault"></i>fault began</li><li><i class="fault missed"></i>fault nobody noticed</li></ul>'
        f'<p class="note screen">Simulated. Drag over a plot to look closer, double-click to see all of it.</p>{note}'
        f"<noscript><p>The plot needs JavaScript; the tables below have its figures.</p></noscript>"
        f'<script type="application/json" id="data-{number}">{data}</script></figure>'
    )


def _hashrate_words(history: SiteHistory) -> str:
    if not history.at_s:
        return "Site hashrate: nothing was recorded"
    total, target = sum(history.hashrate_th), sum(history.target_th)
    unit, per_th = hashrate_unit(history)
    mean, least = total / len(history.at_s) * per_th, min(history.lowest_th) * per_th
    share = percent(total / target if target else None)
    return (
        f"Simulated site hashrate over site time: on average {mean:.5g} {unit}, {share} of target, "
        f"at least {least:.5g} {unit}; figures in the table below"
    )


def _spans_words(groups: Sequence[Group]) -> str:
    told = ", ".join(f"{len(g.placed) + g.left_out} {g.name}" for g in groups) or "none"
    return f"Simulated incidents as spans by category: {told}; one by one in the table below"


def _delays(run: SimulatedRun) -> dict[str, list[float]]:
    delays: dict[str, list[float]] = {category.value: [] for category in Category}
    for fault in run.faults:
        if fault.counts and fault.delay_s is not None:
            delays[fault.category.value].append(fault.delay_s)
    return delays


def _repairs(run: SimulatedRun) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {category.value: [] for category in Category}
    for incident in run.incidents:
        if incident.outcome is not Outcome.SUPPRESSED and incident.resolved_at is not None:
            times[incident.category.value].append(incident.resolved_at - incident.detected_at - incident.excused_s)
    return times


def _hashrate_table(history: SiteHistory) -> Markup:
    """Return the hashrate in at most MAX_INTERVALS rows."""
    if not history.at_s:
        return Markup("")
    unit, per_th = hashrate_unit(history)
    many = -(-len(history.at_s) // MAX_INTERVALS)
    rows = []
    for first in range(0, len(history.at_s), many):
        part = slice(first, first + many)
        rates, targets = history.hashrate_th[part], history.target_th[part]
        target = sum(targets)
        rows.append(
            (
                f"{duration(history.at_s[first])} to {duration(history.at_s[part][-1])}",
                f"{sum(rates) / len(rates) * per_th:,.5g}",
                f"{min(history.lowest_th[part]) * per_th:,.5g}",
                f"{target / len(targets) * per_th:,.5g}",
                percent(sum(rates) / target if target else None),
            )
        )
    headers = ("site time", f"mean, {unit}", f"least, {unit}", f"target, {unit}", "of target")
    laid_out = table("Simulated site hashrate over site time", headers, rows, numbers=(1, 2, 3, 4))
    return Markup(f"<details><summary>Hashrate in figures</summary>{laid_out}</details>")


def _incident_table(run: SimulatedRun) -> Markup:
    """Return the incidents one by one, those that did not go well first where not all of them have room."""
    if not run.incidents:
        return Markup('<p class="note">There were no incidents.</p>')
    chosen = sorted(run.incidents, key=lambda i: (i.outcome is Outcome.AUTO_RESOLVED, i.detected_at, i.id))[:MAX_LISTED]
    rows = [_incident_row(i, run.epoch_s) for i in sorted(chosen, key=lambda i: (i.detected_at, i.id))]
    more = len(run.incidents) - len(rows)
    notes = (f"and {more:,} more that were auto-resolved or came later; --ledger FILE keeps them all",) if more else ()
    headers = (
        "incident",
        "category",
        "miners",
        "cause",
        "severity",
        "detected at",
        "remediation after",
        "took",
        "outcome",
    )
    laid_out = table("Simulated incidents", headers, rows, numbers=(4, 5, 6, 7), notes=notes)
    return Markup(f"<details><summary>Incidents one by one ({len(run.incidents):,})</summary>{laid_out}</details>")


def _incident_row(incident: Incident, epoch_s: float) -> Sequence[Cell]:
    started, resolved = incident.remediation_started_at, incident.resolved_at
    miners = ", ".join(incident.members[:3] or (OWN,)) + (
        f" and {len(incident.members) - 3} more" if incident.members[3:] else ""
    )
    return (
        incident.id,
        incident.category.value,
        miners,
        incident.cause.replace("_", " "),
        str(int(incident.severity)),
        duration(incident.detected_at - epoch_s),
        NOTHING if started is None else duration(started - incident.detected_at),
        NOTHING if resolved is None else duration(resolved - incident.detected_at),
        STATUS[status_of(incident)],
    )
