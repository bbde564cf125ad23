"""What is kept from tick to tick, piece by piece: the site view's columns, and the state of whoever judges them.

A flight recording takes the pieces out, and deciding again puts them back into objects made anew. Nothing is listed
column by column: whatever an object keeps in arrays and plain numbers is a piece, but for what follows from
configuration and inventory, which today's objects know by themselves.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.detect.cusum import BernoulliCusum
from agent.detect.hiccup import EVENTS_KEPT, Hiccup
from agent.detect.unsteady_pool import Drop, Gathering
from agent.model.ids import PoolId
from agent.model.probe import ProbeResult
from agent.model.recording import Array, Leaf, RecordingError
from agent.model.site_view import SiteView
from agent.model.telemetry import BoardReading

_KEEPERS = (
    "agent.detect.",
    "agent.model.columns",
    "agent.model.cooling",
    "agent.model.hardware",
    "agent.model.itself",
    "agent.model.site_view",
    "agent.stages",
    "agent.triage.expected",
    "agent.triage.returning",
)
"""The modules whose objects are looked into; thresholds, the site and the memory are none."""

_KNOWN = frozenset(
    {"nominal_th", "nominal_w", "unit_of", "rows", "site", "outlet_rows", "port_rows", "base_c", "cool_k", "shift"}
    | {
        "_design_lpm",
        "_used_ports",
        "_near_k",
        "chip_limit_c",
        "board_limit_c",
        "_is_liquid",
        "_grace_s",
        "_longest_s",
    }
    | {"_window_s", "_group", "_outlets", "_fanned", "_limit_c", "_limits", "_restore_s", "_up", "_down", "_most"}
    | {"_times", "_totals", "_next", "_uncopied", "_copied_at", "_restored", "_version", "_seen"}
)
"""Follows from configuration or inventory; or is a counter's history, which a recording has copy by copy; or what was
seen in the tick before, which is looked at anew."""

_OF_OUTLETS = ("outlet_state.", "outlet_a.", "outlet_w.", "FirmwareDetector._dark_at")
_OF_PORTS = ("port_",)
_OF_UNITS = (
    *("cooling.", "LoopDetector._read_at", "UnitDetector._read_at", "Witness.", "HeatWatch.disputed"),
    *(f"FlowWitness.{name}" for name in ("asked", "lies", "stands", "_read", "_still_at", "_flowed_at")),
)
_PLACES = ("ExpectedState._slept", "FirmwareDetector._told", "FirmwareDetector._refusing", "HeatWatch._weighed")
"""Arrays of row numbers, of any length."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Plain:
    """How something that is no array becomes MessagePack and back."""

    type: Any
    out: Callable[[Any], Any] = lambda value: value
    back: Callable[[Any], Any] = lambda value: value


def _deques(most: int | None) -> Callable[[Any], Any]:
    return lambda found: {key: deque(items, most) for key, items in found.items()}


_PLAIN: Mapping[str, _Plain] = {
    "probes": _Plain(dict[PoolId, ProbeResult]),
    "pool_good_since": _Plain(dict[PoolId, float]),
    "foreign_work": _Plain(dict[int, tuple[str, str | None]]),
    "alarms": _Plain(list[tuple[str, ...]]),
    "codes": _Plain(list[tuple[str, ...]]),
    "fans_rpm": _Plain(list[tuple[float, ...]]),
    "boards": _Plain(list[tuple[BoardReading, ...]]),
    "_events": _Plain(dict[int, list[Hiccup]], lambda d: {k: list(v) for k, v in d.items()}, _deques(EVENTS_KEPT)),
    "_drops": _Plain(dict[int, list[Drop]], lambda d: {k: list(v) for k, v in d.items()}, lambda d: d),
    "_supplies": _Plain(list[list[tuple[float, float]]], lambda d: [list(v) for v in d], lambda d: d),
    "_gathering": _Plain(
        dict[int, tuple[float, Array, Array]],
        lambda d: {k: (g.first_at, Array.of(g.after), Array.of(g.before)) for k, g in d.items()},
        lambda d: {k: Gathering(at, a.unpacked().copy(), b.unpacked().copy()) for k, (at, a, b) in d.items()},
    ),
}
"""By the attribute's name."""

_OF_ROWS = frozenset({"codes", "fans_rpm", "boards"})
"""Lists with an entry for each miner."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one piece is kept.

    Attributes:
        path: its name in a recording.
        owner, name: the object and its attribute.
        miners: how many miners the site has.
    """

    path: str
    owner: Any
    name: str
    miners: int

    @property
    def value(self) -> Any:
        """Return what it is now."""
        return getattr(self.owner, self.name)

    @property
    def group(self) -> str:
        """Return what an array's last dimension counts."""
        if self.path.startswith(_OF_OUTLETS):
            return "outlets"
        if self.path.startswith(_OF_PORTS):
            return "ports"
        if self.path.startswith(_OF_UNITS):
            return "units"
        return "places" if self.path in _PLACES else "miners"

    @property
    def is_of_miners(self) -> bool:
        """Whether it has one cell, or one entry, for each miner."""
        if self.name in _OF_ROWS:
            return True
        # What is of another length is something else's, even where nobody has said of what.
        return isinstance(self.value, np.ndarray) and self.group == "miners" and self.value.shape[-1:] == (self.miners,)

    @property
    def is_plain(self) -> bool:
        """Whether it is no array."""
        return not isinstance(self.value, np.ndarray)


