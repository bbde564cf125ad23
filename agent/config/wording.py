"""The words of messages: what a field expects, what came, and what an operator who wrote a unit probably meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

UNIT_WORDS = {
    "s": "seconds",
    "w": "watts",
    "a": "amperes",
    "v": "volts",
    "th": "TH/s",
    "bytes": "bytes",
    "ratio": "a fraction of 1",
    "share": "a fraction of 1",
}
"""What the last word of a key says about its unit."""

_FACTORS: dict[str, dict[str, float]] = {
    "s": {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400},
    "w": {"w": 1, "watt": 1, "kw": 1000},
    "a": {"ma": 0.001, "a": 1, "amp": 1, "ampere": 1},
    "v": {"v": 1, "volt": 1, "kv": 1000},
    "th": {"gh": 0.001, "gh/s": 0.001, "th": 1, "th/s": 1, "ph": 1000, "ph/s": 1000},
    "bytes": {"b": 1, "k": 1024, "kb": 1000, "kib": 1024, "m": 1024**2, "mb": 1_000_000, "mib": 1024**2},
    "ratio": {"%": 0.01, "percent": 0.01},
    "share": {"%": 0.01, "percent": 0.01},
}
_QUANTITY = re.compile(r"\s*([0-9]{1,15}(?:[.,][0-9]{1,9})?)\s*([A-Za-z%/]{0,10})\s*")


@dataclass(frozen=True, slots=True)
class Expect:
    """What a type accepts, in words; stands in the type's Annotated metadata."""

    text: str


def unit_of(key: str) -> str:
    """Return the unit suffix of a key (`s` of `interval_s`), empty where it has none."""
    suffix = key.rpartition("_")[2]
    return suffix if suffix in UNIT_WORDS else ""


def number_text(value: float) -> str:
    """Return a number without needless digits: 8, 0.5, 262144."""
    return str(int(value)) if value == int(value) else f"{value:.10g}"


def converted(key: str, text: str, *, unit: str = "") -> str | None:
    """Return the number that `text` means in the unit of `key`; None where it is no quantity of that kind.

    Args:
        key: the key with its unit as suffix, such as `interval_s`.
        text: what was written, such as `10 s`, `500ms` or `80 %`.
        unit: the unit to assume where the text has none.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    came = match[2].lower() or unit
    factors = _FACTORS.get(unit_of(key), {})
    factor = factors.get(came, factors.get(came.removesuffix("s")) if came != "s" else None)
    if not came:
        factor = 1.0
    return None if factor is None else number_text(float(match[1].replace(",", ".")) * factor)


def shown(value: object) -> str:
    """Return what came, in at most a few words."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value) if abs(value) < 1e15 else f"{value:.3g}"
    words = {dict: "a mapping", list: "a list", bool: "true" if value else "false", type(None): "nothing"}
    return words.get(type(value), "something else")


def choice(names: Iterable[str]) -> str:
    """Return the names as an enumeration: a, b or c."""
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last


def closest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that `word` is probably a misspelling of."""
    by_fold = {name.casefold(): name for name in names}
    folded = word.casefold()[:100]
    begins = [fold for fold in by_fold if len(folded) > 2 and fold.startswith(folded)]
    close = begins if len(begins) == 1 else get_close_matches(folded, by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def without_none(annotation: Any) -> Any:
    """Return X for `X | None`, anything else unchanged."""
    if get_origin(annotation) in {Union, UnionType}:
        rest = [arg for arg in get_args(annotation) if arg is not NoneType]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def expected(key: str, field: FieldInfo) -> str:
    """Return what a field accepts, in words, from its type, its bounds and the unit in its key."""
    return _expected(key, without_none(field.annotation), field.metadata)


def expected_item(key: str, annotation: Any) -> str:
    """Return what an item of a list or a value of a mapping accepts."""
    return _expected(key, without_none(annotation), [])


def _expected(key: str, annotation: Any, metadata: Iterable[object]) -> str:
    known = list(metadata)
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        known += more
    said = next((item.text for item in known if isinstance(item, Expect)), None)
    if said is None and annotation in {int, float}:
        said = _expected_number(key, annotation, known)
    return said or _expected_kind(annotation)


def _expected_kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return choice(dict.fromkeys(str(value) for value in get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return choice(str(member.value) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return getattr(annotation, "expect", None) or f"a mapping with {choice(annotation.model_fields)}"
    if get_origin(annotation) is dict and get_origin(names := get_args(annotation)[0]) is Literal:
        return f"a mapping with {_expected_kind(names)}"
    return {str: "text", dict: "a mapping"}.get(get_origin(annotation) or annotation, "a list")


def _expected_number(key: str, annotation: Any, metadata: list[object]) -> str:
    kind = "a whole number" if annotation is int else "a number"
    low = next((item.ge for item in metadata if isinstance(item, annotated_types.Ge)), None)
    high = next((item.le for item in metadata if isinstance(item, annotated_types.Le)), None)
    unit = UNIT_WORDS.get(unit_of(key), "")
    text = f"{unit} as {kind}" if unit else kind
    if isinstance(low, int | float) and isinstance(high, int | float):
        text += f" between {number_text(low)} and {number_text(high)}"
    return text
