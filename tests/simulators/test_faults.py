"""Every fault kind does to the plant what it declares, and only its declared remedy mends it."""

from dataclasses import replace

import pytest

from agent.model.action import Verb
from agent.model.errors import InvariantError, PolicyError
from agent.model.ids import MinerId, PduId, PoolGroupId, PoolId
from agent.model.topology import Family, Miner, Outlet, PoolGroup
from simulators.faults import FAULT_KINDS, On, miners_of
from simulators.faults.kind import FaultKind, Knob, Value, number, numbers, outlets_of, ports_of
from simulators.faults.miner import MINER_FAULTS
from simulators.plant.power import RELAY_DELAY_S, REPLY_DELAY_S
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process, WireFault, WireFaultKind
from simulators.truth import Harm, Truth
from tests.factory import PDU, miner, pooled, site

MINER = "miner:m1"
M1 = MinerId("m1")
COUNTED = [kind for kind in MINER_FAULTS if kind.counts]
FOREVER_S = 900.0


def plant_of(family: Family = Family.ANTMINER_STOCK) -> SitePlant:
    return SitePlant(site((miner(1, family=family), miner(2, family=family))), seed=5)


def cycle(plant: SitePlant, at: float, off_s: float) -> float:
    plant.power.set_relay(Outlet(PDU, 1), False, at)
    plant.power.set_relay(Outlet(PDU, 1), True, at + off_s)
    return at + off_s + RELAY_DELAY_S


def remedy_works(kind: str, verb: Verb, family: Family, off_s: float = 30.0) -> bool:
    plant = plant_of(family)
    FAULT_KINDS[kind].inject(plant, MINER, 10.0)
    m = plant.miners[M1]
    if verb is Verb.RESTART:
        m.restart_process(200.0)
    elif verb is Verb.REBOOT:
        m.reboot(200.0)
    else:
        cycle(plant, 200.0, off_s)
    plant.advance(300.0 + FOREVER_S)
    return m.healthy


def test_every_kind_is_described() -> None:
    for name, kind in FAULT_KINDS.items():
        assert name == kind.name
        assert kind.does.endswith(".")
        assert kind.signature.endswith(".")
        assert kind.on
        assert kind.counts == bool(kind.counts and kind.causes)
        assert all(knob.meaning for knob in kind.knobs.values())


def test_what_befalls_a_pdu_or_a_wire_is_a_disturbance_unless_it_takes_the_power() -> None:
    for name, kind in FAULT_KINDS.items():
        lost = name in {"pdu.dark", "pdu.breaker_trip"}
        assert kind.counts is lost or not name.startswith(("pdu.", "wire."))
        assert kind.counts or kind.remedy is None


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_the_declared_remedy_is_the_mildest_that_works(kind: FaultKind, family: Family) -> None:
    ladder = [Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF]
    working = [verb for verb in ladder if remedy_works(kind.name, verb, family)]
    assert (working[0] if working else None) is kind.remedy
    assert kind.fixable is bool(working)


@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_nothing_heals_by_itself_and_a_person_can_always_repair(kind: FaultKind) -> None:
    plant = plant_of()
    kind.inject(plant, MINER, 10.0)
    plant.advance(FOREVER_S * 4)
    assert not plant.miners[M1].healthy
    kind.end(plant, MINER, FOREVER_S * 4)
    plant.advance(FOREVER_S * 5)
    assert plant.miners[M1].healthy


def test_a_person_who_comes_late_leaves_a_mended_miner_alone() -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("miner.process_died", MINER, 10.0, for_s=1000.0)
    plant.miners[M1].restart_process(200.0)
    plant.advance(1011.0)
    assert plant.miners[M1].healthy
    assert plant.miners[M1].readings(1011.0).elapsed_s == 811


def test_only_a_cold_cycle_of_thirty_seconds_frees_a_latched_supply() -> None:
    assert not remedy_works("miner.psu_latched", Verb.POWER_OFF, Family.LUXOS, off_s=29.0)
    assert remedy_works("miner.psu_latched", Verb.POWER_OFF, Family.LUXOS, off_s=30.0)
    assert remedy_works("miner.control_board_hung", Verb.POWER_OFF, Family.LUXOS, off_s=5.0)


