"""The touching half of the agent as one object: the columns, who writes them, and who acts on devices.

The agent is given one and asks no further. `Wired` reaches devices over the network; a simulation without a network
brings its own.
"""

import ssl
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from agent.act import Actor
from agent.clock import Clock
from agent.config import Settings
from agent.drivers.cooling import cooling_driver
from agent.drivers.hosts import firmware_drivers
from agent.drivers.miners import miner_drivers, pyasic_adapter
from agent.drivers.miners.finder import MinerFinder
from agent.drivers.net import Addresses, Credentials, Dialer
from agent.drivers.pdus import pdu_driver
from agent.drivers.snmp import SnmpClient
from agent.drivers.switches import switch_driver
from agent.drivers.this_host import ThisHost
from agent.model.errors import AgentError
from agent.model.ids import MinerId
from agent.model.probe import NameFault
from agent.model.site_view import SiteView
from agent.model.topology import Miner
from agent.observe.itself import AnswersNames, OwnHost
from agent.observe.observer import Observer
from agent.observe.overhear import Ear
from agent.observe.pools import ProbesPools


class Observes(Protocol):
    """Keeps the site view current."""

    async def start(self) -> None:
        """Begin; returns at once."""

    async def stop(self) -> None:
        """End; returns when nothing is in flight."""

    async def first_full_poll(self) -> None:
        """Return once every device was tried once, or after a bounded time."""

    def focus(self, miners: Collection[MinerId]) -> None:
        """Watch these miners, and no others, closely."""

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""


class Touch(Protocol):
    """What the agent has of the world."""

    @property
    def view(self) -> SiteView:
        """Return the columns that the observer writes."""

    @property
    def observer(self) -> Observes:
        """Return what keeps them current."""

    @property
    def actor(self) -> Actor:
        """Return what acts."""

    @property
    def boot(self) -> str:
        """Return what tells this start of the agent's machine from another; empty where nothing does."""

    def rebind(self, miner: Miner, host: str) -> None:
        """Look for a miner at another address than the inventory's from now on, whoever reads it or acts on it."""

    @property
    def ear(self) -> Ear:
        """Return what its drivers are heard by."""

    async def warm_up(self, *, acting: bool) -> None:
        """Load what is heavy before the first tick; `acting`: this agent may act at all."""

    def close(self) -> None:
        """Release what is shared between devices; the observer has been stopped."""


class Wired:
    """Devices over the network, as the settings describe them.

    Args:
        dialer: where each device is reached.
        credentials: the secrets that the settings name.
        scrub: returns a text without them.
        nameservers: who tells the pools' addresses; the system's own where None.
        trust: what certificates of pools are checked against; the system's own authorities where None.
        host: the machine the agent runs on; the real one where None.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        dialer: Dialer,
        credentials: Credentials,
        scrub: Callable[[str], str],
        nameservers: Sequence[str] | None = None,
        trust: ssl.SSLContext | None = None,
        host: OwnHost | None = None,
    ) -> None:
        site = settings.site
        self.view = SiteView(site)
        self._snmp = SnmpClient(dialer, credentials)
        self._addresses = Addresses(dialer)
        self.ear = Ear(clock)
        heard = self.ear.heard
        families = miner_drivers(self._addresses, credentials, settings.logins)
        miners = {family: heard(driver, "api") for family, driver in families.items()}
        finder = MinerFinder(site, dialer, miner_drivers(dialer, credentials, settings.logins))
        pdus = {
            pdu.id: heard(pdu_driver(pdu, settings.pdu_access[pdu.id], self._snmp), "snmp", pdu.host)
            for pdu in site.pdus
        }
        switches = {
            s.id: heard(
                switch_driver(s, settings.switch_access[s.id], self._snmp, site.bounceable[s.id]), "snmp", s.host
            )
            for s in site.switches
        }
        cooling = {unit.id: heard(cooling_driver(unit, dialer), "modbus", unit.host) for unit in site.cooling_units}
        own = host or ThisHost(clock, site.hosts, settings.own.gateways)
        self.boot = own.boot()
        self.observer = Observer(
            self.view,
            clock,
            self._addresses,
            miner_drivers=miners,
            pdu_drivers=pdus,
            switch_drivers=switches,
            settings=settings.poll,
            host=own,
            names=_names(settings, dialer, nameservers),
            cooling_drivers=cooling,
            pool_prober=heard(_prober(dialer, clock, nameservers, trust), "stratum") if site.pools else None,
            ear=self.ear,
        )
        self.actor = Actor(
            site,
            miners,
            pdus,
            switches,
            settings.guard.on_spacing_s,
            cooling_drivers=cooling,
            firmware={
                family: heard(driver, "firmware")
                for family, driver in firmware_drivers(
                    self._addresses, credentials, settings.logins, settings.ssh
                ).items()
            },
            finder=heard(finder, "api"),
            scrub=scrub,
        )

    def rebind(self, miner: Miner, host: str) -> None:
        """Let every driver and the poller reach it there."""
        self._addresses.move(miner.host, host)
        self.observer.rehost(miner.id)

    async def warm_up(self, *, acting: bool) -> None:
        """Load the SNMP engine and, where the agent may act, pyasic: seconds on a small machine."""
        await self._snmp.warm_up()
        if acting:
            pyasic_adapter.warm_up()

    def close(self) -> None:
        """Close the SNMP engine's sockets."""
        self._snmp.close()


def _prober(
    dialer: Dialer, clock: Clock, nameservers: Sequence[str] | None, trust: ssl.SSLContext | None
) -> ProbesPools:
    from agent.drivers.pools import PoolProbe, Resolver  # noqa: PLC0415 - heavy, and only for a site with pools

    return PoolProbe(dialer, Resolver(dialer, nameservers), clock, trust=trust)


def _names(settings: Settings, dialer: Dialer, nameservers: Sequence[str] | None) -> AnswersNames | None:
    """Return what asks the nameservers for a name that the site needs; None where it needs none."""
    if settings.own.dns_name is None and not settings.site.pools:
        return None
    from agent.drivers.pools import Resolver, is_address  # noqa: PLC0415 - heavy, and only for a site that needs names

    named = (pool.host for pool in settings.site.pools if not is_address(pool.host))
    name = settings.own.dns_name or next(named, None)
    if name is None:
        return None
    resolver = Resolver(dialer, nameservers)

    async def answers() -> bool | None:
        try:
            return (await resolver.look_up(name)).fault is not NameFault.SILENT
        except AgentError:
            return None

    return answers
