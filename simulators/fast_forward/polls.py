"""Polls of miners, written as columns: which rows are due, how each poll ends, and what it tells.

Rows are polled on a grid of their own, as the agent's poller does: a fixed phase and one slot a period; a miner that
has been silent for long leaves slots out. Three ways lead into the columns. Steady rows, and rows that do not answer
and will not by themselves, are written a step's worth at once; the few in which something is going on one by one, each
at its very slot. A row that something happens to is first written as it was, if its slot has passed.
"""

import heapq
import math
from collections.abc import Callable, Collection
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats, Ints
from agent.model.ids import MinerId
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from simulators.fast_forward.steady import SteadyRows
from simulators.fast_forward.telemetry import Families, poll, reach
from simulators.fast_forward.warmth import SteadyWarmth
from simulators.plant.miner import MinerPlant
from simulators.plant.profile import chips_per_board
from simulators.plant.site import SitePlant

NEWLY_MISSED = 2
NEWLY_SILENT_MISSES = 12
BACK_OFF_S = 60.0
MOST_DOUBLINGS = 16
"""When a silent miner is polled less often, how seldom at most, and in so many steps: as the agent's poller has it."""

LATENCY_S = (0.005, 0.060)
"""Least and most time a device takes for its reply: as the simulated devices have it."""

SLACK = 1e-6
"""Parts of a period by which a slot counts as reached before its time: sums of floats are not exact."""

FLICKER = 0.01
"""Watts and fans scatter by so much around their mean."""

_SILENT = int(Reach.SILENT)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""

Phase = Callable[[str], float]


