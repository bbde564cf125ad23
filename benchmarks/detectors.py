"""What each detector costs a tick, on a quiet site and on one where much goes wrong.

Two scenarios run in fast-forward; after every tick a second set of detectors, made as the agent makes its own, judges
the same columns and is timed. Times are medians, so that a busy machine matters little, and each stands beside a unit
that grows with machine and site as they do: SCREEN comparisons of whole columns, which is about what a detector needs
to see that nothing goes on. The exit code is 1 if one of them costs more than LIMITS of that unit.
"""

import argparse
import io
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from agent.app import detectors
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.model.site_view import SiteView
from agent.model.verdicts import Detector

MINERS = 2000
HOURS = {"quiet": 2, "busy": 8}
SCREEN = 10
"""Comparisons in a unit."""
LIMITS = {"quiet": 7.0, "busy": 12.0}
"""Units that a detector may cost a tick: about 0.1 and 0.17 ms for 2,000 rows on a free core."""
WARM_UP_S = 600.0

SCENARIO = """
name: {name}
seed: 7
duration: {hours}h
tier: fast-forward
site:
  generate: {{miners: {miners}, containers: {containers}, racks_per_container: 10, pools: 2, network: 10.0.0.0/9}}
agent: {{tick_s: 30, poll: {{interval_s: 30, pdu_interval_s: 30, switch_interval_s: 60}}}}
history: {{lost_polls: 0.002}}
faults: {faults}
"""
FAULTS = {
    "quiet": "[]",
    "busy": "[{rate: 6.0/miner/month, kind: mix, for: 2d}, "
    "{rate: 3.0/miner/month, kind: wire.drop, probability: 0.3, for: 2h}]",
}


class Screens:
    """The unit: SCREEN comparisons of columns of that length, timed among the detectors."""

    def __init__(self, miners: int) -> None:
        self._columns = np.random.default_rng(1).random((SCREEN + 1, miners))

    def judge(self, _: SiteView, __: float) -> None:
        """Compare."""
        for one, other in itertools.pairwise(self._columns):
            (one < other).any()


def measure(name: str, miners: int) -> dict[str, float]:
    """Return the median time of each detector's tick in that scenario, and of the unit, in µs."""
    text = SCENARIO.format(
        name=name, hours=HOURS[name], miners=miners, containers=max(1, miners // 480), faults=FAULTS[name]
    )
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="terrahash-detectors-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text)
        scenario = read_scenario(path)
        judges: list[Detector | Screens] = [*detectors(scenario.settings), Screens(miners)]
        epoch_s = None

        def look(view: SiteView, now: float) -> None:
            nonlocal epoch_s
            epoch_s = float(np.nanmax(view.polled_at)) - now if epoch_s is None else epoch_s
            for judge in judges:
                begun = time.perf_counter()
                judge.judge(view, epoch_s + now)
                if now >= WARM_UP_S:
                    took.setdefault(type(judge).__name__, []).append(time.perf_counter() - begun)

        play_scenario(
            scenario, Path(folder) / "ledger.sqlite3", console=Console(file=io.StringIO()), log=io.StringIO(), look=look
        )
    return {detector: statistics.median(times) * 1e6 for detector, times in took.items()}


def show(figures: Mapping[str, dict[str, float]]) -> int:
    """Print a line for each detector; return the exit code."""
    missed = 0
    units = {name: of.pop(Screens.__name__) for name, of in figures.items()}
    print(f"{'detector':<22} " + " ".join(f"{f'{name} µs':>9} {'units':>6} {'share':>6}" for name in figures))
    for detector in next(iter(figures.values())):
        cells = []
        for name, of in figures.items():
            cost = of[detector] / units[name]
            mark, share = "!" if cost > LIMITS[name] else " ", of[detector] / sum(of.values())
            missed += cost > LIMITS[name]
            cells.append(f"{of[detector]:>9.0f} {cost:>5.1f}{mark} {share:>6.0%}")
        print(f"{detector:<22} {' '.join(cells)}")
    limits = "; ".join(f"{name}: {units[name]:.1f} µs, at most {limit:g} units" for name, limit in LIMITS.items())
    print(f"a unit is {SCREEN} comparisons of whole columns ({limits}; ! is more)")
    return 1 if missed else 0


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detectors", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--miners", type=int, default=MINERS, help="size of the site (1 to 20,000)")
    given = parser.parse_args()
    miners = min(20_000, max(1, given.miners))
    figures = {name: measure(name, miners) for name in FAULTS}
    if given.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
        return 0
    return show(figures)


if __name__ == "__main__":
    raise SystemExit(main())
