"""Whether one cause behind many symptoms is found to be one: every common cause, over many seeds, at several coverages.

Each run injects one cause somewhere on a small site that has faults of its own going on, and reaches only a share of
the miners behind it: the others hang elsewhere than the inventory says. It is right when there is exactly one incident
of several miners, or of the agent itself, of the right cause, in the right place, worked at by the right playbook, and
nobody it reached was restarted, rebooted or power-cycled for it. Fast-forward, simulated; each is an entry in CAUSES.

    python -m benchmarks.parents [--seeds 200] [--coverage 0.9 ...] [--only pdu_dark ...] [--quiet-windows 9000]

`--quiet-windows` has nothing but faults of single miners, and counts the others: there must be none.
Ends with 1 if a cause is right in fewer than 95 % of the runs at full or 90 % coverage, or if there is a false group.
"""

import argparse
import io
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario
from agent.clock import Stopwatch
from agent.guard.brake import brake
from agent.ledger.reader import read
from agent.model.action import Verb
from agent.model.events import Intended, Judged
from agent.model.incident import Category, Incident, Outcome, Reason

LEAST_RIGHT = 0.95
JUDGED_FROM = 0.9
"""So many runs must be right where a cause reaches at least so many of its miners; below it the figure is printed."""

SITE = {"miners": 240, "containers": 2, "racks_per_container": 3, "miners_per_pdu": 24, "pools": 2}
PDUS = [f"c{container}-p{number}" for container in (1, 2) for number in range(1, 6)]
CURTAILABLE = ["site:generated", *(f"switch:c{k}-sw" for k in (1, 2)), *(f"rack:r{k}" for k in range(1, 7))]
"""As sites are curtailed: whole, a container, a rack."""

LEDGER = "ledger.sqlite3"

BACKGROUND = "1.0/miner/day"
"""Faults of single miners besides: fifty times what a bad site has (facts "detection", section 3)."""

FAULT_AT_S = 150.0
SPREAD_S = 60
WINDOW_S = 120.0
WINDOWS_A_RUN = 720
"""A day, at the cadence of long runs."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that many miners share.

    Attributes:
        kind: the fault kind.
        places: where it can befall the site, as a scenario writes it (with parameters), and the domain that is right.
        reasons: what the incident may say it is.
        playbook: what must have worked at it; None where nobody is to.
        lasts: how long the fault lasts; minutes: how long the run goes on after it began.
        site: what the site has otherwise than SITE.
        covers: whether it can reach a part of its miners alone.
    """

    kind: str
    places: Mapping[str, str]
    category: Category
    reasons: frozenset[Reason]
    playbook: str | None
    lasts: str = "6m"
    minutes: int = 10
    site: Mapping[str, object] = field(default_factory=dict)
    covers: bool = True


def _at(*targets: str) -> Mapping[str, str]:
    """Return these targets as places: what is right is the target's own domain."""
    return {f"target: '{target}'": target for target in targets}


HYDRO = {"cooling": "hydro", "miners": 120, "racks_per_container": 2}

