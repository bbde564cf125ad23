"""A control board over SSH: one command or one file, one connection, one deadline. What is sent is another's business.

Facts "control", section 5: closing a connection does not end the command that runs at its other end. asyncssh is
imported when first needed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.drivers.hosts.access import LegacyAlgorithm, SshAccess
from agent.model.errors import (
    CodecError,
    DeviceError,
    InvariantError,
    PolicyError,
    RefusedError,
    SilentError,
    TransportError,
)

if TYPE_CHECKING:
    import asyncssh

COMMAND_BYTES = 9_000
"""dropbear refuses a longer command, and drops the connection over a much longer one (facts "miners", section 6)."""

OUTPUT_BYTES = 65_536
CHUNK_BYTES = 32_768

_KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp521",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
)
_HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
)
_CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")

_LEGACY_KEX = frozenset(
    {LegacyAlgorithm.GROUP1_SHA1, LegacyAlgorithm.GROUP14_SHA1, LegacyAlgorithm.GROUP_EXCHANGE_SHA1}
)
_LEGACY_HOST_KEYS = frozenset({LegacyAlgorithm.SSH_RSA, LegacyAlgorithm.SSH_DSS})
_LEGACY_CIPHERS = frozenset({LegacyAlgorithm.AES128_CBC, LegacyAlgorithm.AES256_CBC, LegacyAlgorithm.TRIPLE_DES_CBC})
_LEGACY_MACS = frozenset({LegacyAlgorithm.HMAC_SHA1, LegacyAlgorithm.HMAC_MD5})


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit status; None where the server told none."""

    out: bytes
    status: int | None

    @property
    def text(self) -> str:
        """Return what it printed as text without surrounding blanks."""
        return self.out.decode(errors="replace").strip()


