"""One mining process's hashing: nonces and shares as Poisson streams, and the averages a firmware shows of them.

Computed when somebody looks, in closed form over pieces in which the rate is constant or rises evenly. Chance enters in
two places, each from its own stream and in an order that does not depend on who looks when: one draw per 5 s of hashing
(how many nonces were found) and one per share (when the next one comes, and its fate). Counters and averages come out
the same however often one looks; only the moment of a share shifts by fractions of a second, because what passed
between two looks counts as worked at an even pace. And a look after more than half an hour takes a short cut: one draw
for the whole gap, so that a week costs what a minute costs.

What the surroundings do, blocks and share difficulties, comes from `history`; a difficulty changes with a 5 s cell.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np

from agent.model.ids import MinerId
from simulators.plant.history import History

GH_PER_DIFF1 = 2**32 / 1e9
"""Expected hashes behind one share of difficulty 1, in GH."""

CELL_S = 5.0
NONCE_DIFF = 256
"""Chips report nonces of this difficulty: facts "detection", section 1.2."""

TAUS_S = (5.0, 60.0, 300.0, 900.0, 1800.0)
BULK_S = 1800.0
BULK_TAIL_S = 60.0
SHARES_PER_S = 0.3
SETTLED_S = 300.0
"""Full rate for so long counts as steady. What is ignored then: the 5, 15 and 30 min averages, not yet risen wholly."""


def _kept(dt: float) -> tuple[float, float, float, float, float]:
    """Return what is left after `dt` s of an average's distance from a constant rate, for each of TAUS_S."""
    tau_0, tau_1, tau_2, tau_3, tau_4 = TAUS_S
    return exp(-dt / tau_0), exp(-dt / tau_1), exp(-dt / tau_2), exp(-dt / tau_3), exp(-dt / tau_4)


_KEPT = _kept(CELL_S)
_AHEAD = 32
"""Draws taken from a stream at a time."""

_POOL_WORDS = 4
"""A seed of fewer words of 32 bits is filled up to so many before a spawn key follows it (numpy's `SeedSequence`)."""


def share_difficulty(full_gh: float) -> float:
    """Return the difficulty, in whole thousands, at which that rate finds about 18 shares a minute.

    Source: facts "detection", section 2 (λ = H / (D·2³²)) and 1.2 (vardiff aims at 16 to 20 shares a minute).
    """
    return max(1.0, round(full_gh / (SHARES_PER_S * GH_PER_DIFF1) / 1000.0)) * 1000.0


def successor(stream: np.random.Generator) -> np.random.Generator:
    """Return the stream after that one: the one that its `spawn(1)` would return.

    Each one's seed is a word longer than the one before. numpy reads a spawn key, but not an array, in Python: of a
    miner that has crashed two thousand times that takes 3 ms.
    """
    words = stream.bit_generator.seed_seq.entropy  # type: ignore[attr-defined] # its interface does not have it
    if isinstance(words, int):
        words = np.array([words >> 32 * place & 0xFFFFFFFF for place in range(_POOL_WORDS)], dtype=np.uint32)
    seed = np.random.SeedSequence(np.append(words, np.uint32(0)))
    return np.random.Generator(np.random.PCG64(seed))


@dataclass(slots=True)
class Totals:
    """The counters of one mining process; `shares_ever` over all processes, `last_share_at` in site seconds."""

    work_gh: float
    hashing_s: float
    accepted: int
    rejected: int
    stale: int
    accepted_diff: float
    rejected_diff: float
    stale_diff: float
    shares_ever: int
    last_share_at: float | None


