"""LuxOS: telemetry and control on TCP 4028. The fields are Bitmain's, some of their meanings are not."""

from collections.abc import Sequence

from agent.codecs import bitmain
from agent.codecs.telemetry import power_w
from agent.drivers.miners.identity import told_mac
from agent.drivers.miners.pools_list import wanted_lines
from agent.drivers.miners.pools_luxos import LuxOsPools
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.net import Dialer
from agent.model.errors import PolicyError
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool

POOL_SLOTS = 8
"""As many pools as a group of the site may have; the firmware has no fixed number."""


class LuxOs:
    """Luxor's firmware. Its session needs no password."""

    family = Family.LUXOS
    port = 4028
    request = b'{"command":"summary+pools+stats+power+config"}'

    def __init__(self, dialer: Dialer, adapter: PyasicAdapter) -> None:
        self._dialer = dialer
        self._adapter = adapter

    def decode(self, reply: bytes) -> Telemetry:
        """Return what a reply to `request` tells.

        Work is the average since the start times the age: `Total MH` is no total here but that same average in MH/s.
        The sensors it calls chip temperatures stand on the board, about 15 °C cooler (facts "detection", section 0).
        """
        reading = bitmain.read(reply)
        return bitmain.telemetry(
            reading,
            cumulative=False,
            power_w=power_w(reading.power.get("Watts")),
            suspended=_suspended(reading.config.get("CurtailMode")),
        )

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Return None: every poll's reply says it already."""
        return None

    async def mac_at(self, host: str) -> str | None:
        """Ask `config` for its MACAddr."""
        return await told_mac(self._dialer.endpoint(host, self.port), "config", "MACAddr")

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process (`resetminer`)."""
        await self._adapter.luxos_restart(miner)

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board (`rebootdevice`)."""
        await self._adapter.luxos_reboot(miner)

    async def derate(self, miner: Miner, share: float) -> None:
        """Refuse: not told over the network yet."""
        raise PolicyError(f"{miner.id}: expected to set {share:.0%} of its power; no command for {self.family} yet")

    async def sleep(self, miner: Miner) -> None:
        """Refuse: not told over the network yet."""
        raise PolicyError(f"{miner.id}: expected to put it to sleep; no command for {self.family} yet")

    async def wake(self, miner: Miner) -> None:
        """Refuse: not told over the network yet."""
        raise PolicyError(f"{miner.id}: expected to wake it; no command for {self.family} yet")

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Add, promote and remove lines of the list until it is so; the mining process goes on."""
        wanted = wanted_lines(miner.id, pools, worker, POOL_SLOTS)
        await LuxOsPools(miner.id, self._dialer.endpoint(miner.host, self.port)).set(wanted)


def _suspended(curtail_mode: object) -> bool | None:
    """Return whether the miner is curtailed: `CurtailMode` is "None" in service and "Sleep" while it sleeps."""
    return curtail_mode.lower() == "sleep" if isinstance(curtail_mode, str) else None