class MinerPolls:
    """Every miner of a site, polled on the plant.

    Args:
        epoch_s: UTC s of site time 0; columns bear UTC.
        period_s: distance of two polls of a miner.
        deadline_s: after which a poll of a miner that does not answer is given up.
        phase: each device's place within a period, 0 ≤ phase < 1, by its name.

    Attributes:
        steady: the rows in which nothing goes on.
        still: rows that do not answer, and draw and send evenly until something happens to them; shape (n,).
        on_earlier: called when a poll of a single row is planned that is due before all others.
        power_w: what each miner drew when it was last polled, in W.
        octets_per_s: what steady rows, and those that stand still, send in the mean.
    """

    def __init__(
        self,
        view: SiteView,
        plant: SitePlant,
        *,
        epoch_s: float,
        period_s: float,
        deadline_s: float,
        phase: Phase,
    ) -> None:
        n = len(view.site.miners)
        self._view = view
        self._plant = plant
        self._epoch_s = epoch_s
        self._period_s = period_s
        self._deadline_s = deadline_s
        self._miners: list[MinerPlant] = [plant.miners[m.id] for m in view.site.miners]
        self._chance = plant.rng("fast-forward/polls")
        self._noise = np.random.Generator(np.random.PCG64(plant.rng("fast-forward/noise").getrandbits(64)))
        self.steady = SteadyRows(plant, period_s - (LATENCY_S[1] - LATENCY_S[0]))
        self.on_earlier: Callable[[], None] | None = None
        self._origin_s: Floats = plant.now + np.array([phase(m.id) for m in view.site.miners]) * period_s
        self._slot: Floats = np.full(n, -1.0)
        self._next: Floats = np.zeros(n)
        self._dark: Bools = np.zeros(n, dtype=np.bool_)
        self.still: Bools = np.zeros(n, dtype=np.bool_)
        self._calming: set[int] = set()
        self._still_w: Floats = np.zeros(n)
        self._scatter: Floats = np.zeros(n)
        self._dim = np.random.Generator(np.random.PCG64(plant.rng("fast-forward/still").getrandbits(64)))
        self._reach: Ints = np.zeros(n, dtype=np.int8)
        self._longest = max(1, int(BACK_OFF_S // period_s))
        self._left_out: Floats = np.minimum(2.0 ** np.arange(MOST_DOUBLINGS + 1), self._longest)
        self._singles: list[tuple[float, int]] = []
        self._unanswered: list[tuple[float, int]] = []
        self._spoilt = [0] * n
        self._hosts = [m.host for m in view.site.miners]
        self._focus: Bools = np.zeros(n, dtype=np.bool_)
        self._families = Families([m.family for m in view.site.miners])
        self._target_th: Floats = np.array([m.target_gh for m in self._miners]) / 1e3
        self._hw_error_share: Floats = np.zeros(n)
        self._hw_errors_spared: Floats = np.zeros(n)
        self._full_w: Floats = np.array([m.full_w for m in self._miners])
        self._warmth = SteadyWarmth(plant, self._miners)
        self._boards_up: Floats = np.array([float(m.profile.boards) for m in self._miners])
        self._chips_up: Floats = self._boards_up * [chips_per_board(m.spec, m.profile) for m in self._miners]
        self._turn: Floats = np.ones(n)
        self._breaks: Floats = np.zeros(n)
        self._untold: Bools = np.zeros(n, dtype=np.bool_)
        self._drops, self._pool_drops, self._asleep = np.zeros((3, n))
        self._pool_alive: Floats = np.ones(n)
        self._paid: Bools = np.ones(n, dtype=np.bool_)
        self._ramped: Floats = np.ones(n)
        self._names_pool: Bools = np.zeros(n, dtype=np.bool_)
        self._pool = np.zeros(n, dtype=np.int16)
        self._worker_ok: Floats = np.full(n, np.nan)
        self.power_w: Floats = self._full_w.copy()
        self.octets_per_s: Floats = np.zeros(n)
        for row, miner in enumerate(self._miners):
            miner.on_change = partial(self._happens, row)
            self._sort(row, plant.now)

    def focus(self, rows: Collection[int]) -> None:
        """Poll these rows, and no others, in every slot even when they have been silent for long."""
        new = np.zeros_like(self._focus)
        new[list(rows)] = True
        self._next[new & ~self._focus] = 0
        self._focus = new

    def rehost(self, row: int, host: str) -> None:
        """Poll a row at another address from its next slot on."""
        self._happens(row, self._miners[row].spec.id)
        self._hosts[row] = host

    def newly_silent(self) -> NDArray[np.int64]:
        """Return the rows that have been silent for a few polls: what stands around them is looked at early."""
        rows = self._view.misses.nonzero()[0]
        misses = self._view.misses[rows]
        return rows[(misses >= NEWLY_MISSED) & (misses <= NEWLY_SILENT_MISSES)]

    @property
    def next_single_s(self) -> float:
        """Return when something of a single row is due next, in site seconds; infinity where nothing is."""
        return min((queue[0][0] for queue in (self._singles, self._unanswered) if queue), default=math.inf)

    def poll_singles(self, now: float) -> None:
        """Poll the single rows that are due by site time `now`; the plant has been brought up to it."""
        while self._unanswered and self._unanswered[0][0] <= now:
            at_s, row = heapq.heappop(self._unanswered)
            if not self._view.itself.blind:
                self._view.put_miss(row, self._epoch_s + at_s, Reach.SILENT)
        while self._singles and self._singles[0][0] <= now:
            _, row = heapq.heappop(self._singles)
            self._poll_one(row, now)
            self._sort(row, now)

    def poll(self, now: float) -> None:
        """Write, for all other rows, the polls that fell due up to site time `now`, where the plant stands."""
        slot = self._slots_of(self._origin_s, now)
        steady = slot > self._slot
        steady &= slot >= self._next
        steady &= self.steady.member
        if steady.any():
            polls = slot - self._slot
            at_s = slot * self._period_s
            at_s += self._origin_s
            np.maximum(at_s, self.steady.at, out=at_s)
            at_s += self._latencies_s(len(at_s))
            np.minimum(at_s, now, out=at_s)
            np.putmask(self._slot, steady, slot)
            lost = self._lost(steady, now)
            heard = steady
            if lost.size:
                heard = steady.copy()
                heard[lost] = False
            self._answers(heard, steady, at_s, polls.astype(np.int32))
            if lost.size and not self._view.itself.blind:
                silent = np.full(lost.size, _SILENT, dtype=np.int8)
                self._view.put_misses(lost, at_s[lost] + self._epoch_s, polls[lost].astype(np.int32), silent)
        if (rows := self._dark.nonzero()[0]).size:
            self._poll_dark(rows, now)
            self._draw_dark(now)

    # -- the ways into the columns -----------------------------------------------------------------------------------

    def _poll_dark(self, rows: NDArray[np.int64], now: float) -> None:
        """Write the polls that fell due of these rows, which do not answer and will not by themselves."""
        reach = self._reach[rows]
        ended_s = now - (reach == _SILENT) * self._deadline_s
        slot = self._slots_of(self._origin_s[rows], ended_s)
        due = (slot > self._slot[rows]) & (slot >= self._next[rows])
        if not due.any():
            return
        rows, reach, slot, ended_s = rows[due], reach[due], slot[due], ended_s[due]
        at_s = np.maximum(self._origin_s[rows] + slot * self._period_s, self.steady.at[rows]) + (now - ended_s)
        at_s = np.minimum(at_s + self._latencies_s(rows.size), now)
        polls = (slot - self._slot[rows]).astype(np.int32)
        if not self._view.itself.blind:
            self._view.put_misses(rows, at_s + self._epoch_s, polls, reach)
        self._slot[rows] = slot
        self._back_off(rows)

    def _draw_dark(self, now: float) -> None:
        """Work out what those draw now that do not answer, once nothing about them changes by itself any more."""
        for row in sorted(self._calming):
            if self._miners[row].stands_still(now):
                self._calming.discard(row)
                self._still_w[row], flickers = self._miners[row].mean_w()
                self._scatter[row] = 2.0 * FLICKER if flickers else 0.0
                self.octets_per_s[row] = self._miners[row].octets_per_s()
                self.still[row] = True
        if (rows := self.still.nonzero()[0]).size:
            self.power_w[rows] = self._still_w[rows] * (1.0 + self._scatter[rows] * (self._dim.random(rows.size) - 0.5))

    def _latencies_s(self, n: int) -> Floats:
        least, most = LATENCY_S
        latency_s = self._noise.random(n)
        latency_s *= most - least
        latency_s += least
        return latency_s

    def _answers(self, heard: Bools, hashed: Bools, at_s: Floats, polls: NDArray[np.int32]) -> None:
        """Let the steady rows `hashed` hash on, and write the replies of those that are `heard`."""
        rows = self.steady
        if self._warmth.follow(self._plant.now):
            self._untold |= rows.member
        changed = self._untold & heard
        is_other = bool(changed.any())
        rows.advance(hashed, at_s)

        def standing(values: Floats) -> Floats | None:
            return values if is_other else None

        flicker = self._noise.random(len(at_s))
        flicker *= 2.0 * FLICKER
        flicker += 1.0 - FLICKER
        np.putmask(self.power_w, hashed, self._full_w * flicker)
        flicker *= self._turn
        flicker *= self._warmth.fan_rpm
        elapsed_s = at_s - rows.started_at
        np.floor(elapsed_s, out=elapsed_s)
        totals = rows.totals
        told = {
            "hashrate_th": rows.rate_gh * 1e-3,
            "expected_th": standing(self._target_th),
            "elapsed_s": elapsed_s,
            "share_diff": rows.diff,
            "hw_errors": rows.hw_errors(self._hw_error_share, self._hw_errors_spared),
            "chip_max_c": standing(self._warmth.chip_c),
            "board_max_c": standing(self._warmth.board_c),
            "inlet_c": standing(self._warmth.inlet_c),
            "fan_min_rpm": flicker,
            "boards_up": standing(self._boards_up),
            "chips_up": standing(self._chips_up),
            "power_w": self.power_w,
            "pool_alive": standing(self._pool_alive),
            "suspended": standing(self._asleep),
            "tuned": standing(self._ramped),
            "work_gh": self._families.work_gh(totals["work_gh"], elapsed_s),
            "accepted": totals["accepted"],
            "rejected": totals["rejected"],
            "stale": totals["stale"],
            "accepted_diff": totals["accepted_diff"],
            "drops": standing(self._drops),
            "pool_drops": standing(self._pool_drops),
        }
        said = self._families.said(heard, told)
        said["board_max_c"] = (heard & self._warmth.tells_boards, told["board_max_c"])
        said["share_diff"] = (heard & self._paid, told["share_diff"])
        said["inlet_c"] = (heard & self._warmth.tells_inlet, told["inlet_c"])
        said["fan_min_rpm"] = (heard & self._warmth.tells_fans, told["fan_min_rpm"])
        broken = self._broken(heard)
        changed[broken] = False  # a later reply tells what this one leaves out
        self._untold ^= changed
        at = at_s + self._epoch_s
        self._view.put_answers(heard, at, polls, said, lost=self._families.lost(broken))
        self._view.put_pools(heard & self._names_pool, at, self._pool, self._worker_ok)

    def _poll_one(self, row: int, now: float) -> None:
        """Poll a single row, as it is now, for the last slot that has passed."""
        self._slot[row] = self._slot_of(row, now)
        miner = self._miners[row]
        came, told, spoilt = poll(miner, self._hosts[row], now, self._chance, self._spoilt[row])
        self._spoilt[row] += spoilt
        at = self._epoch_s + now + self._chance.uniform(*LATENCY_S)
        lost = self._chance.random() < self._lost_share(now)
        if lost or came is Reach.SILENT:
            heapq.heappush(self._unanswered, (now + self._deadline_s, row))
        elif told is None:
            self._view.put_miss(row, at, came)
        else:
            miner.lan.answered(now, self._hosts[row])
            self._view.put_answer(row, at, told)
        self.power_w[row] = miner.power_w()

    # -- who is what -------------------------------------------------------------------------------------------------

    def _happens(self, row: int, _: MinerId) -> None:
        """Write a row as it still is if its slot has passed, then let it be a single one: something happens to it."""
        if not (self.steady.member[row] or self._dark[row]):
            return
        now = self._plant.now
        waits = self._dark[row] and self._reach[row] == Reach.SILENT
        slot = self._slot_of(row, now - self._deadline_s if waits else now)
        self._miners[row].hashing.advance(now)  # it keeps its own counters again
        self._dark[row] = self.still[row] = False
        self._calming.discard(row)
        if slot > self._slot[row] and slot >= self._next[row]:
            self._poll_one(row, now)
        self._plan(row, now)

    def _sort(self, row: int, now: float) -> None:
        """Decide how a row that was single is polled from now on."""
        miner = self._miners[row]
        if miner.is_steady(now):
            readings = miner.readings(now)
            self._target_th[row], self._full_w[row] = miner.told_gh / 1e3, miner.heat_w()
            self._warmth.admit(row, now)
            self._hw_error_share[row], self._hw_errors_spared[row] = miner.hw_error_terms()
            self._breaks[row] = 0.0 if miner.wire is None else miner.wire.probability
            answering = readings.parts.answering
            self._boards_up[row], self._chips_up[row] = len(answering) - answering.count(0), sum(answering)
            self._turn[row] = not readings.parts.still
            self._drops[row], self._pool_drops[row] = readings.pool_book.drops, readings.pool_book.pool_drops
            self._names_pool[row], self._paid[row] = bool(readings.pool_url), readings.pool_alive
            self._pool_alive[row], self._ramped[row] = readings.pool_alive, readings.upfreq_complete
            self._asleep[row] = readings.suspended
            self._pool[row], self._worker_ok[row] = self._view.named_pool(row, readings.pool_url, readings.pool_user)
            self.octets_per_s[row] = miner.octets_per_s()
            self.steady.admit(row, now)
            self._untold[row] = True
            return
        came = reach(miner, self._hosts[row])
        disturbed = miner.wire is not None or (miner.lan.passes and miner.lan.loss > 0.0)
        self._dark[row] = not disturbed and came is not Reach.ANSWERED
        self._reach[row] = came
        if self._dark[row]:
            self._calming.add(row)
        else:
            self._plan(row, now)

    def _plan(self, row: int, now: float) -> None:
        """Plan the next poll of a single row: in its next slot, or later if it has been silent for long."""
        over = int(self._view.misses[row]) - NEWLY_SILENT_MISSES
        waits = over >= 0 and self._view.reach[row] == Reach.SILENT and not self._focus[row]
        slot = self._slot_of(row, now) + (min(2 ** min(over + 1, MOST_DOUBLINGS), self._longest) if waits else 1)
        due = float(self._origin_s[row] + slot * self._period_s), row
        heapq.heappush(self._singles, due)
        if self.on_earlier and self._singles[0] is due:
            self.on_earlier()

    def _slot_of(self, row: int, now: float) -> int:
        return math.floor((now - float(self._origin_s[row])) / self._period_s + SLACK)

    def _slots_of(self, origin_s: Floats, now: float | Floats) -> Floats:
        """Return the last slots, as whole numbers, that rows of these origins have reached by `now`."""
        slots: Floats = now - origin_s
        slots /= self._period_s
        slots += SLACK
        return np.floor(slots, out=slots)

    def _lost(self, steady: Bools, now: float) -> NDArray[np.int64]:
        """Return which of the rows `steady` lose their poll to chance."""
        share = self._lost_share(now)
        if share <= 0.0:
            return np.zeros(0, dtype=np.int64)
        return (steady & (self._noise.random(len(steady)) < share)).nonzero()[0]

    def _broken(self, heard: Bools) -> NDArray[np.int64]:
        """Return the rows of which a disturbed wire has let half of the reply through."""
        disturbed = (heard & (self._breaks > 0.0)).nonzero()[0]
        return disturbed[self._noise.random(disturbed.size) < self._breaks[disturbed]]

    def _lost_share(self, now: float) -> float:
        """Return the share of polls that come to nothing through no fault of the miner's."""
        return self._plant.history.lost_polls(now) if self._plant.host.linked else 1.0

    def _back_off(self, dark: NDArray[np.int64]) -> None:
        """Let rows that have been silent for long leave slots out, twice as many each time up to the longest."""
        over = self._view.misses[dark] - (NEWLY_SILENT_MISSES - 1)
        over *= (self._view.reach[dark] == _SILENT) & ~self._focus[dark]
        self._next[dark] = self._slot[dark] + self._left_out[np.minimum(np.maximum(over, 0), MOST_DOUBLINGS)]