class Hashing:
    """Counters and averages of one mining process; `reset` begins the next one.

    Attributes:
        full_gh: rate once the ramp is over, in GH/s; less than the whole one while parts are broken or it is told to.
        pace: the share of a whole miner's full rate that its full rate is now.
        base_diff: share difficulty at its base. diff: the present one.
        cell_sigma: relative standard deviation of the work of 5 s in an average shift; over `dt` seconds it is
            cell_sigma · sqrt(5 / dt).
        reject_share: share of the shares sent that is rejected for what it is.
        stale_share: share that is stale on average. stale_window_s: for so long after a block all are; 0 where the
            history has no blocks and they go stale evenly.
        rates_gh: exponential averages in GH/s for the time constants TAUS_S.
        work_gh: hashes computed, in GH.
        hashing_s: seconds spent hashing.
        ramp_end: site time in s at which the full rate is reached, or was.
        shares_ever: shares sent over all processes.
    """

    def __init__(
        self,
        miner: MinerId,
        *,
        full_gh: float,
        diff: float,
        reject_share: float,
        stale_share: float,
        freezes: bool,
        history: History,
        nonce_rng: np.random.Generator,
        share_rng: np.random.Generator,
    ) -> None:
        self.full_gh = self._whole_gh = full_gh
        self.pace = 1.0
        self.base_diff = self.diff = diff
        self.reject_share = reject_share
        self.stale_share = stale_share
        self.stale_window_s = history.stale_window_s(stale_share)
        self.cell_sigma = 1.0 / math.sqrt(max(full_gh / (GH_PER_DIFF1 * NONCE_DIFF) * CELL_S, 1.0))
        self.shares_ever = 0
        self._miner = miner
        self._freezes = freezes
        self._history = history
        self._nonces, self._shares = nonce_rng, share_rng
        self._lucks: list[float] = []
        self._waits: list[float] = []
        self._fates: list[float] = []
        self._wanted = True
        self._recall: Callable[[], tuple[float, Totals]] | None = None
        self._sigma = self.cell_sigma
        self._terms_from, self._terms_until = math.inf, -math.inf
        self._block, self._next_block = math.inf, -math.inf
        self.hashing_s = 0.0
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Begin a new process at site time `now`: every counter and every average starts from zero.

        Its chance is its own: how much the one before has drawn hangs on who kept its counters meanwhile.
        """
        if self.hashing_s > 0.0:
            self._nonces, self._shares = successor(self._nonces), successor(self._shares)
            self._lucks, self._waits = [], []
        self.started_at = now
        self.rates_gh = [0.0] * len(TAUS_S)
        self.work_gh = 0.0
        self.hashing_s = 0.0
        self.accepted = self.rejected = self.stale = 0
        self.accepted_diff = self.rejected_diff = self.stale_diff = 0.0
        self.last_share_at: float | None = None
        self._frozen_av: float | None = None
        self._t = now
        self._begun_at: float | None = None
        self.ramp_end = now
        self._ramp_from = 1.0
        self._cell_end = now
        self._luck = 1.0
        if not self._waits:
            self._draw_ahead()
        self._until_share = self._waits.pop()

    def begin(self, now: float, ramp_s: float, ramp_from: float) -> None:
        """Compute from `now` on, rising evenly from `ramp_from` of the full rate within `ramp_s`."""
        self.advance(now)
        self._begun_at = self._cell_end = now
        self.ramp_end = now + ramp_s
        self._ramp_from = ramp_from
        self._frozen_av = None

    def set_pace(self, now: float, share: float, ramp_s: float = 0.0) -> None:
        """Have that share of a whole miner's full rate for its full rate, and get there evenly within `ramp_s`."""
        if share == self.pace:
            return
        self.advance(now)
        before_gh = self.level(now) * self.full_gh
        self.full_gh = self._whole_gh * share
        self.pace = self.full_gh / self._whole_gh
        if self._begun_at is not None and ramp_s and self.full_gh:
            self._begun_at = self._cell_end = now
            self.ramp_end = now + ramp_s
            self._ramp_from = before_gh / self.full_gh

    def stop(self, now: float) -> None:
        """Compute nothing from `now` on."""
        self.advance(now)
        if self._begun_at is not None and self._freezes:
            self._frozen_av = self.average_gh(now)
        self._begun_at = None

    def want(self, now: float, wanted: bool) -> None:
        """Let shares reach a pool from `now` on, or nobody: then they are computed and never counted."""
        self.advance(now)
        self._wanted = wanted

    def reject(self, now: float, share: float) -> None:
        """Have that share of the shares rejected from `now` on."""
        self.advance(now)
        self.reject_share = share

    # -- steady state handed over and back ---------------------------------------------------------------------------

    def is_steady(self, now: float) -> bool:
        """Whether it computes at full rate, and has for SETTLED_S; its shares reach a pool."""
        return self._begun_at is not None and self._wanted and now - self.ramp_end >= SETTLED_S

    @property
    def is_still(self) -> bool:
        """Whether it computes nothing, and its display shows that."""
        return self._begun_at is None and self.rates_gh[0] < 1.0

    def totals(self, now: float) -> Totals:
        """Return the counters at `now`."""
        self.advance(now)
        return Totals(
            self.work_gh,
            self.hashing_s,
            self.accepted,
            self.rejected,
            self.stale,
            self.accepted_diff,
            self.rejected_diff,
            self.stale_diff,
            self.shares_ever,
            self.last_share_at,
        )

    def lend(self, now: float, recall: Callable[[], tuple[float, Totals]]) -> Totals:
        """Let somebody else keep the counters from `now` on; return them.

        `recall` is called as soon as anything is asked of this process or happens to it, and returns until when the
        counters were kept, and what they are.
        """
        totals = self.totals(now)
        self._recall = recall
        return totals

    def take_over(self, now: float, totals: Totals) -> None:
        """Go on at `now` from counters that somebody else kept while the process was steady.

        No chance is drawn for the gap: averages are where a constant full rate has brought them since the last look.
        """
        dt = max(0.0, now - self._t)
        if self._begun_at is None:
            self._rest(max(now, self._t))
            dt = 0.0
        for i, tau in enumerate(TAUS_S):
            self.rates_gh[i] = self.full_gh + (self.rates_gh[i] - self.full_gh) * math.exp(-dt / tau)
        self.work_gh, self.hashing_s = totals.work_gh, totals.hashing_s
        self.accepted, self.rejected, self.stale = totals.accepted, totals.rejected, totals.stale
        self.accepted_diff, self.rejected_diff = totals.accepted_diff, totals.rejected_diff
        self.stale_diff = totals.stale_diff
        self.shares_ever, self.last_share_at = totals.shares_ever, totals.last_share_at
        self._t = self._cell_end = now

    # -- what it shows -----------------------------------------------------------------------------------------------

    def level(self, now: float) -> float:
        """Return the rate at `now` over the full one, without chance: from 0 to 1, above 1 while it is scaled down."""
        if self._begun_at is None:
            return 0.0
        if now >= self.ramp_end:
            return 1.0
        risen = (now - self._begun_at) / (self.ramp_end - self._begun_at)
        return self._ramp_from + (1.0 - self._ramp_from) * risen

    def output(self, now: float) -> float:
        """Return the share of a whole miner's full rate that is computed at `now`, without chance."""
        return self.level(now) * self.pace

    def average_gh(self, now: float) -> float:
        """Return work over the age of the process in GH/s; the value at the stop where the firmware freezes it."""
        if self._frozen_av is not None:
            return self._frozen_av
        age = now - self.started_at
        return self.work_gh / age if age > 0 else 0.0

    def nonces(self) -> float:
        """Return how many nonces of NONCE_DIFF the process's work stands for."""
        return self.work_gh / (GH_PER_DIFF1 * NONCE_DIFF)

    # -- time passes -------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Bring counters and averages up to site time `now`; a time in the past changes nothing."""
        if self._recall is not None:
            recall, self._recall = self._recall, None
            self.take_over(*recall())
        if now <= self._t:
            return
        if self._begun_at is None:
            self._rest(now)
            return
        if now - max(self._t, self.ramp_end) > BULK_S:
            self._cells(self.ramp_end)
            self._bulk(now - BULK_TAIL_S)
        self._cells(now)

    def _rest(self, now: float) -> None:
        dt = now - self._t
        self.rates_gh[0] *= math.exp(-dt / TAUS_S[0])
        if not self._freezes:
            for i in range(1, len(TAUS_S)):
                self.rates_gh[i] *= math.exp(-dt / TAUS_S[i])
        self._t = now

    def _cells(self, now: float) -> None:
        while self._t < now:
            if self._t >= self._cell_end:
                self._open_cell()
            if self._t >= self.ramp_end:
                self._full_rate(now)
            else:
                self._step(min(now, self._cell_end, self.ramp_end))

    def _open_cell(self) -> None:
        if not self._terms_from <= self._t < self._terms_until:
            self._new_terms(self._t)
        if not self._lucks:
            self._lucks = self._nonces.standard_normal(_AHEAD).tolist()
        self._luck = max(0.0, 1.0 + self._sigma * self._lucks.pop())
        self._cell_end = self._t + CELL_S

    def _new_terms(self, at: float) -> float:
        """Look up what holds from `at` on, share difficulty and the shift's noise; return how long the first does."""
        factor, diff_until = self._history.difficulty_factor(self._miner, at)
        noise, shift_until = self._history.noise_factor(at)
        self.diff = self.base_diff * factor
        self._sigma = self.cell_sigma * noise
        self._terms_from, self._terms_until = at, min(diff_until, shift_until)
        return diff_until

    def _full_rate(self, now: float) -> None:
        """Pass what is left of the open cell and those behind it, up to `now` or to where other terms hold.

        Near a block, where a share's fate hangs on when it was found, one cell at a time.
        """
        full_gh, sigma, lucks = self.full_gh, self._sigma, self._lucks
        k0, k1, k2, k3, k4 = _KEPT
        r0, r1, r2, r3, r4 = self.rates_gh
        start = t = self._t
        cell_end, luck, work = self._cell_end, self._luck, 0.0
        blocks_matter = self._blocks_matter(t, now)
        whole, until = False, t if blocks_matter else min(now, self._terms_until)
        while True:
            g = full_gh * luck
            if whole and cell_end <= now:
                r0, r1, r2 = g + (r0 - g) * k0, g + (r1 - g) * k1, g + (r2 - g) * k2
                r3, r4 = g + (r3 - g) * k3, g + (r4 - g) * k4
                work += g * CELL_S
                t = cell_end
            else:
                end = min(cell_end, now)
                p0, p1, p2, p3, p4 = _kept(end - t)
                r0, r1, r2 = g + (r0 - g) * p0, g + (r1 - g) * p1, g + (r2 - g) * p2
                r3, r4 = g + (r3 - g) * p3, g + (r4 - g) * p4
                work += g * (end - t)
                t = end
            if t >= until or not lucks:
                break
            luck = max(0.0, 1.0 + sigma * lucks.pop())
            cell_end, whole = t + CELL_S, True
        self.rates_gh = [r0, r1, r2, r3, r4]
        self._t, self._cell_end, self._luck = t, cell_end, luck
        self.work_gh += work
        self.hashing_s += t - start
        self._find_shares(work, start, t - start, blocks_matter)

    def _step(self, end: float) -> None:
        start, dt = self._t, end - self._t
        scale = self.full_gh * self._luck
        first = scale * self.level(start)
        slope = (scale * self.level(end) - first) / dt
        work = dt * (first + slope * dt / 2.0)
        for i, tau in enumerate(TAUS_S):
            # Exact answer of a first-order lag to a rate that rises evenly.
            lag = slope * tau
            self.rates_gh[i] = first + slope * dt - lag + (self.rates_gh[i] - first + lag) * math.exp(-dt / tau)
        self.work_gh += work
        self.hashing_s += dt
        self._t = end
        self._find_shares(work, start, dt, self._blocks_matter(start, end))

    def _draw_ahead(self) -> None:
        self._waits = self._shares.standard_exponential(_AHEAD).tolist()
        self._fates = self._shares.random(_AHEAD).tolist()

    def _find_shares(self, work_gh: float, start: float, dt: float, blocks_matter: bool) -> None:
        """Send the shares in a piece of work done at one difficulty, as if it had been done at an even pace."""
        left = expected = work_gh / (self.diff * GH_PER_DIFF1)
        until, waits, fates = self._until_share, self._waits, self._fates
        if until > left:
            self._until_share = until - left
            return
        fresh, reject_share = 1.0 - self._even_stale(start), self.reject_share
        sent = stale = rejected = 0
        while until <= left:
            left -= until
            fate = fates.pop()
            sent += 1
            if fate >= fresh or (blocks_matter and self._is_stale(start + dt * (1.0 - left / expected))):
                stale += 1
            elif fate < reject_share:
                rejected += 1
            if not waits:
                self._draw_ahead()
                waits, fates = self._waits, self._fates
            until = waits.pop()
        self._until_share = until - left
        if self._wanted:
            self._count(sent - stale - rejected, rejected, stale)
            self.last_share_at = start + dt * (1.0 - left / expected)

    def _blocks_matter(self, start: float, end: float) -> bool:
        """Tell whether a share found in that time may go stale by a block."""
        if not self._block <= start < self._next_block:
            self._block, self._next_block = self._history.around(start)
        return start - self._block < self.stale_window_s or end >= self._next_block

    def _is_stale(self, at: float) -> bool:
        """Tell whether a share found at `at` comes too soon after a block."""
        if not self._block <= at < self._next_block:
            self._block, self._next_block = self._history.around(at)
        return at - self._block < self.stale_window_s

    def _count(self, accepted: int, rejected: int, stale: int) -> None:
        """Count shares that reached a pool, all of the present difficulty."""
        self.accepted += accepted
        self.rejected += rejected
        self.stale += stale
        self.accepted_diff += accepted * self.diff
        self.rejected_diff += rejected * self.diff
        self.stale_diff += stale * self.diff
        self.shares_ever += accepted + rejected + stale

    def _even_stale(self, at: float) -> float:
        """Return the share that goes stale at any time: all of it where the history knows no blocks at `at`."""
        return 0.0 if self.stale_window_s and at >= self._history.start_s else self.stale_share

    def _bulk(self, now: float) -> None:
        dt = now - self._t
        diff_until = self._new_terms(self._t)
        luck = max(0.0, self._nonces.normal(1.0, self._sigma * math.sqrt(CELL_S / dt)))
        for i, tau in enumerate(TAUS_S):
            self.rates_gh[i] = self.full_gh + (self.rates_gh[i] - self.full_gh) * math.exp(-dt / tau)
        self.work_gh += self.full_gh * luck * dt
        self.hashing_s += dt
        while self._t < now:
            # A piece for each difficulty held; shares go stale at the average share.
            end = min(now, diff_until)
            self._send_many(self.full_gh * luck / (self.diff * GH_PER_DIFF1), end)
            self._t = end
            diff_until = self._new_terms(end)
        self._cell_end = now

    def _send_many(self, per_s: float, end: float) -> None:
        dt = end - self._t
        sent = int(self._shares.poisson(per_s * dt))
        if not sent or not self._wanted:
            return
        stale = int(self._shares.binomial(sent, self.stale_share))
        rejected = int(self._shares.binomial(sent - stale, self.reject_share))
        self._count(sent - stale - rejected, rejected, stale)
        self.last_share_at = end - min(self._shares.standard_exponential() / per_s, dt)
