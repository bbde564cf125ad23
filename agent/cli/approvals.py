"""`terrahash approvals`, `approve` and `deny`: what the agent asks people to confirm, and their answers."""

import getpass
import os
import sys
from pathlib import Path

import click
import msgspec

from agent.api.approvals import Approve, Deny, Question, Questions, questions
from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path, wall_clock_s
from agent.ledger.queries import fold
from agent.ledger.reader import read
from agent.report.table import Table, show, write_json
from agent.report.text import instant


@click.group("approvals")
def approvals_group() -> None:
    """List what the agent asks people to confirm, where its mode is `approve`.

    `terrahash approve ID` confirms, `terrahash deny ID --why …` denies. An approval is for one action, for a while,
    once; when it is used every guard is asked again.
    """


@approvals_group.command("list", epilog="Example: terrahash approvals list -c config.yaml")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def list_command(
    ctx: click.Context, *, everything: bool, ledger: Path | None, config: Path | None, as_json: bool
) -> None:
    """List the approvals that wait for an answer or for their use, the oldest first.

    Exit codes: 0 there are some; 1 there are none; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    try:
        found, notes = ask(path, "GET", "/approvals/all" if everything else "/approvals", Questions), list[str]()
    except NotRunningError as error:
        found, notes = questions(fold(path, read(path)), wall_clock_s(), everything=everything), [str(error)]
    if as_json:
        write_json(found.approvals, sys.stdout)
    elif found.approvals:
        show([_listing(found.approvals, notes)], sys.stdout)
    else:
        click.echo("no approval waits", err=True)
    if not found.approvals:
        ctx.exit(1)


@click.command("approve", epilog="Example: terrahash approve ap-000001 -c config.yaml")
@click.argument("approval", metavar="ID")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
def approve_command(*, approval: str, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """Confirm an action: it is done at the next tick, if every guard still allows it and it is still wanted.

    Exit codes: 0 confirmed; 2 refused, or no agent is running.
    """
    path = ledger_path(ledger, config)
    answer = msgspec.convert({"by": _who()}, Approve)
    _told(ask(path, "POST", f"/approvals/{_id(approval)}/approve", Question, answer), as_json=as_json)


@click.command("deny", epilog='Example: terrahash deny ap-000001 --why "the owner is working on it"')
@click.argument("approval", metavar="ID")
@click.option("--why", required=True, help="What the ledger and the ticket say about it.")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
def deny_command(*, approval: str, why: str, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """Deny an action, or take back a confirmation that was not used yet. The incident is a person's from then on.

    Exit codes: 0 denied; 2 refused, or no agent is running.
    """
    path = ledger_path(ledger, config)
    try:
        answer = msgspec.convert({"why": why, "by": _who()}, Deny)
    except msgspec.ValidationError as error:
        raise click.BadParameter(f"expected a line of at most 500 characters: {error}", param_hint="--why") from error
    _told(ask(path, "POST", f"/approvals/{_id(approval)}/deny", Question, answer), as_json=as_json)


def _id(text: str) -> str:
    """Return an id as it may stand in a path; whatever else it is, the agent knows none of that name."""
    if not text.replace("-", "").isalnum() or not text.isascii():
        raise click.BadParameter(f"expected an id such as ap-000001, got {text!r}", param_hint="ID")
    return text


def _who() -> str:
    """Return who asks: whoever used sudo, not the service's user; nothing where the system has no name for them."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return "".join(c for c in name if c.isprintable())[:64]


def _told(answered: Question, *, as_json: bool) -> None:
    if as_json:
        write_json(answered, sys.stdout)
        return
    words = {"given": "confirmed; it is done once every guard allows it"}.get(answered.standing, answered.standing)
    click.echo(f"{answered.id}: {answered.action}: {words}")
    click.echo(f"how it goes on: terrahash explain {answered.incident}")


def _listing(found: tuple[Question, ...], notes: list[str]) -> Table:
    rows = [
        (q.id, q.incident, q.action, instant(q.expires_at), f"{q.standing}{f': {q.why}' if q.why else ''}")
        for q in found
    ]
    headers = ("approval", "incident", "action", "until", "stands")
    return Table("", headers, rows, notes=("why it is wanted: terrahash explain INCIDENT", *notes))
