"""A mining process's pool client: which pools it knows, which it believes alive, which it works for.

The rules are cgminer's, which stock Antminers run and whose API the other families speak: a pool that is silent for
90 s is dead, dead ones are tried again every 5 s, and the client returns to one of higher priority once that was well
for 120 s. Source: facts "detection", section 1.3.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.model.ids import MinerId
from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.hashing import Hashing
from simulators.plant.pools import Link, PoolLine, PoolPlant, PoolsPlant
from simulators.plant.readings import PoolBook, PoolReading, Tally

DEAD_AFTER_S = 90.0
RETRY_S = 5.0
STABLE_S = 120.0
CONNECT_S = (1.0, 3.0)
"""From the choice of a pool to the first work from it: name, connection, subscription, login. An estimate."""
RECONNECT_S = (0.5, 2.0)
WORK_LASTS_S = 60.0
"""Without any pool the boards go on with the work they have for so long. An estimate: about a job's life."""


class Owner(Protocol):
    """The miner the client runs on."""

    def pool_changes(self) -> None:
        """Hear that the client's state is about to change."""

    def pool_changed(self, now: float) -> None:
        """Hear that it has."""

    def starve(self, now: float) -> None:
        """Run out of work."""

    def feed(self, now: float) -> None:
        """Get work again."""


@dataclass(slots=True, eq=False)
class _Slot:
    """One configured pool as the client sees it. `turn` voids what was planned before the last turn of events."""

    miner: MinerId
    line: PoolLine
    pool: PoolPlant | None
    priority: int
    alive: bool = True
    alive_since: float = -math.inf
    seen: Link = Link.OPEN
    turn: int = 0
    lost_at: float = 0.0
    active_s: float = 0.0
    get_failures: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def link(self) -> Link:
        """What a connection is worth now; at an address where nobody is, nothing."""
        return Link.LOST if self.pool is None else self.pool.link_of(self.miner)


