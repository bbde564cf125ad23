"""HTML from plain values: escaping, tables, data for a script. Knows nothing of incidents.

Whatever is shown was written by somebody else: names of miners, scenarios, reasons. Every string is escaped here, once,
where it becomes markup; what is markup already is a `Markup`.
"""

import html
import json
from collections.abc import Iterable, Sequence

from agent.report.table import printable


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Cell = str | int | None
"""What stands in a cell: escaped, unless it is a Markup; nothing for None."""


def escaped(value: object) -> Markup:
    """Return a value as HTML text, fit for an attribute too; control and bidirectional characters are spelled out."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(printable(str(value)), quote=True))


def script_json(value: object) -> Markup:
    """Return a value as JSON that is safe within a script element: it has no `<`, `>` or `&`, and is plain ASCII.

    Raises ValueError for a number that is not finite.
    """
    encoded = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(encoded.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def joined(parts: Iterable[str], between: str = "\n") -> Markup:
    """Return pieces of markup as one; plain text among them is escaped."""
    return Markup(between.join(escaped(part) for part in parts))


def table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    numbers: Iterable[int] = (),
    notes: Iterable[str] = (),
    css: str = "",
) -> Markup:
    """Return a table whose rows are named by their first cell.

    Args:
        caption: says what the table is of.
        headers: all empty where the rows need none.
        rows: as many cells as there are headers.
        numbers: places of the columns that are aligned to the right.
        notes: lines below the table.
        css: a class of the table.
    """
    right = frozenset(numbers)
    head = ""
    if any(headers):
        cells = "".join(f'<th scope="col"{_side(k, right)}>{escaped(h)}</th>' for k, h in enumerate(headers))
        head = f"<thead><tr>{cells}</tr></thead>"
    body = "\n".join(_row(row, right) for row in rows)
    name = f' class="{escaped(css)}"' if css else ""
    below = "".join(f'<p class="note">{escaped(note)}</p>' for note in notes)
    return Markup(
        f'<div class="table"><table{name}><caption>{escaped(caption)}</caption>{head}<tbody>\n{body}\n</tbody></table>'
        f"{below}</div>"
    )


def _row(row: Sequence[Cell], right: frozenset[int]) -> str:
    first, *others = row
    cells = "".join(
        f"<td{_side(k, right)}>{'' if cell is None else escaped(cell)}</td>" for k, cell in enumerate(others, 1)
    )
    return f'<tr><th scope="row"{_side(0, right)}>{"" if first is None else escaped(first)}</th>{cells}</tr>'


def _side(place: int, right: frozenset[int]) -> str:
    return ' class="n"' if place in right else ""
