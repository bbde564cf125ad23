"""Firmware as state: what ails it, what cures that, and flashes cut in every phase."""

import itertools
from dataclasses import replace

import pytest

from agent.model.topology import Family
from simulators.plant.flash import CRITICAL, Check, Phase
from simulators.plant.history import CALM
from simulators.plant.image import ControlBoard, Image, board_of, boards_of, model_key
from simulators.plant.journal import What
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process
from simulators.plant.system import Ailment, Cure
from tests.factory import miner, site

EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
SETTLED_S = 1200.0
"""Long enough for any family to boot, start and reach its rate."""


def plant_of(family: Family) -> tuple[SitePlant, MinerPlant]:
    plant = SitePlant(site((miner(1, family=family),)), seed=11, history=CALM)
    return plant, next(iter(plant.miners.values()))


def image_for(m: MinerPlant, **differs: object) -> Image:
    fields = {
        "name": "a1",
        "family": m.spec.family,
        "version": "2026.1",
        "models": frozenset({model_key(m.spec.model)}),
        "boards": frozenset({m.system.control_board}),
    }
    return Image(**(fields | differs))  # type: ignore[arg-type]


def flash(m: MinerPlant, now: float, image: Image, check: Check = Check.NONE, *, resets: bool = False) -> str:
    return m.system.flash(now, image, check=check, restarts_in_s=3.0, resets=resets)


def pass_until(plant: SitePlant, m: MinerPlant, phase: Phase, now: float) -> float:
    while m.system.flashing is None or m.system.flashing.record.phase is not phase:
        now += 0.5
        plant.advance(now)
        assert now < 4000.0
    return now


@EVERY_FAMILY
@pytest.mark.parametrize("ailment", list(Ailment))
def test_only_a_cure_that_is_strong_enough_helps(family: Family, ailment: Ailment) -> None:
    for needed in Cure:
        for tried in (Cure.RESTART, Cure.REBOOT, Cure.FLASH):
            plant, m = plant_of(family)
            m.system.ail(10.0, ailment, cured_by=needed, every_s=300.0)
            at = next(t for t in range(60, 2000, 5) if plant.advance(t) is None and m.board is Board.UP)
            if tried is Cure.RESTART:
                m.restart_process(at)
            elif tried is Cure.REBOOT:
                m.reboot(at)
            else:
                assert not flash(m, at, image_for(m))
            plant.advance(at + SETTLED_S + 600.0)
            assert m.healthy is (tried >= needed), (needed, tried)
            assert m.system.is_sound is (tried >= needed)


@EVERY_FAMILY
def test_a_boot_loop_is_a_saw_tooth_that_is_never_healthy(family: Family) -> None:
    plant, m = plant_of(family)
    m.system.ail(10.0, Ailment.BOOT_LOOP, cured_by=Cure.FLASH, every_s=600.0)
    ages = [m.readings(t).uptime_s for t in range(10, 7200, 10)]
    falls = sum(b < a for a, b in itertools.pairwise(ages))
    assert max(ages) <= 660
    assert 9 <= falls <= 12
    entries = [e.what for e in plant.journal.entries if e.at >= 10.0]
    assert entries == [What.UNHEALTHY]
    assert m.system.codes(7200.0)


@EVERY_FAMILY
def test_a_corrupt_firmware_leaves_the_board_up_and_no_process(family: Family) -> None:
    plant, m = plant_of(family)
    m.system.ail(10.0, Ailment.CORRUPT, cured_by=Cure.FLASH)
    for at in (600.0, 1200.0):
        plant.advance(at)
        assert (m.board, m.process) == (Board.UP, Process.DEAD)
        assert m.restart_process(at)
    assert m.readings(1201.0).uptime_s > 1000
    assert m.power_w() < 30.0


@EVERY_FAMILY
def test_a_stumble_heals_by_itself_and_leaves_its_code_for_half_an_hour(family: Family) -> None:
    plant, m = plant_of(family)
    m.system.stumble(10.0)
    assert not m.healthy
    assert len(m.system.codes(11.0)) == 1
    plant.advance(10.0 + 95.0)
    assert m.board is Board.UP
    plant.advance(SETTLED_S)
    assert m.healthy
    assert m.system.is_sound
    assert m.system.codes(1820.0) == ()


def test_a_start_that_was_asked_for_has_no_crash_to_tell_of() -> None:
    plant, m = plant_of(Family.WHATSMINER)
    m.system.stumble(0.0)
    assert m.readings(1500.0).parts.codes == ("710",)
    assert not m.is_steady(1500.0)  # else nobody in fast-forward would see the code go
    assert m.readings(1900.0).parts.codes == ()
    assert m.is_steady(1900.0)
    m.system.stumble(2000.0)
    plant.advance(2200.0)
    m.restart_process(2200.0)
    assert m.readings(2201.0).parts.codes == ()


def test_a_whatsminer_that_stumbles_says_710_and_answers_again_within_90_s() -> None:
    plant, m = plant_of(Family.WHATSMINER)
    m.system.stumble(0.0)
    plant.advance(90.0)
    assert m.process in {Process.STARTING, Process.RUNNING}
    assert [code.code for code in m.system.codes(90.0)] == ["710"]


