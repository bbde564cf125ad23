"""The demo, run as a user runs it: the world, the ledger and the scoreboard it leaves behind."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.cli.scenario_run import read_scenario, shipped
from agent.config.example import example_path
from agent.config.scenario import Timed
from agent.ledger import chain
from agent.ledger.fold import State
from agent.ledger.reader import audit, read
from agent.model.action import Verb
from agent.model.events import Record
from agent.model.incident import Incident, Outcome, Phase
from simulators.secrets import SimulatedSecrets

pytestmark = pytest.mark.timeout(280)


@dataclass
class Played:
    board: dict[str, Any]
    records: list[Record]
    state: State
    folder: Path

    def of(self, miner: str) -> Incident:
        (incident,) = [i for i in self.state.incidents.values() if i.members == (miner,)]
        return incident

    def verbs(self, miner: str) -> list[Verb]:
        return [attempt.verb for attempt in self.of(miner).attempts]


DEMO = ("demo", "--json")
MEMORY = ("simulate", str(shipped()["demo"]), "--json", "--tier=memory")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo as it is shipped, on the wire."""
    folder = tmp_path_factory.mktemp("demo")
    return _ended(folder, _begun(folder, "1", *DEMO, "--log", str(folder / "log.jsonl")))


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A run of its scenario in memory, with another hash seed."""
    folder = tmp_path_factory.mktemp("twin")
    return _ended(folder, _begun(folder, "2", *MEMORY))


def _begun(folder: Path, hash_seed: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "agent.cli.main", *arguments, "--ledger", str(folder / "ledger.sqlite3")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )


def _ended(folder: Path, process: subprocess.Popen[bytes]) -> Played:
    try:
        out, err = process.communicate(timeout=130)
    finally:
        process.kill()
    assert process.returncode == 0, err.decode()
    (folder / "stdout.json").write_bytes(out)
    (folder / "stderr.txt").write_bytes(err)
    return _load(folder)


def _load(folder: Path) -> Played:
    records = list(read(folder / "ledger.sqlite3"))
    state = State()
    for record in records:
        state.apply(record)
    return Played(json.loads((folder / "stdout.json").read_text()), records, state, folder)


def _hit(kind: str) -> list[str]:
    """The miners that the demo injects that kind of fault into."""
    faults = [f for f in read_scenario(shipped()["demo"]).faults if isinstance(f, Timed) and f.kind == kind]
    return [target.removeprefix("miner:") for fault in faults for target in fault.targets]


def test_without_sockets_the_same_becomes_of_it(played: Played, twin: Played) -> None:
    def told(run: Played) -> list[tuple[object, ...]]:
        return sorted(
            (i.members, i.category, i.cause, i.outcome, i.escalation_reason, [a.verb for a in i.attempts])
            for i in run.state.incidents.values()
        )

    assert told(twin) == told(played)


def test_the_chain_of_the_ledger_holds(played: Played) -> None:
    assert isinstance(audit(played.folder / "ledger.sqlite3"), chain.Sound)


@pytest.mark.parametrize("kind", ["miner.process_died", "miner.hashing_stopped"])
def test_a_dead_process_is_restarted_and_nothing_more(played: Played, kind: str) -> None:
    for miner in _hit(kind):
        assert played.verbs(miner) == [Verb.RESTART]
        assert played.of(miner).outcome is Outcome.AUTO_RESOLVED


@pytest.mark.parametrize("kind", ["miner.control_board_hung", "miner.psu_latched"])
def test_what_only_power_fixes_is_power_cycled_once(played: Played, kind: str) -> None:
    for miner in _hit(kind):
        assert played.verbs(miner) == [Verb.POWER_OFF, Verb.POWER_ON]
        assert played.of(miner).outcome is Outcome.AUTO_RESOLVED


def test_a_dead_supply_is_handed_to_a_person_within_the_bound(played: Played) -> None:
    for miner in _hit("miner.psu_dead"):
        incident = played.of(miner)
        assert incident.phase is Phase.ESCALATED
        assert played.verbs(miner).count(Verb.POWER_OFF) <= 2


def test_a_disturbed_wire_makes_nobody_touch_the_miner(played: Played) -> None:
    for kind in ("wire.garbage", "wire.silent", "wire.drop"):
        for miner in _hit(kind):
            tried = [a.verb for i in played.state.incidents.values() if miner in i.members for a in i.attempts]
            # Who is silent for minutes and draws in full is looked for at other addresses, once; that touches nobody.
            assert tried == ([Verb.REBIND] if kind == "wire.silent" else [])


def test_no_harm_is_done(played: Played) -> None:
    harm = played.board["harm"]
    assert harm == dict.fromkeys(harm, 0)
    assert played.state.duties == {}


def test_the_scoreboard_is_right_about_truth_and_detection(played: Played) -> None:
    board = played.board
    assert board["detection"]["recall"] == 1.0
    assert board["detection"]["precision"] == 1.0
    assert board["remediation"]["rate_fixable"] == 1.0
    assert board["remediation"]["escalated_wrong"] == 0
    assert board["simulated"] is True


def test_every_intent_is_settled_and_precedes_its_outcome(played: Played) -> None:
    kinds = Counter(type(r.event).__name__ for r in played.records)
    assert kinds["Intended"] == kinds["Settled"] > 0


def test_no_secret_is_in_anything_the_demo_wrote(played: Played) -> None:
    names = set(credentials_of(yaml.safe_load(example_path().read_text())))
    assert names
    secrets = [SimulatedSecrets(read_scenario(shipped()["demo"]).seed).get(name).encode() for name in names]
    written = [path for path in played.folder.iterdir() if path.is_file()]
    assert {"ledger.sqlite3", "log.jsonl", "stdout.json", "stderr.txt"} <= {path.name for path in written}
    for path in written:
        content = path.read_bytes()
        assert not [s for s in secrets if s in content], path.name


def credentials_of(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["credential"]] if isinstance(node.get("credential"), str) else []
        return own + [name for value in node.values() for name in credentials_of(value)]
    return [name for value in node for name in credentials_of(value)] if isinstance(node, list) else []
