"""The fast-forward tier: the agent's settings meet a plant that writes the columns and is acted on directly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from agent.act import Actor
from agent.cli.simulated import Staged
from agent.clock import Clock
from agent.config import Settings
from agent.model.site_view import SiteView
from agent.model.topology import Miner
from agent.observe.overhear import Driver, Ear
from agent.observe.timetable import phase
from simulators.fast_forward.site import ColumnFeed, FastForwardSite
from simulators.plant.history import HistorySettings


class PlantTouch:
    """What the agent has of a plant without devices."""

    def __init__(self, settings: Settings, clock: Clock, site: FastForwardSite) -> None:
        poll = settings.poll
        self.view = SiteView(settings.site)
        self.observer = ColumnFeed(
            self.view,
            site.plant,
            epoch_s=clock.now() - asyncio.get_running_loop().time(),
            step_s=settings.tick_s,
            poll_s=poll.interval_s,
            deadline_s=poll.deadline_s,
            pdu_s=poll.pdu_interval_s,
            switch_s=poll.switch_interval_s,
            focus_s=poll.focus_interval_s,
            phase=phase,
        )
        self.boot = "simulated"
        self._addresses = site.addresses
        self.ear = Ear(clock)
        hosts: dict[Any, str] = {pdu.id: pdu.host for pdu in settings.site.pdus}
        hosts |= {switch.id: switch.host for switch in settings.site.switches}
        hosts |= {unit.id: unit.host for unit in settings.site.cooling_units}

        def heard(drivers: Mapping[Any, Driver]) -> dict[Any, Driver]:
            return {name: self.ear.heard(driver, "plant", hosts.get(name, "")) for name, driver in drivers.items()}

        self.actor = Actor(
            settings.site,
            heard(site.miners),
            heard(site.pdus),
            heard(site.switches),
            settings.guard.on_spacing_s,
            firmware=heard(site.firmware),
            finder=self.ear.heard(site.finder, "plant"),
            cooling_drivers=heard(site.cooling),
        )

    def rebind(self, miner: Miner, host: str) -> None:
        """Look for a miner at another address, and act on it there."""
        self._addresses[miner.id] = host
        self.observer.rehost(miner.id, host)

    async def warm_up(self, *, acting: bool) -> None:
        """Do nothing: there is nothing heavy here."""

    def close(self) -> None:
        """Do nothing: nothing is shared."""


@contextlib.asynccontextmanager
async def fast_forward_site(
    settings: Settings, clock: Clock, *, seed: int, history: HistorySettings
) -> AsyncIterator[Staged]:
    """Yield the site; its plant lives as long as an agent that is given a touch writes its columns."""
    site = FastForwardSite(settings.site, seed=seed, history=history)
    yield Staged(site.plant, site.truth, lambda: PlantTouch(settings, clock, site))
