"""Hot miners and hot loops as columns: near the limit and slow, alone or with the loop, and cooling that is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.detect.stuck import StuckDetector
from agent.model.incident import Reason
from agent.model.site_view import Expected
from agent.model.telemetry import Reach, Telemetry
from tests.detect.heat_bench import POLL_S, WELL, Loop, firing, reason, replace_reading
from tests.factory import EPOCH, NOMINAL_TH


def test_nothing_fires_where_all_is_well() -> None:
    for loop in (Loop(), Loop(liquid=False)):
        loops, miners = loop.run(3600.0)
        assert firing(loops) == firing(miners) == []


# -- one miner ---------------------------------------------------------------------------------------------------------


def test_a_miner_near_its_limit_with_fans_full_and_slow_fires_after_three_minutes() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3], fleet.rate[3], fleet.rpm[3] = 91.0, 0.9, 6100.0
    assert 180.0 <= fleet.until("miner", 600.0) <= 200.0
    assert firing(fleet.run(POLL_S)[1]) == [3]
    assert reason(fleet.run(POLL_S)[1], 3) is Reason.OVERHEATED
    assert fleet.run(POLL_S)[1].evidence.domain(3) == ""


@pytest.mark.parametrize(
    ("chip_c", "rate", "rpm"),
    [(89.0, 0.9, 6100.0), (91.0, 0.99, 6100.0), (91.0, 0.9, 3900.0), (float("nan"), 0.9, 6100.0)],
    ids=["not near", "not slow", "fans have room", "no temperature"],
)
def test_each_condition_is_needed(chip_c: float, rate: float, rpm: float) -> None:
    fleet = Loop(liquid=False)
    fleet.run(64.0)
    fleet.rpm[:] = 5900.0
    fleet.run(64.0)
    fleet.chip_c[3], fleet.rate[3], fleet.rpm[3] = chip_c, rate, rpm
    assert fleet.until("miner", 900.0) == float("inf")


def test_a_miner_at_its_limit_fires_in_half_a_minute_whatever_it_does() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3] = 95.5
    assert 20.0 <= fleet.until("miner", 600.0) <= 40.0


def test_a_miner_that_stops_near_its_limit_fires_though_it_is_cool_by_then() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3], fleet.chip_c[4] = 92.0, 80.0
    fleet.run(32.0)
    fleet.chip_c[3:5], fleet.rate[3:5] = 60.0, 0.0
    assert 60.0 <= fleet.until("miner", 600.0) <= 80.0
    assert firing(fleet.run(64.0)[1]) == [3], "the other one stopped for something else"
    fleet.chip_c[3:5], fleet.rate[3:5] = 70.0, 1.0
    assert firing(fleet.run(900.0)[1]) == []


def test_a_hot_miner_whose_pool_is_gone_did_not_stop_for_its_heat() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3] = 92.0
    fleet.run(32.0)
    fleet.chip_c[3], fleet.rate[3] = 60.0, 0.0
    fleet.view.pool_alive.put(3, 0.0, fleet.now)
    assert fleet.until("miner", 300.0) == float("inf")


def test_a_board_at_its_limit_counts_as_a_chip_does() -> None:
    fleet = Loop(liquid=False)
    fleet.view.board_max_c.put(3, 81.0, fleet.now)
    fleet.chip_c[3] = 70.0
    for _ in range(5):
        fleet.view.board_max_c.put(3, 81.0, fleet.now + POLL_S)
        fleet.run(POLL_S)
    assert firing(fleet.run(POLL_S)[1]) == [3]


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_whoever_is_not_expected_to_work_is_left_alone(expected: Expected) -> None:
    fleet = Loop(liquid=False)
    fleet.view.expected[3] = expected
    fleet.chip_c[3], fleet.rate[3], fleet.rpm[3] = 96.0, 0.5, 6100.0
    assert fleet.until("miner", 600.0) == float("inf")


def test_it_clears_after_ten_cool_minutes_at_what_it_is_to_do_derated_or_in_full() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3], fleet.rate[3], fleet.rpm[3] = 92.0, 0.9, 6100.0
    fleet.until("miner", 600.0)
    fleet.chip_c[3], fleet.rate[3] = 80.0, 0.8
    assert firing(fleet.run(1800.0)[1]) == [3], "cool at less than it is to do is no recovery"
    fleet.view.derated[3], fleet.view.any_derated = 0.8, True
    miners = fleet.run(300.0)[1]
    assert firing(miners) == [3]
    assert not np.isnan(miners.clear_since[3]), "cool at its share: the impact is over"
    assert firing(fleet.run(400.0)[1]) == []
    fleet.chip_c[3] = 96.0
    assert firing(fleet.run(64.0)[1]) == [3]


# -- cut out -----------------------------------------------------------------------------------------------------------


def test_one_that_stopped_near_its_limit_has_cut_out_until_it_clears() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3], fleet.rpm[3] = 94.0, 6200.0
    fleet.run(64.0)
    fleet.chip_c[3], fleet.rate[3] = 60.0, 0.0
    assert 60.0 <= fleet.until("miner", 600.0) <= 80.0
    assert reason(fleet.run(3600.0)[1], 3) is Reason.OVERTEMP_CUT_OUT
    fleet.chip_c[3], fleet.rate[3] = 70.0, 1.0
    assert reason(fleet.run(300.0)[1], 3) is Reason.OVERTEMP_CUT_OUT
    assert firing(fleet.run(600.0)[1]) == []
    fleet.chip_c[3] = 96.0
    assert reason(fleet.run(64.0)[1], 3) is Reason.OVERHEATED, "what was before is forgotten"


def test_one_of_a_loop_is_known_by_what_it_resisted_before_it_stopped_and_is_not_stuck() -> None:
    loop = Loop()
    loop.run(3000.0)
    loop.chip_c[3] = 92.0
    loop.run(32.0)
    loop.chip_c[3], loop.rate[3] = 36.0, 0.0
    assert 60.0 <= loop.until("miner", 600.0) <= 80.0
    assert reason(loop.run(POLL_S)[1], 3) is Reason.OVERTEMP_CUT_OUT
    stuck = StuckDetector(20, heat=loop.heat)
    for _ in range(30):
        loop.run(POLL_S)
        assert firing(stuck.judge(loop.view, loop.now)) == []
    assert firing(StuckDetector(20).judge(loop.view, loop.now)) == [3], (
        "who knows nothing of its heat takes it for that"
    )


@pytest.mark.parametrize(("over_k", "found"), [(4.0, False), (5.0, True)])
def test_one_that_stands_still_while_its_coolant_is_hotter_than_it_bears_has_cut_out(
    over_k: float, found: bool
) -> None:
    loop = Loop()
    loop.inlet_c = np.full(20, 35.0)
    loop.run(600.0)
    loop.inlet_c[3] = loop.view.site.miners[3].limits.inlet_c[1] + over_k
    loop.chip_c[3], loop.rate[3] = 52.0, 0.0
    assert (firing(loop.run(80.0)[1]) == [3]) is found
    assert not found or reason(loop.run(POLL_S)[1], 3) is Reason.OVERTEMP_CUT_OUT


def test_one_that_is_seen_only_after_it_stopped_is_known_by_its_heat_and_its_fans() -> None:
    fleet = Loop(liquid=False)
    fleet.run(64.0)
    fleet.rpm[:] = 6100.0
    fleet.run(64.0)
    fleet.rpm[:] = 4000.0
    fleet.chip_c[3:5], fleet.rate[3:5] = 93.0, 0.0
    fleet.rpm[3] = 6100.0
    assert 60.0 <= fleet.until("miner", 600.0) <= 80.0
    assert firing(fleet.run(64.0)[1]) == [3], "the other one's fans have room"


@pytest.mark.parametrize(
    ("codes", "rate", "found"),
    [(("351",), 0.0, True), (("OVERTEMP_PROTECTION",), 0.0, True), (("351",), 0.9, False), (("600",), 0.0, False)],
)
def test_a_code_alone_is_no_cut_out_nor_is_standing_still(codes: tuple[str, ...], rate: float, found: bool) -> None:
    fleet = Loop(liquid=False)
    fleet.view.put_answer(3, fleet.now, Telemetry(hashrate_th=NOMINAL_TH, codes=codes))
    fleet.rate[3] = rate
    assert (fleet.until("miner", 600.0) < 90.0) is found


def test_one_that_throttled_and_then_stops_has_cut_out() -> None:
    fleet = Loop(liquid=False)
    fleet.chip_c[3], fleet.rate[3], fleet.rpm[3] = 94.0, 0.9, 6200.0
    fleet.until("miner", 600.0)
    assert reason(fleet.run(POLL_S)[1], 3) is Reason.OVERHEATED
    fleet.chip_c[3], fleet.rate[3] = 60.0, 0.0
    fleet.run(80.0)
    assert reason(fleet.run(POLL_S)[1], 3) is Reason.OVERTEMP_CUT_OUT


def test_a_cut_out_is_taken_up_after_a_restart() -> None:
    fleet = Loop(liquid=False)
    fleet.thermal.restore(5, EPOCH, Reason.OVERTEMP_CUT_OUT)
    assert reason(fleet.run(POLL_S)[1], 5) is Reason.OVERTEMP_CUT_OUT
    assert firing(fleet.run(720.0)[1]) == []


def test_a_verdict_is_taken_up_after_a_restart() -> None:
    fleet = Loop(liquid=False)
    fleet.thermal.restore(5, EPOCH, Reason.OVERHEATED)
    assert firing(fleet.run(POLL_S)[1]) == [5]
    assert firing(fleet.run(720.0)[1]) == []


# -- one or all --------------------------------------------------------------------------------------------------------


def test_a_clogged_miner_of_a_loop_is_found_by_its_resistance_and_the_loop_is_left_alone() -> None:
    loop = Loop()
    loop.run(3000.0)
    loop.chip_c[:3], loop.rate[:3] = 91.0, 0.9  # 15 % of the loop, each clogged by itself
    assert 180.0 <= loop.until("miner", 600.0) <= 200.0
    loops, miners = loop.run(120.0)
    assert (firing(loops), firing(miners)) == ([], [0, 1, 2])


def _cut_out(loop: Loop, rows: int) -> None:
    """Have the first rows say that they stopped for their heat, which nobody has seen."""
    loop.chip_c[:rows], loop.rate[:rows] = 36.0, 0.0
    for row in range(rows):
        loop.view.put_answer(row, loop.now, Telemetry(hashrate_th=0.0, codes=("351",)))


def test_those_first_seen_after_they_stopped_are_no_loop_s_where_the_others_have_room() -> None:
    loop = Loop()
    _cut_out(loop, 3)
    assert 60.0 <= loop.until("miner", 600.0) <= 90.0
    loops, miners = loop.run(120.0)
    assert (firing(loops), firing(miners)) == ([], [0, 1, 2])


def test_a_loop_whose_miners_all_stopped_is_found_once_and_not_over_because_they_are_cool() -> None:
    loop = Loop()
    _cut_out(loop, 20)
    assert loop.until("loop", 600.0) <= 90.0
    assert len({loop.run(POLL_S)[0].since[0] for _ in range(150)}) == 1


def test_miners_that_get_hot_together_are_the_loop_s() -> None:
    loop = Loop()
    loop.run(3000.0)
    loop.chip_c[:] = 91.0  # all resistances up together: too little flow behind a meter that does not tell
    loop.rate[:] = 0.9
    assert 180.0 <= loop.until("loop", 600.0) <= 200.0
    loops, miners = loop.run(64.0)
    assert (firing(loops), firing(miners)) == (list(range(20)), [])
    assert loops.evidence.domain(7) == "loop:loop-1"
    assert reason(loops, 7) is Reason.LOOP_HOT


# -- the unit's readings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shows", "least_s", "most_s"),
    [
        ({"supply_c": 38.5}, 180.0, 200.0),
        ({"flow_lpm": 150.0}, 30.0, 48.0),
        ({"pumps_ok": False}, 0.0, 10.0),
    ],
)
def test_a_unit_that_reads_ill_makes_its_loop_hot(shows: dict[str, float], least_s: float, most_s: float) -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, **shows)
    assert least_s <= loop.until("loop", 600.0) <= most_s
    assert reason(loop.run(POLL_S)[0]) is Reason.LOOP_HOT
    assert firing(loop.run(POLL_S)[1]) == []


def test_a_reading_that_is_no_more_fresh_says_nothing() -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, supply_c=39.0)
    loop.run(64.0)
    loop.unit = None
    assert loop.until("loop", 900.0) == float("inf")


@pytest.mark.parametrize("flow_lpm", [0.0, None])
def test_without_pumps_and_flow_the_cooling_is_lost_at_once(flow_lpm: float | None) -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, flow_lpm=flow_lpm, pumps_ok=False)
    if flow_lpm is None:
        loop.view.cooling.flow_lpm.value[0] = np.nan
    assert loop.until("loop", 600.0) <= 8.0
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST


def test_a_single_read_without_flow_is_no_loss() -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, flow_lpm=0.0)
    loop.run(POLL_S)
    loop.unit = WELL
    assert loop.until("loop", 600.0) == float("inf")


def test_a_supply_that_runs_away_is_lost_cooling_and_one_that_creeps_is_not() -> None:
    lost = Loop()
    took = 0.0
    supply = 35.0
    while took < 300.0 and not firing(lost.run(POLL_S)[0]):
        supply += 5.2 / 60.0 * POLL_S
        lost.unit = replace_reading(WELL, supply_c=supply)
        took += POLL_S
    assert took <= 112.0
    assert reason(lost.run(POLL_S)[0]) is Reason.COOLING_LOST
    creeping = Loop()
    for step in range(120):
        creeping.unit = replace_reading(WELL, supply_c=35.0 + 0.3 / 60.0 * POLL_S * step)
        loops, _ = creeping.run(POLL_S)
        if firing(loops):
            assert reason(loops) is Reason.LOOP_HOT
    assert firing(loops)


def test_a_hot_loop_that_loses_its_cooling_is_both_in_turn() -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, flow_lpm=140.0)
    loop.until("loop", 600.0)
    loop.unit = replace_reading(WELL, flow_lpm=0.0, pumps_ok=False)
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST
    loop.unit = replace_reading(WELL, flow_lpm=140.0)
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST, "lost until all is well again"


def test_a_loop_is_well_after_ten_minutes_of_readings_that_are() -> None:
    loop = Loop()
    loop.unit = replace_reading(WELL, supply_c=39.0)
    loop.until("loop", 600.0)
    loop.unit = WELL
    loops, _ = loop.run(560.0)
    assert firing(loops) == list(range(20))
    assert not np.isnan(loops.clear_since[0])
    assert firing(loop.run(64.0)[0]) == []


def test_a_loop_is_taken_up_after_a_restart() -> None:
    loop = Loop()
    loop.loops.restore(4, EPOCH, Reason.COOLING_LOST)
    loop.loops.restore(4, EPOCH, Reason.OVERHEATED)
    loop.unit = replace_reading(WELL, flow_lpm=140.0)
    assert reason(loop.run(POLL_S)[0]) is Reason.COOLING_LOST


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_noise_alone_makes_nobody_hot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loop = Loop()
    for _ in range(40):
        loop.chip_c = 62.0 + rng.normal(0.0, 2.0, 20)
        loop.rate = 1.0 + rng.normal(0.0, 0.045, 20)
        loop.unit = replace_reading(
            WELL, supply_c=35.0 + float(rng.normal(0.0, 0.5)), flow_lpm=180.0 + float(rng.normal(0.0, 4.0))
        )
        loops, miners = loop.run(16.0)
        assert firing(loops) == firing(miners) == []


def test_a_silent_site_is_not_hot() -> None:
    loop = Loop()
    loop.chip_c[:] = 96.0
    for row in range(20):
        loop.view.put_miss(row, loop.now + 200.0, Reach.SILENT)
    later = loop.now + 300.0
    assert firing(loop.loops.judge(loop.view, later)) == []
    assert firing(loop.thermal.judge(loop.view, later)) == []