def test_a_process_with_a_working_watchdog_heals_by_itself_on_stock_firmware() -> None:
    plant = plant_of()
    FAULT_KINDS["miner.process_died"].inject(plant, MINER, 10.0, watchdog=True)
    assert plant.miners[M1].process is Process.DEAD
    plant.advance(400.0)
    assert plant.miners[M1].healthy


def test_knobs_shape_the_fault() -> None:
    plant = plant_of()
    FAULT_KINDS["miner.control_board_hung"].inject(plant, MINER, 10.0, draw="full")
    FAULT_KINDS["miner.psu_dead"].inject(plant, "miner:m2", 10.0, standby_w=9.5)
    plant.advance(300.0)
    assert plant.miners[M1].power_w() > 3000.0
    assert plant.miners[M1].board is Board.HUNG
    assert plant.miners[MinerId("m2")].power_w() == 9.5


@pytest.mark.parametrize(
    ("kind", "target", "params", "message"),
    [
        ("miner.psu_dead", MINER, {"standby_w": 900.0}, "standby_w to be a number from 0.0 to 15.0"),
        ("miner.psu_dead", MINER, {"standby_w": True}, "standby_w to be a number"),
        ("miner.psu_dead", MINER, {"watts": 1.0}, "no parameter watts: expected one of: standby_w"),
        ("miner.psu_latched", MINER, {"x": 1.0}, "expected one of: none"),
        ("miner.control_board_hung", MINER, {"draw": "half"}, "one of idle, full; got 'half'"),
        ("miner.psu_dead", "pdu:pdu-1", {}, "of the form miner:"),
        ("miner.psu_dead", "miner:m9", {}, "no miner 'm9'"),
        ("miner.psu_dead", "m1", {}, "of the form miner:"),
        ("pdu.slow", "pdu:other", {}, "no PDU 'other'"),
        ("pdu.slow", "outlet:pdu-1/1", {}, "of the form pdu:"),
        ("pdu.set_lies", "outlet:pdu-1/25", {}, "outlets 1 to 24; got '25'"),
        ("pdu.set_lies", "outlet:pdu-1", {}, "outlets 1 to 24; got ''"),
        ("pdu.set_lies", "outlet:pdu-1/1", {"sets": 1.5}, "sets to be a whole number from 1 to 1000; got 1.5"),
        ("pdu.outlet_map_wrong", "outlet:pdu-1/1", {}, "of the form pdu:"),
        ("pdu.outlet_map_wrong", "pdu:pdu-1", {"swap": (3, 3)}, "swap to be two outlets; got .3, 3.: name a second"),
        (
            "pdu.outlet_map_wrong",
            "pdu:pdu-1",
            {"swap": (3, 25)},
            "two outlets of pdu-1, which has 1 to 24; got .3, 25.",
        ),
        ("pdu.outlet_map_wrong", "pdu:pdu-1", {"swap": (3,)}, "a list of 2 whole numbers, each from 1 to 512"),
        ("pdu.outlet_map_wrong", "pdu:pdu-1", {"swap": (3, 4.5)}, "a list of 2 whole numbers"),
        ("pdu.outlet_map_wrong", "pdu:pdu-1", {"swap": 3}, "a list of 2 whole numbers"),
        ("pdu.outlet_map_wrong", "pdu:pdu-1", {"swap": None}, "a list of 2 whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    kind: str, target: str, params: dict[str, Value], message: str
) -> None:
    plant = plant_of()
    with pytest.raises(PolicyError, match=message):
        FAULT_KINDS[kind].inject(plant, target, 0.0, **params)
    assert all(m.healthy for m in plant.miners.values())


def test_targets_name_the_miners_behind_them() -> None:
    two = site((miner(1, outlets=(1, 2)), miner(2, outlets=(3,))))
    assert miners_of(two, "pdu:pdu-1") == ("m1", "m2")
    assert miners_of(two, "outlet:pdu-1/2") == ("m1",)
    assert miners_of(two, "outlet:pdu-1/9") == ()
    assert miners_of(two, "miner:m2", frozenset({On.MINER})) == ("m2",)
    assert len(outlets_of(two, "pdu:pdu-1")) == 24


def test_those_behind_a_pool_have_it_first_and_those_behind_a_switch_are_at_its_ports() -> None:
    here = pooled(site(3), "primary", "backup")
    other = PoolGroup(PoolGroupId("other"), (PoolId("backup"), PoolId("primary")))
    last = replace(here.miners[2], pool_group=other.id, port=None)
    here = replace(here, miners=(*here.miners[:2], last), pool_groups=(*here.pool_groups, other))
    assert miners_of(here, "pool:primary") == ("m1", "m2")
    assert miners_of(here, "pool:backup") == ("m3",)
    assert miners_of(here, "switch:sw-1") == ("m1", "m2")
    assert miners_of(here, "port:sw-1/2") == ("m2",)
    assert miners_of(here, "port:sw-1/48") == ()
    assert len(ports_of(here, "switch:sw-1")) == 48


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("pool:third", "no pool 'third'"),
        ("pool:", "no pool ''"),
        ("switch:sw-2", "no switch 'sw-2'"),
        ("port:sw-1", "ports 1 to 48; got ''"),
        ("port:sw-1/49", "ports 1 to 48; got '49'"),
        ("port:sw-2/1", "no switch 'sw-2'"),
        ("rack:r1", "no rack 'r1'"),
        ("shelf:r1", "of the form miner:…, pdu:…, outlet:…, pool:…, switch:…, port:…"),
    ],
)
def test_a_target_that_the_site_lacks_is_refused(target: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        miners_of(pooled(site(2), "primary"), target)


def test_a_list_of_numbers_is_read_as_one_and_a_number_as_one() -> None:
    values: dict[str, Value] = {"some": (1, 2.5), "one": 3, "none": None}
    assert numbers(values, "some") == (1, 2.5)
    assert (number(values, "one"), number(values, "none")) == (3.0, 0.0)
    with pytest.raises(InvariantError):
        number(values, "some")
    with pytest.raises(InvariantError):
        numbers(values, "one")
    with pytest.raises(InvariantError):
        Knob((1, 2), "a list without bounds", length=2)


def test_what_befalls_many_asks_nobody_whether_he_is_well() -> None:
    plant = plant_of()
    FAULT_KINDS["miner.psu_dead"].inject(plant, MINER, 0.0)
    plant.advance(10.0)
    for kind in FAULT_KINDS.values():
        well = {word: f"{word}:x" for word in kind.on if word is not On.MINER}
        assert all(kind.may_begin(plant, target) for target in well.values())
        if On.MINER in kind.on:
            assert kind.may_begin(plant, MINER) is not kind.counts
            assert kind.may_begin(plant, "miner:m2")


@pytest.mark.parametrize("kind", [k.name for k in FAULT_KINDS.values() if k.counts and On.MINER in k.on])
def test_every_fault_of_a_miner_that_runs_in_full_is_felt(kind: str) -> None:
    members = tuple(replace(miner(k, family=family), mac=f"02:54:48:00:00:0{k}") for k, family in enumerate(Family, 1))
    plant = SitePlant(pooled(site(members), "primary", "backup"), seed=5)
    truth = Truth(plant)
    for spec in members:
        truth.inject(kind, f"miner:{spec.id}", 30.0)
    for at in range(60, 2460, 5):
        plant.advance(float(at))
    assert [fault.counts for fault in truth.faults()] == [True] * len(members)


# -- cords the wrong way round -----------------------------------------------------------------------------------------


SWAP = FAULT_KINDS["pdu.outlet_map_wrong"]


def swapped(*miners: Miner, swap: tuple[int, int] = (1, 2), at: float = 10.0) -> tuple[SitePlant, Truth]:
    plant = SitePlant(site(miners) if miners else site(4), seed=5)
    truth = Truth(plant)
    truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", at, swap=swap)
    return plant, truth


def test_swapped_cords_harm_nobody_until_somebody_acts() -> None:
    plant, truth = swapped()
    plant.advance(3600.0)
    assert all(m.healthy for m in plant.miners.values())
    (fault,) = truth.faults()
    assert (fault.counts, fault.miners, fault.over_at) == (False, ("m1", "m2"), None)
    assert truth.harm() == Harm()


def test_a_relay_behind_swapped_cords_switches_the_neighbour_and_that_is_harm() -> None:
    plant, truth = swapped()
    FAULT_KINDS["miner.control_board_hung"].inject(plant, MINER, 20.0)
    cycle(plant, 400.0, 35.0)
    assert plant.miners[M1].board is Board.HUNG, "the one it was meant for never lost power"
    assert not plant.miners[MinerId("m2")].healthy
    plant.advance(3000.0)
    assert plant.miners[MinerId("m2")].healthy
    harm = truth.harm()
    assert (harm.actions_on_healthy, harm.useless_power_cycles) == (1, 1)
    assert harm.miner_minutes_lost > 3.0
    plant.power.set_relay(Outlet(PDU, 2), False, 3000.0)
    plant.power.set_relay(Outlet(PDU, 2), True, 3040.0)
    plant.advance(6000.0)
    assert plant.miners[M1].healthy, "the neighbour's outlet is the one that helps"


def test_swapped_cords_swap_watts_and_breakers() -> None:
    plant, _ = swapped(swap=(1, 4))
    FAULT_KINDS["miner.psu_dead"].inject(plant, MINER, 20.0, standby_w=7.0)
    plant.advance(200.0)
    assert plant.power.power_w(Outlet(PDU, 4)) == 7.0
    assert plant.power.power_w(Outlet(PDU, 1)) > 3000.0
    first, second, *_ = plant.site.pdus[0].banks
    assert plant.power.bank_current_a(first) > 40.0 > plant.power.bank_current_a(second)


def test_an_empty_outlet_can_be_one_of_the_two() -> None:
    plant, truth = swapped(swap=(1, 20))
    assert truth.faults()[0].miners == ("m1",)
    cycle(plant, 100.0, 35.0)
    assert plant.miners[M1].healthy
    plant.power.set_relay(Outlet(PDU, 20), False, 200.0)
    plant.advance(210.0)
    assert plant.miners[M1].board is Board.OFF


def test_one_cord_of_two_goes_astray_and_the_other_stays() -> None:
    plant, _ = swapped(miner(1, outlets=(1, 2)), miner(3, outlets=(3,)), swap=(2, 3))
    plant.power.set_relay(Outlet(PDU, 3), False, 100.0)
    plant.advance(110.0)
    assert plant.miners[M1].live_feeds == 1
    assert plant.miners[MinerId("m3")].healthy
    plant.power.set_relay(Outlet(PDU, 3), True, 140.0)
    plant.power.set_relay(Outlet(PDU, 1), False, 140.0)
    plant.advance(150.0)
    assert plant.miners[M1].live_feeds == 1


def test_cords_put_right_are_right_whatever_was_done_to_them() -> None:
    plant, truth = swapped()
    for at, swap in ((11.0, (1, 2)), (12.0, (2, 3)), (13.0, (1, 3))):
        truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", at, for_s=100.0 if at == 13.0 else None, swap=swap)
    everyone = [m.spec.id for k in (1, 2, 3) for m in plant.power.fed_from(Outlet(PDU, k))]
    assert sorted(everyone) == ["m1", "m2", "m3"]
    assert everyone != ["m1", "m2", "m3"]
    plant.advance(200.0)
    assert [m.spec.id for k in (1, 2, 3) for m in plant.power.fed_from(Outlet(PDU, k))] == ["m1", "m2", "m3"]
    assert {fault.over_at for fault in truth.faults()} == {113.0}, "a person puts right all of them"
    assert all(m.healthy for m in plant.miners.values())


def test_cords_that_are_the_wrong_way_round_already_stay_so() -> None:
    plant, _ = swapped()
    SWAP.inject(plant, "pdu:pdu-1", 20.0, swap=(2, 1))
    assert [m.spec.id for k in (1, 2) for m in plant.power.fed_from(Outlet(PDU, k))] == ["m2", "m1"]


def test_cords_swapped_over_an_open_relay_take_the_power_with_them() -> None:
    plant, truth = swapped(at=100.0)
    SWAP.end(plant, "pdu:pdu-1", 110.0)
    plant.power.set_relay(Outlet(PDU, 1), False, 120.0)
    plant.advance(130.0)
    SWAP.inject(plant, "pdu:pdu-1", 140.0, swap=(1, 2))
    assert plant.miners[M1].board is not Board.OFF
    assert plant.miners[MinerId("m2")].board is Board.OFF
    plant.power.set_relay(Outlet(PDU, 1), True, 150.0)
    plant.advance(2000.0)
    assert all(m.healthy for m in plant.miners.values())
    assert truth.harm().outlets_left_off == 0


def test_a_lie_and_swapped_cords_go_together() -> None:
    plant, _ = swapped()
    FAULT_KINDS["pdu.set_lies"].inject(plant, "outlet:pdu-1/1", 20.0, mode="refuse")
    assert not plant.power.command(Outlet(PDU, 1), False, 30.0)
    plant.advance(40.0)
    assert plant.miners[MinerId("m2")].board is Board.OFF
    assert plant.miners[M1].healthy


def test_a_pdu_lies_both_ways_and_stops_after_its_count() -> None:
    plant = plant_of()
    lies = FAULT_KINDS["pdu.set_lies"]
    one, two = Outlet(PDU, 1), Outlet(PDU, 2)
    lies.inject(plant, "outlet:pdu-1/1", 0.0, mode="accept", sets=1)
    assert plant.power.command(one, False, 0.0)
    plant.advance(10.0)
    assert plant.power.relay_on(one)
    assert plant.power.command(one, False, 10.0)
    plant.advance(20.0)
    assert not plant.power.relay_on(one)
    lies.inject(plant, "pdu:pdu-1", 20.0, mode="refuse")
    assert not plant.power.command(two, False, 20.0)
    plant.advance(30.0)
    assert not plant.power.relay_on(two)
    lies.end(plant, "pdu:pdu-1", 30.0)
    assert plant.power.command(two, True, 30.0)


def test_a_slow_pdu_becomes_as_fast_as_before() -> None:
    plant = plant_of()
    slow, pdu = FAULT_KINDS["pdu.slow"], plant.power.pdu[PduId("pdu-1")]
    slow.inject(plant, "pdu:pdu-1", 0.0, relay_delay_s=12.0)
    slow.inject(plant, "pdu:pdu-1", 1.0, relay_delay_s=15.0)
    plant.power.command(Outlet(PDU, 1), False, 1.0)
    plant.advance(15.9)
    assert plant.power.relay_on(Outlet(PDU, 1))
    plant.advance(16.0)
    assert not plant.power.relay_on(Outlet(PDU, 1))
    slow.end(plant, "pdu:pdu-1", 20.0)
    assert (pdu.reply_delay_s, pdu.relay_delay_s) == (REPLY_DELAY_S, RELAY_DELAY_S)


@pytest.mark.parametrize("kind", list(WireFaultKind))
def test_the_wire_is_disturbed_and_the_miner_goes_on(kind: WireFaultKind) -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject(f"wire.{kind}", MINER, 10.0, for_s=60.0)
    assert plant.miners[M1].wire == WireFault(kind)
    plant.advance(69.9)
    assert plant.miners[M1].wire is not None
    plant.advance(70.0)
    assert plant.miners[M1].wire is None
    assert plant.miners[M1].healthy
    assert truth.faults()[0].over_at == 70.0


def test_the_end_of_one_disturbance_of_the_wire_leaves_another_alone() -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("wire.garbage", MINER, 10.0, for_s=60.0)
    truth.inject("wire.silent", MINER, 20.0, for_s=600.0)
    plant.advance(100.0)
    assert plant.miners[M1].wire == WireFault(WireFaultKind.SILENT)
    plant.advance(620.0)
    assert plant.miners[M1].wire is None
