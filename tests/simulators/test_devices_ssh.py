"""SSH on simulated miners: dropbear's habits, on the wire and in memory alike, and against the system's own client."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from agent.model.ids import ImageId, MinerId
from agent.model.topology import Family
from simulators.devices.miners import SSH_LOGIN
from simulators.devices.ssh_keys import HostKeys, KeyKind
from simulators.devices.ssh_server import MinerSsh
from simulators.faults import FAULT_KINDS
from simulators.loopback import loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.image import ControlBoard, Image, model_key
from simulators.plant.state import Board
from simulators.virtual_time import run
from tests.simulators.devices_site import Running, running

TIERS = pytest.mark.parametrize("on", [run, run_memory], ids=["wire", "memory"])
M1 = MinerId("m1")
TARGET = "miner:m1"
IMAGE = b"an image" * 5000
FLASH = (
    "mkdir /tmp/lock && { (sysupgrade /tmp/new.img >/tmp/lock/log 2>&1; echo $? >/tmp/lock/rc)"
    " </dev/null >/dev/null 2>&1 & echo started; }"
)
SSH = shutil.which("ssh")
SFTP = shutil.which("sftp")


@dataclass
class Session:
    """One LuxOS miner and a client that knows its key."""

    site: Running

    @property
    def ssh(self) -> MinerSsh:
        return self.site.servers.ssh[M1]

    @property
    def endpoint(self) -> tuple[str, int]:
        return loopback_endpoint(self.site.host().spec.host, 22)

    @property
    def password(self) -> str:
        return self.site.secrets.get(SSH_LOGIN[1])

    def inject(self, kind: str, **params: Any) -> None:
        FAULT_KINDS[kind].inject(self.site.plant, TARGET, asyncio.get_running_loop().time(), **params)

    @asynccontextmanager
    async def connected(self, **how: Any) -> AsyncIterator[asyncssh.SSHClientConnection]:
        key = HostKeys(self.site.plant.seed).of(M1, self.ssh.habits.key).convert_to_public()
        options: dict[str, Any] = {
            "username": "root",
            "password": self.password,
            "known_hosts": ([key], [], []),
            "config": None,
            "agent_path": None,
            "client_keys": None,
            "connect_timeout": 10.0,
        }
        async with asyncssh.connect(*self.endpoint, **(options | how)) as connection:
            yield connection

    async def ask(self, line: str, **how: Any) -> tuple[int | None, bytes]:
        async with self.connected() as connection:
            done = await connection.run(line, encoding=None, **how)
        assert isinstance(done.stdout, bytes)
        return done.exit_status, done.stdout


def played(story: Callable[[Session], Awaitable[None]], on: Callable[..., Any] = run_memory, *families: Family) -> None:
    async def main() -> None:
        async with running(*(families or (Family.LUXOS,))) as site:
            await story(Session(site))

    on(main(), timeout_wall_s=60.0)


def allow_image(s: Session) -> None:
    """Have the site's shelf know IMAGE as one for that very miner."""
    plant = s.site.miner()
    truly = Image("good", Family.LUXOS, "2026.1", frozenset({model_key(plant.spec.model)}), frozenset(ControlBoard))
    shelf = s.site.plant.images
    sha256 = ImageId(shelf.of(IMAGE).name)
    shelf.put(sha256, truly)


# -- habits ------------------------------------------------------------------------------------------------------------


@TIERS
def test_a_command_is_run_and_its_status_comes_back(on: Callable[..., Any]) -> None:
    async def story(s: Session) -> None:
        assert await s.ask("cat /tmp/sysinfo/board_name /tmp/sysinfo/model") == (0, b"cvitek\nS19k Pro\n")
        assert await s.ask("nonsense") == (127, b"")
        assert await s.ask("cat >/tmp/f", input=IMAGE) == (0, b"")
        assert await s.ask("cat /tmp/f") == (0, IMAGE)

    played(story, on)


def test_each_miner_has_its_own_key_and_it_is_the_same_every_time() -> None:
    ed25519, again, other = HostKeys(7).public(M1), HostKeys(7).public(M1), HostKeys(7).public(MinerId("m2"))
    assert ed25519 == again != other
    assert HostKeys(8).public(M1) != ed25519
    assert HostKeys(7).of(M1, changed=True).public_data != HostKeys(7).of(M1).public_data
    rsa = HostKeys(7).public(M1, KeyKind.RSA_1024)
    assert rsa.startswith("ssh-rsa ")
    assert rsa == HostKeys(7).public(M1, KeyKind.RSA_1024)


def test_another_key_user_or_password_is_no_way_in() -> None:
    async def story(s: Session) -> None:
        for wrong in ({"password": "wrong"}, {"username": "admin"}):
            with pytest.raises(asyncssh.PermissionDenied):
                async with s.connected(**wrong):
                    pass
        s.inject("ssh.key_changed")
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            await s.ask("true")
        FAULT_KINDS["ssh.key_changed"].end(s.site.plant, TARGET, 1.0)
        assert await s.ask("true") == (0, b"")

    played(story)


