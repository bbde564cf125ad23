"""What a simulated run left behind, as plots: spans in lanes, data for the page's script, distributions, intervals.

Geometry and data; the words around a plot are the page's. Times are site seconds unless a name says otherwise.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, floor, log
from typing import Any

from agent.model.ids import MinerId
from agent.model.incident import OWN, Category, Incident, Outcome, Phase
from agent.report.figures import quantile
from agent.report.history import SiteHistory
from agent.report.markup import Cell, Markup, escaped, joined, table
from agent.report.table import printable
from agent.report.text import duration, percent

MAX_SPANS = 3000
"""Spans drawn on a page's plot; some 80 bytes each."""

MAX_LANES = 14
"""Lanes of one category: more are no longer told apart."""

LEAST_WIDTH = 1 / 300
"""Share of the run that a span takes at least, so that short ones do not run together where the whole run is shown."""

BINS = 32
MAX_TICKS = 6
MAX_NAMED = 3
"""Miners that a span names; the others are counted."""

DISTURBANCES = "disturbances"
ASKS = "escalated"
"""An incident that is open and waits for a person: told apart from one that is open because it is still worked on."""

_ROUND_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200)
_ROUND_DAYS = (1, 2, 4, 7, 14, 30, 90, 365)
ROUND_S: tuple[float, ...] = (*_ROUND_S, *(86400 * days for days in _ROUND_DAYS))
"""Durations, in s, that an axis may begin at, end at and name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault or disturbance, as the simulator knows it. Times are site seconds.

    Attributes:
        counts: whether it is an incident; a disturbance is none.
        over_s: None while it lasts.
        found: whether the agent noticed.
        delay_s: from its beginning to the detection; None where it was not noticed, or not on its own account.
    """

    kind: str
    category: Category
    counts: bool
    miners: tuple[MinerId, ...]
    started_s: float
    over_s: float | None
    found: bool = False
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """What one run left behind, plain.

    Attributes:
        board: its scoreboard.
        epoch_s: UTC s of site time 0; incidents carry UTC.
    """

    board: Mapping[str, Any]
    epoch_s: float
    incidents: tuple[Incident, ...]
    faults: tuple[Fault, ...]
    history: SiteHistory

    @property
    def site_s(self) -> float:
        """How long it lasted."""
        return float(self.board["site_s"])


@dataclass(frozen=True, slots=True)
class Span:
    """One bar of the plot.

    Attributes:
        until_s: None where it is still open at the end.
        status: an outcome, or that it asks a person.
        remediated_s, escalated_s: when these happened, if they did.
        label: what it is called: an incident's id, a disturbance's kind.
        detail: more about it.
    """

    start_s: float
    until_s: float | None
    status: str
    label: str
    detail: str
    remediated_s: float | None = None
    escalated_s: float | None = None


@dataclass(slots=True)
class Group:
    """The spans of one category, each in its lane.

    Attributes:
        placed: lane and span, lanes counted from 0.
        left_out: how many found no place.
    """

    name: str
    placed: list[tuple[int, Span]] = field(default_factory=list)
    lanes: int = 0
    left_out: int = 0


def status_of(incident: Incident) -> str:
    """Return how an incident stands: its outcome, or that it asks a person."""
    return ASKS if incident.phase is Phase.ESCALATED else incident.outcome.value


def grouped(run: SimulatedRun) -> list[Group]:
    """Return what is to be drawn as spans: the categories that occur, in the order of the reference; disturbances last.

    Of more than MAX_SPANS those are left out first that went well, the short ones before the long.
    """
    by_name: dict[str, list[Span]] = {category.value: [] for category in Category}
    for incident in run.incidents:
        by_name[incident.category.value] += _incident_spans(incident, run.epoch_s)
    injected = {fault.category.value for fault in run.faults if fault.counts}
    by_name[DISTURBANCES] = [_disturbance_span(fault) for fault in run.faults if not fault.counts]
    wanted = {name: spans for name, spans in by_name.items() if spans or name in injected}
    ranked = sorted((_rank(span), name, k) for name, spans in wanted.items() for k, span in enumerate(spans))
    drawn = {(name, k) for _, name, k in ranked[:MAX_SPANS]}
    groups = []
    for name, spans in wanted.items():
        group = packed(name, [span for k, span in enumerate(spans) if (name, k) in drawn], run.site_s)
        group.left_out += sum((name, k) not in drawn for k in range(len(spans)))
        groups.append(group)
    return groups


