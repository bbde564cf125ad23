"""A flash over SSH of simulated miners: the way it goes, what refuses it, and every way to be cut short.

Whatever happens to the connection, three things hold: "failed" means that nothing was written; nothing is written
twice; and what was begun goes on to its end, for nobody cuts its power.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.act import Actor, Outcome
from agent.drivers.hosts.access import SshAccess, SshBook
from agent.drivers.hosts.firmware import LuxOsFirmware
from agent.drivers.hosts.flash_ssh import LOCK
from agent.drivers.hosts.images import name_of
from agent.model.action import Action, Result, Verb
from agent.model.ids import ImageId, MinerId
from agent.model.topology import Family, Image
from simulators.devices.miners import SSH_LOGIN
from simulators.devices.ssh_keys import HostKeys
from simulators.faults import FAULT_KINDS
from simulators.loopback import loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.flash import FlashRecord, Phase
from simulators.plant.image import ControlBoard, model_key
from simulators.plant.image import Image as TrueImage
from simulators.plant.state import Board
from tests.simulators.devices_site import Running, running

M1 = MinerId("m1")
BYTES = b"luxos 2026.1" * 4000
SHA = ImageId(hashlib.sha256(BYTES).hexdigest())
VERSION = "2026.1.1.1"


@dataclass
class Lab:
    """One LuxOS miner whose firmware is damaged, an image that would mend it, and our driver with a relay in between.

    Attributes:
        cut: which connection is cut, and after how many bytes towards the miner; None for none.
        connections: how many there were. sent: bytes that each passed on.
    """

    site: Running
    image: Image
    cut: tuple[int, int] | None = None
    connections: int = 0
    sent: list[int] = field(default_factory=list)
    port: int = 0

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        return ("127.0.0.9", self.port) if port == 22 else loopback_endpoint(host, port)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def flashes(self) -> list[FlashRecord]:
        return self.site.plant.journal.flashes

    async def flash(self, image: Image | None = None) -> Outcome:
        """Have the actor flash it, as an intent would."""
        chosen = image or self.image
        actor = self.actor(chosen)
        outcome = await actor.perform(Action(verb=Verb.FLASH, miner=M1, image=chosen.sha256))
        self.verify = lambda: actor.perform(Action(verb=Verb.VERIFY_FIRMWARE, miner=M1, image=chosen.sha256))
        return outcome

    async def not_begun(self, ago_s: float) -> bool:
        """Have the next agent's actor look whether a flash wanted so long ago was never begun."""
        outcome = await self.actor(self.image).not_begun(
            Action(verb=Verb.FLASH, miner=M1, image=self.image.sha256), ago_s
        )
        assert outcome is None or outcome.result is Result.FAILED
        return outcome is not None

    def actor(self, chosen: Image) -> Actor:
        """Return what acts on that miner alone."""
        spec = self.site.host().spec
        key = HostKeys(self.site.plant.seed).public(M1)
        book = SshBook(miners={M1: SshAccess(SSH_LOGIN[0], SSH_LOGIN[1], (key,))})
        site = replace(self.site.plant.site, miners=(spec,), images=(chosen,))
        driver = LuxOsFirmware(self, self.site.secrets, book)
        return Actor(site, {}, {}, {}, 5.0, firmware={Family.LUXOS: driver})

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = self.connections
        self.connections += 1
        self.sent.append(0)
        left = self.cut[1] if self.cut is not None and self.cut[0] == place else 1 << 60
        try:
            there, back = await asyncio.open_connection(*loopback_endpoint(self.site.host().spec.host, 22))
        except OSError:
            writer.transport.abort()
            return

        async def down() -> None:
            while data := await there.read(65_536):
                writer.write(data)
            writer.close()

        downwards = asyncio.ensure_future(down())
        while left > 0 and (data := await reader.read(min(65_536, left))):
            back.write(data)
            left -= len(data)
            self.sent[place] += len(data)
        if left <= 0:
            downwards.cancel()
            writer.transport.abort()
        back.transport.abort() if left <= 0 else back.close()
        await asyncio.gather(downwards, return_exceptions=True)


@asynccontextmanager
async def lab(folder: Path) -> AsyncIterator[Lab]:
    file = folder / "luxos.img"
    file.write_bytes(BYTES)
    async with running(Family.LUXOS) as site:
        model = site.host().spec.model
        truly = TrueImage(SHA, Family.LUXOS, VERSION, frozenset({model_key(model)}), frozenset(ControlBoard))
        site.plant.images.put(SHA, truly)
        image = Image(SHA, str(file), Family.LUXOS, (model,), (site.miner().system.control_board,), VERSION)
        bench = Lab(site, image)
        server = await asyncio.start_server(bench.relay, "127.0.0.9", 0)
        bench.port = server.sockets[0].getsockname()[1]
        async with server:
            FAULT_KINDS["miner.firmware_corrupt"].inject(site.plant, "miner:m1", bench.now, cured_by="flash")
            yield bench


