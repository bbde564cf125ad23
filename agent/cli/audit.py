"""`terrahash audit`: prove the ledger's chain, print its anchor, export it as a trail that an auditor can read."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from agent.cli.options import ledger_options, ledger_path, moment, since_option
from agent.ledger.chain import GENESIS, Broken, Flaw, Sound, anchored
from agent.ledger.reader import end_of_archives, read, rows, rules_changed
from agent.report import deeds, trail
from agent.report.table import write_csv

WORDS = {
    Flaw.GAP: "an event is missing there, or one stands where none belongs",
    Flaw.WRONG_PREV: "it does not follow the event before it",
    Flaw.CHANGED: "its content is not what was written",
    Flaw.MISFILED: "the columns it is looked up by contradict its content",
    Flaw.NOT_THE_ANCHOR: "the anchor names another event there: what follows was written anew",
    Flaw.CUT: "the anchor names it, and the ledger ends before it: its tail was cut off",
}


@click.group("audit")
def audit_group() -> None:
    """Prove the ledger's chain, print its anchor, or export it as an audit trail.

    Every event carries the hash of the one before it. Keep an anchor elsewhere: it shows if the tail was cut off or
    all was written anew. A running agent prints one into its log every hour.
    """


def _anchor(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, str] | None:
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", value.strip())
    if found is None:
        raise click.BadParameter(f"expected what `terrahash audit head` prints, NUMBER:SHA256, got {value[:80]!r}")
    return int(found[1]), found[2]


@audit_group.command("verify", epilog="Example: terrahash audit verify -c config.yaml --anchor 4711:9f86d081…")
@ledger_options
@click.option("--anchor", metavar="NUMBER:SHA256", callback=_anchor, help="An anchor that was kept elsewhere.")
@click.option("--live", is_flag=True, help="Leave out what has been archived; the ledger's record of it is believed.")
@click.pass_context
def verify_command(
    ctx: click.Context, *, ledger: Path | None, config: Path | None, anchor: tuple[int, str] | None, live: bool
) -> None:
    """Prove that every event is as it was written, and that none is missing in between, archives included.

    Without an anchor nobody can tell whether the newest events were cut off.

    Exit codes: 0 the chain holds; 1 it does not, and the first bad event is named; 2 usage, or it cannot be read.
    """
    path = ledger_path(ledger, config)
    since, head = end_of_archives(path) if live else (0, GENESIS)
    if anchor is not None and anchor[0] < since:
        raise click.UsageError(f"the anchor names event {anchor[0]}, which is in an archive: leave out --live")
    match anchored(rows(path, since), anchor, since_seq=since, head=head):
        case Sound() as sound:
            if changed := rules_changed(path):
                click.echo(f"broken: the ledger's own rules were changed by hand: {', '.join(changed)}")
                ctx.exit(1)
            against = "" if anchor is None else ", the anchor among them"
            click.echo(f"sound: {sound.events} events{against}; head {since + sound.events}:{sound.head}")
        case Broken() as broken:
            click.echo(f"broken at event {broken.seq}: {WORDS[broken.flaw]} ({broken.flaw})")
            ctx.exit(1)


@audit_group.command("head", epilog="Example: terrahash audit head -c config.yaml >> anchors.txt")
@ledger_options
@click.pass_context
def head_command(ctx: click.Context, *, ledger: Path | None, config: Path | None) -> None:
    """Prove the chain and print its anchor, NUMBER:SHA256 of the newest event.

    Exit codes: 0 printed; 1 the chain does not hold; 2 usage, or the ledger cannot be read.
    """
    match anchored(rows(ledger_path(ledger, config)), None):
        case Sound() as sound:
            click.echo(f"{sound.events}:{sound.head}")
        case Broken() as broken:
            click.echo(f"broken at event {broken.seq}: {WORDS[broken.flaw]} ({broken.flaw})", err=True)
            ctx.exit(1)


@audit_group.command("archive", epilog="Example: terrahash audit archive -c config.yaml --before 365d")
@ledger_options
@click.option(
    "--before",
    required=True,
    metavar="AGE|DATE",
    callback=lambda _ctx, _param, value: moment(value),
    help="What is older than that leaves: 90d, 52w or an ISO date or time (UTC).",
)
def archive_command(*, ledger: Path | None, config: Path | None, before: float) -> None:
    """Move old events into a read-only file beside the ledger, up to a moment at which nothing was under way.

    The agent on it has to be stopped. It remembers afterwards what it did before. Leave the file beside the ledger, for
    reports and replays of what is in it; its anchor is printed, and stands in the ledger too.

    Exit codes: 0 done; 2 usage, nothing to archive, or the ledger cannot be read or written: it is as it was.
    """
    from agent.clock import Clock  # noqa: PLC0415 - loads the event loop's module, which the others can do without
    from agent.ledger.retention import archive  # noqa: PLC0415 - as above

    made = archive(ledger_path(ledger, config), before, Clock.real())
    click.echo(
        f"{made.file}: events {made.first_seq} to {made.last_seq}, read-only; anchor {made.last_seq}:{made.last_hash}"
    )


@audit_group.command("export", epilog="Example: terrahash audit export --since 90d --csv > quarter.csv")
@ledger_options
@since_option("Only what was done since then")
@click.option("--events", is_flag=True, help="A row an event instead, with all that was only seen, decided or said.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of JSON Lines.")
def export_command(
    *, ledger: Path | None, config: Path | None, since: float | None, events: bool, as_csv: bool
) -> None:
    """Print the trail, one row a deed: who or what did what to which device, when, on what evidence, with what result.

    And by which rung of the trust ladder, or confirmed by whom; the guards that it passed; what became of its incident,
    and the proof of that; version, configuration and playbook in force; and number and hash of each event that says so,
    for `terrahash audit verify --anchor`. Prove the chain beforehand: `terrahash audit verify`.

    A deed is told whole, whatever came after it. CSV cells that a spreadsheet would take for a formula begin with an
    apostrophe. Neither has the text of a miner's logs.

    Exit codes: 0 printed; 2 usage, or the ledger cannot be read.
    """
    found = read(ledger_path(ledger, config))
    rows: Iterable[msgspec.Struct] = trail.trail(found, since) if events else deeds.deeds(found, since)
    if as_csv:
        headers = trail.HEADERS if events else deeds.HEADERS
        write_csv(headers, (msgspec.structs.astuple(row) for row in rows), sys.stdout)
        return
    encoder = msgspec.json.Encoder()
    for row in rows:
        sys.stdout.write(encoder.encode(row).decode() + "\n")
