"""Stock Antminer (S19 generation on): telemetry on TCP 4028, control through the CGI pages with HTTP digest.

The mining process is restarted by writing the miner's own configuration back to it, which is what the firmware's page
does when somebody presses "save". Pools are part of that configuration, so that a change of them restarts it too.
"""

import math
from collections.abc import Sequence

from agent.codecs import bitmain
from agent.drivers.miners.antminer_web import POOL_SLOTS, AntminerWeb
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.pools_list import wanted_lines
from agent.drivers.net import Credentials, Dialer
from agent.model.errors import PolicyError
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool


class AntminerStock:
    """Bitmain's own firmware."""

    family = Family.ANTMINER_STOCK
    port = 4028
    request = b'{"command":"summary+pools+stats"}'

    def __init__(self, dialer: Dialer, credentials: Credentials, login: MinerLogin | None) -> None:
        self._dialer = dialer
        self._credentials = credentials
        self._login = login

    def decode(self, reply: bytes) -> Telemetry:
        """Return what a reply to `request` tells.

        `Total MH` is taken for the work, because the averages stand still when hashing stops while the age goes on
        (facts "detection", section 0). Sleep shows only where `stats` holds the work mode.
        """
        reading = bitmain.read(reply)
        return bitmain.telemetry(reading, cumulative=True, suspended=bitmain.work_mode_sleeps(reading.stats))

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Read the work mode off the configuration page; None without a login for it."""
        return None if self._login is None else await self._web(miner).is_asleep()

    async def mac_at(self, host: str) -> str | None:
        """Ask the page about the system, which wants the login; what has no web page of this kind is no Antminer."""
        return await self._web_at(host, host).mac()

    async def restart(self, miner: Miner) -> None:
        """Write the miner's configuration back to it and check that its pools are still there."""
        await self._web(miner).restart()

    async def reboot(self, miner: Miner) -> None:
        """Ask the control board to reboot."""
        await self._web(miner).reboot()

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Write the configuration back with these pools, which starts another mining process."""
        wanted = wanted_lines(miner.id, pools, worker, POOL_SLOTS)
        await self._web(miner).set_pools(miner.id, wanted)

    async def derate(self, miner: Miner, share: float) -> None:
        """Write the configuration back with a lower level of the clock, which starts another mining process."""
        await self._web(miner).set_level(math.floor(100.0 * share + 1e-6))

    async def sleep(self, miner: Miner) -> None:
        """Write the configuration back with the work mode that sleeps."""
        await self._web(miner).set_asleep(True)

    async def wake(self, miner: Miner) -> None:
        """Write the configuration back with the usual work mode."""
        await self._web(miner).set_asleep(False)

    def _web(self, miner: Miner) -> AntminerWeb:
        return self._web_at(miner.host, miner.id)

    def _web_at(self, host: str, name: str) -> AntminerWeb:
        if self._login is None:
            raise PolicyError(f"{name}: control of {self.family} needs a login; configure logins.{self.family}")
        return AntminerWeb(self._dialer.endpoint(host, 80), self._login, self._credentials.get(self._login.credential))
