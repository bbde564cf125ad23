"""A scoreboard as HTML: one table or more for each of its groups. Computes no figure.

The groups may have figures that this module has never heard of: they are shown under their own name.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.model.incident import Severity
from agent.report.kpis import MTTR_TARGET_S, RATE_TARGET, SEVERITY_TARGET
from agent.report.markup import Cell, Markup, escaped, joined, table
from agent.report.plots import interval_bar
from agent.report.text import NOTHING, duration, interval, percent

LABELS: Mapping[str, str] = {
    "faults": "faults injected",
    "fixable": "of them remotely fixable",
    "disturbances": "disturbances, which are no faults",
    "skipped": "planned faults that found nobody well",
    "recall": "recall: faults that were found",
    "precision": "precision: incidents that were true",
    "false_per_1000_miner_days": "false incidents per 1,000 miner-days",
    "rate": "resolved automatically",
    "rate_fixable": "resolved, of the remotely fixable faults",
    "rate_inclusive": "resolved, self-recovered counted in",
    "escalated_right": "rightly handed to a person",
    "escalated_wrong": "handed to a person though fixable",
    "open": "open, and no person asked",
    "useless_power_cycles": "power cycles that did not help",
    "actions_during_hold": "actions during a hold",
    "miner_minutes_lost": "minutes of hashing lost by healthy miners",
    "approvals": "approvals asked",
    "answered": "questions that a simulated person answered",
    "wall_s": "wall time",
    "site_s_per_wall_s": "site time per second of wall time",
    "miner_hours_per_wall_s": "miner-hours per second of wall time",
    "peak_rss_mb": "peak memory",
}
"""What a figure is called where its own name does not say enough."""

RATES = frozenset({"recall", "precision", "rate", "rate_fixable", "rate_inclusive"})
UNITS: Mapping[str, str] = {"peak_rss_mb": "MB", "miner_minutes_lost": "min", "miner_hours_per_wall_s": "h"}


def truth(board: Mapping[str, Any]) -> Markup:
    """Return what was injected, by category."""
    group = board["truth"]
    rows = [
        (category, count["faults"], count["fixable"], count["faults"] - count["fixable"])
        for category, count in group["by_category"].items()
    ]
    tables = [_plain("Truth: what was injected", group)]
    if rows:
        headers = ("category", "faults", "fixable", "not")
        tables.append(table("Faults by category", headers, rows, numbers=(1, 2, 3)))
    return joined(tables)


def detection(board: Mapping[str, Any]) -> Markup:
    """Return how well faults were found; delays are the distribution's."""
    return _plain("Detection: incidents held against the truth", board["detection"], besides=("delay_s",))


def remediation(board: Mapping[str, Any]) -> Markup:
    """Return rates with targets and intervals, by category; repair times by category are the distribution's."""
    group = board["remediation"]
    rows: list[Sequence[Cell]] = []
    if group.get("ci95"):
        sums = {key: sum(of[key] for of in group["by_category"].values()) for key in ("counted", "auto_resolved")}
        rows.append(_rate_row("all", {**group, **sums, "target": RATE_TARGET}))
    rows += [_rate_row(category, figures) for category, figures in group["by_category"].items()]
    parts = [
        _plain(
            "Remediation: what became of the incidents", group, besides=("by_category", "mttr_s", "mttr_auto_s", "ci95")
        )
    ]
    if rows:
        headers = ("category", "counted", "auto", "rate", "Wilson 95 %", "0 to 100 %", "target", "")
        note = (
            "Rate: resolved automatically, over counted minus self-recovered. Dot: the rate. Bar: its 95 % interval. "
            "Upright line: the target."
        )
        caption = "Automatic resolution by category"
        parts.append(table(caption, headers, rows, numbers=(1, 2, 3, 4, 6), notes=(note,), css="rates"))
    return pair(*parts)


def repair_times(board: Mapping[str, Any]) -> Markup:
    """Return mean times to repair, of all and by severity, beside what is wanted."""
    mttr, auto = board["remediation"]["mttr_s"], board["remediation"]["mttr_auto_s"]
    rows: list[Sequence[Cell]] = [
        ("all, mean", duration(mttr["all"]), f"< {duration(MTTR_TARGET_S)}"),
        ("all, median", duration(mttr["p50"]), ""),
        ("all, p95", duration(mttr["p95"]), ""),
        ("severities 1 to 3, mean", duration(mttr["severities_1_3"]), ""),
        ("resolved by the agent itself, mean", duration(auto["all"]), ""),
    ]
    for key, mean_s in mttr["by_severity"].items():
        severity = Severity(int(key))
        target = f"< {duration(SEVERITY_TARGET[severity].resolution_s)}"
        rows.append((f"severity {key}, {severity.name.lower()}, mean", duration(mean_s), target))
    note = "From detection to the proof that all is well, excused time subtracted."
    return table("Time to repair", ("incidents", "time", "target"), rows, numbers=(1, 2), notes=(note,))


def harm(board: Mapping[str, Any]) -> Markup:
    """Return the harm done; whatever is not 0 is marked."""
    rows = [
        (_label(name), Markup(f'<strong class="bad">{_figure(name, value)}</strong>') if value else "0")
        for name, value in _scalars(board["harm"])
    ]
    return table("Harm: what should not have been done", ("", ""), rows, numbers=(1,))