class PoolClient:
    """The client of one miner. It starts and stops with the mining process.

    Attributes:
        starved: there was no pool for so long that the work ran out, or none when the process started.
        hung: it waits for a connection that is gone, and tries no other.
    """

    def __init__(
        self,
        miner: MinerId,
        lines: Sequence[PoolLine],
        *,
        owner: Owner,
        pools: PoolsPlant,
        hashing: Hashing,
        clockwork: Clockwork,
        rng: random.Random,
    ) -> None:
        self._miner = miner
        self._first_lines = tuple(lines)
        self._own = frozenset(lines)
        self._owner = owner
        self._pools = pools
        self._hashing = hashing
        self._clock = clockwork
        self._rng = rng
        self._running = self._linked = self._connecting = self._hungry = False
        self._links = self._hungers = 0
        self._marked, self._marked_at = Tally(), clockwork.now
        self.starved = self.hung = False
        self._slots: list[_Slot] = []
        self._book: PoolBook | None = None
        self._take_over(lines)

    # -- its life ----------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin with the process: every pool is tried at once, and the first that answers is worked for."""
        self._running, self.hung = True, False
        self._try_all(now)
        self._linked = self.alive
        self.starved = not self._linked
        self._book = None

    def stop(self, now: float) -> None:
        """End with the process."""
        self.post(now)
        self._running = self._linked = self.starved = False
        self._cancel()
        for slot in self._slots:
            slot.turn += 1

    def clear(self, now: float) -> None:
        """Count from zero, as the next process does, with the priorities as configured."""
        for priority, slot in enumerate(self._slots):
            slot.tally, slot.active_s, slot.get_failures, slot.priority = Tally(), 0.0, 0, priority
        self._mark(now)

    def configure(self, lines: Sequence[PoolLine], now: float) -> None:
        """Take over another list of pools; connect anew where the process runs."""
        self._owner.pool_changes()
        self.post(now)
        self._take_over(lines)
        self.hung = False
        if self._running:
            self._linked = False
            self._cancel()
            self._try_all(now)
            self._settle(now)

    def recall(self, now: float) -> None:
        """Be given the list again that it had at first, where it has none at all."""
        if not self._slots and self._first_lines:
            self.configure(self._first_lines, now)

    def switch(self, index: int, now: float) -> bool:
        """Give one pool the highest priority and work for it; whether there is such a line and a process to do it."""
        if not self._running or not 0 <= index < len(self._slots):
            return False
        self._owner.pool_changes()
        chosen = self._slots[index]
        for slot in self._slots:
            slot.priority += slot.priority < chosen.priority
        chosen.priority, chosen.alive_since = 0, -math.inf
        self.hung = False
        self._settle(now)
        return True

    def hang(self, now: float) -> None:
        """Wait for a connection that is gone until another list, another choice or another process ends that."""
        if self._running:
            self._owner.pool_changes()
            self.post(now)
            self.hung = True
            self._settle(now)

    def _take_over(self, lines: Sequence[PoolLine]) -> None:
        for slot in self._slots:
            slot.turn += 1
            if slot.pool is not None:
                slot.pool.strike(self._miner)
        by_url = self._pools.by_url
        self._slots = [_Slot(self._miner, line, by_url.get(line.url), priority) for priority, line in enumerate(lines)]
        for slot in self._slots:
            if slot.pool is not None:
                slot.pool.enlist(self._miner, self)
        self._active = self._first()
        self._book = None

    def _try_all(self, now: float) -> None:
        for slot in self._slots:
            slot.turn += 1
            slot.seen = slot.link
            slot.alive, slot.alive_since, slot.lost_at = slot.seen is Link.OPEN, -math.inf, now
        self._active = self._best() or self._first()

    # -- what it shows -----------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether it believes that the pool it works for is alive."""
        return self._running and self._active is not None and self._active.alive and not self.hung

    @property
    def wanted(self) -> bool:
        """Whether shares reach a pool now."""
        return self._linked and self._active is not None and self._active.link is Link.OPEN

    @property
    def reject_share(self) -> float:
        """The share of good shares that the pool it works for rejects."""
        pool = None if self._active is None else self._active.pool
        return 0.0 if pool is None else pool.reject_share_of(self._miner)

    @property
    def earning(self) -> bool:
        """Whether it works for the site, at a pool that is sound."""
        slot = self._active
        if not self.wanted or slot is None or slot.pool is None:
            return False
        return slot.pool.is_sound_for(self._miner) and slot.line in self._own

    @property
    def line(self) -> PoolLine | None:
        """The configuration line of the pool it works for; None where it has none."""
        return None if self._active is None else self._active.line

    @property
    def lines(self) -> tuple[PoolLine, ...]:
        """The whole configuration, in the order it was given."""
        return tuple(slot.line for slot in self._slots)

    def book(self) -> PoolBook:
        """Return the pools' figures when anything last changed."""
        if self._book is None:
            pools = tuple(self._reading(slot) for slot in self._slots)
            self._book = PoolBook(pools, self._marked, self._marked_at)
        return self._book

    def _reading(self, slot: _Slot) -> PoolReading:
        active = slot is self._active
        return PoolReading(
            url=slot.line.url,
            user=slot.line.user,
            priority=slot.priority,
            alive=self._running and slot.alive,
            active=active,
            stratum_active=active and self._linked,
            tally=slot.tally,
            active_s=slot.active_s,
            get_failures=slot.get_failures,
        )

    # -- who gets the credit -----------------------------------------------------------------------------------------

    def post(self, now: float) -> None:
        """Credit the pool worked for with what was sent to it until now."""
        earlier, earlier_at = self._marked, self._marked_at
        self._mark(now)
        slot = self._active
        if slot is None or not self._running:
            return
        sent = self._marked.since(earlier)
        slot.tally = slot.tally.plus(sent)
        slot.active_s += self._marked_at - earlier_at
        if slot.pool is not None and slot.line in self._own:
            slot.pool.credit(self._miner, sent.accepted, sent.last_share_at)

    def _mark(self, now: float) -> None:
        h = self._hashing
        h.advance(now)
        self._marked = Tally(
            h.accepted, h.rejected, h.stale, h.accepted_diff, h.rejected_diff, h.stale_diff, h.last_share_at
        )
        self._marked_at = now
        self._book = None

    # -- what pools do to it -----------------------------------------------------------------------------------------

    def pool_changed(self, pool: PoolPlant, now: float) -> None:
        """Take note that a connection to the pool is worth something else now."""
        if not self._running:
            return
        self._owner.pool_changes()
        for slot in self._slots:
            if slot.pool is pool and slot.seen is not slot.link:
                self._follow(slot, slot.link, now)
        self._settle(now)

    def dropped(self, pool: PoolPlant, now: float) -> None:
        """Lose the connection to the pool worked for, and take it up again at once."""
        slot = self._active
        if slot is not None and slot.pool is pool and self.wanted:
            self._owner.pool_changes()
            slot.get_failures += 1
            self._linked = False
            self._connect(RECONNECT_S, now)
            self._owner.pool_changed(now)

    def _follow(self, slot: _Slot, link: Link, now: float) -> None:
        slot.seen = link
        slot.turn += 1
        if link is Link.LOST and slot.alive:
            self._bury(slot, now)
        elif link is Link.SILENT and slot.alive:
            self._plan(slot, now + DEAD_AFTER_S, lambda at: self._bury(slot, at))
        elif link is Link.OPEN and not slot.alive:
            tries = max(1, math.ceil((now - slot.lost_at) / RETRY_S))
            self._plan(slot, slot.lost_at + tries * RETRY_S, lambda at: self._revive(slot, at))
        elif link is Link.OPEN and slot.alive_since > -math.inf:
            self._plan(slot, max(now, slot.alive_since + STABLE_S), lambda _: None)

    def _bury(self, slot: _Slot, now: float) -> None:
        slot.alive = False
        slot.lost_at = now
        slot.get_failures += 1

    def _revive(self, slot: _Slot, now: float) -> None:
        slot.alive = True
        slot.alive_since = now
        self._plan(slot, now + STABLE_S, lambda _: None)

    def _plan(self, slot: _Slot, at: float, step: Happening) -> None:
        """Plan a step of one pool's, after which all are weighed anew; any later turn of its events cancels it."""
        turn = slot.turn

        def happen(now: float) -> None:
            if turn == slot.turn:
                self._owner.pool_changes()
                step(now)
                self._settle(now)

        self._clock.plan(at, happen)

    # -- which it works for ------------------------------------------------------------------------------------------

    def _first(self) -> _Slot | None:
        return min(self._slots, key=lambda slot: slot.priority, default=None)

    def _best(self) -> _Slot | None:
        return min((slot for slot in self._slots if slot.alive), key=lambda slot: slot.priority, default=None)

    def _settle(self, now: float) -> None:
        """Choose the pool to work for, connect to it, and tell the miner."""
        best, active = self._best(), self._active
        if best is not None and best is not active and not self.hung:
            stable = now - best.alive_since >= STABLE_S
            if active is None or not active.alive or (stable and best.priority < active.priority):
                self.post(now)
                self._active, self._linked = best, False
                self._cancel_connecting()
        self._book = None
        if not self.alive:
            self._linked = False
            self._go_hungry(now)
        elif not self._linked and not self._connecting:
            self._connect(CONNECT_S, now)
        self._owner.pool_changed(now)

    def _connect(self, span: tuple[float, float], now: float) -> None:
        self._connecting = True
        self._book = None
        self._links += 1
        link = self._links

        def connected(at: float) -> None:
            if link == self._links and self.alive:
                self._owner.pool_changes()
                self._connecting, self._linked, self._hungry = False, True, False
                self._hungers += 1
                self._book = None
                self._owner.pool_changed(at)
                if self.starved:
                    self.starved = False
                    self._owner.feed(at)

        self._clock.plan(now + self._rng.uniform(*span), connected)

    def _go_hungry(self, now: float) -> None:
        """Live on the work there is, for as long as it lasts."""
        self._cancel_connecting()
        if self._hungry or self.starved:
            return
        self._hungry = True
        self._hungers += 1
        hunger = self._hungers

        def out_of_work(at: float) -> None:
            if hunger == self._hungers:
                self._owner.pool_changes()
                self._hungry, self.starved = False, True
                self._owner.starve(at)

        self._clock.plan(now + WORK_LASTS_S, out_of_work)

    def _cancel_connecting(self) -> None:
        self._links += 1
        self._connecting = False

    def _cancel(self) -> None:
        self._cancel_connecting()
        self._hungers += 1
        self._hungry = False
