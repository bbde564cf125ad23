"""Collects what the cross checks find, each with the place of the key in question."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agent.config.errors import Place, Problem
from agent.config.schema import ConfigFile
from agent.config.source import Node, Step

_STEP = re.compile(r"[.\[]")


class Refused:
    """What the schema refused and what was left out with it.

    Args:
        paths: the refused keys, as problems show them.
        devices: by section (`pdus`, `pools` and so on), the ids that may be among what was left out; None if one has no
            readable id.
    """

    def __init__(self, paths: Iterable[str], devices: Mapping[str, frozenset[str] | None]) -> None:
        self.devices = devices
        self._touched = {
            path[:end] for path in paths for end in (*(m.start() for m in _STEP.finditer(path)), len(path))
        }

    def explains(self, path: str) -> bool:
        """Tell whether a problem of that key may be only a consequence: the key or something in it was left out."""
        return path in self._touched


@dataclass(slots=True)
class Findings:
    """A configuration under inspection, its tree for places, and what was found so far.

    Attributes:
        refused: what the schema refused and was left out. What only follows from that is not noted.
        problems: what must be corrected.
        warnings: what should be looked at.
    """

    config: ConfigFile
    tree: Node
    refused: "Refused"
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refuse(self, *steps: Step, expected: str, got: str, remedy: str) -> None:
        """Note a problem of the value under `steps`."""
        problem = self._problem(steps, expected, got, remedy)
        if not self.refused.explains(problem.path):
            self.problems.append(problem)

    def warn(self, *steps: Step, expected: str, got: str, remedy: str) -> None:
        """Note something doubtful about the value under `steps`."""
        self.warnings.append(self._problem(steps, expected, got, remedy))

    def may_exist(self, section: str, device: str) -> bool:
        """Tell whether a device of that section (`pdus`, `pools` and so on) and id may be among what was left out."""
        names = self.refused.devices[section]
        return names is None or device in names

    def place(self, *steps: Step) -> Place:
        """Return where the value under `steps` stands."""
        return self.tree.at(*steps)

    def _problem(self, steps: tuple[Step, ...], expected: str, got: str, remedy: str) -> Problem:
        return Problem(self.tree.at(*steps), self.tree.dotted(*steps), expected, got, remedy)
