"""Our SSH driver before servers of other makes: Debian's dropbear and OpenSSH, on loopback, without system accounts.

Both are started by hand with an account of their own, which libnss-wrapper shows to them. Nothing is installed here;
where they are missing the tests are skipped and say so.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from agent.drivers.hosts.access import LegacyAlgorithm, SshAccess
from agent.drivers.hosts.ssh import COMMAND_BYTES, OUTPUT_BYTES, SshHost
from agent.model.errors import (
    AgentError,
    CodecError,
    DeviceError,
    InvariantError,
    PolicyError,
    RefusedError,
    SilentError,
    TransportError,
)

PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
DROPBEAR, SSHD = shutil.which("dropbear", path=PATH), shutil.which("sshd", path=PATH)
WRAPPER = next(iter(sorted(Path("/usr/lib").glob("*/libnss_wrapper.so"))), None)
PASSWORD = "a password"
HASHED = "$6$terrahash$JskP8lMnM64ARuwirUxLWenO1wxfpOYcBOvxNWSRaZdh7Vv/MMRzFQj7gsJ6MR5O0rxtGu2xtWSPaDirz0sWt0"
"""The password as `openssl passwd -6` writes it."""
EVERYTHING = frozenset(LegacyAlgorithm)

needs_dropbear = pytest.mark.skipif(
    DROPBEAR is None or WRAPPER is None or os.geteuid() != 0, reason="peer missing: dropbear, libnss-wrapper, as root"
)
needs_sshd = pytest.mark.skipif(
    SSHD is None or WRAPPER is None or os.geteuid() != 0, reason="peer missing: sshd, libnss-wrapper, as root"
)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def accounts(folder: Path) -> dict[str, str]:
    """Return the environment in which there is one account, `root`, with our password."""
    (folder / "passwd").write_text(
        f"root:x:0:0:root:{folder}:/bin/sh\nsshd:x:{pwd.getpwnam('nobody').pw_uid}:65534::/:/bin/false\n"
    )
    (folder / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (folder / "shadow").write_text(f"root:{HASHED}:19000:0:99999:7:::\n")
    names = {name: str(folder / name) for name in ("passwd", "group", "shadow")}
    wrapped = {f"NSS_WRAPPER_{name.upper()}": path for name, path in names.items()}
    return {"PATH": PATH, "LD_PRELOAD": str(WRAPPER), **wrapped}


@asynccontextmanager
async def serving(command: Sequence[str], environ: dict[str, str], port: int) -> AsyncIterator[None]:
    """Run a server until the end of the context."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                assert process.returncode is None, "the server did not start"
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def dropbear(folder: Path) -> AsyncIterator[SshHost]:
    """Yield a host as miners are: dropbear, no SFTP server."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    (folder / "key.pem").write_bytes(key.export_private_key("openssh"))
    convert = shutil.which("dropbearconvert", path=PATH)
    assert convert is not None
    process = await asyncio.create_subprocess_exec(
        convert, "openssh", "dropbear", str(folder / "key.pem"), str(folder / "key"), stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    port = free_port()
    command = [
        str(DROPBEAR),
        "-F",
        "-E",
        "-r",
        str(folder / "key"),
        "-p",
        f"127.0.0.1:{port}",
        "-P",
        str(folder / "pid"),
    ]
    async with serving(command, accounts(folder), port):
        yield host(port, key)


@asynccontextmanager
async def openssh(folder: Path, *lines: str, kind: str = "ssh-ed25519") -> AsyncIterator[SshHost]:
    """Yield a host with OpenSSH and those lines in its configuration; host key of that kind."""
    key = asyncssh.generate_private_key(kind, **({"key_size": 2048} if kind == "ssh-rsa" else {}))
    (folder / "key").write_bytes(key.export_private_key("openssh"))
    (folder / "key").chmod(0o600)
    port = free_port()
    config = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'key'}",
        f"PidFile {folder / 'pid'}",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin yes",
        "PasswordAuthentication yes",
        *lines,
    ]
    (folder / "config").write_text("\n".join(config) + "\n")
    _separated()
    async with serving([str(SSHD), "-D", "-f", str(folder / "config")], accounts(folder), port):
        yield host(port, key)


def _separated() -> None:
    """Make the folder that OpenSSH separates its privileges in."""
    Path("/run/sshd").mkdir(exist_ok=True)


def host(port: int, key: asyncssh.SSHKey) -> SshHost:
    access = SshAccess("root", "ssh", (key.export_public_key().decode().strip(),), port)
    return SshHost("m1", ("127.0.0.1", port), access, PASSWORD)


def changed(host: SshHost, **changes: object) -> SshHost:
    return SshHost(host.name, host._endpoint, replace(host._access, **changes), host._password)  # type: ignore[arg-type]


async def everyday(host: SshHost, folder: Path) -> None:
    """What a flash and a collection of logs want of a server."""
    said = await host.run("echo hello; exit 3", deadline_s=20)
    assert (said.text, said.status) == ("hello", 3)
    data = os.urandom(3_000_000)
    path = folder / "image"
    await host.upload(str(path), data, deadline_s=60)
    assert path.read_bytes() == data
    with pytest.raises(DeviceError):
        await host.upload(str(folder / "none" / "image"), b"x" * 100_000, deadline_s=20)
    with pytest.raises(CodecError):
        await host.run("yes | head -c 1000000", deadline_s=20)
    tail = await host.run("yes no | head -c 1000000; echo; echo end", deadline_s=20, tail=True)
    assert (len(tail.out), tail.text[-3:]) == (OUTPUT_BYTES, "end")
    with pytest.raises(SilentError):
        await host.run("sleep 30", deadline_s=0.5)


async def not_let_in(host: SshHost) -> None:
    """Whom a driver does not talk to, and who does not talk to it."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(PolicyError, match="pinned"):
        await changed(host, host_keys=(other,)).run("echo never", deadline_s=20)
    with pytest.raises(DeviceError, match="log-in refused"):
        await changed(host, user="nobody").run("echo never", deadline_s=20)


