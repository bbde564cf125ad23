"""`terrahash hold` and `terrahash release`: the kill switch by hand. A file does it, so no daemon need answer."""

import os
import tempfile
from pathlib import Path

import click

from agent.cli.options import ledger_options, ledger_path
from agent.model.errors import PolicyError
from agent.observe.hold import HoldFile, hold_path


@click.command("hold", epilog='Example: terrahash hold --why "electrician in container 2"')
@ledger_options
@click.option("--why", default="", help="What the ledger and the log say about it.")
def hold_command(*, ledger: Path | None, config: Path | None, why: str) -> None:
    """Have the agent keep its hands off, from its next tick on, until `terrahash release`.

    It goes on watching and recording, and gives nothing power: outlets that it has switched off wait, too. Miners that
    are not cooled any more it still puts to sleep; `systemctl stop` ends that as well.

    Exit codes: 0 held, also if it was before; 2 usage, or the file cannot be written.
    """
    path = hold_path(ledger_path(ledger, config))
    try:
        # Complete or not there at all: the agent may look at any moment.
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{' '.join(why.split())}\n")
        Path(made).chmod(0o644)
        Path(made).replace(path)
    except OSError as error:
        raise PolicyError(
            f"{path}: expected to write the hold file: {error.strerror}; name the agent's ledger, as a user that may "
            "write beside it"
        ) from error
    click.echo(f"held: {HoldFile(path).why()} ({path})")


@click.command("release", epilog="Example: terrahash release")
@ledger_options
def release_command(*, ledger: Path | None, config: Path | None) -> None:
    """Let a held agent act again, from its next tick on.

    Exit codes: 0 released; 1 it was not held; 2 usage, or the file cannot be removed.
    """
    path = hold_path(ledger_path(ledger, config))
    why = HoldFile(path).why()
    try:
        path.unlink()
    except FileNotFoundError:
        click.echo(f"not held: there is no {path}", err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise PolicyError(
            f"{path}: expected to remove the hold file: {error.strerror}; run this as a user that may write there"
        ) from error
    click.echo(f"released; it was held: {why}")
