"""`terrahash faults`: the catalogue of what scenarios can let go wrong."""

import sys
from typing import Any

import click

from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING


@click.group("faults")
def faults_group() -> None:
    """Show the fault kinds that scenarios can use."""


@faults_group.command("list", epilog="Example: terrahash faults list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(*, as_json: bool) -> None:
    """List every fault kind: its category, whether and how it can be fixed remotely, signature, parameters.

    Exit codes: 0 listed.
    """
    told = kinds()
    if as_json:
        write_json(told, sys.stdout)
        return
    headers = ("kind", "category", "counts as", "fixed by", "targets", "parameters")
    rows = [
        (
            kind["kind"],
            kind["category"],
            "incident" if kind["counts"] else "disturbance",
            kind["fixable_by"] or NOTHING,
            " ".join(kind["targets"]),
            ", ".join(f"{p['name']}={shown(p['default'])}" for p in kind["parameters"]) or NOTHING,
        )
        for kind in told
    ]
    notes = tuple(f"{kind['kind']}: {kind['does']} {kind['signature']}" for kind in told)
    show([Table("", headers, rows, notes=notes)], sys.stdout)


def kinds() -> list[dict[str, Any]]:
    """Return every fault kind as `faults list --json` prints it."""
    from agent.config.scenario.faults import wanted  # noqa: PLC0415 - --help does without
    from simulators.faults import FAULT_KINDS  # noqa: PLC0415 - as above

    return [
        {
            "kind": kind.name,
            "category": kind.category.value,
            "counts": kind.counts,
            "fixable": kind.fixable,
            "fixable_by": None if kind.remedy is None else kind.remedy.value,
            "causes": sorted(kind.causes),
            "targets": sorted(kind.on),
            "does": kind.does,
            "signature": kind.signature,
            "parameters": [
                {"name": name, "default": knob.default, "accepts": wanted(knob), "meaning": knob.meaning}
                for name, knob in kind.knobs.items()
            ],
        }
        for kind in FAULT_KINDS.values()
    ]


def shown(value: object) -> str:
    """Return a parameter's default as a scenario would have it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "true" if value is True else "false" if value is False else NOTHING if value is None else f"{value}"