@EVERY_FAMILY
def test_a_good_flash_takes_minutes_and_shows_its_version(family: Family) -> None:
    plant, m = plant_of(family)
    assert not flash(m, 10.0, image_for(m), Check.SIGNATURE, resets=True)
    (record,) = plant.journal.flashes
    assert record.under_way
    assert m.process is Process.RUNNING
    at = pass_until(plant, m, Phase.WRITING, 10.0)
    assert m.process is Process.STOPPED
    assert m.restart_process(at)
    assert m.process is Process.STOPPED
    at = pass_until(plant, m, Phase.DONE, at)
    assert 60.0 < at - 10.0 < 240.0
    assert record.ended_at is not None
    plant.advance(at + SETTLED_S)
    assert (m.system.version, record.bricked) == ("2026.1", False)
    assert m.board is Board.UP
    # Its pools are gone with its settings; with them it hashes.
    assert not m.healthy
    assert m.client.lines == ()
    m.set_pools(at + SETTLED_S, plant.pools.lines_for(m.spec))
    plant.advance(at + 2 * SETTLED_S)
    assert m.healthy


@EVERY_FAMILY
@pytest.mark.parametrize("phase", [Phase.RECEIVED, Phase.VERIFYING, Phase.ERASING, Phase.WRITING, Phase.DONE])
@pytest.mark.parametrize("how", ["power", "reboot"])
def test_a_cut_while_erasing_or_writing_costs_the_board(family: Family, phase: Phase, how: str) -> None:
    plant, m = plant_of(family)
    old = m.system.version
    m.system.flash(10.0, image_for(m), check=Check.NONE, restarts_in_s=None, resets=False)
    at = pass_until(plant, m, phase, 10.0)
    if how == "power":
        m.set_energised(False, at)
        m.set_energised(True, at + 20.0)
    else:
        assert m.reboot(at)
    plant.advance(at + SETTLED_S)
    (record,) = plant.journal.flashes
    assert (m.board is Board.BRICKED) is record.bricked is (phase in CRITICAL)
    if record.bricked:
        assert not m.healthy
        assert not m.reboot(plant.now)
        assert m.power_w() < 30.0
        assert [e.what for e in plant.journal.entries].count(What.BRICKED) == 1
    else:
        assert m.healthy
        assert m.system.version == ("2026.1" if phase is Phase.DONE else old)


@pytest.mark.parametrize(
    ("differs", "check", "refused", "bricked"),
    [
        ({"whole": False}, Check.CHECKSUM, True, False),
        ({"whole": False}, Check.SIGNATURE, True, False),
        ({"whole": False}, Check.NONE, False, True),
        ({"signed": False}, Check.SIGNATURE, True, False),
        ({"signed": False}, Check.CHECKSUM, False, False),
        ({"models": frozenset({"s21"})}, Check.SIGNATURE, True, False),
        ({"models": frozenset({"s21"})}, Check.CHECKSUM, False, True),
        ({"boards": frozenset({ControlBoard.H3})}, Check.SIGNATURE, True, False),
        ({"boards": frozenset({ControlBoard.H3})}, Check.NONE, False, True),
        ({"family": Family.WHATSMINER}, Check.NONE, False, True),
    ],
)
def test_a_wrong_image_is_refused_or_bricks(
    differs: dict[str, object], check: Check, refused: bool, bricked: bool
) -> None:
    plant, m = plant_of(Family.LUXOS)
    assert not flash(m, 10.0, image_for(m, **differs), check)
    plant.advance(10.0 + SETTLED_S)
    (record,) = plant.journal.flashes
    assert (record.phase is Phase.REFUSED, record.bricked) == (refused, bricked)
    assert record.fits is (not refused and not bricked) or "signed" in differs
    assert (m.board is Board.BRICKED) is bricked
    assert m.healthy is not bricked


def test_worn_flash_memory_is_lost_with_any_image() -> None:
    plant, m = plant_of(Family.LUXOS)
    m.system.worn = True
    m.system.ail(5.0, Ailment.CORRUPT, cured_by=Cure.NOTHING)
    flash(m, 30.0, image_for(m), Check.SIGNATURE)
    plant.advance(SETTLED_S)
    assert m.board is Board.BRICKED
    m.repair(SETTLED_S)
    plant.advance(2 * SETTLED_S)
    assert m.healthy


def test_one_flash_at_a_time() -> None:
    plant, m = plant_of(Family.LUXOS)
    assert not flash(m, 10.0, image_for(m))
    assert flash(m, 20.0, image_for(m)) == "a flash is under way"
    assert [f.phase for f in plant.journal.flashes] == [Phase.VERIFYING, Phase.REFUSED]


def test_a_boot_loop_does_not_cut_the_flash_that_erases_it() -> None:
    for begin in range(100, 800, 60):
        plant, m = plant_of(Family.LUXOS)
        m.system.ail(10.0, Ailment.BOOT_LOOP, cured_by=Cure.FLASH, every_s=300.0)
        plant.advance(begin)
        if m.board is Board.UP:
            flash(m, begin, image_for(m))
            plant.advance(begin + SETTLED_S)
            assert m.board is not Board.BRICKED


def test_control_boards_are_drawn_from_the_seed_by_model() -> None:
    fleet = tuple(miner(k, family=Family.LUXOS) for k in range(1, 25))
    drawn = [m.system.control_board for m in SitePlant(site(fleet), seed=4).miners.values()]
    assert drawn == [m.system.control_board for m in SitePlant(site(fleet), seed=4).miners.values()]
    assert set(drawn) == {ControlBoard.ZYNQ, ControlBoard.BEAGLEBONE}
    assert boards_of(Family.WHATSMINER, "M50S_VJ30") == (ControlBoard.H6,)
    calm = SitePlant(site(fleet), seed=4, history=CALM).history
    assert board_of(replace(fleet[0], model="Antminer S19k Pro"), calm) is ControlBoard.CVITEK


@pytest.mark.parametrize(
    ("model", "key"), [("Antminer S19 Pro", "s19pro"), ("S19k Pro", "s19kpro"), ("M50S_VJ30", "m50s")]
)
def test_models_are_compared_without_brand_and_variant(model: str, key: str) -> None:
    assert model_key(model) == key
