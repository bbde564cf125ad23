"""Who was getting hot when he stopped: a stop for heat that no poll saw close to the limit.

A clogged miner may come from where it always is to its limit, stop there and be cold again between two polls. What
tells it from one that stopped for anything else: when it was last read at work it was hotter than it settles at, and
its chips can have come to the limit by the next reading; or it is hotter standing still than it settles at at work.
"""

from collections.abc import Mapping

import numpy as np

from agent.detect.screen import Rows
from agent.model.columns import Bools, Floats
from agent.model.site_view import Expected, SiteView
from agent.model.topology import Cooling

WARMS_K_PER_S: Mapping[Cooling, float] = {Cooling.AIR: 0.60, Cooling.HYDRO: 1.20, Cooling.IMMERSION: 0.60}
"""How fast chips get hotter that nothing cools, by their power over what they hold: facts "detection", section 5 (3.25
kW and 5.4 kJ/K, 5.4 kW and 4.5 kJ/K; immersed ones are built as those in air)."""

STEADY_K = 1.5
"""Who is so nearly as warm as a look before is as warm as he settles at: sensors tell whole degrees."""

HOTTER_K = 4.0
"""So much hotter than it settles at a miner is on its way somewhere: more than sensors' degrees and a look's drift."""

APART_S = 120.0
"""Two readings further apart than this, two polls of the slowest site or so, say nothing of what was between them."""

WORKS = 0.8
"""Share of what it aims at from which a miner heats as it usually does."""

_DERATED = int(Expected.DERATED)


class Warming:
    """Knows how far below its limits each row settles, and who was warming up from there. Arrays have shape (n,).

    Attributes:
        followed: the rows that were hotter than they settle at when they were last read at work.
    """

    def __init__(self, rows: int) -> None:
        self.followed: Bools = np.zeros(rows, dtype=np.bool_)
        self._settled_k: Floats = np.full(rows, np.nan)
        self._seen_k: Floats = np.full(rows, np.nan)
        self._seen_at: Floats = np.full(rows, -np.inf)
        self._share: Floats = np.ones(rows)
        self._rising_k: Floats = np.full(rows, np.nan)
        self._rising_at: Floats = np.full(rows, np.nan)
        self._pace: Floats = np.zeros(0)

    def settle(self, view: SiteView, headroom_k: Floats) -> None:
        """Take in where rows at work settle, once in a while. What a row settled at is nothing at another share."""
        if len(self._pace) != len(headroom_k):
            self._pace = np.array([WARMS_K_PER_S[miner.cooling] for miner in view.site.miners])
        other = view.derated != self._share
        self._settled_k[other] = self._seen_k[other] = np.nan
        np.copyto(self._share, view.derated)
        read_at = _read_at(view)
        with np.errstate(invalid="ignore"):
            works = (view.hashrate_th.value >= WORKS * view.target_th()) & (view.expected <= _DERATED)
            anew = works & (read_at > self._seen_at) & ~np.isnan(headroom_k)
            steady = anew & (np.abs(headroom_k - self._seen_k) <= STEADY_K)
        np.copyto(self._settled_k, headroom_k, where=steady)
        np.copyto(self._seen_k, headroom_k, where=anew)
        np.copyto(self._seen_at, read_at, where=anew)

    def hotter(self, headroom_k: Floats) -> Bools:
        """Return the rows that are well above where they settle."""
        found: Bools = headroom_k <= self._settled_k - HOTTER_K
        return found

    def stopped_for_it(
        self, view: SiteView, rows: Rows, headroom_k: Floats, *, works: Bools, still: Bools, protects: Bools
    ) -> Bools:
        """Note which of these rows are warming up; return those that have stopped since, and may have for their heat.

        Args:
            view: the columns.
            rows: whom to look at; the arrays are of these.
            headroom_k: how far each is below its limits, in K; NaN where nothing fresh tells.
            works: who hashes.
            still: who has stopped for nothing known.
            protects: whose fans are at full speed, as firmware has them that stops for heat, or who has none.
        """
        hotter, read_at = headroom_k <= self._settled_k[rows] - HOTTER_K, _read_at(view)[rows]
        read = works & ~np.isnan(headroom_k)
        rising_at = np.where(read, np.where(hotter, read_at, np.nan), self._rising_at[rows])
        rising_k = np.where(read, headroom_k, self._rising_k[rows])
        apart_s = read_at - rising_at
        # The first reading without work tells when it had stopped at the latest; what it reached by then, it reached.
        reached = (apart_s > 0.0) & (apart_s <= APART_S) & (apart_s * self._pace[rows] >= rising_k)
        self._rising_k[rows] = np.where(reached, -np.inf, rising_k)
        self._rising_at[rows] = np.where((apart_s > 0.0) & ~reached, np.nan, rising_at)
        self.followed[rows] = ~np.isnan(self._rising_at[rows])
        found: Bools = still & (reached | (hotter & protects))
        return found


def _read_at(view: SiteView) -> Floats:
    found: Floats = np.fmax(view.chip_max_c.at, view.board_max_c.at)
    return found
