"""`terrahash status`: whether the agent runs, and how it stands; by its ledger where it does not."""

import sys
from pathlib import Path

import click

from agent.api.status import Status, status_of
from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path, wall_clock_s
from agent.ledger.queries import fold
from agent.ledger.reader import read
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, duration, instant, percent


@click.command("status", epilog="Example: terrahash status -c config.yaml")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def status_command(ctx: click.Context, *, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """Show whether the agent runs and how it stands. Of a stopped one its ledger tells how it stood.

    Exit codes: 0 it runs; 1 it does not; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    try:
        found, notes = ask(path, "GET", "/status", Status), list[str]()
    except NotRunningError as error:
        found, notes = status_of(fold(path, read(path)), wall_clock_s(), ticks=None), [str(error)]
    if as_json:
        write_json(found, sys.stdout)
    else:
        show([_table(found, notes)], sys.stdout)
    if not found.running:
        ctx.exit(1)


def _may_act(found: Status) -> str:
    if not found.running:
        return NOTHING
    if found.held is not None:
        return f"held: {found.held}"
    if found.trouble is not None:
        return f"holds, for something of its own is wrong: {found.trouble}"
    return "yes, within its trust and its guards"


def _after_hold(found: Status) -> str:
    return ", when it is held no more" if found.duties and found.held is not None else ""


def _seen(p95_s: float | None) -> str:
    return "no reply seen yet" if p95_s is None else f"95 % of replies are seen within {duration(p95_s)}"


def _table(found: Status, notes: list[str]) -> Table:
    asked = f", of which {found.escalated} wait for a person" if found.escalated else ""
    rows = [
        ("agent", f"runs, {found.ticks} ticks so far" if found.running else "does not answer"),
        ("site", f"{found.site or NOTHING}{' (simulated)' if found.simulated else ''}"),
        ("version", found.version or NOTHING),
        ("started", instant(found.started_at)),
        ("may act", _may_act(found)),
        ("incidents", f"{found.incidents} open{asked}"),
        (
            "asks",
            f"{found.approvals} actions to be confirmed: terrahash approvals list" if found.approvals else "nothing",
        ),
        ("in flight", f"{found.in_flight} actions"),
        ("owed", f"{found.duties} outlets to be switched on again{_after_hold(found)}"),
    ]
    if found.answered is not None:
        rows.insert(4, ("hears", f"{percent(found.answered)} of all polls; {_seen(found.latency_p95_s)}"))
    if found.untold:
        rows.append(("untold", f"{found.untold} notices have not reached everybody"))
    if found.stopped_at is not None and not found.running:
        rows.insert(4, ("stopped", instant(found.stopped_at)))
    return Table("", ("", ""), rows, notes=tuple(notes))
