"""A replay as one HTML file that needs nothing else and runs no script: plots on one axis of time, moments below them.

Whatever a device, an archive or a person had a say in is escaped where it becomes markup.
"""

from collections.abc import Iterator, Mapping
from string import Template

from agent import __version__
from agent.model.incident import OWN, Outcome
from agent.report.explain import where_and_what
from agent.report.markup import Markup, escaped, joined
from agent.report.parts import part, policy
from agent.report.replay import Replay
from agent.report.replay_text import notable, whose
from agent.report.signals import Signal, Trace, Window
from agent.report.story import Mark, Moment, Story
from agent.report.text import duration, instant, later, named, spelt

MOST_POINTS = 800
"""Of one line: more than a screen has columns."""

LEAST_APART = 0.022
"""Share of the axis that two numbers on the ruler are apart; one that is nearer stands in the plots alone."""

WIDTH, HEIGHT = 1000, 100
"""What the plots are drawn in; the browser stretches it."""

PHASES = (
    ("untreated", "detected", "remediation started", "found, nothing done yet"),
    ("treated", "remediation started", "mitigated", "being treated"),
    ("proving", "mitigated", "resolved", "better, proof pending"),
)
"""What the background of the plots says: its class, from which step of the KPIs to which, in words."""

FINE = frozenset({Outcome.AUTO_RESOLVED, Outcome.ASSISTED, Outcome.SELF_RECOVERED, Outcome.SUPPRESSED})


def page(shown: Replay) -> str:
    """Return the page."""
    story = shown.story
    simulated = "Everything on this page is simulated: no figure of it was measured on a real site. "
    return Template(part("assets/replay.html")).substitute(
        title=escaped(f"{'Simulated: ' if story.simulated else ''}{story.incident}"),
        policy=policy(),
        styles="\n".join(map(part, ("vendor/pico.classless.min.css", "assets/page.css", "assets/replay.css"))),
        header=_header(story),
        steps=_steps(story),
        plots=_plots(shown) if shown.signals else Markup('<p class="note">No figure of the evidence changed.</p>'),
        moments=_moments(story),
        footer=escaped(f"{simulated if story.simulated else ''}Times are UTC. terrahash-agent {__version__}"),
    )


def _header(story: Story) -> Markup:
    tag = Markup('<p class="simulated">Simulated</p>') if story.simulated else ""
    state = "good" if story.state in FINE else "bad"
    facts = (where_and_what(story), named(story.miners) or OWN, f"detected {instant(story.detected_at)}", whose(story))
    return Markup(
        f'<header class="replay">{tag}<h1>{escaped(story.incident)} '
        f'<small class="{state}">{escaped(story.state.replace("_", " "))}</small></h1>'
        f'<p class="facts">{escaped(" · ".join(facts))}</p></header>'
    )


def _steps(story: Story) -> Markup:
    boxes = (
        f'<div class="{"waiting" if after is None else "come"}"><dt>{escaped(step)}</dt>'
        f"<dd><b>{escaped('not' if after is None else later(after))}</b></dd></div>"
        for step, after in story.steps.items()
    )
    return Markup(f'<dl class="headline steps">{"".join(boxes)}</dl>')


def _plots(shown: Replay) -> Markup:
    story, window = shown.story, shown.window
    behind = joined((*_phases(story, window), *_lines(story, window)), "")
    lanes = joined(_lane(signal, window, behind) for signal in shown.signals)
    keys = "".join(
        f'<li><i class="{css}"></i>{escaped(words)}</li>' for css, _, until, words in PHASES if story.steps.get(until)
    )
    return Markup(
        f'<figure class="signals"><figcaption>What was measured, and what was decided then</figcaption>'
        f'{lanes}<div class="lane"><div></div>{_ruler(story, window)}</div><ul class="key">{keys}</ul></figure>'
    )


def _phases(story: Story, window: Window) -> Iterator[Markup]:
    """Yield the stretches between the steps of the KPIs, as a background."""
    for css, since, until, words in PHASES:
        start, end = story.steps[since], story.steps[until]
        if start is None or end is None or end <= start:
            continue
        x, right = (_x(window, story.detected_at + after) for after in (start, end))
        yield Markup(
            f'<rect class="{css}" x="{x}" y="0" width="{right - x:.2f}" height="{HEIGHT}">'
            f"<title>{escaped(words)}, {escaped(duration(end - start))}</title></rect>"
        )


