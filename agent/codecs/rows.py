"""Rows with known fields: read all at once where a reply is as it should be, else field by field.

A row's type says which fields are read and between which bounds each number is believed. The parser checks all of it
on its way and makes nothing of the other fields. Where one thing in the reply is amiss, `by_field` reads the same type
off the sections that `cgminer` makes out, so that one bad field costs that field only.
"""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec

from agent.codecs.cgminer import MAX_UNIX_S, Row, within

R = TypeVar("R", bound=msgspec.Struct)

AMISS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the parser raises at a reply that is not as it should be: to be read field by field."""


class Status(msgspec.Struct, gc=False):
    """A STATUS that does not take its section's payload back; `when` is the device's own time, Unix s."""

    letter: Literal["S", "I", "W"] = msgspec.field(name="STATUS", default="S")
    when: Annotated[float, msgspec.Meta(ge=0.0, le=MAX_UNIX_S)] | None = msgspec.field(name="When", default=None)


class Answer(msgspec.Struct, gc=False, kw_only=True):
    """One command's section; its types add the payload as `rows`."""

    status: list[Status] = msgspec.field(name="STATUS", default_factory=list)


S = TypeVar("S", bound=Answer)
Present = Annotated[list[S], msgspec.Meta(min_length=1)]
"""A joined reply's section, which the device wraps in a list."""


def by_field(kind: type[R]) -> Callable[[Row], R]:
    """Return a reader of single rows: a number that is missing or out of its bounds is None, a spelt one is read."""
    bounds: dict[str, tuple[str, float, float]] = {}
    others: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        described = msgspec.inspect.type_info(field.type)
        types = described.types if isinstance(described, msgspec.inspect.UnionType) else ()
        number = next((t for t in types if isinstance(t, msgspec.inspect.FloatType)), None)
        if number is not None and number.ge is not None and number.le is not None:
            bounds[field.name] = (field.encode_name, number.ge, number.le)
        else:
            others[field.name] = field.encode_name

    def read(row: Row) -> R:
        numbers = {name: within(row.get(key), low, high) for name, (key, low, high) in bounds.items()}
        return kind(**numbers, **{name: row.get(key) for name, key in others.items()})

    return read
