"""The states and faults a simulated miner can be in. Names only; what leads from one to another is the miner's."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

HungDraw = Literal["idle", "full"]
BoardError = Literal["chips", "eeprom"]
"""Why a hashboard is lost: no chip of it answers, or its EEPROM cannot be read."""


CYCLE_S = 60.0
"""A cold cycle that brings a part back takes so long without mains: facts "failures", row 5."""


class Board(StrEnum):
    """The control board."""

    OFF = "off"
    BOOTING = "booting"
    UP = "up"
    HUNG = "hung"
    BRICKED = "bricked"
    """It has power and no firmware: fans at full speed, nothing on the network, no hashboard found."""


class Process(StrEnum):
    """The mining process on the control board."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    DEAD = "dead"


class WireFaultKind(StrEnum):
    """What the wire between the miner and everybody else does to its API."""

    GARBAGE = "garbage"
    """Replies are not JSON."""
    SILENT = "silent"
    """Connections are accepted and never answered."""
    DROP = "drop"
    """Connections break before the reply is complete."""


@dataclass(frozen=True, slots=True)
class WireFault:
    """A disturbance of the API alone; the miner goes on hashing.

    Attributes:
        probability: that it hits a connection, from 0 to 1.
    """

    kind: WireFaultKind
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class SshTrouble:
    """What is wrong with a miner's SSH alone; the miner goes on hashing.

    Attributes:
        locked: nobody is let in any more; its port refuses.
        cut_after_bytes: a connection is cut after it has received so much; None: never.
        key_changed: it shows another host key than it did.
    """

    locked: bool = False
    cut_after_bytes: int | None = None
    key_changed: bool = False


@dataclass(slots=True)
class PartFaults:
    """Which parts are broken now; boards and fans are counted from 0.

    Attributes:
        boards: the lost ones. chips: how many of a board's chips fell silent. fans: those that stand still.
        level: the share of its full rate that a degraded miner computes. good_nonces: what it had computed before.
        cuts_every_s: how often its supply cuts out, None for never. supply_out: it has just done so.
        cold_cures: so long without mains brings boards and supply back for good.
    """

    boards: dict[int, BoardError] = field(default_factory=dict)
    chips: dict[int, int] = field(default_factory=dict)
    fans: set[int] = field(default_factory=set)
    level: float = 1.0
    good_nonces: float = 0.0
    cuts_every_s: float | None = None
    supply_out: bool = False
    cold_cures: bool = False

    def any(self) -> bool:
        """Whether anything is broken."""
        worn = self.level < 1.0 or self.cuts_every_s is not None
        return worn or bool(self.boards or self.chips or self.fans)

    def cool(self, cold_s: float) -> None:
        """Forget what so long without mains brings back."""
        if self.cold_cures and cold_s >= CYCLE_S:
            self.boards.clear()
            self.cuts_every_s = None


@dataclass(slots=True)
class MinerFaults:
    """What is broken now. Set by the miner's own methods.

    Attributes:
        standby_w: what a dead supply still draws.
        bad_shares: share of its shares that any pool rejects. bad_until_restart: a new process is well again.
        bad_eased_at: at this share of its power or less they are good; None where that changes nothing.
        clogged: dust, scale or what lies on its intake hinders its cooling.
        stays_off: once it has stopped for its heat it does not begin again by itself; a new process does.
    """

    process_dead: bool = False
    hashing_stopped: bool = False
    board_hung: bool = False
    hung_draw: HungDraw = "idle"
    psu_latched: bool = False
    psu_dead: bool = False
    standby_w: float = 0.0
    bad_shares: float = 0.0
    bad_until_restart: bool = False
    bad_eased_at: float | None = None
    parts: PartFaults = field(default_factory=PartFaults)
    clogged: bool = False
    stays_off: bool = False

    def any(self) -> bool:
        """Whether anything is broken."""
        return self.any_other() or self.parts.any()

    def any_other(self) -> bool:
        """Whether anything but parts is broken."""
        return self.moves() or self.bad_shares > 0.0

    def moves(self) -> bool:
        """Whether anything is broken that leaves the miner in another state than it was, or gets worse."""
        dead_or_off = self.psu_latched or self.psu_dead
        stopped = self.process_dead or self.hashing_stopped or self.board_hung
        return stopped or dead_or_off or self.clogged or self.stays_off
