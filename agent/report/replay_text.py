"""A story as lines of a terminal: its head, its moments one by one, and the plots of the signals. Pure."""

from collections.abc import Iterator, Mapping

from agent.report.explain import heading, wrapped
from agent.report.replay import Replay
from agent.report.story import Mark, Moment, Story
from agent.report.table import printable
from agent.report.terminal_plot import MARGIN, bars, columns, plot, ruler
from agent.report.text import NOTHING, duration, instant, later, listed, spelt

LEAST_WIDTH, MOST_WIDTH = 80, 160
SPARK_WIDTH = 32
INDENT = "       "

GLYPHS: Mapping[Mark, str] = {
    Mark.SEEN: "○",
    Mark.DECIDED: "·",
    Mark.PUT_OFF: "‖",
    Mark.ACTED: "▶",
    Mark.FAILED: "✗",
    Mark.PERSON: "☎",
    Mark.BETTER: "✓",
    Mark.AGENT: "□",
}


def head(story: Story, width: int) -> Iterator[str]:
    """Yield the lines above the moments: which incident, the steps of the KPIs, whose decisions these are."""
    for line in heading(story):
        yield from wrapped(line, "", width)
    yield from wrapped(" → ".join(step_words(story.steps)), "", width)
    yield from wrapped(whose(story), "", width)


def step_words(steps: Mapping[str, float | None]) -> list[str]:
    """Return how long after the detection each step of the KPIs came, in words."""
    return [f"{step} {NOTHING if after is None else later(after)}" for step, after in steps.items()]


def whose(story: Story) -> str:
    """Return whose decisions these are: version, configuration, playbook, and whether the site was simulated."""
    parts = (
        f"agent {story.software}" if story.software else "an agent of unknown version",
        f"configuration {story.config_fingerprint[:12]}" if story.config_fingerprint else "",
        f"playbook {story.playbook}" if story.playbook else "",
        "simulated" if story.simulated else "",
    )
    return ", ".join(filter(None, parts))


def moment_lines(moment: Moment, width: int) -> Iterator[str]:
    """Yield the lines of one moment: when, who, what; below it why, and what was newly seen."""
    step = f"{moment.step}: " if moment.step else ""
    by = "" if moment.by == "agent" else f"{moment.by}: "
    start = f"{moment.number:>3} {GLYPHS[moment.mark]}  {instant(moment.at)} {later(moment.after_s):>13}  "
    yield from wrapped(f"{start}{by}{step}{moment.what}", "", width, " " * len(start))
    for why in moment.why:
        yield from wrapped(why, INDENT, width)
    if moment.evidence:
        yield from wrapped(f"seen: {listed(moment.evidence)}", INDENT, width)


def spark_lines(shown: Replay, until: float) -> Iterator[str]:
    """Yield a line for each signal as it had gone until then (UTC s), with what it was last."""
    for signal in shown.signals:
        low, high = signal.bounds
        for trace in signal.traces[:1]:
            known = [value for at, value in trace.points if at <= until]
            if not known:
                continue
            values = columns(trace, shown.window, SPARK_WIDTH, until)
            (row,) = bars(values, low, high, rows=1)
            now = f"{spelt(known[-1])} {signal.unit}".rstrip()
            yield printable(f"{INDENT}{signal.name:<20.20} {row}│ {now}")


def plots(shown: Replay, width: int) -> Iterator[str]:
    """Yield the plots of all signals over the whole window, and the moments below them on the same axis of time."""
    if not shown.signals:
        yield "No figure of the evidence changed: there is nothing to plot."
        return
    window, room = shown.window, width - MARGIN - 1
    for signal in shown.signals:
        for line in plot(signal, window, room):
            yield printable(line)
    yield from ruler({m.number: m.at for m in notable(shown.story)}, window, room)
    span = f"{instant(window.start)} to {instant(window.end)}, {duration(window.end - window.start)}"
    yield f"{'':>{MARGIN}}{span}"


def notable(story: Story) -> list[Moment]:
    """Return the moments that stand at the plots: the steps of the KPIs, what was done, what people were asked."""
    marks = (Mark.ACTED, Mark.FAILED, Mark.PERSON, Mark.BETTER)
    return [m for m in story.moments if m.step or (m.mark in marks and not m.kind.startswith("notice"))]
