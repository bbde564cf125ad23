"""Faults of a miner's firmware, and of what it is flashed with and through."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.model.action import Verb
from agent.model.ids import ImageId, MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import FAMILY_TRAITS, Site, Transport
from simulators.faults.kind import FaultKind, Knob, On, Values, miner_at, number, repair
from simulators.plant.image import ImageShelf
from simulators.plant.site import SitePlant
from simulators.plant.state import SshTrouble
from simulators.plant.system import Ailment, Cure

_AGAIN = frozenset({Reason.BOOT_LOOP, Reason.CRASHED})
_DEAD = frozenset({Reason.CRASHED, Reason.UNRESPONSIVE})
_MINER = frozenset({On.MINER})

REMEDIES: Mapping[str, Verb | None] = {
    "restart": Verb.RESTART,
    "reboot": Verb.REBOOT,
    "flash": Verb.FLASH,
    "nothing": None,
}
_CURES: Mapping[str, Cure] = {
    "restart": Cure.RESTART,
    "reboot": Cure.REBOOT,
    "flash": Cure.FLASH,
    "nothing": Cure.NOTHING,
}


def _ails(ailment: Ailment) -> Callable[[SitePlant, str, float, Values], None]:
    def start(plant: SitePlant, target: str, now: float, values: Values) -> None:
        every_s = number(values, "every_s") if "every_s" in values else 0.0
        miner_at(plant, target).system.ail(now, ailment, cured_by=_CURES[str(values["cured_by"])], every_s=every_s)

    return start


def _wears_out(plant: SitePlant, target: str, now: float, _: Values) -> None:
    system = miner_at(plant, target).system
    system.worn = True
    system.ail(now, Ailment.CORRUPT, cured_by=Cure.NOTHING)


def _stumbles(plant: SitePlant, target: str, now: float, _: Values) -> None:
    miner_at(plant, target).system.stumble(now)


def _leave_alone(_plant: SitePlant, _target: str, _now: float) -> None:
    """It is over by itself."""


def _can_flash(plant: SitePlant, target: str, values: Values) -> bool:
    """Whether whoever has to flash can: there is an image that fits and starts, and a way in."""
    if REMEDIES[str(values["cured_by"])] is not Verb.FLASH:
        return True
    miner = miner_at(plant, target)
    by_ssh = FAMILY_TRAITS[miner.spec.family].transport is Transport.SSH
    if by_ssh and (miner.ssh.locked or miner.ssh.key_changed):
        return False
    shelf = (plant.images.named(image.sha256) for image in plant.site.images)
    return any(image.starts and image.fits(miner.spec, miner.system.control_board) for image in shelf)


def _cured_by(default: str) -> Knob:
    meaning = "the mildest that cures it; a power cycle does what a reboot does"
    return Knob(default, meaning, choices=tuple(REMEDIES))


def _firmware_fault(
    ailment: Ailment, *, name: str, does: str, signature: str, cured_by: str, **knobs: Knob
) -> FaultKind:
    """Return the fault kind of one ailment."""
    return FaultKind(
        name=f"miner.{name}",
        category=Category.FIRMWARE,
        counts=True,
        remedy=REMEDIES[cured_by],
        remedies=REMEDIES,
        causes=_DEAD if ailment is Ailment.CORRUPT else _AGAIN,
        does=does,
        signature=signature,
        on=_MINER,
        start=_ails(ailment),
        stop=repair,
        knobs={**knobs, "cured_by": _cured_by(cured_by)},
        curable=_can_flash,
    )


FIRMWARE_FAULTS = (
    _firmware_fault(
        Ailment.BOOT_LOOP,
        name="boot_loop",
        cured_by="flash",
        does="The control board starts afresh again and again, by itself.",
        signature=(
            "A saw-tooth: uptime never passes the interval. Code 710 on a Whatsminer, REBOOT_SYSINIT among the events "
            "of LuxOS, ERROR_SOC_INIT in a stock Antminer's log."
        ),
        every_s=Knob(600.0, "uptime that it does not pass, in s, to a tenth", span=(300.0, 900.0)),
    ),
    _firmware_fault(
        Ailment.CRASHES,
        name="crash_loop",
        cured_by="restart",
        does="The mining process exits again and again, and is started again each time.",
        signature=(
            "The process's age is a saw-tooth, the board's is not; crash codes as of a boot loop, 902 on a Whatsminer."
        ),
        every_s=Knob(300.0, "age that the process does not pass, in s, to a tenth", span=(150.0, 900.0)),
    ),
    _firmware_fault(
        Ailment.CORRUPT,
        name="firmware_corrupt",
        cured_by="flash",
        does="The installed firmware is damaged: the mining process dies at each start.",
        signature=(
            "As a mining process that died, and no restart and no reboot brings it back: web pages and SSH answer. "
            "Code 800 on a Whatsminer, REBOOT_SYSINIT among the events of LuxOS, a checksum in a stock Antminer's log."
        ),
    ),
    FaultKind(
        name="miner.flash_bricks",
        category=Category.FIRMWARE,
        counts=True,
        remedy=None,
        causes=_DEAD,
        does="The flash memory is worn out: the firmware in it is damaged, and writing it again costs the board.",
        signature="As firmware_corrupt, until it is flashed: then dark on the network, at idle watts, for good.",
        on=_MINER,
        start=_wears_out,
        stop=repair,
    ),
    FaultKind(
        name="miner.crash_code",
        category=Category.FIRMWARE,
        counts=False,
        remedy=None,
        causes=_AGAIN,
        does=(
            "The firmware fails once and answers again within 60 to 90 s, by itself: nothing to act on. Several times "
            "within half an hour are a pattern."
        ),
        signature="Uptime begins anew, once, beside a crash code that stays for half an hour: 710 on a Whatsminer.",
        on=_MINER,
        start=_stumbles,
        stop=_leave_alone,
        passes=True,
    ),
)


# -- what miners are flashed with, and through -------------------------------------------------------------------------


def _nobody(_site: Site, _target: str, _values: Values) -> tuple[MinerId, ...]:
    return ()


def _image_fault(name: str, change: Callable[[ImageShelf, ImageId], None], *, does: str, signature: str) -> FaultKind:
    def sha256(target: str) -> ImageId:
        return ImageId(target.partition(":")[2])

    return FaultKind(
        name=f"image.{name}",
        category=Category.FIRMWARE,
        counts=False,
        remedy=None,
        causes=_DEAD,
        does=does,
        signature=signature,
        on=frozenset({On.IMAGE}),
        start=lambda plant, target, _now, _values: change(plant.images, sha256(target)),
        stop=lambda plant, target, _now: plant.images.restore(sha256(target)),
        hits=_nobody,
    )


def _ssh_fault(
    name: str,
    change: Callable[[SshTrouble, Values], SshTrouble],
    undo: Callable[[SshTrouble], SshTrouble],
    *,
    does: str,
    signature: str,
    **knobs: Knob,
) -> FaultKind:
    def start(plant: SitePlant, target: str, _: float, values: Values) -> None:
        miner = miner_at(plant, target)
        miner.ssh = change(miner.ssh, values)

    def stop(plant: SitePlant, target: str, _: float) -> None:
        miner = miner_at(plant, target)
        miner.ssh = undo(miner.ssh)

    return FaultKind(
        name=f"ssh.{name}",
        category=Category.FIRMWARE,
        counts=False,
        remedy=None,
        causes=_DEAD,
        does=does,
        signature=signature,
        on=_MINER,
        start=start,
        stop=stop,
        knobs=knobs,
        hits=_nobody,
    )


FLASHING_FAULTS = (
    _image_fault(
        "bad",
        ImageShelf.spoil,
        does="The image is a bad release: checksum and signature are right, and a board that runs it does not start.",
        signature="None until the first miner is flashed with it: that one does not come back.",
    ),
    _image_fault(
        "wrong_model",
        ImageShelf.swap,
        does="The image is for another model than the configuration says.",
        signature="A stock Antminer and a Whatsminer refuse it; a board that is written over SSH does not come back.",
    ),
    _ssh_fault(
        "locked",
        lambda ssh, _: replace(ssh, locked=True),
        lambda ssh: replace(ssh, locked=False),
        does="SSH is switched off, as signed stock firmware does it.",
        signature="Port 22 refuses connections.",
    ),
    _ssh_fault(
        "cut",
        lambda ssh, values: replace(ssh, cut_after_bytes=int(number(values, "after_bytes"))),
        lambda ssh: replace(ssh, cut_after_bytes=None),
        does="Every SSH connection breaks once the miner has received so much on it; what it has started goes on.",
        signature="Connections are reset in the middle.",
        after_bytes=Knob(100_000, "bytes from the client, log-in included", span=(1, 1_000_000_000), whole=True),
    ),
    _ssh_fault(
        "key_changed",
        lambda ssh, _: replace(ssh, key_changed=True),
        lambda ssh: replace(ssh, key_changed=False),
        does="The miner shows another host key than before: another board, or somebody in between.",
        signature="The host key is not the pinned one.",
    ),
)
