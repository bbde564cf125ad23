"""What the gateway would find of each pool if it looked, at the times it would look."""

from collections.abc import Collection

from agent.model.ids import PoolId
from agent.model.probe import NameFault, ProbeResult, Verdict
from agent.model.site_view import SiteView
from simulators.devices.dns import names_of
from simulators.plant.pools import PoolPlant
from simulators.plant.site import SitePlant

INTERVAL_S = 60.0
FOCUS_S = 10.0
"""As the agent's watch of the pools has it."""


class PoolProbes:
    """Every pool of a site, looked at on the plant.

    Args:
        epoch_s: UTC s of site time 0.
    """

    def __init__(self, view: SiteView, plant: SitePlant, *, epoch_s: float) -> None:
        self._view = view
        self._plant = plant
        self._epoch_s = epoch_s
        grouped = {pool for group in view.site.pool_groups for pool in group.pools}
        self._due_s = {pool.id: plant.now for pool in view.site.pools if pool.id in grouped}
        self._named = {pool.id: bool(names_of([pool.host])) for pool in view.site.pools}
        self._focus: frozenset[PoolId] = frozenset()

    def focus(self, pools: Collection[PoolId], now: float) -> None:
        """Look at these often, and at once at those that are new to it."""
        for pool in frozenset(pools) - self._focus:
            if pool in self._due_s:
                self._due_s[pool] = now
        self._focus = frozenset(pools)

    def look(self, now: float) -> None:
        """Write every look that fell due up to site time `now`; the plant has been brought up to it."""
        for pool, due_s in self._due_s.items():
            if due_s <= now:
                self._due_s[pool] = now + (FOCUS_S if pool in self._focus else INTERVAL_S)
                self._view.put_probe(self._found(pool, now))

    def _found(self, pool: PoolId, now: float) -> ProbeResult:
        host, at = self._plant.host, self._epoch_s + now
        if self._named[pool] and not host.reaches_names:
            return ProbeResult(pool, at, (), Verdict.DNS, "simulated: no nameserver", name_fault=NameFault.SILENT)
        if not host.reaches_pools:
            return ProbeResult(pool, at, (), Verdict.SILENT, "simulated: no way there")
        return _found(pool, self._plant.pools.pools[pool], at)


def _found(pool: PoolId, plant: PoolPlant, at: float) -> ProbeResult:
    verdict = Verdict.GOOD
    if not plant.resolves:
        verdict = Verdict.DNS
    elif not plant.accepts:
        verdict = Verdict.REFUSED
    elif not plant.answers:
        verdict = Verdict.SILENT
    elif not plant.logs_in:
        verdict = Verdict.LOGIN_REFUSED
    good = verdict is Verdict.GOOD
    fault = NameFault.UNKNOWN if verdict is Verdict.DNS else None
    return ProbeResult(pool, at, (), verdict, "" if good else f"simulated: {verdict}", has_work=good, name_fault=fault)
