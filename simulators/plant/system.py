"""What runs on a miner's control board: the installed firmware, what ails it, a flash under way, and what it logs.

It decides whether a boot and a start of the mining process come to anything, and when the one or the other ends by
itself. How a board boots and a process starts is the miner's life.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from agent.model.topology import Family, Miner
from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.flash import Check, Flashing, FlashRecord, Phase, objection
from simulators.plant.image import ControlBoard, Image
from simulators.plant.journal import Journal, What
from simulators.plant.profile import Span

CODE_STAYS_S = 1800.0
"""A crash code is shown for so long after what it tells of. An estimate."""

JITTER: Span = (0.9, 1.1)
"""How evenly a sick firmware fails, as factors on its interval."""

RESTARTS_S = 3.0
"""From the end of a flash by the vendor's own way until the board starts afresh. An estimate."""

LOG_LINES = 400
SHOWN = 8
"""Codes that a device remembers."""


class Ailment(StrEnum):
    """What can be wrong with what runs on a control board."""

    BOOT_LOOP = "boot_loop"
    """The board starts afresh again and again."""
    CRASHES = "crashes"
    """The mining process exits again and again, and is started again."""
    CORRUPT = "corrupt"
    """The mining process dies at each start."""


class Cure(IntEnum):
    """What it takes to be rid of it; each cures what a milder one does."""

    RESTART = 1
    REBOOT = 2
    FLASH = 3
    NOTHING = 4


class Code(NamedTuple):
    """A fault code as the device shows it: number or word, what it stands for, and the site time of it in s."""

    code: str
    text: str
    at: float


CODES: Mapping[Family, Mapping[Ailment, tuple[str, str]]] = {
    Family.ANTMINER_STOCK: {
        Ailment.BOOT_LOOP: ("ERROR_SOC_INIT", "basic init failed!"),
        Ailment.CRASHES: ("ERROR_SOC_INIT", "soc init failed, exit"),
        Ailment.CORRUPT: ("ERROR_SOC_INIT", "bmminer: checksum of /usr/bin/bmminer does not match"),
    },
    Family.LUXOS: {
        Ailment.BOOT_LOOP: ("REBOOT_SYSINIT", "System reboot due to failed initialization."),
        Ailment.CRASHES: ("REBOOT_SYSINIT", "Miner restarted due to failed initialization."),
        Ailment.CORRUPT: ("REBOOT_SYSINIT", "Miner failed to initialize: luxminer is damaged."),
    },
    Family.WHATSMINER: {
        Ailment.BOOT_LOOP: ("710", "Control board rebooted as an exception."),
        Ailment.CRASHES: ("902", "Process error, exited with signal."),
        Ailment.CORRUPT: ("800", "CGMiner checksum error."),
    },
}
"""What each family shows of an ailment: facts "detection", sections 1.3 and 1.4."""


class Owner(Protocol):
    """The miner whose control board it is."""

    spec: Miner
    healthy: bool

    def system_changes(self) -> None:
        """Hear that something about the system is about to change."""

    def system_changed(self, now: float) -> None:
        """Hear that it has."""

    def reboot(self, now: float, *, by_itself: bool) -> bool:
        """Start afresh."""

    def crash(self, now: float) -> None:
        """Let the mining process exit and be started again."""

    def stop_for_flash(self, now: float) -> None:
        """End the mining process: its program is about to be erased."""

    def forget_settings(self, now: float) -> None:
        """Be as delivered."""


@dataclass(slots=True)
class _Sick:
    ailment: Ailment
    cured_by: Cure
    every_s: float


