"""Firmware faults: the declared remedy is the mildest that works, and flashing leaves its marks in the truth."""

from dataclasses import replace

import pytest

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.ids import ImageId
from agent.model.topology import Family, Image, Site
from simulators.faults import FAULT_KINDS, miners_of
from simulators.faults.firmware import FIRMWARE_FAULTS, REMEDIES
from simulators.faults.kind import FaultKind
from simulators.plant.flash import Check, Phase
from simulators.plant.image import board_name, boards_of
from simulators.plant.site import SitePlant
from simulators.plant.state import Board
from simulators.truth import Harm, Truth
from tests.factory import miner, site

MINER = "miner:m1"
SHA, OTHER = ImageId("a" * 64), ImageId("b" * 64)
SETTLED_S = 1500.0
COUNTED = [kind for kind in FIRMWARE_FAULTS if kind.counts]
EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))


def image_for(family: Family, sha256: ImageId = SHA, model: str = "S19 Pro") -> Image:
    boards = tuple(board_name(family, board) for board in boards_of(family, model))
    return Image(sha256, "/nowhere/image", family, (model,), boards, "2026.1")


def site_of(family: Family = Family.LUXOS, *, miners: int = 1, images: bool = True) -> Site:
    bare = site(tuple(miner(k, family=family) for k in range(1, miners + 1)))
    return replace(bare, images=(image_for(family), image_for(family, OTHER))) if images else bare


def plant_of(family: Family = Family.LUXOS, **how: bool) -> SitePlant:
    return SitePlant(site_of(family, **how), seed=5)


def up_since(plant: SitePlant, at: float) -> float:
    m = next(iter(plant.miners.values()))
    plant.advance(at)
    while m.board is not Board.UP:
        at += 1.0
        plant.advance(at)
    return at


def flash(plant: SitePlant, at: float, sha256: ImageId = SHA, *, check: Check = Check.CHECKSUM) -> None:
    m = next(iter(plant.miners.values()))
    m.system.flash(at, plant.images.named(sha256), check=check, restarts_in_s=3.0, resets=False)


def tried(plant: SitePlant, verb: Verb, at: float) -> bool:
    m = next(iter(plant.miners.values()))
    at = up_since(plant, at)
    if verb is Verb.RESTART:
        m.restart_process(at)
    elif verb is Verb.REBOOT:
        m.reboot(at)
    else:
        flash(plant, at)
    plant.advance(at + SETTLED_S)
    return m.healthy


@EVERY_FAMILY
@pytest.mark.parametrize("cured_by", list(REMEDIES))
@pytest.mark.parametrize("kind", [k for k in COUNTED if k.remedies], ids=lambda kind: kind.name)
def test_the_mildest_remedy_that_works_is_the_one_that_the_knob_names(
    kind: FaultKind, cured_by: str, family: Family
) -> None:
    working = []
    for verb in (Verb.RESTART, Verb.REBOOT, Verb.FLASH):
        plant = plant_of(family)
        kind.inject(plant, MINER, 10.0, cured_by=cured_by)
        if tried(plant, verb, 200.0):
            working.append(verb)
    assert (working[0] if working else None) is kind.remedy_for({"cured_by": cured_by})
    assert kind.is_fixable(plant_of(family), MINER, {"cured_by": cured_by}) is bool(working)


@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_nothing_heals_by_itself_and_a_person_can_always_repair(kind: FaultKind) -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject(kind.name, MINER, 10.0, for_s=7000.0)
    m = next(iter(plant.miners.values()))
    for at in range(20, 7000, 20):
        plant.advance(float(at))
        assert not m.healthy
    plant.advance(7010.0 + SETTLED_S)
    assert m.healthy
    (fault,) = truth.faults()
    assert fault.over_at is not None
    assert fault.over_at > 7010.0


def test_a_worn_board_is_lost_with_the_flash_and_nothing_fixes_it() -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("miner.flash_bricks", MINER, 10.0)
    assert not tried(plant, Verb.FLASH, 60.0)
    (fault,) = truth.faults()
    assert not fault.fixable
    assert fault.over_at is None
    assert truth.harm() == Harm(bricked=1)


