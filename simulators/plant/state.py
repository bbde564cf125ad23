"""The states and faults a simulated miner can be in. Names only; what leads from one to another is the miner's."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

HungDraw = Literal["idle", "full"]


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


@dataclass(slots=True)
class MinerFaults:
    """What is broken now. Set by the miner's own methods.

    Attributes:
        standby_w: what a dead supply still draws.
        bad_shares: share of its shares that any pool rejects. bad_until_restart: a new process is well again.
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

    def any(self) -> bool:
        """Whether anything is broken."""
        dead_or_off = self.psu_latched or self.psu_dead
        return self.process_dead or self.hashing_stopped or self.board_hung or dead_or_off or self.bad_shares > 0.0
