"""A CSV inventory to the same tree that one written in YAML gives. What the cells mean is the schema's matter."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from agent.config.errors import ConfigError, Place, Problem
from agent.config.schema import MAX_MINERS
from agent.config.schema_devices import MinerSection
from agent.config.source import Node, Scalar
from agent.config.wording import choice, closest

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS = tuple(MinerSection.model_fields)
"""Headings an inventory may have, in the order in which one is written."""

_REQUIRED = ("id", "host", "model")
_NUMERIC = ("hashrate_th", "power_w")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SEPARATORS = ",;\t"


def parse_csv(text: str, file: str) -> tuple[Node, list[Problem]]:
    """Return the rows as a tree, and the problems of the headings; raises ConfigError where there are no rows to read.

    Separators are commas, semicolons or tabs, whichever the first line uses; empty cells are left out.

    Args:
        text: the file's text.
        file: its name, as places show it.
    """
    first_line = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first_line.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    root = Node(Place(file, 1, 1), [])
    rows: list[Node] = []
    try:
        headings = [cell.strip().lower() for cell in next(reader, [])]
        problems = _check_headings(headings, file)
        for line, cells in _numbered(reader):
            if any(cell.strip() for cell in cells):
                rows.append(_row(cells, headings, file, line, problems))
            if len(rows) > MAX_MINERS:
                raise _refused(file, line, f"at most {MAX_MINERS} rows", "more", "check that it is the right file")
    except csv.Error as error:
        raise _refused(file, reader.line_num, "CSV", str(error), "save the sheet as CSV again") from None
    root.value = rows
    return root, problems


def _numbered(reader: "Reader") -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it begins in; a quoted cell may span several."""
    line = reader.line_num + 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _check_headings(headings: list[str], file: str) -> list[Problem]:
    problems = []
    for number, name in enumerate(headings, 1):
        place = Place(file, 1, number, name)
        if name in headings[: number - 1]:
            problems.append(
                Problem(place, "", "each heading once", f"{name[:60]!r} again", "remove one of the columns")
            )
        elif name not in COLUMNS:
            close = closest(name, COLUMNS)
            remedy = f"did you mean {close!r}?" if close else "remove the column or rename it"
            problems.append(Problem(place, "", choice(COLUMNS), f"the heading {name[:60]!r}", remedy))
    missing = [name for name in _REQUIRED if name not in headings]
    if missing:
        got = "other headings" if any(headings) else "an empty first line"
        remedy = f"begin the file with the line {','.join(COLUMNS)}"
        problem = Problem(Place(file, 1, 1), "", f"the headings {', '.join(_REQUIRED)}", got, remedy)
        raise ConfigError([*problems, problem])
    return problems


def _row(cells: list[str], headings: list[str], file: str, line: int, problems: list[Problem]) -> Node:
    if any(cell.strip() for cell in cells[len(headings) :]):
        place = Place(file, line, len(headings) + 1)
        got = f"{len(cells)}"
        remedy = "give every column a heading, or put a cell with a separator in quotes"
        problems.append(Problem(place, "", f"{len(headings)} cells", got, remedy))
    values: dict[str, Node] = {}
    for number, (name, cell) in enumerate(zip(headings, cells, strict=False), 1):
        if cell.strip() and name in COLUMNS:
            values.setdefault(name, Node(Place(file, line, number, name), _cell(name, cell.strip())))
    return Node(Place(file, line, 1), values, {name: node.place for name, node in values.items()})


def _cell(name: str, text: str) -> Scalar:
    return float(text) if name in _NUMERIC and _NUMBER.fullmatch(text) else text


def _refused(file: str, line: int, expected: str, got: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(Place(file, max(line, 1), 1), "", expected, got, remedy)])
