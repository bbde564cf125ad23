"""The page of a replay: whole, safe with hostile names, in need of nothing else, and without a script."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.events import IncidentOpened
from agent.report.replay_page import MOST_POINTS, page
from agent.report.signals import Signal, Trace, line
from agent.report.story import Mark
from tests.ledger.examples import EPOCH_S, LIFE, OPENED
from tests.report.test_page import HOSTILE, Reader
from tests.report.test_story import moved, shown


@pytest.fixture(scope="module")
def text() -> str:
    return page(shown([*LIFE, moved(hashrate_th=1.0, draw_w=3.0), moved(hashrate_th=9.0, draw_w=4.0)]))


def test_it_needs_nothing_else_and_runs_no_script(text: str) -> None:
    read = Reader(text)
    loads = [
        (tag, name, value)
        for tag, attributes in read.elements
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "action", "data"} and not (value or "").startswith("#")
    ]
    assert loads == []
    assert not list(read.named("script"))
    assert "@import" not in text
    assert not re.search(r"url\((?!\s*['\"]?data:)", text)
    (policy,) = [a["content"] for a in read.named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy


def test_it_has_every_moment_and_its_plots_lead_there(text: str) -> None:
    read = Reader(text)
    moments = [str(a["id"]) for a in read.named("li") if str(a.get("id")).startswith("m")]
    assert moments == [f"m{number}" for number in range(1, len(moments) + 1)]
    assert len(moments) > 20
    assert {str(a["href"])[1:] for a in read.named("a")} <= set(moments)
    assert len(list(read.named("svg"))) == 3
    assert "remediation started" in read.said("b")


def test_every_mark_has_its_colour(text: str) -> None:
    for mark in Mark:
        css = mark.value.replace(" ", "-")
        assert mark is Mark.DECIDED or f".moments .{css} .no" in text, mark


def test_what_devices_say_stays_text() -> None:
    hostile = IncidentOpened(
        incident=OPENED.incident,
        category=OPENED.category,
        cause=OPENED.cause,
        severity=OPENED.severity,
        members=OPENED.members,
        detected_at=OPENED.detected_at,
        evidence={HOSTILE.replace("\ud800", ""): HOSTILE.replace("\ud800", ""), "x_w": 1.0},
    )
    read = Reader(page(shown([hostile, moved(x_w=2.0, **{"<b>_w": 1.0}), moved(**{"<b>_w": 2.0})])))
    assert not list(read.named("script"))
    assert not list(read.named("img"))
    assert not [a for _, attributes in read.elements for a in attributes if a.startswith("on")]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e12, 1e12)), min_size=1, max_size=200))
def test_whatever_was_read_is_drawn_within_the_plot(points: list[tuple[float, float]]) -> None:
    played = shown([OPENED])
    signal = Signal("draw", "W", (line("m", sorted((EPOCH_S + at, value) for at, value in points)),))
    text = page(type(played)(played.story, (signal,), played.window))
    places = re.findall(r"[ML]([\d.]+) (-?[\d.]+)", " ".join(re.findall(r' d="([^"]+)"', text)))
    assert places
    assert all(0.0 <= float(x) <= 1000.0 and 0.0 <= float(y) <= 100.0 for x, y in places)


def test_a_long_line_keeps_its_peaks_in_few_points() -> None:
    spiky = Trace("m", tuple((float(k), 100.0 if k == 7_777 else float(k % 2)) for k in range(20_000)), 4.0)
    thin = spiky.thinned(MOST_POINTS)
    assert len(thin.points) <= MOST_POINTS
    assert (7_777.0, 100.0) in thin.points
    assert list(thin.points) == sorted(thin.points)
    assert len(list(thin.runs)) == 1
