"""Whatsminer with API V2: telemetry in clear and control encrypted, both on TCP 4028."""

from collections.abc import Mapping, Sequence

from agent.codecs import cgminer, microbt
from agent.codecs.cgminer import flag, within
from agent.codecs.telemetry import section
from agent.drivers.miners.connection import request
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.identity import told_mac
from agent.drivers.miners.pools_api import PoolsApi
from agent.drivers.miners.pools_list import PoolLine, agree, differs, once_written, wanted_lines
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.miners.settle import attempted, settled
from agent.drivers.net import Dialer
from agent.model.errors import PolicyError, TransportError
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool

STATUS = b'{"command":"status"}'
STATUS_DEADLINE_S = 5.0
STATUS_LIMIT_BYTES = 16_384

MAX_LIMIT_W = 99_999.0

POOL_SLOTS = 3
"""Pools that `update_pools` takes."""


class Whatsminer:
    """MicroBT's own firmware."""

    family = Family.WHATSMINER
    port = 4028
    request = b'{"command":"summary+pools+devs"}'

    def __init__(self, dialer: Dialer, adapter: PyasicAdapter, login: MinerLogin | None) -> None:
        self._dialer = dialer
        self._adapter = adapter
        self._login = login

    def decode(self, reply: bytes) -> Telemetry:
        """Return what a reply to `request` tells."""
        return microbt.telemetry(microbt.read(reply))

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Ask `status`, which no joined command may hold, whether the mining process was told to be off."""
        endpoint = self._dialer.endpoint(miner.host, self.port)
        reply = await request(endpoint, STATUS, deadline_s=STATUS_DEADLINE_S, limit_bytes=STATUS_LIMIT_BYTES)
        for answer in cgminer.decode(reply).values():
            return flag(answer.widest.get("btmineroff"))
        return None

    async def mac_at(self, host: str) -> str | None:
        """Ask `summary` for its MAC."""
        return await told_mac(self._dialer.endpoint(host, self.port), "summary", "MAC")

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process (`restart_btminer`)."""
        await self._adapter.whatsminer_restart(miner, self._credential(miner))

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board (`reboot`)."""
        await self._adapter.whatsminer_reboot(miner, self._credential(miner))

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Write the whole list (`update_pools`), whatever differs: the API knows no smaller change.

        It shows no pool's password either, so all of them are written as the usual one.
        """
        credential = self._credential(miner)
        wanted = wanted_lines(miner.id, pools, worker, POOL_SLOTS)
        api = PoolsApi(self._dialer.endpoint(miner.host, self.port))
        if agree(await api.lines(), wanted):
            return
        lost: TransportError | None = None
        try:
            await self._adapter.whatsminer_set_pools(miner, credential, _fields(wanted))
        except TransportError as error:
            lost = error
        with once_written():
            found = await api.settled(wanted)
        if not agree(found, wanted):
            raise differs(miner.id, wanted, found) if lost is None else lost

    async def derate(self, miner: Miner, share: float) -> None:
        """Set its power limit (`adjust_power_limit`), for which the mining process starts anew.

        A limit above the usual power limits nothing, so that in full means any limit of at least that.
        """
        credential, limit_w = self._credential(miner), round(miner.power_w * share)

        async def is_so() -> bool:
            found = within((await self._ask(miner, "summary")).get("Power Limit"), 1.0, MAX_LIMIT_W)
            return found is not None and (found >= limit_w if share >= 1.0 else found == limit_w)

        if not await is_so():
            lost = await attempted(self._adapter.whatsminer_limit(miner, credential, limit_w))
            await settled(is_so, f"{miner.id}: expected a power limit of {limit_w} W", lost)

    async def sleep(self, miner: Miner) -> None:
        """Switch its hashboards off (`power_off`)."""
        await self._power(miner, asleep=True)

    async def wake(self, miner: Miner) -> None:
        """Switch its hashboards on (`power_on`)."""
        await self._power(miner, asleep=False)

    async def _power(self, miner: Miner, *, asleep: bool) -> None:
        credential = self._credential(miner)

        async def is_so() -> bool:
            return await self.is_suspended(miner) is asleep

        if not await is_so():
            lost = await attempted(self._adapter.whatsminer_sleep(miner, credential, asleep=asleep))
            await settled(is_so, f"{miner.id}: expected it to {'sleep' if asleep else 'wake'}", lost)

    async def _ask(self, miner: Miner, command: str) -> Mapping[str, object]:
        """Return the row that a query answers, empty where it answers an error."""
        endpoint = self._dialer.endpoint(miner.host, self.port)
        payload = b'{"command":"%s"}' % command.encode()
        reply = await request(endpoint, payload, deadline_s=STATUS_DEADLINE_S, limit_bytes=STATUS_LIMIT_BYTES)
        return section(cgminer.decode(reply), command).widest

    def _credential(self, miner: Miner) -> str:
        if self._login is None:
            raise PolicyError(f"{miner.id}: control of {self.family} needs a login; configure logins.{self.family}")
        return self._login.credential


def _fields(lines: Sequence[PoolLine]) -> dict[str, str]:
    """Return the lines as `update_pools` takes them; a slot left out would keep what it holds, so all are named."""
    fields: dict[str, str] = {}
    for slot in range(POOL_SLOTS):
        line = lines[slot] if slot < len(lines) else PoolLine("", "", "")
        fields |= {f"pool{slot + 1}": line.url, f"worker{slot + 1}": line.user, f"passwd{slot + 1}": line.password}
    return fields
