"""Fast-forward agrees with the tiers that speak in bytes: same incidents, same ends, times within one poll period."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agent.cli.scenario_run import Played, play_scenario, read_scenario
from agent.config.scenario import TierName
from agent.model.incident import Category, Incident, Outcome
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"
POLL_S = 8.0
LATENCY_S = 0.5
"""How much later than its slot a reply may come, and with it the tick that sees it."""

STORY = f"""
name: agreement
seed: 11
duration: 45m
site:
  generate: {{miners: 24, miners_per_pdu: 12, outlets_per_miner: 1, network: {NETWORK}}}
faults:
  - {{at: 2m, kind: miner.process_died, target: "miner:r1-*", count: 3}}
  - {{at: 3m, kind: miner.hashing_stopped, target: "miner:r1-*", count: 3}}
  - {{at: 4m, kind: miner.control_board_hung, target: "miner:r1-*", count: 2, draw: idle}}
  - {{at: 5m, kind: miner.control_board_hung, target: "miner:r1-*", count: 2, draw: full}}
  - {{at: 6m, kind: miner.psu_latched, target: "miner:r1-*", count: 2}}
  - {{at: 7m, kind: miner.psu_dead, target: "miner:r1-*", count: 1, standby_w: 0}}
  - {{at: 7m, kind: miner.psu_dead, target: "miner:r1-*", count: 1, standby_w: 12}}
  - {{at: 8m, kind: pdu.set_lies, target: "pdu:c1-p1", mode: refuse, for: 5m}}
  # Slower ones than this wait behind the poller's own reads, which fast-forward has none of.
  - {{at: 9m, kind: pdu.slow, target: "pdu:c1-p2", for: 5m, reply_delay_s: 1}}
  - {{at: 10m, kind: wire.garbage, target: "miner:r1-*", count: 2, for: 8m}}
  - {{at: 10m, kind: wire.drop, target: "miner:r1-*", count: 2, for: 8m}}
  - {{at: 28m, kind: miner.process_died, target: "miner:r1-*", count: 2}}
expect:
  - {{at_end: {{outlets_off: 0, harm.actions_on_healthy: 0, detection.recall: 1}}}}
"""


def play(folder: Path, tier: TierName, text: str = STORY, *, seed: int | None = None) -> Played:
    path = folder / f"{tier}.yaml"
    path.write_text(text)
    scenario = read_scenario(path, tier=tier, seed=seed)
    ledger = folder / f"{tier}-{seed}.sqlite3"
    return play_scenario(scenario, ledger, console=Console(file=io.StringIO()), log=io.StringIO())


def by_miner(played: Played) -> Mapping[str, list[Incident]]:
    found: dict[str, list[Incident]] = {}
    for incident in played.incidents:
        found.setdefault(incident.members[0], []).append(incident)
    return found


def told(incident: Incident) -> tuple[Any, ...]:
    attempts = [(a.verb, a.result) for a in incident.attempts]
    return (
        incident.category,
        incident.cause,
        incident.severity,
        incident.outcome,
        incident.escalation_reason,
        attempts,
    )


def near(one: float | None, other: float | None) -> bool:
    """Within one poll period, give or take the latency of a reply."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= POLL_S + LATENCY_S


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> dict[TierName, Played]:
    folder = tmp_path_factory.mktemp("tiers")
    return {tier: play(folder, tier) for tier in TierName}


@pytest.mark.parametrize("other", [TierName.MEMORY, TierName.WIRE])
def test_every_tier_opens_the_same_incidents_and_ends_them_alike(
    tiers: dict[TierName, Played], other: TierName
) -> None:
    fast, slow = by_miner(tiers[TierName.FAST_FORWARD]), by_miner(tiers[other])
    assert {m: [told(i) for i in found] for m, found in fast.items()} == {
        m: [told(i) for i in found] for m, found in slow.items()
    }


@pytest.mark.parametrize("other", [TierName.MEMORY, TierName.WIRE])
def test_times_are_within_one_poll_period(tiers: dict[TierName, Played], other: TierName) -> None:
    fast, slow = by_miner(tiers[TierName.FAST_FORWARD]), by_miner(tiers[other])
    for miner, found in fast.items():
        for mine, theirs in zip(found, slow[miner], strict=True):
            for name in ("detected_at", "remediation_started_at", "escalated_at", "resolved_at"):
                one, two = getattr(mine, name), getattr(theirs, name)
                assert near(one, two), (miner, name, one, two)


def test_the_truth_is_the_same_too(tiers: dict[TierName, Played]) -> None:
    fast = tiers[TierName.FAST_FORWARD]
    for other in (TierName.MEMORY, TierName.WIRE):
        assert [(f.kind, f.miners, f.started_at) for f in fast.faults] == [
            (f.kind, f.miners, f.started_at) for f in tiers[other].faults
        ]
        for mine, theirs in zip(fast.faults, tiers[other].faults, strict=True):
            assert near(mine.over_at, theirs.over_at), (mine, theirs)


