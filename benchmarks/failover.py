"""How long 2,000 miners are without a pool: from its loss until 95 % of them have shares accepted at another one.

They know the lost pool alone, so that nobody helps himself: each has to be told, in waves. On the fast-forward tier a
few minutes of site time; `--tier memory` has the same bytes on the way that a real site has, and takes minutes.

    python -m benchmarks.failover [--miners 2000] [--tier fast-forward|memory] [--kind pool.hung]

Times are simulated. Ends with 1 if it took longer than a critical incident may (30 minutes to its mitigation).
"""

import argparse
import asyncio
import io
import sys
import tempfile
from pathlib import Path

import numpy as np

from agent.app import Agent
from agent.cli import logs
from agent.cli.scenario_run import EPOCH_S, read_scenario
from agent.cli.simulated import with_logins
from agent.cli.tiers import TIERS
from agent.clock import Clock, Stopwatch
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.events import Intended, Settled
from simulators.plant.history import HistorySettings

SCENARIO = """
name: failover
seed: 3
duration: 1h
site:
  generate: {{miners: {miners}, containers: {containers}, racks_per_container: 8, miners_per_pdu: 48, pools: 2,
             families: {{antminer_stock: 0.5, whatsminer: 0.3, luxos: 0.2}}}}
"""
LOST_AT_S = 120.0
MOST_S = 1800.0
"""Mitigation of a critical incident: the KPI reference."""
LOOK_S = 5.0
MARKS = (0.05, 0.50, 0.95, 0.99, 1.0)
WALL_LIMIT_S = 1800.0


async def lose_the_pool(folder: Path, tier: TierName, miners: int, kind: str) -> dict[float, float]:
    """Return after how many seconds of site time each share of the miners was paid elsewhere; infinity for never."""
    path = folder / "failover.yaml"
    path.write_text(SCENARIO.format(miners=miners, containers=max(1, miners // 400)))
    loop = asyncio.get_running_loop()
    clock = Clock.virtual(loop, EPOCH_S)
    logs.configure(stream=io.StringIO(), now=clock.now)
    settings = with_logins(read_scenario(path, tier=tier).settings)
    ledger = Ledger.open(folder / "ledger.sqlite3", clock, threaded=False, synced=False)
    reached = dict.fromkeys(MARKS, float("inf"))
    async with TIERS[tier].stage(settings, clock, seed=3, history=HistorySettings()) as staged:
        for miner in staged.plant.miners.values():
            miner.client.configure(miner.client.lines[:1], loop.time())
        agent = Agent(settings, ledger, clock, touch=staged.touch(), simulated=True)
        await agent.start()
        running = asyncio.create_task(agent.run())
        await asyncio.sleep(LOST_AT_S - loop.time())
        staged.truth.inject(kind, "pool:primary", loop.time())
        while loop.time() < LOST_AT_S + 2.0 * MOST_S and reached[1.0] == float("inf") and not running.done():
            await asyncio.sleep(LOOK_S)
            since_s = loop.time() - LOST_AT_S
            paid = (agent.view.pool == 1) & (agent.view.accepted.grew_at > EPOCH_S + LOST_AT_S)
            for mark, at_s in reached.items():
                if at_s == float("inf") and float(np.mean(paid)) >= mark:
                    reached[mark] = since_s
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await agent.stop("measured")
    await ledger.close()
    return reached


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--miners", type=int, default=2000)
    parser.add_argument("--tier", choices=[TierName.FAST_FORWARD, TierName.MEMORY], default=TierName.FAST_FORWARD)
    parser.add_argument("--kind", default="pool.hung")
    given = parser.parse_args()
    tier = TierName(given.tier)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        main = lose_the_pool(folder, tier, given.miners, given.kind)
        reached = TIERS[tier].run(main, timeout_wall_s=WALL_LIMIT_S)
        print(f"{given.kind}, {given.miners} miners, {tier}; {watch.elapsed_s():.0f} s of real time")
        for record in read(folder / "ledger.sqlite3"):
            at_s = record.at - EPOCH_S - LOST_AT_S
            if isinstance(record.event, Settled):
                print(f"{at_s:8.0f} s  {record.event.from_state}: {record.event.detail}")
            elif isinstance(record.event, Intended):
                told = record.event.action
                print(f"{at_s:8.0f} s  {record.event.state}: {told.verb} for {len(told.targets)}")
        for mark, at_s in reached.items():
            print(f"{at_s:8.0f} s  {mark:.0%} have shares accepted at the other pool")
    return int(reached[0.95] > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
