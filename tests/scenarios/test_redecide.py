"""What was recorded is decided again: alike by the same figures, and otherwise by exactly what was changed."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from shutil import copyfile, copytree

import pytest
from rich.console import Console

from agent.app import modes_of, stages
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.clock import Clock
from agent.config import Settings
from agent.config.canonical import decoded
from agent.ledger.recordings import folder_beside, load, recorded
from agent.ledger.retention import archive
from agent.model.events import IncidentOpened, Intended
from agent.model.ids import IncidentId
from agent.model.incident import Category, Reason
from agent.model.recording import Loss, Recording
from agent.redecide import Pair, Redecided, Verdict, redecide
from agent.shipped import load_playbooks
from simulators.secrets import SimulatedSecrets

TICK_S = 10.0
FAST = """
name: recorded
seed: 5
duration: 125m
tier: fast-forward
site: {generate: {miners: 16, miners_per_pdu: 16, network: 10.0.0.0/9}}
agent: {tick_s: 10, poll: {interval_s: 10, pdu_interval_s: 30, switch_interval_s: 60}}
faults:
  - {at: 20m, kind: miner.process_died, target: "miner:r1-01"}
  - {at: 21m, kind: miner.hashing_stopped, target: "miner:r1-02"}
  - {at: 40m, kind: miner.psu_latched, target: "miner:r1-03"}
  - {at: 70m, kind: pool.hung, target: "pool:primary", for: 20m}
"""
BYTES = """
name: recorded-bytes
seed: 5
duration: 16m
tier: memory
site: {generate: {miners: 2, miners_per_pdu: 2, network: 10.0.0.0/9}}
agent: {tick_s: 5, poll: {interval_s: 10, pdu_interval_s: 30, switch_interval_s: 60}}
faults:
  - {at: 3m, kind: miner.process_died, target: "miner:r1-01"}
  - {at: 4m, kind: miner.hashing_stopped, target: "miner:r1-02"}
"""

HEAT = """
name: recorded-heat
seed: 5
duration: 170m
tier: fast-forward
site:
  generate: {miners: 12, miners_per_pdu: 12, cooling: hydro, pools: 2, network: 10.0.0.0/9,
             families: {antminer_stock: 0.5, whatsminer: 0.5}}
agent: {tick_s: 10, poll: {interval_s: 10, pdu_interval_s: 30, switch_interval_s: 60}}
faults:
  - {at: 20m, kind: loop.flow_low, target: "loop:c1-loop", share: 0.3, for: 25m}
  - {at: 31m5s, kind: host.agent_killed, target: "host:agent", down_s: 30}
  - {at: 75m, kind: cdu.sensor_lies, target: "cdu:c1-cdu", for: 15m}
  - {at: 110m, kind: miner.crash_loop, target: "miner:r1-02", every_s: 300, cured_by: restart}
  - {at: 140m, kind: pool.rejects, target: "pool:primary", for: 20m}
