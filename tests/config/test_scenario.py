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
from agent.config.scenario.history import HistoryPlan
from agent.config.scenario.people import DEEDS
from agent.config.scenario.plan import IncidentFilter
from agent.model.action import Risk
from agent.model.guard import Mode
from agent.model.topology import Cooling, Family, Outlet
from simulators.faults import FAULT_KINDS
from simulators.people import Deed
from tests.config.sites import TEN_LINES, TEN_LINES_CSV
from tests.config.sites import written as site_written

SMALL = "duration: 1h\nsite: {generate: {miners: 12}}\n"


def scenario(folder: Path, text: str) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return load_scenario(path, catalogue())


# -- sites -------------------------------------------------------------------------------------------------------------


DOCUMENTED = """\
name: pdu-trip-at-noon
seed: 7                      # everything random follows from it
duration: 2h                 # site time
tier: memory                 # wire | memory | fast-forward
site:                        # either a generated site …
  generate: {miners: 480, containers: 2, racks_per_container: 5, miners_per_pdu: 24, pdus: apc_rpdu2,
             cooling: hydro, families: {antminer_stock: 0.5, whatsminer: 0.3, luxos: 0.2}, pools: 2}
# inventory: ../config.yaml  # … or the operator's own
agent: {}                    # overrides of any configuration key
faults:
  - {at: 10m, kind: miner.control_board_hung, target: "miner:r3-*", count: 5}
  - {at: 30m, kind: pool.down, target: "pool:primary", for: 20m}
  - {rate: 1.0/miner/month, kind: mix}            # background, by the category shares of kpis.md
  - {at: 60m, kind: pdu.outlet_map_wrong, target: "pdu:c1-p2", swap: [3, 4]}
expect:                      # optional: turns the scenario into a test
  - {by: 20m, incident: {category: stuck, outcome: auto_resolved}, count: 5}
  - {never: {action: power_off, while: "pool.down"}}
  - {at_end: {outlets_off: 0, open_incidents: 0}}
"""


def test_the_documented_example_is_read_as_documented(tmp_path: Path) -> None:
    made = scenario(tmp_path, DOCUMENTED)
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
    assert [pool.url for pool in site.pools] == [
        *("stratum+tcp://primary.pool.example:3333", "stratum+tcp://backup.pool.example:3333"),
    ]
    assert {tuple(pool.id for pool in site.pools_of(miner)) for miner in site.miners} == {("primary", "backup")}
    hung, down, mix, swapped = made.faults
    assert isinstance(hung, Timed)
    assert (hung.at_s, hung.count, len(hung.targets)) == (600.0, 5, 48)
    assert isinstance(down, Timed)
    assert (down.targets, down.for_s) == (("pool:primary",), 1200.0)
    assert isinstance(mix, Rated)
    assert mix.per_s == pytest.approx(480 / (30 * 86_400))
    assert isinstance(swapped, Timed)
    assert (swapped.targets, swapped.params) == (("pdu:c1-p2",), {"swap": (3, 4)})
    assert len(made.expect) == 4


@pytest.mark.parametrize("tier", ["", "tier: wire\n", "tier: memory\n", "tier: fast-forward\n"])
@pytest.mark.parametrize("agent", ["", "agent:\n", "agent: {}\n", "agent: {tick_s: 4}\n"])
@pytest.mark.parametrize(
    "site",
    [
        "site: {generate: {miners: 12, pools: 2}}\n",
        "site: {inventory: site.yaml}\n",
        "inventory: site.yaml\n",
        "site:\ninventory: site.yaml\n",
        "inventory: example\n",
    ],
)
def test_the_documented_keys_go_together_in_any_combination(tmp_path: Path, tier: str, agent: str, site: str) -> None:
    site_written(tmp_path, TEN_LINES, TEN_LINES_CSV)
    for rest in ("", "name: x\nseed: 3\nfaults: []\nexpect: []\nhistory: {}\n", "faults:\nexpect:\nhistory:\n"):
        made = scenario(tmp_path, f"# a comment\nduration: 1h  # another\n{tier}{agent}{site}{rest}")
        assert made.tier == (tier[len("tier: ") : -1] or "wire")
        assert made.settings.tick_s == (4.0 if "tick_s" in agent else 2.0)
        assert (made.faults, made.expect) == ((), ())


def test_every_pool_of_a_generated_site_has_its_name_and_its_place(tmp_path: Path) -> None:
    site = scenario(tmp_path, "duration: 1h\nsite: {generate: {miners: 3, pools: 4}}\n").settings.site
    assert [pool.id for pool in site.pools] == ["primary", "backup", "pool-3", "pool-4"]
    assert [(group.id, group.pools) for group in site.pool_groups] == [
        ("pools", ("primary", "backup", "pool-3", "pool-4"))
    ]


