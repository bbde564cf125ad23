"""A playbook to look at: a table of text, a Mermaid flowchart, a Graphviz digraph. Decides and checks nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.report.table import Table, printable
from agent.report.text import duration

COLOURS = {
    "act": ("#fde0c5", "#b3541e"),
    "wait": ("#e6e6e6", "#6b6b6b"),
    "check": ("#d6e6f5", "#2b6299"),
    "resolve": ("#d3efd6", "#2c7a3a"),
    "escalate": ("#f7d4d4", "#a32a2a"),
}
"""Fill and line of each kind of state."""

_MERMAID_SHAPES = {"act": ("[", "]"), "wait": ("(", ")"), "check": ("{{", "}}")}
_DOT_SHAPES = {"act": "box", "wait": "ellipse", "check": "hexagon"}
"""Ends have one of their own."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a state: `when` it is taken, and what that means in a sentence where it has one."""

    when: str
    meaning: str
    trigger: str
    leads_to: str


@dataclass(frozen=True, slots=True)
class State:
    """One state.

    Attributes:
        kind: act, wait, check, resolve or escalate; `does` says it in full.
        least_s: how long it lasts at most for the quickest family of miners; most_s: for the slowest.
    """

    name: str
    kind: str
    does: str
    least_s: float
    most_s: float
    ways: tuple[Way, ...]

    @property
    def in_words(self) -> str:
        """What it does and, but for an end, how long at most."""
        if not self.ways:
            return self.does
        least, most = duration(self.least_s), duration(self.most_s)
        return f"{self.does}, {most}" if least == most else f"{self.does}, {least} to {most}"


def as_table(title: str, states: Sequence[State], notes: tuple[str, ...]) -> Table:
    """Return one row a way out, the state's own words in its first."""
    rows: list[tuple[str, ...]] = []
    for state in states:
        first = (state.name, state.in_words)
        for way in state.ways:
            rows.append((*first, way.when, way.trigger, way.leads_to, way.meaning))
            first = ("", "")
        if not state.ways:
            rows.append((*first, "", "", "", ""))
    return Table(title, ("state", "does, at most", "when", "trigger", "leads to", "meaning"), rows, notes=notes)


def as_mermaid(name: str, initial: str, states: Sequence[State]) -> str:
    """Return a Mermaid flowchart."""
    lines = ["---", f"title: {_quoted(name)}", "---", "flowchart TD"]
    lines.append(f"  begin(( )) --> {_identifier(initial)}")
    for state in states:
        opening, closing = _MERMAID_SHAPES.get(state.kind, ("([", "])"))
        label = f"{_escaped(state.name)}<br/>{_escaped(state.in_words)}"
        lines.append(f'  {_identifier(state.name)}{opening}"{label}"{closing}:::{state.kind}')
    for state in states:
        for trigger, dest in _arrows(state):
            lines.append(f'  {_identifier(state.name)} -->|"{_escaped(trigger)}"| {_identifier(dest)}')
    for kind, (fill, line) in COLOURS.items():
        lines.append(f"  classDef {kind} fill:{fill},stroke:{line},color:#111")
    return "\n".join(lines) + "\n"


def as_dot(name: str, initial: str, states: Sequence[State]) -> str:
    """Return a Graphviz digraph."""
    lines = [
        f"digraph {_quoted(name)} {{",
        f'  graph [label={_quoted(name)}, labelloc=t, rankdir=TB, fontname="sans-serif"]',
        '  node [style=filled, fontname="sans-serif", fontsize=11]',
        '  edge [fontname="sans-serif", fontsize=9]',
        '  "" [shape=point]',
        f'  "" -> {_quoted(initial)}',
    ]
    for state in states:
        fill, line = COLOURS[state.kind]
        shape = _DOT_SHAPES.get(state.kind, "ellipse, peripheries=2")
        label = _quoted(f"{state.name}\n{state.in_words}")
        lines.append(f'  {_quoted(state.name)} [label={label}, shape={shape}, fillcolor="{fill}", color="{line}"]')
    for state in states:
        for trigger, dest in _arrows(state):
            lines.append(f"  {_quoted(state.name)} -> {_quoted(dest)} [label={_quoted(trigger)}]")
    return "\n".join((*lines, "}")) + "\n"


def _arrows(state: State) -> list[tuple[str, str]]:
    """Return one arrow for each state led to, with every trigger that leads there."""
    triggers: dict[str, dict[str, None]] = {}
    for way in state.ways:
        triggers.setdefault(way.leads_to, {})[way.trigger] = None
    return [(", ".join(names), dest) for dest, names in triggers.items()]


def _identifier(name: str) -> str:
    """Return a Mermaid id: the name with a prefix, for a state may be called `end`, which Mermaid keeps for itself."""
    return "s_" + re.sub(r"[^A-Za-z0-9_]", lambda odd: f"_{ord(odd[0]):x}_", name)


def _escaped(text: str) -> str:
    """Return text as it may stand in a Mermaid label."""
    return re.sub(r'["#&<>`;]', lambda odd: f"#{ord(odd[0])};", printable(text))


def _quoted(text: str) -> str:
    """Return a string in double quotes, as DOT and YAML read it."""
    return (
        '"' + "\\n".join(printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")) + '"'
    )
