"""Plays the whole crash matrix, or every so-manieth case of it, and prints how many cases there were and which failed.

    python -m tests.crash [--story NAME] [--every 1] [--from 0]

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
    parser.add_argument("--every", type=int, default=1, help="play each so-manieth case only")
    parser.add_argument("--from", dest="first", type=int, default=0, help="leave out so many of each story")
    given = parser.parse_args()
    logs.configure(stream=io.StringIO())
    began_s, total, failed = time.perf_counter(), 0, 0
    for story in given.story or STORIES:
        chosen = list(cases(story))[given.first :: given.every]
        wrong = [found for found in map(failures, chosen) if found]
        total, failed = total + len(chosen), failed + len(wrong)
        print(f"{story} ({STORIES[story].playbook}): {len(chosen)} cases, {len(wrong)} failures")
        print("".join(f"  {line}\n" for lines in wrong for line in lines), end="", flush=True)
    print(f"{total} cases, {failed} failures, {time.perf_counter() - began_s:.0f} s of real time; simulated")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
