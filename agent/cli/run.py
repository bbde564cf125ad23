"""`terrahash run`: the daemon, on a real site or (--dry-run) on a simulated one built from the same configuration."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
import structlog

from agent.api.groups import routes_of
from agent.api.routes import Route, Routes
from agent.api.server import serving
from agent.api.socket import socket_beside
from agent.app import Agent
from agent.cli import logs
from agent.cli.options import dry_run_ledger
from agent.cli.redact import redact, scrub
from agent.cli.systemd import Notifier as Systemd
from agent.cli.systemd import watchdog_period_s
from agent.clock import Clock
from agent.config import Settings, load
from agent.config.credentials import SystemCredentials
from agent.config.signals import Signals
from agent.drivers.net import DirectDialer
from agent.intake.serve import listening
from agent.ledger.store import Ledger
from agent.notify.notifier import Notifier
from agent.observe.hold import HoldFile, hold_path
from agent.observe.recorder import recording_beside
from agent.touch import Touch, Wired

_log = structlog.get_logger(__name__)


@click.command("run", epilog="Example: terrahash run -c config.yaml --dry-run")
@click.option(
    "-c",
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The site's configuration (see config.example.yaml).",
)
@click.option("--dry-run", is_flag=True, help="Run against a simulated copy of this very site, in real time, on auto.")
@click.option(
    "--keep-mode", is_flag=True, help="In a dry run: keep to the configuration's mode and trust, not on auto."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=TARGET",
    help="In a dry run: let this go wrong, the first 30 s after the start, each further one 30 s later. "
    "Example: --fault miner.process_died=miner:r1-04",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Ledger to keep.  [default: the configuration's; a dry run keeps one of its own beside it]",
)
@click.option("--json", "as_json", is_flag=True, help="Log JSON lines even on a terminal.")
@click.option("--debug-log", is_flag=True, help="Log at debug level.")
def run_command(
    *,
    config_path: Path,
    dry_run: bool,
    keep_mode: bool,
    faults: tuple[str, ...],
    ledger: Path | None,
    as_json: bool,
    debug_log: bool,
) -> None:
    """Run the agent until it is told to stop (SIGTERM, SIGINT).

    A new real site starts in observe mode: everything is decided and recorded, and nothing is touched.

    Exit codes: 0 stopped in order; 2 configuration or ledger refused; 3 a bug.
    """
    import uvloop  # noqa: PLC0415 - a heavy import that --help does without

    if faults and not dry_run:
        raise click.UsageError("--fault goes with --dry-run: nothing is broken on purpose on a real site")
    if keep_mode and not dry_run:
        raise click.UsageError("--keep-mode goes with --dry-run: on a real site the configuration's mode always holds")
    settings = load(config_path)
    if dry_run:
        settings = _rehearsed(settings)
    kept = ledger or (dry_run_ledger(settings.ledger) if dry_run else settings.ledger)
    clock = Clock.real()
    logs.configure(debug=debug_log, as_json=as_json, now=clock.now)
    touched = _touch(settings, clock, dry_run=dry_run, faults=faults)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, kept, clock, touched, simulated=dry_run, on_auto=dry_run and not keep_mode))


async def serve(
    settings: Settings,
    path: Path,
    clock: Clock,
    touched: AbstractAsyncContextManager[tuple[Touch, Sequence[Route]]],
    *,
    simulated: bool,
    on_auto: bool,
) -> None:
    """Be the daemon until a signal stops it.

    Args:
        settings: the site.
        path: the ledger.
        clock: stamps what happens.
        touched: brings what the agent has of the devices, and what its local API offers beside the agent's own.
        simulated: these devices are no real ones: nobody is told of what happens to them.
        on_auto: act within the guards whatever the settings' mode is.

    Raises:
        LedgerError: the ledger cannot be had, or can no longer be written.
    """
    stop = _stop_signal()
    ledger = Ledger.open(path, clock, threaded=True)
    try:
        async with touched as (touch, drills):
            hold = HoldFile(hold_path(path))
            notifier = None if simulated else _notifier(settings)
            agent = Agent(
                settings,
                ledger,
                clock,
                touch=touch,
                simulated=simulated,
                on_auto=on_auto,
                hold=hold,
                notifier=notifier,
                record=recording_beside(path, scrub, threaded=True),
            )
            _log.info(
                "agent_starting",
                site=settings.site.name,
                miners=len(settings.site.miners),
                mode="auto" if on_auto else settings.mode,
                simulated=simulated,
                ledger=str(path),
            )
            heard = Signals() if simulated else settings.signals
            hears = listening(agent, heard, redact(SystemCredentials()), clock.now)
            await _supervise(agent, stop, socket_beside(path), Routes([*routes_of(agent), *drills]), hears)
    finally:
        await ledger.close()


def _notifier(settings: Settings) -> Notifier | None:
    """Return what tells people; None where nobody is to be told. What happens in a dry run is nobody's business."""
    if not settings.notify:
        return None
    return Notifier(settings.site.name, settings.notify, redact(SystemCredentials()), scrub)


