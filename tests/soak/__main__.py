"""Plays random scenarios one after another, and prints each that breaks a rule, shrunk, with the command to repeat it.

    python -m tests.soak [--seeds 100] [--from 1] [--tier fast-forward]

A failing scenario is played again without one fault after the other, as long as it goes on failing; what is left is
printed as a scenario's file. Ends with 1 if one failed.
"""

import argparse
import io
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import yaml
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario
from agent.config.errors import ConfigError
from agent.config.scenario import TierName
from tests.soak.check import violations
from tests.soak.generate import Trial, trial


def play(of: Trial, tier: str) -> list[str]:
    """Return which rules the scenario breaks; a crash of the agent's own code breaks one, too."""
    with tempfile.TemporaryDirectory(prefix="terrahash-soak-") as name:
        path, ledger = Path(name) / "scenario.yaml", Path(name) / "ledger.sqlite3"
        path.write_text(yaml.safe_dump(of.tree(tier), sort_keys=False))
        scenario = read_scenario(path)
        try:
            played = play_scenario(scenario, ledger, console=Console(file=io.StringIO()), log=io.StringIO())
        except Exception as error:  # whatever it is, it is what is looked for
            return [f"{type(error).__name__}: {error}"]
        return violations(ledger, played.board)


def fitting(of: Trial, tier: str) -> Trial:
    """Return the scenario without the faults that its site has no place for, or whose parameters do not fit there."""
    kept: list[int] = []
    for place in range(len(of.faults)):
        with tempfile.TemporaryDirectory(prefix="terrahash-soak-") as name:
            path = Path(name) / "scenario.yaml"
            path.write_text(yaml.safe_dump(replace(of, faults=of.faults[place : place + 1]).tree(tier)))
            try:
                read_scenario(path)
            except ConfigError:
                continue
            kept.append(place)
    return replace(of, faults=tuple(of.faults[place] for place in kept))


def shrunk(of: Trial, tier: str) -> Trial:
    """Return the scenario with as few of its faults as still break a rule."""
    place = 0
    while place < len(of.faults):
        less = replace(of, faults=of.faults[:place] + of.faults[place + 1 :])
        if play(less, tier):
            of = less
        else:
            place += 1
    return of


def main() -> int:
    """Play and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--tier", choices=[str(tier) for tier in TierName], default=str(TierName.FAST_FORWARD))
    given = parser.parse_args()
    began_s, failed = time.perf_counter(), 0
    for seed in range(given.first, given.first + given.seeds):
        of = fitting(trial(seed), given.tier)
        if found := play(of, given.tier):
            failed += 1
            least = shrunk(of, given.tier)
            print(f"seed {seed}: python -m tests.soak --from {seed} --seeds 1 --tier {given.tier}")
            print("".join(f"  {line}\n" for line in found), end="")
            print(yaml.safe_dump(least.tree(given.tier), sort_keys=False), flush=True)
    wall_s = time.perf_counter() - began_s
    print(f"{given.seeds} scenarios on {given.tier}, {failed} with violations, {wall_s:.0f} s of real time; simulated")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
