"""Reads one mapping of a scenario file, key by key, and notes what is wrong with its place. Knows no key by name."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.config.errors import Place, Problem
from agent.config.source import Node, Step
from agent.config.wording import choice, closest, number_text, shown

UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
LONGEST_S = 366 * 86_400.0

_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?\s*(?:min|[smhdw])\s*)+")
_PART = re.compile(r"([0-9.]+)\s*(min|[smhdw])")

DURATION = "a duration such as 90s, 30m, 2h or 1d"


def seconds(value: object) -> float | None:
    """Return a duration in s; None where it is none. A bare 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str) or not _DURATION.fullmatch(value.strip()):
        return None
    return math.fsum(float(number) * UNITS_S[unit] for number, unit in _PART.findall(value))


@dataclass(frozen=True, slots=True)
class Entry:
    """One mapping somewhere in a file.

    Attributes:
        root: the whole file. steps: the way to this mapping.
        problems: where to note what is wrong.
    """

    root: Node
    steps: tuple[Step, ...]
    problems: list[Problem]

    @property
    def node(self) -> Node:
        """The mapping itself."""
        node: Node | None = self.root
        for step in self.steps:
            node = node.child(step) if node is not None else None
        return node if node is not None else Node(self.root.place, {})

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.root.at(*self.steps)

    @property
    def keys(self) -> list[str]:
        """The keys it has."""
        value = self.node.value
        return list(value) if isinstance(value, dict) else []

    def refuse(self, *steps: Step, expected: str, got: str, remedy: str) -> None:
        """Note a problem of the value under `steps`."""
        full = (*self.steps, *steps)
        self.problems.append(Problem(self.root.at(*full), self.root.dotted(*full), expected, got, remedy))

    def check_keys(self, known: Sequence[str], required: Iterable[str] = ()) -> bool:
        """Note unknown and missing keys; tell whether all that is required is there."""
        for key in self.keys:
            if key not in known:
                close = closest(key, known)
                remedy = f"did you mean {close!r}?" if close else "remove it"
                full = (*self.steps, key)
                want = f"{close!r}" if close else choice(known)
                place, path = self.root.key_at(*full), self.root.dotted(*full)
                self.problems.append(Problem(place, path, want, f"the unknown key {key[:60]!r}", remedy))
        missing = [key for key in required if key not in self.keys]
        for key in missing:
            self.refuse(expected=f"the key {key}", got="none", remedy=f"add {key}: …")
        return not missing

    def raw(self, key: str) -> object:
        """Return a value without places; None where there is none."""
        child = self.node.child(key)
        return child.plain() if child is not None else None

    def text(self, key: str, expected: str, *, default: str = "") -> str:
        """Return a text; `default` where there is none or it was refused."""
        value = self.raw(key)
        if key not in self.keys:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip() or len(value) > 256 or not value.isprintable():
            self.refuse(key, expected=expected, got=shown(value), remedy="write it as text")
            return default
        return value.strip()

    def choice(self, key: str, names: Sequence[str]) -> str | None:
        """Return one of `names`; None where there is none or it was refused."""
        if key not in self.keys:
            return None
        value = self.raw(key)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if text in names:
            return text
        close = closest(text, names) if text else None
        remedy = f"did you mean {close!r}?" if close else "write one of them"
        self.refuse(key, expected=choice(names), got=shown(value), remedy=remedy)
        return None

    def whole(self, key: str, least: int, most: int, *, default: int) -> int:
        """Return a whole number between two bounds; `default` where there is none or it was refused."""
        value = self.number(key, least, most, default=default, whole=True)
        return int(value)

    def number(self, key: str, least: float, most: float, *, default: float, whole: bool = False) -> float:
        """Return a number between two bounds; `default` where there is none or it was refused."""
        value = self.raw(key)
        if key not in self.keys:
            return default
        right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if isinstance(value, int | float) and right and least <= value <= most:
            return value
        kind = "a whole number" if whole else "a number"
        bounds = f"{kind} from {number_text(least)} to {number_text(most)}"
        self.refuse(key, expected=bounds, got=shown(value), remedy=f"write {kind} in that range")
        return default

    def duration(self, key: str, *, least_s: float = 0.0, most_s: float = LONGEST_S) -> float | None:
        """Return a duration in s; None where there is none or it was refused."""
        if key not in self.keys:
            return None
        value = self.raw(key)
        took_s = seconds(value)
        if took_s is not None and least_s <= took_s <= most_s:
            return took_s
        if took_s is not None:
            want = f"a duration from {written(least_s)} to {written(most_s)}"
            self.refuse(key, expected=want, got=shown(value), remedy="write one in that range")
            return None
        bare = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        remedy = f"add the unit: {shown(value)}s for seconds" if bare else "write a number with its unit, not negative"
        self.refuse(key, expected=DURATION, got=shown(value), remedy=remedy)
        return None

    def mapping(self, key: str) -> "Entry | None":
        """Return the mapping under `key`; None where there is none or it was refused."""
        child = self.node.child(key)
        if child is None or child.value is None:
            return None
        if not isinstance(child.value, dict):
            self.refuse(key, expected="a mapping", got=shown(child.plain()), remedy="write {key: value, …}")
            return None
        return Entry(self.root, (*self.steps, key), self.problems)

    def items(self, key: str) -> Iterator["Entry"]:
        """Yield the mappings of the list under `key`."""
        child = self.node.child(key)
        if child is None or child.value is None:
            return
        if not isinstance(child.value, list):
            got = shown(child.plain())
            self.refuse(key, expected="a list of mappings", got=got, remedy="begin each item with a dash")
            return
        for index, item in enumerate(child.value):
            if isinstance(item.value, dict):
                yield Entry(self.root, (*self.steps, key, index), self.problems)
            else:
                remedy = "write {key: value, …}"
                self.refuse(key, index, expected="a mapping", got=shown(item.plain()), remedy=remedy)


def written(duration_s: float) -> str:
    """Return a duration as scenarios write it: 90s, 20m, 2h."""
    for unit, length_s in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if duration_s >= length_s and duration_s % length_s == 0:
            return f"{number_text(duration_s / length_s)}{unit}"
    return f"{number_text(duration_s)}s"
