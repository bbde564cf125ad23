"""The two processes of a round: a simulated site that outlives its agents, and the daemon that is killed.

The site's process has the plant, every device on its own loopback address, and the truth. The daemon's process runs
`agent.cli.run.serve`, as `terrahash run` does, in swift time and with the simulated site's addresses and secrets.
"""

import asyncio
import contextlib
import json
import os
import signal
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.api.routes import Route
from agent.cli import logs
from agent.cli.redact import redact, scrub
from agent.cli.run import serve
from agent.cli.simulated import simulated_site, with_host_keys, with_logins
from agent.clock import Clock
from agent.config import Settings
from agent.config.scenario import Scenario, Timed
from agent.model.loops import SAME
from agent.touch import Touch, Wired
from simulators.agent_host import SimulatedHost
from simulators.loopback import LoopbackDialer
from simulators.mix import Happening, play, shuffled
from simulators.plant.agent_host import AgentHostPlant
from simulators.plant.journal import ACTIONS, What
from simulators.secrets import SimulatedSecrets
from simulators.site import SimulatedSite
from tests.soak.swift import Swift

FAILED = 70
"""Exit status of a process that ended by an exception of its own."""


def started(work: Callable[[], None], log: Path) -> int:
    """Fork a process that does the work, with what it says in `log`; return its id. The caller has no threads."""
    if pid := os.fork():
        return pid
    status = FAILED
    try:
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        work()
        status = 0
    except BaseException:  # whatever it is, it is told, and this process must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(status)  # nor clean up what is its parent's


def be_daemon(scenario: Scenario, ledger: Path, swift: Swift) -> None:
    """Run the agent until SIGTERM."""
    settings, clock = with_logins(scenario.settings), swift.clock()
    logs.configure(as_json=True, now=clock.now)
    touched = _reaching(settings, scenario.seed, clock)
    with asyncio.Runner(loop_factory=swift.loop) as runner:
        runner.run(serve(settings, ledger, clock, touched, simulated=True, on_auto=True))


@contextlib.asynccontextmanager
async def _reaching(settings: Settings, seed: int, clock: Clock) -> AsyncIterator[tuple[Touch, Sequence[Route]]]:
    """Yield the devices of a simulated site that another process has."""
    names = f"dns.{settings.site.name}.{settings.site.miners[0].host}"
    yield (
        Wired(
            with_host_keys(settings, seed),
            clock,
            dialer=LoopbackDialer(),
            credentials=redact(SimulatedSecrets(seed)),
            scrub=scrub,
            nameservers=(names,),
            host=SimulatedHost(AgentHostPlant()),
        ),
        (),
    )


def be_site(scenario: Scenario, report: Path, swift: Swift) -> None:
    """Simulate the site, with what goes wrong there, until SIGTERM; then write down what was done to it."""
    logs.configure(as_json=True)
    with asyncio.Runner(loop_factory=swift.loop) as runner:
        report_of = runner.run(_simulate(scenario, report.with_suffix(".up").touch, swift.clock()))
    report.write_text(json.dumps(report_of))


async def _simulate(scenario: Scenario, is_up: Callable[[], None], clock: Clock) -> dict[str, Any]:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with simulated_site(with_logins(scenario.settings), clock, seed=scenario.seed) as site:
        is_up()
        playing = asyncio.create_task(play(site.truth, site.plant, list(happenings(scenario, site))))
        await stop.wait()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return told(site)


def happenings(scenario: Scenario, site: SimulatedSite) -> list[Happening]:
    """Return what goes wrong in it at fixed times."""
    timed = [fault for fault in scenario.faults if isinstance(fault, Timed)]
    return [
        Happening(
            fault.at_s,
            fault.kind,
            shuffled(site.plant.rng(f"faults/{line}"), fault.targets, fault.count),
            fault.count,
            fault.for_s,
            fault.params,
        )
        for line, fault in enumerate(timed)
    ]


def told(site: SimulatedSite) -> dict[str, Any]:
    """Return what was done to the plant, and what of it is still to be undone."""
    plant, now = site.plant, asyncio.get_running_loop().time()
    plant.advance(now)
    # Some go to sleep by themselves while they have no pool.
    told_to_sleep = {entry.miner for entry in plant.journal.entries if entry.what is What.SUSPEND}
    return {
        "harm": asdict(site.truth.harm()),
        "deeds": [(e.what, e.miner, str(e.outlet or "")) for e in plant.journal.entries if e.what in ACTIONS],
        "lowered": [u.spec.id for u in plant.units.values() if u.reading(now).setpoint_c < u.spec.setpoint_c - SAME],
        "asleep": [miner for miner, state in plant.miners.items() if state.suspended and miner in told_to_sleep],
        "slowed": [miner for miner, state in plant.miners.items() if state.derated < 1.0],
    }
