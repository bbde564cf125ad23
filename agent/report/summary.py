"""The KPI report laid out: tables for people, one rectangle for spreadsheets, JSON for programs. Computes no KPI."""

from collections.abc import Iterator, Mapping

from agent.model.incident import Category, Outcome, Severity
from agent.report.figures import Rate, Spread
from agent.report.kpis import CATEGORY_TARGET, MTTR_TARGET_S, RATE_TARGET, SEVERITY_TARGET, Figures, Kpis
from agent.report.table import Table
from agent.report.text import NOTHING, duration, instant, interval, percent

SCHEMA = 1
"""Version of the JSON; keys may be added within one, none renamed."""

CSV_HEADERS = (
    "scope",
    "key",
    "counted",
    *(outcome.value for outcome in Outcome if outcome is not Outcome.SUPPRESSED),
    "suppressed",
    "rate",
    "rate_ci95_low",
    "rate_ci95_high",
    "rate_target",
    "rate_inclusive",
    *(f"{name}_{figure}" for name in ("mttr", "first_response", "mitigation") for figure in Spread.__slots__),
)
"""Columns of the CSV: one line a scope; rates from 0 to 1, times in s, empty where there is nothing."""


def tables(report: Kpis) -> list[Table]:
    """Lay the report out for people."""
    laid_out = [_fleet(report)]
    if report.by_category:
        laid_out += [_categories(report.by_category), _severities(report.by_severity)]
    if report.open:
        laid_out.append(_open(report))
    return laid_out


def csv_rows(report: Kpis) -> Iterator[tuple[object, ...]]:
    """Yield the lines of the CSV, in the order of `CSV_HEADERS`."""
    yield _csv_row("fleet", "all", report.fleet, RATE_TARGET)
    yield _csv_row("fleet", "severities_1_2", report.urgent, None)
    for category, of_category in report.by_category.items():
        yield _csv_row("category", category.value, of_category, CATEGORY_TARGET[category])
    for severity, of_severity in report.by_severity.items():
        yield _csv_row("severity", str(severity.value), of_severity, None)


def as_json(report: Kpis) -> dict[str, object]:
    """Return the report as plain data: rates from 0 to 1, times in s, null where nothing happened."""
    return {
        "schema": SCHEMA,
        "now": report.now,
        "since": report.since,
        **_figures(report.fleet, RATE_TARGET),
        "mttr_target_s": MTTR_TARGET_S,
        "severities_1_2": _figures(report.urgent, None),
        "by_category": {c.value: _figures(f, CATEGORY_TARGET[c]) for c, f in report.by_category.items()},
        "by_severity": {str(s.value): _figures(f, None) for s, f in report.by_severity.items()},
        "open": [
            {
                "id": incident.id,
                "category": incident.category.value,
                "severity": incident.severity.value,
                "phase": incident.phase.value,
                "age_s": incident.age_s,
            }
            for incident in report.open
        ],
    }


def covers(severities: tuple[Severity, ...]) -> str:
    """Name the severities, one or more, that a figure covers."""
    word = "severity" if len(severities) == 1 else "severities"
    return f"{word} {', '.join(str(severity.value) for severity in severities)}"


def _fleet(report: Kpis) -> Table:
    fleet, urgent = report.fleet, report.urgent
    window = "all incidents" if report.since is None else f"incidents detected since {instant(report.since)}"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in fleet.outcomes.items() if count) or "none"
    rows = [
        ("incidents counted", str(fleet.counted), "", outcomes),
        (
            "automated resolution",
            percent(fleet.rate.value),
            f">= {percent(RATE_TARGET)}",
            _rate_note(fleet.rate, "auto_resolved / (counted - self_recovered)"),
        ),
        (
            "  inclusive",
            percent(fleet.rate_inclusive.value),
            "",
            _rate_note(fleet.rate_inclusive, "self_recovered on both sides"),
        ),
        ("MTTR", duration(fleet.mttr.mean_s), f"< {duration(MTTR_TARGET_S)}", _mttr_note(fleet)),
        ("  severities 1 and 2", duration(urgent.mttr.mean_s), "", _mttr_note(urgent)),
        ("first response", duration(fleet.first_response.mean_s), "", _spread_note(fleet.first_response)),
        ("mitigation", duration(fleet.mitigation.mean_s), "", _spread_note(fleet.mitigation)),
    ]
    if fleet.suppressed:
        rows.insert(1, ("  suppressed", str(fleet.suppressed), "", "curtailed, in maintenance or child; not counted"))
    return Table(
        f"KPIs at {instant(report.now)}, {window}",
        ("figure", "value", "target", "detail"),
        rows,
        frozenset(("value", "target")),
        ("MTTR is resolved - detected - excused; what is open counts as not resolved.",),
    )


