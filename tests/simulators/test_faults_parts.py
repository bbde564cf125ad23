"""Faults of parts: what they do to the plant, what mends them, and that the wire and fast-forward tell the same."""

from typing import Any

import pytest

from agent.model.errors import PolicyError
from agent.model.telemetry import Reach, Telemetry
from agent.model.topology import Cooling, Family
from simulators.fast_forward.telemetry import poll
from simulators.faults import FAULT_KINDS
from simulators.faults.parts import BOARD_RETURNS, PART_FAULTS
from simulators.plant.site import SitePlant
from simulators.plant.state import Board
from simulators.truth import Truth
from tests.contract.miner_replies import DRIVERS
from tests.simulators.devices_site import ask_raw, running
from tests.simulators.heat_site import heat_site
from tests.simulators.test_faults import M1, MINER, cycle, plant_of

EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
CURABLE = [kind.name for kind in PART_FAULTS if kind.fixable]
LONG_S = 1200.0


def broken(kind: str, family: Family = Family.ANTMINER_STOCK, **params: Any) -> SitePlant:
    plant = plant_of(family)
    FAULT_KINDS[kind].inject(plant, MINER, 10.0, **params)
    return plant


@EVERY_FAMILY
@pytest.mark.parametrize("kind", CURABLE)
def test_a_cold_cycle_of_a_minute_mends_what_it_can_and_nothing_milder_does(kind: str, family: Family) -> None:
    for cures, off_s in ((True, 60.0), (True, 45.0), (False, 60.0)):
        plant = broken(kind, family, cold_cures=cures)
        plant.miners[M1].restart_process(200.0)
        plant.advance(200.0 + LONG_S)
        assert not plant.miners[M1].healthy
        cycle(plant, 1500.0, off_s)
        plant.advance(1500.0 + LONG_S)
        assert plant.miners[M1].healthy is (cures and off_s >= 60.0)


@EVERY_FAMILY
@pytest.mark.parametrize("kind", PART_FAULTS, ids=lambda kind: kind.name)
def test_nothing_heals_by_itself_and_a_person_can_repair(kind: Any, family: Family) -> None:
    plant = broken(kind.name, family)
    plant.advance(4000.0)
    assert not plant.miners[M1].healthy
    kind.end(plant, MINER, 4000.0)
    plant.advance(4000.0 + LONG_S)
    miner = plant.miners[M1]
    assert (miner.healthy, miner.is_steady(plant.now)) == (True, True)


def test_of_dead_boards_as_many_come_back_as_documented_and_the_truth_knows_which() -> None:
    fixable = 0
    for seed in range(400):
        plant = SitePlant(plant_of().site, seed=seed)
        truth = Truth(plant)
        truth.inject("miner.board_lost", MINER, 10.0)
        (fault,) = truth.faults()
        fixable += fault.fixable
        assert fault.fixable is plant.miners[M1].fault.parts.cold_cures
    assert fixable / 400 == pytest.approx(BOARD_RETURNS, abs=0.06)


def test_a_lost_board_takes_its_share_of_rate_and_draw() -> None:
    plant = broken("miner.board_lost", board=2)
    plant.advance(700.0)
    m = plant.miners[M1]
    r = m.readings(700.0)
    assert r.parts.boards == (114, None, 114)
    assert r.board_rates_gh[1] == 0.0
    assert sum(r.board_rates_gh) == pytest.approx(r.rate_5s)
    assert r.rate_5m == pytest.approx(0.67 * m.target_gh, rel=0.06)
    assert r.power_w == pytest.approx(0.67 * m.full_w, rel=0.06)


@pytest.mark.parametrize(("family", "hashes"), [(Family.ANTMINER_STOCK, False), (Family.LUXOS, True)])
def test_some_firmware_refuses_to_hash_without_a_fan_after_a_boot_as_well(family: Family, hashes: bool) -> None:
    plant = broken("miner.fan_lost", family, fan=2)
    miner = plant.miners[M1]
    for at in (400.0, 1600.0):
        plant.advance(at)
        r = miner.readings(at)
        assert (r.fans_rpm[1], all(rpm > 0 for rpm in r.fans_rpm[2:])) == (0, True)
        assert (r.rate_5s > 0.5 * miner.target_gh) is hashes
        assert not miner.healthy
        miner.reboot(at)


def test_a_supply_cuts_out_for_moments_again_and_again() -> None:
    plant = broken("miner.psu_hiccup", every_s=1500.0)
    miner = plant.miners[M1]
    gone, cuts, was_up = 0.0, [], False
    for second in range(11, 12_000):
        plant.advance(float(second))
        up = miner.board is Board.UP
        if was_up and not up:
            cuts.append(second)
        if not up:
            gone += 1.0
            assert miner.power_w() < 30.0
        was_up = up
    assert 5 <= len(cuts) <= 9
    assert 30.0 <= gone / (len(cuts) + 1) <= 120.0


def test_hardware_errors_grow_while_it_is_degraded() -> None:
    plant = broken("miner.degraded")
    miner = plant.miners[M1]
    before = (miner.readings(10.0).hw_errors, miner.hashing.nonces())
    plant.advance(3610.0)
    grown = miner.readings(3610.0).hw_errors - before[0]
    assert grown / (miner.hashing.nonces() - before[1]) == pytest.approx(0.06, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("miner.degraded", {}),
        ("miner.chips_lost", {}),
        ("miner.board_lost", {}),
        ("miner.psu_hiccup", {"every_s": 20_000.0}),
        ("miner.rejects_board", {}),
        ("wire.drop", {"probability": 0.3}),
    ],
)
def test_what_ails_a_miner_evenly_leaves_it_steady_and_what_stops_it_does_not(
    kind: str, params: dict[str, Any]
) -> None:
    plant = broken(kind, **params)
    plant.advance(1500.0)
    assert plant.miners[M1].is_steady(1500.0)
    plant.miners[M1].stop_hashing(1500.0)
    assert not plant.miners[M1].is_steady(plant.now + 1000.0)


@EVERY_FAMILY
@pytest.mark.parametrize("kind", [k for k in PART_FAULTS if k.name != "miner.psu_hiccup"], ids=lambda kind: kind.name)
async def test_the_wire_and_fast_forward_tell_the_same(kind: Any, family: Family) -> None:
    async with running(family, latency_s=(0.0, 0.0), pools=1) as site:
        miner, now = site.miner(), site.plant.now
        kind.inject(site.plant, "miner:m1", now)
        wired = DRIVERS[family].decode((await ask_raw(site.host(), DRIVERS[family].request)).rstrip(b"\0"))
        came, told, _ = poll(miner, miner.spec.host, site.plant.now, site.plant.rng("poll"), 0)
        assert came is Reach.ANSWERED
        assert told is not None
        assert parts_of(wired) == parts_of(told)


def parts_of(t: Telemetry) -> tuple[object, ...]:
    """What is told of the parts, but for what changes from one second to the next."""
    boards = [(board.slot, board.chips, bool(board.rate_th), board.serial) for board in t.boards]
    return boards, [rpm > 0.0 for rpm in t.fans_rpm], t.codes


def test_a_miner_that_liquid_cools_has_no_fan_to_lose() -> None:
    site = heat_site(Cooling.HYDRO)
    plant = SitePlant(site, seed=3)
    kind, target = FAULT_KINDS["miner.fan_lost"], f"miner:{site.miners[0].id}"
    assert not kind.may_begin(plant, target)
    with pytest.raises(PolicyError, match="a miner with fans; got one in hydro: name one that air cools"):
        kind.inject(plant, target, 10.0)
