"""A miner's end of its network cable: what gets through, and what the miner does when nothing does.

What breaks the way is the network's business; this is what it comes to for one miner.
"""

import random
from typing import Protocol

from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.pool_client import DEAD_AFTER_S, WORK_LASTS_S, PoolClient
from simulators.plant.profile import Span
from simulators.plant.state import Process

POLL_PACKETS = 5
"""Packets that must all arrive for a poll to be answered in time: handshake, request, reply. An estimate."""

POOL_LOSS = 0.2
"""A share of lost packets at which a pool's connection is worth nothing any more. An estimate."""

VISITS = 3
"""So many answers in a row at an address show that whoever looks after the miner knows it; one may be a scan's."""


class Owner(Protocol):
    """The miner at that end."""

    client: PoolClient
    process: Process

    def pool_changes(self) -> None:
        """Hear that something about its way to the pool is about to change."""

    def pool_changed(self, now: float) -> None:
        """Hear that it has."""

    def starve(self, now: float) -> None:
        """Run out of work."""

    def feed(self, now: float) -> None:
        """Get work again."""

    def suspend(self, now: float, *, by_itself: bool) -> None:
        """Take the power off the hashboards."""

    def reboot(self, now: float, *, by_itself: bool) -> bool:
        """Start afresh."""


class Lan:
    """The way between one miner and everybody else.

    Attributes:
        passes: frames get through. loss: share of packets that are lost.
        host: the address it has. known_at: the one at which whoever looks after it looks for it.
    """

    def __init__(
        self, owner: Owner, clockwork: Clockwork, rng: random.Random, gives_up_s: Span | None, host: str
    ) -> None:
        """Begin with all well.

        Args:
            owner: the miner.
            clockwork: the site's.
            rng: what the time of giving up is drawn from.
            gives_up_s: without a network its firmware takes the power off the hashboards after so long, and starts
                afresh when the network is back; None where it does not.
            host: the address of the inventory, which it has.
        """
        self._owner = owner
        self._clock = clockwork
        self._rng = rng
        self._gives_up_s = gives_up_s
        self._turns = 0
        self._starves = self._gave_up = False
        self._visits = 0
        self.passes = True
        self.loss = 0.0
        self.host = self.known_at = host

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.reachable and self.loss <= 0.0 and not self._starves

    @property
    def reachable(self) -> bool:
        """Whether who looks for it where it is known to be finds anything."""
        return self.reaches(self.known_at)

    def reaches(self, host: str) -> bool:
        """Whether who looks for it at that address finds it."""
        return self.passes and self.host == host

    @property
    def reaches_pools(self) -> bool:
        """Whether a connection to a pool holds."""
        return self.passes and self.loss < POOL_LOSS

    @property
    def poll_loss(self) -> float:
        """The share of polls at its address that come to nothing."""
        return 1.0 - (1.0 - self.loss) ** POLL_PACKETS if self.passes else 1.0

    def answered(self, now: float, host: str) -> None:
        """Take note that somebody got an answer at that address of its."""
        if host == self.known_at:
            return
        self._visits += 1
        if self._visits >= VISITS and host == self.host:
            self._owner.pool_changes()
            self.known_at = host
            self._owner.pool_changed(now)

    def change(
        self, now: float, *, passes: bool | None = None, host: str | None = None, loss: float | None = None
    ) -> None:
        """Let it be otherwise from `now` on; what is not named stays."""
        self._owner.pool_changes()
        reached = self.reaches_pools
        self.passes = self.passes if passes is None else passes
        if host is not None and host != self.host:
            self.host, self._visits = host, 0
            self._owner.pool_changed(now)
        self.loss = self.loss if loss is None else loss
        if reached and not self.reaches_pools:
            self._lose(now)
        elif self.reaches_pools and not reached:
            self._regain(now)

    def brings_work(self) -> bool:
        """Whether a process that wants work gets any; one that gets none is fed when the network is back."""
        self._starves |= not self.reaches_pools
        return not self._starves

    def _lose(self, now: float) -> None:
        self._turns += 1
        self._owner.pool_changed(now)
        self._plan(now + DEAD_AFTER_S + WORK_LASTS_S, self._run_dry)
        if self._gives_up_s is not None:
            self._plan(now + self._rng.uniform(*self._gives_up_s), self._give_up)

    def _run_dry(self, now: float) -> None:
        """Live without pools: the client has given them all up, and the last work is done."""
        self._owner.pool_changes()
        self._starves = True
        if self._owner.process is Process.RUNNING:
            self._owner.client.stop(now)
            self._owner.starve(now)

    def _give_up(self, now: float) -> None:
        if self._owner.process is Process.RUNNING:
            self._gave_up = True
            self._owner.suspend(now, by_itself=True)

    def _regain(self, now: float) -> None:
        self._turns += 1
        gave_up, starved = self._gave_up, self._starves
        self._gave_up = self._starves = False
        if gave_up and self._owner.reboot(now, by_itself=True):
            return
        running = self._owner.process is Process.RUNNING
        if starved and running:
            self._owner.client.start(now)
        self._owner.pool_changed(now)
        if starved and running and not self._owner.client.starved:
            self._owner.feed(now)

    def _plan(self, at: float, step: Happening) -> None:
        """Plan what the loss of the network leads to; its return cancels it."""
        turn = self._turns

        def happen(now: float) -> None:
            if turn == self._turns:
                step(now)

        self._clock.plan(at, happen)
