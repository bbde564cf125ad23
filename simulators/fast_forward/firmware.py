"""Firmware on the plant itself: logs, flashes, versions, with the outcomes that the agent's drivers have on the wire.

What is sure not to have been written is a DeviceError or refused; what nobody saw the end of is a TransportError or
what says so in its way: docs/decisions/0014-flashing.md.
"""

import asyncio
from pathlib import Path

from agent.model.errors import (
    AgentError,
    CodecError,
    DeviceError,
    PolicyError,
    RefusedError,
    SilentError,
    TransportError,
)
from agent.model.topology import FAMILY_TRAITS, Family, Image, Miner, Transport
from simulators.fast_forward.drivers import COMMAND_S, PlantMiners
from simulators.plant.flash import Check, FlashRecord, Phase
from simulators.plant.image import board_name
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant
from simulators.plant.state import Board, Process
from simulators.plant.system import RESTARTS_S

POLL_EVERY_S = 10.0
FOLLOW_S = 900.0
"""How often, and for how long, the agent looks for the end of a flash."""

LINGERS_S = 21.0
"""A board that was written over SSH is told to wait so long with its restart, so that the end can be seen."""

SLACK_S = 30.0
"""A board that came up so little before a moment may have come up since, for all anybody knows."""

LOGIN_BYTES = 3000
"""What a client sends before the first byte of a file: key exchange, log-in, command."""


class PlantFirmware:
    """What is done to the firmware of one family's miners, or of all."""

    def __init__(self, plant: SitePlant, control: PlantMiners) -> None:
        self._plant = plant
        self._control = control

    async def collect_logs(self, miner: Miner) -> str:
        """Return what the miner has written of its troubles."""
        plant = await self._control.reached(miner)
        if self._by_ssh(miner):
            self._expect_way_in(plant)
        told = (f"{at:.0f} {line}" for at, line in plant.system.log)
        return "\n".join(["== log ==", *told, ""])

    async def flash(self, miner: Miner, image: Image) -> str:
        """Put the image in and follow it to its end; raises as the agent's own drivers do."""
        size = _size_of(image)
        try:
            plant = await self._control.reached(miner)
            if self._by_ssh(miner):
                self._expect_way_in(plant, size)
        except PolicyError:
            raise
        except AgentError as error:
            raise DeviceError(f"{error}; nothing was flashed") from error
        if miner.family is Family.WHATSMINER and miner.mac is None and not _has_process(plant):
            raise DeviceError(f"{miner.id}: nothing tells that it is the one of the inventory; nothing was flashed")
        board = board_name(miner.family, plant.system.control_board)
        if not image.is_for(miner.family, plant.spec.model, board):
            raise DeviceError(f"{miner.id}: it says {plant.spec.model!r} with {board!r}; nothing was flashed")
        by_ssh = self._by_ssh(miner)
        refused = plant.system.flash(
            self._now(),
            self._plant.images.named(image.sha256),
            check=Check.CHECKSUM if by_ssh else Check.SIGNATURE,
            restarts_in_s=LINGERS_S if by_ssh else RESTARTS_S,
            resets=by_ssh,
        )
        record = self._plant.journal.flashes[-1]
        if refused:
            raise TransportError(f"{miner.id}: {refused}; leave its power on and look")
        if by_ssh:
            return await self._follow(plant, record)
        return await self._wait(plant, record) if miner.family is Family.ANTMINER_STOCK else "it took all of the image"

    async def not_begun(self, miner: Miner, image: Image, ago_s: float) -> str:
        """Return what shows it, on a board that can be looked into; raises as the agent's own drivers do."""
        if not self._by_ssh(miner):
            raise PolicyError(f"{miner.id}: expected a trace of what was uploaded; {miner.family} shows none")
        wanted_at = self._now() - ago_s
        plant = await self._control.reached(miner)
        self._expect_way_in(plant)
        begun = any(f.miner == miner.id and f.began_at >= wanted_at for f in self._plant.journal.flashes)
        if begun or not plant.readings(self._now()).uptime_s > ago_s + SLACK_S:
            raise DeviceError(f"{miner.id}: expected a board that shows that no {image.version} was begun")
        return "its board has been up all the time: no flash was begun"

    async def verify(self, miner: Miner, image: Image) -> str:
        """Compare the version that it tells."""
        plant = await self._control.reached(miner)
        if miner.family is Family.ANTMINER_STOCK and not _has_process(plant):
            raise RefusedError(f"{miner.id}: connection refused; its mining process is not there to tell the version")
        if plant.system.version != image.version:
            raise DeviceError(f"{miner.id}: expected it to run {image.version}, it runs {plant.system.version}")
        return f"it runs {plant.system.version}"

    # -- the ways in -------------------------------------------------------------------------------------------------

    def _by_ssh(self, miner: Miner) -> bool:
        return FAMILY_TRAITS[miner.family].transport is Transport.SSH

    def _expect_way_in(self, plant: MinerPlant, size: int = 0) -> None:
        """Raise what a log-in with a file of that size would."""
        name, ssh = plant.spec.id, plant.ssh
        if ssh.locked:
            raise RefusedError(f"{name}: connection refused; the host is up, no SSH listens there")
        if ssh.cut_after_bytes is not None and ssh.cut_after_bytes < LOGIN_BYTES + size:
            raise TransportError(f"{name}: the connection was reset")
        if ssh.key_changed:
            raise PolicyError(f"{name}: expected one of the pinned host keys, it showed another")

    async def _follow(self, plant: MinerPlant, record: FlashRecord) -> str:
        """Look every so often until the board has restarted, which it does by itself when all is written."""
        until_s, ended = self._now() + FOLLOW_S, plant.system.ended
        while self._now() < until_s:
            await self._look_again(POLL_EVERY_S)
            if plant.board is not Board.UP or not plant.lan.reachable:
                continue
            if plant.system.ended != ended:
                return "the board has restarted"
            if record.phase is Phase.REFUSED:
                raise CodecError(f"{plant.spec.id}: expected the image to be written, it ended with '1'")
        raise SilentError(f"{plant.spec.id}: expected the flash to end within {FOLLOW_S:g} s, it was not seen to")

    async def _wait(self, plant: MinerPlant, record: FlashRecord) -> str:
        """Wait for the upgrade page's answer."""
        while record.under_way:
            await self._look_again(1.0)
        if record.phase is Phase.REFUSED:
            raise DeviceError(f"{plant.spec.id}: its upgrade page refused the image; nothing was flashed")
        if record.phase is not Phase.DONE or not plant.lan.reachable:
            raise TransportError(f"{plant.spec.id}: the connection broke while the image was written")
        return "its upgrade page says that it succeeded"

    async def _look_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s + COMMAND_S)
        self._plant.advance(self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _has_process(plant: MinerPlant) -> bool:
    return plant.process in {Process.RUNNING, Process.STARTING}


def _size_of(image: Image) -> int:
    try:
        return Path(image.file).stat().st_size
    except OSError as error:
        raise PolicyError(f"{image.file}: expected the image {image.sha256[:12]}…; {error.strerror}") from None