class System:
    """The system of one control board.

    Attributes:
        version: of the installed firmware, as the device tells it. control_board: what it runs on.
        bootable: a boot comes to an operating system.
        worn: its flash memory takes nothing any more: whoever writes it has written his last.
        flashing: the flash under way, or the last one since the board started; None where there was none.
        ended: how often what ran on it has come to an end.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        version: str,
        control_board: ControlBoard,
        clockwork: Clockwork,
        journal: Journal,
        rng: random.Random,
    ) -> None:
        self.version = version
        self.control_board = control_board
        self.bootable = True
        self.worn = False
        self.flashing: Flashing | None = None
        self.ended = 0
        self._owner = owner
        self._clock = clockwork
        self._journal = journal
        self._rng = rng
        self._sick: _Sick | None = None
        self._turns = 0
        self._codes: tuple[Code, ...] = ()
        self._log: deque[tuple[float, str]] | None = None  # there are many miners, and few have anything to tell

    # -- what it shows -----------------------------------------------------------------------------------------------

    @property
    def is_sound(self) -> bool:
        """Whether it boots and runs, and nothing ails it."""
        return self._sick is None and self.bootable and not self.worn

    @property
    def is_busy(self) -> bool:
        """Whether a flash is under way."""
        return self.flashing is not None and self.flashing.record.under_way

    @property
    def is_erased(self) -> bool:
        """Whether what the board started with is gone or about to be, so that no process can be started from it."""
        return self.is_busy or (self.flashing is not None and self.flashing.record.phase is Phase.DONE)

    @property
    def ailment(self) -> Ailment | None:
        """What ails it now."""
        return None if self._sick is None else self._sick.ailment

    def codes(self, now: float) -> tuple[Code, ...]:
        """Return the fault codes it shows, the oldest first; a code once."""
        shown = {code.code: code for code in self._codes if now - code.at < CODE_STAYS_S}
        return tuple(shown.values())

    @property
    def log(self) -> tuple[tuple[float, str], ...]:
        """The lines of its log, with their site times in s: those of what was unusual."""
        return tuple(self._log or ())

    def note(self, now: float, line: str) -> None:
        """Write a line into its log."""
        if self._log is None:
            self._log = deque(maxlen=LOG_LINES)
        self._log.append((now, line))

    # -- what the miner asks it --------------------------------------------------------------------------------------

    def boots(self, now: float) -> bool:
        """Return whether a boot that ends now comes to an operating system."""
        self.flashing = None
        if not self.bootable:
            self._journal.note(now, What.BRICKED, miner=self._owner.spec.id, healthy=False)
            return False
        self.note(now, f"system started, firmware {self.version}")
        if self._sick is not None and self._sick.ailment is Ailment.BOOT_LOOP:
            self._plan(now + self._sick.every_s * self._rng.uniform(*JITTER), self._fall)
        return True

    def starts_process(self, now: float) -> bool:
        """Return whether a mining process that is started now lives."""
        if self._sick is None:
            return True
        if self._sick.ailment is Ailment.CORRUPT:
            self._show(now)
            return False
        if self._sick.ailment is Ailment.CRASHES:
            self._turns += 1
            self._plan(now + self._sick.every_s * self._rng.uniform(*JITTER), self._exit)
        return True

    def ends(self, now: float) -> None:
        """Lose the power, or be started afresh: a flash under way is cut."""
        self._turns += 1
        self.ended += 1
        if self.flashing is not None and self.is_busy and self.flashing.cut(now):
            self.bootable = False
            self.flashing.record.bricked = True
        self.flashing = None

    def cure(self, how: Cure) -> None:
        """Be rid of what ails it if that is enough. A start that was asked for has no crash to tell of."""
        self._codes = ()
        if self._sick is not None and self._sick.cured_by <= how:
            self._turns += 1
            self._sick = None

    def restore(self) -> None:
        """Be put right by a person: a sound board with sound firmware."""
        self._turns += 1
        self._sick, self.flashing = None, None
        self.bootable, self.worn = True, False

    # -- what befalls it ---------------------------------------------------------------------------------------------

    def ail(self, now: float, ailment: Ailment, *, cured_by: Cure, every_s: float = 0.0) -> None:
        """Let something be wrong with it from `now` on, beginning with a first failure."""
        self._clock.advance(now)
        self._owner.system_changes()
        self._turns += 1
        self._sick = _Sick(ailment, cured_by, every_s)
        self._owner.system_changed(now)
        if ailment is Ailment.BOOT_LOOP:
            self._fall(now)
        else:
            self._exit(now)

    def stumble(self, now: float) -> None:
        """Fail once, and recover: the board starts afresh, or on a stock Antminer the process does."""
        self._clock.advance(now)
        if self._owner.spec.family is Family.ANTMINER_STOCK:
            self._show(now, Ailment.CRASHES)
            self._owner.crash(now)
        else:
            self._show(now, Ailment.BOOT_LOOP)
            self._owner.reboot(now, by_itself=True)

    # -- flashing ----------------------------------------------------------------------------------------------------

    def flash(self, now: float, image: Image, *, check: Check, restarts_in_s: float | None, resets: bool) -> str:
        """Begin to flash an image that has arrived whole or not; return why that cannot be, empty where it began.

        Args:
            now: site s.
            image: what it turns out to be.
            check: what is looked at first; a refusal comes at the end of its phase.
            restarts_in_s: the board starts afresh by itself so long after all is written; None: it does not.
            resets: settings and pools are lost.
        """
        self._clock.advance(now)
        self._owner.system_changes()
        fits = image.fits(self._owner.spec, self.control_board)
        record = FlashRecord(self._owner.spec.id, image.name, image.misleads or (fits and image.whole), now)
        self._journal.flashes.append(record)
        if self.is_busy:
            record.phase, record.ended_at = Phase.REFUSED, now
            return "a flash is under way"
        self._journal.note(now, What.FLASH, miner=self._owner.spec.id, healthy=self._owner.healthy)

        def entered(phase: Phase, at: float) -> None:
            self.note(at, f"upgrade: {phase.value}" + (f": {why}" if phase is Phase.REFUSED else ""))
            if phase is Phase.ERASING:
                self._turns += 1  # what fails by itself is about to be erased, and does not fail any more
                self._owner.stop_for_flash(at)
            elif phase is Phase.DONE:
                boots = fits and image.whole and image.starts
                self._written(image, record, at, boots=boots, restarts_in_s=restarts_in_s, resets=resets)

        why = objection(image, check, fits=fits)
        self.flashing = Flashing(image, record, refused=why, clockwork=self._clock, rng=self._rng, on_phase=entered)
        self.flashing.begin(now)
        return ""

    def _written(
        self, image: Image, record: FlashRecord, now: float, *, boots: bool, restarts_in_s: float | None, resets: bool
    ) -> None:
        self.version = image.version
        self.bootable = boots and not self.worn
        record.bricked = not self.bootable
        if self.bootable:
            self.cure(Cure.FLASH)
        if resets:
            self._owner.forget_settings(now)
        if restarts_in_s is not None:
            self._plan(now + restarts_in_s, self._restart)

    def _restart(self, now: float) -> None:
        self._owner.reboot(now, by_itself=True)

    # -- its own failures --------------------------------------------------------------------------------------------

    def _fall(self, now: float) -> None:
        self._show(now)
        self._owner.reboot(now, by_itself=True)

    def _exit(self, now: float) -> None:
        self._show(now)
        self._owner.crash(now)

    def _show(self, now: float, ailment: Ailment | None = None) -> None:
        shown = ailment or self.ailment
        if shown is not None:
            code, text = CODES[self._owner.spec.family][shown]
            self._codes = (*self._codes[-SHOWN + 1 :], Code(code, text, now))
            self.note(now, f"{code}: {text}")

    def _plan(self, at: float, step: Happening) -> None:
        """Plan what the system does next; the end of what runs cancels it."""
        turn = self._turns

        def happen(now: float) -> None:
            if turn == self._turns:
                step(now)

        self._clock.plan(at, happen)
