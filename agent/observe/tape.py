"""The tape: what each tick saw that the one before had not, of the whole site, until it is cut off and handed on.

It follows a row by when it was last polled, and takes nothing of the others: a quiet tick costs a few copies of small
arrays. What of it is kept, and where, is `agent.observe.recorder`'s business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.detect.leaves import Place, places, taken
from agent.model.columns import Counter, Floats
from agent.model.recording import MINERS, OUTLETS, PORTS, UNITS, Array, Change, Group, Stretch, Table
from agent.model.site_view import SiteView

Rows = NDArray[np.int64]

HISTORIES: Mapping[str, Group] = {"work_gh": MINERS, "accepted": MINERS, "port_errors": PORTS}
"""The counters with a history, and what their rows are. Of ports, all are kept."""

DECIDED = frozenset(
    {"expected", "own_restart_at", "own_boot_at", "own_sure", "excused", "asleep_since", "derated", "any_derated"}
)
"""Columns that the tick itself writes: whoever decides again works them out anew."""

GROUPS: tuple[Group, ...] = (MINERS, OUTLETS, PORTS, UNITS)

_CODES = "codes"
_PARTS = frozenset({"boards", "fans_rpm"})


@dataclass(slots=True)
class Selection:
    """Which rows of what are wanted; each a mask of shape (rows of the group,)."""

    masks: dict[Group, NDArray[np.bool_]]

    @property
    def miners(self) -> Rows:
        """Return the miners' rows, ascending."""
        return np.flatnonzero(self.masks[MINERS])


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that lie side by side in memory, so that rows of all of them are copied at once.

    Attributes:
        names: of the columns. cells: shape (columns, rows of the group); the columns' own memory.
    """

    names: tuple[str, ...]
    cells: NDArray[Any]


@dataclass(slots=True)
class Cut:
    """A piece of tape: some ticks in a row.

    Attributes:
        names: by group, the columns of each block.
        entries: by group, for each tick that saw something new: its place, the rows, and each block's cells of them.
        copies: by counter, for each copy that was added to its history: the tick's place, times and totals of all rows.
    """

    names: dict[Group, list[tuple[str, ...]]]
    ticks: list[float] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    entries: dict[Group, list[tuple[int, Rows, list[NDArray[Any]]]]] = field(default_factory=dict)
    copies: dict[str, list[tuple[int, Floats, Floats]]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def stretch(self, of: Selection) -> Stretch:
        """Return what of it is wanted, as it is recorded."""
        rows = of.miners
        copies: dict[str, Array] = {}
        for name, made in self.copies.items():
            copies[f"{name}/tick"] = Array.of(np.array([tick for tick, _, _ in made], dtype=np.int32))
            kept = rows if HISTORIES[name] == MINERS else slice(None)
            copies[f"{name}/at"] = Array.of(np.array([at[kept] for _, at, _ in made]))
            copies[f"{name}/total"] = Array.of(np.array([total[kept] for _, _, total in made]))
        return Stretch(
            ticks=Array.of(np.array(self.ticks, dtype=np.float64)),
            seqs=Array.of(np.array(self.seqs, dtype=np.int64)),
            tables={group: self._table(group, of.masks[group]) for group in self.entries},
            rows=Array.of(rows.astype(np.int32)),
            copies=copies,
            changes=tuple(self.changes),
        )

    def _table(self, group: Group, mask: NDArray[np.bool_]) -> Table:
        entries = self.entries[group]
        row = np.concatenate([rows for _, rows, _ in entries])
        tick = np.repeat([tick for tick, _, _ in entries], [rows.size for _, rows, _ in entries])
        wanted = mask[row]
        columns: dict[str, Array] = {}
        for k, names in enumerate(self.names[group]):
            block = np.concatenate([cells[k] for _, _, cells in entries], axis=1)[:, wanted]
            columns |= {name: Array.of(column) for name, column in zip(names, block, strict=True)}
        return Table(Array.of(tick[wanted].astype(np.int32)), Array.of(row[wanted].astype(np.int32)), columns)


def selected(stretch: Stretch, of: Selection, *, histories_alone: bool = False) -> Stretch:
    """Return what is wanted of a stretch that has the whole site; `histories_alone`: only the histories of counters."""
    tables: dict[Group, Table] = {}
    for group, table in stretch.tables.items() if not histories_alone else ():
        wanted = of.masks[group][table.row.unpacked()]
        columns = {name: Array.of(column.unpacked()[wanted]) for name, column in table.columns.items()}
        tables[group] = Table(Array.of(table.tick.unpacked()[wanted]), Array.of(table.row.unpacked()[wanted]), columns)
    rows = of.miners
    place = np.searchsorted(stretch.rows.unpacked(), rows)
    copies = {
        name: Array.of(array.unpacked()[:, place]) if _is_of_miners(name) else array
        for name, array in stretch.copies.items()
    }
    return Stretch(
        ticks=stretch.ticks,
        seqs=stretch.seqs,
        tables=tables,
        rows=Array.of(rows.astype(np.int32)),
        copies=copies,
        changes=() if histories_alone else stretch.changes,
    )


def _is_of_miners(name: str) -> bool:
    counter, _, what = name.partition("/")
    return what != "tick" and HISTORIES[counter] == MINERS


class _Sign:
    """A column of times by which a row is seen to have been written. Compared bit by bit, so that NaN is itself."""

    __slots__ = ("_before", "_now")

    def __init__(self, column: Floats) -> None:
        self._now = column.view(np.int64)
        self._before = np.full_like(column, np.nan).view(np.int64)

    def changed(self) -> NDArray[np.bool_]:
        """Return which rows are not as they were when they were taken note of; shape (rows,)."""
        changed: NDArray[np.bool_] = self._now != self._before
        return changed

    def take_note(self, rows: Rows) -> None:
        """Take these rows as they are."""
        self._before[rows] = self._now[rows]


def _signs(view: SiteView) -> list[tuple[Group, tuple[Floats, ...]]]:
    """Return the times that tell when a row of each group was written."""
    return [
        (MINERS, (view.polled_at, view.suspended.value, view.suspended.at)),
        (OUTLETS, (view.outlet_state.at,)),
        (PORTS, (view.port_up.at, view.port_octets.at)),
        (UNITS, (view.cooling.read_at,)),
    ]


def _blocks(columns: Iterable[Place]) -> list[Block]:
    """Return columns in as few blocks as their memory allows; there they stay for as long as the view lives."""
    placed = sorted(((place.value.__array_interface__["data"][0], place) for place in columns), key=lambda it: it[0])
    found: list[tuple[list[str], NDArray[Any], int]] = []
    for address, place in placed:
        column: NDArray[Any] = place.value
        names, first, begin = found[-1] if found else ([], column, -1)
        same = column.base is not None and column.base is first.base and column.dtype == first.dtype
        if same and address == begin + len(names) * first.nbytes:
            names.append(place.path)
        else:
            found.append(([place.path], column, address))
    return [Block(tuple(names), _stacked(first, len(names))) for names, first, _ in found]


def _stacked(first: NDArray[Any], count: int) -> NDArray[Any]:
    """Return so many columns that follow on each other in memory as one array, without a copy."""
    return np.lib.stride_tricks.as_strided(first, (count, *first.shape), (first.nbytes, *first.strides))


class Tape:
    """Follows one site view."""

    def __init__(self, view: SiteView) -> None:
        self._view = view
        pieces = [place for place in places(view, len(view.reach)) if place.path not in DECIDED]
        self._blocks: dict[Group, list[Block]] = {
            group: _blocks([p for p in pieces if not p.is_plain and p.group == group]) for group in GROUPS
        }
        self._names = {group: [block.names for block in found] for group, found in self._blocks.items()}
        self._parts = [place for place in pieces if place.name in _PARTS]
        self._told = next(place for place in pieces if place.name == _CODES)
        self._codes: dict[int, tuple[str, ...]] = {}
        self._plain = [place for place in pieces if place.is_plain and place.name not in {*_PARTS, _CODES}]
        self._said: list[Any] = [None] * len(self._plain)
        self._signs = [(group, [_Sign(column) for column in columns]) for group, columns in _signs(view)]
        self._counters: dict[str, Counter] = {name: getattr(view, name) for name in HISTORIES}
        self._copied = {name: counter.next_copy for name, counter in self._counters.items()}
        self._cut = Cut(self._names)

    def see(self, now: float, seq: int, parts_of: Rows) -> None:
        """Take in what a tick is about to see.

        Args:
            now: UTC s of the tick.
            seq: the last ledger record it knows.
            parts_of: the miners whose boards, fans and codes are wanted too.
        """
        cut, place = self._cut, len(self._cut.ticks)
        cut.ticks.append(now)
        cut.seqs.append(seq)
        for group, rows in self._news():
            cells = [block.cells.take(rows, axis=1) for block in self._blocks[group]]
            cut.entries.setdefault(group, []).append((place, rows, cells))
            if group == MINERS:
                self._note_codes(place, rows)
                if parts_of.size:
                    self._note_parts(place, np.intersect1d(rows, parts_of))
        for name, counter in self._counters.items():
            if counter.next_copy != self._copied[name]:
                made = counter.copies_from(self._copied[name])
                cut.copies.setdefault(name, []).extend((place, at.copy(), total.copy()) for at, total in made)
                self._copied[name] = counter.next_copy
        self._note_changes(place)

    def cut(self) -> Cut:
        """Cut off and return what was taken in since the last cut."""
        done, self._cut = self._cut, Cut(self._names)
        return done

    @property
    def ticks(self) -> int:
        """How many ticks it has taken in since the last cut."""
        return len(self._cut.ticks)

    def _news(self) -> Iterable[tuple[Group, Rows]]:
        """Yield the rows of each group that were written since the last tick."""
        for group, signs in self._signs:
            fresh = signs[0].changed()
            for sign in signs[1:]:
                fresh |= sign.changed()
            rows = fresh.nonzero()[0]
            if rows.size:
                for sign in signs:
                    sign.take_note(rows)
                yield group, rows

    def _note_codes(self, place: int, rows: Rows) -> None:
        """Note the miners that tell of a trouble, or of none any more: an incident begins with what they told."""
        codes, said = self._view.hardware.codes, self._codes
        told = rows.tolist()
        if not said and not any(map(codes.__getitem__, told)):
            return
        changed = [row for row in told if codes[row] != said.get(row, ())]
        if changed:
            said |= {row: codes[row] for row in changed}
            those = np.array(changed, dtype=np.int64)
            packed_rows = Array.of(those.astype(np.int32))
            self._cut.changes.append(Change(place, self._told.path, taken(self._told, those), packed_rows))

    def _note_parts(self, place: int, rows: Rows) -> None:
        if rows.size:
            packed_rows = Array.of(rows.astype(np.int32))
            for part in self._parts:
                self._cut.changes.append(Change(place, part.path, taken(part, rows), packed_rows))

    def _note_changes(self, place: int) -> None:
        for k, piece in enumerate(self._plain):
            value, before = piece.value, self._said[k]
            if value == before or (value != value and before != before):  # noqa: PLR0124 - NaN is not itself
                continue
            self._said[k] = value.copy() if isinstance(value, dict | list) else value
            self._cut.changes.append(Change(place, piece.path, taken(piece, None)))
