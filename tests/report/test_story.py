"""A story from records, and its plots: what was told once, in order, with what was newly seen at each moment."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.chain import GENESIS, Row, digest, encode
from agent.ledger.episode import Episode, episode
from agent.model.events import (
    Actor,
    AgentStarted,
    AgentStopped,
    AnyEvent,
    Closed,
    HoldChanged,
    IncidentOpened,
    Moved,
    NoticeDue,
    NoticeSettled,
    WindowEnded,
    WindowSet,
)
from agent.model.ids import ChannelId, IncidentId, MinerId, NoticeId, WindowId
from agent.model.incident import Evidence, Outcome
from agent.model.notice import Topic
from agent.model.windows import EndReason, Purpose
from agent.report.replay import Replay, replay
from agent.report.replay_text import LEAST_WIDTH, head, moment_lines, plots, spark_lines
from agent.report.signals import Trace, Window, line
from agent.report.story import Guide, Mark, Moment, Story
from agent.report.terminal_plot import bars, columns
from tests.ledger.examples import EPOCH_S, INC, LIFE, OPENED, RUN

STEP_S = 10.0
GUIDE = Guide({("gather", "done"): "All was read"}, {"power_off": "the guards, about power_off"})


def chained(events: Sequence[AnyEvent], at: float = EPOCH_S, step_s: float = STEP_S) -> list[Row]:
    """Return events as a ledger's rows, one every `step_s`."""
    rows: list[Row] = []
    for seq, event in enumerate(events, start=1):
        body, at_ms = encode(event), round((at + step_s * (seq - 1)) * 1000)
        prev = rows[-1].hash if rows else GENESIS
        content = digest(seq=seq, at_ms=at_ms, actor=Actor.AGENT, kind=body.kind, body=body.text, prev=prev)
        rows.append(Row(seq, at_ms, Actor.AGENT, body.kind, body.incident, body.text, prev, content))
    return rows


def found(events: Sequence[AnyEvent]) -> Episode:
    met = episode(chained(events), INC, Path("ledger"))
    assert met is not None
    return met


def shown(events: Sequence[AnyEvent]) -> Replay:
    met = found(events)
    return replay(met.incident, met.records, met.started, GUIDE)


def told(events: Sequence[AnyEvent]) -> Story:
    return shown(events).story


def the(story: Story, kind: str) -> Moment:
    return next(moment for moment in story.moments if moment.kind == kind)


def moved(**evidence: str | float | None) -> Moved:
    seen: Evidence = dict(evidence)
    return Moved(incident=INC, run=RUN, trigger="done", from_state="gather", to_state="power_off", evidence=seen)


def test_the_steps_of_the_kpis_stand_at_their_moments_and_above_them() -> None:
    story = told(LIFE[: 1 + [type(event) for event in LIFE].index(Closed)])
    assert [m.step for m in story.moments if m.step] == [
        "detected",
        "alerted",
        "remediation started",
        "mitigated",
        "resolved",
    ]
    assert [m.number for m in story.moments] == list(range(1, len(story.moments) + 1))
    for moment in story.moments:
        if moment.step:
            assert moment.after_s == pytest.approx(story.steps[moment.step])
    assert (story.software, story.config_fingerprint, story.simulated) == ("0.1.0", "c0ffee", True)


def test_a_moment_says_why_and_shows_only_what_is_new() -> None:
    shared = "switch:sw-1 +41.2 (12 of 12); rack:r1 +3.9 (12 of 24)"
    opened = IncidentOpened(
        incident=INC,
        category=OPENED.category,
        cause=OPENED.cause,
        severity=OPENED.severity,
        members=OPENED.members,
        detected_at=OPENED.detected_at,
        evidence={"considered": shared, "misses": 6, "draw_w": 16.0},
    )
    story = told([opened, moved(misses=9, draw_w=16.0, logs="kernel panic")])
    assert the(story, "detected").why == (
        "cause chosen: switch:sw-1 +41.2 (12 of 12)",
        "cause weighed: rack:r1 +3.9 (12 of 24)",
    )
    assert the(story, "detected").evidence == {"misses": 6, "draw_w": 16.0}
    assert the(story, "moved").evidence == {"misses": 9}
    assert the(story, "moved").why == ("All was read", "then waits for the guards, about power_off")


def test_verdicts_stand_in_the_order_the_guards_were_asked_by_the_agent_of_then() -> None:
    start = AgentStarted(
        version="0.1.0",
        site="n",
        config_fingerprint="c",
        playbooks={},
        simulated=False,
        gates=("mode", "cooldown", "x"),
    )
    story = told([start, *LIFE[1:]])
    judged = the(story, "judged")
    assert judged.mark is Mark.PUT_OFF
    assert judged.why == (
        "allowed by mode",
        "cooldown: defer: cooldown, until 2026-03-01 12:00:05Z",
        "not asked then: x",
    )
    assert the(story, "intended").why[0] == "allowed by all: mode, cooldown, x"