CAUSES: Mapping[str, Cause] = {
    "pdu_dark": Cause(
        "pdu.dark",
        _at(*(f"pdu:{pdu}" for pdu in PDUS)),
        Category.OTHER,
        frozenset({Reason.POWER_LOST}),
        "pdu_dark",
    ),
    "breaker_trip": Cause(
        "pdu.breaker_trip",
        {f"target: 'pdu:{pdu}', bank: {k}": f"breaker:{pdu}:bank{k}" for pdu in PDUS for k in range(1, 9)},
        Category.OTHER,
        frozenset({Reason.POWER_LOST}),
        "breaker_tripped",
    ),
    "switch_down": Cause(
        "network.switch_down",
        _at(*(f"switch:c{k}-sw" for k in (1, 2))),
        Category.NETWORK,
        frozenset({Reason.CUT_OFF}),
        "switch_down",
    ),
    "subnet_lost": Cause(
        "network.subnet_down",
        _at(*(f"subnet:10.64.{k}.0/24" for k in (0, 1))),
        Category.NETWORK,
        frozenset({Reason.CUT_OFF}),
        "network_part_lost",
    ),
    "site_network_down": Cause(
        "network.core_down",
        _at("site:generated"),
        Category.NETWORK,
        frozenset({Reason.CUT_OFF}),
        "network_part_lost",
    ),
    "pool_down": Cause(
        "pool.down",
        _at("pool:primary"),
        Category.POOL,
        frozenset({Reason.NO_POOL}),
        "pool_loss",
    ),
    "pool_flapping": Cause(
        "pool.flaps",
        _at("pool:primary"),
        Category.POOL,
        frozenset({Reason.NO_POOL, Reason.UNSTEADY_POOL}),
        "pool_loss",
        lasts="20m",
        minutes=25,
    ),
    "loop_hot": Cause(
        "loop.heat_rejection_weak",
        _at(*(f"loop:c{k}-loop" for k in (1, 2))),
        Category.THERMAL,
        frozenset({Reason.LOOP_HOT}),
        "loop_hot",
        lasts="15m",
        minutes=20,
        site=HYDRO,
    ),
    "cooling_lost": Cause(
        "loop.pump_failed",
        _at(*(f"loop:c{k}-loop" for k in (1, 2))),
        Category.THERMAL,
        frozenset({Reason.COOLING_LOST}),
        "cooling_lost",
        site=HYDRO,
    ),
    "own_link_lost": Cause(
        "host.link_lost",
        _at("host:agent"),
        Category.OTHER,
        frozenset({Reason.OWN_NETWORK}),
        None,
        covers=False,
    ),
    "own_clock_stepped": Cause(
        "host.clock_stepped",
        {f"target: 'host:agent', by_s: {by_s}": "host:agent" for by_s in (3600, -3600)},
        Category.OTHER,
        frozenset({Reason.OWN_CLOCK}),
        None,
        covers=False,
    ),
    "outage": Cause(
        "site.outage",
        _at("site:generated"),
        Category.OTHER,
        frozenset({Reason.POWER_LOST}),
        "power_lost",
        minutes=35,
    ),
    "curtailment": Cause(
        "site.curtailed_unannounced",
        _at(*CURTAILABLE),
        Category.OTHER,
        frozenset({Reason.CURTAILED}),
        "curtailed",
        lasts="10m",
        minutes=30,
    ),
}
"""Every cause that many miners can share, by the name that is printed."""

HARD = frozenset({Verb.POWER_OFF, Verb.REBOOT, Verb.RESTART, Verb.FLASH})
"""What may not be done to one of many that share a cause."""


def scenario(site: Mapping[str, object], seed: int, minutes: float, faults: list[str]) -> str:
    """Return the text of a scenario on that site, with single miners failing besides."""
    generate = ", ".join(f"{key}: {value}" for key, value in {**SITE, **site}.items())
    lines = [*faults, f"{{rate: {BACKGROUND}, kind: mix}}"]
    listed = "".join(f"  - {line}\n" for line in lines)
    return (
        f"name: parents\nseed: {seed}\nduration: {minutes:g}m\ntier: fast-forward\n"
        f"site: {{generate: {{{generate}}}}}\nfaults:\n{listed}"
    )


def run(text: str, folder: Path) -> tuple[Played, list[tuple[float, Verb, str]]]:
    """Play a scenario; return it and who was told what when, in site time."""
    path, ledger = folder / "parents.yaml", folder / LEDGER
    path.write_text(text)
    ledger.unlink(missing_ok=True)
    played = play_scenario(read_scenario(path), ledger, console=Console(file=io.StringIO()), log=io.StringIO())
    told = [
        (record.at - EPOCH_S, record.event.action.verb, str(target))
        for record in read(ledger)
        if isinstance(record.event, Intended)
        for target in record.event.action.targets
    ]
    return played, told


def wrongs(cause: Cause, domain: str, played: Played, told: list[tuple[float, Verb, str]]) -> Iterator[str]:
    """Yield what is wrong with how a common cause was dealt with; nothing where all is right."""
    fault = next(fault for fault in played.faults if fault.kind == cause.kind)
    counted = [i for i in played.incidents if i.outcome is not Outcome.SUPPRESSED]
    parents = [i for i in counted if i.domain and len(i.members) != 1]
    if len(parents) != 1:
        yield f"{len(parents)} parents"
    for parent in parents[:1]:
        yield from _parent_wrongs(parent, cause, domain)
    alone = {i.members[0] for i in counted if len(i.members) == 1}
    own = {m: f.started_at for f in reversed(played.faults) if f is not fault for m in f.miners}
    children = frozenset(fault.miners)
    strays = [m for m in children & alone if m not in own]
    if strays:
        yield "children alone"
    for at, verb, miner in told:
        if verb in HARD and miner in children and at >= fault.started_at and not own.get(miner, at + 1.0) <= at:
            yield f"{verb} of a child"


