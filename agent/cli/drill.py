"""`terrahash drill`: let a fault loose on the simulated site of a running dry run, to train people."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from agent.api import client
from agent.api.drills import Drill, DrillOrder, Drills
from agent.api.socket import socket_beside
from agent.cli.daemon import owns
from agent.cli.options import dry_run_ledger
from agent.config import load
from agent.config.scenario.entry import DURATION, seconds
from agent.model.errors import InvariantError, PolicyError, RefusedError
from agent.report.table import Table, show, write_json
from agent.report.text import duration

T = TypeVar("T")

_COMMON = (
    click.option(
        "-c",
        "--config",
        "config_path",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The configuration that the dry run was started with.",
    ),
    click.option(
        "--ledger",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The ledger that the dry run was started with, where it was given one of its own.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)


class _DrillGroup(click.Group):
    """A group whose first word is a fault kind, unless it is one of its commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that begins a drill where the first word names none."""
        if args and args[0] not in self.commands:
            args = ["start", *args]
        return super().resolve_command(ctx, args)


def _common(command: Any) -> Any:
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.group(
    "drill",
    cls=_DrillGroup,
    subcommand_metavar="KIND TARGET [OPTIONS] | list | stop NUMBER",
    epilog="Example: terrahash drill miner.board_lost miner:r1-04 --param board=2 --for 20m -c config.yaml",
)
def drill_group() -> None:
    """Let a fault loose on the simulated site of a running dry run, to train people.

    The kinds are those of `terrahash faults list`. A real site is never touched: nobody but `terrahash run --dry-run`
    listens, on a Unix socket beside its ledger that no other user can open.
    """


@drill_group.command("start", epilog="Example: terrahash drill miner.fan_lost miner:r1-02 -c config.yaml")
@click.argument("kind")
@click.argument("target")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the fault kind.")
@click.option("--for", "lasts", metavar="TIME", help="End it by itself after 90s, 10m or 2h.  [default: when mended]")
@_common
def start_command(
    *,
    kind: str,
    target: str,
    params: tuple[str, ...],
    lasts: str | None,
    config_path: Path | None,
    ledger: Path | None,
    as_json: bool,
) -> None:
    """Begin a drill: KIND at TARGET, as in a scenario. The word `start` may be left out.

    Exit codes: 0 it began; 2 refused, or no dry run is running.
    """
    for_s = None if lasts is None else seconds(lasts)
    if lasts is not None and not for_s:
        raise click.BadParameter(f"expected {DURATION}, got {lasts!r}", param_hint="--for")
    given = _values(params)
    try:
        order = msgspec.convert({"kind": kind, "target": target, "params": given, "for_s": for_s}, DrillOrder)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error
    begun = _ask(config_path, ledger, Drill, ("POST", "/drills"), order)
    _print([begun], as_json=as_json, single=True)


@drill_group.command("list", epilog="Example: terrahash drill list -c config.yaml")
@_common
def list_command(*, config_path: Path | None, ledger: Path | None, as_json: bool) -> None:
    """List the drills of the running dry run, and which of them are over.

    Exit codes: 0 listed; 2 no dry run is running.
    """
    _print(_ask(config_path, ledger, Drills, ("GET", "/drills")).drills, as_json=as_json)


@drill_group.command("stop", epilog="Example: terrahash drill stop 1 -c config.yaml")
@click.argument("number", type=click.IntRange(1, 9999))
@_common
def stop_command(*, number: int, config_path: Path | None, ledger: Path | None, as_json: bool) -> None:
    """End a drill: what it broke is repaired, as by a person.

    Exit codes: 0 it is over; 2 refused, or no dry run is running.
    """
    _print([_ask(config_path, ledger, Drill, ("DELETE", f"/drills/{number}"))], as_json=as_json, single=True)


def _values(params: tuple[str, ...]) -> dict[str, object]:
    """Return the parameters; a value that is no JSON is a text."""
    values: dict[str, object] = {}
    for param in params:
        name, equals, text = param.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"expected NAME=VALUE, got {param!r}", param_hint="--param")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _ask(config: Path | None, ledger: Path | None, answer: type[T], request: tuple[str, str], body: object = None) -> T:
    """Ask the dry run that keeps that ledger, or is of that configuration; a request is a method and a path."""
    if (config is None) == (ledger is None):
        raise click.UsageError("give --config or --ledger, as the dry run was given it: which dry run is meant?")
    real = None if config is None else load(config).ledger
    kept = ledger if real is None else dry_run_ledger(real)
    if kept is None:
        raise InvariantError("neither a configuration nor a ledger; click has let that pass")
    try:
        return client.ask(socket_beside(kept), *request, answer, body)
    except RefusedError as error:
        if owns(kept if real is None else real):
            raise PolicyError(
                "the agent that runs here works on the real site, and nothing is broken on purpose there: start a dry "
                "run beside it (terrahash run --dry-run) and drill that one"
            ) from error
        raise PolicyError(f"no dry run is running ({error}): start one with terrahash run --dry-run") from error


def _print(drills: Sequence[Drill], *, as_json: bool, single: bool = False) -> None:
    if as_json:
        told: list[Mapping[str, Any]] = [msgspec.to_builtins(drill) for drill in drills]
        write_json(told[0] if single else told, sys.stdout)
        return
    rows = [
        (
            f"{drill.number}",
            drill.kind,
            drill.target,
            f"{len(drill.miners)}",
            "yes" if drill.fixable else "no",
            f"{duration(drill.began_s)} ago",
            "over" if drill.over else "lasts",
        )
        for drill in drills
    ]
    headers = ("drill", "kind", "target", "miners", "fixable", "began", "now")
    note = () if rows else ("No drill has begun.",)
    show([Table("", headers, rows, right=frozenset({"drill", "miners"}), notes=note)], sys.stdout)
