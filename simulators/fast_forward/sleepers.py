"""Whether miners that stand still were told to: what the agent asks them about besides its polls, without the asking.

The rules are the agent's own, written down again: who answers without hashing, and does not say why by itself, is asked
once a minute; who hashes again is awake.
"""

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Floats
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from simulators.plant.site import SitePlant

LOOK_S = 10.0
ASK_AGAIN_S = 60.0
IDLE_SHARE = 0.10
"""Below this share of the expected rate a miner may have been told to sleep."""

_ANSWERED = int(Reach.ANSWERED)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""


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
        sleeps = (view.suspended.value == 1.0).nonzero()[0]
        stands = (view.hashrate_th.value < IDLE_SHARE * view.target_th()).nonzero()[0]
        due = self._silent_on_it(stands[now - self._asked_at[stands] >= ASK_AGAIN_S])
        if sleeps.size:
            awake = self._silent_on_it(sleeps)
            hashes = view.hashrate_th.value[awake] >= IDLE_SHARE * view.target_th(awake)
            view.suspended.value[awake[hashes]] = 0.0
        if due.size:
            view.suspended.value[due] = [self._miners[row].suspended for row in due.tolist()]
            view.suspended.at[due] = self._epoch_s + now
            self._asked_at[due] = now

    def _silent_on_it(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the rows that answer, and do not say by themselves whether they were told to stand still."""
        view = self._view
        silent = (view.suspended.at[rows] != view.answered_at[rows]) & (view.reach[rows] == _ANSWERED)
        asked: NDArray[np.int64] = rows[silent]
        return asked
