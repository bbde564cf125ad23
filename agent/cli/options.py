"""What the commands that read a ledger share: which ledger, and since when. They import neither loop nor drivers."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

LEDGER_VARIABLE = "TERRAHASH_LEDGER"
DEFAULT_LEDGER = Path("terrahash.sqlite3")

_UNIT_S = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def since_option(
    what: str = "Only incidents detected since then",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--since`, which hands it UTC seconds; `what` says of what it leaves out the rest."""
    return click.option(
        "--since",
        metavar="AGE|DATE",
        callback=lambda _ctx, _param, value: None if value is None else moment(value),
        help=f"{what}: 90m, 24h, 7d, 2w or an ISO date or time (UTC).",
    )


def moment(text: str) -> float:
    """Return in UTC seconds what an age (before now) or an ISO date or time (UTC unless it names an offset) means.

    Raises:
        click.BadParameter: it is neither.
    """
    if age := re.fullmatch(r"([0-9]{1,6})([mhdw])", text):
        return max(0.0, wall_clock_s() - int(age[1]) * _UNIT_S[age[2]])
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"expected an age (90m, 24h, 7d, 2w) or an ISO date (2026-03-01, 2026-03-01T12:00), got {text!r}"
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def wall_clock_s() -> float:
    """Return now in UTC seconds."""
    from agent.clock import Clock  # noqa: PLC0415 - loads the event loop's module, which listing can do without

    return Clock.real().now()


def ledger_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--ledger` and `--config`, of which `ledger_path` makes one path."""
    path = click.Path(dir_okay=False, path_type=Path)
    command = click.option("-c", "--config", type=path, metavar="FILE", help="Configuration that names the ledger.")(
        command
    )
    return click.option(
        "--ledger",
        type=path,
        metavar="FILE",
        help=f"Ledger to read.  [default: the configuration's, ${LEDGER_VARIABLE}, or ./{DEFAULT_LEDGER}]",
    )(command)


def no_such_incident(ctx: click.Context, named: str, path: Path) -> NoReturn:
    """End the command with exit code 1: the ledger at `path` has no incident of that id."""
    click.echo(f"no incident {named!r} in {path}: terrahash incidents list shows the ids", err=True)
    ctx.exit(1)


def dry_run_ledger(ledger: Path) -> Path:
    """Return the path of the dry run's own ledger: simulated incidents never mix with real ones."""
    return ledger.with_name(f"{ledger.stem}.dry-run{ledger.suffix}")


def ledger_path(ledger: Path | None, config: Path | None) -> Path:
    """Return the ledger meant: what the command line says before what the environment says.

    Raises:
        click.UsageError: the command line says two things.
        ConfigError: the configuration is not valid.
    """
    if ledger is not None and config is not None:
        raise click.UsageError("give --ledger or --config, not both: which ledger is meant?")
    if ledger is not None:
        return ledger
    if config is not None:
        from agent.config import load  # noqa: PLC0415 - pydantic and YAML, only where a configuration is read

        return load(config).ledger
    return Path(os.environ.get(LEDGER_VARIABLE) or DEFAULT_LEDGER)
