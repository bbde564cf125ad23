"""SSH on simulated miners, with dropbear's habits: what it lets in, refuses and drops. What is said is a shell's.

dropbear takes commands up to 9,000 bytes and drops a connection over a packet of 35,000 (facts "miners", section 6:
refused from 9,113 bytes, dropped from 40,000); it has no SFTP of its own. A command goes on when its connection is lost
(facts "control", section 5).
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from simulators.devices.board_box import BoardBox
from simulators.devices.host import SILENT_CLOSE_S, MinerHost, Presence, Service, reset
from simulators.devices.ssh_keys import HostKeys, KeyKind
from simulators.plant.image import ImageShelf

if TYPE_CHECKING:
    import asyncssh

MAX_COMMAND_BYTES = 9000
MAX_PACKET_BYTES = 35_000
VERSION = "dropbear_2019.78"
LOGIN_S = 60


@dataclass(frozen=True, slots=True)
class SshHabits:
    """What is particular to the SSH of one miner.

    Attributes:
        user, password: who is let in.
        key: what sort of host key it has.
        sftp: it has a server for SFTP, which dropbear does not bring.
        legacy: it speaks nothing but what was usual ten years ago: group1 and group14 with SHA-1, CBC, HMAC-SHA1.
    """

    user: str
    password: str
    key: KeyKind = KeyKind.ED25519
    sftp: bool = False
    legacy: bool = False


class MinerSsh:
    """The SSH server of one miner; costs nothing until somebody connects.

    Attributes:
        habits: what is particular to it; may be exchanged between two connections.
    """

    def __init__(self, host: MinerHost, images: ImageShelf, keys: HostKeys, habits: SshHabits) -> None:
        self.habits = habits
        self._host = host
        self._images = images
        self._keys = keys
        self._box: BoardBox | None = None
        self._options: dict[tuple[SshHabits, bool], asyncssh.SSHServerConnectionOptions] = {}

    @property
    def box(self) -> BoardBox:
        """What a log-in finds."""
        if self._box is None:
            self._box = BoardBox(self._host, self._images)
        return self._box

    def follow(self) -> None:
        """End what ran on the board before it last went down."""
        if self._box is not None:
            self._box.follow()

    async def stop(self) -> None:
        """End everything, with the simulation."""
        if self._box is not None:
            await self._box.stop()

    def connection(self) -> "SshFront":
        """Return the protocol of a new connection."""
        return SshFront(self._host, self._speaker)

    def _speaker(self) -> "asyncssh.SSHServerConnection":
        """Return what speaks SSH on one connection."""
        import asyncssh  # noqa: PLC0415 -- heavy, and most simulated sites never need it

        from simulators.devices.ssh_sessions import options_for  # noqa: PLC0415 -- as above

        changed = self._host.plant.ssh.key_changed
        options = self._options.get((self.habits, changed))
        if options is None:
            key = self._keys.of(self._host.spec.id, self.habits.key, changed=changed)
            options = self._options[self.habits, changed] = options_for(self._host, self.box, self.habits, key)
        return asyncssh.SSHServerConnection(asyncio.get_running_loop(), options)


class SshFront(asyncio.Protocol):
    """Stands between the network and whoever speaks SSH: the miner's state and the faults of the way decide first."""

    def __init__(self, host: MinerHost, speaker: "Callable[[], asyncssh.SSHServerConnection]") -> None:
        self._host = host
        self._make_speaker = speaker
        self._speaker: asyncssh.SSHServerConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let somebody speak SSH, or ignore or reset the client, as the miner's state wants."""
        self._transport = cast(asyncio.Transport, transport)  # a loop hands a TCP server nothing else
        presence = self._host.presence(Service.SSH)
        if presence is Presence.REFUSES or not self._host.admit(self._transport, Service.SSH):
            reset(self._transport)
        elif presence is Presence.SILENT or self._host.loses_packets():
            self._timer = asyncio.get_running_loop().call_later(SILENT_CLOSE_S, reset, self._transport)
        else:
            self._speaker = self._make_speaker()
            self._speaker.connection_made(self._transport)

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Hand on what gets through; cut the connection where the fault wants it cut."""
        if self._speaker is None or self._transport is None or self._host.presence(Service.SSH) is Presence.SILENT:
            return
        limit = self._host.plant.ssh.cut_after_bytes
        passed = data if limit is None else data[: max(0, limit - self._received)]
        self._received += len(data)
        if passed:
            self._speaker.data_received(passed)
        if limit is not None and self._received >= limit:
            reset(self._transport)

    def eof_received(self) -> bool | None:
        """Hand on the client's end."""
        if self._speaker is not None:
            self._speaker.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._host.release(self._transport)
        if self._speaker is not None:
            with contextlib.suppress(ConnectionError):
                self._speaker.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on that the client does not fetch what is sent."""
        if self._speaker is not None:
            self._speaker.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that it does again."""
        if self._speaker is not None:
            self._speaker.resume_writing()
