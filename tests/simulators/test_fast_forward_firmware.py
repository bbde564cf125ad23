"""A flash ends the same in fast-forward as over the wire: the same kind of outcome, and the same board afterwards."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from agent.drivers.hosts import firmware_drivers
from agent.drivers.hosts.access import SshAccess, SshBook
from agent.drivers.miners.contract import MinerLogin
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError, TransportError
from agent.model.ids import ImageId
from agent.model.topology import Family, Image, Miner
from simulators.devices.figures import mac
from simulators.devices.miners import SSH_LOGIN
from simulators.devices.ssh_keys import HostKeys
from simulators.fast_forward.drivers import PlantMiners
from simulators.fast_forward.firmware import PlantFirmware
from simulators.faults import FAULT_KINDS
from simulators.loopback import LoopbackDialer
from simulators.memory_net import run_memory
from simulators.plant.flash import Phase
from simulators.plant.image import Image as Truly
from simulators.plant.image import board_name, model_key
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant
from simulators.plant.state import Board
from tests.factory import EPOCH
from tests.simulators.devices_site import LOGINS, inventory, running

DATA = b"an image that a maker published" * 1000
VERSION = "2026.9"
SETTLED_S = 1200.0


class Firmware(Protocol):
    async def flash(self, miner: Miner, image: Image) -> str: ...

    async def verify(self, miner: Miner, image: Image) -> str: ...

    async def collect_logs(self, miner: Miner) -> str: ...


Situation = Callable[[SitePlant, MinerPlant, Image], Awaitable[None]]
Ended = tuple[str, Board, str, bool, str, list[tuple[Phase, bool]]]


def label(m: MinerPlant, folder: Path) -> Image:
    path = folder / "image"
    path.write_bytes(DATA)
    board = board_name(m.spec.family, m.system.control_board)
    sha256 = ImageId(hashlib.sha256(DATA).hexdigest())
    return Image(sha256, str(path), m.spec.family, (m.spec.model,), (board,), VERSION)


async def ended(plant: SitePlant, firmware: Firmware, image: Image, situation: Situation) -> Ended:
    """Flash under those circumstances; return the kind of outcome, and what the board is and tells afterwards."""
    m = next(iter(plant.miners.values()))
    truly = Truly(
        image.sha256, m.spec.family, VERSION, frozenset({model_key(m.spec.model)}), frozenset({m.system.control_board})
    )
    plant.images.put(image.sha256, truly)
    spec = m.spec if situation is UNKNOWN else replace(m.spec, mac=mac(m.spec.id, None).lower())
    circumstances = asyncio.create_task(situation(plant, m, image))
    await asyncio.sleep(5.0)
    came = await outcome(firmware.flash(spec, image))
    await circumstances
    await asyncio.sleep(SETTLED_S)
    plant.advance(asyncio.get_running_loop().time())
    verified = await outcome(firmware.verify(spec, image))
    flashes = [(f.phase, f.bricked) for f in plant.journal.flashes]
    return came, m.board, m.system.version, m.client.lines == (), verified, flashes


async def outcome(deed: Awaitable[object]) -> str:
    """Return ok, or what sort of error it was: the actor tells no more of them apart."""
    try:
        await deed
    except (PolicyError, DeviceError) as error:
        return type(error).__name__
    except (TransportError, CodecError):
        return "unknown"
    except AgentError as error:
        return type(error).__name__
    return "ok"


def over_the_wire(family: Family, situation: Situation, folder: Path) -> Ended:
    async def main() -> Ended:
        async with running(family) as site:
            m = site.miner()
            key = HostKeys(site.plant.seed).public(m.spec.id)
            book = SshBook(families={Family.LUXOS: SshAccess(*SSH_LOGIN, (key,))})
            logins = {f: MinerLogin(*login) for f, login in LOGINS.items()}
            firmware = firmware_drivers(LoopbackDialer(), site.secrets, logins, book)[family]
            return await ended(site.plant, firmware, label(m, folder), situation)

    result: Ended = run_memory(main(), timeout_wall_s=60.0)
    return result


def fast_forward(family: Family, situation: Situation, folder: Path) -> Ended:
    async def main() -> Ended:
        plant = SitePlant(inventory(family), seed=7, start_s=asyncio.get_running_loop().time())
        firmware = PlantFirmware(plant, PlantMiners(plant))
        return await ended(plant, firmware, label(next(iter(plant.miners.values())), folder), situation)

    result: Ended = run_memory(main(), timeout_wall_s=60.0)
    return result


def injected(*faults: tuple[str, dict[str, Any]]) -> Situation:
    async def situation(plant: SitePlant, m: MinerPlant, image: Image) -> None:
        for kind, params in faults:
            target = f"image:{image.sha256}" if kind.startswith("image.") else f"miner:{m.spec.id}"
            FAULT_KINDS[kind].start(plant, target, asyncio.get_running_loop().time(), params)

    return situation


def swapped(**differs: Any) -> Situation:
    async def situation(plant: SitePlant, _: MinerPlant, image: Image) -> None:
        plant.images.put(image.sha256, replace(plant.images.named(image.sha256), **differs))

    return situation


async def power_is_cut(_: SitePlant, m: MinerPlant, _image: Image) -> None:
    await asyncio.sleep(65.0)
    now = asyncio.get_running_loop().time()
    m.set_energised(False, now)
    m.set_energised(True, now + 5.0)


CORRUPT = ("miner.crash_loop", {"every_s": 900.0, "cured_by": "flash"})
GONE = ("miner.firmware_corrupt", {"cured_by": "flash"})
UNKNOWN = injected(GONE)
"""The inventory has no hardware address of it, and nothing else tells a Whatsminer's model."""
SITUATIONS: Sequence[tuple[str, Situation]] = [
    ("good", injected()),
    ("crashing", injected(CORRUPT)),
    ("without a process", injected(GONE)),
    ("without a process or an address", UNKNOWN),
    ("a bad release", injected(CORRUPT, ("image.bad", {}))),
    ("for another model", injected(CORRUPT, ("image.wrong_model", {}))),
    ("not signed", swapped(signed=False)),
    ("worn out", injected(("miner.flash_bricks", {}))),
    ("cut while writing", power_is_cut),
    ("hung", injected(("miner.control_board_hung", {"draw": "idle"}))),
    ("ssh locked", injected(("ssh.locked", {}))),
    ("another key", injected(("ssh.key_changed", {}))),
    ("ssh cut", injected(("ssh.cut", {"after_bytes": 20_000}))),
]


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize(("name", "situation"), SITUATIONS, ids=[name for name, _ in SITUATIONS])
def test_both_tiers_come_to_the_same_end(name: str, situation: Situation, family: Family, tmp_path: Path) -> None:
    wire = over_the_wire(family, situation, tmp_path)
    assert fast_forward(family, situation, tmp_path) == wire
    came, board, version, _, verified, _ = wire
    if name in {"good", "without a process"}:
        assert (came, board, version, verified) == ("ok", Board.UP, VERSION, "ok")
    if name == "for another model":
        assert board is (Board.BRICKED if family is Family.LUXOS else Board.UP)