def packed(name: str, spans: Iterable[Span], site_s: float) -> Group:
    """Put spans into as few lanes as first fit finds, those that did not go well first, at most MAX_LANES.

    A span needs its lane until a person is asked; from then on it is a thread that others may lie on.
    """
    group = Group(name)
    taken: list[list[tuple[float, float]]] = []
    least_s = site_s * LEAST_WIDTH
    for span in sorted(spans, key=lambda s: (_rank(s)[0], s.start_s, s.label)):
        needed = (span.start_s, max(_busy_until(span, site_s), span.start_s + least_s))
        lane = next((k for k, lane in enumerate(taken) if _fits(lane, needed)), len(taken))
        if lane == MAX_LANES:
            group.left_out += 1
            continue
        if lane == len(taken):
            taken.append([])
        taken[lane].insert(bisect_right(taken[lane], needed), needed)
        group.placed.append((lane, span))
    group.lanes = len(taken)
    return group


def plot_data(run: SimulatedRun, groups: Sequence[Group]) -> dict[str, Any]:
    """Return what the page's script draws: hashrate in a unit that reads well, and spans as short arrays."""
    unit, per_th = hashrate_unit(run.history)
    history = run.history
    return {
        "site_s": run.site_s,
        "unit": unit,
        "at": [_s(at) for at in history.at_s],
        "rate": [_short(rate * per_th) for rate in history.hashrate_th],
        "low": [_short(rate * per_th) for rate in history.lowest_th],
        "target": [_short(rate * per_th) for rate in history.target_th],
        "groups": [
            {
                "name": group.name,
                "lanes": group.lanes,
                "spans": [_span_data(lane, span) for lane, span in group.placed],
                "faults": [
                    [_s(f.started_s), int(f.found), printable(f.kind), _named(f.miners)]
                    for f in run.faults
                    if f.counts and f.category == group.name
                ][:MAX_SPANS],
            }
            for group in groups
        ],
    }


def hashrate_unit(history: SiteHistory) -> tuple[str, float]:
    """Return the unit in which the history reads well, and how many of it a TH/s is."""
    highest = max((*history.target_th, *history.hashrate_th), default=0.0)
    if highest >= 1e7:
        return "EH/s", 1e-6
    return ("PH/s", 1e-3) if highest >= 1e4 else ("TH/s", 1.0)


def distribution(caption: str, by_name: Mapping[str, Sequence[float]]) -> Markup:
    """Return a table with a histogram a row, all over one logarithmic axis of time; durations in s."""
    rows = {name: sorted(values) for name, values in by_name.items() if values}
    if not rows:
        return Markup(f'<p class="caption">{escaped(caption)}</p><p class="note">There was none to measure.</p>')
    if len(rows) > 1:
        rows = {"all": sorted(value for values in rows.values() for value in values)} | rows
    low, high = _bounds([value for values in rows.values() for value in values])
    headers = ("category", "n", "distribution", "median", "p95", "longest")
    lines: list[Sequence[Cell]] = [
        (
            name,
            f"{len(values):,}",
            _histogram(name, values, low, high),
            duration(quantile(values, 0.5)),
            duration(quantile(values, 0.95)),
            duration(values[-1]),
        )
        for name, values in rows.items()
    ]
    lines.append(("", "", _axis(low, high), "", "", ""))
    return table(caption, headers, lines, numbers=(1, 3, 4, 5), css="distribution")


def interval_bar(rate: float, bounds: Sequence[float], target: float | None) -> Markup:
    """Return a rate with its interval, on a line from 0 to 100 %, and the target as a mark; all shares of 1."""
    low, high = bounds
    said = f"{percent(rate)}, 95 % interval {percent(low)} to {percent(high)}"
    mark = ""
    if target is not None:
        said += f", target {percent(target)}"
        mark = f'<u style="left:{target * 100:.2f}%"></u>'
    return Markup(
        f'<span class="interval" role="img" aria-label="{escaped(said)}" title="{escaped(said)}">'
        f'<i style="left:{low * 100:.2f}%;width:{(high - low) * 100:.2f}%"></i>{mark}'
        f'<b style="left:{rate * 100:.2f}%"></b></span>'
    )


def _incident_spans(incident: Incident, epoch_s: float) -> list[Span]:
    """Return a span for each time that it was there: between a recovery and a relapse there was no incident."""
    detail = f"{_named(incident.members)} · {incident.cause.replace('_', ' ')} · severity {int(incident.severity)}"
    spans = []
    for number, spell in enumerate(incident.spells):
        until = spell.resolved_at
        started = incident.remediation_started_at
        if started is not None and (started < spell.detected_at or (until is not None and started > until)):
            started = None
        asks = number == len(incident.earlier) and incident.phase is Phase.ESCALATED
        spans.append(
            Span(
                start_s=spell.detected_at - epoch_s,
                until_s=None if until is None else until - epoch_s,
                status=ASKS if asks else spell.outcome.value,
                label=f"{incident.id}, relapse {number}" if number else incident.id,
                detail=detail,
                remediated_s=None if started is None else started - epoch_s,
                escalated_s=None if spell.escalated_at is None else spell.escalated_at - epoch_s,
            )
        )
    return spans