def played(folder: Path, story: Callable[[Lab], Awaitable[None]]) -> None:
    async def main() -> None:
        async with lab(folder) as bench:
            await story(bench)

    run_memory(main(), timeout_wall_s=60.0)


def test_a_damaged_miner_is_flashed_restarts_and_runs_the_version(tmp_path: Path) -> None:
    async def story(bench: Lab) -> None:
        began = bench.now
        outcome = await bench.flash()
        assert (outcome.result, bench.now - began > 60.0) == (Result.OK, True)
        await asyncio.sleep(300.0)
        assert [flash.fits for flash in bench.flashes] == [True]
        assert bench.site.miner().system.version == VERSION

    played(tmp_path, story)


@pytest.mark.parametrize("wrong", ["models", "control_boards", "bytes"])
def test_an_image_that_is_not_for_it_is_never_sent(tmp_path: Path, wrong: str) -> None:
    async def story(bench: Lab) -> None:
        image = bench.image
        if wrong == "bytes":
            Path(image.file).write_bytes(BYTES + b"x")  # noqa: ASYNC240
        else:
            image = replace(image, **{wrong: ("another",)})
        outcome = await bench.flash(image)
        assert outcome.result is Result.FAILED
        assert bench.flashes == []
        assert sum(bench.sent) < len(BYTES)

    played(tmp_path, story)


def test_a_lock_that_is_there_starts_nothing_and_counts_as_unknown(tmp_path: Path) -> None:
    async def story(bench: Lab) -> None:
        driver = LuxOsFirmware(
            bench,
            bench.site.secrets,
            SshBook(miners={M1: SshAccess(*SSH_LOGIN, (HostKeys(bench.site.plant.seed).public(M1),))}),
        )
        host, _ = driver._host(bench.site.host().spec)
        assert (await host.run(f"mkdir {LOCK}", deadline_s=10.0)).status == 0
        outcome = await bench.flash()
        assert (outcome.result, bench.flashes) == (Result.UNKNOWN, [])
        assert "another flash may be under way" in outcome.detail

    played(tmp_path, story)


def test_a_host_with_another_key_gets_nothing(tmp_path: Path) -> None:
    async def story(bench: Lab) -> None:
        FAULT_KINDS["ssh.key_changed"].inject(bench.site.plant, "miner:m1", bench.now)
        outcome = await bench.flash()
        assert (outcome.result, bench.flashes) == (Result.FAILED, [])
        assert "pinned" in outcome.detail

    played(tmp_path, story)


async def holds(bench: Lab, outcome: Outcome | None) -> None:
    """What must hold however it was cut short, once all that was begun has come to its end."""
    began = len(bench.flashes)
    await asyncio.sleep(1800.0)
    bench.site.plant.advance(bench.now)
    assert len(bench.flashes) == began <= 1, "nothing is written twice, and nothing begins behind our back"
    assert all(flash.fits and flash.phase is Phase.DONE for flash in bench.flashes), "what began went on to its end"
    assert bench.site.miner().board is not Board.BRICKED
    if outcome is not None and outcome.result is Result.FAILED:
        assert began == 0, "failed means that nothing was written"
    if outcome is not None and outcome.result is Result.OK:
        assert (began, bench.site.miner().system.version) == (1, VERSION)


def test_a_connection_cut_anywhere_never_makes_two_flashes_nor_a_lie(tmp_path: Path) -> None:
    """Every connection of a flash is cut at some byte of each of its parts, log-in to last."""
    rng = random.Random(5)
    seen: set[tuple[Result, int, bool]] = set()

    async def sizes(bench: Lab) -> None:
        await bench.flash()
        whole.extend(bench.sent)

    whole: list[int] = []
    played(tmp_path, sizes)
    upload = max(range(len(whole)), key=whole.__getitem__)
    start = upload + 2
    places = [0, 1, 2, upload, upload, start - 1, start, start + 1, start + 2, len(whole) - 1]
    cuts = [(place, rng.randrange(whole[place] + 1)) for place in places]
    # The start line is the last that is sent over its connection: these are cut when it is there, and no answer yet.
    cuts += [(start, whole[start] - less) for less in range(0, 240, 40)]
    for place, at in cuts:

        async def story(bench: Lab, cut: tuple[int, int] = (place, at)) -> None:
            bench.cut = cut
            outcome = await bench.flash()
            seen.add((outcome.result, len(bench.flashes), cut[0] == start))
            await holds(bench, outcome)

        played(tmp_path, story)
    assert {(Result.FAILED, 0, False), (Result.OK, 1, True)} <= seen


def test_an_agent_that_dies_at_any_moment_leaves_one_flash_or_none(tmp_path: Path) -> None:
    rng = random.Random(6)
    for after_s in (0.0, 0.05, *(rng.uniform(0.0, 240.0) for _ in range(6))):

        async def story(bench: Lab, after_s: float = after_s) -> None:
            flashing = asyncio.ensure_future(bench.flash())
            await asyncio.sleep(after_s)
            flashing.cancel()
            await asyncio.gather(flashing, return_exceptions=True)
            await holds(bench, None)

        played(tmp_path, story)


