"""What an actor needs of devices, on the plant itself: what is commanded happens, as late and unreliably as it would.

Outcomes are those of the agent's drivers on the wire: an error where a person with a cable would have seen one.
"""

import asyncio
import math
from collections.abc import Sequence

from agent.model.errors import DeviceError, PolicyError, RefusedError, SilentError, TransportError
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.topology import Family, Miner, Outlet, Pool, Port
from simulators.plant.limits import LEAST_LEVEL
from simulators.plant.luxos_profiles import share_of, step_within
from simulators.plant.miner import MinerPlant
from simulators.plant.pools import PoolLine
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process, WireFaultKind

PORT_DOWN_S = 5.0
"""How long a port that is bounced stays down."""

COMMAND_S = 0.1
"""What a command to a miner takes."""
DEADLINE_S = 10.0
"""How long nobody waits for a miner that does not answer."""

SWEEP_S = 8.0
"""How long it takes to look through a network of which most addresses are empty."""

LOOK_EVERY_S = 1.0
SETTLE_S = 20.0
OFF_BELOW_A = 0.2
"""How an outlet is verified after a command: facts "control", sections 1 and 2."""
PATIENCE_S = 8.0
WRITE_PATIENCE_S = 3.0
"""A PDU that takes longer to answer is not heard; nobody waits longer for the reply to a command."""


