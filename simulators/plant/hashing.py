"""One mining process's hashing: nonces and shares as Poisson streams, and the averages a firmware shows of them.

Computed when somebody looks, in closed form over pieces in which the rate is constant or rises evenly. Chance enters in
two places, each from its own stream and in an order that does not depend on who looks when: one draw per 5 s of hashing
(how many nonces were found) and one per share (when the next one comes). Only a look after more than half an hour takes
a short cut: one draw for the whole gap, so that a week costs what a minute costs.
"""

import math
import random

GH_PER_DIFF1 = 2**32 / 1e9
"""Expected hashes behind one share of difficulty 1, in GH."""

CELL_S = 5.0
NONCE_DIFF = 256
"""Chips report nonces of this difficulty: facts "detection", section 1.2."""

TAUS_S = (5.0, 60.0, 300.0, 900.0, 1800.0)
BULK_S = 1800.0
BULK_TAIL_S = 60.0
SHARES_PER_S = 0.3


def share_difficulty(full_gh: float) -> float:
    """Return the difficulty, in whole thousands, at which that rate finds about 18 shares a minute.

    Source: facts "detection", section 2 (λ = H / (D·2³²)) and 1.2 (vardiff aims at 16 to 20 shares a minute).
    """
    return max(1.0, round(full_gh / (SHARES_PER_S * GH_PER_DIFF1) / 1000.0)) * 1000.0


class Hashing:
    """Counters and averages of one mining process; `reset` begins the next one.

    Attributes:
        rates_gh: exponential averages in GH/s for the time constants TAUS_S.
        work_gh: hashes computed, in GH.
        hashing_s: seconds spent hashing.
        shares_ever: shares sent over all processes.
    """

    def __init__(
        self,
        *,
        full_gh: float,
        diff: float,
        reject_share: float,
        stale_share: float,
        freezes: bool,
        nonce_rng: random.Random,
        share_rng: random.Random,
    ) -> None:
        self.full_gh = full_gh
        self.diff = diff
        self._reject_share = reject_share
        self._stale_share = stale_share
        self._freezes = freezes
        self._nonces = nonce_rng
        self._shares = share_rng
        self._cell_sigma = 1.0 / math.sqrt(max(full_gh / (GH_PER_DIFF1 * NONCE_DIFF) * CELL_S, 1.0))
        self.shares_ever = 0
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Begin a new process at site time `now`: every counter and every average starts from zero."""
        self.started_at = now
        self.rates_gh = [0.0] * len(TAUS_S)
        self.work_gh = 0.0
        self.hashing_s = 0.0
        self.accepted = self.rejected = self.stale = 0
        self.last_share_at: float | None = None
        self._frozen_av: float | None = None
        self._t = now
        self._begun_at: float | None = None
        self._ramp_end = now
        self._ramp_from = 1.0
        self._cell_end = now
        self._luck = 1.0
        self._until_share = self._shares.expovariate(1.0)

    def begin(self, now: float, ramp_s: float, ramp_from: float) -> None:
        """Compute from `now` on, rising evenly from `ramp_from` of the full rate within `ramp_s`."""
        self.advance(now)
        self._begun_at = self._cell_end = now
        self._ramp_end = now + ramp_s
        self._ramp_from = ramp_from
        self._frozen_av = None

    def stop(self, now: float) -> None:
        """Compute nothing from `now` on."""
        self.advance(now)
        if self._begun_at is not None and self._freezes:
            self._frozen_av = self.average_gh(now)
        self._begun_at = None

    def level(self, now: float) -> float:
        """Return the share of the full rate computed at `now`, from 0 to 1, without chance."""
        if self._begun_at is None:
            return 0.0
        if now >= self._ramp_end:
            return 1.0
        risen = (now - self._begun_at) / (self._ramp_end - self._begun_at)
        return self._ramp_from + (1.0 - self._ramp_from) * risen

    def average_gh(self, now: float) -> float:
        """Return work over the age of the process in GH/s; the value at the stop where the firmware freezes it."""
        if self._frozen_av is not None:
            return self._frozen_av
        age = now - self.started_at
        return self.work_gh / age if age > 0 else 0.0

    def nonces(self) -> float:
        """Return how many nonces of NONCE_DIFF the process's work stands for."""
        return self.work_gh / (GH_PER_DIFF1 * NONCE_DIFF)

    def advance(self, now: float) -> None:
        """Bring counters and averages up to site time `now`; a time in the past changes nothing."""
        if self._begun_at is None:
            self._rest(now)
            return
        if now - max(self._t, self._ramp_end) > BULK_S:
            self._cells(self._ramp_end)
            self._bulk(now - BULK_TAIL_S)
        self._cells(now)

    def _rest(self, now: float) -> None:
        dt = now - self._t
        if dt <= 0:
            return
        self.rates_gh[0] *= math.exp(-dt / TAUS_S[0])
        if not self._freezes:
            for i in range(1, len(TAUS_S)):
                self.rates_gh[i] *= math.exp(-dt / TAUS_S[i])
        self._t = now

    def _cells(self, now: float) -> None:
        while self._t < now:
            if self._t >= self._cell_end:
                self._luck = max(0.0, self._nonces.gauss(1.0, self._cell_sigma))
                self._cell_end += CELL_S
            end = min(now, self._cell_end)
            if self._t < self._ramp_end:
                end = min(end, self._ramp_end)
            self._step(end)

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
        self._find_shares(work, start, dt)

    def _find_shares(self, work_gh: float, start: float, dt: float) -> None:
        expected = work_gh / (self.diff * GH_PER_DIFF1)
        reached = self._until_share
        while reached <= expected:
            self._send(start + dt * reached / expected)
            reached += self._shares.expovariate(1.0)
        self._until_share = reached - expected

    def _send(self, at: float) -> None:
        fate = self._shares.random()
        if fate < self._reject_share:
            self.rejected += 1
        elif fate < self._reject_share + self._stale_share:
            self.stale += 1
        else:
            self.accepted += 1
        self.shares_ever += 1
        self.last_share_at = at

    def _bulk(self, now: float) -> None:
        dt = now - self._t
        luck = max(0.0, self._nonces.gauss(1.0, self._cell_sigma * math.sqrt(CELL_S / dt)))
        work = self.full_gh * luck * dt
        for i, tau in enumerate(TAUS_S):
            self.rates_gh[i] = self.full_gh + (self.rates_gh[i] - self.full_gh) * math.exp(-dt / tau)
        mean = work / (self.diff * GH_PER_DIFF1)
        sent = max(0, round(self._shares.gauss(mean, math.sqrt(mean))))
        rejected = _part(self._shares, sent, self._reject_share)
        stale = _part(self._shares, sent - rejected, self._stale_share)
        self.rejected += rejected
        self.stale += stale
        self.accepted += sent - rejected - stale
        self.shares_ever += sent
        self.work_gh += work
        self.hashing_s += dt
        self._t = self._cell_end = now
        if sent:
            self.last_share_at = now - min(self._shares.expovariate(mean / dt), dt)


def _part(rng: random.Random, n: int, p: float) -> int:
    """Draw how many of `n` have a property of probability `p`, by the normal approximation."""
    return min(n, max(0, round(rng.gauss(n * p, math.sqrt(n * p * (1.0 - p))))))
