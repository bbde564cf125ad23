"""`terrahash curtail`, `maintain`, `resume` and `windows`: announcing what miners are to do, ending it, listing it."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.api.windows import Announced, AnnouncedWindows, Ending, WindowOrder, windows_of
from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path, wall_clock_s
from agent.ledger.queries import fold
from agent.ledger.reader import read
from agent.model.windows import Purpose
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, duration, instant, percent

SELECTORS = (
    "A SCOPE is miner:, rack:, pdu:, switch:, loop:, pool: or site: and a name, in which * and ? stand for others."
)


def _announcing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what announcing takes."""
    options = (
        click.argument("scope", nargs=-1, required=True),
        click.option("--until", metavar="TIME", help="Until this ISO time (UTC unless it names an offset)."),
        click.option("--for", "lasts", metavar="TIME", help="For 90m, 2h or 1h30m from now."),
        click.option("--why", required=True, help="For the ledger and whoever reads it."),
        ledger_options,
        click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(
    "curtail",
    help=f"""Announce that miners are curtailed: somebody else puts them to sleep, or slows them down.

    The agent does neither. It lets them sleep, and gives them their time to come back once it is over. {SELECTORS}

    Exit codes: 0 announced; 2 refused, or no agent is running.
    """,
    epilog='Example: terrahash curtail site:north --for 2h --why "4CP alert"',
)
@_announcing
@click.option(
    "--to", "percent_", type=click.IntRange(0, 99), default=0, help="Per cent of nominal power.  [default: 0]"
)
def curtail_command(
    *,
    scope: tuple[str, ...],
    until: str | None,
    lasts: str | None,
    why: str,
    ledger: Path | None,
    config: Path | None,
    as_json: bool,
    percent_: int,
) -> None:
    """Announce a curtailment."""
    order = WindowOrder(
        purpose=Purpose.CURTAILED, scope=scope, until=_until(until, lasts), share=percent_ / 100.0, why=why
    )
    _announce(ledger_path(ledger, config), order, as_json=as_json)


@click.command(
    "maintain",
    help=f"""Announce that people work on miners, for at most 12 h: nothing is done to them meanwhile.

    {SELECTORS}

    Exit codes: 0 announced; 2 refused, or no agent is running.
    """,
    epilog='Example: terrahash maintain rack:r3 pdu:c1-p2 --for 3h --why "new PDU"',
)
@_announcing
def maintain_command(
    *,
    scope: tuple[str, ...],
    until: str | None,
    lasts: str | None,
    why: str,
    ledger: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Announce a maintenance."""
    order = WindowOrder(purpose=Purpose.MAINTENANCE, scope=scope, until=_until(until, lasts), why=why)
    _announce(ledger_path(ledger, config), order, as_json=as_json)


@click.command("resume", epilog="Example: terrahash resume w-000012   or   terrahash resume rack:r3")
@click.argument("which", nargs=-1, required=True)
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
def resume_command(*, which: tuple[str, ...], ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """End announced windows early: the one of that id, or all that lie wholly within selectors.

    Their miners are expected back within their family's time. One of the schedule begins again at its next time.

    Exit codes: 0 ended; 2 refused, or no agent is running.
    """
    ended = ask(ledger_path(ledger, config), "POST", "/windows/end", AnnouncedWindows, Ending(which))
    _print(ended, as_json=as_json, note="ended")


@click.command("windows", epilog="Example: terrahash windows -c config.yaml")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
def windows_command(*, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """List who is curtailed or worked on, as announced, until when and by whom.

    Exit codes: 0 listed; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    try:
        found, note = ask(path, "GET", "/windows", AnnouncedWindows), ""
    except NotRunningError as error:
        found, note = windows_of(fold(path, read(path))), str(error)
    _print(found, as_json=as_json, note=note)


def _until(until: str | None, lasts: str | None) -> float:
    from agent.config.scenario.entry import DURATION, seconds  # noqa: PLC0415 - listing does without the schema

    if (until is None) == (lasts is None):
        raise click.UsageError("give --until or --for: until when does it last?")
    if lasts is not None:
        for_s = seconds(lasts)
        if not for_s:
            raise click.BadParameter(f"expected {DURATION}, got {lasts!r}", param_hint="--for")
        return wall_clock_s() + for_s
    try:
        read_as = datetime.fromisoformat(until or "")
    except ValueError as error:
        raise click.BadParameter(
            f"expected an ISO time such as 2026-03-01T12:00 or 2026-03-01T12:00+01:00, got {until!r}",
            param_hint="--until",
        ) from error
    return (read_as if read_as.tzinfo else read_as.replace(tzinfo=UTC)).timestamp()


def _announce(path: Path, order: WindowOrder, *, as_json: bool) -> None:
    made = ask(path, "POST", "/windows", Announced, order)
    if as_json:
        write_json(made, sys.stdout)
    else:
        _print(AnnouncedWindows((made,)), as_json=False)


def _print(found: AnnouncedWindows, *, as_json: bool, note: str = "") -> None:
    if as_json:
        write_json(found, sys.stdout)
        return
    rows = [
        (
            window.id,
            window.purpose.value if window.purpose is Purpose.MAINTENANCE else f"curtailed to {percent(window.share)}",
            " ".join(window.scope),
            f"{window.miners}",
            NOTHING if window.asleep is None else f"{window.asleep}",
            instant(window.until),
            duration(window.until - window.began_at),
            window.by,
            window.why,
        )
        for window in found.windows
    ]
    headers = ("window", "what", "scope", "miners", "asleep", "until", "lasts", "by", "why")
    notes = [note] if note else []
    if not rows:
        notes.append("Nobody is announced to be curtailed or worked on.")
    show([Table("", headers, rows, right=frozenset({"miners", "asleep"}), notes=tuple(notes))], sys.stdout)
