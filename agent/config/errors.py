"""What is wrong with a configuration, and where: the problem, its place, and the error that carries all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.model.errors import PolicyError

MAX_TOLD = 100
"""Problems that the error's own message lists; `problems` holds all."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file the operator wrote.

    Attributes:
        line, column: counted from 1; in a CSV file the column counts cells.
        name: the column's heading in a CSV file, else empty.
    """

    file: str
    line: int
    column: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" + (f"({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to correct. No field ever holds a secret.

    Attributes:
        path: the key in question, such as `pdus[pdu-a].snmp.community`.
    """

    place: Place
    path: str
    expected: str
    got: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.place}: {self.path}" if self.path else str(self.place)
        return f"{where}: expected {self.expected}, got {self.got}; {self.remedy}"


class ConfigError(PolicyError):
    """A configuration was refused; `problems` holds everything found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems[:MAX_TOLD]]
        if len(self.problems) > MAX_TOLD:
            lines.append(f"… and {len(self.problems) - MAX_TOLD} more")
        super().__init__("\n".join(lines))
