"""Plots out of characters, for a terminal: blocks of eighths, some rows high, blank where nothing was read."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from agent.report.signals import Signal, Trace, Window
from agent.report.text import spelt

EIGHTHS = " ▁▂▃▄▅▆▇█"
HEIGHT = 3
"""Rows of one plot: 24 levels are as many as one sees."""

MARGIN = 22
"""Characters left of the plots, for names and bounds."""


def columns(trace: Trace, window: Window, width: int, until: float) -> list[float | None]:
    """Return the mean value in each of `width` columns up to UTC s `until`; None where nothing was read."""
    ends = [window.start + (window.end - window.start) * (k + 1) / width for k in range(width)]
    sums, counts = [0.0] * width, [0] * width
    for at, value in trace.points:
        if window.start <= at <= min(window.end, until):
            column = min(bisect_left(ends, at), width - 1)
            sums[column] += value
            counts[column] += 1
    found: list[float | None] = [s / n if n else None for s, n in zip(sums, counts, strict=True)]
    known: tuple[float, float] | None = None
    for k, end in enumerate(ends):
        if found[k] is not None:
            known = (end, float(found[k] or 0.0))
        elif known is not None and end <= until and end - known[0] < trace.gap_s:
            found[k] = known[1]
    return found


def bars(values: list[float | None], low: float, high: float, rows: int = HEIGHT) -> list[str]:
    """Return rows of characters, the top one first; what is as low as `low` is still seen."""
    span = high - low
    levels = [
        None if v is None else 1 + round((v - low) / span * (8 * rows - 1)) if span > 0 else 4 * rows for v in values
    ]
    return [
        "".join(" " if level is None else EIGHTHS[min(8, max(0, level - 8 * row))] for level in levels)
        for row in reversed(range(rows))
    ]


def plot(signal: Signal, window: Window, width: int) -> Iterator[str]:
    """Yield the lines of one signal's plot, its traces one below the other on one scale."""
    low, high = signal.bounds
    unit = f" {signal.unit}" if signal.unit else ""
    yield f"{signal.name}{unit and ','}{unit}"
    for trace in signal.traces:
        values = columns(trace, window, width, window.end)
        margins = [f"{spelt(high)} ┤", f"{trace.device[: MARGIN - 2]} │", f"{spelt(low)} ┤"]
        for margin, row in zip(margins, bars(values, low, high), strict=True):
            yield f"{margin:>{MARGIN}}{row.rstrip()}"


def ruler(moments: Mapping[int, float], window: Window, width: int) -> Iterator[str]:
    """Yield a line with ticks and one with the numbers of moments (UTC s by number), those that have room."""
    ticks, names = ["─"] * width, [" "] * width
    for number, at in moments.items():
        place = min(width - 1, max(0, int(window.share(at) * width)))
        ticks[place] = "┴"
        text = str(number)
        room = names[max(0, place - 1) : place + len(text) + 1]
        if place + len(text) <= width and all(c == " " for c in room):
            names[place : place + len(text)] = text
    yield f"{'└':>{MARGIN}}{''.join(ticks)}"
    yield f"{'moment ':>{MARGIN}}{''.join(names).rstrip()}"
