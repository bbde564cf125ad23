"""A flight recording: what the agent read, asked and decided around one incident, and what it knew when it began.

Vocabulary alone. How parts become bytes, also those of a stranger, is `agent.model.recording_bytes`; who writes them,
`agent.observe.recorder`; where they lie, and how a recording is read by the incident's id, `agent.ledger.recordings`.

A column has the name of the site view's attribute, and of the field in it where it is a signal or a counter:
`reach`, `hashrate_th.value`, `work_gh.total`, `outlet_state.value`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from agent.model.columns import Floats
from agent.model.errors import PolicyError
from agent.model.events import Record
from agent.model.ids import IncidentId
from agent.model.topology import Site

FORMAT = 1
"""Of the parts below; one that is greater was written by a later version."""

MOST_CELLS = 16 * 1024 * 1024
MOST_DIMENSIONS = 2
"""Of one array."""

MINERS: Final = "miners"
OUTLETS: Final = "outlets"
PORTS: Final = "ports"
UNITS: Final = "units"
"""What the tables' rows are rows of: the site's miners in order, and the site view's `outlet_rows` and so on."""

Group = Literal["miners", "outlets", "ports", "units"]

_Name = Annotated[str, Meta(max_length=200)]
_DTYPES: Mapping[str, np.dtype[Any]] = {
    kind: np.dtype(kind).newbyteorder("<") for kind in ("f8", "f4", "i8", "i4", "i2", "i1", "b1")
}


class RecordingError(PolicyError):
    """A recording that cannot be used: none, damaged, of a later version, or beyond its bounds."""


class Array(msgspec.Struct, frozen=True, array_like=True):
    """A numpy array's cells, little-endian, in C order."""

    kind: Literal["f8", "f4", "i8", "i4", "i2", "i1", "b1"]
    shape: Annotated[tuple[int, ...], Meta(max_length=MOST_DIMENSIONS)]
    cells: bytes

    @classmethod
    def of(cls, array: NDArray[Any]) -> "Array":
        """Return it packed."""
        kind = array.dtype.str[1:]
        return cls(kind, array.shape, np.ascontiguousarray(array, dtype=_DTYPES[kind]).tobytes())  # type: ignore[arg-type]

    def unpacked(self) -> NDArray[Any]:
        """Return the array, read-only.

        Raises:
            RecordingError: its shape and its bytes do not agree.
        """
        dtype, cells = _DTYPES[self.kind], math.prod(self.shape)
        if min(self.shape, default=0) < 0 or cells > MOST_CELLS or cells * dtype.itemsize != len(self.cells):
            raise RecordingError(
                f"expected an array of shape {self.shape} in {self.kind}; got {len(self.cells)} bytes: the recording is"
                " damaged"
            )
        return np.frombuffer(self.cells, dtype=dtype).reshape(self.shape)


class Part(msgspec.Struct, frozen=True, tag_field="part", kw_only=True):
    """Base of what a recording is a sequence of."""


class Head(Part, frozen=True, kw_only=True, tag="head"):
    """The first part: what was recorded, by which software, under which configuration. Nothing in it is a secret.

    Attributes:
        settings: the configuration that decides, canonical (`agent.config.canonical`): no logins, addresses of people
            or names of credentials.
        detected_at: UTC s.
        playbooks: the fingerprint of each table, by its name.
        on_auto: the agent acted within the guards whatever the settings' mode was.
    """

    format: int
    incident: IncidentId
    software: _Name
    config_fingerprint: _Name
    playbooks: dict[str, str]
    site: Site
    settings: bytes
    detected_at: float
    tick_s: float
    simulated: bool
    on_auto: bool


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """One piece of state: an array, or anything else as MessagePack. Exactly one of the two."""

    array: Array | None = None
    plain: bytes | None = None


class Frame(Part, frozen=True, kw_only=True, tag="frame"):
    """What the site view and the detectors held when a tick began, for some miners.

    Attributes:
        tick: UTC s of the tick. seq: the last ledger record known in it.
        whole: whoever decides again begins anew from here; else it is only of miners that were not followed before.
        rows: the miners, i4 of shape (rows,): the last dimension of every array that has one cell for each miner.
        state: by path.
    """

    tick: float
    seq: int
    whole: bool
    rows: Array
    state: dict[_Name, Leaf]


