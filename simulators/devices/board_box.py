"""The operating system of one simulated control board, as whoever logs in finds it: files, logs, jobs, commands.

What runs on it lives on when the connection that started it is lost, and ends with the board.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime

from simulators.devices.board_files import TMP_KIB, BoardFiles, FileError
from simulators.devices.host import MinerHost
from simulators.devices.shell import CommandBody, Shell, Streams
from simulators.devices.shell_commands import COMMANDS, USAGE, options
from simulators.plant.flash import Check, Phase
from simulators.plant.image import ControlBoard, ImageShelf, board_name
from simulators.plant.state import Board, Process
from simulators.plant.system import RESTARTS_S

REBOOT_S = 1.0
"""From `reboot` until the board goes down: services are stopped first."""
LOOK_EVERY_S = 1.0
MAX_JOBS = 32
MAX_SLEEP_S = 86_400.0

_MACHINES: Mapping[ControlBoard, tuple[str, str]] = {
    ControlBoard.ZYNQ: ("4.6.0-xilinx", "armv7l"),
    ControlBoard.BEAGLEBONE: ("3.8.13-bone79", "armv7l"),
    ControlBoard.AMLOGIC: ("4.9.113", "aarch64"),
    ControlBoard.CVITEK: ("4.9.38-tag-", "aarch64"),
    ControlBoard.H3: ("3.4.39", "armv7l"),
    ControlBoard.H6: ("4.9.118", "aarch64"),
}
"""Kernel and machine of each control board."""


class BoardBox:
    """What runs on one board between two starts of it, and what a log-in can do there.

    Args:
        host: the miner on the network.
        images: what bytes that are flashed turn out to be.

    Attributes:
        room_kib: how much `/tmp` holds after the next start.
        flash_restarts: the flash tool starts the board afresh by itself.
    """

    def __init__(self, host: MinerHost, images: ImageShelf) -> None:
        self.room_kib = TMP_KIB
        self.flash_restarts = False
        self._host = host
        self._images = images
        self._jobs: set[asyncio.Task[int]] = set()
        self._files: BoardFiles | None = None
        self._ended = host.plant.system.ended
        own: Mapping[str, CommandBody] = {
            "dmesg": self._dmesg,
            "hostname": self._hostname,
            "logread": self._logread,
            "ps": self._ps,
            "reboot": self._reboot,
            "sleep": self._sleep,
            "sysupgrade": self._sysupgrade,
            "uname": self._uname,
            "uptime": self._uptime,
        }
        self._commands = {**COMMANDS, **own}

    @property
    def files(self) -> BoardFiles:
        """The files of this start of the board; what was in `/tmp` at the last one is gone."""
        self.follow()
        if self._files is None:
            self._files = BoardFiles(
                {
                    "/etc/luxos-version": lambda: self._host.plant.system.version,
                    "/proc/uptime": lambda: f"{self._up_s():.2f} {self._up_s() * 0.8:.2f}",
                    "/proc/version": lambda: f"Linux version {kernel_of(self._host)[0]}",
                    "/tmp/sysinfo/board_name": self._board_name,  # noqa: S108 -- the board's
                    "/tmp/sysinfo/model": lambda: self._host.spec.model,  # noqa: S108 -- the board's
                },
                room_kib=self.room_kib,
            )
        return self._files

    def follow(self) -> None:
        """End what ran before the board last went down."""
        if self._ended != self._host.plant.system.ended:
            self._ended = self._host.plant.system.ended
            self._files = None
            self._cancel()

    def shell(self) -> Shell:
        """Return a fresh log-in's shell."""
        return Shell(self.files, self._commands, self.start)

    def start(self, work: Coroutine[object, object, int]) -> "asyncio.Task[int] | None":
        """Run something for as long as the board is up; None where there are too many such already."""
        if len(self._jobs) >= MAX_JOBS:
            work.close()
            return None
        job = asyncio.create_task(work, name=f"job on {self._host.spec.id}")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    async def stop(self) -> None:
        """End everything, with the simulation."""
        jobs = tuple(self._jobs)
        self._cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def _cancel(self) -> None:
        here = asyncio.current_task()
        for job in self._jobs:
            if job is not here:
                job.cancel()

    # -- its own commands --------------------------------------------------------------------------------------------

    async def _sysupgrade(self, shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
        given, names = options(arguments, "nFqv")
        if len(names) != 1:
            await streams.complain("Usage: sysupgrade [-n] [-F] IMAGE")
            return USAGE
        try:
            data = shell.files.read(shell.path(names[0]))
        except FileError:
            await streams.complain(f"Image file {names[0]} not found.")
            return 1
        system = self._host.plant.system
        check = Check.NONE if "F" in given else Check.CHECKSUM
        restarts_in_s = RESTARTS_S if self.flash_restarts else None
        refused = system.flash(
            self._host.now(), self._images.of(data), check=check, restarts_in_s=restarts_in_s, resets=True
        )
        if refused:
            await streams.complain(f"sysupgrade: {refused}")
            return 1
        self._host.settle()
        flashing, told = system.flashing, Phase.RECEIVED
        while flashing is not None and flashing.record.under_way:
            await asyncio.sleep(LOOK_EVERY_S)
            self._host.now()
            if flashing.record.phase is not told:
                told = flashing.record.phase
                await streams.say(f"upgrade: {told.value}")
            self._host.settle()
        if flashing is None or flashing.record.phase is not Phase.DONE:
            await streams.complain(f"sysupgrade: {flashing.refused if flashing is not None else 'interrupted'}")
            return 1
        return 0

    async def _reboot(self, _shell: Shell, arguments: Sequence[str], _streams: Streams) -> int:
        given, _ = options(arguments, "fd")
        self.start(self._go_down(0.0 if "f" in given else REBOOT_S))
        return 0

    async def _go_down(self, after_s: float) -> int:
        await asyncio.sleep(after_s)
        if self._host.plant.reboot(self._host.now()):
            self.follow()
            self._host.settle()
        return 0

    async def _sleep(self, _: Shell, arguments: Sequence[str], streams: Streams) -> int:
        try:
            seconds = float(arguments[0])
        except (IndexError, ValueError):
            await streams.complain("sleep: invalid number")
            return USAGE
        await asyncio.sleep(min(max(seconds, 0.0), MAX_SLEEP_S))
        return 0

    async def _dmesg(self, _: Shell, _arguments: Sequence[str], streams: Streams) -> int:
        for line in kernel_lines(self._host):
            await streams.say(line)
        return 0

    async def _logread(self, _: Shell, _arguments: Sequence[str], streams: Streams) -> int:
        for line in log_lines(self._host):
            await streams.say(line)
        return 0

    async def _ps(self, _: Shell, _arguments: Sequence[str], streams: Streams) -> int:
        await streams.say("  PID USER       VSZ STAT COMMAND")
        await streams.say("    1 root      1552 S    /sbin/procd")
        await streams.say("  734 root      1180 S    /usr/sbin/dropbear -F -P /var/run/dropbear.1.pid -p 22")
        if self._host.plant.process in {Process.RUNNING, Process.STARTING}:
            await streams.say("  911 root    182344 S    luxminer -c /config/luxminer.toml")
        if self._host.plant.system.is_busy:
            await streams.say(" 1411 root      1716 S    sysupgrade")
        return 0

    async def _uname(self, _: Shell, arguments: Sequence[str], streams: Streams) -> int:
        given, _rest = options(arguments, "asnrm")
        kernel, machine = kernel_of(self._host)
        told = {"s": "Linux", "n": self._host.spec.id, "r": kernel, "m": machine}
        wanted = told if "a" in given else {key: told[key] for key in told if key in (given or {"s"})}
        await streams.say(" ".join(wanted.values()))
        return 0

    async def _hostname(self, _: Shell, _arguments: Sequence[str], streams: Streams) -> int:
        await streams.say(self._host.spec.id)
        return 0

    async def _uptime(self, _: Shell, _arguments: Sequence[str], streams: Streams) -> int:
        minutes = int(self._up_s() / 60.0)
        await streams.say(f" up {minutes // 1440} days, {minutes // 60 % 24:2d}:{minutes % 60:02d}")
        return 0

    # -- what it knows of its board ----------------------------------------------------------------------------------

    def _up_s(self) -> float:
        return up_s(self._host)

    def _board_name(self) -> str:
        return board_name(self._host.spec.family, self._host.plant.system.control_board)


def up_s(host: MinerHost) -> float:
    """Return for how many seconds a board has been up."""
    return float(host.plant.readings(host.now()).uptime_s) if host.plant.board is Board.UP else 0.0


def kernel_of(host: MinerHost) -> tuple[str, str]:
    """Return kernel and machine, as a board tells them."""
    return _MACHINES[host.plant.system.control_board]


def kernel_lines(host: MinerHost) -> tuple[str, ...]:
    """Return the lines of a board's kernel log since it last started."""
    began = host.now() - up_s(host)
    kernel, machine = kernel_of(host)
    name = board_name(host.spec.family, host.plant.system.control_board)
    return (
        f"[    0.000000] Linux version {kernel} ({machine})",
        f"[    0.000000] Machine model: {host.spec.model} {name}",
        "[    7.700000] eth0: Link is Up - 100Mbps/Full",
        *(f"[{max(0.0, at - began):12.6f}] {line}" for at, line in host.plant.system.log if at >= began - 1.0),
    )


def log_lines(host: MinerHost) -> tuple[str, ...]:
    """Return the lines of a miner's system log: the unusual ones."""
    host.now()
    stamped = ((datetime.fromtimestamp(host.utc(at), UTC), line) for at, line in host.plant.system.log)
    return tuple(f"{at:%a %b %d %H:%M:%S %Y} daemon.info miner: {line}" for at, line in stamped)
