"""Every fault kind does to the plant what it declares, and only its declared remedy mends it."""

import pytest

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PduId
from agent.model.topology import Family, Outlet
from simulators.faults import FAULT_KINDS, On, miners_of
from simulators.faults.kind import outlets_of
from simulators.plant.power import RELAY_DELAY_S, REPLY_DELAY_S
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process, WireFault, WireFaultKind
from simulators.truth import Truth
from tests.factory import PDU, miner, site

MINER = "miner:m1"
M1 = MinerId("m1")
COUNTED = [kind for kind in FAULT_KINDS.values() if kind.counts]
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


def test_disturbances_are_those_of_wire_and_pdu() -> None:
    assert {name for name, kind in FAULT_KINDS.items() if not kind.counts} == {
        "pdu.set_lies",
        "pdu.slow",
        "wire.garbage",
        "wire.silent",
        "wire.drop",
    }


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_the_declared_remedy_is_the_mildest_that_works(kind, family: Family) -> None:  # type: ignore[no-untyped-def]
    ladder = [Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF]
    working = [verb for verb in ladder if remedy_works(kind.name, verb, family)]
    assert (working[0] if working else None) is kind.remedy
    assert kind.fixable is bool(working)


@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_nothing_heals_by_itself_and_a_person_can_always_repair(kind) -> None:  # type: ignore[no-untyped-def]
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
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    kind: str, target: str, params: dict[str, float | str], message: str
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