@EVERY_FAMILY
def test_one_crash_is_a_disturbance_that_passes(family: Family) -> None:
    plant = plant_of(family)
    truth = Truth(plant)
    truth.inject("miner.crash_code", MINER, 10.0)
    plant.advance(SETTLED_S)
    (fault,) = truth.faults()
    assert not fault.counts
    assert fault.over_at is not None
    assert fault.over_at < 600.0


def test_what_must_be_flashed_can_be_only_with_an_image_and_a_way_in() -> None:
    corrupt = FAULT_KINDS["miner.firmware_corrupt"]
    assert corrupt.is_fixable(plant_of(), MINER, {})
    assert not corrupt.is_fixable(plant_of(images=False), MINER, {})
    assert corrupt.is_fixable(plant_of(images=False), MINER, {"cured_by": "reboot"})
    for family, locked_out in ((Family.LUXOS, True), (Family.WHATSMINER, False)):
        for kind in ("ssh.locked", "ssh.key_changed"):
            plant = plant_of(family)
            FAULT_KINDS[kind].inject(plant, MINER, 10.0)
            assert corrupt.is_fixable(plant, MINER, {}) is not locked_out
            FAULT_KINDS[kind].end(plant, MINER, 20.0)
            assert corrupt.is_fixable(plant, MINER, {})


@EVERY_FAMILY
@pytest.mark.parametrize("kind", ["image.bad", "image.wrong_model"])
def test_a_spoilt_image_misleads_whoever_trusts_it_until_it_is_put_right(kind: str, family: Family) -> None:
    plant = plant_of(family)
    truth = Truth(plant)
    truth.inject(kind, f"image:{SHA}", 5.0, for_s=100.0)
    truth.inject("miner.firmware_corrupt", MINER, 10.0)
    signed = family is not Family.LUXOS
    flash(plant, 60.0, check=Check.SIGNATURE if signed else Check.CHECKSUM)
    plant.advance(60.0 + SETTLED_S)
    refused = signed and kind == "image.wrong_model"
    (record,) = plant.journal.flashes
    assert (record.phase is Phase.REFUSED, record.bricked) == (refused, not refused)
    assert truth.harm() == Harm(bricked=int(not refused))
    assert plant.images.named(SHA).starts
    assert truth.faults()[0].miners == ()


def test_an_image_that_nobody_published_is_a_wrong_one() -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("miner.firmware_corrupt", MINER, 10.0)
    flash(plant, 60.0, ImageId("c" * 64))
    plant.advance(200.0)
    assert truth.harm() == Harm(wrong_images=1)
    assert plant.images.of(b"").name == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_second_flash_without_a_new_fault_is_one_too_many() -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("miner.firmware_corrupt", MINER, 10.0)
    flash(plant, 60.0)
    flash(plant, 65.0)
    assert truth.harm().flashes_twice == 1
    plant.advance(60.0 + SETTLED_S)
    truth.inject("miner.firmware_corrupt", MINER, 3000.0)
    flash(plant, 3060.0)
    assert truth.harm().flashes_twice == 1
    plant.advance(3060.0 + SETTLED_S)
    flash(plant, 9000.0)
    assert truth.harm().flashes_twice == 2
    assert truth.harm().actions_on_healthy == 1


@pytest.mark.parametrize(("by_command", "cuts"), [(True, 1), (False, 0)])
def test_a_cut_by_command_is_somebodys_fault_and_a_tripped_breaker_is_not(by_command: bool, cuts: int) -> None:
    plant = plant_of()
    truth = Truth(plant)
    truth.inject("miner.firmware_corrupt", MINER, 10.0)
    flash(plant, 60.0)
    plant.advance(110.0)
    m = next(iter(plant.miners.values()))
    if by_command:
        plant.power.set_relay(m.spec.outlets[0], False, 110.0)
    else:
        m.set_energised(False, 110.0)
    plant.advance(130.0)
    assert truth.harm().power_cuts_while_flashing == cuts
    m.set_energised(True, 140.0)
    plant.advance(140.0 + SETTLED_S)
    assert truth.harm().bricked == 1


def test_an_image_is_named_by_its_digest_and_concerns_whom_it_may_be_for() -> None:
    both = site((miner(1, family=Family.LUXOS), miner(2, family=Family.WHATSMINER)))
    both = replace(both, images=(image_for(Family.LUXOS),))
    assert miners_of(both, f"image:{SHA}") == ("m1",)
    with pytest.raises(PolicyError, match="no image 'x'"):
        miners_of(both, "image:x")
