"""Kills the daemon's process with SIGKILL at random times, again and again, and looks whether anything was lost by it.

    python -m tests.soak.kills [--kills 500] [--lanes 8] [--speed 20] [--seed 1] [--cli 10] [--keep FOLDER]

A round is a small simulated site in a process of its own, on which things go wrong, and a daemon in another one: real
sockets, a real ledger, time that runs `--speed` times as fast. The daemon is killed a few times, started again within
moments, and at last left alone until every incident is over or a person's. What must hold is held against the ledger
and against the site's own record. Before that `--cli` kills go to `terrahash run --dry-run` itself, in real time.

Processes are ended by their ids. Ends with 1 if anything did not hold.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from agent.cli.scenario_run import read_scenario
from agent.config.scenario import Scenario
from agent.drivers.miners import pyasic_adapter
from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.model.events import AgentStarted, Record
from agent.model.incident import Phase
from tests.config.sites import SITE, written
from tests.soak.check import left, repeated, violations
from tests.soak.outlive import be_daemon, be_site, started
from tests.soak.swift import Swift

FOUND_S = 420.0
"""By so much later an agent that has come up has found whatever is amiss."""

QUICK: tuple[tuple[str, str, float | None], ...] = (
    ("miner.process_died", "miner:*", None),
    ("miner.hashing_stopped", "miner:*", None),
    ("miner.control_board_hung", "miner:*", None),
    ("miner.control_board_hung", "miner:*", None),
    ("miner.psu_latched", "miner:*", None),
    ("miner.psu_dead", "miner:*", None),
    ("miner.board_lost", "miner:*", None),
    ("miner.unauthorised_pool", "miner:*", None),
    ("network.port_hung", "miner:*", None),
    ("network.address_moved", "miner:*", None),
    ("pool.down", "pool:primary", 600.0),
    ("pdu.set_lies", "pdu:*", 300.0),
    ("wire.drop", "miner:*", 300.0),
    ("loop.pump_failed", "loop:*", 240.0),
    ("loop.heat_rejection_weak", "loop:*", 900.0),
)
"""What goes wrong: kind, target, how long in s; all of it leads to actions within minutes."""

WATCHED_S, UP_REAL_S, STOP_REAL_S = 2 * 3600.0, 60.0, 60.0
"""How long a round's incidents are waited for, in its time; the site to come up and the daemon to stop, in ours."""

IN_THE_ACT = 0.6
"""Share of the kills that come within moments of an intent: at any other time hardly anything is under way."""


