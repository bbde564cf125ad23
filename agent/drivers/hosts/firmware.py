"""The firmware of each family: its logs, the way an image gets in, and the version it tells."""

from agent.codecs import cgminer
from agent.drivers.hosts import flash_ssh
from agent.drivers.hosts.access import SshBook
from agent.drivers.hosts.images import name_of, read_image, readable
from agent.drivers.hosts.ssh import SshHost
from agent.drivers.miners.antminer_web import AntminerWeb
from agent.drivers.miners.connection import request
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.net import Credentials, Dialer
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError
from agent.model.topology import Image, Miner

API_PORT = 4028
WEB_PORT = 80
ASK_DEADLINE_S = 10.0
ASK_LIMIT_BYTES = 262_144
LOG_STEP_S = 30.0


class _Api:
    """What the API on TCP 4028 tells of the firmware."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def ask(self, miner: Miner, command: str) -> bytes:
        """Return the reply to a command without parameters; raises as `request` does."""
        return await request(
            self._dialer.endpoint(miner.host, API_PORT),
            b'{"command":"%s"}' % command.encode(),
            deadline_s=ASK_DEADLINE_S,
            limit_bytes=ASK_LIMIT_BYTES,
        )

    async def field(self, miner: Miner, command: str, key: str) -> str:
        """Return one field of what a command tells; raises DeviceError where it is answered with an error."""
        for section in cgminer.decode(await self.ask(miner, command)).values():
            value = section.widest.get(key)
            if section.failed:
                raise DeviceError(f"{miner.id}: expected {command} to be answered, came {section.message!r}")
            if isinstance(value, str) and value:
                return value.strip().strip("'")
        raise CodecError(f"{miner.id}: expected {command} to tell {key}, it does not")

    async def expect(self, miner: Miner, image: Image, command: str, key: str) -> str:
        """Return that the version it tells is the image's; raises DeviceError where it is another."""
        version = await self.field(miner, command, key)
        if version != image.version:
            raise DeviceError(f"{miner.id}: expected it to run {image.version}, it runs {version}")
        return f"it runs {version}"


def _fits(miner: Miner, image: Image, model: str, board: str) -> None:
    if not image.is_for(miner.family, model, board):
        raise DeviceError(
            f"{miner.id}: expected a {' or '.join(image.models)} with {' or '.join(image.control_boards)}, it says "
            f"{model!r} with {board!r}; this image is not for it, nothing was flashed"
        )


class LuxOsFirmware:
    """LuxOS: over SSH."""

    def __init__(self, dialer: Dialer, credentials: Credentials, ssh: SshBook) -> None:
        self._api = _Api(dialer)
        self._dialer = dialer
        self._credentials = credentials
        self._ssh = ssh

    async def collect_logs(self, miner: Miner) -> str:
        """Return its events, and the kernel's and the system's log where there is a way in; some of it is enough."""
        found: list[str] = []
        lost: AgentError | None = None
        try:
            found.append(readable("events", await self._api.ask(miner, "events")))
        except AgentError as error:
            lost = error
        for command in ("dmesg", "logread"):
            try:
                host, password = self._host(miner)
                said = await host.run(command, deadline_s=LOG_STEP_S, tail=True)
            except AgentError as error:
                lost = error
                break  # the next one would wait as long
            if said.status == 0:
                found.append(readable(command, said.out, (password,)))
        if not found and lost is not None:
            raise lost
        return "".join(found)

    async def flash(self, miner: Miner, image: Image) -> str:
        """Upload, check, start detached, follow the marker, restart."""
        host, _ = self._host(miner)
        return await flash_ssh.flash(host, miner, image, read_image(image))

    async def not_begun(self, miner: Miner, image: Image, ago_s: float) -> str:
        """Tell it from what is in its memory."""
        host, _ = self._host(miner)
        return await flash_ssh.not_begun(host, image, ago_s)

    async def verify(self, miner: Miner, image: Image) -> str:
        """Compare what `version` tells."""
        return await self._api.expect(miner, image, "version", "Miner")

    def _host(self, miner: Miner) -> tuple[SshHost, str]:
        access = self._ssh.of(miner)
        if access is None:
            raise PolicyError(f"{miner.id}: expected a way to log in to it over SSH; add an entry for it under `ssh`")
        password = self._credentials.get(access.credential)
        return SshHost(miner.id, self._dialer.endpoint(miner.host, access.port), access, password), password


