"""What a miner would show on its own displays at one moment, before any protocol dresses it. Data and its arithmetic.

Somebody asks for readings of every miner every few seconds and then uses a part of them, so what takes work to put
together is put together when it is asked for. They are structs because a field of one is read ten times as fast as one
of a named tuple, and each reply reads a hundred.
"""

from dataclasses import dataclass
from functools import lru_cache

import msgspec

AMBIENT_C = 25.0
NOTIFY_S = 13.0
"""Mean distance of a pool's jobs; each counts as a getwork."""
TRIED_GETWORKS = 3
"""What a pool counts that was only ever connected to."""


class Tally(msgspec.Struct, frozen=True, gc=False):
    """Shares since a process started, by their fate, and their difficulties; `last_share_at` in site seconds."""

    accepted: int = 0
    rejected: int = 0
    stale: int = 0
    accepted_diff: float = 0.0
    rejected_diff: float = 0.0
    stale_diff: float = 0.0
    last_share_at: float | None = None

    def since(self, earlier: "Tally") -> "Tally":
        """Return what came between an earlier tally and this one."""
        return Tally(
            self.accepted - earlier.accepted,
            self.rejected - earlier.rejected,
            self.stale - earlier.stale,
            self.accepted_diff - earlier.accepted_diff,
            self.rejected_diff - earlier.rejected_diff,
            self.stale_diff - earlier.stale_diff,
            self.last_share_at if self.last_share_at != earlier.last_share_at else None,
        )

    def plus(self, more: "Tally") -> "Tally":
        """Return this tally with later shares added."""
        return Tally(
            self.accepted + more.accepted,
            self.rejected + more.rejected,
            self.stale + more.stale,
            self.accepted_diff + more.accepted_diff,
            self.rejected_diff + more.rejected_diff,
            self.stale_diff + more.stale_diff,
            self.last_share_at if more.last_share_at is None else more.last_share_at,
        )


class Parts(msgspec.Struct, frozen=True, gc=False):
    """What displays show of the parts, boards and fans counted from 0.

    Attributes:
        chips: on a whole board. answering: those of each board that answer; 0 where the board is lost or has no power.
        shares: what each board computes of the present rate.
        still: the fans that do not turn.
        codes: error codes on display.
    """

    chips: int
    answering: tuple[int, ...]
    shares: tuple[float, ...]
    still: frozenset[int] = frozenset()
    codes: tuple[str, ...] = ()

    @property
    def boards(self) -> tuple[int | None, ...]:
        """The chips of each board that answer, None for a board that is lost."""
        return tuple([n if share else None for n, share in zip(self.answering, self.shares, strict=True)])


