"""How fast a simulated site runs, how much memory it takes, and how both grow with the site, for each tier.

Every run is a scenario in a process of its own: a generated site, polled every 30 s, with background faults at one a
miner and month, and a person who repairs within two days what nothing remote does, as in the scenario `month`; all of
it judged. What is printed is the scoreboard's own `cost`; growth is the ratio to the smallest site of the same tier,
which means something on a busy machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TICK_S = 30.0
DAY_S = 86_400.0
WALL_LIMIT_S = 3600.0
"""For one run; one that takes longer is ended."""

USUAL: dict[str, tuple[tuple[int, float], ...]] = {
    "fast-forward": ((500, 1.0), (1000, 1.0), (2000, 1.0), (5000, 1.0), (10_000, 1.0)),
    "memory": ((120, 1 / 24), (240, 1 / 24), (480, 1 / 24)),
    "wire": ((48, 1 / 48), (96, 1 / 48), (192, 1 / 48)),
}
"""Miners and days of the runs made when nothing else is asked for."""

GOALS: tuple[tuple[str, int, float, float], ...] = (
    ("fast-forward", 2000, 30.0, 180.0),
    ("fast-forward", 10_000, 30.0, 900.0),
    ("memory", 480, 1.0, 180.0),
)
"""Tier, miners, days, and the s of real time they may take."""

SCENARIO = """
name: benchmark
seed: 7
duration: {duration_s:.0f}s
tier: {tier}
site: {{generate: {{miners: {miners}, containers: {containers}, racks_per_container: 10, network: 10.0.0.0/9}}}}
agent: {{tick_s: 30, poll: {{interval_s: 30, pdu_interval_s: 30, switch_interval_s: 60}}}}
faults:
  - {{rate: 1.0/miner/month, kind: mix, for: 2d}}
"""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        us_per_miner_tick: real time over miners and ticks, in µs.
        peak_mb: most memory the process ever took, in MB.
    """

    tier: str
    miners: int
    days: float
    wall_s: float
    miner_hours_per_wall_s: float
    us_per_miner_tick: float
    peak_mb: float


def measure(tier: str, miners: int, days: float) -> Run:
    """Run one scenario; raises CalledProcessError with what it said if it was refused."""
    text = SCENARIO.format(tier=tier, miners=miners, duration_s=days * DAY_S, containers=max(1, miners // 480))
    with tempfile.TemporaryDirectory(prefix="terrahash-simulate-") as folder:
        path = Path(folder) / "benchmark.yaml"
        path.write_text(text)
        command = [sys.executable, "-m", "agent.cli.main", "simulate", str(path), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=WALL_LIMIT_S, env=os.environ)
    cost = json.loads(done.stdout)["cost"]
    ticks = days * DAY_S / TICK_S
    return Run(
        tier=tier,
        miners=miners,
        days=days,
        wall_s=round(cost["wall_s"], 1),
        miner_hours_per_wall_s=round(cost["miner_hours_per_wall_s"]),
        us_per_miner_tick=round(cost["wall_s"] * 1e6 / (miners * ticks), 3),
        peak_mb=round(cost["peak_rss_mb"]),
    )


def show(runs: Sequence[Run]) -> None:
    """Print the runs of one tier, growth beside the smallest."""
    head = ("miners", 7), ("days", 6), ("wall s", 8), ("miner-hours/s", 14), ("µs/miner-tick", 14), ("MB", 6)
    print(f"{'tier':<13} " + " ".join(f"{name:>{width}}" for name, width in head) + "  growth")
    for run in runs:
        least = next(r for r in runs if r.tier == run.tier)
        size, per_tick = run.miners / least.miners, run.us_per_miner_tick / least.us_per_miner_tick
        growth = f"{size:5.1f}x miners: {per_tick:.2f}x a miner-tick, {run.peak_mb / least.peak_mb:.2f}x memory"
        print(
            f"{run.tier:<13} {run.miners:>7} {run.days:>6.2f} {run.wall_s:>8.1f} {run.miner_hours_per_wall_s:>14.0f} "
            f"{run.us_per_miner_tick:>14.2f} {run.peak_mb:>6.0f}  {growth}"
        )


def goals() -> int:
    """Run what is promised, print it beside the promise; return the exit code."""
    missed = 0
    for tier, miners, days, limit_s in GOALS:
        run = measure(tier, miners, days)
        verdict = "met" if run.wall_s <= limit_s else "MISSED"
        missed += run.wall_s > limit_s
        print(
            f"{tier}: {miners} miners x {days:g} d in {run.wall_s:.0f} s (at most {limit_s:.0f} s: {verdict}), "
            f"{run.peak_mb:.0f} MB, {run.us_per_miner_tick:.2f} µs a miner-tick",
            flush=True,
        )
    return 1 if missed else 0


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--goals", action="store_true", help="run what is promised (half an hour), exit 1 if missed")
    parser.add_argument("--tier", choices=[*USUAL], help="only this one")
    parser.add_argument("--miners", type=int, nargs="+", help="sizes of the site (1 to 20,000)")
    parser.add_argument("--days", type=float, help="site time of each run (0.01 to 366)")
    given = parser.parse_args()
    if given.goals:
        return goals()
    runs = []
    for tier in [given.tier] if given.tier else list(USUAL):
        usual = USUAL[tier]
        plan = [(m, usual[0][1]) for m in given.miners] if given.miners else list(usual)
        for miners, days in plan:
            site_days = min(366.0, max(0.01, given.days or days))
            runs.append(measure(tier, min(20_000, max(1, miners)), site_days))
    if given.json:
        json.dump([asdict(run) for run in runs], sys.stdout, indent=2)
        print()
    else:
        show(runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
