"""Prints tables: plain text, laid out for a terminal where stdout is one, CSV and JSON. Knows not what is in them.

`rich` costs 50 ms to import, so only a terminal pays for it.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

import msgspec


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headers.

    Attributes:
        headers: all empty where the rows need none.
        right: headers of the columns that are aligned to the right (numbers).
        notes: lines below the table.
    """

    title: str
    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def show(tables: Iterable[Table], stream: TextIO) -> None:
    """Write tables to a terminal or, as plain text, to anything else."""
    if stream.isatty():
        _show_rich(tables, stream)
    else:
        stream.write("\n".join(plain(table) for table in tables))


def plain(table: Table) -> str:
    """Return a table as lines of text, columns two blanks apart; ends with a line feed."""
    cells = [tuple(printable(cell) for cell in row) for row in table.rows]
    if any(table.headers):
        cells.insert(0, table.headers)
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(len(table.headers))]
    lines = [table.title] if table.title else []
    for row in cells:
        aligned = (
            cell.rjust(width) if header in table.right else cell.ljust(width)
            for cell, width, header in zip(row, widths, table.headers, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    lines.extend(printable(note) for note in table.notes)
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Return text with everything that could steer a terminal escaped: devices have a say in what is shown."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def write_csv(headers: Sequence[str], rows: Iterable[Sequence[object]], stream: TextIO) -> None:
    """Write comma-separated values, one header line, nothing for None, lines ended by a line feed.

    Text that a spreadsheet would take for a formula gets an apostrophe before it: devices and people have a say in it.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: object) -> object:
    """Return a cell as it is, or with an apostrophe before it. Source: OWASP, "CSV Injection"."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def write_json(value: object, stream: TextIO) -> None:
    """Write indented JSON and a line feed."""
    stream.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for a formula's beginning."""

LAST_COLUMN_LEAST = 20
"""Characters that the last column keeps when it is folded; where there are fewer the table is laid out otherwise."""


def _show_rich(tables: Iterable[Table], stream: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table as RichTable  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console(file=stream, highlight=False)
    for table in (fitted(table, console.width) for table in tables):
        rich = RichTable(title=table.title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        rich.show_header = any(table.headers)
        for number, header in enumerate(table.headers, 1):
            last = number == len(table.headers)
            justify: Literal["left", "right"] = "right" if header in table.right else "left"
            rich.add_column(header, justify=justify, overflow="fold", no_wrap=not last)
        for row in table.rows:
            rich.add_row(*(Text(printable(cell)) for cell in row))
        # What is still too wide continues on the terminal's next line, whole; a cell is never broken within its column.
        console.print(rich, width=max(console.width, _width(table)), soft_wrap=True)
        for note in table.notes:
            console.print(Text(printable(note), style="dim"))
        console.print()


def fitted(table: Table, width: int) -> Table:
    """Return the table turned by 90 degrees where only that fits into `width` characters, else as it is."""
    if _width(table) <= width:
        return table
    turned = Table(
        table.title,
        ("",) * (len(table.rows) + 1),
        [(header, *cells) for header, *cells in zip(table.headers, *table.rows, strict=True)],
        notes=table.notes,
    )
    return turned if any(table.headers) and _width(turned) <= width else table


def _width(table: Table) -> int:
    """Return the characters a line takes, columns two blanks apart, the last one folded as far as it may be."""
    rows = [table.headers, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headers))]
    return sum(widths[:-1]) + min(widths[-1], LAST_COLUMN_LEAST) + 2 * (len(widths) - 1)