def test_logs_are_there_on_both(tmp_path: Path) -> None:
    async def main() -> str:
        plant = SitePlant(inventory(Family.LUXOS), seed=7)
        m = next(iter(plant.miners.values()))
        FAULT_KINDS["miner.firmware_corrupt"].inject(plant, "miner:m1", 1.0)
        await asyncio.sleep(60.0)
        return await PlantFirmware(plant, PlantMiners(plant)).collect_logs(m.spec)

    assert "REBOOT_SYSINIT" in run_memory(main(), timeout_wall_s=30.0)


def test_a_flash_that_was_begun_is_never_taken_for_one_that_was_not(tmp_path: Path) -> None:
    """Seed 332117 of the soak: the agent died in the midst of it, and flashed once more."""

    async def main() -> list[str]:
        plant = SitePlant(inventory(Family.LUXOS), seed=7)
        m, loop = next(iter(plant.miners.values())), asyncio.get_running_loop()
        firmware, image = PlantFirmware(plant, PlantMiners(plant)), label(m, tmp_path)
        fits = frozenset({model_key(m.spec.model)}), frozenset({m.system.control_board})
        plant.images.put(image.sha256, Truly(image.sha256, m.spec.family, VERSION, *fits))
        came = []
        for wanted_at in (600.1 + 1200.3 * k for k in range(9)):
            await asyncio.sleep(wanted_at - 100.0 - loop.time())
            plant.advance(loop.time())
            came.append(await outcome(firmware.not_begun(m.spec, image, 60.0)))
            await asyncio.sleep(wanted_at - loop.time())
            flashing = asyncio.create_task(firmware.flash(m.spec, image))
            await asyncio.sleep(17.3)
            flashing.cancel()
            ago_s = (EPOCH + loop.time()) - (EPOCH + wanted_at)  # as the agent counts, in UTC: to 0.2 µs
            came.append(await outcome(firmware.not_begun(m.spec, image, ago_s)))
        return came

    assert run_memory(main(), timeout_wall_s=30.0) == ["ok", "DeviceError"] * 9
