"""How hot miners are, and whether that is their own doing: shared by the detectors of hot miners and of hot loops.

A row is hot when its hottest chip or board is within a few kelvins of the limit, its fans can do no more and it is
slower for it, for a while; or when it is at its limit, for a moment. Whose doing it is, its thermal resistance tells:
R = (chip - inlet) / power, against its own past and against its neighbours (facts "detection", sections 5 and 7, D3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.detect.screen import Rows, let_through
from agent.detect.warming import Warming
from agent.model.columns import Bools, Floats
from agent.model.site_view import Expected, SiteView
from agent.model.topology import FAMILY_TRAITS, Cooling

LEARN_EVERY_S = 60.0
LEARNED_LOOKS = 7 * 86_400.0 / LEARN_EVERY_S
"""A miner's own resistance is a mean over a week."""

KNOWN_LOOKS = 30
"""After so many looks it is worth something."""

JITTER_S = 0.5
"""Readings that are meant to lie a time apart may lie that much closer."""

CUT_OUT_S = 600.0
"""A miner that was near its limit so lately may have been stopped by it."""

RATE_S = 300.0
"""A rate scatters by 0.6 % over so long, so that 3 % less is no chance (facts "detection", section 1.2)."""

USUAL = 0.9
"""What a miner usually reaches of what it aims at is never taken for less than this."""

STEP_RATIO = 0.95
"""Firmware that slows down takes a twentieth at a time."""

STOPPED = 0.05
"""Below this share of its nominal rate a miner does not hash."""

RAMPED = 0.3
"""Share of its rate from which a miner's heat says something of its resistance."""

OFF_OVER_K = 4.5
"""So far above the warmest coolant that it may be given a machine switches off: a hydro Antminer warns at 40 and stops
at 45 °C (facts "detection", section 1.2); told in whole degrees."""

LEARN_BELOW_K = 10.0
"""Nothing is learned from a miner that is closer to its limit."""

FEW_LOOKS = 10
"""After so many looks of many miners their middle is worth something."""

QUORUM = 3
"""So many miners of a loop must speak, or all but one of a smaller loop's, and two at the least."""

PEERS_MIN = 3
"""Fewer neighbours have no middle."""

MAD_FLOOR = 0.01
"""Neighbours that agree more closely than this do not make a small difference a large one."""

_RUNNING, _DERATED = int(Expected.RUNNING), int(Expected.DERATED)
"""As plain numbers: numpy takes five times as long to compare with a member of an enumeration."""

FULL_RPM = 6000.0
FULL_SHARE = 0.95
"""Fans at full speed: facts "detection", section 1.2; or this share of the fastest that was ever seen of them."""


@dataclass(frozen=True, slots=True)
class HeatThresholds:
    """Figures of what counts as hot.

    Attributes:
        near_k: so close to its limit, or to where its firmware begins to slow it down, a miner may be throttled.
        slow_ratio: it is where it does no more than this share of its work.
        throttled_s: ... for so long.
        cut_out_s: one that stopped hashing near its limit, its fans at full speed, or says that it protects itself,
            stays stopped for so long.
        over_s: at its limit it is hot after so long, whatever it does.
        clear_ratio: it is well again when it is cool and does so much of its work ...
        clear_s: ... for so long.
        resistance: thermal resistance over its own past from which a miner's heat is its own doing ...
        mads: ... when its neighbours' differ by so many median absolute deviations less.
        fresh_s: older temperatures are none.
    """

    near_k: float = 5.0
    slow_ratio: float = 0.97
    throttled_s: float = 180.0
    cut_out_s: float = 60.0
    over_s: float = 20.0
    clear_ratio: float = 0.97
    clear_s: float = 600.0
    resistance: float = 1.15
    mads: float = 4.0
    fresh_s: float = 60.0