class PlantMiners:
    """Control of the miners of one family or of all.

    Attributes:
        addresses: where those are that were found at another address than the inventory's.
    """

    def __init__(self, plant: SitePlant) -> None:
        self.addresses: dict[MinerId, str] = {}
        self._plant = plant

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process."""
        plant = await self.reached(miner)
        if not plant.restart_process(self._now()):
            raise SilentError(f"{miner.id}: no answer")

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board."""
        plant = await self.reached(miner)
        if not plant.reboot(self._now()):
            raise SilentError(f"{miner.id}: no answer")

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Have its pool list be these, in this order; nothing happens where it is so."""
        plant = await self.reached(miner)
        lines = [PoolLine(pool.url, worker) for pool in pools]
        if [(line.url, line.user) for line in plant.client.lines] != [(line.url, line.user) for line in lines]:
            plant.set_pools(self._now(), lines)

    async def derate(self, miner: Miner, share: float) -> None:
        """Have it run at that share of its power, or a little less where its family knows steps.

        Raises PolicyError where there is no such step. Nothing happens where it runs so already.
        """
        wanted = _settable(miner.family, share)
        if wanted is None:
            raise PolicyError(f"{miner.id}: expected a step of at most {share:.0%} of its power, it has none")
        plant = await self.reached(miner)
        plant.derate(self._now(), wanted, restarts=miner.family is not Family.LUXOS)

    async def sleep(self, miner: Miner) -> None:
        """Have it stop hashing."""
        plant = await self.reached(miner)
        plant.suspend(self._now())

    async def wake(self, miner: Miner) -> None:
        """Have it hash again."""
        plant = await self.reached(miner)
        plant.resume(self._now(), restarts=miner.family is Family.ANTMINER_STOCK)

    async def reached(self, miner: Miner) -> MinerPlant:
        """Return the miner if a command reaches its board; raises RefusedError or SilentError."""
        await asyncio.sleep(COMMAND_S)
        plant = self._plant.miners[miner.id]
        self._plant.advance(self._now())
        is_there = plant.lan.reaches(self.addresses.get(miner.id, miner.host))
        if plant.board is Board.BOOTING and is_there and self._plant.host.linked:
            raise RefusedError(f"{miner.id}: it is booting and refused the connection; try again when it is up")
        # A stock Antminer takes commands on its web pages, which a disturbance of the API leaves alone.
        by_api = miner.family is not Family.ANTMINER_STOCK
        silent = by_api and plant.wire is not None and plant.wire.kind is WireFaultKind.SILENT
        if plant.board is not Board.UP or silent or not is_there or not self._plant.host.linked:
            await asyncio.sleep(DEADLINE_S)
            raise SilentError(f"{miner.id}: expected an answer within {DEADLINE_S:g} s, none came; look at its power")
        return plant

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _settable(family: Family, share: float) -> float | None:
    """Return the share of its power that a family can be set to for one that is wanted; None where there is none."""
    if family is Family.LUXOS:
        step = 0 if share >= 1.0 else step_within(share)
        return None if step is None else share_of(step)
    percent = math.floor(100.0 * share + 1e-6)
    return share if family is Family.WHATSMINER else percent / 100.0 if percent >= LEAST_LEVEL else None


class PlantFinder:
    """Looks for miners at the addresses of a site."""

    def __init__(self, plant: SitePlant) -> None:
        self._plant = plant

    async def find(self, miner: Miner) -> str:
        """Return the address at which it is.

        Raises PolicyError where it is not known by its hardware address, DeviceError where it answers at none of the
        site's that no device of the inventory has: nobody else's is asked.
        """
        if miner.mac is None:
            raise PolicyError(f"{miner.id}: expected its hardware address; add its mac to the inventory")
        await asyncio.sleep(SWEEP_S)
        self._plant.advance(asyncio.get_running_loop().time())
        plant = self._plant.miners[miner.id]
        answers = plant.board is Board.UP and plant.process in (Process.RUNNING, Process.STARTING)
        reaches = plant.lan.passes and self._plant.host.linked
        if not answers or not reaches or not self._is_searched(plant.lan.host):
            raise DeviceError(f"{miner.id}: looked for {miner.mac}; it is nowhere")
        return plant.lan.host

    def _is_searched(self, host: str) -> bool:
        network, _, _ = host.rpartition(".")
        if host in self._plant.site.hosts:
            return False
        return any(miner.host.rpartition(".")[0] == network for miner in self._plant.site.miners)


class PlantPdu:
    """Control of one PDU."""

    def __init__(self, plant: SitePlant, pdu: PduId) -> None:
        self._plant = plant
        self._id = pdu
        self._unproven: set[int] = set()

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch one outlet and return once that is verified.

        Raises:
            DeviceError: it was seen not to have happened. TransportError: nobody could look.
        """
        where = Outlet(self._id, outlet)
        if await self._shows(where, on) and outlet not in self._unproven:
            return
        self._unproven.add(outlet)
        self._plant.advance(self._now())
        self._plant.power.command(where, on, self._now())
        await asyncio.sleep(min(self._plant.power.pdu[self._id].answers_in_s, WRITE_PATIENCE_S))
        until = self._now() + SETTLE_S
        while self._now() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            if await self._shows(where, on):
                self._unproven.discard(outlet)
                return
        wanted, reads = "on" if on else "off", "on" if self._plant.power.relay_on(where) else "off"
        raise DeviceError(f"{where}: wanted {wanted}; it did not move within {SETTLE_S:g} s and reads {reads}")

    async def _shows(self, outlet: Outlet, on: bool) -> bool:
        """Look: whether the relay is as wanted, and after an OFF no current flows."""
        power = self._plant.power
        self._plant.advance(self._now())
        shows = power.relay_on(outlet) is on and (on or power.current_a(outlet) < OFF_BELOW_A)
        delay_s = power.pdu[self._id].answers_in_s if self._plant.host.linked else PATIENCE_S
        await asyncio.sleep(min(delay_s, PATIENCE_S))
        if delay_s >= PATIENCE_S:
            raise TransportError(f"{outlet}: {self._id} did not answer; the outcome is open, look again")
        return shows

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class PlantSwitch:
    """Control of the ports of one switch."""

    def __init__(self, plant: SitePlant, switch: SwitchId) -> None:
        self._plant = plant
        self._id = switch

    async def bring_up(self, port: int) -> None:
        """See to it that a port is up; raises SilentError for a dead switch."""
        where = Port(self._id, port)
        self._plant.advance(asyncio.get_running_loop().time())
        if not (self._plant.host.linked and self._plant.network.answers(self._id)):
            raise SilentError(f"{self._id}: expected an answer, none came; look at the switch")
        if not self._plant.network.admin_up(where):
            self._plant.network.set_admin(where, True)

    async def bounce(self, port: int) -> None:
        """Take a port down and up; raises TransportError for a dead switch, DeviceError for a link that stays out."""
        where, network, loop = Port(self._id, port), self._plant.network, asyncio.get_running_loop()
        self._plant.advance(loop.time())
        if not (self._plant.host.linked and network.answers(self._id)):
            raise SilentError(f"{self._id}: expected an answer, none came; look at the switch")
        network.set_admin(where, False)
        await asyncio.sleep(PORT_DOWN_S)
        self._plant.advance(loop.time())
        network.set_admin(where, True)
        for _ in range(int(SETTLE_S)):
            await asyncio.sleep(LOOK_EVERY_S)
            self._plant.advance(loop.time())
            if network.port_up(where):
                return
        raise DeviceError(f"{where}: its link did not come back within {SETTLE_S:g} s; look at cable and miner")