class SshHost:
    """One control board.

    Args:
        name: what errors call it.
        endpoint: where it is reached.
        access: how to log in.
        password: the secret that `access` names.
    """

    def __init__(self, name: str, endpoint: tuple[str, int], access: SshAccess, password: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._access = access
        self._password = password

    async def run(self, command: str, *, deadline_s: float, given: bytes = b"", tail: bool = False) -> Said:
        """Run a command with `given` as its input and return what it printed.

        Args:
            command: at most COMMAND_BYTES long.
            deadline_s: for log-in and command together.
            given: its standard input.
            tail: keep the last OUTPUT_BYTES of longer output; else that is an error.

        Raises:
            RefusedError: nothing listens there; nothing was sent.
            PolicyError: the host showed a key that is not pinned; nothing was sent.
            DeviceError: it refused the log-in, the algorithms or the command.
            CodecError: it printed more than OUTPUT_BYTES.
            SilentError, TransportError: the connection was lost; whether the command runs is unknown.
        """
        if len(command.encode()) > COMMAND_BYTES:
            raise InvariantError(f"expected a command of at most {COMMAND_BYTES} bytes, got {len(command.encode())}")
        async with self._connected(deadline_s) as connection:
            import asyncssh  # noqa: PLC0415 - see the module's docstring

            process = await connection.create_process(command, encoding=None, stderr=asyncssh.DEVNULL)
            reading = asyncio.ensure_future(_output(process.stdout, tail=tail))
            try:
                for start in range(0, len(given), CHUNK_BYTES):
                    process.stdin.write(given[start : start + CHUNK_BYTES])
                    await process.stdin.drain()
                process.stdin.write_eof()
                out = await reading
            finally:
                reading.cancel()
            await process.wait_closed()
            if process.exit_status is None and process.exit_signal is None:
                raise TransportError(f"{self.name}: the connection closed before the command had ended")
            return Said(out, process.exit_status)

    async def upload(self, path: str, data: bytes, *, deadline_s: float) -> None:
        """Write a file: by SFTP where the server has it, else through the input of `cat`.

        `path` is a plain word of the shell. Raises as `run`; DeviceError also where it could not be written.
        """
        if await self._by_sftp(path, data, deadline_s):
            return
        said = await self.run(f"cat > {path}", deadline_s=deadline_s, given=data)
        if said.status != 0:
            raise DeviceError(f"{self.name}: expected {path} to be written, cat ended with {said.status}")

    async def _by_sftp(self, path: str, data: bytes, deadline_s: float) -> bool:
        """Return whether it was written; False where the server has no SFTP."""
        import asyncssh  # noqa: PLC0415 - see the module's docstring

        async with self._connected(deadline_s) as connection:
            try:
                client = await connection.start_sftp_client()
            except (asyncssh.SFTPError, asyncssh.ChannelOpenError):
                return False
            async with client:
                try:
                    async with client.open(path, "wb") as file:
                        for start in range(0, len(data), CHUNK_BYTES):
                            await file.write(data[start : start + CHUNK_BYTES])
                except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
                    raise TransportError(f"{self.name}: the connection broke while {path} was sent") from error
                except asyncssh.SFTPError as error:
                    raise DeviceError(f"{self.name}: expected {path} to be written, SFTP said {error.code}") from None
        return True

    @contextlib.asynccontextmanager
    async def _connected(self, deadline_s: float) -> "AsyncIterator[asyncssh.SSHClientConnection]":
        """Yield a connection that is logged in; all within shares the deadline, and its errors are the tree's."""
        import asyncssh  # noqa: PLC0415 - see the module's docstring

        connection: asyncssh.SSHClientConnection | None = None
        try:
            async with asyncio.timeout(deadline_s):
                connection = await asyncssh.connect(**self._options())
                yield connection
        except TimeoutError:
            raise SilentError(f"{self.name}: expected an end within {deadline_s:g} s, none came") from None
        except asyncssh.HostKeyNotVerifiable:
            raise PolicyError(
                f"{self.name}: expected one of the pinned host keys, it showed another; find out why before you change "
                "host_keys of its entry under ssh"
            ) from None
        except asyncssh.PermissionDenied:
            raise DeviceError(
                f"{self.name}: log-in refused for user {self._access.user!r}; check the credential "
                f"{self._access.credential!r}"
            ) from None
        except asyncssh.KeyExchangeFailed as error:
            raise DeviceError(
                f"{self.name}: expected an algorithm in common, there is none ({error.reason}); if its firmware "
                "has nothing better, allow it under legacy of its entry under ssh"
            ) from None
        except asyncssh.ChannelOpenError as error:
            raise DeviceError(f"{self.name}: expected a session, it was refused ({error.reason})") from None
        except (asyncssh.Error, EOFError) as error:
            raise TransportError(f"{self.name}: the connection broke ({type(error).__name__})") from None
        except (ConnectionRefusedError, ConnectionResetError) as error:
            if connection is None and isinstance(error, ConnectionRefusedError):
                raise RefusedError(f"{self.name}: connection refused; the host is up, no SSH listens there") from None
            raise TransportError(f"{self.name}: the connection was reset") from None
        except OSError as error:
            raise SilentError(f"{self.name}: no connection ({error.strerror or type(error).__name__})") from None
        finally:
            if connection is not None:
                connection.abort()
                with contextlib.suppress(asyncssh.Error, OSError):
                    await connection.wait_closed()

    def _options(self) -> dict[str, object]:
        """Return what asyncssh is told: the pinned keys, and nothing of whoever runs the agent."""
        import asyncssh  # noqa: PLC0415 - see the module's docstring

        legacy = self._access.legacy
        return {
            "host": self._endpoint[0],
            "port": self._endpoint[1],
            "username": self._access.user,
            "password": self._password,
            "known_hosts": ([asyncssh.import_public_key(key) for key in self._access.host_keys], [], []),
            "config": None,
            "agent_path": None,
            "client_keys": None,
            "preferred_auth": "password,keyboard-interactive",
            "kex_algs": [*_KEX, *sorted(legacy & _LEGACY_KEX)],
            "server_host_key_algs": [*_HOST_KEYS, *sorted(legacy & _LEGACY_HOST_KEYS)],
            "encryption_algs": [*_CIPHERS, *sorted(legacy & _LEGACY_CIPHERS)],
            "mac_algs": [*_MACS, *sorted(legacy & _LEGACY_MACS)],
            "compression_algs": None,
        }


async def _output(stream: "asyncssh.SSHReader[bytes]", *, tail: bool) -> bytes:
    out = bytearray()
    while chunk := await stream.read(CHUNK_BYTES):
        out += chunk
        if len(out) > OUTPUT_BYTES and not tail:
            raise CodecError(f"expected at most {OUTPUT_BYTES} bytes from the command, more came; is this a miner?")
        del out[:-OUTPUT_BYTES]
    return bytes(out)