class HeatWatch:
    """Looks at every row's heat once a tick; keeps what time it needs. Arrays have shape (n,).

    Attributes:
        hot: the rows that are hot. cut_out: those of them that have stopped for it.
        cool_k: how far below its limits each row is cool.
        headroom_k: how far each row is below its limits, in K; NaN where nothing fresh tells.
        named: the rows that have stopped for it and are named for it; whoever names them says so.
        disputed: the units whose readings nothing is to be learned from, shape (units,) or for all; a witness says so.
    """

    def __init__(self, rows: int, thresholds: HeatThresholds | None = None) -> None:
        self.t = thresholds or HeatThresholds()
        self.hot: Bools = np.zeros(rows, dtype=np.bool_)
        self.cut_out: Bools = np.zeros(rows, dtype=np.bool_)
        self.named: Bools = np.zeros(rows, dtype=np.bool_)
        self.headroom_k: Floats = np.full(rows, np.nan)
        self.cool_k: Floats = np.full(rows, 10.0)
        self.disputed: Bools = np.zeros(1, dtype=np.bool_)
        self._warming = Warming(rows)
        self._near_since: Floats = np.full(rows, np.nan)
        self._near_at: Floats = np.full(rows, np.nan)
        self._stopped_since: Floats = np.full(rows, np.nan)
        self._near_k: Floats = np.full(rows, self.t.near_k)
        self._over_since: Floats = np.full(rows, np.nan)
        self._resistance: Floats = np.full(rows, np.nan)
        self._near_resistance: Floats = np.full(rows, np.nan)
        self._looks: Floats = np.zeros(rows)
        self._fastest_rpm: Floats = np.zeros(rows)
        self._best_th: Floats = np.zeros(rows)
        self._share: Floats = np.ones(rows)
        self._share_at: Floats = np.full(rows, -np.inf)
        self._best_at_share_th: Floats = np.zeros(rows)
        self._usual: Floats = np.ones(rows)
        self._rates: Floats = np.zeros(rows)
        self._off_c: Floats = np.full(rows, np.inf)
        self._is_liquid: Bools = np.zeros(0, dtype=np.bool_)
        self._on_unit: Bools = np.zeros(0, dtype=np.bool_)
        self._looked_at = self._learned_at = -np.inf
        self._weighed: Rows = np.zeros(0, dtype=np.int64)

    def look(self, view: SiteView, now: float) -> None:
        """Bring everything up to `now` (UTC s); once a tick, whoever asks first."""
        if now == self._looked_at:
            return
        self._looked_at = now
        if len(self._is_liquid) != len(self.hot):
            self._know(view)
        headroom_k = view.chip_limit_c - view.chip_max_c.value
        self.headroom_k = np.fmin(headroom_k, view.board_limit_c - view.board_max_c.value, out=headroom_k)
        stale = np.fmax(view.chip_max_c.at, view.board_max_c.at) < now - self.t.fresh_s
        self.headroom_k[stale.nonzero()[0]] = np.nan
        if now - self._learned_at >= LEARN_EVERY_S:
            self._learned_at = now
            self._learn(view, now)
        recent = (self._near_at >= now - CUT_OUT_S) | view.hardware.protects
        rising = self._warming.hotter(self.headroom_k) | self._warming.followed
        scalded = view.inlet_c.value >= self._off_c
        self._weigh(view, now, let_through(self.headroom_k <= self._near_k, recent, self.hot, rising, scalded))

    def rate_ratio(self, view: SiteView, row: int, window_s: float) -> float | None:
        """Return a row's work over a while, as a share of what it could do; None where that is not known yet.

        What it could do is the most that it ever said it aims at, or has since it was derated, as some firmware aims
        lower when it is hot; and of that as much as it usually reaches.
        """
        done = view.work_gh.over(row, window_s)
        if done is None:
            return None
        share = float(view.derated[row])
        best_th = float(self._best_th[row] if share == 1.0 else self._best_at_share_th[row])
        could_th = max(view.target_of(row), min(best_th, float(self._best_th[row]) * share))
        return done[0] / done[1] / (could_th * 1e3 * float(self._usual[row]))

    def is_single(self, view: SiteView, row: int, now: float) -> bool:
        """Whether a row's heat is its own doing, by its thermal resistance; so it is where nothing is shared.

        Of one that has stopped, by what that was when it was last near its limit.
        """
        unit = int(view.cooling.unit_of[row])
        if unit < 0:
            return True
        peers = np.flatnonzero((view.cooling.unit_of == unit) & (np.arange(len(self.hot)) != row))
        ratios = self.resistance_ratios(view, now)
        if np.isnan(ratios[row]) and now - self._near_at[row] <= CUT_OUT_S and self._looks[row] >= KNOWN_LOOKS:
            ratios[row] = self._near_resistance[row] / self._resistance[row]
        of_peers = ratios[peers]
        of_peers = of_peers[~np.isnan(of_peers)]
        if not np.isnan(ratios[row]) and len(of_peers) >= PEERS_MIN:
            return ratios[row] > self.t.resistance and _stands_out(float(ratios[row]), of_peers, self.t.mads)
        # What it was like before is not known yet: it is compared with others of its model. One that has stopped for
        # its heat is cold by now, and had no room left when it did.
        model = view.site.miners[row].model
        same = [peer for peer in peers.tolist() if view.site.miners[peer].model == model and not self.cut_out[peer]]
        rooms = self.headroom_k[same][~np.isnan(self.headroom_k[same])]
        if len(rooms) < PEERS_MIN:
            return False
        room_k = 0.0 if self.cut_out[row] else float(self.headroom_k[row])
        return float(np.median(rooms)) - room_k > self.t.near_k and _stands_out(-room_k, -rooms, self.t.mads)

    def resistance_now(self, view: SiteView, now: float) -> Floats:
        """Return each row's thermal resistance in K/W; NaN where temperatures or power are not known."""
        unit = view.cooling.unit_of
        supply_c = np.append(
            np.where(now - view.cooling.supply_c.at <= self.t.fresh_s, view.cooling.supply_c.value, np.nan), np.nan
        )
        told_c = np.where(now - view.inlet_c.at <= self.t.fresh_s, view.inlet_c.value, np.nan)
        inlet_c = np.where(np.isnan(told_c), supply_c[unit], told_c)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (view.chip_max_c.value - inlet_c) / self._heating_w(view, now)
        return found

    def resistance_ratios(self, view: SiteView, now: float) -> Floats:
        """Return each row's thermal resistance over its own past; NaN where either is not known."""
        ratios: Floats = np.where(self._looks >= KNOWN_LOOKS, self.resistance_now(view, now) / self._resistance, np.nan)
        return ratios

    def inlets_c(self, view: SiteView, now: float, *, by_chips: bool) -> Floats:
        """Return what each row shows of the temperature that it is given, in °C; NaN where it cannot tell.

        As it says; else, `by_chips`, as its chips show whose resistance is known. One that does not hash shows nothing.
        """
        power_w = self._heating_w(view, now)
        told = (now - view.inlet_c.at <= self.t.fresh_s) & ~np.isnan(power_w)
        found: Floats = np.where(told, view.inlet_c.value, np.nan)
        if by_chips:
            known = np.isnan(found) & (self._looks >= FEW_LOOKS)
            found = np.where(known, view.chip_max_c.value - self._resistance * power_w, found)
        return found

    def _heating_w(self, view: SiteView, now: float) -> Floats:
        """Return the power that heats each row's chips, in W; NaN where it does not hash, or tells nothing fresh."""
        # A rate may have decayed to next to nothing.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = view.hashrate_th.value / np.where(self._best_th > 0.0, self._best_th, view.nominal_th)
            power_w = np.where(now - view.power_w.at <= self.t.fresh_s, view.power_w.value, view.nominal_w * share)
            fresh = now - view.chip_max_c.at <= self.t.fresh_s
            heating_w: Floats = np.where(fresh & (share > RAMPED), power_w, np.nan)
        return heating_w

    def _know(self, view: SiteView) -> None:
        miners = view.site.miners
        self._near_k = np.array([self.t.near_k + FAMILY_TRAITS[m.family].slows_before_k for m in miners])
        self.cool_k = np.array([FAMILY_TRAITS[m.family].cool_k for m in miners])
        self._off_c = np.array(
            [np.inf if m.cooling is Cooling.AIR else m.limits.inlet_c[1] + OFF_OVER_K for m in miners], dtype=np.float64
        )
        self._is_liquid = np.array([m.cooling is not Cooling.AIR for m in miners], dtype=np.bool_)
        self._on_unit = self._is_liquid & (view.cooling.unit_of >= 0)

    def _learn(self, view: SiteView, now: float) -> None:
        """Take in what rows are like that are well."""
        self._warming.settle(view, self.headroom_k)
        with np.errstate(invalid="ignore"):
            self._fastest_rpm = np.fmax(self._fastest_rpm, view.fan_min_rpm.value)
            self._best_th = np.fmax(self._best_th, view.expected_th.value)
            if view.any_derated:
                # Some firmware knows steps alone, and runs at a little less than it was told.
                changed = view.derated != self._share
                self._share_at[changed], self._best_at_share_th[changed] = now, 0.0
                np.copyto(self._share, view.derated)
                told = np.where(view.expected_th.at > self._share_at, view.expected_th.value, 0.0)
                self._best_at_share_th = np.fmax(self._best_at_share_th, told)
            self._learn_rates(view)
            if not self._on_unit.any():
                return
            seen = self.resistance_now(view, now)
            well = self._on_unit & (self.headroom_k > LEARN_BELOW_K) & (seen > 0.0) & (view.expected == _RUNNING)
            calm = ~np.isnan(view.cooling.calm_since) & ~view.cooling.doubted & ~self.disputed
            well &= np.append(calm, False)[view.cooling.unit_of]
            well &= view.hashrate_th.value >= self.t.slow_ratio * 0.9 * view.target_th()
        self._looks[well] = np.minimum(self._looks[well] + 1.0, LEARNED_LOOKS)
        before = np.where(np.isnan(self._resistance), seen, self._resistance)
        self._resistance = np.where(well, before + (seen - before) / np.maximum(self._looks, 1.0), self._resistance)

    def _learn_rates(self, view: SiteView) -> None:
        """Take in what rows that are not hot reach of what they aim at; called where NaN may be compared."""
        reached = view.hashrate_th.value / view.target_th()
        sound = (self.headroom_k > self._near_k) & (view.expected == _RUNNING) & (reached > 0.8)
        np.copyto(self._rates, np.minimum(self._rates + 1.0, LEARNED_LOOKS), where=sound)
        np.minimum(np.maximum(reached, USUAL, out=reached), 1.1, out=reached)
        mean = self._usual + (reached - self._usual) / np.maximum(self._rates, KNOWN_LOOKS)
        np.copyto(self._usual, np.minimum(np.maximum(mean, USUAL), 1.0), where=sound)

    def _weigh(self, view: SiteView, now: float, rows: Rows) -> None:
        """Note since when these rows have been near their limit and slow, or at it, or stopped there; and who is hot.

        All others are cool, and have been for a while.
        """
        t = self.t
        near_since, over_since = self._near_since[rows], self._over_since[rows]
        stopped_since = self._stopped_since[rows]
        for array in (self._near_since, self._over_since, self._stopped_since):
            array[self._weighed] = np.nan
        self.hot, self.cut_out = np.zeros((2, len(self.hot)), dtype=np.bool_)
        self._weighed = rows
        if not rows.size:
            return
        headroom_k, fan_rpm = self.headroom_k[rows], view.fan_min_rpm.value[rows]
        expected, fastest_rpm = view.expected[rows], self._fastest_rpm[rows]
        near = headroom_k <= self._near_k[rows]
        watched = view.may_be_hot(rows)
        fans = (fan_rpm >= FULL_RPM) | ((fastest_rpm > 0.0) & (fan_rpm >= FULL_SHARE * fastest_rpm))
        protects = self._is_liquid[rows] | fans
        candidates = watched & near & protects
        slow = np.zeros_like(near)
        for place in candidates.nonzero()[0].tolist():
            ratio = self.rate_ratio(view, int(rows[place]), RATE_S)
            # Where firmware slows down early, a sound miner may be as warm on a hot day: a whole step has to show.
            least = t.slow_ratio if headroom_k[place] <= t.near_k else STEP_RATIO
            slow[place] = ratio is not None and ratio <= least
        near_since = np.where(candidates, np.fmin(near_since, now), np.nan)
        over_since = np.where(watched & (headroom_k <= 0.0), np.fmin(over_since, now), np.nan)
        # Who was told to stop, with or without saying so yet, stands still for that.
        still = (expected <= _DERATED) & self._stands_still(view, rows)
        # Hot still, and its fans at full speed: it has only just stopped.
        works = view.hashrate_th.value[rows] >= RAMPED * view.nominal_th[rows]
        at_limit = (headroom_k <= t.near_k) & (works | protects)
        at_limit |= (view.inlet_c.value[rows] >= self._off_c[rows]) & (view.inlet_c.at[rows] >= now - t.fresh_s)
        at_limit |= self._warming.stopped_for_it(view, rows, headroom_k, works=works, still=still, protects=protects)
        self._near_at[rows[at_limit]] = now
        self._note_resistance(view, now, rows[at_limit | self._warming.followed[rows]])
        recent = (self._near_at[rows] >= now - CUT_OUT_S) | view.hardware.protects[rows]
        stopped = still & recent
        stopped_since = np.where(stopped, np.fmin(stopped_since, now), np.nan)
        throttled = slow & (now - near_since >= t.throttled_s - JITTER_S)
        over_long = now - over_since >= t.over_s - JITTER_S
        cut_out = now - stopped_since >= t.cut_out_s - JITTER_S
        self.hot[rows[throttled | over_long | cut_out]] = True
        self.cut_out[rows[cut_out]] = True
        self._near_since[rows], self._over_since[rows] = near_since, over_since
        self._stopped_since[rows] = stopped_since

    def _note_resistance(self, view: SiteView, now: float, rows: Rows) -> None:
        """Note the thermal resistance of rows that are near their limit or on their way there, if they work in full."""
        if not rows.size or not self._on_unit[rows].any():
            return
        # What a rate that has just fallen makes of it is none.
        full = rows[view.hashrate_th.value[rows] >= self.t.slow_ratio * USUAL * view.target_th(rows)]
        self._near_resistance[full] = self.resistance_now(view, now)[full]

    def _stands_still(self, view: SiteView, rows: Rows) -> Bools:
        """Tell which of these rows answer and do not hash, and whose pool is not the reason: a cliff, no slope."""
        idle = view.hashrate_th.value[rows] < STOPPED * view.nominal_th[rows]
        still: Bools = idle & (view.misses[rows] == 0) & (view.pool_alive.value[rows] != 0.0)
        return still


def quorum(miners: int) -> int:
    """Return how many miners of a loop of so many must speak to be a witness: one is none."""
    return max(2, min(QUORUM, miners - 1))


def _stands_out(value: float, others: NDArray[np.float64], mads: float) -> bool:
    """Whether a value is above its neighbours by so many of their median absolute deviations."""
    middle = float(np.median(others))
    mad = max(float(np.median(np.abs(others - middle))), MAD_FLOOR * max(abs(middle), 1.0))
    return value - middle > mads * mad
