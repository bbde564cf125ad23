"""What the agent would measure of its own machine, written as gauges."""

import math

import numpy as np

from agent.model.itself import Part
from agent.model.site_view import SiteView
from simulators.devices.dns import names_of
from simulators.plant.site import SitePlant

SETTLED_S = 600.0
BACK_OF_PERIOD = 2.0
"""As the agent's watch has them: when a clock that was set is believed, how many polls it waits after it was blind."""


TAKES_S = {Part.GATEWAY: 7.0, Part.LOOP: 8.0, Part.DNS: 2.0, Part.LINK: 2.0, Part.CLOCK: 2.0}
"""How long the agent's watch takes, on average, until it has measured what has become bad, or well again."""


class OwnGauges:
    """The gauges, but for the ledger's. Nothing is written while all is well.

    Args:
        epoch_s: UTC s of site time 0.
        period_s: distance of two polls of a miner.
    """

    def __init__(self, view: SiteView, plant: SitePlant, *, epoch_s: float, period_s: float) -> None:
        self._view = view
        self._host = plant.host
        self._epoch_s = epoch_s
        self._back_s = BACK_OF_PERIOD * period_s
        self._base_s = self._latest_s = plant.host.wall_ahead_s
        self._jumped_at = -math.inf
        self._was_well = True
        self._figures: dict[Part, float] = {}
        self._since: dict[Part, float] = {}
        self._asks_names = bool(names_of(pool.host for pool in view.site.pools))

    def write(self, now: float) -> None:
        """Write what is measured at site time `now`."""
        host, itself, at = self._host, self._view.itself, self._epoch_s + now
        moved_s = self._clock_moved_s(now)
        figures = {
            Part.LINK: float(not host.linked),
            Part.GATEWAY: float(not host.reaches_pools),
            Part.LOOP: host.lag_s,
            Part.CLOCK: moved_s,
        }
        if self._asks_names:
            figures[Part.DNS] = float(not host.reaches_names)
        is_well = not any(figures.values())
        if is_well and self._was_well:
            return
        for part, figure in figures.items():
            if figure != self._figures.get(part, 0.0):
                self._figures[part], self._since[part] = figure, now
            if now - self._since.get(part, -math.inf) >= TAKES_S[part]:
                itself[part].put(figure, at)
        itself.hear(float(np.fmax.reduce(self._view.answered_at)), at, self._back_s)
        self._was_well = is_well and not itself.blind and not any(itself[part].value > 0.0 for part in figures)

    def _clock_moved_s(self, now: float) -> float:
        ahead_s = self._host.wall_ahead_s
        if ahead_s != self._latest_s:
            self._latest_s, self._jumped_at = ahead_s, now
        if now - self._jumped_at >= SETTLED_S:
            self._base_s = ahead_s
        return abs(ahead_s - self._base_s)
