"""`terrahash trust`: what each playbook has shown of itself, and what the next rung of the trust ladder wants."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from agent.cli.options import ledger_options, ledger_path
from agent.ledger.reader import read
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, percent
from agent.report.trust import Rung, ladder


@click.command("trust", epilog="Example: terrahash trust -c config.yaml")
@click.argument("playbook", required=False)
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; shares from 0 to 1.")
def trust_command(*, playbook: str | None, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """Show the trust ladder: observe, approve, auto, for each risk of each playbook, or of PLAYBOOK.

    Under observe, `runs` counts what was kept back and `good` what of it was needed. Above, `runs` counts the runs that
    a step of this risk settled, and `good` those that ended proven well. `at least` is the lower end of the Wilson 95 %
    interval; `wants` what it has to be for the next rung. The agent only proposes: you promote, in the configuration.

    Exit codes: 0 shown; 1 no agent has run on this ledger, or it has no such playbook; 2 usage, or the ledger cannot be
    read.
    """
    path = ledger_path(ledger, config)
    rungs = [rung for rung in ladder(read(path)) if playbook in (None, rung.playbook)]
    if as_json:
        write_json([_as_json(rung) for rung in rungs], sys.stdout)
    elif rungs:
        show([_table(rungs)], sys.stdout)
    if not rungs:
        of = "" if playbook is None else f" that has a playbook {playbook}"
        click.echo(f"no agent{of} has run on {path} yet", err=True)
        raise click.exceptions.Exit(1)


def _as_json(rung: Rung) -> dict[str, object]:
    return {
        "playbook": rung.playbook,
        "risk": rung.risk.name.lower(),
        "mode": rung.mode,
        "runs": rung.shown.of,
        "good": rung.shown.hits,
        "rate": rung.shown.value,
        "ci95": rung.shown.ci95,
        "next": rung.next,
        "wants": rung.wants,
        "more": rung.more,
        "doubtful": rung.doubtful,
    }


def _table(rungs: Iterable[Rung]) -> Table:
    rows, proposed = [], list[str]()
    for rung in rungs:
        low = None if rung.shown.ci95 is None else rung.shown.ci95[0]
        counted = (str(rung.shown.of), str(rung.shown.hits), percent(low), _next(rung))
        rows.append((rung.playbook, rung.risk.name.lower(), rung.mode.value, *counted))
        to = rung.next if rung.more == 0 else "approve" if rung.doubtful else None
        if to is not None:
            proposed.append(f"  {rung.playbook}: {{{rung.risk.name.lower()}: {to}}}")
    headers = ("playbook", "risk", "trust", "runs", "good", "at least", "next")
    notes = ("to follow what is proposed, in the configuration, then restart the agent:", "trust:", *proposed)
    return Table("", headers, rows, frozenset(headers[3:6]), notes if proposed else ())


def _next(rung: Rung) -> str:
    if rung.next is None:
        return "proposed: approve" if rung.doubtful else NOTHING
    if not rung.more:
        return f"proposed: {rung.next}"
    return f"{rung.next} wants {percent(rung.wants)}: {rung.more} more"