def duty(board: Mapping[str, Any]) -> Markup:
    """Return what the agent did."""
    group = board["duty"]
    rows = [(verb.replace("_", " "), count) for verb, count in group["actions"].items()]
    rows += [
        (_label(name), _figure(name, value)) for name, value in _scalars(group) if name.partition(".")[0] != "actions"
    ]
    return table("Duty: actions begun, by verb", ("", ""), rows, numbers=(1,))


def expectations(board: Mapping[str, Any]) -> Markup:
    """Return how many expectations were met, and of each other one what was expected and what came."""
    expect = board["expect"]
    if not expect["failed"]:
        return Markup(f'<p class="verdict {verdict_class(board)}">{escaped(verdict(board))}.</p>')
    rows = [(str(failure["line"]), failure["expected"], failure["got"]) for failure in expect["failed"]]
    caption = f"Expectations: {verdict(board)}"
    return table(caption, ("line", "expected", "got"), rows, css="failed")


def cost(board: Mapping[str, Any]) -> Markup:
    """Return what the simulation itself took."""
    return _plain("Cost of the simulation", board["cost"])


def verdict(board: Mapping[str, Any]) -> str:
    """Return in words how many expectations were met."""
    met, failed = board["expect"]["passed"], len(board["expect"]["failed"])
    if not met + failed:
        return "Nothing was expected"
    if failed:
        return f"{failed} of {met + failed} expectations not met"
    return f"{met} of {met} expectations met"


def verdict_class(board: Mapping[str, Any]) -> str:
    """Return the class that colours the verdict."""
    return "bad" if board["expect"]["failed"] else "good" if board["expect"]["passed"] else "none"


def harm_kinds(board: Mapping[str, Any]) -> str:
    """Return in words how many kinds of harm were done."""
    kinds = sum(bool(value) for _, value in _scalars(board["harm"]))
    return f"{kinds} kind{'s' if kinds > 1 else ''}" if kinds else "none"


def headline(board: Mapping[str, Any]) -> Markup:
    """Return the handful of figures that matter most, large."""
    found, fixed = board["detection"], board["remediation"]
    faults, mttr = board["truth"], fixed["mttr_s"]
    harms = {name: value for name, value in _scalars(board["harm"]) if value}
    sure = fixed.get("ci95")
    cards = (
        ("faults found", percent(found["recall"]), f"of {faults['faults']:,} injected; recall"),
        ("incidents true", percent(found["precision"]), f"{found['false_incidents']:,} false; precision"),
        ("fixable ones fixed", percent(fixed["rate_fixable"]), f"of {faults['fixable']:,} remotely fixable"),
        (
            "resolved automatically",
            percent(fixed["rate"]),
            f"95 % interval {interval((sure[0], sure[1]))}; target {percent(RATE_TARGET)}"
            if sure
            else "of all incidents",
        ),
        (
            "mean time to repair",
            duration(mttr["all"]),
            f"p95 {duration(mttr['p95'])}; target < {duration(MTTR_TARGET_S)}",
        ),
        ("harm done", harm_kinds(board), ", ".join(map(_label, harms)) or "all figures 0"),
    )
    bad = ' class="bad"'
    items = "".join(
        f"<div{bad if name == 'harm done' and harms else ''}>"
        f"<dt>{escaped(name)}</dt><dd><b>{escaped(value)}</b><small>{escaped(more)}</small></dd></div>"
        for name, value, more in cards
    )
    return Markup(f'<dl class="headline">{items}</dl>')


def pair(left: Markup, right: str = "") -> Markup:
    """Return two things side by side where there is room, the second the wider one."""
    return Markup(f'<div class="pair"><div>{left}</div><div>{right}</div></div>')


def _rate_row(name: str, figures: Mapping[str, Any]) -> Sequence[Cell]:
    rate, sure, target = figures["rate"], figures["ci95"], figures["target"]
    return (
        name,
        f"{figures['counted']:,}",
        f"{figures['auto_resolved']:,}",
        percent(rate),
        interval((sure[0], sure[1])) if sure else NOTHING,
        interval_bar(rate, sure, target) if sure else "",
        f"≥ {percent(target)}",
        _judged(rate, sure, target),
    )


def _judged(rate: float | None, sure: Sequence[float] | None, target: float) -> Markup:
    if rate is None or sure is None:
        return Markup(NOTHING)
    if rate >= target:
        return Markup('<span class="good">met</span>')
    if sure[1] >= target:
        return Markup('<span class="bad">below</span>, too few to be sure')
    return Markup('<strong class="bad">below</strong>')


def _plain(caption: str, group: Mapping[str, Any], besides: Sequence[str] = ("by_category",)) -> Markup:
    rest = {name: value for name, value in group.items() if name not in besides}
    rows = [(_label(name), _figure(name, value)) for name, value in _scalars(rest)]
    return table(caption, ("", ""), rows, numbers=(1,))


def _scalars(group: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Yield every figure of a group by its dotted name."""
    for name, value in group.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, int | float):
            yield prefix + str(name), value


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").replace(".", ": "))


def _figure(name: str, value: float | None) -> str:
    key = name.rpartition(".")[2]
    if value is None:
        return NOTHING
    if key in RATES:
        return percent(value)
    if key.endswith("_s") and key != "miner_hours_per_wall_s":
        return duration(value)
    unit = f" {UNITS[key]}" if key in UNITS else ""
    return f"{value:,}{unit}" if isinstance(value, int) else f"{value:,.1f}{unit}"
