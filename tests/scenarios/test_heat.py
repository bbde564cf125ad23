"""Heat end to end, in the quickest tier: one hot miner, lost cooling, and a summer's day in which nothing is wrong."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario
from agent.config.scenario import TierName

pytestmark = pytest.mark.timeout(280)

SUMMER = """\
name: summer-day
seed: 11
duration: 18h
site: {generate: {miners: 6, miners_per_pdu: 6, cooling: COOLING, families: {antminer_stock: 0.5, luxos: 0.5}}}
agent: {poll: {interval_s: 30}, tick_s: 20}
history: {weather: summer}
expect:
  - {never: {incident: {category: thermal}}}
  - {at_end: {harm.cooling_writes: 0, harm.overheated_minutes: 0, actions: 0}}
"""

COLD = """\
name: cold-start
seed: 11
duration: 150m
site: {generate: {miners: 3, miners_per_pdu: 3, families: {antminer_stock: 1}}}
agent: {poll: {interval_s: 30}, tick_s: 30}
faults:
  - {at: 5m, kind: miner.clogged, target: "miner:r1-01"}
  - {at: 100m, kind: miner.psu_hiccup, target: "miner:r1-01", every_s: 43200, cold_cures: true}
expect:
  - {by: 90m, incident: {category: thermal, outcome: auto_resolved}}
  - {never: {incident: {category: stuck}}}
  - {at_end: {incidents: 1, unhealthy_miners: 1}}
"""
"""What cuts out once is not found, and lasts; so the miner does not count as well."""


WITHOUT_POOLS = """\
name: cooling-lost-while-no-pool-is-reached
seed: 11
duration: 90m
site: {generate: {miners: 12, miners_per_pdu: 12, pools: 2, cooling: hydro, families: {antminer_stock: 1}}}
agent: {poll: {interval_s: 30}, tick_s: 10}
faults:
  - {at: 5m, kind: pool.down, target: "pool:primary", for: 80m}
  - {at: 5m, kind: loop.rejection_lost, target: "loop:c1-loop"}
expect:
  - {by: 6m, incident: {category: pool}}
  - {by: 8m, action: sleep}
  - {by: 15m, incident: {category: thermal, escalation: cooling_lost}}
  - {at_end: {harm.overheated_minutes: 0}}
"""


CLOGGED = """\
name: cold-plates-clog
seed: 5
duration: 150m
site: {generate: {miners: 8, miners_per_pdu: 8, cooling: hydro, families: {antminer_stock: 0.5, whatsminer: 0.5}}}
agent: {poll: {interval_s: 30}, tick_s: 30}
faults:
  - {at: 1m, kind: miner.clogged, target: "miner:r1-01"}
  - {at: 10m, kind: miner.clogged, target: "miner:r1-02"}
  - {at: 50m, kind: miner.clogged, target: "miner:r1-05"}
expect:
  - {by: 140m, incident: {category: thermal, outcome: auto_resolved}, count: 3}
  - {at_end: {incidents: 3, detection.wrong_category: 0, harm.useless_power_cycles: 0}}
"""
"""Stock stops for its heat and is cold within a minute; one of them before anybody knows what is usual of it."""

SLOWLY = """\
name: pumps-fail-between-slow-ticks
seed: 3
duration: 14m
site: {generate: {miners: 12, cooling: hydro, families: {antminer_stock: 0.5, luxos: 0.5}}}
agent: {poll: {interval_s: 30}, tick_s: 30}
faults:
  - {at: 612s, kind: loop.pump_failed, target: "loop:c1-loop"}
expect:
  - {by: 631s, action: sleep}
  - {at_end: {incidents: 1, harm.overheated_minutes: 0, harm.dry_boards: 0}}
"""
"""The tick at 630 s sees it; the next one is at 660, and by 653 the firmware of all has stopped them at their limit."""


BUSY = """\
name: pumps-fail-while-a-miner-boots
seed: 3
duration: 40m
site: {generate: {miners: 12, cooling: hydro, families: {antminer_stock: 1}}}
agent: {poll: {interval_s: 30}, tick_s: 30}
faults:
  - {at: 5m, kind: miner.control_board_hung, target: "miner:r1-01"}
  - {at: 702s, kind: loop.pump_failed, target: "loop:c1-loop"}
expect:
  - {by: 20m, action: sleep, count: 2}
  - {never: {action: reboot}}
  - {at_end: {harm.dry_boards: 0, harm.actions_on_healthy: 0}}
"""
"""It boots when all others are put to sleep, for its power was cycled, and hashes two minutes later."""

PASSING = """\
name: heat-passes-and-clogs-stay
seed: 4
duration: 3h
site:
  generate: {miners: 30, miners_per_pdu: 15, cooling: COOLING,
             families: {antminer_stock: 0.34, luxos: 0.33, whatsminer: 0.33}}
agent: {tick_s: 30, poll: {interval_s: 30}}
history: {weather: summer}
faults:
  - {at: 1h, kind: miner.KIND, target: "miner:*", count: 3}
expect:
  - {at_end: {faults: 3, remediation.rate_fixable: 1, remediation.escalated_wrong: 0}}
  - {at_end: {harm.actions_on_healthy: 0, harm.miner_minutes_lost: 0, harm.useless_power_cycles: 0}}
