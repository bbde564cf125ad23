"""Whether miners that stand still were told to: what the agent asks them about besides its polls, without the asking.

The rules are the agent's own, written down again: who answers without hashing, and does not say why by itself, is asked
once a minute; who hashes again is awake.
"""

import numpy as np

from agent.model.columns import Floats
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from simulators.plant.site import SitePlant

LOOK_S = 10.0
ASK_AGAIN_S = 60.0
IDLE_SHARE = 0.10
"""Below this share of the expected rate a miner may have been told to sleep."""


class SleepQuestions:
    """Keeps a view's column `suspended` right where polls do not."""

    def __init__(self, view: SiteView, plant: SitePlant, *, epoch_s: float) -> None:
        self._view = view
        self._miners = list(plant.miners.values())
        self._epoch_s = epoch_s
        self._looked_at = -np.inf
        self._asked_at: Floats = np.full(len(self._miners), -np.inf)

    def look(self, now: float) -> None:
        """Ask whoever is to be asked at site time `now`."""
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        view = self._view
        with np.errstate(invalid="ignore"):
            hashes = view.hashrate_th.value >= IDLE_SHARE * view.target_th()
        sleeps = view.suspended.value == 1.0
        standing = ~hashes & (view.reach == Reach.ANSWERED) & ~np.isnan(view.hashrate_th.value)
        if not standing.any() and not sleeps.any():
            return
        silent_on_it = view.suspended.at != view.answered_at
        view.suspended.value[sleeps & hashes & silent_on_it & (view.reach == Reach.ANSWERED)] = 0.0
        due = standing & silent_on_it & (now - self._asked_at >= ASK_AGAIN_S)
        for row in due.nonzero()[0].tolist():
            view.suspended.put(row, float(self._miners[row].suspended), self._epoch_s + now)
        self._asked_at[due] = now