@dataclass
class Tally:
    """What came of the rounds so far."""

    kills: int = 0
    rounds: int = 0
    incidents: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    where: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Round:
    """One site and its daemons, one after another."""

    def __init__(self, seed: int, network: int, folder: Path, speed: float) -> None:
        self.rng = random.Random(f"kills/{seed}")
        self.folder = folder
        self.ledger = folder / "ledger.sqlite3"
        self.report = folder / "site.json"
        self.log = folder / "daemon.log"
        self.log.touch()
        self.daemon: int | None = None
        self.scenario = _scenario(self.rng, seed, network, folder)
        self.swift = Swift(time.monotonic(), speed)
        self.failures: list[str] = []

    def play(self, kills: int, tally: Tally) -> None:
        """Kill so often, then let the daemon end what it has begun; note in `tally` what came of it."""
        site = started(lambda: be_site(self.scenario, self.report, self.swift), self.folder / "site.log")
        try:
            _await(self.report.with_suffix(".up").exists, UP_REAL_S)
            for _ in range(kills):
                self._start()
                self._let_it_work()
                self._end(signal.SIGKILL, -signal.SIGKILL)
                tally.kills += 1
                tally.where[self._where()] += 1
                self.swift.sleep(self.rng.uniform(0.0, 20.0))
            self._start()
            with self._said() as log:
                _await(lambda: b"agent_ready" in log.read(), UP_REAL_S)
            last_s = max(fault.at_s for fault in self.scenario.faults)
            until, found_s = self.swift.now() + WATCHED_S, max(self.swift.now(), last_s) + FOUND_S
            while self.swift.now() < until and not (self.swift.now() > found_s and self._is_settled()):
                self.swift.sleep(20.0)
            self._end(signal.SIGTERM, 0)
        finally:
            if self.daemon is not None:
                self._end(signal.SIGKILL, -signal.SIGKILL)
            os.kill(site, signal.SIGTERM)
            os.waitpid(site, 0)
        tally.rounds += 1
        tally.violations += self._violations(tally)

    def _start(self) -> None:
        self.daemon = started(lambda: be_daemon(self.scenario, self.ledger, self.swift), self.log)

    def _let_it_work(self) -> None:
        """Wait for a random while, or for an intent and a random moment more."""
        if self.rng.random() > IN_THE_ACT:
            self.swift.sleep(min(self.rng.expovariate(1 / 60.0), 300.0))
            return
        with self._said() as log:
            _await(lambda: b"action_intended" in log.read(), 200.0 / self.swift.speed, every_s=0.01)
        self.swift.sleep(self.rng.uniform(0.0, 5.0))

    def _said(self) -> BinaryIO:
        """Return what the daemon says from now on."""
        log = self.log.open("rb")
        log.seek(0, os.SEEK_END)
        return log

    def _end(self, number: signal.Signals, status: int) -> None:
        daemon, self.daemon = self.daemon, None
        if daemon is None:
            return
        os.kill(daemon, number)
        ended = _await(lambda: os.waitpid(daemon, os.WNOHANG), STOP_REAL_S)
        found = os.waitstatus_to_exitcode(ended[1]) if ended else None
        if found != status:
            self.failures.append(f"the daemon ended with {found}, not with {status}: see {self.log}")
        if ended is None:
            os.kill(daemon, signal.SIGKILL)
            os.waitpid(daemon, 0)

    def _fold(self) -> State:
        state = State()
        for record in read(self.ledger) if self.ledger.exists() else ():
            state.apply(record)
        return state

    def _where(self) -> str:
        """Return at what the daemon was killed, as its ledger has it."""
        try:
            state = self._fold()
        except LedgerError:
            return "its ledger begun"  # one that is damaged is told at the end of the round
        if state.flying:
            return f"{next(iter(state.flying.values())).action.verb} in flight"
        if state.duties or state.setpoints or state.asleep:
            return "something owed"
        return "incidents open" if state.open_incidents else "nothing open"

    def _is_settled(self) -> bool:
        state = self._fold()
        owed = state.flying or state.duties or state.setpoints
        return not owed and all(i.phase is Phase.ESCALATED for i in state.open_incidents)

    def _violations(self, tally: Tally) -> Iterator[str]:
        site = json.loads(self.report.read_text())
        state = self._fold()
        tally.incidents += len(state.incidents)
        tally.outcomes.update(str(incident.outcome) for incident in state.incidents.values())
        yield from self.failures
        yield from violations(self.ledger, site)
        yield from left(site, state)
        yield from repeated(site["deeds"], read(self.ledger))


def _scenario(rng: random.Random, seed: int, network: int, folder: Path) -> Scenario:
    cooling = rng.choice(("air", "air", "hydro"))
    kinds = [one for one in QUICK if cooling != "air" or not one[1].startswith("loop")]
    faults: list[dict[str, Any]] = []
    for kind, target, for_s in rng.choices(kinds, k=rng.randint(2, 4)):
        lasts = {} if for_s is None else {"for": f"{for_s:.0f}s"}
        faults.append({"at": f"{rng.randint(30, 300)}s", "kind": kind, "target": target, "count": 1, **lasts})
    tree = {
        "name": f"kills-{seed}",
        "seed": seed,
        "duration": "2h",
        "tier": "wire",
        "agent": {
            "tick_s": 4,
            "poll": {"interval_s": 20, "pdu_interval_s": 30, "switch_interval_s": 60},
            "itself": {"loop_lag_s": 60, "ledger_s": 60},
        },
        "site": {
            "generate": {
                "miners": rng.randint(3, 5),
                "pools": 2,
                "miners_per_pdu": 6,
                "outlets_per_miner": rng.choice((1, 1, 2)),
                "cooling": cooling,
                "network": f"10.{network}.0.0/16",
            }
        },
        "faults": faults,
    }
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return read_scenario(path)