class AntminerFirmware:
    """Stock Antminer: over its web pages, which take what its maker signed."""

    def __init__(self, dialer: Dialer, credentials: Credentials, login: MinerLogin | None) -> None:
        self._api = _Api(dialer)
        self._dialer = dialer
        self._credentials = credentials
        self._login = login

    async def collect_logs(self, miner: Miner) -> str:
        """Return its log page."""
        web, password = self._web(miner)
        return readable("log", await web.log(), (password,))

    async def flash(self, miner: Miner, image: Image) -> str:
        """Post the image; it restarts by itself."""
        web, _ = self._web(miner)
        data = read_image(image)
        try:
            model, board = await web.kind()
        except AgentError as error:
            raise DeviceError(f"{miner.id}: {error}; nothing was flashed") from error
        _fits(miner, image, model, board)
        await web.upgrade(name_of(image), data)
        return "its upgrade page says that it succeeded"

    async def not_begun(self, miner: Miner, image: Image, ago_s: float) -> str:
        """Raise PolicyError: its pages tell nothing of an upload."""
        raise PolicyError(f"{miner.id}: expected a trace of what was uploaded; {miner.family} shows none")

    async def verify(self, miner: Miner, image: Image) -> str:
        """Compare what `version` tells."""
        return await self._api.expect(miner, image, "version", "Miner")

    def _web(self, miner: Miner) -> tuple[AntminerWeb, str]:
        if self._login is None:
            raise PolicyError(f"{miner.id}: its web pages need a login; configure logins.{miner.family}")
        password = self._credentials.get(self._login.credential)
        return AntminerWeb(self._dialer.endpoint(miner.host, WEB_PORT), self._login, password), password


class WhatsminerFirmware:
    """Whatsminer with API V2: over the API itself."""

    def __init__(self, dialer: Dialer, adapter: PyasicAdapter, login: MinerLogin | None) -> None:
        self._api = _Api(dialer)
        self._adapter = adapter
        self._login = login

    async def collect_logs(self, miner: Miner) -> str:
        """Return what it says of itself: it writes no other log that can be read without a session."""
        return "".join(
            [readable(c, await self._api.ask(miner, c)) for c in ("get_error_code", "summary", "get_version")]
        )

    async def flash(self, miner: Miner, image: Image) -> str:
        """Announce the image and stream it; it restarts by itself."""
        if self._login is None:
            raise PolicyError(f"{miner.id}: control of {miner.family} needs a login; configure logins.{miner.family}")
        data = read_image(image)
        try:
            board = await self._api.field(miner, "get_version", "platform")
            model = await self._model(miner)
        except AgentError as error:
            raise DeviceError(f"{miner.id}: {error}; nothing was flashed") from error
        _fits(miner, image, model, board)
        await self._adapter.whatsminer_update(miner, self._login.credential, data)
        return "it took all of the image"

    async def _model(self, miner: Miner) -> str:
        """Return its model. Its mining process tells it; where that is dead, the hardware address must be the site's.

        Raises what asking raises where neither tells.
        """
        try:
            return await self._api.field(miner, "devdetails", "Model")
        except DeviceError:
            if miner.mac is None or (await self._api.field(miner, "get_miner_info", "mac")).lower() != miner.mac:
                raise
        return miner.model

    async def not_begun(self, miner: Miner, image: Image, ago_s: float) -> str:
        """Raise PolicyError: its API tells nothing of an upload."""
        raise PolicyError(f"{miner.id}: expected a trace of what was uploaded; {miner.family} shows none")

    async def verify(self, miner: Miner, image: Image) -> str:
        """Compare what `get_version` tells."""
        return await self._api.expect(miner, image, "get_version", "fw_ver")
