"""What a scenario file means: sites made to measure or the operator's own, overrides, faults, durations."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.scenario_run import catalogue, read_scenario, shipped
from agent.config.scenario import Rated, Scenario, TierName, Timed, load_scenario
from agent.config.scenario.entry import seconds, written
from agent.config.scenario.faults import COMMON
from agent.guard.limits import Mode
from agent.model.action import Risk
from agent.model.topology import Family, Outlet
from simulators.faults import FAULT_KINDS
from tests.config.sites import TEN_LINES, TEN_LINES_CSV
from tests.config.sites import written as site_written

SMALL = "duration: 1h\nsite: {generate: {miners: 12}}\n"


def scenario(folder: Path, text: str) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return load_scenario(path, catalogue())


# -- sites -------------------------------------------------------------------------------------------------------------


def test_the_documented_site_is_made_as_documented(tmp_path: Path) -> None:
    made = scenario(
        tmp_path,
        """\
name: pdu-trip-at-noon
seed: 7
duration: 2h
tier: memory
site:
  generate: {miners: 480, containers: 2, racks_per_container: 5, miners_per_pdu: 24, pdus: apc_rpdu2,
             cooling: hydro, families: {antminer_stock: 0.5, whatsminer: 0.3, luxos: 0.2}, pools: 2}
agent: {}
faults:
  - {at: 10m, kind: miner.control_board_hung, target: "miner:r3-*", count: 5}
  - {at: 30m, kind: pdu.slow, target: "pdu:c1-p2", for: 20m}
  - {rate: 1.0/miner/month, kind: mix}
expect:
  - {by: 20m, incident: {category: stuck, outcome: auto_resolved}, count: 5}
  - {never: {action: power_off, while: "pdu.slow"}}
  - {at_end: {outlets_off: 0, open_incidents: 0}}
