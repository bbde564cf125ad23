"""The observe stage as the rest of the agent sees it: start it, tell it what matters now, stop it."""

import asyncio
from collections.abc import Collection, Mapping

import structlog

from agent.clock import Clock
from agent.drivers.net import Dialer
from agent.model.ids import CoolingUnitId, MinerId, PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.topology import Family
from agent.observe.infrastructure import InfrastructureReader
from agent.observe.itself import AnswersNames, OwnHost, SelfWatch
from agent.observe.overhear import Ear
from agent.observe.poller import MinerPoller
from agent.observe.pools import PoolWatch, ProbesPools
from agent.observe.settings import PollSettings
from agent.observe.sleepers import SleepWatch
from agent.observe.sources import CoolingSource, MinerSource, PduSource, SwitchSource

FIRST_POLL_PERIODS = 4
"""Bound of the first full poll, in poll intervals and deadlines: twice what a site needs that is dark altogether."""

_log = structlog.get_logger(__name__)


class Observer:
    """Keeps the site view current: miners, PDUs, switches, cooling units. The only writer of measurements.

    Args:
        miner_drivers: one for every family on the site.
        pdu_drivers, switch_drivers, cooling_drivers: devices without a driver are not read.
        pool_prober: looks at pools; None where nobody is to.
        host: the machine the agent runs on. names: asks its nameservers; None where nobody needs one.
        ear: told of every poll of a miner; None where nobody is.
    """

    def __init__(
        self,
        view: SiteView,
        clock: Clock,
        dialer: Dialer,
        *,
        miner_drivers: Mapping[Family, MinerSource],
        pdu_drivers: Mapping[PduId, PduSource],
        switch_drivers: Mapping[SwitchId, SwitchSource],
        settings: PollSettings,
        host: OwnHost,
        names: AnswersNames | None = None,
        pool_prober: ProbesPools | None = None,
        cooling_drivers: Mapping[CoolingUnitId, CoolingSource] | None = None,
        ear: Ear | None = None,
    ) -> None:
        self._site = view.site
        self._settings = settings
        self._miners = MinerPoller(view, clock, dialer, miner_drivers, settings, ear=ear)
        self._infrastructure = InfrastructureReader(
            view, clock, pdu_drivers, switch_drivers, settings, cooling_drivers=cooling_drivers
        )
        self._sleepers = SleepWatch(view, clock, miner_drivers)
        self._pools = PoolWatch(view, pool_prober)
        self._itself = SelfWatch(view, clock, host, names, interval_s=settings.interval_s)

    async def start(self) -> None:
        """Begin polling; returns at once."""
        await self._itself.start()
        await self._miners.start()
        await self._infrastructure.start()
        await self._sleepers.start()
        await self._pools.start()

    async def stop(self) -> None:
        """End all polls and reads in flight and release their sockets; returns when none is left."""
        await self._pools.stop()
        await self._sleepers.stop()
        await self._miners.stop()
        await self._infrastructure.stop()
        await self._itself.stop()

    async def first_full_poll(self) -> None:
        """Return once every miner, PDU and switch was tried once, whatever came of it, or after a bounded time."""
        bound_s = FIRST_POLL_PERIODS * (self._settings.interval_s + self._settings.deadline_s)
        try:
            async with asyncio.timeout(bound_s):
                await self._miners.tried_all.wait()
                await self._infrastructure.tried_all.wait()
        except TimeoutError:
            _log.warning(
                "first_poll_incomplete",
                waited_s=bound_s,
                miners_untried=self._miners.untried,
                infrastructure_untried=self._infrastructure.untried,
            )

    def focus(self, miners: Collection[MinerId]) -> None:
        """Watch these miners, and no others, closely: call it with the members of all open incidents.

        They are polled at the full rate however long they have been silent. Their PDUs and switches are read at once
        when they come into focus, and every `focus_interval_s` from then on. Ids the inventory lacks are ignored.
        """
        rows = [self._site.rows[miner] for miner in miners if miner in self._site.rows]
        members = [self._site.miners[row] for row in rows]
        self._miners.focus(rows)
        self._infrastructure.focus(
            pdus={outlet.pdu for miner in members for outlet in miner.outlets},
            switches={miner.port.switch for miner in members if miner.port is not None},
            units={unit.id for m in members if (unit := self._site.unit_of_loop.get(m.loop or "")) is not None},
        )
        self._pools.focus({pool.id for miner in members for pool in self._site.pools_of(miner)})

    def rehost(self, miner: MinerId) -> None:
        """Poll a miner where the dialer says that it is now."""
        self._miners.rehost(self._site.rows[miner])

    @property
    def is_running(self) -> bool:
        """Whether polls are being scheduled: not before the start, nor after the stop, nor after a bug ended them."""
        parts = (self._miners, self._infrastructure, self._sleepers, self._pools, self._itself)
        return all(part.is_running for part in parts)