# -- an agent that died ------------------------------------------------------------------------------------------------


async def died(bench: Lab, after_s: float) -> float:
    """Have an agent want a flash and die so long after it; return when it wanted it."""
    await asyncio.sleep(600.0)  # a board that has been up for a while
    wanted = bench.now
    flashing = asyncio.ensure_future(bench.flash())
    await asyncio.sleep(after_s)
    flashing.cancel()
    await asyncio.gather(flashing, return_exceptions=True)
    return wanted


@pytest.mark.parametrize("later_s", [0.0, 15.0, 70.0, 600.0], ids=lambda s: f"{s:g}s")
def test_only_a_flash_that_was_never_begun_is_shown_not_to_have_been(tmp_path: Path, later_s: float) -> None:
    """Whenever the agent dies and whenever the next one looks: what it is shown holds, then and half an hour on."""
    shown: dict[float, bool] = {}
    begun: dict[float, bool] = {}

    for after_s in [k / 20.0 for k in range(30)] + [3.0, 20.0, 50.0, 90.0]:

        async def story(bench: Lab, after_s: float = after_s) -> None:
            wanted = await died(bench, after_s)
            await asyncio.sleep(later_s)
            shown[after_s] = await bench.not_begun(bench.now - wanted)
            await asyncio.sleep(1800.0)
            begun[after_s] = bool(bench.flashes)

        played(tmp_path, story)
    assert {shown[s] for s in shown if begun[s]} <= {False}
    never = [s for s in begun if not begun[s]]
    assert never
    assert len(begun) > len(never)
    unseen = [s for s in never if not shown[s]]
    assert len(unseen) <= 2, "but for the instants at which the whole image lies there"


def test_a_connection_cut_at_any_byte_is_never_shown_as_a_flash_not_begun_that_was(tmp_path: Path) -> None:
    chance, seen = random.Random(4), set()
    for connection, least in [(k, 0) for k in range(6)] + [(5, 1500), (6, 1500)] * 6:
        cut = (connection, least + chance.randrange(2500))

        async def story(bench: Lab, cut: tuple[int, int] = cut) -> None:
            bench.cut = cut
            wanted = await died(bench, chance.uniform(0.5, 60.0))
            bench.cut = None
            shown = await bench.not_begun(bench.now - wanted)
            await asyncio.sleep(1800.0)
            assert not (shown and bench.flashes)
            seen.add((shown, bool(bench.flashes)))

        played(tmp_path, story)
    assert seen >= {(True, False), (False, True)}, "both are seen, and never both at once"


def up_s(bench: Lab) -> float:
    return float(bench.site.servers.ssh[M1].box.files.read("/proc/uptime").split()[0])


def test_a_board_that_may_have_restarted_since_shows_nothing(tmp_path: Path) -> None:
    async def story(bench: Lab) -> None:
        await asyncio.sleep(600.0)
        bench.site.miner().reboot(bench.now)
        await asyncio.sleep(400.0)
        assert 100.0 < up_s(bench) < 500.0
        assert not await bench.not_begun(600.0)
        assert not await bench.not_begun(up_s(bench))
        assert not await bench.not_begun(up_s(bench) - 25.0), "ages are whole seconds, clocks agree roughly"
        assert await bench.not_begun(up_s(bench) - 60.0)

    played(tmp_path, story)


@pytest.mark.parametrize("said", ["", "1 2", "nan nan", "inf inf", "1e9 1", "-5 1", "up 3 days"])
def test_what_is_no_uptime_shows_nothing(tmp_path: Path, said: str) -> None:
    async def story(bench: Lab) -> None:
        await asyncio.sleep(600.0)
        assert await bench.not_begun(60.0)
        bench.site.servers.ssh[M1].box.files._fixed["/proc/uptime"] = lambda: said  # type: ignore[index]
        assert not await bench.not_begun(60.0)

    played(tmp_path, story)


def test_a_lock_a_whole_image_and_a_folder_that_is_no_memory_show_nothing(tmp_path: Path) -> None:
    async def story(bench: Lab) -> None:
        await asyncio.sleep(600.0)
        files = bench.site.servers.ssh[M1].box.files
        path = f"/tmp/{name_of(bench.image)}"
        files.open(path)
        files.write(path, BYTES[:-1])
        assert await bench.not_begun(60.0), "its start is sent once all of it is there"
        files.write(path, BYTES[-1:])
        assert not await bench.not_begun(60.0)
        files.remove(path)
        assert await bench.not_begun(60.0)
        files.make_dir(LOCK)
        assert not await bench.not_begun(60.0)
        files.remove_dir(LOCK)
        assert await bench.not_begun(60.0)
        files._fixed = {path: read for path, read in files._fixed.items() if not path.startswith("/tmp/")}
        files._dirs.discard("/tmp/sysinfo")
        assert not await bench.not_begun(60.0), "this may be another folder's listing"

    played(tmp_path, story)