@TIERS
def test_long_commands_are_refused_and_longer_ones_cost_the_connection(on: Callable[..., Any]) -> None:
    async def story(s: Session) -> None:
        assert await s.ask("echo " + "x" * 8900) == (0, b"x" * 8900 + b"\n")
        async with s.connected() as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run("echo " + "x" * 9100)
            assert (await connection.run("echo still here")).stdout == "still here\n"
            with pytest.raises(asyncssh.ConnectionLost):
                await connection.run("echo " + "x" * 40_000)

    played(story, on)


@TIERS
def test_there_is_no_sftp_unless_there_is(on: Callable[..., Any]) -> None:
    async def story(s: Session) -> None:
        async with s.connected() as connection:
            with pytest.raises(asyncssh.Error):
                await connection.start_sftp_client()
        s.ssh.habits = replace(s.ssh.habits, sftp=True)
        async with s.connected() as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("/tmp/new.img", "wb") as file:
                await file.write(IMAGE)
            assert await sftp.getsize("/tmp/new.img") == len(IMAGE)
            assert set(await sftp.listdir("/tmp")) >= {"new.img", "sysinfo"}
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open("/etc/passwd", "wb")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.open("/etc/passwd", "rb")
        assert (await s.ask("cat /tmp/new.img"))[1] == IMAGE

    played(story, on)


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
def test_outdated_firmware_speaks_outdated_algorithms_only() -> None:
    async def story(s: Session) -> None:
        s.ssh.habits = replace(s.ssh.habits, legacy=True, key=KeyKind.RSA_1024)
        with pytest.raises((asyncssh.Error, ConnectionError)):
            await s.ask("true")
        old = {"kex_algs": "+diffie-hellman-group14-sha1", "encryption_algs": "+aes128-cbc", "mac_algs": "+hmac-sha1"}
        async with s.connected(**old) as connection:
            assert (await connection.run("echo in")).stdout == "in\n"

    played(story)


@TIERS
def test_a_locked_miner_refuses_and_a_dark_one_says_nothing(on: Callable[..., Any]) -> None:
    async def story(s: Session) -> None:
        s.inject("ssh.locked")
        await asyncio.sleep(1.5)
        with pytest.raises(ConnectionRefusedError):
            await s.ask("true")
        FAULT_KINDS["ssh.locked"].end(s.site.plant, TARGET, 2.0)
        await asyncio.sleep(1.5)
        assert await s.ask("true") == (0, b"")
        s.inject("miner.control_board_hung")
        with pytest.raises(TimeoutError):
            await s.ask("true")

    played(story, on)


def test_a_stock_antminer_has_no_ssh_unless_it_was_never_locked_and_a_whatsminer_none() -> None:
    async def main() -> None:
        async with running(Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS) as site:
            assert set(site.servers.ssh) == {"m3"}

    run_memory(main(), timeout_wall_s=30.0)

    async def unlocked() -> None:
        logins = {M1: ("root", "own"), MinerId("m2"): ("root", "own")}
        async with running(Family.ANTMINER_STOCK, Family.WHATSMINER, ssh_logins=logins) as site:
            assert set(site.servers.ssh) == {"m1"}

    run_memory(unlocked(), timeout_wall_s=30.0)


# -- connections that end early ----------------------------------------------------------------------------------------


@TIERS
@pytest.mark.parametrize("after_bytes", [10, 700, 2000, 30_000])
def test_a_cut_connection_is_a_reset_and_its_command_goes_on(on: Callable[..., Any], after_bytes: int) -> None:
    async def story(s: Session) -> None:
        s.inject("ssh.cut", after_bytes=after_bytes)
        status: int | None = None
        with contextlib.suppress(asyncssh.Error, ConnectionError):
            status, _ = await s.ask("cat > /tmp/part", input=IMAGE)
        assert status is None
        FAULT_KINDS["ssh.cut"].end(s.site.plant, TARGET, 1.0)
        there, size = await s.ask("ls -l /tmp/part")
        if after_bytes == 30_000:
            assert there == 0
            assert 0 < int(size.split()[4]) < 30_000
        elif after_bytes < 1000:
            assert there == 1

    played(story, on)


@TIERS
def test_a_flash_goes_on_when_its_connection_is_lost_and_ends_with_the_board(on: Callable[..., Any]) -> None:
    async def story(s: Session) -> None:
        allow_image(s)
        await s.ask("cat >/tmp/new.img", input=IMAGE)
        assert await s.ask(FLASH) == (0, b"started\n")
        assert await s.ask(FLASH) == (1, b"")
        assert await s.ask("ls /tmp/lock") == (0, b"log\n")
        await asyncio.sleep(240.0)
        assert await s.ask("cat /tmp/lock/rc") == (0, b"0\n")
        assert b"writing" in (await s.ask("cat /tmp/lock/log"))[1]
        await s.ask("reboot")
        await asyncio.sleep(5.0)
        assert s.site.miner().board is Board.BOOTING
        await asyncio.sleep(300.0)
        assert (await s.ask("ls /tmp/lock"))[0] == 1
        assert await s.ask("cat /etc/luxos-version") == (0, b"2026.1\n")
        assert s.site.miner().client.lines == ()

    played(story, on)