# -- cadence and history ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", list(TierName))
@pytest.mark.parametrize(
    ("duration", "agent", "figures"),
    [
        ("6h", "", (2.0, 8.0, 30.0, 60.0)),
        ("6h1s", "", (30.0, 30.0, 30.0, 60.0)),
        ("30d", "{}", (30.0, 30.0, 30.0, 60.0)),
        ("30d", "{guard: {cooldown_s: 1800}}", (30.0, 30.0, 30.0, 60.0)),
        ("30d", "{tick_s: 5}", (5.0, 8.0, 30.0, 60.0)),
        ("30d", "{poll: {interval_s: 12}}", (2.0, 12.0, 30.0, 60.0)),
        ("30d", "{poll: {}}", (2.0, 8.0, 30.0, 60.0)),
    ],
)
def test_a_long_scenario_looks_less_often_unless_it_says_how(
    tmp_path: Path, tier: TierName, duration: str, agent: str, figures: tuple[float, ...]
) -> None:
    text = f"duration: {duration}\ntier: {tier}\nsite: {{generate: {{miners: 3}}}}\nagent: {agent}\n"
    made = scenario(tmp_path, text).settings
    poll = made.poll
    assert (made.tick_s, poll.interval_s, poll.pdu_interval_s, poll.switch_interval_s) == figures


@pytest.mark.parametrize(("own", "tick_s"), [("", 30.0), ("tick_s: 3\n", 3.0), ("poll: {interval_s: 20}\n", 2.0)])
def test_what_an_operators_own_configuration_says_of_the_cadence_holds(tmp_path: Path, own: str, tick_s: float) -> None:
    site_written(tmp_path, own + TEN_LINES, TEN_LINES_CSV)
    assert scenario(tmp_path, "duration: 1d\ninventory: site.yaml\n").settings.tick_s == tick_s


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("", HistoryPlan(True, 0.0, 43_200.0, (0.5, 1.5, 1.0))),
        (
            "{blocks: true, lost_polls: 0.001, difficulty_changes: 2/day, shifts: {night: 0.5, day: 1.5, evening: 1}}",
            HistoryPlan(True, 0.001, 43_200.0, (0.5, 1.5, 1.0)),
        ),
        (
            "{blocks: false, difficulty_changes: 0, shifts: {day: 0}}",
            HistoryPlan(False, 0.0, None, (0.5, 0.0, 1.0)),
        ),
        ("{difficulty_changes: 0/week}", HistoryPlan(True, 0.0, None, (0.5, 1.5, 1.0))),
        ("{difficulty_changes: 1.5 / hour}", HistoryPlan(True, 0.0, 2400.0, (0.5, 1.5, 1.0))),
    ],
)
def test_history_is_plain_numbers(tmp_path: Path, text: str, plan: HistoryPlan) -> None:
    assert scenario(tmp_path, f"{SMALL}history: {text}\n").history == plan


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
@settings(max_examples=25)
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


def test_containers_are_cooled_by_shares_and_each_has_what_its_cooling_wants(tmp_path: Path) -> None:
    made = scenario(
        tmp_path, "duration: 1h\nsite: {generate: {miners: 30, containers: 5, cooling: {air: 0.6, hydro: 0.4}}}"
    )
    site = made.settings.site
    assert [unit.loop for unit in site.cooling_units] == ["c2-loop", "c4-loop"]
    assert Counter(m.cooling for m in site.miners) == {Cooling.AIR: 18, Cooling.HYDRO: 12}
    assert {m.loop for m in site.miners} == {None, "c2-loop", "c4-loop"}
    assert {pdu.id[:2]: pdu.voltage_v for pdu in site.pdus} == {"c1": 240, "c2": 415, "c3": 240, "c4": 415, "c5": 240}
    assert all(any(image.may_be_for(m) for image in site.images) for m in site.miners)


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


@pytest.mark.parametrize(
    ("kind", "target", "count"),
    [("pdu.outlet_map_wrong", "pdu:*", 2), ("pdu.set_lies", "outlet:c1-p1/1?", 10), ("wire.silent", "miner:r1-0*", 9)],
)
def test_a_pattern_means_everything_of_its_word(tmp_path: Path, kind: str, target: str, count: int) -> None:
    text = f"duration: 1h\nsite: {{generate: {{miners: 48}}}}\nfaults: [{{at: 0, kind: {kind}, target: '{target}'}}]\n"
    (fault,) = scenario(tmp_path, text).faults
    assert len(fault.targets) == count


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


def test_people_answer_after_a_time_or_between_two(tmp_path: Path) -> None:
    first = "{incident: {escalation: flash_unproven}, after: [1h, 8h], does: [repair, release_image, repair]}"
    second = "{incident: {}, after: 1d, does: repair}"
    (asked, anything) = scenario(tmp_path, f"{SMALL}people:\n  - {first}\n  - {second}\n").people
    assert (asked.asked.escalation, asked.after_s, asked.does) == (
        "flash_unproven",
        (3600.0, 28_800.0),
        ("repair", "release_image"),
    )
    assert (anything.asked, anything.after_s, anything.does) == (IncidentFilter(), (86_400.0, 86_400.0), ("repair",))


def test_people_can_do_all_that_a_scenario_may_say() -> None:
    assert tuple(Deed) == DEEDS