def _categories(by_category: Mapping[Category, Figures]) -> Table:
    rows = []
    for category, of_category in by_category.items():
        target, value = CATEGORY_TARGET[category], of_category.rate.value
        verdict = NOTHING if value is None else "met" if value >= target else "below"
        rows.append(
            (
                category.value,
                str(of_category.counted),
                str(of_category.auto_resolved),
                percent(value),
                interval(of_category.rate.ci95),
                f">= {percent(target)}",
                verdict,
                *_spread_cells(of_category.mttr),
            )
        )
    headers = ("category", "counted", "auto", "rate", "95 % interval", "target", "", *_SPREAD_HEADERS)
    return Table("By category", headers, rows, frozenset(headers[1:6] + _SPREAD_HEADERS))


def _severities(by_severity: Mapping[Severity, Figures]) -> Table:
    rows = []
    for severity, of_severity in by_severity.items():
        target = SEVERITY_TARGET[severity]
        rows.append(
            (
                f"{severity.value} {severity.name.lower()}",
                str(of_severity.counted),
                percent(of_severity.rate.value),
                duration(of_severity.first_response.mean_s),
                duration(of_severity.mitigation.mean_s),
                "next day" if target.mitigation_s is None else f"< {duration(target.mitigation_s)}",
                *_spread_cells(of_severity.mttr),
                f"< {duration(target.resolution_s)}",
            )
        )
    headers = (
        "severity",
        "counted",
        "rate",
        "first response",
        "mitigation",
        "target",
        *_SPREAD_HEADERS,
        "MTTR target",
    )
    return Table("By severity", headers, rows, frozenset(headers[1:]))


def _open(report: Kpis) -> Table:
    rows = [
        (i.id, i.category.value, str(i.severity.value), i.phase.value, duration(i.age_s)) for i in report.open[:_SHOWN]
    ]
    more = len(report.open) - len(rows)
    notes = (f"and {more} more: terrahash incidents list --open",) if more else ()
    return Table(
        "Open", ("incident", "category", "severity", "phase", "age"), rows, frozenset(("severity", "age")), notes
    )


_SHOWN = 20
_SPREAD_HEADERS = ("MTTR", "median", "p90", "p95")


def _spread_cells(spread: Spread) -> tuple[str, str, str, str]:
    return duration(spread.mean_s), duration(spread.median_s), duration(spread.p90_s), duration(spread.p95_s)


def _rate_note(rate: Rate, formula: str) -> str:
    return f"{rate.hits} of {rate.of}, Wilson 95 % {interval(rate.ci95)}; {formula}"


def _spread_note(spread: Spread) -> str:
    if not spread.count:
        return "none yet"
    _, median, p90, p95 = _spread_cells(spread)
    return f"median {median}, p90 {p90}, p95 {p95}; over {spread.count}"


def _mttr_note(of: Figures) -> str:
    note = _spread_note(of.mttr)
    return f"{note} of {covers(of.mttr_severities)}" if of.mttr.count else note


def _spread_json(spread: Spread) -> dict[str, object]:
    return {
        "count": spread.count,
        "mean": spread.mean_s,
        "p50": spread.median_s,
        "p90": spread.p90_s,
        "p95": spread.p95_s,
    }


def _figures(of: Figures, target: float | None) -> dict[str, object]:
    return {
        "counted": of.counted,
        "suppressed": of.suppressed,
        "outcomes": {outcome.value: count for outcome, count in of.outcomes.items()},
        "auto_resolved": of.auto_resolved,
        "rate": of.rate.value,
        "ci95": of.rate.ci95,
        "target": target,
        "rate_inclusive": of.rate_inclusive.value,
        "ci95_inclusive": of.rate_inclusive.ci95,
        "mttr_s": {**_spread_json(of.mttr), "severities": [severity.value for severity in of.mttr_severities]},
        "first_response_s": _spread_json(of.first_response),
        "mitigation_s": _spread_json(of.mitigation),
    }


def _csv_row(scope: str, key: str, of: Figures, target: float | None) -> tuple[object, ...]:
    low, high = of.rate.ci95 or (None, None)
    spreads = (of.mttr, of.first_response, of.mitigation)
    return (
        scope,
        key,
        of.counted,
        *of.outcomes.values(),
        of.suppressed,
        of.rate.value,
        low,
        high,
        target,
        of.rate_inclusive.value,
        *(getattr(spread, figure) for spread in spreads for figure in Spread.__slots__),
    )
