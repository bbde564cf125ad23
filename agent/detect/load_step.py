"""Loops whose miners have just taken up much more work: after a curtailment, an outage, or when they are woken.

Their cooler follows, and the supply is above its setpoint meanwhile. That is how a controller works, and no loop that
is hot: it is called so only where it lasts, goes far, or brings a miner near its limits.
"""

import numpy as np

from agent.model.columns import Bools, Floats
from agent.model.site_view import SiteView

LOOK_S = 60.0

STEP_SHARE = 0.25
"""Of a loop's nominal hashrate; less than that moves a supply by no 3 K that a full load moves by 4 to 5."""

FOLLOWS_S = 1800.0
"""A controller has followed by then: a tank is given as long between two setpoints (facts "detection", section 5)."""

KNOWN_SHARE = 0.5
"""Of so many of a loop's miners something must be known."""


class LoadSteps:
    """Keeps what each loop's miners have done at least, and since when it is much more. Arrays of shape (units,)."""

    def __init__(self) -> None:
        self._looked_at = -np.inf
        self._least: Floats = np.zeros(0)
        self._since: Floats = np.zeros(0)

    def look(self, view: SiteView, now: float) -> None:
        """Take in what loops do now; `now` is UTC s."""
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        units = len(view.site.cooling_units)
        if self._least.size != units:
            self._least, self._since = np.full((2, units), np.nan)
        on, known = view.cooling.unit_of >= 0, ~np.isnan(view.hashrate_th.value)
        told, of = on & known, view.cooling.unit_of
        done_th = np.bincount(of[told], view.hashrate_th.value[told], units)
        most_th = np.bincount(of[told], view.nominal_th[told], units)
        enough = np.bincount(of[told], minlength=units) >= KNOWN_SHARE * np.bincount(of[on], minlength=units)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(enough, done_th / most_th, np.nan)
            self._least = np.fmin(self._least, share)
            stepped: Bools = share >= self._least + STEP_SHARE
            self._since = np.where(stepped, np.fmin(self._since, now), np.where(np.isnan(share), self._since, np.nan))
            over = now - self._since >= FOLLOWS_S
        self._least[over], self._since[over] = share[over], np.nan

    def is_recent(self, unit: int) -> bool:
        """Whether a loop's cooler is still following."""
        return bool(self._since.size > unit and not np.isnan(self._since[unit]))
