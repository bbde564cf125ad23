"""`terrahash simulate`: scenarios, run in virtual time and judged."""

import io
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agent.cli.expectations import flattened
from agent.cli.output import Nowhere, check_place, write_whole
from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario, shipped
from agent.config.errors import ConfigError, Problem
from agent.config.scenario import Scenario, TierName
from agent.config.wording import closest
from agent.model.incident import Outcome
from agent.report import summary
from agent.report.kpis import kpis
from agent.report.plots import Fault, SimulatedRun
from agent.report.table import Table, printable, show, write_json
from agent.report.text import NOTHING, duration, percent
from simulators.matching import match

RATES = ("rate", "recall", "precision", "rate_fixable", "rate_inclusive", "target")
GROUPS = ("truth", "detection", "remediation", "harm", "duty", "cost")


@click.command("simulate", epilog="Example: terrahash simulate scenarios/ --json > scoreboards.json")
@click.argument("source", metavar="FILE|DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the scoreboard as JSON; a list of them for a folder.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="In place of the scenario's own.")
@click.option("--tier", type=click.Choice([t.value for t in TierName]), help="In place of the scenario's own.")
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the ledger there; it must not exist yet.  [default: it is thrown away]",
)
@click.option("--record", is_flag=True, help="With --ledger: keep a flight recording of each incident beside it.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the scoreboard with plots there, as one page that needs nothing else; a file that exists is replaced.",
)
@click.pass_context
def simulate_command(
    ctx: click.Context,
    *,
    source: str,
    as_json: bool,
    seed: int | None,
    tier: str | None,
    ledger: Path | None,
    record: bool,
    html: Path | None,
) -> None:
    """Run a scenario, or every scenario (*.yaml) of a folder, and print the scoreboard.

    FILE may also be the name of a scenario that is shipped (`terrahash scenarios list`). All figures are simulated.

    Exit codes: 0 run, and every expectation was met; 1 one was not; 2 refused, before anything was run; 3 a bug.
    """
    paths, is_folder = _paths(source)
    if ledger is not None and is_folder:
        raise click.UsageError("--ledger keeps one run's ledger: name one scenario, not a folder")
    if record and ledger is None:
        raise click.UsageError("--record goes with --ledger: recordings lie beside it")
    if ledger is not None and ledger.exists():
        raise click.UsageError(f"{ledger} exists: name a file that does not, a simulation begins with an empty ledger")
    if html is not None:
        check_place("--html", html)
    scenarios = _all_read(paths, seed=seed, tier=None if tier is None else TierName(tier))
    watched = sys.stderr.isatty() and (sys.stdout.isatty() or not as_json)
    boards, runs = [], []
    for number, scenario in enumerate(scenarios, 1):
        if watched and is_folder:
            click.echo(f"{number} of {len(scenarios)}: {printable(scenario.name)}", err=True)
        played = _play(scenario, ledger, watched=watched, records=record)
        boards.append(played.board)
        if html is not None:
            runs.append(simulated_run(played))
        if not as_json:
            show([*tables(played.board), *kpi_tables(played)], sys.stdout)
        _tell(played)
    if as_json:
        write_json(boards if is_folder else boards[0], sys.stdout)
    if html is not None:
        from agent.report.page import page  # noqa: PLC0415 - only a page needs its parts

        write_whole(html, page(runs, title=Path(source).resolve().name if is_folder else runs[0].board["scenario"]))
    if any(board["expect"]["failed"] for board in boards):
        ctx.exit(1)


def tables(board: dict[str, Any]) -> list[Table]:
    """Return a scoreboard as tables."""
    expect = board["expect"]
    met, of = expect["passed"], expect["passed"] + len(expect["failed"])
    rows = [
        (group if k == 0 else "", name, _figure(name, value))
        for group in GROUPS
        for k, (name, value) in enumerate(flattened(board[group]).items())
    ]
    rows.append(("expect", "met", f"{met} of {of}" if of else NOTHING))
    title = f"{board['scenario']} · seed {board['seed']} · {board['tier']} · {board['miners']} miners"
    headers = ("group", "figure", "value")
    note = f"Simulated: {duration(board['site_s'])} of site time in {board['cost']['wall_s']:.1f} s."
    return [Table(title, headers, rows, frozenset(("value",)), (note,))]


