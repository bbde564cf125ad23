"""A flash: minutes in which a control board must neither lose its power nor start afresh.

Received, verified, erased, written, done. Before the erasing begins nothing has happened; from then on until all is
written the board has no firmware. What a board runs afterwards is its system's business.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.model.ids import MinerId
from simulators.plant.clockwork import Clockwork
from simulators.plant.image import Image
from simulators.plant.profile import Span


class Phase(StrEnum):
    """How far a flash is."""

    RECEIVED = "received"
    VERIFYING = "verifying"
    ERASING = "erasing"
    WRITING = "writing"
    DONE = "done"
    REFUSED = "refused"
    """The check said no; nothing was touched."""
    CUT = "cut"
    """The board lost its power or started afresh under it."""


UNDER_WAY = frozenset({Phase.RECEIVED, Phase.VERIFYING, Phase.ERASING, Phase.WRITING})
CRITICAL = frozenset({Phase.ERASING, Phase.WRITING})
"""The phases in which a cut costs the board."""

LASTS_S: Mapping[Phase, Span] = {
    Phase.RECEIVED: (1.0, 2.0),
    Phase.VERIFYING: (8.0, 15.0),
    Phase.ERASING: (15.0, 30.0),
    Phase.WRITING: (60.0, 150.0),
}
"""How long each phase takes: an estimate after the two to five minutes that vendors' manuals ask to wait."""


class Check(StrEnum):
    """What is looked at before the first block is erased."""

    NONE = "none"
    """Whatever comes is written: raw flash tools."""
    CHECKSUM = "checksum"
    """Damage is seen; whether the image is for this miner is not asked."""
    SIGNATURE = "signature"
    """The maker's signature, the model and the control board."""


@dataclass(slots=True)
class FlashRecord:
    """One flash, as the plant's record has it. Times are site s.

    Attributes:
        image: its name. fits: as far as anybody could know, it is for this miner and what its maker published.
        ended_at: when it was done, refused or cut; None while it goes on.
        bricked: the board does not start any more because of it.
    """

    miner: MinerId
    image: str
    fits: bool
    began_at: float
    phase: Phase = Phase.RECEIVED
    ended_at: float | None = None
    bricked: bool = False

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self.phase in UNDER_WAY


class Flashing:
    """One flash under way; it calls `on_phase` whenever it enters the next phase, the last one included."""

    def __init__(
        self,
        image: Image,
        record: FlashRecord,
        *,
        refused: str,
        clockwork: Clockwork,
        rng: random.Random,
        on_phase: Callable[[Phase, float], None],
    ) -> None:
        """Prepare it.

        Args:
            image: what is written.
            record: what is kept of it.
            refused: why the check will say no; empty where it will not.
            clockwork: the site's.
            rng: what the phases' durations are drawn from.
            on_phase: told of each phase and its site time in s.
        """
        self.image = image
        self.record = record
        self.refused = refused
        self._clock = clockwork
        self._rng = rng
        self._on_phase = on_phase

    def begin(self, now: float) -> None:
        """Begin with the first phase."""
        self._enter(Phase.RECEIVED, now)

    def cut(self, now: float) -> bool:
        """End it where it stands; return whether that leaves the board without firmware."""
        critical = self.record.phase in CRITICAL
        self.record.phase, self.record.ended_at = Phase.CUT, now
        return critical

    def _enter(self, phase: Phase, now: float) -> None:
        self.record.phase = phase
        if phase in UNDER_WAY:
            self._clock.plan(now + self._rng.uniform(*LASTS_S[phase]), self._next)
        else:
            self.record.ended_at = now
        self._on_phase(phase, now)

    def _next(self, now: float) -> None:
        match self.record.phase:
            case Phase.RECEIVED:
                self._enter(Phase.VERIFYING, now)
            case Phase.VERIFYING:
                self._enter(Phase.REFUSED if self.refused else Phase.ERASING, now)
            case Phase.ERASING:
                self._enter(Phase.WRITING, now)
            case Phase.WRITING:
                self._enter(Phase.DONE, now)
            case Phase.DONE | Phase.REFUSED | Phase.CUT:
                return  # what was planned before it was cut


def objection(image: Image, check: Check, *, fits: bool) -> str:
    """Return why a check refuses an image; empty where it lets it pass."""
    if check is Check.SIGNATURE and not (image.whole and image.signed):
        return "signature verification failed"
    if check is Check.SIGNATURE and not fits:
        return "image is not for this machine"
    if check is Check.CHECKSUM and not image.whole:
        return "checksum mismatch"
    return ""
