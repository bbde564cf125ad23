"""The report as people, spreadsheets and programs get it."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from agent.model.incident import Category, Incident, Outcome, Severity
from agent.report import summary
from agent.report.kpis import kpis
from agent.report.table import Table, plain, printable, show, write_csv, write_json
from agent.report.text import duration, instant, pairs, percent
from tests.report.examples import ANY_INCIDENT, NOW, T0, incident

MIXED = [
    *(incident(number=n, took_s=300.0 + n, started_s=10.0, mitigated_s=200.0) for n in range(49)),
    incident(Outcome.SELF_RECOVERED, number=50, severity=Severity.LOW),
    incident(Outcome.OPEN, number=51, detected_at=NOW - 7200.0),
    incident(Outcome.SUPPRESSED, number=52),
    incident(Outcome.HUMAN_RESOLVED, category=Category.POOL, severity=Severity.HIGH, number=53, took_s=7200.0),
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def text(incidents: list[Incident]) -> str:
    out = io.StringIO()
    show(summary.tables(kpis(incidents, now=NOW)), out)
    return out.getvalue()


def test_the_text_names_rates_intervals_targets_and_what_a_mean_covers() -> None:
    report = text(MIXED)
    for words in (
        "49 of 51, Wilson 95 %",
        "auto_resolved / (counted - self_recovered)",
        "50 of 52, Wilson 95 %",
        "self_recovered on both sides",
        "severities 2, 3, 4",
        "stuck",
        ">= 98.0 %",
        "below",
        "inc-000051",
        "2 h",
        "not counted",
    ):
        assert words in report, words


def test_the_text_of_a_quiet_day_is_short_and_claims_nothing() -> None:
    report = text([])
    assert "By category" not in report
    assert "none yet" in report
    assert "0 of 0, Wilson 95 % -" in report


def test_many_open_incidents_are_cut_short_with_a_way_to_see_all() -> None:
    report = text([incident(Outcome.OPEN, number=n) for n in range(500)])
    assert "and 480 more: terrahash incidents list --open" in report
    assert len(report.splitlines()) < 60


@given(st.lists(ANY_INCIDENT, max_size=15))
def test_every_report_can_be_printed_in_every_form(incidents: list[Incident]) -> None:
    report = kpis(incidents, now=NOW)
    assert text(incidents)
    terminal = Terminal()
    show(summary.tables(report), terminal)
    assert "KPIs at" in terminal.getvalue()

    out = io.StringIO()
    write_json(summary.as_json(report), out)
    read = json.loads(out.getvalue())
    assert read["counted"] == report.fleet.counted
    assert read["rate"] == report.fleet.rate.value
    assert set(read["by_category"]) == {c.value for c in report.by_category}

    out = io.StringIO()
    write_csv(summary.CSV_HEADERS, summary.csv_rows(report), out)
    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [line["key"] for line in lines[:2]] == ["all", "severities_1_2"]
    assert len(lines) == 2 + len(report.by_category) + len(report.by_severity)
    assert None not in lines[0]
    assert all(None not in line.values() for line in lines)


def test_csv_and_json_hold_the_figures() -> None:
    report = kpis(MIXED, now=NOW)
    out = io.StringIO()
    write_csv(summary.CSV_HEADERS, summary.csv_rows(report), out)
    lines = {(line["scope"], line["key"]): line for line in csv.DictReader(io.StringIO(out.getvalue()))}
    pool = lines["category", "pool"]
    assert (pool["counted"], pool["rate"], pool["rate_target"], pool["mttr_mean_s"]) == ("1", "0.0", "0.99", "7200.0")
    assert pool["first_response_mean_s"] == ""
    assert lines["fleet", "all"]["suppressed"] == "1"

    read = summary.as_json(report)
    assert read["by_category"]["pool"]["mttr_s"]["p95"] == 7200.0  # type: ignore[index]
    assert read["mttr_s"]["severities"] == [2, 3, 4]  # type: ignore[index]
    assert read["open"][0]["age_s"] == 7200.0  # type: ignore[index]


def test_a_plain_table_lines_up() -> None:
    table = Table("Title", ("name", "n"), [("a", "1"), ("long one", "100")], frozenset(("n",)), ("a note",))
    assert plain(table) == "Title\nname        n\na           1\nlong one  100\na note\n"


def test_what_a_device_says_cannot_steer_the_terminal() -> None:
    assert printable("\x1b[2J\r\nµ°C") == "\\x1b[2J\\r\\nµ°C"
    nasty = Table("", ("detail",), [("\x1b]0;owned\x07 [bold]",)])
    terminal = Terminal()
    show([nasty], terminal)
    for shown in (plain(nasty), terminal.getvalue()):
        assert "\x07" not in shown
        assert "\x1b]0" not in shown
        assert "[bold]" in shown


def test_figures_in_words() -> None:
    assert [duration(s) for s in (None, 0.0, 4.24, 59.96, 60.0, 3599.6, 3600.0, 11100.0, 86400.0, 90061.0, -90.0)] == [
        "-",
        "0.0 s",
        "4.2 s",
        "1 min",
        "1 min",
        "1 h",
        "1 h",
        "3 h 05 min",
        "1 d",
        "1 d 01 h",
        "-1 min 30 s",
    ]
    assert instant(T0) == "2026-03-01 12:00:00Z"
    assert instant(None) == "-"
    assert percent(0.902) == "90.2 %"
    assert pairs({"w": 3312.5, "b": True, "a": None, "s": "x"}) == "a=null b=true s=x w=3312.5"