def kpi_tables(played: Played) -> list[Table]:
    """Return the KPI reference's tables with this run's figures beside the targets, marked as simulated."""
    told = summary.tables(kpis(played.incidents, now=EPOCH_S + played.scenario.duration_s))
    return [replace(table, title=f"Simulated: {table.title}") for table in told]


def simulated_run(played: Played) -> SimulatedRun:
    """Return what a run left behind as the page wants it: each fault with whether and how soon it was found."""
    counted = [incident for incident in played.incidents if incident.outcome is not Outcome.SUPPRESSED]
    finds = match(played.faults, counted, EPOCH_S).finds
    faults = []
    for place, truth in enumerate(played.faults):
        own = finds[place].own if place in finds else ()
        faults.append(
            Fault(
                kind=truth.kind,
                category=truth.category,
                counts=truth.counts,
                miners=truth.miners,
                started_s=truth.started_at,
                over_s=truth.over_at,
                found=place in finds,
                delay_s=own[0].spell.detected_at - EPOCH_S - truth.started_at if own else None,
            )
        )
    return SimulatedRun(played.board, EPOCH_S, played.incidents, tuple(faults), played.history)


def _figure(name: str, value: float | None) -> str:
    parts = name.split(".")
    if value is None:
        return NOTHING
    if parts[-1] in RATES and not isinstance(value, bool):
        return percent(value)
    if parts[0] in {"delay_s", "mttr_s"} or parts[-1] == "wall_s":
        return duration(value)
    return f"{value:g}" if isinstance(value, int) else f"{value:.1f}"


def _paths(source: str) -> tuple[list[Path], bool]:
    """Return the scenario files meant, and whether a folder was named."""
    path = Path(source)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml"} and p.is_file())
        if not found:
            raise click.UsageError(f"{source}: expected scenarios (*.yaml) in this folder, got none")
        return found, True
    own = shipped()
    if not path.exists() and source in own:
        return [own[source]], False
    if not path.exists():
        close = closest(source, own) if not path.suffix else None
        hint = f"did you mean {close!r}?" if close else "`terrahash scenarios list` shows those that are shipped"
        raise click.UsageError(f"expected a file, a folder or a shipped scenario, got {source!r}; {hint}")
    return [path], False


def _all_read(paths: Iterable[Path], *, seed: int | None, tier: TierName | None) -> list[Scenario]:
    """Return every scenario, or raise with what is wrong with any of them: nothing is run before all are sound."""
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            scenarios.append(read_scenario(path, seed=seed, tier=tier))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return scenarios


def _play(scenario: Scenario, ledger: Path | None, *, watched: bool, records: bool) -> Played:
    console = Console(stderr=True) if watched else Console(file=io.StringIO())
    with tempfile.TemporaryDirectory(prefix="terrahash-simulate-") as folder:
        kept = ledger or Path(folder) / "ledger.sqlite3"
        return play_scenario(scenario, kept, console=console, log=Nowhere(), records=records)


def _tell(played: Played) -> None:
    skipped = played.board["truth"]["skipped"]
    if skipped:
        faults = "1 fault" if skipped == 1 else f"{skipped} faults"
        click.echo(f"{played.scenario.path}: left out {faults} that found no target that was well", err=True)
    for line, why in played.refused:
        click.echo(f"{played.scenario.path}:{line}: the agent refused this order: {why}", err=True)
    for failure in played.board["expect"]["failed"]:
        where = f"{played.scenario.path}:{failure['line']}"
        click.echo(f"{where}: expected {failure['expected']}, got {failure['got']}", err=True)
