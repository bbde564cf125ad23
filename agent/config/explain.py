"""A schema's refusals as problems an operator can act on: the place, what was expected, what came, what to write."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from agent.config.errors import Problem
from agent.config.schema import ConfigFile
from agent.config.schema_devices import CredentialRef
from agent.config.source import Node, Steps, is_secretive
from agent.config.wording import (
    UNIT_WORDS,
    choice,
    closest,
    converted,
    expected,
    expected_item,
    number_text,
    shown,
    unit_of,
    without_none,
)

_REMEDIES = {
    "enum": "write one of them",
    "literal_error": "write one of them",
    "too_short": "add at least one",
    "too_long": "shorten it",
}
_OPENLY_SHOWN = frozenset({"version", "protocol", "port", "user", "host_keys", "legacy"})


def explain(error: ValidationError, tree: Node) -> list[Problem]:
    """Return one problem for each error of the schema, placed in `tree`."""
    return [_explain_one(item, tree) for item in error.errors(include_url=False, include_context=True)]


def salvage(tree: Node, error: ValidationError) -> bool:
    """Remove from `tree` what the schema refused, so that the rest can still be checked.

    An unknown key or a value goes by itself; where something required is missing its whole list item or section goes.
    Returns whether anything was left to remove.
    """
    removed = False
    items = error.errors(include_url=False)
    # From the back, so that removing a list's item leaves the positions before it alone.
    for item in sorted(items, key=lambda e: [(isinstance(s, str), s) for s in _steps(e)], reverse=True):
        steps = _steps(item)
        if steps == ("site",) and item["type"] == "missing" and isinstance(tree.value, dict):
            # The site's name matters to no check.
            tree.value["site"] = Node(tree.place, {"name": Node(tree.place, "unnamed")})
            removed = True
        elif item["type"] == "missing":
            last_item = max((i for i, step in enumerate(steps) if isinstance(step, int)), default=len(steps) - 2)
            removed |= _remove(tree, steps[: last_item + 1])
        else:
            removed |= _remove(tree, steps)
    return removed


def _remove(tree: Node, steps: Steps) -> bool:
    node: Node | None = tree
    for step in steps[:-1]:
        node = node.child(step) if node is not None else None
    last = steps[-1] if steps else None
    if node is None or last is None or node.child(last) is None:
        return False
    node.remove(last)
    return True


def _steps(item: ErrorDetails) -> Steps:
    """Return the path of an error without the marker that pydantic adds for a mapping's key."""
    return tuple(step for step in item["loc"] if step != "[key]")


def _explain_one(item: ErrorDetails, tree: Node) -> Problem:
    steps = _steps(item)
    path = tree.dotted(*steps)
    key = str(steps[-1]) if steps else ""
    if item["type"] == "extra_forbidden":
        owner = _owner(steps)
        want, remedy = _unknown_key(key, item["input"], owner.model_fields if owner else {}, steps)
        return Problem(tree.key_at(*steps), path, want, f"the unknown key {key[:60]!r}", remedy)
    want, field = _wanted(steps)
    if item["type"] == "missing":
        about = f" ({field.description.rstrip('.')})" if field is not None and field.description else ""
        return Problem(tree.at(*steps), path, want, "nothing", f"add {key}{about}")
    if "[key]" in item["loc"]:
        names = _key_names(steps)
        close = closest(key, names)
        remedy = f"did you mean {close!r}?" if close else "use one of these names"
        return Problem(tree.key_at(*steps), path, choice(names), shown(key), remedy)
    hidden = isinstance(item["input"], str) and is_secretive(steps) and key not in _OPENLY_SHOWN
    got = "a text, not repeated here" if hidden else _shown(item)
    if item["type"] == "too_short":
        want = f"{want} with at least one item"
    return Problem(tree.at(*steps), path, want, got, _remedy(item, key, want, field, hidden=hidden))


def _shown(item: ErrorDetails) -> str:
    value = item["input"]
    if item["type"] == "too_short":
        return "an empty list"
    return repr(value) if item["type"] == "int_type" and isinstance(value, float) else shown(value)