"""

QUICKLY = """\
name: clogs-that-come-between-two-polls
seed: 5
duration: 150m
site:
  generate: {miners: 60, miners_per_pdu: 10, cooling: COOLING,
             families: {antminer_stock: 0.34, luxos: 0.33, whatsminer: 0.33}}
agent: {tick_s: 30, poll: {interval_s: PERIOD}}
faults:
  - {at: 5m, kind: miner.clogged, target: "miner:*", count: 9, within_s: 60}
  - {at: 40m, kind: miner.clogged, target: "miner:*", count: 9, within_s: 60}
expect:
  - {at_end: {faults: 18, remediation.rate_fixable: 1, harm.useless_power_cycles: 0, detection.wrong_category: 0}}
  - {never: {action: power_off}}
"""
"""Some stop before anybody has seen them warm up; they are restarted for stuck, and show it then."""

FREED = """\
name: intakes-are-free-again-after-ten-minutes
seed: 6
duration: 150m
site: {generate: {miners: 40, miners_per_pdu: 10, families: {antminer_stock: 1}}}
agent: {tick_s: 30, poll: {interval_s: 30}}
history: {weather: summer}
faults:
  - {at: 10m, kind: miner.overtemp_cut_out, target: "miner:*", count: 3}
  - {at: 1207s, kind: miner.overtemp_cut_out, target: "miner:*", count: 3}
  - {at: 1815s, kind: miner.overtemp_cut_out, target: "miner:*", count: 3}
  - {at: 2422s, kind: miner.overtemp_cut_out, target: "miner:*", count: 3}
  - {at: 90m, kind: miner.overtemp_cut_out, target: "miner:*", count: 1, stays: true}
expect:
  - {by: 110m, action: derate, count: 10}
  - {at_end: {faults: {at_least: 9}, remediation.rate_fixable: 1}}
  - {at_end: {harm.actions_on_healthy: 0, harm.miner_minutes_lost: 0}}
"""
"""They hash again by then, hot; each at another time of the poll. Whose intake stays blocked is derated further."""


def failed(path: Path, folder: Path) -> Any:
    scenario = read_scenario(path, tier=TierName.FAST_FORWARD)
    played = play_scenario(scenario, folder / "ledger.sqlite3", console=Console(file=io.StringIO()), log=io.StringIO())
    return played.board["expect"]["failed"]


@pytest.mark.parametrize("cooling", ["air", "hydro"])
def test_a_summer_s_day_is_no_incident(cooling: str, tmp_path: Path) -> None:
    path = tmp_path / "summer.yaml"
    path.write_text(SUMMER.replace("COOLING", cooling))
    assert failed(path, tmp_path) == []


def test_a_derated_miner_that_has_just_started_again_is_not_taken_for_cool(tmp_path: Path) -> None:
    """Its chips are cold whatever clogs it; in full it would stop for its heat, and be taken for stuck."""
    path = tmp_path / "cold.yaml"
    path.write_text(COLD)
    assert failed(path, tmp_path) == []


def test_heat_does_not_wait_for_a_pool_that_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(WITHOUT_POOLS)
    assert failed(path, tmp_path) == []


def test_clogged_cold_plates_are_not_taken_for_stuck_or_worn_miners(tmp_path: Path) -> None:
    path = tmp_path / "clogged.yaml"
    path.write_text(CLOGGED)
    assert failed(path, tmp_path) == []


def test_what_is_done_about_lost_cooling_does_not_wait_for_the_next_tick_s_turn(tmp_path: Path) -> None:
    path = tmp_path / "slowly.yaml"
    path.write_text(SLOWLY)
    assert failed(path, tmp_path) == []


@pytest.mark.parametrize(("kind", "cooling"), [("clogged", "air"), ("overtemp_cut_out", "hydro")])
def test_every_family_s_heat_is_mended_and_who_is_cool_again_is_left_alone(
    kind: str, cooling: str, tmp_path: Path
) -> None:
    """From `month`: eight clogs were hot at every share that was tried, and most cut-outs were derated twice."""
    path = tmp_path / "passing.yaml"
    path.write_text(PASSING.replace("KIND", kind).replace("COOLING", cooling))
    assert failed(path, tmp_path) == []


@pytest.mark.parametrize(("cooling", "period_s"), [("air", 60), ("hydro", 30)])
def test_a_clog_that_stops_its_miner_between_two_polls_is_not_power_cycled(
    cooling: str, period_s: int, tmp_path: Path
) -> None:
    """From `month`: restarted, rebooted, power-cycled twice, and a person's."""
    path = tmp_path / "quickly.yaml"
    path.write_text(QUICKLY.replace("COOLING", cooling).replace("PERIOD", str(period_s)))
    assert failed(path, tmp_path) == []


def test_who_cools_just_when_he_is_judged_is_looked_at_again_before_he_is_derated_further(tmp_path: Path) -> None:
    """From `month`: eleven second deratings of miners whose intake had come to be free a minute before."""
    path = tmp_path / "freed.yaml"
    path.write_text(FREED)
    assert failed(path, tmp_path) == []


def test_who_begins_to_hash_on_a_loop_that_is_not_cooled_is_put_to_sleep_whenever_that_is(tmp_path: Path) -> None:
    path = tmp_path / "busy.yaml"
    path.write_text(BUSY)
    assert failed(path, tmp_path) == []