""",
    )
    site = made.settings.site
    assert (made.name, made.seed, made.duration_s, made.tier) == ("pdu-trip-at-noon", 7, 7200.0, TierName.MEMORY)
    assert Counter(m.family for m in site.miners) == {
        Family.ANTMINER_STOCK: 240,
        Family.WHATSMINER: 144,
        Family.LUXOS: 96,
    }
    assert Counter(m.rack for m in site.miners) == {f"r{k}": 48 for k in range(1, 11)}
    assert (site.miners[0].id, site.miners[-1].id) == ("r1-01", "r10-48")
    assert {p.id for p in site.pdus} == {f"c{c}-p{p}" for c in (1, 2) for p in range(1, 11)}
    assert {m.loop for m in site.miners} == {"c1-loop", "c2-loop"}
    assert made.pools == ("primary", "backup")
    timed, slow, mix = made.faults
    assert isinstance(timed, Timed)
    assert (timed.at_s, timed.count, len(timed.targets)) == (600.0, 5, 48)
    assert isinstance(slow, Timed)
    assert slow.for_s == 1200.0
    assert isinstance(mix, Rated)
    assert mix.per_s == pytest.approx(480 / (30 * 86_400))
    assert len(made.expect) == 4


SIZES = st.fixed_dictionaries(
    {
        "miners": st.integers(12, 300),
        "containers": st.integers(1, 3),
        "racks_per_container": st.integers(1, 4),
        "miners_per_pdu": st.integers(1, 96),
        "outlets_per_miner": st.integers(1, 2),
        "cooling": st.sampled_from(["air", "hydro", "immersion"]),
    }
)


@given(SIZES, st.sampled_from([0.0, 0.25, 1.0]))
@settings(max_examples=25, deadline=None)
def test_a_generated_site_passes_every_check_of_a_real_one(
    tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, Any], stock: float
) -> None:
    section = {**sizes, "families": {"antminer_stock": stock, "whatsminer": 1 - stock}}
    text = json.dumps({"duration": "1h", "site": {"generate": section}})
    made = scenario(tmp_path_factory.mktemp("made"), text)
    miners, cords = sizes["miners"], sizes["outlets_per_miner"]
    site = made.settings.site
    assert made.settings.warnings == ()
    assert len(site.miners) == miners
    assert len({m.rack for m in site.miners}) == sizes["containers"] * sizes["racks_per_container"]
    assert sum(m.family is Family.ANTMINER_STOCK for m in site.miners) == pytest.approx(stock * miners, abs=1)
    assert Counter(len(m.outlets) for m in site.miners) == {cords: miners}
    assert set(site.fed_by) == {Outlet(p.id, k) for p in site.pdus for k in range(1, p.outlet_count + 1)}


def test_the_seed_does_not_move_the_site(tmp_path: Path) -> None:
    one, two = (scenario(tmp_path, f"seed: {k}\n{SMALL}") for k in (1, 2))
    assert one.settings.site == two.settings.site


@pytest.mark.parametrize("line", ["site: {inventory: site.yaml}", "inventory: site.yaml"])
def test_the_operators_own_site_can_be_rehearsed_though_it_only_observes(tmp_path: Path, line: str) -> None:
    site_written(tmp_path, TEN_LINES, TEN_LINES_CSV)
    made = scenario(tmp_path, f"duration: 1h\n{line}\n")
    assert {m.id for m in made.settings.site.miners} == {"r1-01", "r1-02"}
    assert made.settings.mode is Mode.AUTO


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_any_key_of_the_configuration_can_be_overridden(tmp_path: Path) -> None:
    site_written(tmp_path, TEN_LINES, TEN_LINES_CSV)
    made = scenario(
        tmp_path, "duration: 1h\ninventory: site.yaml\nagent: {poll: {interval_s: 12}, guard: {cooldown_s: 1800}}\n"
    )
    assert made.settings.poll.interval_s == 12
    assert made.settings.poll.deadline_s == 5.0, "beside it everything stays"
    assert made.settings.guard.cooldown_s == 1800


def test_a_mode_that_the_scenario_names_holds(tmp_path: Path) -> None:
    observing = scenario(tmp_path, f"{SMALL}agent: {{mode: observe}}\n")
    assert observing.settings.mode is Mode.OBSERVE
    trusting = scenario(tmp_path, f"{SMALL}agent: {{trust: {{stuck_miner: {{power: observe}}}}}}\n")
    assert trusting.settings.mode is Mode.AUTO
    assert trusting.settings.trust["stuck_miner"] == {Risk.POWER: Mode.OBSERVE}


# -- faults and times --------------------------------------------------------------------------------------------------


def test_without_a_count_every_target_that_matches_is_hit(tmp_path: Path) -> None:
    made = scenario(
        tmp_path, f"{SMALL}faults:\n  - {{at: 0, kind: miner.psu_dead, target: 'miner:r1-0[1-3]', standby_w: 3}}\n"
    )
    (fault,) = made.faults
    assert isinstance(fault, Timed)
    assert (fault.targets, fault.count) == (("miner:r1-01", "miner:r1-02", "miner:r1-03"), 3)
    assert fault.params == {"standby_w": 3}


def test_a_rate_counts_units_of_the_site(tmp_path: Path) -> None:
    made = scenario(
        tmp_path,
        f"{SMALL}faults:\n"
        "  - {rate: 2/pdu/week, kind: pdu.slow, for: 10m}\n"
        "  - {rate: 24/site/day, kind: miner.psu_latched, target: 'miner:r1-0*'}\n",
    )
    slow, latched = made.faults
    assert isinstance(slow, Rated)
    assert isinstance(latched, Rated)
    assert slow.per_s == pytest.approx(2 / 604_800)
    assert (latched.per_s, len(latched.targets)) == (pytest.approx(1 / 3600), 9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90.0),
        ("30m", 1800.0),
        ("30 min", 1800.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1d", 86_400.0),
        (0, 0.0),
        ("-1m", None),
        ("10", None),
        (10, None),
        ("1 fortnight", None),
        ("", None),
        (True, None),
        (None, None),
    ],
)
def test_durations_have_units(text: object, value: float | None) -> None:
    assert seconds(text) == value


@given(st.integers(1, 10**6))
def test_a_duration_that_is_written_down_is_read_as_it_was(duration_s: int) -> None:
    assert seconds(written(float(duration_s))) == duration_s


# -- what is shipped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_scenario_is_valid_named_after_its_file_and_expects_something(name: str) -> None:
    found = read_scenario(shipped()[name])
    assert found.name == name
    assert found.expect
    assert shipped()[name].read_text().startswith("# ")


def test_no_parameter_of_a_fault_kind_bears_the_name_of_a_common_key() -> None:
    assert not {(kind.name, knob) for kind in FAULT_KINDS.values() for knob in kind.knobs if knob in COMMON}
