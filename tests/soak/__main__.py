"""Plays random scenarios one after another, and prints each that breaks a rule, shrunk, with the command to repeat it.

    python -m tests.soak [--seeds 100] [--from 1] [--tier fast-forward] [--jobs N]

A failing scenario is played again without one fault after the other, as long as it goes on failing; what is left is
printed as a scenario's file. Ends with 1 if one failed.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console

from agent.cli.output import Nowhere
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.config.errors import ConfigError
from agent.config.scenario import TierName
from agent.model.incident import Phase
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from tests.soak.check import violations
from tests.soak.generate import PEACE_S, Trial, trial

FEW = 100
"""After so many scenarios it is told how far it is."""


class Peace:
    """Whether all that went wrong is over or a person's, and has been for a while: what follows would be the same."""

    def __init__(self, passed_s: float) -> None:
        self._now = 0.0
        self._since = passed_s

    def look(self, _view: SiteView, now: float) -> None:
        """Take note of the time."""
        self._now = now

    def is_enough(self, memory: Memory) -> bool:
        """Take note of what is in the agent's hands; return whether nothing has been for long enough."""
        of_people = {i.id for i in memory.open_incidents if i.phase is Phase.ESCALATED}
        owes = (setpoint.incident not in of_people for setpoint in memory.setpoints.values())
        if memory.flying or memory.duties or len(of_people) < len(memory.open_incidents) or any(owes):
            self._since = max(self._since, self._now)
        return self._now - self._since >= PEACE_S


def play(of: Trial, tier: str) -> list[str]:
    """Return which rules the scenario breaks; a crash of the agent's own code breaks one, too."""
    with tempfile.TemporaryDirectory(prefix="terrahash-soak-") as name:
        path, ledger = Path(name) / "scenario.yaml", Path(name) / "ledger.sqlite3"
        path.write_text(yaml.safe_dump(of.tree(tier), sort_keys=False))
        scenario, peace = read_scenario(path), Peace(of.passed_s)
        try:
            played = play_scenario(
                scenario,
                ledger,
                console=Console(file=io.StringIO()),
                log=Nowhere(),
                look=peace.look,
                is_enough=peace.is_enough,
            )
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


def tried(seed: int, tier: str) -> str:
    """Return what there is to say of a seed; empty where it broke no rule."""
    of = fitting(trial(seed), tier)
    found = play(of, tier)
    if not found:
        return ""
    least = yaml.safe_dump(shrunk(of, tier).tree(tier), sort_keys=False)
    again = f"seed {seed}: python -m tests.soak --from {seed} --seeds 1 --tier {tier}"
    return "\n".join([again, *(f"  {line}" for line in found), least])


def main() -> int:
    """Play and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--tier", choices=[str(tier) for tier in TierName], default=str(TierName.FAST_FORWARD))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="play so many at a time")
    given = parser.parse_args()
    began_s, failed = time.perf_counter(), 0
    seeds = range(given.first, given.first + given.seeds)
    with ProcessPoolExecutor(given.jobs) as workers:
        for done, said in enumerate(workers.map(partial(tried, tier=given.tier), seeds, chunksize=4)):
            if done and done % FEW == 0:
                print(f"{done} scenarios, {failed} with violations, {time.perf_counter() - began_s:.0f} s", flush=True)
            if said:
                failed += 1
                print(said, flush=True)
    wall_s = time.perf_counter() - began_s
    print(f"{given.seeds} scenarios on {given.tier}, {failed} with violations, {wall_s:.0f} s of real time; simulated")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