def test_what_was_expected_came(tiers: dict[TierName, Played]) -> None:
    for played in tiers.values():
        assert played.board["expect"]["failed"] == []
        assert Outcome.AUTO_RESOLVED in {i.outcome for i in played.incidents}


DAYS = """
name: two-days
seed: 5
duration: 2d
tier: fast-forward
site: {generate: {miners: 400, racks_per_container: 8, pools: 2}}
faults:
  - {rate: 5.0/miner/month, kind: mix, unfixable: 0.05, for: 1d, until: 42h}
  - {rate: 2.0/miner/month, kind: wire.drop, probability: 0.3, for: 1h}
  - {rate: 1.0/pdu/week, kind: pdu.slow, for: 30m}
people:
  - {incident: {escalation: flash_unproven}, after: [1h, 4h], does: [repair, release_image]}
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("days"), TierName.FAST_FORWARD, DAYS)


def test_two_days_are_found_and_mended_without_harm(days: Played) -> None:
    board = days.board
    assert board["truth"]["faults"] > 100
    firmware = board["truth"]["by_category"]["firmware"]
    assert board["detection"]["recall"] >= 0.99
    assert board["detection"]["precision"] >= 0.99
    assert board["detection"]["false_per_1000_miner_days"] <= 1.0
    assert board["remediation"]["rate_fixable"] >= 0.98
    # A board whose flash memory is worn is lost with the flash; nobody can know before. Each freezes its image until
    # somebody has looked, and who comes to need it by then waits, is asked about, and gets it.
    # And who is clogged may be at its limit for a moment before anybody can know.
    assert board["harm"]["bricked"] == firmware["faults"] - firmware["fixable"]
    assert board["harm"]["overheated_minutes"] <= 1.0
    known = {"bricked", "overheated_minutes"}
    assert {name for name, figure in board["harm"].items() if figure} <= known
    asked = [i for i in days.incidents if i.escalated_at is not None and i.category is Category.FIRMWARE]
    # A board in a boot loop may fall just when its flash begins: nothing was written, and a person is asked.
    assert {i.escalation_reason for i in asked} <= {"flash_unproven", "image_frozen", "flash_not_begun"}
    assert board["duty"]["answered"] == sum(i.escalation_reason == "flash_unproven" for i in asked)
    assert {i.outcome for i in asked if i.escalation_reason == "image_frozen"} <= {Outcome.ASSISTED}
    wrong = [i for i in asked if i.escalation_reason in ("image_frozen", "flash_not_begun")]
    assert board["remediation"]["escalated_wrong"] <= len(wrong) <= 3


def test_the_hashrate_was_recorded(days: Played) -> None:
    rate, target = np.array(days.history.hashrate_th), np.array(days.history.target_th)
    assert len(rate) > 500
    assert 0.97 < rate.sum() / target.sum() < 1.01


HASHED = DAYS.replace("two-days", "hashed").replace("duration: 2d", "duration: 8h").replace("until: 42h", "until: 7h")
HASHED = HASHED.replace("miners: 400", "miners: 100").replace("5.0/miner/month", "40.0/miner/month")


def test_the_same_seed_gives_the_same_scoreboard_in_another_process_with_other_hashes(tmp_path: Path) -> None:
    here = play(tmp_path, TierName.FAST_FORWARD, HASHED)
    result = subprocess.run(
        [sys.executable, "-m", "agent.cli.main", "simulate", str(tmp_path / "fast-forward.yaml"), "--json"],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        check=True,
        timeout=110,
    )
    again = json.loads(result.stdout)
    mine = json.loads(json.dumps(here.board))
    assert {k: v for k, v in again.items() if k != "cost"} == {k: v for k, v in mine.items() if k != "cost"}
    assert mine["truth"]["faults"] > 30


LOSSY = """
name: lossy
seed: 2
duration: 7h
tier: fast-forward
site: {generate: {miners: 48}}
history: {lost_polls: 0.01}
faults:
  - {rate: 2.0/miner/day, kind: network.port_hung, until: 5h}
"""


def test_a_poll_lost_while_a_bounce_is_being_proved_calls_nobody(tmp_path: Path) -> None:
    played = play(tmp_path, TierName.FAST_FORWARD, LOSSY)
    assert played.board["truth"]["faults"] > 10
    assert played.board["remediation"]["rate_fixable"] == 1.0
    assert played.board["remediation"]["escalated_wrong"] == 0
    assert max(fault.started_at for fault in played.faults) < 5 * 3600.0


FIELDS = (
    *("hashrate_th", "expected_th", "elapsed_s", "share_diff", "hw_errors", "chip_max_c", "fan_min_rpm", "power_w"),
    *("pool_alive", "suspended", "tuned", "work_gh", "accepted", "rejected", "stale", "accepted_diff"),
    *("boards_up", "chips_up"),
)

DAMAGED = f"""
name: damaged
seed: 3
duration: 45m
site: {{generate: {{miners: 12, miners_per_pdu: 12, network: {NETWORK}}}}}
faults:
  - {{at: 12m, kind: wire.garbage, target: "miner:r1-0[1-3]", for: 5m}}
  - {{at: 12m, kind: wire.drop, target: "miner:r1-0[4-6]", for: 5m}}
