"""A flash over SSH, step by step as docs/decisions/0014-flashing.md has it.

Up to the checksum nothing is written, so whatever goes wrong there is a DeviceError or what says no less. From the
start on, whatever is lost is lost for good: nothing is repeated, and the marker alone tells what became of it.
"""

import asyncio
import contextlib
import math

from agent.drivers.hosts.images import name_of
from agent.drivers.hosts.ssh import SshHost
from agent.model.errors import (
    AgentError,
    CodecError,
    DeviceError,
    PolicyError,
    RefusedError,
    SilentError,
    TransportError,
)
from agent.model.topology import Image, Miner

STEP_S = 20.0
"""Deadline of a step that only asks."""
UPLOAD_S = 600.0
CHECKSUM_S = 120.0

POLL_EVERY_S = 10.0
FOLLOW_S = 900.0
"""How long the marker is looked for; three times what vendors ask to wait."""

GONE = frozenset({1, 2})
"""Exit statuses of `ls` where there is no such file: BusyBox's, and GNU's."""
RESTARTED = "the board has restarted by itself after the flash was begun"

LINGER_S = 20
"""How long the board waits with its restart, so that the marker can be read."""
PATIENT_POLLS = 4
"""So often the marker may say that all is written before the board is told to restart."""

SPARE_KB = 4096
BOARD, MODEL = "/tmp/sysinfo/board_name", "/tmp/sysinfo/model"  # noqa: S108 - where the device keeps them
LOCK = "/tmp/terrahash-flash"  # noqa: S108 - on the device, and made atomically
MAX_WORD_CHARS = 64
SYSTEM_FOLDER = "sysinfo"
"""Is in every board's `/tmp`."""
SLACK_S = 30.0
"""A board that has been up for no longer than that before a flash was wanted may have been started since."""


async def flash(host: SshHost, miner: Miner, image: Image, data: bytes) -> str:
    """Put the image in and follow it to its end; raises as `FirmwareControl.flash`."""
    path = f"/tmp/{name_of(image)}"  # noqa: S108 - on the device
    try:
        await _expect_fit(host, miner, image)
        await _expect_room(host, len(data))
        await host.upload(path, data, deadline_s=UPLOAD_S)
        await _expect_arrived(host, path, image)
    except (DeviceError, PolicyError):
        raise
    except AgentError as error:
        raise DeviceError(f"{error}; nothing was flashed") from error
    begun = await _start(host, path)
    return await _follow(host, begun=begun)


