"""Miners that hash steadily, all of them at once: counters and rates as arrays, chance drawn for every row together.

A row is admitted with its own process's counters and given them back when anything happens to it. In between its
`Hashing` stands still. What is drawn has the distributions of `simulators.plant.hashing`, from a stream of its own.
"""

import heapq
import math

import numpy as np

from agent.model.columns import Bools, Floats
from simulators.plant.hashing import CELL_S, GH_PER_DIFF1, NONCE_DIFF, Totals
from simulators.plant.history import History
from simulators.plant.site import SitePlant

SMOOTHED = math.sqrt((1.0 - math.exp(-1.0)) / (1.0 + math.exp(-1.0)))
"""Standard deviation of a 5 s exponential average over that of the 5 s cells it averages."""

_TOTALS = (
    "work_gh",
    "hashing_s",
    "accepted",
    "rejected",
    "stale",
    "accepted_diff",
    "rejected_diff",
    "stale_diff",
    "shares_ever",
)


class SteadyRows:
    """The steady ones among n miners; every array has shape (n,).

    Attributes:
        member: rows that are steady. The other arrays mean something for these alone.
        rate_gh: the 5 s average at the last `advance`, in GH/s.
        at: site time in s that each row has been brought up to.
        started_at: site time in s at which its process started.
        diff: the share difficulty in force.
        totals: the counters of `Totals`, by name.
    """

    def __init__(self, plant: SitePlant) -> None:
        self._miners = list(plant.miners.values())
        n = len(self._miners)
        self._rng = np.random.Generator(np.random.PCG64(plant.rng("fast-forward/steady").getrandbits(64)))
        self._history: History = plant.history
        self.member: Bools = np.zeros(n, dtype=np.bool_)
        self.at: Floats = np.zeros(n)
        self.started_at: Floats = np.zeros(n)
        self.diff: Floats = np.ones(n)
        self.rate_gh: Floats = np.zeros(n)
        self.totals: dict[str, Floats] = {name: np.zeros(n) for name in _TOTALS}
        self._full_gh: Floats = np.array([m.hashing.full_gh for m in self._miners])
        self._sigma: Floats = np.array([m.hashing.cell_sigma for m in self._miners])
        self._reject: Floats = np.array([m.hashing.reject_share for m in self._miners])
        self._stale: Floats = np.array([m.hashing.stale_share for m in self._miners])
        self._window_s: Floats = np.array([m.hashing.stale_window_s for m in self._miners])
        self._changes: list[tuple[float, int]] = []
        self._last_share_at: Floats = np.full(n, np.nan)
        for row in range(n):
            self._set_difficulty(row, plant.now)

    def admit(self, row: int, now: float) -> None:
        """Take a row in that is steady at site time `now`; its own hashing lends its counters until it is asked."""
        hashing = self._miners[row].hashing
        totals = hashing.lend(now, lambda: self._recalled(row))
        self.member[row] = True
        self.at[row] = now
        self.started_at[row] = hashing.started_at
        self.rate_gh[row] = hashing.rates_gh[0]
        self._last_share_at[row] = np.nan if totals.last_share_at is None else totals.last_share_at
        for name, column in self.totals.items():
            column[row] = getattr(totals, name)
        self._reject[row], self._full_gh[row] = hashing.reject_share, 0.0 if hashing.is_still else hashing.full_gh

    def advance(self, where: Bools, until: Floats) -> None:
        """Let the rows `where`, all of them members, hash on until their site time `until` in s."""
        dt = np.zeros_like(until)
        np.subtract(until, self.at, out=dt, where=where)
        np.maximum(dt, 0.0, out=dt)
        now = float(until.max())
        sigma = self._sigma * self._history.noise_factor(now)[0]
        noise = self._rng.standard_normal((2, len(dt)))
        work_gh = self._full_gh * np.maximum(0.0, dt + sigma * np.sqrt(CELL_S * dt) * noise[0])
        self.totals["work_gh"] += work_gh
        self.totals["hashing_s"] += dt
        np.copyto(self.rate_gh, self._full_gh * np.maximum(0.0, 1.0 + sigma * SMOOTHED * noise[1]), where=where)
        self._follow_difficulty(now)
        self._find_shares(self._full_gh / (self.diff * GH_PER_DIFF1), until, dt)
        np.copyto(self.at, until, where=where)

    def hw_errors(self, share: Floats, spared: Floats) -> Floats:
        """Return how many hardware errors each process has counted: that share of its nonces but for those spared."""
        return np.floor(self.totals["work_gh"] * (share / (GH_PER_DIFF1 * NONCE_DIFF)) - spared)

    def _follow_difficulty(self, now: float) -> None:
        """Take over what difficulties the pools have set since; a step later than they did, at worst."""
        while self._changes and self._changes[0][0] <= now:
            _, row = heapq.heappop(self._changes)
            self._set_difficulty(row, now)

    def _set_difficulty(self, row: int, now: float) -> None:
        factor, until = self._history.difficulty_factor(self._miners[row].spec.id, now)
        self.diff[row] = self._miners[row].hashing.base_diff * factor
        if not math.isinf(until):
            heapq.heappush(self._changes, (until, row))

    def _find_shares(self, per_s: Floats, until: Floats, dt: Floats) -> None:
        """Draw the shares of each fate; the parts of a Poisson stream are Poisson streams of their own."""
        stale_s = self._stale_s(until - dt, until)
        sound_s = np.maximum(0.0, dt - stale_s)
        draw = self._rng.poisson
        rejected = draw(per_s * dt * self._reject).astype(np.float64)
        stale = draw(per_s * stale_s).astype(np.float64) if stale_s.any() else stale_s  # most steps see no block
        accepted = draw(per_s * sound_s * (1.0 - self._reject)).astype(np.float64)
        sent = accepted + rejected + stale
        for name, shares in (("accepted", accepted), ("rejected", rejected), ("stale", stale)):
            self.totals[name] += shares
            self.totals[f"{name}_diff"] += shares * self.diff
        self.totals["shares_ever"] += sent
        # The last of k shares spread over dt lies dt / (k + 1) before its end, in the mean.
        np.copyto(self._last_share_at, until - dt / (sent + 1.0), where=sent > 0.0)

    def _stale_s(self, since: Floats, until: Floats) -> Floats:
        """Return for how many seconds of each row's step its shares were stale: those just after a block."""
        if self._history.settings.block_mean_s is None:
            return (until - since) * self._stale
        stale_s = np.zeros_like(since)
        for block in self._history.blocks_between(float(since.min() - self._window_s.max()), float(until.max())):
            stale_s += np.maximum(0.0, np.minimum(until, block + self._window_s) - np.maximum(since, block))
        return stale_s

    def _recalled(self, row: int) -> tuple[float, Totals]:
        """Give a row back: until when it was advanced, and its counters then."""
        self.member[row] = False
        last = float(self._last_share_at[row])
        of = {name: float(column[row]) for name, column in self.totals.items()}
        totals = Totals(
            of["work_gh"],
            of["hashing_s"],
            int(of["accepted"]),
            int(of["rejected"]),
            int(of["stale"]),
            of["accepted_diff"],
            of["rejected_diff"],
            of["stale_diff"],
            int(of["shares_ever"]),
            None if math.isnan(last) else last,
        )
        return float(self.at[row]), totals
