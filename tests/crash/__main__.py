"""Plays the crash matrix: every point of every story, and one in a few of the cases that have a second death.

    python -m tests.crash [--story NAME] [--second 5] [--every 1] [--from 0] [--jobs N]

Prints how many cases there were of how many, what each cost, and which failed. `--second 1` plays all of them.

Ends with 1 if one failed.
"""

import argparse
import io
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from agent.cli import logs
from tests.crash.matrix import Case, cases, failures
from tests.crash.stories import STORIES


def main() -> int:
    """Play and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--story", action="append", choices=list(STORIES), help="only this one; may be repeated")
    parser.add_argument("--second", type=int, default=5, help="play one in so many of the cases with two deaths")
    parser.add_argument("--every", type=int, default=1, help="play each so-manieth case only")
    parser.add_argument("--from", dest="first", type=int, default=0, help="leave out so many of each story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="play so many at a time")
    given = parser.parse_args()
    _be_silent()
    began_s, whole, failed = time.perf_counter(), 0, 0
    played: list[Case] = []
    spent_s = 0.0
    with ProcessPoolExecutor(given.jobs, initializer=_be_silent) as workers:
        for story in given.story or STORIES:
            chosen = list(cases(story, second=given.second))[given.first :: given.every]
            wrong, of_story_s = 0, 0.0
            for found, cost_s in workers.map(_played, chosen):
                wrong += bool(found)
                of_story_s += cost_s
                print("".join(f"  {line}\n" for line in found), end="", flush=True)
            each_s = of_story_s / max(len(chosen), 1)
            told = f"{len(chosen)} cases, {wrong} failures, {each_s:.1f} s of CPU each"
            print(f"{story} ({STORIES[story].playbook}): {told}", flush=True)
            played, failed, spent_s = [*played, *chosen], failed + wrong, spent_s + of_story_s
            whole += sum(1 for _ in cases(story))
    once = sum(len(case.deaths) == 1 for case in played)
    cost = f"{spent_s:.0f} s of CPU, {time.perf_counter() - began_s:.0f} s of real time"
    print(
        f"{once} cases with one death, {len(played) - once} with two, of {whole}: {failed} failures; {cost}; simulated"
    )
    return int(failed > 0)


def _played(case: Case) -> tuple[list[str], float]:
    """Play a case; return what is not as it must be, and what it cost in s of CPU."""
    began_s = time.process_time()
    return failures(case), time.process_time() - began_s


def _be_silent() -> None:
    logs.configure(stream=io.StringIO())


if __name__ == "__main__":
    sys.exit(main())
