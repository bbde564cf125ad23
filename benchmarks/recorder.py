"""What the flight recorder costs a tick, beside what the tick and the writing of its polls cost without it.

A quiet site of 2,000 miners, polled evenly over their period: each tick an eighth of them has answered. What is timed
is what the recorder does on the event loop, in the loop's own processor time: its thread packs and writes meanwhile,
and here, where minutes pass in seconds, is always at work. Times are medians, and what counts is their ratio, so that a
busy machine matters little. The exit code is 1 if the ratio is above LIMIT, or if one look, the copy of everything's
state included, takes longer than LONGEST_S.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from agent.app import modes_of, stages
from agent.cli.redact import scrub
from agent.cli.scenario_run import read_scenario
from agent.config.canonical import encoded
from agent.ledger.fold import State
from agent.model.events import Actor, IncidentOpened, Record
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Reason, Severity
from agent.model.recording import FORMAT, Head
from agent.model.site_view import SiteView
from agent.model.telemetry import Telemetry
from agent.observe.recorder import Recorder
from agent.observe.settings import RecordSettings
from agent.shipped import load_playbooks

EPOCH_S = 1_767_225_600.0
TICK_S = 1.0
POLL_TICKS = 8
LIMIT = 0.25
"""Of the tick and of the writing of its polls; taking and decoding replies, ten times as much, is not counted in."""
LONGEST_S = 0.05

SCENARIO = """
name: recorder
duration: 1h
tier: fast-forward
site: {{generate: {{miners: {miners}, containers: {containers}, racks_per_container: 10, network: 10.0.0.0/9}}}}
"""


def reply(row: int, now: float) -> Telemetry:
    """Return what a miner that is well tells; no two alike."""
    age_s = now - EPOCH_S + 86_400.0
    scatter = ((row * 7919 + int(now)) % 1000) / 1000.0
    return Telemetry(
        hashrate_th=110.0 + scatter,
        expected_th=110.0,
        work_gh=age_s * 1.1e5,
        elapsed_s=age_s,
        accepted=float(int(age_s * 0.3)),
        rejected=0.0,
        stale=0.0,
        share_diff=65_536.0,
        pool_alive=True,
        suspended=False,
        chip_max_c=55.0 + scatter,
        board_max_c=50.0 + scatter,
        fans_rpm=(4000.0 + scatter, 4010.0),
        power_w=3200.0 + scatter,
    )


def measure(miners: int, ticks: int, folder: Path) -> dict[str, float]:
    """Return medians in s: of the tick, and of the recorder in peace and with an incident; and its longest look."""
    scenario = folder / "scenario.yaml"
    scenario.write_text(SCENARIO.format(miners=miners, containers=max(1, miners // 480)))
    settings = read_scenario(scenario).settings
    view, memory, tables = SiteView(settings.site), State(), load_playbooks()
    judges = stages(settings, view, memory, tables, modes_of(settings, on_auto=True))

    def head(incident: Incident) -> Head:
        return Head(
            format=FORMAT,
            incident=incident.id,
            software="benchmark",
            config_fingerprint="",
            playbooks={},
            site=settings.site,
            settings=encoded(settings),
            detected_at=incident.detected_at,
            tick_s=TICK_S,
            simulated=True,
            on_auto=True,
        )

    recorder = Recorder(
        view, memory, judges, head, folder=folder / "recordings", threaded=True, settings=RecordSettings(), scrub=scrub
    )
    plain: list[float] = []
    looks: dict[bool, list[float]] = {False: [], True: []}
    for tick in range(ticks):
        now = EPOCH_S + tick * TICK_S
        answers = [(row, reply(row, now)) for row in range(tick % POLL_TICKS, miners, POLL_TICKS)]
        began = time.thread_time()
        for row, told in answers:
            view.put_answer(row, now, told)
        polled = time.thread_time()
        recorder.see(now)
        seen = time.thread_time()
        judges.tick(now)
        if tick > POLL_TICKS:
            plain.append(time.thread_time() - seen + polled - began)
            looks[bool(memory.incidents)].append(seen - polled)
        if tick == ticks // 2:
            members = (settings.site.miners[0].id,)
            opened = IncidentOpened(
                incident=IncidentId("inc-000001"),
                category=Category.STUCK,
                cause=Reason.UNRESPONSIVE,
                severity=Severity.MEDIUM,
                members=members,
                detected_at=now,
                evidence={},
            )
            memory.apply(Record(1, now, Actor.AGENT, opened, "", ""))
    recorder.close()
    return {
        "tick_s": statistics.median(plain),
        "peace_s": statistics.median(looks[False]),
        "incident_s": statistics.median(looks[True]),
        "longest_s": max(looks[False] + looks[True]),
    }


def main() -> int:
    """Print what it costs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miners", type=int, default=2000)
    parser.add_argument("--ticks", type=int, default=700)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terrahash-recorder-") as folder:
        found = measure(asked.miners, asked.ticks, Path(folder))
    ratio = found["peace_s"] / found["tick_s"]
    print(f"{asked.miners} miners: a tick with its polls takes {found['tick_s'] * 1e3:.2f} ms")
    print(f"the recorder {found['peace_s'] * 1e3:.3f} ms, {ratio:.1%} of that; limit {LIMIT:.0%}")
    print(f"while an incident is recorded {found['incident_s'] * 1e3:.3f} ms")
    print(f"its longest look {found['longest_s'] * 1e3:.1f} ms; limit {LONGEST_S * 1e3:.0f} ms")
    return int(ratio > LIMIT or found["longest_s"] > LONGEST_S)


if __name__ == "__main__":
    sys.exit(main())
