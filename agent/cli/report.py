"""`terrahash report`: the KPIs of a ledger."""

import sys
from pathlib import Path

import click

from agent.cli.options import ledger_options, ledger_path, since_option, wall_clock_s
from agent.ledger import queries
from agent.ledger.reader import read
from agent.report import summary, would_have
from agent.report.kpis import kpis
from agent.report.table import show, write_csv, write_json


@click.command("report", epilog="Example: terrahash report --since 7d --csv > kpis.csv")
@ledger_options
@since_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON; rates from 0 to 1, times in seconds.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one line a scope; same units.")
@click.option(
    "--would-have",
    "kept_back",
    is_flag=True,
    help="Instead: what mode observe kept it from, and how that really ended.",
)
def report_command(
    *, ledger: Path | None, config: Path | None, since: float | None, as_json: bool, kept_back: bool, as_csv: bool
) -> None:
    """Print the KPIs: automated resolution rate with its 95 % interval, MTTR, first response, mitigation.

    Exit codes: 0 printed, even if nothing happened; 2 usage, or the ledger cannot be read.
    """
    if as_csv and (as_json or kept_back):
        raise click.UsageError(f"give {'--would-have' if kept_back else '--json'} or --csv, not both")
    path = ledger_path(ledger, config)
    if kept_back:
        cases = [case for case in would_have.would_have(read(path)) if since is None or case.detected_at >= since]
        if as_json:
            write_json(would_have.as_json(cases), sys.stdout)
        else:
            show(would_have.tables(cases), sys.stdout)
        return
    incidents = queries.incidents(path, since=since)
    figures = kpis(incidents, now=wall_clock_s(), since=since)
    if as_json:
        write_json(summary.as_json(figures), sys.stdout)
    elif as_csv:
        write_csv(summary.CSV_HEADERS, summary.csv_rows(figures), sys.stdout)
    else:
        show(summary.tables(figures), sys.stdout)