def _await(found: Callable[[], Any], limit_s: float, every_s: float = 0.02) -> Any:
    """Return what `found` returns once that is something; None where it never is."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = found()
        if value and value != (0, 0):
            return value
        time.sleep(every_s)
    return None


def lane(number: int, kills: int, given: argparse.Namespace) -> Tally:
    """Play rounds one after another until that many kills were done."""
    tally, seeds = Tally(), itertools.count(given.seed + 1000 * number)
    while tally.kills < kills:
        of = next(seeds)
        folder = Path(tempfile.mkdtemp(prefix=f"terrahash-kills-{of}-"))
        before = len(tally.violations)
        one = Round(of, given.network + number, folder, given.speed)
        wanted = min(one.rng.randint(4, 16), kills - tally.kills)
        one.play(wanted, tally)
        found = tally.violations[before:]
        said = "".join(f"\n  {line}" for line in found)
        print(f"lane {number}, seed {of}: {wanted} kills in {one.swift.now():.0f} s{said}", flush=True)
        if found and given.keep is not None:
            shutil.copytree(folder, given.keep / folder.name, ignore=shutil.ignore_patterns("*.sock"))
        shutil.rmtree(folder)
    return tally


def cli(kills: int, seed: int, network: int) -> Tally:
    """Kill `terrahash run --dry-run`, which has its simulated site in the same process, in real time."""
    tally, rng = Tally(), random.Random(f"cli/{seed}")
    with tempfile.TemporaryDirectory(prefix="terrahash-kills-cli-") as name:
        folder = Path(name)
        config = written(folder, SITE.replace("10.20.", f"10.{network}."))
        ledger = folder / "ledger.sqlite3"
        command = [sys.executable, "-m", "agent.cli.main", "run", "-c", str(config), "--dry-run"]
        command += ["--ledger", str(ledger), "--fault", "miner.control_board_hung=miner:a"]
        for _ in range(kills):
            with _running(command) as process:
                time.sleep(rng.uniform(0.5, 90.0))
                process.kill()
                process.wait(STOP_REAL_S)
            tally.kills += 1
        starts = _starts(read(ledger))
        with _running(command) as process:
            # What those before it left half done it settles once it has come up and looked.
            _await(lambda: _is_at_peace(ledger, starts), 180.0)
            process.terminate()
            if status := process.wait(STOP_REAL_S):
                tally.violations.append(f"terrahash run ended with {status}")
        tally.rounds = 1
        harmless: dict[str, Any] = {"harm": {}}
        tally.violations += [line for line in violations(ledger, harmless) if "nobody was asked" not in line]
    print(f"terrahash run --dry-run: {tally.kills} kills", *tally.violations, sep="\n  ", flush=True)
    return tally


def _running(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _starts(records: Iterable[Record]) -> int:
    return sum(isinstance(record.event, AgentStarted) for record in records)


def _is_at_peace(ledger: Path, starts: int) -> bool:
    """Whether an agent has come up since, and has settled all that those before it had left half done."""
    records = list(read(ledger))
    state = State()
    for record in records:
        state.apply(record)
    return _starts(records) > starts and not state.flying and not state.duties


def main() -> int:
    """Play all lanes, each in a process of its own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="how many of the daemon in swift time")
    parser.add_argument("--lanes", type=int, default=8, help="rounds at the same time")
    parser.add_argument("--speed", type=float, default=20.0, help="seconds of a round in one real second")
    parser.add_argument("--seed", type=int, default=1, help="of the first lane's first round")
    parser.add_argument("--cli", type=int, default=10, help="kills of terrahash run --dry-run, in real time")
    parser.add_argument("--network", type=int, default=232, help="second octet of the first lane's loopback addresses")
    parser.add_argument("--keep", type=Path, help="where the files of a round that broke a rule are kept")
    given = parser.parse_args()
    began_s = time.monotonic()
    pyasic_adapter.warm_up()  # once for all that are forked
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="terrahash-kills-") as name:
        pids = {}
        for number in range(given.lanes):
            share = given.kills // given.lanes + (number < given.kills % given.lanes)
            path = Path(name) / f"lane-{number}.json"
            pids[_forked(number, share, given, path)] = path
        if given.cli:
            tallies.append(cli(given.cli, given.seed, given.network + given.lanes))
        for pid, path in pids.items():
            os.waitpid(pid, 0)
            tallies.append(_read(path) if path.exists() else Tally(violations=["a lane ended early"]))
    return _summed(tallies, time.monotonic() - began_s)


def _forked(number: int, kills: int, given: argparse.Namespace, path: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        tally = lane(number, kills, given)
        path.write_text(json.dumps(vars(tally)))
    except BaseException:  # it is told, and this process must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(0)


def _read(path: Path) -> Tally:
    told = json.loads(path.read_text())
    return Tally(**{**told, "outcomes": Counter(told["outcomes"]), "where": Counter(told["where"])})


def _summed(tallies: list[Tally], real_s: float) -> int:
    kills, rounds = sum(t.kills for t in tallies), sum(t.rounds for t in tallies)
    incidents, wrong = sum(t.incidents for t in tallies), [line for t in tallies for line in t.violations]
    where: Counter[str] = sum((t.where for t in tallies), Counter())
    outcomes: Counter[str] = sum((t.outcomes for t in tallies), Counter())
    print(f"killed at: {', '.join(f'{name} {count}' for name, count in where.most_common())}")
    print(f"outcomes: {', '.join(f'{name} {count}' for name, count in outcomes.most_common())}")
    print(
        f"{kills} kills in {rounds} rounds with {incidents} incidents, {len(wrong)} violations, "
        f"{real_s:.0f} s of real time; simulated sites"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
