"""Writes the reference pages from the code that they describe: configuration, commands, faults, gates, playbooks.

The pages are kept under version control, so that they can be read without being built; a test holds them to the code.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

import click

from agent.cli.faults import kinds, shown
from agent.cli.main import COMMANDS, cli
from agent.cli.playbook_report import states, summary
from agent.cli.playbooks import shipped
from agent.config.schema import json_schema
from agent.guard.order import GATES
from agent.report.playbook_text import as_mermaid
from agent.report.text import NOTHING, duration

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Written by docs/reference.py from the code: change the code, then `make docs`. -->"

Schema = Mapping[str, Any]


def configuration() -> Iterator[str]:
    """Yield the page on every key of `config.yaml` and every column of the inventory."""
    yield "# Configuration"
    yield (
        "Every key of `config.yaml`, with what it takes and what holds where it is left out. `config.example.yaml` "
        "shows them in use; `terrahash config check` says what is wrong with a file, and where; `terrahash config "
        "schema` prints the same for editors. Units are in the names: `_s` seconds, `_k` kelvins, `_v` volts, `_a` "
        "amperes."
    )
    schema = json_schema()
    sections = {name: of for name, of in schema["$defs"].items() if "properties" in of}
    for title, section in {"the file": schema, **{_title(name): of for name, of in sections.items()}}.items():
        yield f"## {title}\n\n{section['description']}"
        rows = [
            (
                f"`{key}`",
                _accepts(of, schema["$defs"]),
                "needed" if key in section.get("required", ()) else _default(of),
                of.get("description") or sections[_name(of)]["description"],
            )
            for key, of in section["properties"].items()
        ]
        yield _table(("key", "takes", "left out", "meaning"), rows)


def _accepts(of: Schema, known: Mapping[str, Schema]) -> str:
    """Return what a key takes: its type, its limits, words to choose from, or a link to a section."""
    if "anyOf" in of:
        ways = (_accepts(way, known) for way in of["anyOf"] if way.get("type") != "null")
        return " or ".join(dict.fromkeys(ways))
    if "$ref" in of:
        section = known[_name(of)]
        return _accepts(section, known) if "enum" in section else f"[{_title(_name(of))}](#{_title(_name(of), '-')})"
    if "enum" in of:
        return ", ".join(f"`{word}`" for word in of["enum"])
    return _type(of, known)


def _type(of: Schema, known: Mapping[str, Schema]) -> str:
    match of.get("type"):
        case "array":
            return f"list of {_accepts(of['items'], known)}"
        case "object":
            return f"mapping to {_accepts(of['additionalProperties'], known)}"
        case list() as several:
            return " or ".join(several)
        case kind:
            bounds = (("from", of.get("minimum")), ("to", of.get("maximum")))
            return " ".join((str(kind), *(f"{word} {bound:g}" for word, bound in bounds if bound is not None)))


def _name(of: Schema) -> str:
    return str(of["$ref"]).rpartition("/")[2]


def _default(of: Schema) -> str:
    value = of.get("default")
    if isinstance(value, dict):
        return "as below" if value else NOTHING
    return NOTHING if value is None or value == [] else f"`{json.dumps(value, ensure_ascii=False)}`"


def _title(name: str, between: str = " ") -> str:
    """Return a section's name as words: PoolGroupSection is the pool group."""
    return between.join(re.findall(r"[A-Z][a-z]*", name.removesuffix("Section"))).lower()


def commands() -> Iterator[str]:
    """Yield the page on every command, as `--help` prints it."""
    yield "# Commands"
    yield "What `--help` prints, of each. `terrahash NAME --help` says the same on the machine."
    root = cli.make_context("terrahash", [], resilient_parsing=True)
    yield from _command(root, 2)
    for name, lazy in COMMANDS.items():
        yield from _tree(getattr(import_module(lazy.module), lazy.attribute), name, root, 2)


def _tree(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield from _command(context, level)
    for child, below in getattr(command, "commands", {}).items():
        yield from _tree(below, child, context, level + 1)


def _command(context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}"
    yield f"```text\n{context.get_help().rstrip()}\n```"


def faults() -> Iterator[str]:
    """Yield the catalogue of fault kinds: what each does, how it shows, what mends it, what it can be told."""
    yield "# Fault kinds"
    yield (
        "What scenarios, `terrahash drill` and `terrahash run --dry-run --fault` can let go wrong on a simulated site. "
        "A kind counts as an incident of its category, or is a disturbance that must not become one. *Fixed by* is the "
        "truth about it: the mildest action that mends it, or nothing that can be done from afar."
    )
    for kind in kinds():
        yield f"## {kind['kind']}\n\n{kind['does']} {kind['signature']}"
        counts = f"an incident, `{kind['category']}`" if kind["counts"] else "a disturbance"
        mended = f"`{kind['fixable_by']}`" if kind["fixable_by"] else "nothing from afar" if kind["counts"] else NOTHING
        yield f"Counts as {counts}; fixed by {mended}; falls on {', '.join(f'`{name}`' for name in kind['targets'])}."
        if kind["parameters"]:
            rows = [
                (f"`{p['name']}`", p["accepts"], f"`{shown(p['default'])}`", p["meaning"]) for p in kind["parameters"]
            ]
            yield _table(("parameter", "takes", "left out", "meaning"), rows)


def gates() -> Iterator[str]:
    """Yield the gates in the order in which they are asked."""
    yield "# Gates"
    yield (
        "Every action is held against these, in this order; the first that does not allow decides. "
        "[Guards](../guards.md) says how they work together and what their limits are set by."
    )
    rows = [
        (f"`{gate.__name__}`", _first(getdoc(gate)), _first(sys.modules[gate.__module__].__doc__)) for gate in GATES
    ]
    yield _table(("gate", "does", "because"), rows)


def playbooks() -> Iterator[str]:
    """Yield every playbook: what it is for, what it may do at most, and its diagram."""
    yield "# Playbooks"
    yield (
        "Drawn from the tables that the agent runs. [Playbooks](../playbooks.md) says how to read and write one; "
        "`terrahash playbooks show NAME` has each condition in words, and `verify` the proof that it is sound."
    )
    for name, playbook in shipped().items():
        found = summary(playbook)
        yield f"## {name}\n\n{_first(import_module(f'playbooks.{name}').__doc__)}"
        causes = ", ".join(f"`{cause.value}`" for cause in sorted(playbook.causes)) or "any that is no other's"
        done = ", ".join(f"{verb.verb} {verb.most}" for verb in found.verbs) or "nothing"
        bound = f"Does at most: {done}. Lasts at most {duration(found.longest_s)}."
        yield f"For `{found.category}` incidents; cause: {causes}. {bound}"
        diagram = as_mermaid(playbook.name, playbook.initial, states(playbook))
        yield f"```mermaid\n{diagram.rstrip()}\n```"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "configuration": configuration,
    "commands": commands,
    "faults": faults,
    "gates": gates,
    "playbooks": playbooks,
}


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first(doc: str | None) -> str:
    return " ".join((doc or "").split("\n\n")[0].split())


def text(page: str) -> str:
    """Return a page as it is to be kept."""
    return "\n\n".join((MADE, *PAGES[page]())) + "\n"


def main() -> None:
    """Write every page: here, or into the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for page in PAGES:
        (folder / f"{page}.md").write_text(text(page), encoding="utf-8")


if __name__ == "__main__":
    main()
