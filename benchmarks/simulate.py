"""How fast a simulated site runs: simulated miner-hours per second of real time, on the wire and in memory.

The whole agent watches a healthy site in virtual time, every device on its real protocol; a sixth of the span passes
before the clock is read. Both tiers run in one process, one after the other; their ratio is that of processor time,
which means something on a busy machine too.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.app import Agent
from agent.cli import logs
from agent.cli.simulated import simulated_site
from agent.clock import Clock
from agent.config import Settings, load
from agent.ledger.store import Ledger
from agent.model.topology import Family
from simulators import virtual_time
from simulators.memory_net import run_memory

EPOCH_S = 1_767_225_600.0
SEED = 7
OUTLETS = 24
PORTS = 48
MODELS = {Family.ANTMINER_STOCK: "S19 Pro", Family.WHATSMINER: "M50", Family.LUXOS: "S19k Pro"}
TIERS: dict[str, Callable[..., Any]] = {"wire": virtual_time.run, "memory": run_memory}
SIZES = (48, 480)
SIZES_SPAN = (1, 4800)
HOURS_SPAN = (0.05, 24.0)
WALL_LIMIT_S = 600.0
"""For one run; one that takes longer is ended."""


@dataclass(frozen=True)
class Load:
    """What is asked of the site: periods in s, span in h."""

    hours: float
    poll_s: float
    pdu_s: float
    switch_s: float


@dataclass(frozen=True)
class Result:
    """One run.

    Attributes:
        day_s: real time that a simulated day of this site would take, in s.
        peak_rss_mb: of the process so far, in MB.
    """

    tier: str
    miners: int
    polls: int
    wall_s: float
    cpu_s: float
    miner_hours_per_wall_s: float
    day_s: float
    peak_rss_mb: float


def configuration(miners: int, work: Load) -> dict[str, Any]:
    """Return the configuration of a site of that many miners: a PDU for each 24 of them, a switch for each 48."""
    families = list(MODELS)
    rows = [
        {
            "id": f"m{k}",
            "host": f"10.60.{1 + k // 250}.{1 + k % 250}",
            "model": MODELS[families[k % len(families)]],
            "family": families[k % len(families)].value,
            "outlets": f"pdu-{k // OUTLETS}/{k % OUTLETS + 1}",
            "port": f"sw-{k // PORTS}/{k % PORTS + 1}",
        }
        for k in range(miners)
    ]
    banks = [{"number": b + 1, "outlets": f"{3 * b + 1}-{3 * b + 3}", "rating_a": 60} for b in range(OUTLETS // 3)]
    return {
        "site": {"name": "benchmark"},
        "mode": "observe",
        "poll": {"interval_s": work.poll_s, "pdu_interval_s": work.pdu_s, "switch_interval_s": work.switch_s},
        "pdus": [
            {
                "id": f"pdu-{k}",
                "host": f"10.61.0.{k + 1}",
                "model": "apc_rpdu2",
                "outlets": OUTLETS,
                "voltage_v": 240,
                "banks": banks,
                "snmp": {"community": {"credential": "pdu-read"}},
            }
            for k in range(-(-miners // OUTLETS))
        ],
        "switches": [
            {
                "id": f"sw-{k}",
                "host": f"10.62.0.{k + 1}",
                "ports": PORTS,
                "snmp": {"community": {"credential": "switch-read"}},
            }
            for k in range(-(-miners // PORTS))
        ],
        "logins": {
            "antminer_stock": {"user": "root", "password": {"credential": "antminer-password"}},
            "whatsminer": {"user": "admin", "password": {"credential": "whatsminer-password"}},
        },
        "inventory": rows,
    }


async def watch(settings: Settings, folder: Path, hours: float) -> tuple[float, float, int]:
    """Let the agent watch the site; return the measured span in s of real and processor time, and its polls."""
    loop = asyncio.get_running_loop()
    clock = Clock.virtual(loop, EPOCH_S)
    ledger = Ledger.open(folder / "ledger.sqlite3", clock, threaded=False)
    try:
        async with simulated_site(settings, clock, seed=SEED) as simulated:
            agent = Agent(
                settings, ledger, clock, dialer=simulated.dialer, credentials=simulated.secrets, simulated=True
            )
            await agent.start()
            running = asyncio.create_task(agent.run())
            await asyncio.sleep(hours * 600.0)
            began, cpu_began, polls = time.perf_counter(), time.process_time(), agent.observer.counts.answered
            await asyncio.sleep(hours * 3600.0)
            wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
            polls = agent.observer.counts.answered - polls
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await agent.stop("benchmark over")
            return wall_s, cpu_s, polls
    finally:
        await ledger.close()


def measure(tier: str, miners: int, work: Load) -> Result:
    """Run one tier once."""
    with tempfile.TemporaryDirectory(prefix="terrahash-simulate-") as name:
        folder = Path(name)
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(configuration(miners, work), sort_keys=False))
        with (folder / "log.jsonl").open("w") as log:
            logs.configure(stream=log, now=lambda: EPOCH_S)
            wall_s, cpu_s, polls = TIERS[tier](watch(load(path), folder, work.hours), timeout_wall_s=WALL_LIMIT_S)
    return Result(
        tier=tier,
        miners=miners,
        polls=polls,
        wall_s=round(wall_s, 2),
        cpu_s=round(cpu_s, 2),
        miner_hours_per_wall_s=round(miners * work.hours / wall_s, 1),
        day_s=round(wall_s * 24.0 / work.hours, 1),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 1),
    )


def _within(value: float, span: tuple[float, float]) -> float:
    return min(max(value, span[0]), span[1])


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--tier", choices=[*TIERS, "both"], default="both")
    parser.add_argument("--miners", type=int, nargs="+", default=list(SIZES), help="sizes of the site (1 to 4,800)")
    parser.add_argument("--hours", type=float, default=0.25, help="site time of the measured span (0.05 to 24)")
    parser.add_argument("--poll", type=float, default=30.0, help="seconds between two polls of a miner")
    parser.add_argument("--pdu", type=float, default=30.0, help="seconds between two reads of a PDU")
    parser.add_argument("--switch", type=float, default=60.0, help="seconds between two reads of a switch")
    given = parser.parse_args()
    work = Load(_within(given.hours, HOURS_SPAN), given.poll, given.pdu, given.switch)
    tiers = list(TIERS) if given.tier == "both" else [given.tier]
    results = [measure(t, int(_within(m, SIZES_SPAN)), work) for m in given.miners[:8] for t in tiers]
    if given.json:
        json.dump({"load": asdict(work), "runs": [asdict(r) for r in results]}, sys.stdout, indent=2)
        print()
        return 0
    print(f"{work.hours:g} h of site time; a miner every {work.poll_s:g} s, a PDU every {work.pdu_s:g} s, ", end="")
    print(f"a switch every {work.switch_s:g} s")
    print(
        f"{'miners':>6}  {'tier':<7} {'polls':>8} {'wall s':>8} {'cpu s':>8} "
        f"{'miner-hours/s':>14} {'a day, s':>9} {'peak MB':>8}"
    )
    for r in results:
        print(
            f"{r.miners:>6}  {r.tier:<7} {r.polls:>8} {r.wall_s:>8.2f} {r.cpu_s:>8.2f} "
            f"{r.miner_hours_per_wall_s:>14.1f} {r.day_s:>9.0f} {r.peak_rss_mb:>8.0f}"
        )
    for wire, memory in zip(results[::2], results[1::2], strict=True) if len(tiers) == len(TIERS) else ():
        print(f"{wire.miners:>6}  memory/wire {wire.cpu_s / memory.cpu_s:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
