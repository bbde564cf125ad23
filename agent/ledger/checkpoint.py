"""The fold as bytes: what the agent remembers after a certain event, so that what led there need not be read again.

A checkpoint is a shortcut and no source: what it has follows from the events before it, which lie in archives. It says
which fields it has, and a version of the agent that remembers other things takes none of it.
"""

from collections import deque
from hashlib import sha256
from typing import Any, get_origin

import msgspec

from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.model.action import Action, Verb
from agent.model.approval import Approval
from agent.model.events import AgentStarted, Intended, Judged, OutletsDoubted, Rebound
from agent.model.ids import ApprovalId, CoolingUnitId, ImageId, IncidentId, MinerId, NoticeId, PduId, PoolId, WindowId
from agent.model.incident import Category, Incident, Reason
from agent.model.memory import Cycle, Done, Flash, Setpoint
from agent.model.notice import Notice
from agent.model.topology import Outlet
from agent.model.windows import Window, Windows

Unit = tuple[CoolingUnitId, Verb]
Held = tuple[IncidentId, float]

FIELDS: dict[str, Any] = {
    "seq": int,
    "started": tuple[AgentStarted, float] | None,
    "stopped_at": float | None,
    "incidents": dict[IncidentId, Incident],
    "flying": dict[IncidentId, Intended],
    "duties": list[tuple[Outlet, IncidentId]],
    "power_offs": dict[MinerId, tuple[float, ...]],
    "settled": dict[MinerId, Done],
    "pool_set": dict[MinerId, tuple[PoolId, float]],
    "pools_left": dict[PoolId, dict[IncidentId, float]],
    "switched_on": list[tuple[Outlet, float]],
    "flashes": dict[MinerId, Flash],
    "proven": dict[ImageId, dict[MinerId, float]],
    "frozen": dict[ImageId, Flash],
    "rebound": dict[MinerId, Rebound],
    "setpoints": list[tuple[Unit, Setpoint]],
    "supply_moves": dict[CoolingUnitId, tuple[tuple[float, float], ...]],
    "derated": dict[MinerId, tuple[float, IncidentId, float]],
    "asleep": dict[MinerId, Held],
    "cycles": dict[MinerId, Cycle],
    "mapped": list[tuple[Outlet, MinerId]],
    "doubted": dict[PduId, OutletsDoubted],
    "fell": dict[MinerId, float],
    "disruptions": list[tuple[float, Action]],
    "held": str | None,
    "approvals": dict[ApprovalId, Approval],
    "asked": dict[IncidentId, tuple[ApprovalId, ...]],
    "judged": dict[IncidentId, Judged],
    "is_stormy": bool,
    "notices": dict[NoticeId, Notice],
    "told": int,
    "told_of": dict[IncidentId, None],
    "_latest": list[tuple[tuple[Category, MinerId], IncidentId]],
    "_open": dict[IncidentId, None],
    "_of_device": list[tuple[tuple[str, Reason], IncidentId]],
    "_own": IncidentId | None,
    "_owner": dict[MinerId, IncidentId],
    "windows": tuple[dict[WindowId, Window], list[Window], int, int],
}
"""Every attribute of the memory, by what it is stored as. What is not keyed by text is stored as pairs."""

_WINDOWS = ("open", "past", "version", "opened")
_encoder = msgspec.msgpack.Encoder()


def pack(state: State) -> bytes:
    """Return everything that the state holds."""
    held = {name: _plain(getattr(state, name), type_) for name, type_ in FIELDS.items()}
    return _encoder.encode(held)


def unpack(stored: bytes, state: State) -> None:
    """Put what was stored into an empty state.

    Raises:
        LedgerError: another version of the agent stored it, or these are not its bytes.
    """
    try:
        held = msgspec.msgpack.decode(stored, type=dict[str, msgspec.Raw])
        if held.keys() != FIELDS.keys():
            odd = ", ".join(sorted(held.keys() ^ FIELDS.keys()))
            raise LedgerError(f"expected a checkpoint of what this version remembers; it differs in {odd[:200]}")
        read = {name: msgspec.msgpack.decode(held[name], type=type_) for name, type_ in FIELDS.items()}
    except (ValueError, msgspec.MsgspecError) as error:
        raise LedgerError(f"expected a checkpoint of what this version remembers; {error}") from error
    for name, value in read.items():
        setattr(state, name, _filled(getattr(state, name), value))


def digest(stored: bytes) -> str:
    """Return the hex SHA-256 by which the chain vouches for a checkpoint."""
    return sha256(stored).hexdigest()


def _plain(value: Any, type_: Any) -> Any:
    if isinstance(value, Windows):
        return tuple(getattr(value, name) for name in _WINDOWS)
    if get_origin(type_) is list:
        return list(value.items() if isinstance(value, dict) else value)
    return value


def _filled(empty: Any, value: Any) -> Any:
    """Return what was read as the attribute's own type, which an empty state shows."""
    if isinstance(empty, Windows):
        for name, part in zip(_WINDOWS, value, strict=True):
            setattr(empty, name, part)
        return empty
    return type(empty)(value) if isinstance(empty, dict | deque) else value
