"""YAML text to a tree with places. Nothing is executed, nothing is guessed.

It reads the C parser's events instead of its node graph: a nested bomb of a few kilobytes overflows the C stack while
a graph is composed, and reading events costs a tenth of the time. Plain scalars resolve as in YAML 1.2's core schema;
what YAML 1.1 would silently turn into another number (`22:00`, `010`) is a problem, and so are duplicate keys.
"""

import math
import re

import yaml

from agent.config.errors import ConfigError, Place, Problem
from agent.config.source import Node, Scalar, is_secretive

MAX_DEPTH = 32
MAX_NODES = 1_000_000
"""Values of a file with aliases expanded: an inline inventory of 14,000 miners has 150,000."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_LIKE_MAC = re.compile(r"[0-9]{2}(:[0-9]{2}){4,}")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class _Frame:
    """One open list or mapping."""

    __slots__ = ("anchor", "key", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: str | None = None


class _Builder:
    """Puts the tree together from events, with an explicit stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def feed(self, event: yaml.Event) -> None:
        """Take one event; raises ConfigError for what makes the rest meaningless."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = self._stack.pop()
            self._anchor(frame.anchor, frame.node)
            self._add(frame.node)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self._fatal(self._place(event), "one document", "a second one", "remove the line ---")

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        place = self._place(event)
        if len(self._stack) >= MAX_DEPTH:
            self._fatal(place, f"at most {MAX_DEPTH} levels", "deeper nesting", "nothing here nests that deep")
        if self._awaits_key():
            self._fatal(place, "a key as plain text", "a list or mapping as a key", "put its braces in quotes")
        self._refuse_tag(event.tag, place)
        node = Node(place, {} if isinstance(event, yaml.MappingStartEvent) else [])
        self._stack.append(_Frame(node, event.anchor))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._place(event)
        self._refuse_tag(event.tag, place)
        if self._awaits_key():
            self._key(event.value, place)
            return
        plain = event.implicit[0] and event.tag is None
        node = Node(place, self._resolve(event.value, place) if plain else event.value)
        self._anchor(event.anchor, node)
        self._add(node)

    def _key(self, text: str, place: Place) -> None:
        frame = self._stack[-1]
        frame.key = text
        first = frame.node.keys.setdefault(text, place)
        if text == "<<":
            self._problem(place, "the keys themselves", "a merge key <<", "write the keys out")
        elif first is not place:
            got = f"{text!r} a second time"
            self._problem(place, "each key once", got, f"remove it here or in line {first.line}")

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        target = self._anchors.get(str(event.anchor))
        if self._awaits_key() or target is None:
            # A list or mapping gets its anchor when it ends, so one that contains itself is unknown here.
            self._fatal(place, "an anchor set further up", f"*{self._shown(str(event.anchor))}", "set the anchor first")
        else:
            self._add(target)

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self._anchors[name] = node

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        parent = frame.node
        parent.size += node.size
        self._nodes += 1
        if max(parent.size, self._nodes) > MAX_NODES:
            self._fatal(node.place, f"at most {MAX_NODES} values", "more", "move the inventory into a CSV file")
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif isinstance(parent.value, dict) and frame.key is not None:
            parent.value.setdefault(frame.key, node)
            frame.key = None

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node.value, dict) and self._stack[-1].key is None

    def _resolve(self, text: str, place: Place) -> Scalar:
        if text.lower() in _WORDS and text in {text.lower(), text.capitalize(), text.upper()}:
            return _WORDS[text.lower()]
        if _LIKE_MAC.fullmatch(text):
            return text
        if _INT.fullmatch(text) and len(text) <= 20:
            return int(text)
        if _LEADING_ZERO.fullmatch(text):
            number = text.replace("_", "").lstrip("+-0") or "0"
            remedy = f'write {self._shown(number)} for the number, or "{self._shown(text)}" in quotes for the text'
            self._problem(place, "a number without leading zeros", self._shown(text), remedy)
        elif _SEXAGESIMAL.fullmatch(text):
            remedy = f'write "{self._shown(text)}" in quotes for the text, or the number it stands for'
            got = f"{self._shown(text)}, which YAML may read in base 60"
            self._problem(place, "a number or quoted text", got, remedy)
        elif _FLOAT.fullmatch(text):
            value = float(text)
            return value if math.isfinite(value) else text
        return text

    def _shown(self, text: str) -> str:
        return "…" if is_secretive(frame.key for frame in self._stack) else text[:40]

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            self._problem(
                place, "a plain value", f"the tag {self._shown(tag)!r}", "remove it, or put the value in quotes"
            )

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1) if mark is not None else Place(self.file, 1, 1)

    def _problem(self, place: Place, expected: str, got: str, remedy: str) -> None:
        self.problems.append(Problem(place, "", expected, got, remedy))

    def _fatal(self, place: Place, expected: str, got: str, remedy: str) -> None:
        raise ConfigError([*self.problems, Problem(place, "", expected, got, remedy)])


def parse_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """Return the tree and the problems that still leave a tree; raises ConfigError where there is none.

    Args:
        text: the document.
        file: its name, as places show it.
    """
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise ConfigError([*builder.problems, _unparsable(place, text, error.problem)]) from None
    except (yaml.YAMLError, UnicodeError) as error:
        offset = error.position if isinstance(error, yaml.reader.ReaderError) else 0
        place = Place(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
        problem = Problem(place, "", "printable text", "a control character", "remove it")
        raise ConfigError([*builder.problems, problem]) from None
    if builder.root is None:
        place = Place(file, 1, 1)
        remedy = "begin with a key, a colon and its value"
        raise ConfigError([Problem(place, "", "a mapping of keys", "an empty file", remedy)])
    return builder.root, builder.problems


def _unparsable(place: Place, text: str, reason: str | None) -> Problem:
    """Return the problem of a text that is no YAML; a tab, the most frequent cause, is called by its name."""
    line = text.split("\n")[place.line - 1 : place.line]
    if "\t" in "".join(line)[place.column - 1 : place.column]:
        return Problem(place, "", "blanks as indentation", "a tab", "replace the tabs by blanks")
    got = f"a text that does not parse ({reason})" if reason else "a text that does not parse"
    return Problem(place, "", "YAML", got, "check indentation, colons and quotes from here upwards")
