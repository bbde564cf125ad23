"""`terrahash demo`: the shipped scenario of that name, watched; an hour on a simulated site in virtual time."""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agent.cli.scenario_run import EPOCH_S, play_scenario, read_scenario, shipped
from agent.report.kpis import kpis
from agent.report.summary import tables
from agent.report.table import show, write_json
from agent.report.text import percent

SCENARIO = "demo"


@click.command("demo", epilog="Example: terrahash demo --json --ledger demo.sqlite3")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Everything random follows from it.  [default: 7]")
@click.option("--json", "as_json", is_flag=True, help="Print the scoreboard as JSON, and nothing else.")
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the ledger there; it must not exist yet.  [default: it is thrown away]",
)
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the agent's log there, as JSON lines.",
)
def demo_command(seed: int | None, as_json: bool, ledger: Path | None, log: Path | None) -> None:
    """Watch the agent work: 48 simulated miners of three families, two PDUs, a switch, and an hour of faults.

    Runs in virtual time, in well under a minute. All figures are simulated.

    Exit codes: 0 the demo ran; 2 refused (an existing ledger, an address in use); 3 a bug; 130 Ctrl-C.
    """
    if ledger is not None and ledger.exists():
        raise click.UsageError(f"{ledger} exists: name a file that does not, the demo begins with an empty ledger")
    scenario = read_scenario(shipped()[SCENARIO], seed=seed)
    with tempfile.TemporaryDirectory(prefix="terrahash-demo-") as folder:
        path = ledger or Path(folder) / "demo.sqlite3"
        console = Console(file=io.StringIO() if as_json else sys.stdout)
        with log.open("w", encoding="utf-8") if log else io.StringIO() as stream:
            played = play_scenario(scenario, path, console=console, log=stream)
        if as_json:
            write_json(played.board, sys.stdout)
            return
        show(tables(kpis(played.incidents, now=EPOCH_S + scenario.duration_s)), sys.stdout)
        click.echo(_closing_line(played.board))


def _closing_line(board: dict[str, Any]) -> str:
    truth, harm, cost = board["truth"], board["harm"], board["cost"]
    return (
        f"Simulated: {truth['faults']} faults, {truth['fixable']} of them remotely fixable, of which the "
        f"agent fixed {percent(board['remediation']['rate_fixable'])}; "
        f"{board['remediation']['escalated_right']} handed to a person rightly, "
        f"{board['remediation']['escalated_wrong']} wrongly; "
        f"{harm['actions_on_healthy']} actions on healthy miners, {harm['outlets_left_off']} outlets left off. "
        f"{board['site_s'] / 60:.0f} min of site time in {cost['wall_s']:.1f} s."
    )
