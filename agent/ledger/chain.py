"""The stored form of an event and the hash chain through them: pure functions, no database.

The chain is over the stored text, not over decoded events, so a ledger stays verifiable when later versions add fields.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

import msgspec

from agent.model.errors import InvariantError
from agent.model.events import Actor, AnyEvent, Record

GENESIS = "0" * 64
"""What the first event has for the hash before it."""


class Row(NamedTuple):
    """One line of the events table, as stored: `at_ms` in ms UTC, `prev` and `hash` in hex."""

    seq: int
    at_ms: int
    actor: str
    kind: str
    incident: str | None
    body: str
    prev: str
    hash: str


class Body(NamedTuple):
    """An event ready to be stored. `event` is what a reader of `text` will get."""

    event: AnyEvent
    kind: str
    incident: str | None
    text: str


class Flaw(StrEnum):
    """What can be wrong with a chain."""

    GAP = "gap"
    """An event is missing, or one stands where none belongs."""
    WRONG_PREV = "wrong_prev"
    """The event does not name the hash of the one before it."""
    CHANGED = "changed"
    """The event's content does not have the event's hash."""
    MISFILED = "misfiled"
    """The column used to look up by incident, or by kind, contradicts the event."""
    NOT_THE_ANCHOR = "not_the_anchor"
    """An anchor kept elsewhere names another hash for the event."""
    CUT = "cut"
    """The ledger ends before an event that an anchor kept elsewhere names."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The chain holds.

    Attributes:
        events: how many were checked.
        head: hash of the last; keep it elsewhere to notice a ledger rewritten or cut as a whole.
    """

    events: int
    head: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The chain holds before `seq` and not there."""

    seq: int
    flaw: Flaw


class _Label(msgspec.Struct):
    """The two fields of a body that the table repeats as columns."""

    kind: str
    incident: str | None = None


def _plain(value: object) -> object:
    """Turn a numpy scalar, which detectors hand out as evidence, into the Python number it stands for."""
    item = getattr(value, "item", None)
    if callable(item):
        plain: object = item()
        return plain
    raise TypeError(f"found a {type(value).__name__}")


_encoder = msgspec.json.Encoder(order="sorted", enc_hook=_plain)
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_label_decoder = msgspec.json.Decoder(_Label)


def encode(event: AnyEvent) -> Body:
    """Put an event into its canonical JSON (sorted keys, no whitespace, UTF-8).

    The result is read back at once, so nothing is ever committed that a later start could not read. A NaN or an
    infinity in the evidence becomes null, which is how missing is written.

    Raises:
        InvariantError: the event holds a value that its declaration does not allow.
    """
    kind = str(event.__struct_config__.tag)
    try:
        text = _encoder.encode(event)
        event = _decoder.decode(text)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvariantError(f"event {kind!r}: expected values that JSON can hold, as declared; {error}") from error
    return Body(event, kind, getattr(event, "incident", None), text.decode())


def decode(row: Row) -> Record:
    """Return the record a row stands for.

    Raises:
        ValueError, msgspec.MsgspecError: the row is not one this version wrote or knows.
    """
    return Record(row.seq, row.at_ms / 1000.0, Actor(row.actor), _decoder.decode(row.body), row.prev, row.hash)


def digest(*, seq: int, at_ms: int, actor: str, kind: str, body: str, prev: str) -> str:
    """Return the hex SHA-256 of an event: its fields as UTF-8 lines, in the order seq, at_ms, actor, kind, prev, body.

    Canonical because none of the first five can hold a line feed and JSON without whitespace has none either;
    anybody can redo it with `printf` and `sha256sum`.
    """
    return sha256(f"{seq}\n{at_ms}\n{actor}\n{kind}\n{prev}\n{body}".encode()).hexdigest()


def verify(rows: Iterable[Row], *, since_seq: int = 0, head: str = GENESIS) -> Sound | Broken:
    """Check rows in the order of seq, from the one after `since_seq`, whose hash was `head`; name the first bad one."""
    seq = since_seq
    for row in rows:
        if (broken := fault(row, seq, head)) is not None:
            return broken
        seq, head = row.seq, row.hash
    return Sound(seq - since_seq, head)


def fault(row: Row, seq: int, head: str) -> Broken | None:
    """Return what is wrong with a row that is to follow the event `seq`, whose hash was `head`; None where nothing."""
    if row.seq != seq + 1:
        return Broken(min(seq + 1, row.seq), Flaw.GAP)
    if row.prev != head:
        return Broken(row.seq, Flaw.WRONG_PREV)
    content = digest(seq=row.seq, at_ms=row.at_ms, actor=row.actor, kind=row.kind, body=row.body, prev=row.prev)
    if row.hash != content:
        return Broken(row.seq, Flaw.CHANGED)
    return None if _is_filed_right(row) else Broken(row.seq, Flaw.MISFILED)


def anchored(
    rows: Iterable[Row], anchor: tuple[int, str] | None, *, since_seq: int = 0, head: str = GENESIS
) -> Sound | Broken:
    """Check as `verify` does, and that the event is still there that an anchor names: its seq and its hash.

    Without an anchor this is `verify`: whether the newest events were cut off, a chain cannot tell by itself.
    """
    if anchor is None:
        return verify(rows, since_seq=since_seq, head=head)
    seq, wanted = anchor
    met: list[str] = [head] if seq == since_seq else []

    def watched() -> Iterator[Row]:
        for row in rows:
            if row.seq == seq:
                met.append(row.hash)
            yield row

    found = verify(watched(), since_seq=since_seq, head=head)
    if isinstance(found, Broken):
        return found
    if not met:
        return Broken(seq, Flaw.CUT)
    return found if met == [wanted] else Broken(seq, Flaw.NOT_THE_ANCHOR)


def _is_filed_right(row: Row) -> bool:
    try:
        label = _label_decoder.decode(row.body)
    except msgspec.MsgspecError:
        return False
    return (label.kind, label.incident) == (row.kind, row.incident)