class PoolReading(msgspec.Struct, frozen=True, gc=False):
    """One configured pool, as a display shows it.

    Attributes:
        priority: 0 is tried first.
        alive: the client believes so.
        active: it is the one worked for. stratum_active: and connected to.
        tally: its shares since the process started.
        active_s: for how long it has been the active one.
        get_failures: connections lost.
    """

    url: str
    user: str
    priority: int
    alive: bool
    active: bool
    stratum_active: bool
    tally: Tally
    active_s: float
    get_failures: int

    @property
    def getworks(self) -> int:
        """Jobs received."""
        return TRIED_GETWORKS + int(self.active_s // NOTIFY_S)


class PoolBook(msgspec.Struct, frozen=True, gc=False):
    """A client's pools when anything last changed: their figures then, the process's tally, and the site time."""

    pools: tuple[PoolReading, ...] = ()
    marked: Tally = Tally()
    at: float = 0.0

    @property
    def drops(self) -> float:
        """Connections lost since the process started."""
        return float(sum(pool.get_failures for pool in self.pools))

    @property
    def pool_drops(self) -> float:
        """Those to the pool worked for."""
        return float(sum(pool.get_failures for pool in self.pools if pool.active))


@dataclass(frozen=True, slots=True)
class Build:
    """What is particular to one miner's hardware at full rate, all well.

    Attributes:
        chip_rise_k, pcb_rise_k: hottest chip and hottest sensor of each hashboard over the coolant that comes in.
        fan_rpm: speed of each fan in air of AMBIENT_C; none where it is liquid-cooled. idle_rpm: with cold boards.
        board_shares: of the rate, by hashboard.
    """

    chip_rise_k: tuple[float, ...]
    pcb_rise_k: tuple[float, ...]
    fan_rpm: tuple[float, ...]
    idle_rpm: float
    board_shares: tuple[float, ...]


class Warmth(msgspec.Struct, frozen=True, gc=False):
    """How warm a miner is at one moment.

    Attributes:
        inlet_c: temperature of the air or liquid that comes in. outlet_c: and of what leaves.
        excess: how much warmer than that its chips are, over their rise at full rate with all well.
        fans: how far its fans are from idle speed to the one at full rate in air of AMBIENT_C, which is 1.
    """

    inlet_c: float
    outlet_c: float
    excess: float
    fans: float


@lru_cache(16_384)
def _warmed(rise_k: tuple[float, ...], inlet_c: float, excess: float) -> tuple[float, ...]:
    """Return displayed temperatures; most miners are as warm as they were when last asked."""
    return tuple([round(inlet_c + rise * excess, 1) for rise in rise_k])


class Readings(msgspec.Struct, frozen=True, gc=False):
    """One miner's true counters and gauges.

    Attributes:
        at: site time in s.
        rate_5s, rate_1m, rate_5m, rate_15m, rate_30m: exponential averages in GH/s with that time constant.
        rate_av: work since the process started over its age, in GH/s.
        elapsed_s: age of the mining process in s; 0 while there is none.
        uptime_s: age of the control board's boot in s.
        accepted, rejected, stale: shares since the process started; the same with `_diff`: their difficulties, summed.
        diff: the pool's share difficulty.
        work_gh: hashes computed since the process started, in GH.
        last_share_at: site time in s of the last share sent, None before the first.
        parts: hashboards, fans and error codes.
        target_gh: the rate the device itself aims at, in GH/s.
        upfreq_complete: the start-up ramp is over.
        suspended: told to sleep. share: of its full rate that it was told to run at, and its protection allows.
        overheated: it has stopped for heat.
        pool_url, pool_user, pool_alive: of the pool worked for.
        build, warmth, flicker, fans_on: what temperatures and fans follow from.
        pool_book: what `pools` follows from.
    """

    at: float
    rate_5s: float
    rate_1m: float
    rate_5m: float
    rate_15m: float
    rate_30m: float
    rate_av: float
    elapsed_s: int
    uptime_s: int
    accepted: int
    rejected: int
    stale: int
    diff: float
    accepted_diff: float
    rejected_diff: float
    stale_diff: float
    work_gh: float
    hw_errors: int
    last_share_at: float | None
    parts: Parts
    power_w: float
    target_gh: float
    upfreq_complete: bool
    suspended: bool
    share: float
    overheated: bool
    pool_url: str
    pool_user: str
    pool_alive: bool
    build: Build
    warmth: Warmth
    flicker: float
    fans_on: bool
    pool_book: PoolBook

    @property
    def board_rates_gh(self) -> tuple[float, ...]:
        """Rate of each hashboard in GH/s, over about 5 s."""
        return tuple([self.rate_5s * share for share in self.parts.shares])

    @property
    def chip_temp_c(self) -> tuple[float, ...]:
        """Hottest chip sensor of each hashboard in °C."""
        return _warmed(self.build.chip_rise_k, self.warmth.inlet_c, self.warmth.excess)

    @property
    def pcb_temp_c(self) -> tuple[float, ...]:
        """Hottest sensor of each hashboard's board in °C."""
        return _warmed(self.build.pcb_rise_k, self.warmth.inlet_c, self.warmth.excess)

    @property
    def fans_rpm(self) -> tuple[int, ...]:
        """Speed of each fan, in steps of 30 rpm."""
        if not self.fans_on:
            return (0,) * len(self.build.fan_rpm)
        idle, ratio, scale = self.build.idle_rpm, self.warmth.fans, self.flicker / 30.0
        rpms = tuple([round((idle + (rpm - idle) * ratio) * scale) * 30 for rpm in self.build.fan_rpm])
        still = self.parts.still
        return rpms if not still else tuple([0 if fan in still else rpm for fan, rpm in enumerate(rpms)])

    @property
    def pools(self) -> tuple[PoolReading, ...]:
        """Every configured pool, in the order of the configuration."""
        return tuple([self._brought_up(pool) if pool.active else pool for pool in self.pool_book.pools])

    def _brought_up(self, pool: PoolReading) -> PoolReading:
        """Return the active pool's reading with what came since the book was written."""
        book, counted = self.pool_book, pool.tally
        marked, last_share_at = book.marked, self.last_share_at
        if last_share_at is None or last_share_at == marked.last_share_at:
            last_share_at = counted.last_share_at
        tally = Tally(
            counted.accepted + self.accepted - marked.accepted,
            counted.rejected + self.rejected - marked.rejected,
            counted.stale + self.stale - marked.stale,
            counted.accepted_diff + (self.accepted_diff - marked.accepted_diff),
            counted.rejected_diff + (self.rejected_diff - marked.rejected_diff),
            counted.stale_diff + (self.stale_diff - marked.stale_diff),
            last_share_at,
        )
        return PoolReading(
            pool.url,
            pool.user,
            pool.priority,
            pool.alive,
            pool.active,
            pool.stratum_active,
            tally,
            pool.active_s + self.at - book.at,
            pool.get_failures,
        )
