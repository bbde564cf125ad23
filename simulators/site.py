"""A simulated site that answers: plant, devices on their real protocols on loopback, and the truth about both."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Mapping

from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.topology import Family, Site
from simulators.agent_host import SimulatedHost, keep_busy
from simulators.devices.cooling_units import CoolingServers
from simulators.devices.dns import DnsFault, DnsServer, names_of
from simulators.devices.host import Timing
from simulators.devices.miners import MinerServers
from simulators.devices.snmp_devices import SnmpDevices, SnmpLogin
from simulators.devices.stratum import StratumPools
from simulators.loopback import LoopbackDialer
from simulators.plant.history import HistorySettings
from simulators.plant.site import SitePlant
from simulators.secrets import SimulatedSecrets
from simulators.truth import Truth

ADVANCE_S = 1.0
"""The plant is brought up to date this often even when nobody asks it anything."""


class SimulatedSite:
    """Every device of an inventory, on its own loopback address.

    Args:
        epoch_s: UTC s at which the event loop's clock shows zero, as the devices' own clocks tell it.

    Attributes:
        secrets: what a client must know to log in.
        dialer: where a client finds each device.
        host: the machine that the agent runs on.
    """

    def __init__(
        self,
        site: Site,
        *,
        seed: int,
        epoch_s: float,
        logins: Mapping[Family, tuple[str, str]],
        pdu_access: Mapping[PduId, SnmpLogin],
        switch_access: Mapping[SwitchId, SnmpLogin],
        ssh_logins: Mapping[MinerId, tuple[str, str]] | None = None,
        history: HistorySettings | None = None,
    ) -> None:
        self.secrets = SimulatedSecrets(seed)
        self.dialer = LoopbackDialer()
        self.plant = SitePlant(site, seed=seed, start_s=asyncio.get_running_loop().time(), history=history)
        self.truth = Truth(self.plant)
        self.host = SimulatedHost(self.plant.host)
        timing = Timing(epoch_s=epoch_s)
        self._miners = MinerServers(self.plant, self.secrets, logins, ssh_logins=ssh_logins, timing=timing)
        self._snmp = SnmpDevices(self.plant, self.secrets, pdu_access, switch_access)
        self._pools = StratumPools(
            site.pools,
            self.plant.pools.pools,
            epoch_s=epoch_s,
            advance=self.plant.advance,
            blocks_between=self.plant.history.blocks_between,
            heard=lambda: self.plant.host.reaches_pools,
        )
        self._cooling = CoolingServers(self.plant)
        self._names = DnsServer(
            f"dns.{site.name}.{site.miners[0].host}", names_of(pool.host for pool in site.pools), self._dns_fault
        )
        self._living: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open every device's sockets.

        Raises:
            PolicyError: two devices fall on one loopback address, or another simulated site holds one.
        """
        try:
            await self._miners.start()
            await self._snmp.start()
            await self._cooling.start()
            if self.plant.site.pools:
                await self._pools.start()
                await self._names.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PolicyError(
                f"expected the simulated devices' loopback addresses to be free: {error.strerror}; "
                "another demo or dry run of this site is still running, end it first"
            ) from None
        self._living = [asyncio.create_task(self._advance()), asyncio.create_task(keep_busy(self.plant.host))]

    def _dns_fault(self, name: str) -> DnsFault | None:
        return self._pools.dns_fault(name) if self.plant.host.reaches_names else DnsFault.SILENT

    @property
    def nameservers(self) -> tuple[str, ...]:
        """Return who tells where the site's pools are."""
        return (self._names.host,)

    def trust(self) -> ssl.SSLContext | None:
        """Return what the site's TLS pools are verified against, once they have started; None where there are none."""
        certificate = self._pools.certificate
        return ssl.create_default_context(cadata=certificate) if certificate else None

    async def stop(self) -> None:
        """Close everything."""
        for task in self._living:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._names.stop()
        await self._pools.stop()
        await self._cooling.stop()
        await self._snmp.stop()
        await self._miners.stop()

    async def _advance(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.plant.advance(loop.time())
            await asyncio.sleep(ADVANCE_S)
