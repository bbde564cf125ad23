"""`terrahash scenarios`: the scenarios that come with the program."""

import sys
from pathlib import Path
from typing import Any

import click

from agent.report.table import Table, show, write_json
from agent.report.text import duration


@click.group("scenarios")
def scenarios_group() -> None:
    """List the scenarios that are shipped, or show one to begin an own one from."""


@scenarios_group.command("list", epilog="Example: terrahash scenarios list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
def list_command(*, as_json: bool) -> None:
    """List the scenarios that are shipped; `terrahash simulate NAME` runs one.

    Exit codes: 0 listed.
    """
    told = [_told(name, path) for name, path in _shipped().items()]
    if as_json:
        write_json(told, sys.stdout)
        return
    rows = [(t["name"], str(t["miners"]), duration(t["duration_s"]), t["tier"], t["summary"]) for t in told]
    headers = ("scenario", "miners", "site time", "tier", "what it shows")
    show([Table("", headers, rows, frozenset(("miners", "site time")))], sys.stdout)


@scenarios_group.command("show", epilog="Example: terrahash scenarios show demo > mine.yaml")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
@click.pass_context
def show_command(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Print one scenario's file.

    Exit codes: 0 shown; 1 there is none of that name.
    """
    path = _shipped().get(name)
    if path is None:
        click.echo(f"no scenario {name!r} is shipped: terrahash scenarios list shows the names", err=True)
        ctx.exit(1)
    text = path.read_text(encoding="utf-8")
    if as_json:
        write_json(_told(name, path) | {"path": str(path), "text": text}, sys.stdout)
    else:
        click.echo(text, nl=False)


def _shipped() -> dict[str, Path]:
    from agent.cli.scenario_run import shipped  # noqa: PLC0415 - --help does without the simulators

    return shipped()


def _told(name: str, path: Path) -> dict[str, Any]:
    from agent.cli.scenario_run import read_scenario  # noqa: PLC0415 - as above

    scenario = read_scenario(path)
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    return {
        "name": name,
        "summary": first.lstrip("# "),
        "seed": scenario.seed,
        "duration_s": scenario.duration_s,
        "tier": scenario.tier.value,
        "miners": len(scenario.settings.site.miners),
        "faults": len(scenario.faults),
        "expectations": [expectation.text for expectation in scenario.expect],
    }