async def not_begun(host: SshHost, image: Image, ago_s: float) -> str:
    """Return in a line what shows that a flash wanted `ago_s` ago was never begun; DeviceError where nothing does.

    The start line is sent by an agent that has just seen the whole image there, and takes the lock first. `/tmp` is
    memory. So where the board has been up all that time, and has neither lock nor the whole image, it was not sent;
    and the agent that would send it is dead.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    listed = await host.run("ls /tmp", deadline_s=STEP_S)
    names = listed.text.split()
    if listed.status != 0 or SYSTEM_FOLDER not in names:
        raise DeviceError(f"{host.name}: expected what is in /tmp, it does not tell")
    if LOCK.removeprefix("/tmp/") in names:  # noqa: S108 - on the device
        raise DeviceError(f"{host.name}: expected no lock {LOCK}, there is one: a flash was begun")
    if name_of(image) in names:
        said = await host.run(f"sha256sum /tmp/{name_of(image)}", deadline_s=CHECKSUM_S)
        digest = said.text.partition(" ")[0]
        if said.status != 0 or len(digest) != len(image.sha256) or digest == image.sha256:
            raise DeviceError(f"{host.name}: expected no whole image in /tmp, it may be: its start may be on its way")
    up_s = _seconds((await host.run("cat /proc/uptime", deadline_s=STEP_S)).text)
    if not up_s > ago_s + loop.time() - began_s + SLACK_S:
        raise DeviceError(f"{host.name}: expected a board that has been up since before, it may have restarted")
    return "its board has been up all the time, without a lock and without the whole image: no flash was begun"


def _seconds(uptime: str) -> float:
    """Return the first figure of `/proc/uptime`; NaN where there is none."""
    first = uptime.partition(" ")[0]
    return float(first) if first.replace(".", "", 1).isdecimal() else math.nan


def start_line(path: str) -> str:
    """Return the command that takes the lock and has the image written and started, whoever stays connected."""
    done = f"{{ echo 0 >{LOCK}/rc; sleep {LINGER_S}; reboot; }}"
    return (
        f"mkdir {LOCK} && {{ (sysupgrade {path} >{LOCK}/log 2>&1 && {done} || echo $? >{LOCK}/rc) "
        "</dev/null >/dev/null 2>&1 & echo started; }"
    )


async def _expect_fit(host: SshHost, miner: Miner, image: Image) -> None:
    board, model = await _word(host, BOARD), await _word(host, MODEL)
    if not image.is_for(miner.family, model, board):
        raise DeviceError(
            f"{host.name}: expected a {' or '.join(image.models)} with {' or '.join(image.control_boards)}, it says "
            f"{model!r} with {board!r}; this image is not for it, nothing was flashed"
        )


async def _word(host: SshHost, path: str) -> str:
    said = await host.run(f"cat {path}", deadline_s=STEP_S)
    if said.status != 0 or not said.text or len(said.text) > MAX_WORD_CHARS:
        raise DeviceError(f"{host.name}: expected a name in {path}, there is none; nothing was flashed")
    return said.text


async def _expect_room(host: SshHost, size_bytes: int) -> None:
    said = await host.run("df -k /tmp", deadline_s=STEP_S)
    columns = said.text.splitlines()[-1].split() if said.text else []
    wanted_kb = 2 * -(-size_bytes // 1024) + SPARE_KB
    free_kb = int(columns[3]) if said.status == 0 and len(columns) > 3 and columns[3].isdecimal() else None
    if free_kb is None:
        raise DeviceError(f"{host.name}: expected df to tell the room in /tmp, it did not; nothing was flashed")
    if free_kb < wanted_kb:
        raise DeviceError(f"{host.name}: expected {wanted_kb} KiB free in /tmp, {free_kb} are; nothing was flashed")


async def _expect_arrived(host: SshHost, path: str, image: Image) -> None:
    said = await host.run(f"sha256sum {path}", deadline_s=CHECKSUM_S)
    if said.status != 0 or said.text.split()[:1] != [image.sha256]:
        raise DeviceError(
            f"{host.name}: expected the image to arrive whole, its checksum is another; nothing was flashed"
        )


async def _start(host: SshHost, path: str) -> bool:
    """Have it started; return whether that is known: the connection may be lost under it."""
    try:
        said = await host.run(start_line(path), deadline_s=STEP_S)
    except (DeviceError, PolicyError, RefusedError):
        raise  # no session, so no command
    except AgentError:
        return False
    if said.status == 0 and said.text == "started":
        return True
    raise TransportError(
        f"{host.name}: expected to take the lock {LOCK}, it was there before; another flash may be under way: "
        "leave its power on and look"
    )


async def _follow(host: SshHost, *, begun: bool) -> str:
    """Look at the marker until the flash has ended and the board has been restarted."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + FOLLOW_S
    told = 0
    while loop.time() < until_s:
        await asyncio.sleep(POLL_EVERY_S)
        try:
            said = await host.run(f"ls {LOCK}", deadline_s=STEP_S)
        except AgentError:
            continue  # it may be restarting: asked again, and nothing else
        if said.status in GONE:
            if begun:
                return "written, as far as the marker told, and the board has restarted" if told else RESTARTED
            raise TransportError(f"{host.name}: the connection was lost at the start, and no marker tells of a flash")
        begun = begun or said.status == 0
        if "rc" in said.text.split() and await _is_written(host):
            told += 1
            if told <= PATIENT_POLLS:
                continue
            with contextlib.suppress(AgentError):  # the connection breaks with the restart; the marker tells
                await host.run("reboot", deadline_s=STEP_S)
    if told:
        raise SilentError(f"{host.name}: written, and not seen to have restarted")
    raise SilentError(
        f"{host.name}: expected the flash to end within {FOLLOW_S:g} s, it was not seen to: leave it alone"
    )


async def _is_written(host: SshHost) -> bool:
    """Tell from the exit status of what wrote the image; False where it is not known yet."""
    try:
        said = await host.run(f"cat {LOCK}/rc", deadline_s=STEP_S)
    except AgentError:
        return False
    if not said.text:
        return False
    if said.text != "0":
        raise CodecError(
            f"{host.name}: expected the image to be written, it ended with {said.text!r}; the board may "
            "hold anything: leave its power on and look"
        )
    return True
