"""The signals that mattered in an incident, as series to be drawn: those that its evidence names. Pure.

A recording has them as they were read; without one the figures in the ledger's evidence are all there is, one for each
moment at which something was decided.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor

import msgspec

from agent.model.events import IncidentOpened, Record
from agent.report.figures import quantile

LEAST_SPAN_C = 10.0

LEAST_GAP_S = 60.0
"""Devices are read less often while nobody looks at them closely; that is no gap."""

GAP = 3.0
"""Readings that are missing for so many times the distance that nine in ten keep leave a gap in the line."""

MOST_SIGNALS = 8
MOST_TRACES = 4
"""Miners drawn in one plot: more are no longer told apart."""

UNITS = {
    "th": "TH/s",
    "c": "°C",
    "w": "W",
    "s": "s",
    "rpm": "rpm",
    "lpm": "L/min",
    "a": "A",
    "k": "K",
    "share": "share",
}
"""What the last part of a name stands for."""

_BOOKKEEPING = frozenset({"members", "of", "miners", "score", "severity", "position", "port_pvid", "usual_pvid"})
"""Figures that count or name something, and are no measurements."""

MOST_VALUE = 1e15
"""No measurement is greater."""

_AGES = ("_age_s", "told_s")
"""How old a reading was is no reading."""

Points = tuple[tuple[float, float], ...]


class Trace(msgspec.Struct, frozen=True):
    """One line of a plot.

    Attributes:
        device: whose.
        points: UTC s and value, in order.
        gap_s: where so much or more lies between two points nothing was read; 0 where the points stand for themselves.
    """

    device: str
    points: Points
    gap_s: float

    @property
    def runs(self) -> Iterator[Points]:
        """Yield the stretches without a gap."""
        run: list[tuple[float, float]] = []
        for point in self.points:
            if run and point[0] - run[-1][0] >= self.gap_s:
                yield tuple(run)
                run = []
            run.append(point)
        if run:
            yield tuple(run)

    def thinned(self, most: int) -> "Trace":
        """Return it with about so many points: of each stretch of time the least and the greatest are kept."""
        if len(self.points) <= most:
            return self
        size = -(-2 * len(self.points) // most)
        kept: list[tuple[float, float]] = []
        for first in range(0, len(self.points), size):
            some = self.points[first : first + size]
            ends = {min(some, key=lambda point: point[1]), max(some, key=lambda point: point[1])}
            kept += sorted(ends)
        return Trace(self.device, tuple(kept), self.gap_s * size)


class Signal(msgspec.Struct, frozen=True):
    """One plot."""

    name: str
    unit: str
    traces: tuple[Trace, ...]

    @property
    def bounds(self) -> tuple[float, float]:
        """Return what its axis goes from and to: from 0, but for temperatures, of which no small change looks great."""
        values = [value for trace in self.traces for _, value in trace.points]
        low, high = min(values), max(values)
        if self.unit != "°C":
            return min(0.0, low), max(0.0, high)
        spare = max(0.0, LEAST_SPAN_C - (high - low)) / 2.0
        return floor(low - spare), ceil(high + spare)


class Window(msgspec.Struct, frozen=True):
    """What is drawn: from when to when, UTC s."""

    start: float
    end: float

    def share(self, at: float) -> float:
        """Return the place of a moment in the window, 0 to 1."""
        return (at - self.start) / (self.end - self.start)


def line(device: str, points: Iterable[tuple[float, float]], least_gap_s: float = LEAST_GAP_S) -> Trace:
    """Return the line through these readings, broken where some are missing, for `least_gap_s` at least."""
    kept = tuple(points)
    steps = sorted(after[0] - before[0] for before, after in pairwise(kept))
    return Trace(device, kept, max(least_gap_s, GAP * quantile(steps, 0.9)) if steps else 0.0)


def named_signals(records: Sequence[Record]) -> list[str]:
    """Return the figures that the incident's evidence names, in the order in which they came up."""
    names: dict[str, None] = {}
    for record in records:
        names |= dict.fromkeys(getattr(record.event, "evidence", {}))
    return list(names)


def told_signals(records: Sequence[Record], names: Iterable[str]) -> list[Signal]:
    """Return what the evidence itself tells of these figures over time: those that were measured, and changed."""
    device = next((_subject(r.event) for r in records if isinstance(r.event, IncidentOpened)), "")
    found = []
    for name in names:
        points = tuple(
            (record.at, float(value))
            for record in records
            if isinstance(value := getattr(record.event, "evidence", {}).get(name), int | float)
            and not isinstance(value, bool)
            and abs(value) <= MOST_VALUE
        )
        title, unit = _spelt_name(name)
        if len({value for _, value in points}) > 1 and name not in _BOOKKEEPING and not name.endswith(_AGES):
            found.append(Signal(title, unit, (Trace(device, points, 0.0),)))
    return found


def _subject(event: IncidentOpened) -> str:
    return event.domain or next(iter(event.members), "")


def _spelt_name(name: str) -> tuple[str, str]:
    """Return a figure's name in words, and its unit; empty where the name has none."""
    words, _, unit = name.rpartition("_")
    if unit not in UNITS or not words:
        return name.replace("_", " "), ""
    return words.replace("_", " "), UNITS[unit]