def test_what_befell_the_agent_and_who_was_told_belongs_to_it_and_nothing_else_does() -> None:
    closed = Closed(incident=INC, outcome=Outcome.HUMAN_RESOLVED)
    due = NoticeDue(notice=NoticeId("no-000001"), topic=Topic.ESCALATION, channels=(ChannelId("ops"),), incident=INC)
    mine = NoticeSettled(notices=(NoticeId("no-000001"),), channel=ChannelId("ops"), delivered=True, tries=2)
    others = NoticeSettled(notices=(NoticeId("no-000002"),), channel=ChannelId("ops"), delivered=True, tries=1)

    def window(number: int, miner: MinerId) -> WindowSet:
        return WindowSet(
            window=WindowId(f"w-{number}"),
            purpose=Purpose.CURTAILED,
            scope=(miner,),
            miners=(miner,),
            share=0.0,
            until=EPOCH_S + 900.0,
            why="grid",
        )

    def over(number: int) -> WindowEnded:
        return WindowEnded(window=WindowId(f"w-{number}"), reason=EndReason.EXPIRED)

    other = IncidentId("inc-000002")
    events: list[AnyEvent] = [
        HoldChanged(why="before it"),
        OPENED,
        Moved(incident=other, run=RUN, trigger="t", from_state="a", to_state="b"),
        HoldChanged(why="a storm is coming"),
        due,
        others,
        window(1, OPENED.members[0]),
        window(2, MinerId("r9-m99")),
        over(2),
        over(1),
        AgentStopped(reason="update"),
        closed,
        HoldChanged(why=None),
        mine,
    ]
    kinds = [moment.kind for moment in told(events).moments]
    assert kinds == [
        "detected",
        "incident_opened",
        "hold_changed",
        "notice_due",
        "window_set",
        "window_ended",
        "agent_stopped",
        "closed",
        "notice_settled",
    ]


def test_an_id_of_nothing_has_no_episode() -> None:
    assert episode(chained(LIFE), IncidentId("inc-999999"), Path("ledger")) is None


@pytest.mark.parametrize("width", [LEAST_WIDTH, 133])
def test_every_line_fits_and_steers_no_terminal(width: int) -> None:
    hostile = moved(text="\x1b[2J\u202e" * 40, hashrate_th=1.0, draw_w=3.0)
    played = shown([*LIFE, hostile, moved(hashrate_th=9.0, draw_w=2.0)])
    lines = [*head(played.story, width), *plots(played, width)]
    for moment in played.story.moments:
        lines += [*moment_lines(moment, width), *spark_lines(played, moment.at)]
    assert all(len(text) <= width and text.isprintable() for text in lines)
    text = " ".join(" ".join(lines).split())
    for words in ("hashrate, TH/s", "draw, W", "remediation started: power_off r1-m07 [pdu-a/7 pdu-b/7]", "kim"):
        assert words in text, words


def test_figures_of_the_evidence_are_plotted_where_they_were_measured_and_changed() -> None:
    events = [OPENED, *(moved(hashrate_th=v, outlets_age_s=v, members=v, chips=3.0, up=True) for v in (5.0, 7.0))]
    (signal,) = shown(events).signals
    assert (signal.name, signal.unit) == ("hashrate", "TH/s")
    assert signal.traces == (Trace("r1-m07", ((EPOCH_S + 10.0, 5.0), (EPOCH_S + 20.0, 7.0)), 0.0),)
    assert signal.bounds == (0.0, 7.0)


def test_missing_readings_are_blank_and_nothing_is_shown_before_its_time() -> None:
    readings = line("m", [(float(at), 1.0) for at in (*range(0, 400, 10), *range(800, 1001, 10))])
    assert [len(run) for run in readings.runs] == [40, 21]
    window = Window(0.0, 1000.0)
    assert columns(readings, window, 10, until=1000.0) == [1.0] * 4 + [None] * 3 + [1.0] * 3
    assert columns(readings, window, 10, until=250.0) == [1.0, 1.0, 1.0] + [None] * 7


@given(st.lists(st.floats(-1e9, 1e9) | st.none(), max_size=60), st.integers(1, 4))
def test_bars_have_a_character_for_each_value(values: list[float | None], rows: int) -> None:
    known = [value for value in values if value is not None]
    drawn = bars(values, min(known, default=0.0), max(known, default=0.0), rows)
    assert [len(row) for row in drawn] == [len(values)] * rows
    assert [c == " " for c in drawn[-1]] == [value is None for value in values]