def _lines(story: Story, window: Window) -> Iterator[Markup]:
    for moment in notable(story):
        x = _x(window, moment.at)
        said = f"{moment.number}: {later(moment.after_s)} {moment.step or moment.what}"
        yield Markup(
            f'<a href="#m{moment.number}"><line class="{_css(moment.mark)}" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}">'
            f"<title>{escaped(said)}</title></line></a>"
        )


def _lane(signal: Signal, window: Window, behind: Markup) -> Markup:
    low, high = signal.bounds
    unit = f", {signal.unit}" if signal.unit else ""
    devices = joined((_device(k, trace) for k, trace in enumerate(signal.traces)), " ")
    drawn = joined((_drawn(k, trace, window, low, high) for k, trace in enumerate(signal.traces)), "")
    said = f"{signal.name}{unit}: between {spelt(low)} and {spelt(high)}"
    return Markup(
        f'<div class="lane"><div><span>{escaped(spelt(high))}</span>'
        f"<span><b>{escaped(signal.name)}</b>{escaped(unit)}<br>{devices}</span><span>{escaped(spelt(low))}</span></div>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escaped(said)}">'
        f"{behind}{drawn}</svg></div>"
    )


def _device(number: int, trace: Trace) -> Markup:
    last = f"{trace.device} last {spelt(trace.points[-1][1])}"
    return Markup(f'<span class="t{number}" title="{escaped(last)}">{escaped(trace.device)}</span>')


def _drawn(number: int, trace: Trace, window: Window, low: float, high: float) -> Markup:
    """Return a trace as one path: its runs one after the other, a point that stands alone as a dot."""
    span = (high - low) or 1.0
    runs = []
    for run in trace.thinned(MOST_POINTS).runs:
        places = [f"{_x(window, at)} {96 - 92 * (value - low) / span:.1f}" for at, value in run]
        runs.append(f"M{'L'.join(places)}" if len(places) > 1 else f"M{places[0]}h0")
    dotted = " points" if trace.gap_s == 0.0 else ""
    return Markup(f'<path class="t{number}{dotted}" d="{"".join(runs)}"/>')


def _ruler(story: Story, window: Window) -> Markup:
    """Return the numbers of the moments, those that have room, and the times at the ends."""
    numbers, last = [], -1.0
    for moment in notable(story):
        share = window.share(moment.at)
        if share - last >= LEAST_APART:
            last = share
            numbers.append(
                f'<a href="#m{moment.number}" style="left:{share * 100:.2f}%" '
                f'title="{escaped(later(moment.after_s))}">{moment.number}</a>'
            )
    ends = f'<span style="left:0">{instant(window.start)}</span><span style="left:100%">{instant(window.end)}</span>'
    return Markup(f'<div class="ruler">{"".join(numbers)}{ends}</div>')


def _moments(story: Story) -> Markup:
    return Markup(f'<h2>Moment by moment</h2><ol class="moments">{joined(map(_moment, story.moments))}</ol>')


def _moment(moment: Moment) -> Markup:
    by = "" if moment.by == "agent" else Markup(f"{escaped(moment.by)}: ")
    step = Markup(f"<b>{escaped(moment.step)}</b>: ") if moment.step else ""
    why = "".join(f'<p class="why">{escaped(line)}</p>' for line in moment.why)
    return Markup(
        f'<li id="m{moment.number}" class="{_css(moment.mark)}"><span class="no">{moment.number}</span>'
        f'<time class="at">{instant(moment.at)}</time><span class="after">{escaped(later(moment.after_s))}</span>'
        f'<div class="words"><p class="what">{by}{step}{escaped(moment.what)}</p>'
        f"{why}{_evidence(moment.evidence)}</div></li>"
    )


def _evidence(evidence: Mapping[str, object]) -> str:
    if not evidence:
        return ""
    told = " · ".join(f"{escaped(key)} <b>{escaped(spelt(value))}</b>" for key, value in evidence.items())
    return f'<p class="evidence">seen: {told}</p>'


def _css(mark: Mark) -> str:
    return mark.value.replace(" ", "-")


def _x(window: Window, at: float) -> float:
    return round(WIDTH * min(1.0, max(0.0, window.share(at))), 2)