"""

TABLES = load_playbooks()
Change = Callable[[Settings], Settings]


@dataclass(frozen=True)
class Site:
    """A simulated site whose incidents were recorded."""

    ledger: Path

    @property
    def recordings(self) -> list[Recording]:
        return [load(self.ledger, incident) for incident in recorded(self.ledger)]

    def of(self, cause: Reason) -> Recording:
        return next(found for found in self.recordings if opening(found).cause is cause)


def played(folder: Path, text: str) -> Site:
    path = folder / "scenario.yaml"
    path.write_text(text)
    ledger = folder / "ledger.sqlite3"
    play_scenario(read_scenario(path), ledger, console=Console(file=io.StringIO()), log=io.StringIO(), records=True)
    return Site(ledger)


def decided(recordings: Iterable[Recording]) -> dict[Reason, list[Pair]]:
    """Return what is decided again of each incident, by what it was seen as."""
    return {opening(recording).cause: list(again(recording).pairs) for recording in recordings}


def opening(recording: Recording) -> IncidentOpened:
    events = (record.event for record in recording.records)
    return next(e for e in events if isinstance(e, IncidentOpened) and e.incident == recording.head.incident)


def again(recording: Recording, change: Change = lambda settings: settings) -> Redecided:
    settings = change(decoded(recording.head.settings, recording.head.site))
    modes = modes_of(settings, on_auto=recording.head.on_auto)
    return redecide(recording, lambda view, memory: stages(settings, view, memory, TABLES, modes))


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return played(tmp_path_factory.mktemp("fast"), FAST)


def test_unchanged_everything_is_decided_as_it_was(fast: Site) -> None:
    found = [again(recording) for recording in fast.recordings]
    assert {opening(recording).category for recording in fast.recordings} >= {Category.STUCK, Category.POOL}
    assert sum(len(one.pairs) for one in found) >= 40
    assert {pair.verdict for one in found for pair in one.pairs} == {Verdict.SAME}


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return played(tmp_path_factory.mktemp("wired"), BYTES)


def test_unchanged_everything_is_decided_as_it_was_by_the_byte(wired: Site) -> None:
    found = [again(recording) for recording in wired.recordings]
    assert len(found) == 2
    assert sum(len(one.pairs) for one in found) >= 8
    assert {pair.verdict for one in found for pair in one.pairs} == {Verdict.SAME}


def test_what_was_said_on_the_wire_is_recorded_without_secrets(wired: Site) -> None:
    recording = wired.of(Reason.UNRESPONSIVE)
    told = recording.exchanges
    member = next(m for m in recording.head.site.miners if m.id == opening(recording).members[0])
    polls = [e for e in told if e.protocol == "tcp"]
    assert {e.device for e in polls} == {member.host}
    assert any(e.got.startswith(b"{") for e in polls)
    assert any(e.sent.startswith(b"read(") for e in told if e.protocol == "snmp")
    assert any(e.sent.startswith(b"restart(") and e.device == member.host for e in told)
    secrets = SimulatedSecrets(5)
    for name in ("antminer-password", "whatsminer-password", "luxos-password"):
        secret = secrets.get(name).encode()
        assert not [e for e in told if secret in e.sent or secret in e.got]


def test_a_recording_reaches_from_before_the_detection_until_after_the_end(fast: Site) -> None:
    recording = fast.of(Reason.NOT_HASHING)
    first, last = recording.span
    closed = max(r.at for r in recording.records if getattr(r.event, "incident", None) == recording.head.incident)
    assert first <= recording.head.detected_at - 900.0
    assert last >= closed + 900.0 - 60.0
    assert recording.ended
    assert recording.notes == ()
    row = recording.head.site.rows[opening(recording).members[0]]
    assert len(recording.rows()) == 16, "all of them share its PDU"
    at, rate = recording.series("hashrate_th", row)
    assert at[0] <= recording.head.detected_at - 600.0
    assert rate[at < recording.head.detected_at - 300.0].min() > 50.0 > rate.min()


@pytest.mark.parametrize("more_s", [20.0, 40.0, 60.0])
def test_a_longer_delay_finds_it_later_by_exactly_that(fast: Site, more_s: float) -> None:
    recording = fast.of(Reason.NOT_HASHING)
    longer = again(
        recording, lambda s: replace(s, stuck=replace(s.stuck, not_hashing_s=s.stuck.not_hashing_s + more_s))
    )
    assert longer.differs
    assert longer.shift_s == pytest.approx(more_s, abs=1e-3)
    assert not longer.is_missed


def test_fewer_lost_polls_find_it_earlier_by_exactly_those(fast: Site) -> None:
    recording = fast.of(Reason.UNRESPONSIVE)
    shorter = again(recording, lambda s: replace(s, stuck=replace(s.stuck, misses=s.stuck.misses - 2)))
    assert shorter.shift_s == pytest.approx(-20.0, abs=1e-3)


def test_what_came_after_another_decision_is_unknown_and_not_made_up(fast: Site) -> None:
    recording = fast.of(Reason.NOT_HASHING)
    other = again(recording, lambda s: replace(s, stuck=replace(s.stuck, not_hashing_s=s.stuck.not_hashing_s + 60.0)))
    acted = min(r.at for r in recording.records if isinstance(r.event, Intended) and r.event.incident == other.incident)
    assert other.unknown_from is not None
    assert other.unknown_from <= acted + 1.0
    later = [pair for pair in other.pairs if pair.at > other.unknown_from + TICK_S]
    assert later
    assert {(pair.now, pair.verdict) for pair in later} == {(None, Verdict.UNKNOWN)}


def test_a_threshold_that_the_incident_does_not_hang_on_changes_nothing(fast: Site) -> None:
    recording = fast.of(Reason.NOT_HASHING)
    same = again(recording, lambda s: replace(s, pool_loss=replace(s.pool_loss, dead_s=s.pool_loss.dead_s * 2)))
    assert {pair.verdict for pair in same.pairs} == {Verdict.SAME}


def test_a_detector_that_is_too_slow_misses_it(fast: Site) -> None:
    recording = fast.of(Reason.NOT_HASHING)
    blind = again(recording, lambda s: replace(s, stuck=replace(s.stuck, not_hashing_s=1e6)))
    assert blind.is_missed
    assert blind.shift_s is None


def test_without_its_ledger_nothing_is_claimed(fast: Site) -> None:
    recording = replace(fast.of(Reason.NOT_HASHING), records=())
    assert again(recording).pairs == ()
    assert again(recording).incident == IncidentId(recording.head.incident)


@pytest.fixture(scope="module")
def heated(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return played(tmp_path_factory.mktemp("heated"), HEAT)


OF_HEAT = {Reason.LOOP_HOT, Reason.UNIT_SENSOR, Reason.BOOT_LOOP, Reason.REJECTS}


@pytest.fixture(scope="module")
def unchanged(heated: Site) -> dict[Reason, list[Pair]]:
    return decided(heated.recordings)


def test_loops_cooling_units_codes_and_counts_over_a_pool_are_decided_as_they_were(
    unchanged: dict[Reason, list[Pair]],
) -> None:
    assert set(unchanged) == OF_HEAT
    killed = unchanged[Reason.LOOP_HOT]
    others = [pair.verdict for cause, pairs in unchanged.items() if cause is not Reason.LOOP_HOT for pair in pairs]
    assert set(others) == {Verdict.SAME}
    assert {pair.verdict for pair in killed} == {Verdict.SAME, Verdict.UNDECIDABLE}


def test_what_was_decided_while_nothing_was_recorded_is_claimed_by_nobody(
    heated: Site, unchanged: dict[Reason, list[Pair]]
) -> None:
    (gap,) = [note.at for note in heated.of(Reason.LOOP_HOT).notes if note.loss is Loss.RESTART]
    pairs = unchanged[Reason.LOOP_HOT]
    lost = [pair.at for pair in pairs if pair.verdict is Verdict.UNDECIDABLE]
    assert lost
    assert gap - 150.0 <= min(lost) <= max(lost) <= gap, (
        "since the last flush, and until the new agent's state was noted"
    )
    assert any(pair.at > gap for pair in pairs), "and from then on it goes on"


def test_a_changed_threshold_changes_exactly_what_it_should(heated: Site, unchanged: dict[Reason, list[Pair]]) -> None:
    found = {
        opening(recording).cause: again(
            recording, lambda s: replace(s, loop=replace(s.loop, lie_s=s.loop.lie_s + 60.0))
        )
        for recording in heated.recordings
    }
    assert {cause for cause in OF_HEAT if list(found[cause].pairs) != unchanged[cause]} == {Reason.UNIT_SENSOR}
    assert found[Reason.UNIT_SENSOR].shift_s == pytest.approx(60.0, abs=1e-3)


def test_events_that_were_archived_meanwhile_decide_as_before(
    heated: Site, unchanged: dict[Reason, list[Pair]], tmp_path: Path
) -> None:
    copy = Site(tmp_path / "ledger.sqlite3")
    copyfile(heated.ledger, copy.ledger)
    copytree(folder_beside(heated.ledger), folder_beside(copy.ledger))
    began = heated.recordings[0].head.detected_at
    kept = archive(copy.ledger, began + 3600.0, Clock.real())
    assert any(r.seq <= kept.last_seq < r2.seq for r, r2 in pairwise(copy.recordings[-1].records))
    assert decided(copy.recordings) == unchanged