def test_a_tool_that_restarts_the_board_never_says_how_it_ended() -> None:
    async def story(s: Session) -> None:
        allow_image(s)
        s.ssh.box.flash_restarts = True
        await s.ask("cat >/tmp/new.img", input=IMAGE)
        await s.ask(FLASH)
        await asyncio.sleep(500.0)
        assert (await s.ask("ls /tmp/lock"))[0] == 1
        assert s.site.miner().system.version == "2026.1"

    played(story)


def test_what_nobody_published_is_refused_by_its_checksum_or_forced_in_for_good() -> None:
    async def story(s: Session) -> None:
        await s.ask("cat >/tmp/new.img", input=IMAGE)
        status, _ = await s.ask("sysupgrade /tmp/new.img")
        assert status == 1
        assert s.site.miner().healthy
        assert await s.ask("sysupgrade -F /tmp/new.img") == (
            0,
            b"upgrade: verifying\nupgrade: erasing\nupgrade: writing\nupgrade: done\n",
        )
        await s.ask("reboot -f")
        await asyncio.sleep(300.0)
        assert s.site.miner().board is Board.BRICKED
        with pytest.raises(TimeoutError):
            await s.ask("true")

    played(story)


def test_what_runs_beside_ends_when_the_power_goes() -> None:
    async def story(s: Session) -> None:
        await s.ask("(sleep 600; reboot) >/dev/null 2>&1 &")
        now = asyncio.get_running_loop().time()
        s.site.miner().set_energised(False, now)
        s.site.miner().set_energised(True, now + 10.0)
        await asyncio.sleep(1200.0)
        assert s.site.miner().readings(asyncio.get_running_loop().time()).uptime_s > 900

    played(story)


def test_what_went_wrong_is_in_the_logs() -> None:
    async def story(s: Session) -> None:
        s.inject("miner.firmware_corrupt")
        await asyncio.sleep(30.0)
        for log in ("dmesg", "logread"):
            status, lines = await s.ask(f"{log} | tail -n 400")
            assert status == 0
            assert b"REBOOT_SYSINIT" in lines

    played(story)


# -- the system's own clients ------------------------------------------------------------------------------------------


def real(story: Callable[[Session, dict[str, str], list[str]], Awaitable[None]], folder: Path, *, sftp: bool) -> None:
    """Run a story in real time, with what OpenSSH's programs want to know."""

    async def main() -> None:
        async with running(Family.LUXOS) as site:
            s = Session(site)
            s.ssh.habits = replace(s.ssh.habits, sftp=sftp)
            host, port = s.endpoint
            known = folder / "known_hosts"
            known.write_text(f"[{host}]:{port} {HostKeys(site.plant.seed).public(M1)}\n")
            answer = folder / "askpass"
            answer.write_text(f"#!{sys.executable}\nprint({s.password!r})\n")
            answer.chmod(0o700)
            environ = {**os.environ, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
            options = ["-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
            options += ["-o", "PreferredAuthentications=password", "-o", "LogLevel=ERROR"]
            await story(s, environ, options)

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(main())


async def finished(environ: dict[str, str], *command: str, stdin: bytes = b"") -> tuple[int | None, bytes]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ)
    async with asyncio.timeout(30.0):
        out, err = await process.communicate(stdin)
    assert b"denied" not in err, err
    return process.returncode, out


@pytest.mark.skipif(SSH is None, reason="no ssh client is installed")
def test_openssh_is_served(tmp_path: Path) -> None:
    async def story(s: Session, environ: dict[str, str], options: list[str]) -> None:
        host, port = s.endpoint
        command = [str(SSH), *options, "-p", str(port), f"root@{host}"]
        assert await finished(environ, *command, "cat /tmp/sysinfo/model; exit 5") == (5, b"S19k Pro\n")
        assert await finished(environ, *command, "cat > /tmp/f; sha256sum </tmp/f | head -c 8", stdin=IMAGE) == (
            0,
            s.site.plant.images.of(IMAGE).name[:8].encode(),
        )

    real(story, tmp_path, sftp=False)


@pytest.mark.skipif(SFTP is None, reason="no sftp client is installed")
def test_openssh_sftp_is_served_where_there_is_a_server(tmp_path: Path) -> None:
    local = tmp_path / "image"
    local.write_bytes(IMAGE)

    async def story(s: Session, environ: dict[str, str], options: list[str]) -> None:
        host, port = s.endpoint
        command = [str(SFTP), *options, "-P", str(port), f"root@{host}"]
        status, _ = await finished(environ, *command, stdin=f"put {local} /tmp/new.img\nls -l /tmp\n".encode())
        assert status == 0
        assert s.ssh.box.files.read("/tmp/new.img") == IMAGE

    real(story, tmp_path, sftp=True)
