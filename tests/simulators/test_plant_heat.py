"""Heat against the table of facts "detection", section 5, and what firmware does about it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model.topology import Cooling
from simulators.plant.circuit import Circuit, CircuitFigures
from simulators.plant.journal import What
from simulators.plant.state import Board, Process
from simulators.plant.weather import Climate
from tests.simulators.heat_site import AIR, HYDRO, IMMERSION, HeatPlant

NOMINAL_W, CAPACITY = 1.08e6, 12.5e6
"""The hydro loop of the facts: 1.08 MW, 3 m³."""


def circuit(volume: float = 1.0) -> Circuit:
    return Circuit(CircuitFigures(NOMINAL_W, CAPACITY * volume, CAPACITY), 35.0, NOMINAL_W)


# -- the table of the facts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cooling", "tau_s"), [(AIR, 75.0), (HYDRO, 18.0)])
def test_chips_cool_down_with_the_time_constant_of_what_cools_them(cooling: Cooling, tau_s: float) -> None:
    heat = HeatPlant(cooling)
    heat.run(20.0)
    inlet_c, before_c = heat.miner(1).warmth.coolant.supply_c(heat.now), heat.chip_c(1)
    heat.miner(1).suspend(heat.now)
    heat.run(tau_s, step_s=tau_s)
    assert (heat.chip_c(1) - inlet_c) / (before_c - inlet_c) == pytest.approx(math.exp(-1.0), abs=0.01)


def test_a_stalled_cold_plate_gets_hotter_by_0_82_kelvin_a_second() -> None:
    heat = HeatPlant(HYDRO)
    heat.run(30.0)
    before_c = heat.chip_c(1)
    heat.loop.set_pumps(heat.now, run=False)
    heat.run(15.0)
    assert (heat.chip_c(1) - before_c) / 15.0 == pytest.approx(0.82, rel=0.05)


@pytest.mark.parametrize(("cooling", "k_per_min"), [(HYDRO, 5.2), (IMMERSION, 2.1)])
def test_a_loop_without_heat_rejection_gets_hotter_as_the_facts_have_it(cooling: Cooling, k_per_min: float) -> None:
    heat = HeatPlant(cooling)
    heat.run(30.0)
    before_c = heat.loop.supply_c(heat.now)
    heat.loop.set_rejection(heat.now, works=False)
    heat.run(60.0)
    assert heat.loop.supply_c(heat.now) - before_c == pytest.approx(k_per_min, rel=0.03)


@pytest.mark.parametrize(("cooling", "tau_s"), [(HYDRO, 116.0), (IMMERSION, 283.0)])
def test_a_loop_at_full_effort_follows_the_weather_with_its_time_constant(cooling: Cooling, tau_s: float) -> None:
    loop = HeatPlant(cooling).loop
    figures = loop.circuit.figures
    assert figures.capacity_j_per_k / figures.conductance_w_per_k == pytest.approx(tau_s, rel=0.02)


@pytest.mark.parametrize(("cubic_metres", "t90_s"), [(1.5, 89.0), (3.0, 121.0), (6.0, 177.0)])
def test_a_step_of_two_kelvin_down_settles_as_the_facts_have_it(cubic_metres: float, t90_s: float) -> None:
    one = circuit(cubic_metres / 3.0)
    one.setpoint_c = 33.0
    trace = []
    for _ in range(900):
        one.advance(1.0, NOMINAL_W, 18.0)
        trace.append(one.supply_c)
    assert next(s for s, supply_c in enumerate(trace, 1) if supply_c <= 33.2) == pytest.approx(t90_s, rel=0.07)
    assert 0.02 <= (33.0 - min(trace)) / 2.0 <= 0.04
    assert trace[-1] == pytest.approx(33.0, abs=0.06)


def test_chips_follow_the_supply_one_to_one() -> None:
    heat = HeatPlant(HYDRO)
    heat.run(30.0)
    before_c = [heat.chip_c(n) for n in range(1, 7)]
    heat.loop.aim(heat.now, 33.0)
    heat.run(900.0)
    assert [heat.chip_c(n) - c for n, c in enumerate(before_c, 1)] == pytest.approx([-2.0] * 6, abs=0.08)


@given(
    st.lists(
        st.tuples(st.floats(0, 1.2), st.floats(-10, 30), st.floats(25, 45), st.floats(0, 1)), min_size=1, max_size=8
    ),
    st.floats(0.5, 2.0),
)
@settings(max_examples=50)
def test_what_comes_in_goes_out_or_is_stored(stretches: list[tuple[float, float, float, float]], volume: float) -> None:
    one = circuit(volume)
    start_c, taken_j, rejected_j = one.supply_c, 0.0, 0.0
    coldest_c = start_c
    for share, sink_c, setpoint_c, health in stretches:
        one.setpoint_c, one.health = setpoint_c, health
        taken_j += share * NOMINAL_W * 100.0
        rejected_j += one.advance(100.0, share * NOMINAL_W, sink_c)
        assert one.rejected_w >= 0.0
        coldest_c = min(coldest_c, sink_c)
        assert one.supply_c >= coldest_c - 1e-6
    stored_j = (one.supply_c - start_c) * one.figures.capacity_j_per_k
    assert taken_j - rejected_j == pytest.approx(stored_j, abs=1.0 + 1e-9 * taken_j)


# -- what firmware does about it ---------------------------------------------------------------------------------------


def test_without_flow_every_family_stops_itself_and_starts_again_once_it_is_cool() -> None:
    heat = HeatPlant(HYDRO)
    heat.run(10.0)
    heat.loop.set_pumps(heat.now, run=False)
    heat.run(60.0)
    assert [heat.miner(n).protection.tripped for n in range(1, 7)] == [True] * 6
    assert all(heat.chip_c(n) < heat.miner(n).protection.stop_c(heat.now) + 6.0 for n in range(1, 7))
    assert not any(heat.miner(n).healthy for n in range(1, 7))
    heat.loop.set_pumps(heat.now, run=True)
    heat.run(1800.0)
    assert all(heat.miner(n).healthy and not heat.miner(n).protection.tripped for n in range(1, 7))
    # A stock Antminer came back with a new process, as after a stop it does; the others with the one they had.
    assert [heat.now - heat.miner(n).hashing.started_at < 1800.0 for n in (1, 2, 3)] == [True, False, False]


def test_who_sleeps_in_time_never_gets_too_hot() -> None:
    heat = HeatPlant(HYDRO)
    heat.run(10.0)
    heat.loop.set_pumps(heat.now, run=False)
    heat.run(10.0)
    heat.miner(1).suspend(heat.now)
    heat.run(600.0)
    first, second = heat.miner(1).protection, heat.miner(4).protection
    assert heat.chip_c(1) < first.stop_c(heat.now)
    assert (first.tripped, second.tripped) == (False, True)
    heat.loop.set_pumps(heat.now, run=True)
    heat.miner(1).resume(heat.now)
    heat.run(300.0)
    assert heat.miner(1).healthy


def test_who_was_put_to_sleep_after_it_had_stopped_for_its_heat_sleeps_on_once_it_is_cool() -> None:
    heat = HeatPlant(HYDRO)
    heat.run(10.0)
    heat.loop.set_pumps(heat.now, run=False)
    heat.run(60.0)
    for number in range(1, 7):
        assert heat.miner(number).protection.tripped
        heat.miner(number).suspend(heat.now)
    heat.run(3600.0)
    assert [heat.miner(n).suspended and heat.miner(n).power_w() < 100.0 for n in range(1, 7)] == [True] * 6


def test_luxos_steps_down_and_up_again_and_tells_what_it_aims_at() -> None:
    heat = HeatPlant(AIR)
    three = heat.miner(3)
    nominal_gh = three.told_gh
    three.clog_up(heat.now, over_k=4.0)
    heat.run(1800.0)
    assert 0.5 <= three.protection.share < 1.0
    assert three.told_gh == pytest.approx(nominal_gh * three.protection.share)
    assert not three.healthy
    assert heat.chip_c(3) < three.protection.stop_c(heat.now)
    three.repair(heat.now)
    heat.run(7200.0)
    assert three.protection.share == 1.0
    assert three.healthy


def test_a_clogged_stock_antminer_stops_at_its_limit_again_and_again_until_it_is_derated() -> None:
    heat = HeatPlant(AIR)
    one = heat.miner(1)
    one.clog_up(heat.now, over_k=10.0)
    starts = set()
    for _ in range(120):
        heat.run(60.0)
        starts.add(one.hashing.started_at)
    assert 4 <= len(starts) <= 10
    # What stops again and again is not well in between.
    noted = [e.what for e in heat.plant.journal.entries if e.miner == "m1"]
    assert [what for what in noted if what is not What.CURBED] == [What.UNHEALTHY]
    assert len(noted) > 4
    assert one.derate(heat.now, 0.7)
    heat.run(1800.0)
    assert one.healthy
    assert one.hashing.output(heat.now) == pytest.approx(0.7)
    assert heat.chip_c(1) <= one.protection.stop_c(heat.now) - 5.0
    assert one.power_w() == pytest.approx(0.7 * one.full_w, rel=0.03)
    assert one.told_gh == pytest.approx(0.7 * one.spec.hashrate_th * 1e3)


def test_a_clog_shows_in_fans_and_temperature_and_in_nobody_else() -> None:
    heat = HeatPlant(AIR)
    heat.run(10.0)
    before = [heat.miner(n).readings(heat.now) for n in range(1, 7)]
    heat.miner(1).clog_up(heat.now, over_k=-3.0)
    heat.run(600.0)
    after = [heat.miner(n).readings(heat.now) for n in range(1, 7)]
    assert max(after[0].chip_temp_c) > max(before[0].chip_temp_c) + 3.0
    assert min(after[0].fans_rpm) > min(before[0].fans_rpm)
    assert [max(r.chip_temp_c) for r in after[1:]] == [max(r.chip_temp_c) for r in before[1:]]
    assert heat.miner(1).healthy


def test_what_a_luxos_stepped_down_to_is_forgotten_over_a_sleep() -> None:
    heat = HeatPlant(AIR)
    three = heat.miner(3)
    three.clog_up(heat.now, over_k=4.0)
    heat.run(1800.0)
    assert three.protection.share < 0.95
    three.suspend(heat.now)
    three.clog_up(heat.now, over_k=-20.0)
    heat.run(60.0)
    three.resume(heat.now)
    assert three.protection.share == 1.0
    heat.run(600.0)
    assert three.healthy


def test_a_lost_fan_makes_the_others_run_faster_and_the_miner_warmer_once_they_can_no_more() -> None:
    heat = HeatPlant(AIR)
    heat.run(10.0)
    three = heat.miner(3)
    before = three.readings(heat.now)
    three.lose_fan(heat.now, 0)
    heat.run(900.0)
    after = three.readings(heat.now)
    assert min(after.fans_rpm[1:]) > 1.2 * min(before.fans_rpm[1:])
    assert max(after.chip_temp_c) == pytest.approx(max(before.chip_temp_c), abs=1.0)
    assert three.warmth.safe_below_c(70.0) < heat.miner(6).warmth.safe_below_c(70.0) - 5.0
    heat.plant.cooling.heat_up(heat.now, 18.0, 60.0)
    heat.run(1200.0)
    assert three.protection.share < 1.0
    assert heat.miner(6).protection.share == 1.0


def test_derating_changes_what_it_draws_computes_and_aims_at_alike() -> None:
    heat = HeatPlant(AIR)
    heat.run(10.0)
    two = heat.miner(2)
    assert two.derate(heat.now, 0.8)
    heat.run(1200.0)
    reading = two.readings(heat.now)
    assert reading.rate_5m / 1e3 == pytest.approx(0.8 * 114.0, rel=0.05)
    assert reading.target_gh == pytest.approx(0.8 * 114_000.0)
    assert reading.power_w == pytest.approx(0.8 * two.full_w, rel=0.03)
    assert two.healthy
    two.derate(heat.now, 1.0)
    heat.run(1200.0)
    assert two.readings(heat.now).rate_5m / 1e3 == pytest.approx(114.0, rel=0.05)
    assert [e.what for e in heat.plant.journal.entries if e.miner == "m2" and e.what is What.DERATE] == [
        What.DERATE
    ] * 2


def test_a_healthy_air_site_goes_through_a_summer_week_without_a_trip_or_a_step() -> None:
    heat = HeatPlant(AIR, 60, climate=Climate.SUMMER)
    heat.run(7 * 86_400.0, step_s=600.0)
    assert not [e for e in heat.plant.journal.entries if e.what is What.UNHEALTHY]
    assert all(m.protection.over_s == 0.0 for m in heat.plant.miners.values())


@pytest.mark.parametrize("cooling", [HYDRO, IMMERSION])
def test_a_healthy_loop_holds_its_setpoint_through_a_summer_week(cooling: Cooling) -> None:
    heat = HeatPlant(cooling, 30, climate=Climate.SUMMER)
    warmest_c = -math.inf
    for _ in range(7 * 24):
        heat.run(3600.0, step_s=600.0)
        warmest_c = max(warmest_c, heat.loop.supply_c(heat.now) - heat.loop.circuit.setpoint_c)
    assert warmest_c < 1.0
    assert not [e for e in heat.plant.journal.entries if e.what is What.UNHEALTHY]


def test_constant_weather_plans_nothing_for_whom_nothing_ails() -> None:
    for cooling in Cooling:
        heat = HeatPlant(cooling)
        heat.run(600.0)
        assert not heat.plant.cooling.air._beats
        assert all(not loop._beats for loop in heat.plant.cooling.loops.values())
        assert all(m.board is Board.UP and m.process is Process.RUNNING for m in heat.plant.miners.values())
