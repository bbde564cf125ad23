"""What triage costs a tick: on a quiet site, with single miners ill, and when much of a site falls silent at once.

A site is generated as scenarios do, its columns say that these miners are silent, and the detectors' verdicts are made
up; triage and the fold over its events are the real ones. Times are of triage alone, in CPU time: machines are busy.

    python -m benchmarks.triage

Ends with 1 if any tick takes longer than the limits: 5 ms for 1,200 miners, 60 ms for 14,000 with 300 symptoms.
"""

import gc
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.cli.scenario_run import EPOCH_S, read_scenario
from agent.ledger.fold import State
from agent.model.events import AnyEvent, Record
from agent.model.incident import Category, Evidence, Health, Reason
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Site
from agent.model.verdicts import Verdicts
from agent.model.wiring import wiring
from agent.triage.correlate import Correlator
from agent.triage.lifecycle import triage
from agent.triage.limits import TriageLimits

SCENARIO = """
name: triage
duration: 1h
tier: fast-forward
site: {{generate: {{miners: {miners}, containers: {containers}, racks_per_container: 5, network: 10.0.0.0/9}}}}
"""
TICK_S = 2.0
TICKS = 75
"""Two and a half minutes: until the verdict, the verdict itself, and what is opened alone when there is none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One situation.

    Attributes:
        silent: how many miners fall silent together, from the first one on. spread: or that far apart from each other.
        limit_ms: what a tick may take; None where it is only told.
    """

    name: str
    miners: int
    silent: int
    spread: int
    limit_ms: float | None


CASES = (
    Case("quiet", 1_200, 0, 1, 5.0),
    Case("12 single miners", 1_200, 12, 100, 5.0),
    Case("a switch of 240", 1_200, 240, 1, 5.0),
    Case("quiet", 14_000, 0, 1, None),
    Case("300 together", 14_000, 300, 1, 60.0),
    Case("300 single miners", 14_000, 300, 46, 60.0),
    Case("the whole site", 14_000, 14_000, 1, None),
)


class Told:
    """What a detector says of silent miners."""

    def reason(self, _: int) -> Reason:
        """Return why."""
        return Reason.UNRESPONSIVE

    def of(self, row: int) -> Evidence:
        """Return what was seen."""
        return {"misses": 6}

    def domain(self, _: int) -> str:
        """Return nothing."""
        return ""


def site_of(miners: int, folder: Path) -> Site:
    """Return a generated site."""
    path = folder / "triage.yaml"
    path.write_text(SCENARIO.format(miners=miners, containers=max(1, miners // 240)))
    return read_scenario(path).settings.site


def ticks_s(site: Site, silent: int, spread: int) -> list[float]:
    """Return how long triage takes in each tick after so many miners fell silent."""
    view, state = SiteView(site), State()
    correlator, limits = Correlator(view.domains), TriageLimits()
    n = len(site.miners)
    rows = (np.arange(silent) * spread) % n
    since, nothing = np.full(n, np.nan), np.full(n, np.nan)
    since[rows] = EPOCH_S
    view.reach[rows], view.misses[rows], view.missing_since[rows] = Reach.SILENT, 6, EPOCH_S - 40.0
    health = np.where(np.isnan(since), Health.HEALTHY, Health.FIRING).astype(np.int8)
    quiet = [
        Verdicts(c, np.zeros(n, dtype=np.int8), nothing, nothing, Told()) for c in (Category.POOL, Category.REJECTS)
    ]
    verdicts = [*quiet, Verdicts(Category.STUCK, health, since, nothing, Told())]
    wiring(view)  # worked out once, by whoever asks first
    gc.collect()
    gc.freeze()  # a full collection of 14,000 miners takes 90 ms and falls into any tick: it is not triage's
    took: list[float] = []
    for tick in range(TICKS):
        now, began = EPOCH_S + tick * TICK_S, time.process_time()
        made = triage(view, state, verdicts, limits, now, correlator=correlator)
        took.append(time.process_time() - began)
        _fold(state, made.events, now)
    assert not silent or any(i.domain for i in state.open_incidents) or spread > 1
    return took


def _fold(state: State, events: list[AnyEvent], now: float) -> None:
    for event in events:
        state.apply(Record(state.seq + 1, now, "agent", event, "", ""))  # type: ignore[arg-type]


def main() -> int:
    """Measure and print; return the exit code."""
    slow = False
    with tempfile.TemporaryDirectory() as name:
        sites = {case.miners: site_of(case.miners, Path(name)) for case in CASES}
    ticks_s(sites[CASES[0].miners], 240, 1)  # what is called for the first time takes longer
    for case in CASES:
        took = ticks_s(sites[case.miners], case.silent, case.spread)
        middle_ms, worst_ms = 1e3 * statistics.median(took), 1e3 * max(took)
        limit = "" if case.limit_ms is None else f"at most {case.limit_ms:g} ms"
        figures = f"{middle_ms:8.2f} ms a tick, {worst_ms:8.2f} ms the slowest"
        print(f"{case.miners:6} miners, {case.name:18} {figures}  {limit}")
        slow |= case.limit_ms is not None and worst_ms > case.limit_ms
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
