"""Faults of heat: what they do to the plant, that ending them leaves nothing behind, and the harm that comes of it."""

import pytest

from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.incident import Category
from agent.model.topology import Family
from simulators.faults import FAULT_KINDS
from simulators.plant.cooling import Loop
from simulators.truth import Truth
from tests.simulators.heat_site import AIR, HYDRO, IMMERSION, LOOP, UNIT, HeatPlant

AT_LOOP, AT_CDU = f"loop:{LOOP}", f"cdu:{UNIT}"
HEAT = [kind for kind in FAULT_KINDS.values() if kind.category is Category.THERMAL]
KELVIN = 0.15


class Bench(HeatPlant):
    """A plant whose truth is kept."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # those of HeatPlant
        self.truth = Truth(self.plant)
        self.run(30.0)

    def begin(self, kind: str, target: str, **params: float | str) -> None:
        self.truth.inject(kind, target, self.now, **params)

    def end(self, kind: str, target: str) -> None:
        FAULT_KINDS[kind].end(self.plant, target, self.now)


def state(loop: Loop, now: float) -> tuple[float, ...]:
    return (loop.supply_c(now), loop.circuit.setpoint_c, loop.flow, loop.circuit.health)


@pytest.mark.parametrize("kind", [k.name for k in HEAT if not k.name.startswith(("miner.", "site."))])
def test_ending_a_fault_of_a_loop_or_its_unit_leaves_everything_as_it_was(kind: str) -> None:
    b = Bench(HYDRO)
    before = state(b.loop, b.now)
    target = AT_LOOP if kind.startswith("loop.") else AT_CDU
    b.begin(kind, target)
    b.run(120.0)
    b.end(kind, target)
    b.run(3600.0)
    assert state(b.loop, b.now) == pytest.approx(before, abs=0.2)
    assert all(miner.healthy for miner in b.plant.miners.values())
    assert b.plant.units[UNIT].trouble == type(b.plant.units[UNIT].trouble)()


def test_a_weak_rejection_leaves_the_supply_above_its_setpoint_and_a_lower_one_brings_it_down_as_far() -> None:
    b = Bench(HYDRO)
    b.begin("loop.heat_rejection_weak", AT_LOOP, droop_k=5.0, within_s=1200.0)
    b.run(600.0)
    assert b.loop.supply_c(b.now) == pytest.approx(37.4, abs=0.3)
    b.run(1200.0)
    assert b.loop.supply_c(b.now) == pytest.approx(40.0, abs=KELVIN)
    for setpoint_c in (33.0, 31.0):
        b.plant.units[UNIT].set_supply(b.now, setpoint_c)
        b.run(600.0)
    assert b.loop.supply_c(b.now) == pytest.approx(36.0, abs=KELVIN)
    assert b.loop.flow == 1.0


def test_a_worn_pump_is_short_by_its_share_of_whatever_it_is_set_to() -> None:
    b = Bench(HYDRO)
    unit, design_lpm = b.plant.units[UNIT], b.loop.design_lpm
    before_c = b.chip_c(1)
    b.begin("loop.flow_low", AT_LOOP, share=0.2)
    b.run(300.0)
    assert b.loop.flow_lpm == pytest.approx(0.8 * design_lpm)
    assert b.chip_c(1) > before_c + 1.5
    unit.set_flow(b.now, 1.2 * design_lpm)
    b.run(300.0)
    assert b.loop.flow_lpm == pytest.approx(0.96 * design_lpm)
    assert b.chip_c(1) == pytest.approx(before_c, abs=0.6)


def test_somebody_at_the_panel_moves_the_setpoint_and_no_write_is_counted() -> None:
    b = Bench(HYDRO)
    b.begin("cdu.setpoint_moved", AT_CDU, by_k=3.0)
    b.run(900.0)
    assert b.loop.supply_c(b.now) == pytest.approx(38.0, abs=KELVIN)
    assert b.truth.harm().cooling_writes == 0


def test_a_heat_wave_comes_slowly_and_goes_slowly_and_the_air_follows() -> None:
    b = Bench(AIR)
    b.begin("site.heat_wave", "site:heat", extra_k=8.0)
    b.run(1800.0)
    assert b.plant.weather.outdoor_c(b.now) == pytest.approx(29.0)
    b.run(7200.0)
    assert b.plant.weather.outdoor_c(b.now) == pytest.approx(33.0)
    assert b.miner(1).readings(b.now).warmth.inlet_c == pytest.approx(33.0)
    b.end("site.heat_wave", "site:heat")
    b.run(7200.0)
    assert b.plant.weather.outdoor_c(b.now) == 25.0


def test_a_severe_heat_wave_makes_some_of_an_air_site_stop_and_they_come_back() -> None:
    b = Bench(AIR, 60)
    b.begin("site.heat_wave", "site:heat", extra_k=20.0, within_s=600.0)
    b.run(7200.0)
    assert any(not m.healthy for m in b.plant.miners.values())
    b.end("site.heat_wave", "site:heat")
    b.run(3 * 3600.0)
    assert all(m.healthy for m in b.plant.miners.values())


def test_cooling_lost_over_miners_that_sleep_in_time_does_no_harm_and_over_others_does() -> None:
    def harmed(sleep_within_s: float | None) -> tuple[int, float]:
        b = Bench(HYDRO)
        b.begin("loop.pump_failed", AT_LOOP)
        if sleep_within_s is not None:
            b.run(sleep_within_s)
            for miner in b.plant.miners.values():
                miner.suspend(b.now)
        b.run(1800.0)
        harm = b.truth.harm()
        assert harm.actions_on_healthy == 0
        return harm.dry_boards, harm.overheated_minutes

    assert harmed(10.0) == (0, 0.0)
    assert harmed(None)[1] > 1.0


def test_an_action_on_a_cool_healthy_miner_is_harm_and_none_on_one_whose_loop_is_out_of_order() -> None:
    b = Bench(HYDRO)
    b.miner(1).derate(b.now, 0.8)
    assert b.truth.harm().actions_on_healthy == 1
    b.miner(1).derate(b.now, 1.0)
    b.begin("loop.flow_low", AT_LOOP, share=0.3)
    b.miner(2).derate(b.now, 0.8)
    assert b.truth.harm().actions_on_healthy == 1


def test_a_setpoint_below_the_dew_point_is_harm_and_every_write_that_is_taken_is_counted() -> None:
    b = Bench(HYDRO)
    unit = b.plant.units[UNIT]
    dew_point_c = b.plant.weather.dew_point_c(b.now)
    for above_k in (1.0, -0.5):
        unit.set_supply(b.now, dew_point_c + above_k)
        b.run(600.0)
    harm = b.truth.harm()
    assert (harm.setpoints_below_dew_point, harm.cooling_writes) == (1, 2)


def test_a_clogged_miner_is_cool_with_less_power_and_lingers_until_somebody_cleans_it() -> None:
    b = Bench(AIR)
    b.begin("miner.clogged", "miner:m1")
    b.run(2400.0)
    b.miner(1).restart_process(b.now)
    b.run(1800.0)
    (fault,) = b.truth.faults()
    assert fault.over_at is None
    b.miner(1).derate(b.now, 0.7, restarts=True)
    b.run(1800.0)
    (fault,) = b.truth.faults()
    assert fault.over_at is not None
    assert fault.fixable
    assert fault.lasted_at(b.now)
    b.truth.end(0, b.now)
    assert not b.truth.faults()[0].lasted_at(b.now)


@pytest.mark.parametrize(
    ("kind", "params", "fixable"),
    [
        ("miner.clogged", {"over_k": 10.0}, True),
        ("miner.clogged", {"over_k": 90.0}, False),
        ("miner.overtemp_cut_out", {"over_k": 90.0}, True),
        ("miner.overtemp_cut_out", {"over_k": 90.0, "stays": True}, False),
        ("miner.overtemp_cut_out", {"over_k": 15.0, "stays": True}, True),
    ],
)
def test_what_less_power_can_cool_is_told_by_physics(kind: str, params: dict[str, float], fixable: bool) -> None:
    for number in (1, 2, 3):
        b = Bench(AIR)
        target = f"miner:m{number}"
        b.begin(kind, target, **params)
        (fault,) = b.truth.faults()
        assert fault.fixable is fixable
        b.run(3600.0)
        assert not b.miner(number).healthy
        b.miner(number).derate(b.now, 0.5, restarts=True)
        b.miner(number).restart_process(b.now)
        b.run(1800.0)
        assert b.miner(number).healthy is fixable


def test_a_cut_out_stays_off_though_it_is_cool_until_a_new_process_begins() -> None:
    b = Bench(AIR)
    for number in (1, 2, 3):
        b.begin("miner.overtemp_cut_out", f"miner:m{number}")
    b.run(3 * 3600.0)
    for number in (1, 2, 3):
        miner = b.miner(number)
        assert miner.protection.tripped
        assert b.chip_c(number) < miner.protection.stop_c(b.now) - 30.0
        assert ("350" in miner.readings(b.now).parts.codes) is (miner.spec.family is Family.WHATSMINER)
        miner.restart_process(b.now)
    b.run(1200.0)
    assert all(b.miner(number).healthy and not b.miner(number).fault.any() for number in (1, 2, 3))


@pytest.mark.parametrize("kind", ["miner.clogged", "miner.overtemp_cut_out"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_a_derated_miner_bears_never_befell_it_and_what_it_does_not_bear_did(kind: str, number: int) -> None:
    """At full rate its firmware does something about it; at half it hashes on, and nobody could find anything."""
    for share, is_felt in ((1.0, True), (0.5, False)):
        b = Bench(AIR)
        b.miner(number).derate(b.now, share)
        b.run(900.0)
        assert b.miner(number).healthy
        b.begin(kind, f"miner:m{number}")
        b.run(3600.0)
        (fault,) = b.truth.faults()
        assert fault.counts is is_felt
        assert b.miner(number).healthy is not is_felt
        assert (fault.over_at == fault.started_at) is not is_felt


def test_what_comes_of_the_next_fault_is_none_of_the_one_that_was_never_felt() -> None:
    b = Bench(AIR)
    b.miner(1).derate(b.now, 0.5)
    b.run(900.0)
    b.begin("miner.overtemp_cut_out", "miner:m1")
    b.run(900.0)
    b.miner(1).derate(b.now, 1.0)
    b.run(900.0)
    b.begin("miner.overtemp_cut_out", "miner:m1")
    b.run(900.0)
    assert [fault.counts for fault in b.truth.faults()] == [False, True]


@pytest.mark.parametrize(
    ("kind", "profile", "fixable"),
    [
        ("loop.heat_rejection_weak", "ocp_rpu2", True),
        ("loop.heat_rejection_weak", "liebert_hpc", False),
        ("loop.flow_low", "cdu_plc_3000", True),
        ("loop.flow_low", "liebert_hpc", False),
        ("loop.pump_failed", "ocp_rpu2", False),
    ],
)
def test_what_can_be_fixed_depends_on_what_the_unit_can_be_told(kind: str, profile: str, fixable: bool) -> None:
    b = Bench(HYDRO, profile=profile)
    b.begin(kind, AT_LOOP)
    (fault,) = b.truth.faults()
    assert fault.fixable is fixable
    assert fault.miners == tuple(MinerId(f"m{n}") for n in range(1, 7))


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("loop.flow_low", "loop:nowhere"),
        ("cdu.leak", "cdu:nobody"),
        ("site.heat_wave", "site:another"),
        ("loop.flow_low", AT_CDU),
    ],
)
def test_targets_that_are_not_there_are_refused(kind: str, target: str) -> None:
    b = Bench(IMMERSION)
    with pytest.raises(PolicyError):
        b.begin(kind, target)