def _unknown_key(key: str, value: Any, fields: Mapping[str, FieldInfo], steps: Steps) -> tuple[str, str]:
    """Return what was expected and the remedy for a key that is not known, units considered."""
    stem = key.rpartition("_")[0] or key
    for name in fields:
        unit = unit_of(name)
        if not unit or name.removesuffix(f"_{unit}") not in {key, stem}:
            continue
        remedy = f"did you mean {name!r}, in {UNIT_WORDS[unit]}?"
        if not is_secretive(steps) and not isinstance(value, bool) and isinstance(value, str | int | float):
            number = converted(name, shown(value).strip("'"), unit=key.rpartition("_")[2] if "_" in key else unit)
            remedy += f" Write {name}: {number}" if number is not None else ""
        return f"{name!r}", remedy
    close = closest(key, fields)
    if close is not None:
        return f"{close!r}", f"did you mean {close!r}?"
    return choice(fields) if fields else "no key", "remove it"


def _remedy(item: ErrorDetails, key: str, want: str, field: FieldInfo | None, *, hidden: bool) -> str:
    value = item["input"]
    about = (
        f"write what belongs here ({field.description.rstrip('.')})" if field and field.description else "write it so"
    )
    remedy = _REMEDIES.get(item["type"], about)
    if item["type"] == "refused":
        remedy = str(item.get("ctx", {}).get("remedy", remedy))
    elif want == CredentialRef.expect:
        remedy = f"keep the secret out of this file: write {key}: {{credential: NAME}} and set the credential NAME"
    elif "number" in want and not hidden:
        remedy = _number_remedy(item, key, field)
    elif item["type"] in {"enum", "literal_error"} and isinstance(value, str) and not hidden:
        close = closest(value, want.replace(" or ", ", ").split(", "))
        remedy = f"did you mean {close!r}?" if close else remedy
    elif want.endswith("text") and isinstance(value, int | float):
        remedy = "put it in quotes"
    return remedy


def _number_remedy(item: ErrorDetails, key: str, field: FieldInfo | None) -> str:
    value = item["input"]
    if isinstance(value, str):
        number = converted(key, value)
        return f"write {number}" if number is not None else "write the number alone, without unit or quotes"
    default = field.default if field is not None else None
    hint = f"; the default is {number_text(default)}" if isinstance(default, int | float) else ""
    if isinstance(value, float) and item["type"] == "int_type":
        return f"write {value:.0f}"
    too_big = item["type"] == "less_than_equal" and isinstance(value, int | float)
    if too_big and unit_of(key) == "s" and value / 1000 <= item.get("ctx", {}).get("le", 0) and value >= 1000:
        return f"write {number_text(value / 1000)} if milliseconds were meant{hint}"
    if too_big and unit_of(key) in {"ratio", "share"} and value <= 100:
        return f"write {number_text(value / 100)} if per cent were meant{hint}"
    return f"write a number in that range{hint}"


def _descend(steps: Steps) -> Iterator[tuple[Any, FieldInfo | None, type[BaseModel] | None]]:
    """Walk the schema along `steps`: each step's annotation, its field and the model that has the field."""
    annotation: Any = ConfigFile
    for step in steps:
        base = without_none(annotation)
        base = without_none(get_args(base)[0]) if get_origin(base) is Annotated else base
        field: FieldInfo | None = None
        owner: type[BaseModel] | None = None
        if isinstance(base, type) and issubclass(base, BaseModel):
            owner = base
            field = base.model_fields.get(str(step))
            annotation = field.annotation if field is not None else None
        elif get_origin(base) in {list, tuple}:
            annotation = get_args(base)[0]
        elif get_origin(base) is dict:
            annotation = get_args(base)[1]
        else:
            annotation = None
        yield annotation, field, owner


def _owner(steps: Steps) -> type[BaseModel] | None:
    *_, (_, _, owner) = _descend(steps)
    return owner


def _wanted(steps: Steps) -> tuple[str, FieldInfo | None]:
    """Return what belongs at `steps`, in words, and its field where it is one."""
    if not steps:
        return expected_item("", ConfigFile), None
    *_, (annotation, field, _) = _descend(steps)
    key = str(steps[-1])
    if field is not None:
        return expected(key, field), field
    return (expected_item(key, annotation) if annotation is not None else "something else"), None


def _key_names(steps: Steps) -> list[str]:
    """Return the keys that the mapping around `steps` knows."""
    parents = list(_descend(steps[:-1]))
    annotation = without_none(parents[-1][0]) if parents else ConfigFile
    keys = get_args(annotation)[0] if get_origin(annotation) is dict else str
    names = get_args(keys) or tuple(getattr(keys, "__members__", {}).values())
    return [str(getattr(name, "value", name)) for name in names] or ["a name"]
