"""`terrahash demo`: an hour on a simulated site in virtual time, every device on its real protocol on loopback."""

import asyncio
import io
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agent.app import Agent
from agent.cli import logs
from agent.cli.live import LiveView
from agent.cli.redact import redact
from agent.cli.simulated import simulated_site
from agent.clock import Clock, Stopwatch
from agent.config import load
from agent.config.example import example_path
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.events import Intended
from agent.report.kpis import kpis
from agent.report.summary import tables
from agent.report.table import show, write_json
from agent.report.text import percent
from simulators.demo import DURATION_S, SEED, demo_faults
from simulators.rehearsal import rehearse
from simulators.scoreboard import Duty, RunFacts, scoreboard
from simulators.site import SimulatedSite
from simulators.virtual_time import run as run_virtual

EPOCH_S = 1_767_225_600.0
"""UTC s at which the demo's site time begins (2026-01-01 00:00), so that two runs write the same ledger."""

LOOK_S = 5.0
"""Site time between two looks of the live view."""

WALL_LIMIT_S = 300.0


@click.command("demo", epilog="Example: terrahash demo --json --ledger demo.sqlite3")
@click.option("--seed", default=SEED, show_default=True, help="Everything random follows from it.")
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
def demo_command(seed: int, as_json: bool, ledger: Path | None, log: Path | None) -> None:
    """Watch the agent work: 48 simulated miners of three families, two PDUs, a switch, and an hour of faults.

    Runs in virtual time, in well under a minute. All figures are simulated.

    Exit codes: 0 the demo ran; 2 refused (an existing ledger, an address in use); 3 a bug; 130 Ctrl-C.
    """
    if ledger is not None and ledger.exists():
        raise click.UsageError(f"{ledger} exists: name a file that does not, the demo begins with an empty ledger")
    with tempfile.TemporaryDirectory(prefix="terrahash-demo-") as folder:
        path = ledger or Path(folder) / "demo.sqlite3"
        console = Console(file=io.StringIO() if as_json else sys.stdout)
        with log.open("w", encoding="utf-8") if log else io.StringIO() as stream:
            watch = Stopwatch()
            site = run_virtual(_hour(path, seed, console, stream), timeout_wall_s=WALL_LIMIT_S)
            board = _scoreboard(site, path, seed, watch.elapsed_s())
        if as_json:
            write_json(board, sys.stdout)
            return
        incidents = _folded(path).incidents.values()
        show(tables(kpis(incidents, now=EPOCH_S + DURATION_S)), sys.stdout)
        click.echo(_closing_line(board))


async def _hour(path: Path, seed: int, console: Console, log: Any) -> SimulatedSite:
    loop = asyncio.get_running_loop()
    clock = Clock.virtual(loop, EPOCH_S)
    logs.configure(stream=log, now=clock.now)
    settings = load(example_path())
    ledger = Ledger.open(path, clock, threaded=False)
    try:
        async with simulated_site(settings, clock, seed=seed) as simulated:
            agent = Agent(
                settings,
                ledger,
                clock,
                dialer=simulated.dialer,
                credentials=redact(simulated.secrets),
                simulated=True,
            )
            await agent.start()
            faults = asyncio.create_task(rehearse(simulated.truth, demo_faults(settings.site)))
            running = asyncio.create_task(agent.run())
            with LiveView(agent.view, agent.memory, console, DURATION_S) as view:
                while loop.time() < DURATION_S:
                    await asyncio.wait([running], timeout=min(LOOK_S, DURATION_S - loop.time()))
                    for task in (running, faults):
                        if task.done():
                            task.result()
                    view.update(loop.time())
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            simulated.plant.advance(loop.time())
            await agent.stop("demo over")
            return simulated
    finally:
        await ledger.close()


def _folded(path: Path) -> State:
    state = State()
    for record in read(path):
        state.apply(record)
    return state


def _scoreboard(site: SimulatedSite, path: Path, seed: int, wall_s: float) -> dict[str, Any]:
    """Return the demo's scoreboard: the ledger held against the simulated site's own truth."""
    miners = len(site.plant.site.miners)
    state = _folded(path)
    intents = Counter(r.event.action.verb for r in read(path) if isinstance(r.event, Intended))
    return scoreboard(
        RunFacts(scenario="demo", seed=seed, tier="wire", miners=miners, site_s=DURATION_S, epoch_s=EPOCH_S),
        site.truth.faults(),
        state.incidents.values(),
        harm=site.truth.harm(),
        duty=Duty(actions=dict(intents)),
        cost={
            "wall_s": wall_s,
            "site_s_per_wall_s": DURATION_S / wall_s,
            "miner_hours_per_wall_s": miners * DURATION_S / 3600.0 / wall_s,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        },
    )


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
