"""Writes the figures of a played month into the README, beside their targets.

    terrahash simulate month --json > month.json; python docs/month.py month.json "2026-11-22, commit 0123abc"

Nobody types a figure there by hand: what falls short stands beside what does not.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent.report.kpis import RATE_TARGET
from agent.report.text import duration, interval, percent

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- month: written by docs/month.py -->", "<!-- /month -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)

RECALL_TARGET, FALSE_TARGET = 0.99, 1.0
MTTR_TARGETS_S = {"stuck": 720.0, "pool": 180.0}
FLEET_TARGET_S = 600.0

MET, MISSED = "met", "**missed**"

NEVER = {
    "actions_on_healthy": "actions on healthy miners",
    "useless_power_cycles": "power cycles that did not help",
    "outlets_left_off": "outlets left off",
    "budget_breaches": "budget breaches",
    "actions_during_hold": "actions during a hold",
    "actions_while_away": "actions on curtailed or serviced miners",
    "miner_minutes_lost": "miner-minutes lost to the agent",
    "flashes_twice": "flashes twice",
    "power_cut_while_flashing": "flashes cut short by the agent",
    "wrong_image": "wrong images",
    "setpoints_below_dew_point": "setpoints below the dew point",
    "dry_boards": "hashboards run dry",
}
"""What must be 0, by its key in a scoreboard's harm."""


def section(board: dict[str, Any], played: str) -> Iterator[str]:
    """Yield the section's paragraphs: `board` is a scoreboard, `played` says when and of what."""
    days, truth, cost = board["site_s"] / 86_400.0, board["truth"], board["cost"]
    hopeless = truth["faults"] - truth["fixable"]
    yield (
        f"All of it **simulated**: {board['miners']:,} miners for {days:.0f} days, seed {board['seed']}, "
        f"{truth['faults']:,} faults of which {hopeless:,} are such as nothing remote fixes; {played}, "
        f"in {duration(cost['wall_s'])} and {cost['peak_rss_mb']:.0f} MB."
    )
    yield _table(("automated resolution", "of", "rate", "95 %", "target", ""), _rates(board["remediation"]))
    yield _table(("measure", "figure", "target", ""), _measures(board))
    harm = board["harm"]
    bad = [f"{words}: {harm[key]:g}" for key, words in NEVER.items() if harm[key]]
    good = [words for key, words in NEVER.items() if not harm[key]]
    verdict = f"{MISSED}, {'; '.join(bad)}" if bad else MET
    yield f"Harm, all of which is to be 0: {verdict}. Not one: {', '.join(good)}."
    hot = duration(60.0 * harm["overheated_minutes"])
    yield (
        f"Besides: {harm['bricked']} control boards were lost to a flash, and miners were at the temperature that "
        f"stops them for {hot} in all."
    )


def _rates(of: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    hits = counted = 0
    for name, row in of["by_category"].items():
        share = row["counted"] - row["self_recovered"]
        hits, counted = hits + row["auto_resolved"], counted + share
        resolved = f"{row['auto_resolved']} of {share}"
        yield (
            name,
            resolved,
            percent(row["rate"]),
            interval(row["ci95"]),
            f"≥ {row['target']:.0%}",
            _met(row["rate"] >= row["target"]),
        )
    yield (
        "**all**",
        f"{hits} of {counted}",
        percent(of["rate"]),
        interval(of["ci95"]),
        f"≥ {RATE_TARGET:.0%}",
        _met(of["rate"] >= RATE_TARGET),
    )
    yield "of the faults that can be fixed", "", percent(of["rate_fixable"]), "", "100 %", _met(of["rate_fixable"] == 1)


def _measures(board: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    found, of = board["detection"], board["remediation"]
    for name in ("recall", "precision"):
        yield name, percent(found[name]), f"≥ {RECALL_TARGET:.0%}", _met(found[name] >= RECALL_TARGET)
    false = found["false_per_1000_miner_days"]
    yield "false incidents per 1,000 miner-days", f"{false:.3f}", f"≤ {FALSE_TARGET:g}", _met(false <= FALSE_TARGET)
    for name, target_s in MTTR_TARGETS_S.items():
        all_s, own_s = of["mttr_s"]["by_category"][name], of["mttr_auto_s"]["by_category"][name]
        told = f"{duration(all_s)}; {duration(own_s)} of what the agent resolved"
        yield f"MTTR, {name}", told, f"≤ {duration(target_s)}", _met(all_s <= target_s)
    all_s, own_s = of["mttr_s"]["severities_1_3"], of["mttr_auto_s"]["severities_1_3"]
    told = f"{duration(all_s)}; {duration(own_s)} of what the agent resolved"
    yield "MTTR, severities 1 to 3", told, f"≤ {duration(FLEET_TARGET_S)}", _met(all_s <= FLEET_TARGET_S)
    yield "half of all were over within", duration(of["mttr_s"]["p50"]), "", ""


def _met(is_met: bool) -> str:
    return MET if is_met else MISSED


def _table(headers: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def written(readme: str, board: dict[str, Any], played: str) -> str:
    """Return the README with these figures in place of those that it had."""
    text = "\n\n".join(section(board, played))
    return BETWEEN.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", readme)


if __name__ == "__main__":
    source, when = sys.argv[1:]
    README.write_text(written(README.read_text(), json.loads(Path(source).read_text()), when))