"""


def fields_told(folder: Path, tier: TierName) -> dict[str, list[tuple[int, frozenset[str]]]]:
    """Return for each miner how each poll ended and which fields it told, one entry a poll."""
    path = folder / f"{tier}-damaged.yaml"
    path.write_text(DAMAGED)
    told: dict[str, list[tuple[int, frozenset[str]]]] = {}
    last: dict[str, float] = {}

    def look(view: SiteView, _: float) -> None:
        for row, miner in enumerate(view.site.miners):
            if view.polled_at[row] != last.get(miner.id):
                last[miner.id] = float(view.polled_at[row])
                names = frozenset(name for name in FIELDS if getattr(view, name).at[row] == view.polled_at[row])
                told.setdefault(miner.id, []).append((int(view.reach[row]), names))

    scenario = read_scenario(path, tier=tier)
    ledger = folder / f"{tier}-damaged.sqlite3"
    play_scenario(scenario, ledger, console=Console(file=io.StringIO()), log=io.StringIO(), look=look)
    return told


def test_each_family_tells_the_same_fields_as_byte_by_byte_whole_and_damaged(tmp_path: Path) -> None:
    fast, slow = (fields_told(tmp_path, tier) for tier in (TierName.FAST_FORWARD, TierName.MEMORY))
    assert fast.keys() == slow.keys()
    for miner, polls in fast.items():
        assert len(polls) == pytest.approx(len(slow[miner]), abs=2)
        assert set(polls) == set(slow[miner]), miner


STANDING = f"""
name: standing
seed: 4
duration: 45m
site: {{generate: {{miners: 16, miners_per_pdu: 16, outlets_per_miner: 1, network: {NETWORK}}}}}
agent: {{mode: observe}}
faults:
  - {{at: 2m, kind: miner.pool_client_hung, target: "miner:r1-0[1-6]"}}
  - {{at: 2m, kind: miner.psu_dead, target: "miner:r1-0[78]", standby_w: 12}}
  - {{at: 2m, kind: miner.process_died, target: "miner:r1-09"}}
  - {{at: 2m, kind: miner.control_board_hung, target: "miner:r1-10", draw: full}}
  - {{at: 2m, kind: site.curtailed, target: "miner:r1-1[2-6]", for: 1h}}
"""


def shown_at_the_end(folder: Path, tier: TierName) -> dict[str, tuple[Any, ...]]:
    """Return for each miner what its own fields, its outlet and its port show after a long time of nothing new."""
    path = folder / f"{tier}-standing.yaml"
    path.write_text(STANDING)
    shown: dict[str, tuple[Any, ...]] = {}

    def look(view: SiteView, _: float) -> None:
        for row, miner in enumerate(view.site.miners):
            assert miner.port is not None
            port = view.port_rows[miner.port]
            watts = float(view.outlet_w.value[view.outlet_rows[miner.outlets[0]]])
            told = {name: getattr(view, name).at[row] == view.answered_at[row] for name in ("share_diff", "tuned")}
            shown[miner.id] = (
                int(view.reach[row]),
                *(float(view.pool_alive.value[row]), told),
                bool(view.hashrate_th.value[row] > 1.0),
                bool(view.suspended.value[row] == 1.0),
                None if np.isnan(view.tuned.value[row]) else float(view.tuned.value[row]),
                pytest.approx(watts, rel=0.025, abs=1.0),  # some PDUs tell whole watts
                float(view.port_up.value[port]),
                bool(view.port_octets.at[port] - view.port_octets.grew_at[port] > 120.0),
                bool(view.polled_at[row] - view.port_octets.at[port] < 90.0),
                bool(view.port_octets.at[port] - view.port_before[port] < 90.0) or view.reach[row] == Reach.ANSWERED,
            )

    ledger = folder / f"{tier}-standing.sqlite3"
    scenario = read_scenario(path, tier=tier)
    play_scenario(scenario, ledger, console=Console(file=io.StringIO()), log=io.StringIO(), look=look)
    return shown


def test_what_stands_still_shows_the_same_as_byte_by_byte(tmp_path: Path) -> None:
    fast, slow = (shown_at_the_end(tmp_path, tier) for tier in (TierName.FAST_FORWARD, TierName.MEMORY))
    assert {reach for reach, *_ in fast.values()} >= {Reach.ANSWERED, Reach.SILENT}
    assert {alive for _, alive, *_ in fast.values()} == {0.0, 1.0}
    assert sum(asleep for _, _, _, _, asleep, *_ in fast.values()) == 5
    assert fast == slow