class Table(msgspec.Struct, frozen=True, array_like=True):
    """What was read of some rows: one entry for each new reading; all arrays of shape (entries,).

    Attributes:
        tick: the place in the stretch's ticks of the first tick that saw it. row: the row.
        columns: what the columns held then, by name.
    """

    tick: Array
    row: Array
    columns: dict[_Name, Array]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Something that is no column, as it was from that tick on; of these miners where it has an entry for each."""

    tick: int
    path: _Name
    leaf: Leaf
    rows: Array | None = None


class Stretch(Part, frozen=True, kw_only=True, tag="stretch"):
    """What some ticks in a row saw that the tick before had not.

    Attributes:
        ticks: UTC s of each, f8 of shape (ticks,). seqs: the last ledger record known in each, i8.
        tables: by what the rows are rows of.
        copies: histories of counters as they were added to: by the counter's name, `<name>/tick` (i4, shape (copies,)),
            `<name>/at` and `<name>/total` (f8, shape (copies, rows)) of the miners `rows`.
    """

    ticks: Array
    seqs: Array
    tables: dict[Group, Table]
    rows: Array
    copies: dict[_Name, Array]
    changes: tuple[Change, ...] = ()


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """One exchange of a driver with a device. Secrets are redacted.

    Attributes:
        at: UTC s at which it began. took_s: until the last byte, or until it failed.
        device: the device's address in the inventory. port: its own.
        sent, got: the first bytes of each. sent_bytes, got_bytes: how many there were.
        failed: how it ended, where not well; empty otherwise.
    """

    at: float
    took_s: float
    device: _Name
    port: int
    protocol: _Name
    sent: bytes
    got: bytes
    sent_bytes: int
    got_bytes: int
    failed: _Name = ""


class Exchanges(Part, frozen=True, kw_only=True, tag="exchanges"):
    """Exchanges with devices, in the order they ended."""

    exchanges: tuple[Exchange, ...]


class Loss(StrEnum):
    """What is missing from a recording."""

    LATE_START = "late_start"
    """It does not reach back as far as it should: the agent had only been started, or its memory was full."""
    PEERS = "peers"
    """Readings of so many healthy neighbours: there were too many of them."""
    OTHERS = "others"
    """Readings of so many miners of other incidents."""
    EXCHANGES = "exchanges"
    """So many exchanges with devices."""
    FULL = "full"
    """All that came after: it had reached its bound."""
    DISK = "disk"
    """All that came after, until the next part: it could not be written."""
    RESTART = "restart"
    """What happened while the agent was down; from here on it is another process."""


class Note(Part, frozen=True, kw_only=True, tag="note"):
    """Something is missing from here on."""

    at: float
    loss: Loss
    count: int = 0


class End(Part, frozen=True, kw_only=True, tag="end"):
    """The recording is whole: the incident was over for as long as it should be followed."""

    at: float


AnyPart = Head | Frame | Stretch | Exchanges | Note | End


@dataclass(frozen=True, slots=True)
class Recording:
    """One incident's recording, with its slice of the ledger.

    Attributes:
        records: the ledger from its first event, or from what the window's decisions depend on, up to the window's end;
            empty where the ledger was not at hand.
        ended: it was finished in order.
    """

    head: Head
    frames: tuple[Frame, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    notes: tuple[Note, ...] = ()
    ended: bool = False
    records: tuple[Record, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, parts: "list[AnyPart]") -> "Recording":
        """Return the parts in order as a recording.

        Raises:
            RecordingError: they do not begin with a head, or there are two.
        """
        if not parts or not isinstance(parts[0], Head):
            raise RecordingError("expected a recording that begins with its head; got none: it is damaged")
        if any(isinstance(part, Head) for part in parts[1:]):
            raise RecordingError("expected one head; got another one: these are two recordings")
        return cls(
            parts[0],
            tuple(part for part in parts if isinstance(part, Frame)),
            tuple(part for part in parts if isinstance(part, Stretch)),
            tuple(exchange for part in parts if isinstance(part, Exchanges) for exchange in part.exchanges),
            tuple(part for part in parts if isinstance(part, Note)),
            isinstance(parts[-1], End),
        )

    @property
    def span(self) -> tuple[float, float]:
        """UTC s of the first and the last recorded tick; NaN where there is none."""
        ticks = [stretch.ticks.unpacked() for stretch in self.stretches if stretch.ticks.shape != (0,)]
        return (float(ticks[0][0]), float(ticks[-1][-1])) if ticks else (math.nan, math.nan)

    @property
    def last_seq(self) -> int:
        """The last ledger record known in its last tick; 0 where there is none."""
        return max((int(seq) for stretch in self.stretches[-1:] for seq in stretch.seqs.unpacked()[-1:]), default=0)

    def rows(self, group: Group = MINERS) -> tuple[int, ...]:
        """Return the rows of which anything was read, ascending."""
        found = [s.tables[group].row.unpacked() for s in self.stretches if group in s.tables]
        return tuple(np.unique(np.concatenate(found)).tolist()) if found else ()

    def series(self, column: str, row: int, group: Group = MINERS) -> tuple[Floats, Floats]:
        """Return when a row's column was read and what it held; both of shape (readings,), UTC s first, NaN for never.

        Args:
            column: a signal by its attribute's name (`hashrate_th`): its own times, each reading once; or any other
                column (`reach`, `misses`): the times are those of the ticks that saw it.
            row: the row.
            group: what it is a row of.
        """
        at: list[Floats] = []
        values: list[Floats] = []
        for stretch in self.stretches:
            table = stretch.tables.get(group)
            if table is None:
                continue
            here = table.row.unpacked() == row
            names = (f"{column}.value", f"{column}.total", column)
            packed = next((table.columns[name] for name in names if name in table.columns), None)
            if packed is None:
                continue
            values.append(packed.unpacked()[here].astype(np.float64))
            told = table.columns.get(f"{column}.at")
            ticks = stretch.ticks.unpacked()[table.tick.unpacked()[here]]
            at.append(ticks if told is None else told.unpacked()[here])
        if not at:
            return np.zeros(0), np.zeros(0)
        when, what = np.concatenate(at), np.concatenate(values)
        new = np.append(True, when[1:] != when[:-1]) & ~np.isnan(when)
        return when[new], what[new]
