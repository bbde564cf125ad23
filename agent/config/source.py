"""A configuration as a tree that remembers where every value was written, and bounded reading of its files.

The tree is the same for YAML and CSV, so that everything after the parsers (schema, cross checks) names places alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.config.errors import ConfigError, Place, Problem
from agent.config.files import read_bounded

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Larger than any site's inventory by a factor of ten; a bound, not a target."""

SECRETIVE_KEYS = frozenset(
    {"snmp", "logins", "community", "write_community", "password", "auth", "priv", "credential"}
    | {"apprise", "webhook", "key"}
)
"""Under these a mistaken value may be the secret itself, so no message repeats it."""

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]
Step = str | int
Steps = tuple[Step, ...]


@dataclass(slots=True)
class Node:
    """One value and where it stands.

    Attributes:
        keys: for a mapping, where each key stands.
        size: nodes of the subtree with aliases counted as often as they are used.
    """

    place: Place
    value: "Scalar | list[Node] | dict[str, Node]"
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Plain:
        """Return the value without places, as fresh lists and dicts."""
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        return self.value

    def child(self, step: Step) -> "Node | None":
        """Return the child under that key or index; None where there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def remove(self, step: Step) -> None:
        """Remove the child under that key or index, if there is one."""
        if isinstance(self.value, dict) and isinstance(step, str):
            self.value.pop(step, None)
        elif isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            del self.value[step]

    def at(self, *steps: Step) -> Place:
        """Return where the value under `steps` stands, or the nearest enclosing value that does exist."""
        node = self
        for step in steps:
            child = node.child(step)
            if child is None:
                break
            node = child
        return node.place

    def key_at(self, *steps: Step) -> Place:
        """Return where the last key of `steps` stands, or the nearest enclosing value."""
        *parents, last = steps
        node: Node | None = self
        for step in parents:
            node = node.child(step) if node is not None else None
        if node is not None and isinstance(last, str) and last in node.keys:
            return node.keys[last]
        return self.at(*steps)

    def dotted(self, *steps: Step) -> str:
        """Return `steps` as people write them; a list's item goes by its id where it has one."""
        text = ""
        for step, node in zip(steps, self._walk(steps), strict=False):
            if isinstance(step, str):
                text += f".{step}" if text else step
            else:
                name = node.child("id") if node is not None else None
                text += f"[{step if name is None or not isinstance(name.value, str) else name.value[:64]}]"
        return text

    def _walk(self, steps: Steps) -> Iterator["Node | None"]:
        node: Node | None = self
        for step in steps:
            node = node.child(step) if node is not None else None
            yield node


def is_secretive(keys: Iterable[object]) -> bool:
    """Tell whether a value under these keys may be a secret that was written where its name belongs."""
    return any(str(key).lower() in SECRETIVE_KEYS for key in keys)


def read_text(path: Path, place: Place) -> str:
    """Return a file's UTF-8 text, at most `MAX_FILE_BYTES`; raises ConfigError, at `place` if it cannot be read."""
    try:
        data, _ = read_bounded(path, MAX_FILE_BYTES)
    except OSError as error:
        got = f"{str(path)!r}: {error.strerror}"
        raise _refused(place, "a file that can be read", got, "check the path and its rights") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        bad = Place(str(path), line, column)
        raise _refused(bad, "UTF-8 text", f"the byte 0x{data[error.start]:02x}", "save the file as UTF-8") from None


def _refused(place: Place, expected: str, got: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(place, "", expected, got, remedy)])
