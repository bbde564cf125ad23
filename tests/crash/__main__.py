"""Plays the crash matrix: every point of every story, and one in a few of the cases that have a second death.

    python -m tests.crash [--story NAME] [--second 5] [--every 1] [--from 0]

Prints how many cases there were of how many, and which failed. `--second 1` plays all of them.

Ends with 1 if one failed.
"""

import argparse
import io
import sys
import time

from agent.cli import logs
from tests.crash.matrix import cases, failures
from tests.crash.stories import STORIES


def main() -> int:
    """Play and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--story", action="append", choices=list(STORIES), help="only this one; may be repeated")
    parser.add_argument("--second", type=int, default=5, help="play one in so many of the cases with two deaths")
    parser.add_argument("--every", type=int, default=1, help="play each so-manieth case only")
    parser.add_argument("--from", dest="first", type=int, default=0, help="leave out so many of each story")
    given = parser.parse_args()
    logs.configure(stream=io.StringIO())
    began_s, once, twice, whole, failed = time.perf_counter(), 0, 0, 0, 0
    for story in given.story or STORIES:
        chosen = list(cases(story, second=given.second))[given.first :: given.every]
        wrong = 0
        for case in chosen:
            found = failures(case)
            wrong += bool(found)
            print("".join(f"  {line}\n" for line in found), end="", flush=True)
        print(f"{story} ({STORIES[story].playbook}): {len(chosen)} cases, {wrong} failures", flush=True)
        of_one = sum(len(case.deaths) == 1 for case in chosen)
        once, twice, failed = once + of_one, twice + len(chosen) - of_one, failed + wrong
        whole += sum(1 for _ in cases(story))
    cost = f"{time.process_time():.0f} s of CPU, {time.perf_counter() - began_s:.0f} s of real time"
    print(f"{once} cases with one death, {twice} with two, of {whole}: {failed} failures; {cost}; simulated")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
