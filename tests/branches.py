"""Says of each package how many of its branches were taken, branches alone, and which file leaves most of them.

    python -m tests.branches build/coverage.json

Lines are left out on purpose: a package of long straight functions has a high figure by its lines whatever its tests
decide.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def main(report: Path) -> None:
    """Print a line for each package of coverage.py's JSON report."""
    taken, there, missing = Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for name, file in json.loads(report.read_text())["files"].items():
        folder, path = str(Path(name).parent), Path(name)
        there[folder] += file["summary"]["num_branches"]
        taken[folder] += file["summary"]["covered_branches"]
        missing.setdefault(folder, Counter())[path.name] = file["summary"]["missing_branches"]
    for folder in sorted(filter(there.get, there)):
        most = ", ".join(f"{name} {count}" for name, count in missing[folder].most_common(3) if count)
        share = 100.0 * taken[folder] / there[folder]
        print(f"{folder:18} {taken[folder]:4} of {there[folder]:4} branches, {share:5.1f} %  {most}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
