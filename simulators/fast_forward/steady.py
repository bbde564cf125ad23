"""Miners that hash steadily, all of them at once: counters and rates as arrays, chance drawn for every row together.

A row is admitted with its own process's counters and given them back when anything happens to it. In between its
`Hashing` stands still. What is drawn has the distributions of `simulators.plant.hashing`, from a stream of its own.
"""

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from simulators.fast_forward.chance import Ahead, Chance, Counts
from simulators.plant.hashing import CELL_S, GH_PER_DIFF1, NONCE_DIFF, Totals
from simulators.plant.history import History
from simulators.plant.site import SitePlant

SMOOTHED = math.sqrt((1.0 - math.exp(-1.0)) / (1.0 + math.exp(-1.0)))
"""Standard deviation of a 5 s exponential average over that of the 5 s cells it averages."""

_TOTALS = ("work_gh", "accepted", "rejected", "stale", "accepted_diff", "rejected_diff", "stale_diff")


class SteadyRows:
    """The steady ones among n miners; every array has shape (n,).

    Args:
        step_s: what usually lies between two steps of a row, or a little less.

    Attributes:
        member: rows that are steady. The other arrays mean something for these alone.
        rate_gh: the 5 s average of those that were advanced last, in GH/s.
        at: site time in s that each row has been brought up to.
        started_at: site time in s at which its process started.
        diff: the share difficulty in force.
        totals: the counters of `Totals` that grow, by name.
    """

    def __init__(self, plant: SitePlant, step_s: float) -> None:
        self._miners = list(plant.miners.values())
        n = len(self._miners)
        self._chance = Chance(plant.rng("fast-forward/steady").getrandbits(64))
        self._step_usually_s = step_s
        self._luck = Ahead(2 * n, lambda steps: self._chance.normal(steps * 2 * n).reshape(steps, 2, n))
        self._good_shares = Counts(n, self._chance)
        self._history: History = plant.history
        self.member: Bools = np.zeros(n, dtype=np.bool_)
        self.at: Floats = np.zeros(n)
        self.started_at: Floats = np.zeros(n)
        self.diff: Floats = np.ones(n)
        self.rate_gh: Floats = np.zeros(n)
        self.totals: dict[str, Floats] = {name: np.zeros(n) for name in _TOTALS}
        self._idle_s: Floats = np.zeros(n)
        self._sent_before: Floats = np.zeros(n)
        self._full_gh: Floats = np.array([m.hashing.full_gh for m in self._miners])
        self._sigma: Floats = np.array([m.hashing.cell_sigma for m in self._miners])
        self._reject: Floats = np.array([m.hashing.reject_share for m in self._miners])
        self._stale: Floats = np.array([m.hashing.stale_share for m in self._miners])
        self._window_s: Floats = np.array([m.hashing.stale_window_s for m in self._miners])
        self._longest_window_s = float(self._window_s.max(initial=0.0))
        self._noise, self._noise_factor = self._sigma, 1.0
        self._good_per_s: Floats = np.zeros(n)
        self._bad_per_s: Floats = np.zeros(n)
        self._changes: list[tuple[float, int]] = []
        self._last_share_at: Floats = np.full(n, np.nan)
        self._step_ends: Floats = np.zeros(n)
        self._step_s: Floats = np.zeros(n)
        self._step_shares: Floats = np.zeros(n)
        for row in range(n):
            self._set_difficulty(row, plant.now)

    def admit(self, row: int, now: float) -> None:
        """Take a row in that is steady at site time `now`; its own hashing lends its counters until it is asked."""
        hashing = self._miners[row].hashing
        totals = hashing.lend(now, lambda: self._recalled(row))
        self.member[row] = True
        self.at[row] = now
        self.started_at[row] = hashing.started_at
        self._idle_s[row] = now - totals.hashing_s
        self._sent_before[row] = totals.shares_ever - (totals.accepted + totals.rejected + totals.stale)
        self._last_share_at[row] = np.nan if totals.last_share_at is None else totals.last_share_at
        self._step_shares[row] = 0.0
        for name, column in self.totals.items():
            column[row] = getattr(totals, name)
        self._reject[row], self._full_gh[row] = hashing.reject_share, 0.0 if hashing.is_still else hashing.full_gh
        self._set_pace(row)

    def advance(self, where: Bools, until: Floats) -> None:
        """Let the rows `where`, all of them members, hash on until their site time `until` in s."""
        now = float(until.max())
        factor = self._history.noise_factor(now)[0]
        if factor != self._noise_factor:
            self._noise, self._noise_factor = self._sigma * factor, factor
        dt = until - self.at
        np.maximum(dt, 0.0, out=dt)
        dt *= where
        work_luck, rate_luck = self._luck.take()
        work_gh = self._noise * work_luck
        work_gh *= np.sqrt(CELL_S * dt)
        work_gh += dt
        np.maximum(work_gh, 0.0, out=work_gh)
        work_gh *= self._full_gh
        self.totals["work_gh"] += work_gh
        rate_gh = self._noise * rate_luck
        rate_gh *= SMOOTHED
        rate_gh += 1.0
        np.maximum(rate_gh, 0.0, out=rate_gh)
        self.rate_gh = np.multiply(rate_gh, self._full_gh, out=rate_gh)
        self._follow_difficulty(now)
        self._find_shares(until, dt)
        np.putmask(self.at, where, until)

    def hw_errors(self, share: Floats, spared: Floats) -> Floats:
        """Return how many hardware errors each process has counted: that share of its nonces but for those spared."""
        errors = share / (GH_PER_DIFF1 * NONCE_DIFF)
        errors *= self.totals["work_gh"]
        errors -= spared
        return np.floor(errors, out=errors)

    def _follow_difficulty(self, now: float) -> None:
        """Take over what difficulties the pools have set since; a step later than they did, at worst."""
        while self._changes and self._changes[0][0] <= now:
            _, row = heapq.heappop(self._changes)
            self._set_difficulty(row, now)

    def _set_difficulty(self, row: int, now: float) -> None:
        factor, until = self._history.difficulty_factor(self._miners[row].spec.id, now)
        self.diff[row] = self._miners[row].hashing.base_diff * factor
        self._set_pace(row)
        if not math.isinf(until):
            heapq.heappush(self._changes, (until, row))

    def _set_pace(self, row: int) -> None:
        """Note how many shares a row finds in a second that are good, but for blocks, and how many are not."""
        per_s = self._full_gh[row] / (self.diff[row] * GH_PER_DIFF1)
        self._good_per_s[row], self._bad_per_s[row] = per_s * (1.0 - self._reject[row]), per_s * self._reject[row]
        self._good_shares.expect(row, float(self._good_per_s[row]) * self._step_usually_s)

    def _find_shares(self, until: Floats, dt: Floats) -> None:
        """Draw the shares of each fate; the parts of a Poisson stream are Poisson streams of their own."""
        stale_s = self._stale_s(until, dt)
        fresh_s = dt if stale_s is None else np.maximum(dt - stale_s, 0.0)
        sent, more = self._good_shares.draw(self._good_per_s * fresh_s)
        self.totals["accepted"] += sent
        self.totals["accepted_diff"] += sent * self.diff
        bad = self._bad_per_s * dt
        more += bad
        rows = self._chance.events(more)
        is_bad = self._chance.rng.random(rows.size) * more[rows] < bad[rows]
        self._count("accepted", rows[~is_bad], sent)
        self._count("rejected", rows[is_bad], sent)
        if stale_s is not None:
            self._count("stale", self._chance.events((self._good_per_s + self._bad_per_s) * stale_s), sent)
        none = (sent == 0.0).nonzero()[0]
        self._last_share_at[none] = self._last_shares_at(none)
        self._step_ends, self._step_s, self._step_shares = until, dt, sent

    def _count(self, fate: str, rows: NDArray[np.int64], sent: Floats) -> None:
        """Count one share each of these rows, some of them named more than once, and add it to what they sent."""
        np.add.at(self.totals[fate], rows, 1.0)
        np.add.at(self.totals[f"{fate}_diff"], rows, self.diff[rows])
        np.add.at(sent, rows, 1.0)

    def _last_shares_at(self, rows: NDArray[np.int64]) -> Floats:
        """Return when each of these rows found its last share, NaN for never.

        The last of k shares spread over a step lies its length / (k + 1) before its end, in the mean.
        """
        shares = self._step_shares[rows]
        in_step = self._step_ends[rows] - self._step_s[rows] / (shares + 1.0)
        return np.where(shares > 0.0, in_step, self._last_share_at[rows])

    def _stale_s(self, until: Floats, dt: Floats) -> Floats | None:
        """Return for how many seconds of each row's step its shares were stale: those just after a block.

        None where no block was found: most steps see none.
        """
        if self._history.settings.block_mean_s is None:
            return dt * self._stale
        begun = float(until.min() - dt.max()) - self._longest_window_s
        blocks = self._history.blocks_between(begun, float(until.max()))
        if not blocks:
            return None
        stale_s, since = np.zeros_like(dt), until - dt
        for block in blocks:
            stale_s += np.maximum(0.0, np.minimum(until, block + self._window_s) - np.maximum(since, block))
        return stale_s

    def _recalled(self, row: int) -> tuple[float, Totals]:
        """Give a row back: until when it was advanced, and its counters then."""
        self.member[row] = False
        last = float(self._last_shares_at(np.array([row]))[0])
        of = {name: float(column[row]) for name, column in self.totals.items()}
        at, sent = float(self.at[row]), of["accepted"] + of["rejected"] + of["stale"]
        totals = Totals(
            of["work_gh"],
            at - float(self._idle_s[row]),
            int(of["accepted"]),
            int(of["rejected"]),
            int(of["stale"]),
            of["accepted_diff"],
            of["rejected_diff"],
            of["stale_diff"],
            int(sent + self._sent_before[row]),
            None if math.isnan(last) else last,
        )
        return at, totals