def _disturbance_span(fault: Fault) -> Span:
    return Span(fault.started_s, fault.over_s, "disturbance", fault.kind, _named(fault.miners))


def _rank(span: Span) -> tuple[bool, bool, float]:
    """Return by what to sort, so that first comes what must be drawn: what did not go well, then what took long."""
    went_well = span.status in {Outcome.AUTO_RESOLVED, Outcome.SELF_RECOVERED, Outcome.SUPPRESSED, "disturbance"}
    took_s = float("inf") if span.until_s is None else span.until_s - span.start_s
    return went_well, took_s < 3600.0, span.start_s


def _fits(lane: Sequence[tuple[float, float]], needed: tuple[float, float]) -> bool:
    after = bisect_right(lane, needed)
    free_before = after == 0 or lane[after - 1][1] <= needed[0]
    return free_before and (after == len(lane) or needed[1] <= lane[after][0])


def _busy_until(span: Span, site_s: float) -> float:
    if span.escalated_s is not None:
        return span.escalated_s
    return site_s if span.until_s is None else span.until_s


def _span_data(lane: int, span: Span) -> list[Any]:
    times = (span.start_s, span.until_s, span.remediated_s, span.escalated_s)
    seconds = [None if at is None else _s(at) for at in times]
    return [lane, *seconds, span.status, printable(span.label), printable(span.detail)]


def _named(miners: Sequence[MinerId]) -> str:
    if not miners:
        return OWN
    more = f" and {len(miners) - MAX_NAMED} more" if len(miners) > MAX_NAMED else ""
    return printable(", ".join(miners[:MAX_NAMED])) + more


def _s(at: float) -> float:
    """Return a time as it is written into a page: to a tenth of a second, without a needless fraction."""
    tenths = round(at, 1)
    return int(tenths) if tenths == int(tenths) else tenths


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return round durations, at least 4 times apart, between which the values lie."""
    least, most = min(values), max(values)
    low = max((at for at in ROUND_S if at <= least), default=ROUND_S[0])
    high = min((at for at in ROUND_S if at > most and at >= 4 * low), default=max(most, 4 * low))
    return low, high


def _bin_of(value: float, low: float, high: float) -> int:
    place = BINS * log(max(value, low) / low) / log(high / low)
    return min(BINS - 1, floor(place))


def _histogram(name: str, ordered: Sequence[float], low: float, high: float) -> Markup:
    counts = [0] * BINS
    for value in ordered:
        counts[_bin_of(value, low, high)] += 1
    tallest = max(counts)
    step = log(high / low) / BINS
    bars = joined(
        (
            Markup(
                f'<rect x="{k + 0.06:.2f}" width=".88" y="{24 - _height(count, tallest):.1f}" '
                f'height="{_height(count, tallest):.1f}">'
                f"<title>{escaped(_between(low * exp(step * k), low * exp(step * (k + 1)), count))}</title></rect>"
            )
            for k, count in enumerate(counts)
            if count
        ),
        "",
    )
    said = f"{name}: {len(ordered)} between {duration(ordered[0])} and {duration(ordered[-1])}"
    return Markup(
        f'<svg class="bars" viewBox="0 0 {BINS} 24" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(said)}">{bars}</svg>'
    )


def _height(count: int, tallest: int) -> float:
    """Return a bar's height of 24; even one of a thousand is seen."""
    return max(1.5, 23.0 * count / tallest)


def _between(low_s: float, high_s: float, count: int) -> str:
    return f"{duration(low_s)} to {duration(high_s)}: {count}"


def _axis(low: float, high: float) -> Markup:
    """Return names under the histograms; as many as have room."""
    named = [at for at in ROUND_S if low <= at <= high]
    every = -(-len(named) // MAX_TICKS)
    marks = "".join(
        f'<span style="left:{100 * log(at / low) / log(high / low):.2f}%">{_tick(at)}</span>' for at in named[::every]
    )
    return Markup(f'<div class="axis" aria-hidden="true">{marks}</div>')


def _tick(at_s: float) -> str:
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if at_s >= seconds:
            return f"{at_s / seconds:g} {unit}"
    return f"{at_s:g} s"
