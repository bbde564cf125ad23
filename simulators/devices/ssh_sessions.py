"""What asyncssh is told so that it behaves as a miner's dropbear: log-in, commands, files. Imported on first use."""

import asyncio
import hmac
import posixpath
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh import SFTPAttrs, SFTPFailure, SFTPName, SFTPNoSuchFile, SFTPPermissionDenied

from simulators.devices.board_box import BoardBox
from simulators.devices.board_files import BoardFiles, FileError, absolute
from simulators.devices.host import MinerHost, Presence, Service
from simulators.devices.shell import Held, Streams
from simulators.devices.ssh_server import LOGIN_S, MAX_COMMAND_BYTES, MAX_PACKET_BYTES, VERSION, SshHabits

_LEGACY_KEX = ("diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1")
_LEGACY_CIPHERS = ("aes128-cbc", "3des-cbc")
_LEGACY_MACS = ("hmac-sha1",)
WINDOW_BYTES = 24_576
"""dropbear's receive window."""
MAX_SCRIPT_BYTES = 65_536
_READ_BYTES = 32_768


def options_for(
    host: MinerHost, box: BoardBox, habits: SshHabits, key: asyncssh.SSHKey
) -> asyncssh.SSHServerConnectionOptions:
    """Return what asyncssh must know of one miner."""
    algorithms: dict[str, Any] = {}
    if habits.legacy:
        algorithms = {"kex_algs": _LEGACY_KEX, "encryption_algs": _LEGACY_CIPHERS, "mac_algs": _LEGACY_MACS}
    return asyncssh.SSHServerConnectionOptions(
        config=None,
        server_factory=lambda: _Server(host, box, habits),
        server_host_keys=[key],
        server_version=VERSION,
        login_timeout=LOGIN_S,
        compression_algs=None,
        agent_forwarding=False,
        allow_scp=False,
        line_editor=False,
        gss_host=None,
        **algorithms,
    )


class _Server(asyncssh.SSHServer):
    """One connection: who is let in, and what is opened on it."""

    def __init__(self, host: MinerHost, box: BoardBox, habits: SshHabits) -> None:
        self._host = host
        self._box = box
        self._habits = habits
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        right = hmac.compare_digest(password.encode(), self._habits.password.encode())
        return right and username == self._habits.user

    def session_requested(self) -> Any:
        if self._connection is None:
            return False
        channel = self._connection.create_server_channel(encoding=None, window=WINDOW_BYTES)
        return channel, _Session(self._host, self._box, self._habits, self._connection)


class _Session(asyncssh.SSHServerProcess[bytes]):
    """One session: a command, a script from the input, or SFTP where there is a server for it."""

    def __init__(
        self, host: MinerHost, box: BoardBox, habits: SshHabits, connection: asyncssh.SSHServerConnection
    ) -> None:
        factory = (lambda channel: _BoardSftp(channel, box.files)) if habits.sftp else None
        super().__init__(_Runner(host, box).serve, factory, asyncssh.sftp.MIN_SFTP_VERSION, False)
        self._connected = connection

    def exec_requested(self, command: str) -> bool:
        if len(command.encode()) > MAX_PACKET_BYTES:
            self._connected.abort()
            return False
        return len(command.encode()) <= MAX_COMMAND_BYTES and super().exec_requested(command)

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp" and super().subsystem_requested(subsystem)


class _Channel:
    """A session's way back: silent once the miner is."""

    def __init__(self, host: MinerHost, writer: asyncssh.SSHWriter[bytes]) -> None:
        self._host = host
        self._writer = writer

    async def write(self, data: bytes) -> None:
        if self._host.presence(Service.SSH) is not Presence.ANSWERS:
            return
        try:
            self._writer.write(data)
            self._host.sent(len(data))
            await self._writer.drain()
        except (asyncssh.Error, ConnectionError):
            return  # nobody listens any more; the command goes on


class _Source:
    """What the client sends; its end where the connection is lost."""

    def __init__(self, reader: asyncssh.SSHReader[bytes]) -> None:
        self._reader = reader

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_READ_BYTES)
        except (asyncssh.Error, ConnectionError):
            return b""


@dataclass(slots=True)
class _Runner:
    """Runs what a session asks for as a job of the board, which outlives the connection."""

    host: MinerHost
    box: BoardBox

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        await asyncio.sleep(self.host.delay_s())
        job = self.box.start(self._run(process))
        if job is None:
            process.exit(1)
            return
        try:
            status = await asyncio.shield(job)
        except asyncio.CancelledError:
            if not job.cancelled():
                raise
            return  # the board went down under it: nothing is said any more
        if self.host.presence(Service.SSH) is Presence.ANSWERS:
            process.exit(status)

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> int:
        out, err = _Channel(self.host, process.stdout), _Channel(self.host, process.stderr)
        streams = Streams(_Source(process.stdin), out, err)
        line = process.command
        if line is None:
            script = bytearray()
            while (more := await streams.stdin.read()) and len(script) < MAX_SCRIPT_BYTES:
                script += more
            line = script.decode(errors="replace")
            streams = Streams(Held(), out, err)
        return await self.box.shell().run(line, streams)


class _BoardSftp(asyncssh.SFTPServer):
    """SFTP on the board's files: as much of it as an upload, a look and a clean-up need."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], files: BoardFiles) -> None:
        super().__init__(chan)
        self._files = files

    def _path(self, path: bytes) -> str:
        return absolute(path.decode(errors="replace"), "/")

    def realpath(self, path: bytes) -> bytes:
        return self._path(path).encode()

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        name = self._path(path)
        if pflags & asyncssh.FXF_WRITE:
            if pflags & asyncssh.FXF_TRUNC or not self._files.is_file(name):
                _told(lambda: self._files.open(name))
        elif not self._files.is_file(name):
            raise SFTPNoSuchFile("No such file")
        return name

    def close(self, file_obj: object) -> None:
        """Nothing is held open."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return self._files.read(str(file_obj))[offset : offset + size]

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        _told(lambda: self._files.write(str(file_obj), data, offset))
        return len(data)

    def stat(self, path: bytes) -> SFTPAttrs:
        name = self._path(path)
        if not self._files.exists(name):
            raise SFTPNoSuchFile("No such file")
        permissions = 0o040755 if self._files.is_dir(name) else 0o100644
        return SFTPAttrs(size=self._files.size(name), uid=0, gid=0, permissions=permissions, atime=0, mtime=0)

    lstat = stat

    def fstat(self, file_obj: object) -> SFTPAttrs:
        return self.stat(str(file_obj).encode())

    def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """There are no permissions and no times to set."""

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        """There are no permissions and no times to set."""

    def remove(self, path: bytes) -> None:
        _told(lambda: self._files.remove(self._path(path)))

    def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        _told(lambda: self._files.make_dir(self._path(path)))

    def rmdir(self, path: bytes) -> None:
        _told(lambda: self._files.remove_dir(self._path(path)))

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        folder = self._path(path)
        if not self._files.is_dir(folder):
            raise SFTPNoSuchFile("No such file")
        for name in self._files.names(folder):
            yield SFTPName(name.encode(), name.encode(), self.stat(posixpath.join(folder, name).encode()))


def _told(step: Any) -> None:
    """Do something with files, and say in SFTP's words why it failed."""
    try:
        step()
    except FileError as error:
        reason = str(error)
        if reason.startswith("No such file"):
            raise SFTPNoSuchFile(reason) from None
        if reason.startswith("Read-only"):
            raise SFTPPermissionDenied(reason) from None
        raise SFTPFailure(reason) from None