def _parent_wrongs(parent: Incident, cause: Cause, domain: str) -> Iterator[str]:
    if parent.domain != domain:
        yield f"named {parent.domain.partition(':')[0]}"
    if parent.category is not cause.category or parent.cause not in cause.reasons:
        yield f"called {parent.cause}"
    worker = parent.run.playbook if parent.run is not None else None
    if worker != cause.playbook:
        yield f"worked at by {worker or 'nobody'}"


def try_cause(cause: Cause, seed: int, coverage: float, folder: Path) -> tuple[str, ...]:
    """Run a cause once; return what was wrong, each once."""
    rng = random.Random(seed)
    place, domain = rng.choice(sorted(cause.places.items()))
    at_s = FAULT_AT_S + rng.randrange(SPREAD_S)
    share = f", coverage: {coverage}" if cause.covers else ""
    fault = f"{{at: {at_s:g}s, kind: {cause.kind}, {place}{share}, for: {cause.lasts}}}"
    played, told = run(scenario(cause.site, seed, at_s / 60.0 + cause.minutes, [fault]), folder)
    return tuple(dict.fromkeys(wrongs(cause, domain, played, told)))


def quiet_windows(windows: int, folder: Path) -> tuple[int, int, int]:
    """Return how many windows of 120 s had nothing but single failures, and in them: false groups, actions braked."""
    false, braked, done, seed = 0, 0, 0, 0
    while done < windows:
        together = min(windows - done, WINDOWS_A_RUN)
        played, _ = run(scenario({}, 1000 + seed, together * WINDOW_S / 60.0, []), folder)
        for incident in played.incidents:
            if incident.domain and len(incident.members) != 1 and incident.outcome is not Outcome.SUPPRESSED:
                print(f"  seed {1000 + seed}: {incident.category} {incident.cause} at {incident.domain}", flush=True)
                false += 1
        records = read(folder / LEDGER)
        braked += sum(isinstance(record.event, Judged) and record.event.gate == brake.__name__ for record in records)
        done += together
        seed += 1
    return done, false, braked


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--coverage", type=float, nargs="+", default=[1.0, 0.9, 0.7])
    parser.add_argument("--only", nargs="+", choices=list(CAUSES), default=list(CAUSES))
    parser.add_argument("--quiet-windows", type=int, default=0)
    parser.add_argument("--tell", action="store_true", help="print each run that was not right")
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.quiet_windows:
            done, false, braked = quiet_windows(given.quiet_windows, folder)
            print(f"{done} quiet windows of {WINDOW_S:g} s: {false} false groups; the brake put off {braked} actions")
            return int(false > 0)
        for cause_name in given.only:
            for coverage in given.coverage:
                failed |= _report(cause_name, coverage, given, folder)
    return int(failed)


def _report(name: str, coverage: float, given: argparse.Namespace, folder: Path) -> bool:
    """Run one cause over all seeds and print what came of it; return whether that is too little."""
    cause, watch = CAUSES[name], Stopwatch()
    problems: Counter[str] = Counter()
    right = 0
    for seed in range(given.first, given.first + given.seeds):
        found = try_cause(cause, seed, coverage, folder)
        right += not found
        problems.update(found)
        if found and given.tell:
            print(f"  {name} at {coverage:.0%}, seed {seed}: {', '.join(found)}", flush=True)
    told = "; ".join(f"{what} {count}x" for what, count in problems.most_common())
    share = right / given.seeds
    print(
        f"{name:18} {coverage:4.0%}  right {right}/{given.seeds} = {share:6.1%}  {watch.elapsed_s():5.0f} s  {told}",
        flush=True,
    )
    return coverage >= JUDGED_FROM and share < LEAST_RIGHT


if __name__ == "__main__":
    sys.exit(main())