def places(root: object, miners: int) -> list[Place]:
    """Return every piece that an object keeps, and those it keeps within; each once, the paths all different.

    Args:
        root: a site view, or the stages that judge it.
        miners: how many miners the site has.
    """
    prefix = "" if isinstance(root, SiteView) else f"{type(root).__name__}."
    return [Place(path, owner, name, miners) for path, owner, name in _walk(root, prefix, set())]


def taken(place: Place, rows: Rows | None) -> Leaf:
    """Return a piece as it is now, of these miners where it has one cell for each; None for all."""
    value = place.value
    if place.name in _PLAIN:
        plain = _PLAIN[place.name]
        chosen = value if rows is None or place.name not in _OF_ROWS else [value[row] for row in rows.tolist()]
        return Leaf(plain=msgspec.msgpack.encode(plain.out(chosen), enc_hook=_number))
    if isinstance(value, np.ndarray):
        of_rows = rows is not None and place.is_of_miners
        return Leaf(Array.of(value[..., rows] if of_rows else value))
    return Leaf(plain=msgspec.msgpack.encode(value, enc_hook=_number))


def put_back(place: Place, leaf: Leaf, rows: Rows) -> None:
    """Put a recorded piece where today's object keeps it.

    Raises:
        RecordingError: it does not fit there.
    """
    try:
        if leaf.array is not None:
            _put_array(place, leaf.array.unpacked(), rows)
        elif leaf.plain is not None:
            _put_plain(place, leaf.plain, rows)
    except (ValueError, IndexError, TypeError, msgspec.MsgspecError) as error:
        raise RecordingError(f"expected {place.path} as this version keeps it; got {error}") from error


def _put_array(place: Place, found: NDArray[Any], rows: Rows) -> None:
    now = place.value
    if place.group == "places" or now is None:
        setattr(place.owner, place.name, found.copy())
    elif not isinstance(now, np.ndarray):
        raise TypeError("an array")
    elif place.is_of_miners and found.shape[-1:] == rows.shape:
        now[..., rows] = found
    elif now.shape == found.shape:
        np.copyto(now, found)
    else:
        setattr(place.owner, place.name, found.copy())


def _put_plain(place: Place, data: bytes, rows: Rows) -> None:
    if place.name not in _PLAIN:
        now = place.value
        kind = type(now) if isinstance(now, bool | int) else float if isinstance(now, float) else None
        found = msgspec.msgpack.decode(data, type=float | bool | int | None if kind is None else kind)
        setattr(place.owner, place.name, found)
        return
    plain = _PLAIN[place.name]
    found = msgspec.msgpack.decode(data, type=plain.type)
    if place.name in _OF_ROWS:
        for row, item in zip(rows.tolist(), found, strict=True):
            place.value[row] = item
        return
    if place.name == "_supplies":
        for kept, items in zip(place.value, found, strict=True):
            kept.clear()
            kept.extend(items)
        return
    if place.name == "_drops":
        found = {key: deque(items, place.owner.most_drops) for key, items in found.items()}
    setattr(place.owner, place.name, plain.back(found))


def _walk(thing: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any, str]]:
    """Yield the path, the owner and the attribute of each piece."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    for name in _attributes(thing):
        value = getattr(thing, name, None)
        if name in _KNOWN:
            continue
        path = f"{prefix}{name}"
        if name in _PLAIN or value is None or isinstance(value, np.ndarray | bool | int | float):
            yield path, thing, name
            continue
        if isinstance(value, Mapping):
            within = list(value.items())
        else:
            within = list(enumerate(value)) if isinstance(value, list | tuple) else [("", value)]
        for key, item in within:
            if _is_keeper(item):
                yield from _walk(item, _prefix(item, f"{path}.{key}" if key != "" else path), seen)


def _prefix(thing: object, path: str) -> str:
    """Return what the paths of what it keeps begin with: its class where there is one object of that alone."""
    alone = type(thing).__module__.startswith(("agent.detect.", "agent.triage.")) and not is_dataclass(thing)
    return f"{type(thing).__name__}." if alone and not isinstance(thing, BernoulliCusum) else f"{path}."


def _attributes(thing: Any) -> list[str]:
    if is_dataclass(thing):
        return [field.name for field in fields(thing)]
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return sorted({*getattr(thing, "__dict__", {}), *slots})


def _is_keeper(thing: object) -> bool:
    kind = type(thing)
    frozen = is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return kind.__module__.startswith(_KEEPERS) and not frozen and not isinstance(thing, SiteView | type)


def _number(value: object) -> object:
    """Return numpy's numbers as plain ones."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(type(value).__name__)
