"""Replies of which few figures change from one to the next: the rest is encoded once. Which figures, say the families.

A form is written as the JSON document itself, with a `Figure` wherever a value changes. A day of a simulated site is a
million replies of four kilobytes; filling a form takes a third of the time of building and encoding the document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import msgspec
from msgspec.structs import replace

from simulators.plant.readings import PoolReading, Readings, Tally

TRUTH = ("false", "true")
"""How JSON spells a flag: the figure behind `plain` of a bool."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value that changes: its name, and how it is printed."""

    name: str
    printed: str


def whole(name: str) -> Figure:
    """Return a figure printed as an integer."""
    return Figure(name, "%d")


def fixed(name: str, decimals: int = 2) -> Figure:
    """Return a figure printed with so many decimals, two as cgminer prints rates."""
    return Figure(name, f"%.{decimals}f")


def plain(name: str) -> Figure:
    """Return a figure printed as it is: a number in full, or a spelling from TRUTH."""
    return Figure(name, "%s")


def text(name: str) -> Figure:
    """Return a figure printed as a string; it holds nothing that JSON would escape."""
    return Figure(name, '"%s"')


def text_fixed(name: str) -> Figure:
    """Return a figure printed as a string, a number with two decimals."""
    return Figure(name, '"%.2f"')


class Form:
    """One document with at least one figure in it. Raises TypeError for a value JSON has no form of."""

    __slots__ = ("_in_order", "_pattern")

    def __init__(self, document: object) -> None:
        names: list[str] = []
        self._pattern = _pattern(document, names)
        self._in_order: Callable[[Mapping[str, object]], tuple[object, ...]] = itemgetter(*names)

    def fill(self, figures: Mapping[str, object]) -> msgspec.Raw:
        """Return the document, encoded; KeyError if a figure is missing, others are ignored."""
        return msgspec.Raw((self._pattern % self._in_order(figures)).encode())


class Latest:
    """The figures of the latest reading, worked out once for all the commands of a request."""

    __slots__ = ("_figures", "_reading", "_work_out")

    def __init__(self, work_out: Callable[[Readings, int], dict[str, object]]) -> None:
        self._work_out = work_out
        self._reading: Readings | None = None
        self._figures: dict[str, object] = {}

    def of(self, reading: Readings, when: int) -> dict[str, object]:
        """Return the figures; `when` is the reading's Unix time."""
        if reading is not self._reading:
            self._figures = self._work_out(reading, when)
            self._reading = reading
        return self._figures


class PoolsForm:
    """The reply about one miner's pools: a form that is made anew when anything but their figures changes.

    Only the pool worked for has figures, and each has the time of its last share; the rest of a line stands still.

    Args:
        line: a pool's line, from its place in the configuration and its reading.
        reply: the whole document with these lines.
    """

    __slots__ = ("_form", "_line", "_reply", "_seen", "_shape")

    def __init__(
        self,
        line: Callable[[int, PoolReading], dict[str, object]],
        reply: Callable[[Sequence[dict[str, object]]], Form],
    ) -> None:
        self._line = line
        self._reply = reply
        self._seen: tuple[PoolReading, ...] | None = None
        self._shape: tuple[PoolReading, ...] = ()
        self._form = reply(())

    def fill(self, reading: Readings, figures: Mapping[str, object]) -> msgspec.Raw:
        """Return the document, encoded, with the figures of that reading."""
        pools = reading.pool_book.pools
        if pools is not self._seen:
            self._seen = pools
            shape = tuple([replace(p, tally=_UNCOUNTED, active_s=0.0) if p.active else p for p in pools])
            if shape != self._shape:
                self._shape = shape
                self._form = self._reply([self._line(number, pool) for number, pool in enumerate(shape)])
        return self._form.fill(figures)


_UNCOUNTED = Tally()


def _pattern(part: object, names: list[str]) -> str:
    """Return a part as a printf pattern, and append the names of its figures in their order."""
    if isinstance(part, Figure):
        names.append(part.name)
        return part.printed
    if isinstance(part, Mapping):
        return "{" + ",".join(f"{_constant(key)}:{_pattern(value, names)}" for key, value in part.items()) + "}"
    if isinstance(part, list | tuple):
        return "[" + ",".join(_pattern(item, names) for item in part) + "]"
    return _constant(part)


def _constant(value: object) -> str:
    return msgspec.json.encode(value).decode().replace("%", "%%")
