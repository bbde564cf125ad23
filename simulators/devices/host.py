"""A simulated miner's control board as the network sees it: its time, its manners, and whether it answers at all.

Shared by the cgminer API server and the web server of one miner. What is said on the wire lives in the families.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from agent.model.topology import Family, Miner
from simulators.devices.wire_faults import Defect
from simulators.plant.miner import MinerPlant
from simulators.plant.pools import PoolLine
from simulators.plant.readings import Readings
from simulators.plant.state import Board, Process, WireFaultKind

SILENT_CLOSE_S = 100.0
"""A connection to a board that never answers is dropped after this long, so that nothing piles up."""
MAX_CONNECTIONS = 64
"""Connections one miner holds at a time; more are reset, as a small board's accept queue would."""

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Service(Enum):
    """What a miner listens for."""

    API = 4028
    WEB = 80
    SSH = 22


class Presence(Enum):
    """How a service looks from outside."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    SILENT = "silent"


_API, _SSH = Service.API, Service.SSH
_ANSWERS, _REFUSES, _SILENT = Presence.ANSWERS, Presence.REFUSES, Presence.SILENT
_UP, _BOOTING = Board.UP, Board.BOOTING
_RUNNING, _STARTING = Process.RUNNING, Process.STARTING
_ANTMINER_STOCK = Family.ANTMINER_STOCK
"""Members as such, as in `hardware`."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How a device spends time.

    Attributes:
        epoch_s: UTC s at which the event loop's clock shows zero.
        latency_s: least and most time between request and reply in s.
    """

    epoch_s: float = 1_767_225_600.0
    latency_s: tuple[float, float] = (0.005, 0.060)


@dataclass(slots=True, eq=False)
class MinerHost:
    """One miner's board on the wire.

    Attributes:
        address: where on the network this is; the miner is only there while the plant says so.
        advance: brings the plant up to the given loop time.
        settle: makes the listening sockets follow the plant at once; set by the server that owns them.
        rng: the stream of random numbers behind latency and dropped connections.
        withdrawn: its servers have stopped; whoever still gets through is reset.
        defects: what garbage on the wire cycles through; set it to test one of them.
        writable: its API takes commands that change something, where the family has a switch for that.
        lost_replies: so many of the next commands take effect and are never answered.
        keeps_pools: so many lines of the next lists of pools it keeps, whatever it answers; None for all.
        heard: whether the network between it and who asks it carries anything.
    """

    plant: MinerPlant
    address: str
    timing: Timing
    advance: Callable[[float], None]
    rng: random.Random
    settle: Callable[[], None] = lambda: None
    defects: tuple[Defect, ...] = tuple(Defect)
    withdrawn: bool = False
    writable: bool = True
    lost_replies: int = 0
    keeps_pools: int | None = None
    heard: Callable[[], bool] = lambda: True
    connections: dict[asyncio.WriteTransport, Service] = field(default_factory=dict)
    _spoilt: int = 0

    @property
    def spec(self) -> Miner:
        """The miner's line in the inventory."""
        return self.plant.spec

    def now(self) -> float:
        """Return the loop's time in s and bring the plant up to it."""
        now = asyncio.get_running_loop().time()
        self.advance(now)
        return now

    def utc(self, at: float) -> int:
        """Return the Unix time the device's clock shows at loop time `at`."""
        return int(self.timing.epoch_s + at)

    def readings(self) -> tuple[Readings, int]:
        """Return what the miner measures now, and the Unix time of it."""
        now = self.now()
        return self.plant.readings(now), self.utc(now)

    def delay_s(self) -> float:
        """Return how long the device thinks about the next reply, in s."""
        least, most = self.timing.latency_s
        return 0.0 if most <= 0.0 else self.rng.uniform(least, most)

    def process_up(self) -> bool:
        """Tell whether the mining process is there to answer."""
        process = self.plant.process
        return process is _RUNNING or process is _STARTING

    def listens(self, service: Service) -> bool:
        """Tell whether a listening socket exists: without one the host's kernel refuses.

        A board that is off or hung cannot refuse. On loopback nothing can swallow a SYN, so its sockets stay open
        and take connections they never answer.
        """
        return self.presence(service) is not Presence.REFUSES

    def presence(self, service: Service) -> Presence:
        """Tell how the service treats a client now."""
        if self.withdrawn:
            return _REFUSES
        self.now()
        plant = self.plant
        if not self.heard() or not plant.lan.reaches(self.address):
            return _SILENT
        board = plant.board
        if board is not _UP:
            return _REFUSES if board is _BOOTING else _SILENT
        if service is _API:
            return _ANSWERS if plant.spec.family is not _ANTMINER_STOCK or self.process_up() else _REFUSES
        return _REFUSES if service is _SSH and plant.ssh.locked else _ANSWERS

    def strike(self) -> WireFaultKind | None:
        """Decide what the fault on the wire, if there is one, does to a new connection."""
        if self.loses_packets():
            return WireFaultKind.SILENT
        fault = self.plant.wire
        if fault is None or self.rng.random() >= fault.probability:
            return None
        return fault.kind

    def loses_packets(self) -> bool:
        """Decide whether the network loses so many of a conversation's packets that nothing comes of it."""
        loss = self.plant.lan.poll_loss
        return loss > 0.0 and self.rng.random() < loss

    def loses_reply(self) -> bool:
        """Decide whether the answer to a command that changes something gets lost."""
        lost = self.lost_replies > 0
        self.lost_replies -= lost
        return lost

    def set_pools(self, lines: Sequence[PoolLine]) -> None:
        """Give the miner another list of pools."""
        self.plant.set_pools(self.now(), lines[: self.keeps_pools])

    def next_defect(self) -> Defect:
        """Return the next way of being garbage, each in turn."""
        defect = self.defects[self._spoilt % len(self.defects)]
        self._spoilt += 1
        return defect

    def sent(self, octets: int) -> None:
        """Count octets the miner put on the network, in an answer to somebody."""
        self.plant.api_octets += octets
        self.plant.lan.answered(self.now(), self.address)

    def admit(self, transport: asyncio.WriteTransport, service: Service) -> bool:
        """Count a new connection; False when there are too many already."""
        if len(self.connections) >= MAX_CONNECTIONS:
            return False
        self.connections[transport] = service
        return True

    def release(self, transport: asyncio.WriteTransport) -> None:
        """Forget a connection that ended."""
        self.connections.pop(transport, None)

    def reset_connections(self, service: Service) -> None:
        """Reset what is open to a service, except what already has its reply and is closing."""
        for transport, wanted in tuple(self.connections.items()):
            if wanted is service and not transport.is_closing():
                reset(transport)


def reset(transport: asyncio.WriteTransport) -> None:
    """Close a connection so that the peer sees a reset, not an end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()
