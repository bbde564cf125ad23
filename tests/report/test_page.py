"""The page of simulated runs: whole, safe with hostile names, small, and in need of nothing else."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from agent.model.action import Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Incident, Outcome, Phase, Reason, Severity, Spell
from agent.report.history import HistoryRecorder, SiteHistory
from agent.report.markup import script_json
from agent.report.page import MAX_LISTED, page
from agent.report.plots import (
    ASKS,
    DISTURBANCES,
    MAX_LANES,
    MAX_SPANS,
    Fault,
    SimulatedRun,
    Span,
    distribution,
    grouped,
    interval_bar,
    packed,
    plot_data,
)
from simulators.scoreboard import Duty, RunFacts, scoreboard
from simulators.truth import FaultTruth, Harm

EPOCH_S = 1_767_225_600.0
DAY_S = 86_400.0
VENDOR = files("agent.report").joinpath("vendor")

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\"'&\u2028\u2029\x00\u202e\ud800"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Reads a page strictly: every element closed in order; keeps attributes, and the text of each element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def said(self, tag: str) -> list[str]:
        return [text for element, text in self.texts if element == tag]

    def named(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for element, attributes in self.elements if element == tag)

    @property
    def data(self) -> list[dict[str, Any]]:
        scripts = [text for text in self.said("script") if text.startswith('{"site_s"')]
        return [json.loads(script) for script in scripts]


def incident(number: int, at_s: float, took_s: float | None = 600.0, **more: Any) -> Incident:
    until = None if took_s is None else EPOCH_S + at_s + took_s
    fields: dict[str, Any] = {
        "id": IncidentId(f"inc-{number:06d}"),
        "category": Category.STUCK,
        "cause": Reason.UNRESPONSIVE,
        "severity": Severity.MEDIUM,
        "members": (MinerId(f"r1-{number % 99:02}"),),
        "evidence": {},
        "detected_at": EPOCH_S + at_s,
        "alerted_at": EPOCH_S + at_s,
        "phase": Phase.REMEDIATING if until is None else Phase.CLOSED,
        "outcome": Outcome.OPEN if until is None else Outcome.AUTO_RESOLVED,
        "remediation_started_at": EPOCH_S + at_s + 20.0,
        "resolved_at": until,
    }
    return Incident(**(fields | more))


def run(
    incidents: tuple[Incident, ...] = (),
    *,
    name: str = "story",
    site_s: float = DAY_S,
    faults: tuple[Fault, ...] = (),
    failed: tuple[dict[str, Any], ...] = (),
    harm: Harm | None = None,
    history: SiteHistory | None = None,
) -> SimulatedRun:
    truths = [
        FaultTruth(f.kind, f.category, f.counts, True, frozenset(Reason), f.miners, f.started_s, f.over_s)
        for f in faults
    ]
    board = scoreboard(
        RunFacts(name, 7, "memory", 480, site_s, EPOCH_S),
        truths,
        incidents,
        harm=harm or Harm(),
        duty=Duty(actions={Verb.RESTART: 3}),
        expect={"passed": 2, "failed": list(failed)},
        cost={"wall_s": 2.5, "site_s_per_wall_s": 1e4, "miner_hours_per_wall_s": 10.0, "peak_rss_mb": 80.0},
    )
    if history is None:
        recorder = HistoryRecorder(60.0)
        for k in range(int(site_s // 60) + 1):
            recorder.note(k * 60.0, 47_000.0 if k == 100 else 95_000.0 + k % 7, 96_000.0)
        history = recorder.history()
    return SimulatedRun(board, EPOCH_S, incidents, faults, history)


def fault(at_s: float, **more: Any) -> Fault:
    fields: dict[str, Any] = {
        "kind": "miner.process_died",
        "category": Category.STUCK,
        "counts": True,
        "miners": (MinerId("r1-01"),),
        "started_s": at_s,
        "over_s": at_s + 700.0,
        "found": True,
        "delay_s": 45.0,
    }
    return Fault(**(fields | more))


def month(count: int) -> SimulatedRun:
    rng = random.Random(5)
    site_s = 30 * DAY_S
    incidents, faults = [], []
    for number in range(count):
        at_s, took_s, category = rng.uniform(0, site_s * 0.98), rng.lognormvariate(6.5, 0.7), rng.choice(list(Category))
        incidents.append(incident(number, at_s, took_s, category=category))
        miners = incidents[-1].members
        faults.append(fault(at_s - 30.0, category=category, miners=miners, over_s=at_s + took_s, delay_s=30.0))
    recorder = HistoryRecorder(30.0)
    for k in range(int(site_s // 30)):
        recorder.note(k * 30.0, rng.gauss(395_000.0, 900.0), 400_000.0)
    return run(tuple(incidents), site_s=site_s, faults=tuple(faults), history=recorder.history())


# -- what is on it -----------------------------------------------------------------------------------------------------


def test_every_group_of_the_scoreboard_is_a_table_and_all_is_labelled_simulated() -> None:
    lost = {"line": 14, "expected": "by 20m at least 5 incidents", "got": "3: inc-000001"}
    text = page([run((incident(1, 600.0),), faults=(fault(560.0),), failed=(lost,))], title="story")
    read = Reader(text)
    captions = " | ".join(read.said("caption"))
    for group in ("Truth", "Detection", "Remediation", "Harm", "Duty", "Expectations", "Cost", "Time to repair"):
        assert group in captions
    assert "Simulated" in read.said("p")
    assert read.said("title")[0] == "Simulated: story"
    assert "Everything on this page is simulated" in text
    cells = read.said("td")
    assert {"by 20m at least 5 incidents", "3: inc-000001", "≥ 98.0 %", "20.7..100.0 %", "100.0 %"} <= set(cells)
    assert "1 of 3 expectations not met." in read.said("p")


def test_a_figure_added_to_a_group_is_shown() -> None:
    one = run()
    one.board["harm"]["birds_frightened"] = 3
    one.board["detection"]["by_moon"] = {"full": 0.5}
    read = Reader(page([one], title="story"))
    assert {"birds frightened", "by moon: full"} <= set(read.said("th"))
    assert "3" in read.said("strong")


def test_a_run_in_which_nothing_happened_has_its_page_too() -> None:
    read = Reader(page([run(history=SiteHistory())], title="quiet"))
    assert "There were no incidents." in read.said("p")
    assert read.data[0]["groups"] == []
    assert read.data[0]["at"] == []


def test_a_folder_has_an_index_whose_links_lead_to_its_sections() -> None:
    bad = run(name="b", failed=({"line": 3, "expected": "x", "got": "y"},), harm=Harm(outlets_left_off=1))
    read = Reader(page([run(name="a"), bad, run(name="c")], title="scenarios"))
    links = [attributes["href"] for attributes in read.named("a")]
    assert links == ["#run-1", "#run-2", "#run-3"]
    assert [attributes["id"] for attributes in read.named("section")] == ["run-1", "run-2", "run-3"]
    assert "1 of 3 scenarios did not go as expected." in read.said("p")
    assert len(read.data) == 3
    identities = [attributes["id"] for _, attributes in read.elements if attributes.get("id")]
    assert len(identities) == len(set(identities))


def test_every_plot_has_a_name_and_a_table_beside_it() -> None:
    read = Reader(page([run((incident(1, 600.0),), faults=(fault(560.0),))], title="story"))
    plots = [attributes for _, attributes in read.elements if attributes.get("role") == "img"]
    assert len(plots) >= 4
    assert all(plot["aria-label"] for plot in plots)
    assert any("97." in (plot["aria-label"] or "") or "98." in (plot["aria-label"] or "") for plot in plots)
    captions = read.said("caption")
    assert {"Simulated site hashrate over site time", "Simulated incidents"} <= set(captions)
    assert {"47", "inc-000001"} <= {*read.said("td"), *read.said("th")}


def test_the_list_has_first_what_did_not_end_well() -> None:
    many = tuple(incident(k, k * 30.0) for k in range(MAX_LISTED + 20))
    last = incident(MAX_LISTED + 20, 80_000.0, None)
    listed = [cell for cell in Reader(page([run((*many, last))], title="many")).said("th") if cell.startswith("inc-")]
    assert len(listed) == MAX_LISTED
    assert listed[-1] == last.id
    assert listed == sorted(listed)


# -- safe and self-contained -------------------------------------------------------------------------------------------


def test_hostile_names_stay_text() -> None:
    name = MinerId(HOSTILE)
    incidents = (incident(1, 600.0, id=IncidentId(HOSTILE), members=(name,), cause=HOSTILE),)
    failed = ({"line": 1, "expected": HOSTILE, "got": HOSTILE},)
    hostile = run(incidents, name=HOSTILE, faults=(fault(560.0, kind=HOSTILE, miners=(name,)),), failed=failed)
    harmless = Reader(page([run((incident(1, 600.0),), faults=(fault(560.0),), failed=failed)] * 2, title="x"))
    text = page([hostile, hostile], title=HOSTILE)
    read = Reader(text)
    assert [tag for tag, _ in read.elements] == [tag for tag, _ in harmless.elements]
    assert not any("onerror" in attributes for _, attributes in read.elements)
    assert not re.search("[\u2028\u2029\x00\u202e\ud800]", text)
    assert text.encode("utf-8")
    (span,) = read.data[0]["groups"][0]["spans"]
    assert "</script><script>alert(1)</script>" in span[6]
    assert all(text.isprintable() for text in span[5:])


def test_data_for_a_script_cannot_end_it() -> None:
    encoded = script_json(["</script>", "<!--", "&", "\u2028", "é"])
    assert encoded.isascii()
    assert not set("<>&") & set(encoded)
    assert json.loads(encoded) == ["</script>", "<!--", "&", "\u2028", "é"]
    with pytest.raises(ValueError, match="Out of range"):
        script_json(float("nan"))


def test_nothing_is_loaded_and_no_script_but_its_own_may_run() -> None:
    text = page([run((incident(1, 600.0),))], title="story")
    read = Reader(text)
    for tag, attributes in read.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert not attributes.keys() & {"src", "srcset", "action", "data", "poster", "background", "ping"}
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    style = "".join(read.said("style"))
    assert "@import" not in style
    assert all(url.strip("\"'").startswith("data:") for url in re.findall(r"url\(([^)]{0,8})", style))
    (policy,) = [a["content"] or "" for a in read.named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    assert {hash_of(script) for script in scripts} == allowed
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|eval)\(", scripts[1])


def hash_of(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_vendored_files_are_what_was_published_and_come_with_their_licences() -> None:
    lines = VENDOR.joinpath("SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    there = {entry.name for entry in VENDOR.iterdir()} - {"SHA256SUMS"}
    assert sums.keys() == there
    assert {"uPlot.LICENSE", "pico.LICENSE"} <= there
    for name, digest in sums.items():
        assert hashlib.sha256(VENDOR.joinpath(name).read_bytes()).hexdigest() == digest, name


# -- size and packing --------------------------------------------------------------------------------------------------


def test_a_month_with_1500_incidents_is_small_and_says_what_it_leaves_out() -> None:
    text = page([month(1500)], title="month")
    assert len(text.encode()) < 600_000
    read = Reader(text)
    groups = read.data[0]["groups"]
    assert sum(len(group["spans"]) for group in groups) == 1500
    assert all(group["lanes"] <= MAX_LANES for group in groups)
    assert len([cell for cell in read.said("th") if cell.startswith("inc-")]) == MAX_LISTED
    assert any("and 1,200 more" in said for said in read.said("p"))


def test_spans_in_a_lane_do_not_overlap_and_those_that_went_badly_come_first() -> None:
    rng = random.Random(3)
    spans = [
        Span(at, at + rng.uniform(1, 900), "assisted" if k % 10 == 0 else "auto_resolved", f"i{k}", "")
        for k, at in enumerate(rng.uniform(0, 9000) for _ in range(300))
    ]
    group = packed("stuck", spans, 10_000.0)
    assert group.left_out == 300 - len(group.placed) > 0
    lanes: dict[int, list[Span]] = {}
    for lane, span in group.placed:
        lanes.setdefault(lane, []).append(span)
    assert len(lanes) == group.lanes == MAX_LANES
    for lane_spans in lanes.values():
        ordered = sorted(lane_spans, key=lambda span: span.start_s)
        assert all((a.until_s or 0) <= b.start_s for a, b in pairwise(ordered))
    left = {span.label for span in spans} - {span.label for _, span in group.placed}
    assert all(span.status == "auto_resolved" for span in spans if span.label in left)


def test_waiting_for_a_person_takes_no_room_from_others() -> None:
    waiting = [Span(k * 100.0, None, ASKS, f"w{k}", "", escalated_s=k * 100.0 + 50.0) for k in range(50)]
    group = packed("stuck", waiting, 10_000.0)
    assert (group.lanes, group.left_out) == (1, 0)
    assert packed("stuck", [Span(0.0, None, "open", f"o{k}", "") for k in range(20)], 1e4).left_out == 20 - MAX_LANES


def test_of_too_many_incidents_those_that_went_well_are_left_out_and_counted() -> None:
    many = tuple(
        incident(k, k * 20.0, 15.0, outcome=Outcome.HUMAN_RESOLVED if k % 100 == 0 else Outcome.AUTO_RESOLVED)
        for k in range(MAX_SPANS + 500)
    )
    one = run(many, site_s=20.0 * (MAX_SPANS + 600))
    (group,) = grouped(one)
    assert len(group.placed) + group.left_out == len(many)
    assert len(group.placed) <= MAX_SPANS
    assert sum(span.status == Outcome.HUMAN_RESOLVED for _, span in group.placed) == len(range(0, len(many), 100))
    assert "Left out of the plot" in page([one], title="many")


def test_a_relapse_is_a_span_of_its_own_and_a_disturbance_has_its_row() -> None:
    earlier = Spell(EPOCH_S + 100.0, Reason.UNRESPONSIVE, Outcome.AUTO_RESOLVED, EPOCH_S + 400.0, None)
    again = incident(
        1,
        100.0,
        None,
        earlier=(earlier,),
        relapsed_at=EPOCH_S + 900.0,
        remediation_started_at=EPOCH_S + 120.0,
        phase=Phase.ESCALATED,
        escalated_at=EPOCH_S + 1500.0,
    )
    noise = fault(
        50.0, kind="wire.silent", counts=False, category=Category.OTHER, over_s=None, found=False, delay_s=None
    )
    one = run((again,), faults=(noise, fault(60.0, found=False, delay_s=None)))
    stuck, disturbances = grouped(one)
    assert [(s.label, s.start_s, s.until_s, s.status, s.remediated_s, s.escalated_s) for _, s in stuck.placed] == [
        ("inc-000001, relapse 1", 900.0, None, ASKS, None, 1500.0),
        ("inc-000001", 100.0, 400.0, "auto_resolved", 120.0, None),
    ]
    assert (disturbances.name, len(disturbances.placed)) == (DISTURBANCES, 1)
    data = plot_data(one, [stuck, disturbances])
    assert data["groups"][0]["faults"] == [[60, 0, "miner.process_died", "r1-01"]]
    assert data["unit"] == "PH/s"
    assert min(data["low"]) == 47.0


# -- distributions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[30.0], [0.0, 0.0], [1.0, 366 * DAY_S], [400 * DAY_S], [365 * DAY_S], [59.9, 60.0, 60.1], [1e-9, 5e7]]
)
def test_every_value_is_in_a_bar(values: list[float]) -> None:
    read = Reader(distribution("delay", {"stuck": values}))
    titles = read.said("title")
    assert sum(int(title.rpartition(": ")[2]) for title in titles) == len(values)
    bars = list(read.named("rect"))
    assert all(0 <= float(bar["x"] or -1) < 32 and 0 < float(bar["height"] or 0) <= 24 for bar in bars)


def test_several_categories_share_an_axis_and_have_a_row_for_all() -> None:
    read = Reader(distribution("delay", {"stuck": [10.0, 20.0], "pool": [], "thermal": [600.0]}))
    assert [said for said in read.said("th") if said in {"all", "stuck", "pool", "thermal"}] == [
        "all",
        "stuck",
        "thermal",
    ]
    assert "10 s" in read.said("span")
    assert "20 min" in read.said("span") or "15 min" in read.said("span") or "10 min" in read.said("span")


def test_an_interval_says_in_words_what_it_shows() -> None:
    ((_, attributes), *_) = Reader(interval_bar(0.9, (0.82, 0.95), 0.98)).elements
    assert attributes["aria-label"] == "90.0 %, 95 % interval 82.0 % to 95.0 %, target 98.0 %"