async def _supervise(
    agent: Agent, stop: asyncio.Event, socket: Path, routes: Routes, hears: AbstractAsyncContextManager[None]
) -> None:
    """Run the agent between READY and STOPPING, telling systemd that it lives for as long as it makes progress.

    The local API is there once the agent knows its ledger and its site: nobody is told of a memory that is still empty.
    """
    systemd = Systemd()
    systemd.status("first full poll")
    reason = "error"
    try:
        if await _unless_stopped(agent.start(), stop):
            async with serving(socket, routes), hears:
                systemd.ready()
                systemd.status("watching")
                _log.info("agent_ready")
                watchdog = asyncio.create_task(_watchdog(agent, systemd))
                try:
                    with _settled_heap():
                        await _unless_stopped(agent.run(), stop)
                finally:
                    watchdog.cancel()
                    await asyncio.gather(watchdog, return_exceptions=True)
        reason = "signal"
    finally:
        systemd.stopping()
        _log.info("agent_stopping", reason=reason)
        await agent.stop(reason)


@contextlib.contextmanager
def _settled_heap() -> Iterator[None]:
    """Leave what the start has built out of every later search for garbage.

    Inventory, columns, drivers and modules stay for as long as the agent runs. On a site of 10,000 miners they are
    200,000 objects, and to search them all takes 90 ms, now and then, in the midst of a tick.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _unless_stopped(work: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Do the work, or cancel it once `stop` is set; tell whether it was done. What it raises is raised."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _watchdog(agent: Agent, systemd: Systemd) -> None:
    """Report to systemd only when the tick and the ledger both progressed since the last report."""
    period_s = watchdog_period_s()
    if period_s is None:
        return
    before = -1
    while True:
        ticks = await agent.heartbeat()
        if ticks > before and agent.observer.is_running:
            systemd.watchdog()
        before = ticks
        await asyncio.sleep(period_s)


@contextlib.asynccontextmanager
async def _touch(
    settings: Settings, clock: Clock, *, dry_run: bool, faults: tuple[str, ...]
) -> AsyncIterator[tuple[Touch, Sequence[Route]]]:
    """Yield the devices, where they are, or a simulated copy of each on loopback and what lets faults loose on it."""
    if not dry_run:
        credentials = redact(SystemCredentials(), settings.credentials)
        yield Wired(settings, clock, dialer=DirectDialer(), credentials=credentials, scrub=scrub), ()
        return
    from agent.cli.drills import DrillMaster  # noqa: PLC0415 - only a dry run loads the simulators
    from agent.cli.simulated import (  # noqa: PLC0415 - as above
        breaking,
        simulated_site,
        with_host_keys,
    )

    async with simulated_site(settings, clock, seed=0) as simulated, breaking(simulated, faults):
        wired = Wired(
            with_host_keys(settings, seed=0),
            clock,
            dialer=simulated.dialer,
            credentials=redact(simulated.secrets, settings.credentials),
            scrub=scrub,
            nameservers=simulated.nameservers,
            trust=simulated.trust(),
            host=simulated.host,
        )
        yield wired, DrillMaster(simulated.truth).routes


def _rehearsed(settings: Settings) -> Settings:
    """Return the settings a dry run acts with: simulated miners get a login where the configuration has none."""
    from agent.cli.simulated import with_logins  # noqa: PLC0415 - only a dry run loads the simulators

    return with_logins(settings)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