@needs_dropbear
async def test_dropbear_runs_commands_and_takes_a_file_without_sftp(tmp_path: Path) -> None:
    async with dropbear(tmp_path) as host:
        await everyday(host, tmp_path)
        await not_let_in(host)


@needs_dropbear
async def test_dropbear_takes_commands_as_long_as_we_ever_send_and_no_longer(tmp_path: Path) -> None:
    async with dropbear(tmp_path) as host:
        said = await host.run(f"echo {'x' * (8_900 - 5)}", deadline_s=20)
        assert len(said.text) == 8_895
        with pytest.raises(InvariantError):
            await host.run("x" * (COMMAND_BYTES + 1), deadline_s=20)


@needs_dropbear
async def test_what_was_started_detached_goes_on_when_the_connection_is_gone(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    lock = tmp_path / "lock"
    line = f"mkdir {lock} && {{ (sleep 0.3; echo $? >{marker}) </dev/null >/dev/null 2>&1 & echo started; }}"
    async with dropbear(tmp_path) as host:
        assert (await host.run(line, deadline_s=20)).text == "started"
        assert (await host.run(line, deadline_s=20)).status != 0
        for _ in range(100):
            if marker.exists() and marker.read_text():
                break
            await asyncio.sleep(0.05)
        assert marker.read_text() == "0\n"


@needs_sshd
async def test_openssh_runs_commands_and_takes_a_file_by_sftp(tmp_path: Path) -> None:
    async with openssh(tmp_path, "Subsystem sftp internal-sftp") as host:
        assert await host._by_sftp(str(tmp_path / "by-sftp"), b"x" * 100_000, 20)
        assert (tmp_path / "by-sftp").stat().st_size == 100_000
        await everyday(host, tmp_path)
        await not_let_in(host)


@needs_sshd
async def test_openssh_without_sftp_takes_a_file_all_the_same(tmp_path: Path) -> None:
    async with openssh(tmp_path) as host:
        await host.upload(str(tmp_path / "image"), b"y" * 200_000, deadline_s=20)
        assert (tmp_path / "image").stat().st_size == 200_000


LEGACY = {
    "cipher": ("Ciphers aes128-cbc", "ssh-ed25519", {LegacyAlgorithm.AES128_CBC}),
    "key exchange": ("KexAlgorithms diffie-hellman-group14-sha1", "ssh-ed25519", {LegacyAlgorithm.GROUP14_SHA1}),
    "mac": ("Ciphers aes128-ctr\nMACs hmac-sha1", "ssh-ed25519", {LegacyAlgorithm.HMAC_SHA1}),
    "host key": ("HostKeyAlgorithms ssh-rsa", "ssh-rsa", {LegacyAlgorithm.SSH_RSA}),
}


@needs_sshd
@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # which is why it wants allowing
@pytest.mark.parametrize("case", LEGACY.values(), ids=LEGACY.keys())
async def test_an_outdated_algorithm_is_used_only_where_its_entry_allows_it(
    tmp_path: Path, case: tuple[str, str, set[LegacyAlgorithm]]
) -> None:
    lines, kind, wanted = case
    async with openssh(tmp_path, *lines.splitlines(), kind=kind) as host:
        for legacy in (frozenset(), EVERYTHING - wanted):
            with pytest.raises((DeviceError, TransportError)):
                await changed(host, legacy=legacy).run("echo never", deadline_s=20)
        assert (await changed(host, legacy=frozenset(wanted)).run("echo hello", deadline_s=20)).text == "hello"


@needs_dropbear
async def test_a_connection_that_is_cut_anywhere_is_an_error_of_the_tree(tmp_path: Path) -> None:
    async with dropbear(tmp_path) as real:
        for cut_at in (0, 1, 20, 100, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000):
            async with cutting(real._endpoint[1], cut_at) as port:
                host = SshHost("m1", ("127.0.0.1", port), real._access, PASSWORD)
                with pytest.raises(AgentError) as caught:
                    await host.run("cat >/dev/null; echo hello", deadline_s=20, given=b"x" * 100_000)
                assert isinstance(caught.value, TransportError | DeviceError), cut_at


async def test_a_peer_that_says_nothing_and_one_that_is_not_there(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        with pytest.raises(SilentError):
            await host(server.sockets[0].getsockname()[1], key).run("echo never", deadline_s=0.3)
    with pytest.raises(RefusedError):
        await host(free_port(), key).run("echo never", deadline_s=20)


@asynccontextmanager
async def cutting(port: int, after_bytes: int) -> AsyncIterator[int]:
    """Yield the port of a relay that cuts both ways once it has passed on so many bytes towards the server."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def down() -> None:
            while data := await there.read(4096):
                writer.write(data)

        downwards = asyncio.create_task(down())
        left = after_bytes
        while left > 0 and (data := await reader.read(min(4096, left))):
            back.write(data)
            await back.drain()
            left -= len(data)
        downwards.cancel()
        for end in (writer, back):
            end.transport.abort()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
