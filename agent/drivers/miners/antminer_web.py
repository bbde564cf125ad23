"""The stock Antminer's CGI pages over HTTP with digest: configuration, pools, restart of the mining process, reboot."""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.codecs.cgminer import number
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.identity import MAX_MAC_CHARS
from agent.drivers.miners.pools_list import PoolLine, agree, differs, once_written, with_passwords
from agent.model.errors import CodecError, DeviceError, PolicyError, RefusedError, SilentError, TransportError
from agent.model.ids import MinerId

if TYPE_CHECKING:
    import httpx

READ_DEADLINE_S = 10.0
SAVE_DEADLINE_S = 25.0
"""Some firmware answers a save only after the mining process has been started again."""
UPGRADE_DEADLINE_S = 900.0
"""An upload and what vendors ask to wait for the writing, three times over."""
BODY_LIMIT_BYTES = 65_536

_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The pages are plain HTTP: without it each exchange would read all certificates of the machine, 75 ms of the loop."""

POOL_SLOTS = 3
"""Lines of the pool configuration; the page sends all of them, empty ones too."""

USUAL_MODE, SLEEP_MODE = 0, 1
"""The work modes of a miner that works, and of one told to sleep (facts "detection", section 1.3)."""

Json = dict[str, object]
Files = dict[str, tuple[str, bytes, str]]


@dataclass(frozen=True, slots=True)
class Configuration:
    """A miner's configuration as read, reduced to what a save needs.

    Attributes:
        settings: the body of a save that changes nothing.
    """

    settings: Json

    @property
    def pools(self) -> list[tuple[object, object]]:
        """URL and worker of each pool, in order; what must survive a save."""
        return [(slot.get("url"), slot.get("user")) for slot in self._slots]

    @property
    def is_asleep(self) -> bool:
        """Whether the work mode is sleep."""
        return self.settings["miner-mode"] == SLEEP_MODE

    @property
    def level(self) -> int | None:
        """The level of the clock in per cent; None where this firmware has none."""
        told = number(self.settings.get("bitmain-freq-level"))
        return None if told is None else round(told)

    @property
    def lines(self) -> list[PoolLine]:
        """The configured pools without empty slots. Raises CodecError for a slot that is none."""
        lines: list[PoolLine] = []
        for slot in self._slots:
            url, user, password = (slot.get(key, "") for key in ("url", "user", "pass"))
            if not (isinstance(url, str) and isinstance(user, str) and isinstance(password, str)):
                raise CodecError("expected url, user and pass of each pool in get_miner_conf.cgi to be text")
            if url:
                lines.append(PoolLine(url, user, password))
        return lines

    def with_lines(self, lines: Sequence[PoolLine]) -> Json:
        """Return the body of a save that changes the pools to these and nothing else."""
        slots = [{"url": line.url, "user": line.user, "pass": line.password} for line in lines]
        slots += [{"url": "", "user": "", "pass": ""}] * (POOL_SLOTS - len(slots))
        return {**self.settings, "pools": slots}

    @property
    def _slots(self) -> list[Json]:
        pools = self.settings["pools"]
        return pools if isinstance(pools, list) else []


def configuration(page: Mapping[str, object]) -> Configuration:
    """Return the configuration behind `get_miner_conf.cgi`.

    Everything read is written back, because a setting left out of a save falls back to its factory value. Some firmware
    writes two of them under other names (`miner-mode`, `freq-level`); those are added.

    Raises CodecError for a page without pools or work mode: older firmware takes a form instead, and would take this
    body for an empty one.
    """
    pools = page.get("pools")
    mode = number(page.get("bitmain-work-mode", page.get("miner-mode")))
    if not isinstance(pools, list) or not pools or not all(isinstance(pool, dict) for pool in pools) or mode is None:
        raise CodecError(
            "expected get_miner_conf.cgi to hold pools and a work mode, as firmware of the S19 generation does; "
            "nothing was written, because a save in another firmware's form can wipe its pools"
        )
    settings: Json = {**page, "miner-mode": int(mode)}
    if "bitmain-freq-level" in page:
        settings["freq-level"] = page["bitmain-freq-level"]
    return Configuration(settings)


class AntminerWeb:
    """One miner's pages. Every call opens its own connection and closes it."""

    def __init__(self, endpoint: tuple[str, int], login: MinerLogin, password: str) -> None:
        self._base = f"http://{endpoint[0]}:{endpoint[1]}"
        self._login = login
        self._password = password
        self._digest: httpx.DigestAuth | None = None

    async def is_asleep(self) -> bool:
        """Whether the configured work mode is sleep."""
        return (await self._configuration()).is_asleep

    async def set_asleep(self, asleep: bool) -> None:
        """Write the configuration back with the work mode that sleeps, or the usual one; see that it took it.

        Nothing is written where it is so already. Raises what `MinerDriver.sleep` does.
        """
        mode = SLEEP_MODE if asleep else USUAL_MODE
        await self._set({"miner-mode": mode, "bitmain-work-mode": str(mode)}, lambda c: c.is_asleep is asleep)

    async def set_level(self, percent: int) -> None:
        """Write the configuration back with that level of the clock; see that it took it; otherwise as `set_asleep`."""
        level = str(percent)
        await self._set({"freq-level": level, "bitmain-freq-level": level}, lambda c: c.level == percent)

    async def _set(self, changed: Json, is_so: Callable[[Configuration], bool]) -> None:
        before = await self._configuration()
        if "freq-level" in changed and before.level is None:
            raise PolicyError(
                f"{self._base}: expected a configuration with a level of the clock; this firmware has none"
            )
        if is_so(before):
            return
        lost = await self._save({**before.settings, **changed})
        with once_written():
            after = await self._configuration()
        if after.pools != before.pools:
            raise DeviceError(f"{self._base}: expected the same pools after the save, the miner now has others")
        if not is_so(after):
            raise (
                DeviceError(f"{self._base}: expected {changed} after the save, it is not so") if lost is None else lost
            )

    async def mac(self) -> str | None:
        """Return the hardware address it tells of itself; None where it tells none."""
        told = _json("get_system_info.cgi", await self._call("GET", "get_system_info", READ_DEADLINE_S)).get("macaddr")
        return told[:MAX_MAC_CHARS] if isinstance(told, str) else None

    async def restart(self) -> None:
        """Write the configuration back as it is, which restarts the mining process, and see that the pools survived.

        Raises:
            DeviceError: the firmware said no, or the pools differ afterwards.
            SilentError, TransportError: the answer to the save was lost; whether it restarted is unknown.
        """
        before = await self._configuration()
        lost = await self._save(before.settings)
        after = await self._configuration()
        if after.pools != before.pools:
            raise DeviceError(
                f"{self._base}: expected the same {len(before.pools)} pools after the save, the miner now has others; "
                "check its pool configuration"
            )
        if lost is not None:
            raise lost

    async def set_pools(self, miner: MinerId, wanted: Sequence[PoolLine]) -> None:
        """Write the configuration back with these pools, which restarts the mining process; see that it took them.

        Nothing is written where they are configured already. Raises what `MinerDriver.switch_pool` does.
        """
        before = await self._configuration()
        if agree(before.lines, wanted):
            return
        lost = await self._save(before.with_lines(with_passwords(wanted, before.lines)))
        with once_written():
            after = await self._configuration()
        if not agree(after.lines, wanted):
            raise differs(miner, wanted, after.lines) if lost is None else lost

    async def _save(self, settings: Json) -> TransportError | None:
        """Save a configuration; return the error where the answer was lost. Raises DeviceError where it was no."""
        try:
            answer = await self._call("POST", "set_miner_conf", SAVE_DEADLINE_S, settings)
        except TransportError as error:
            return error
        self._expect_success("set_miner_conf.cgi", answer)
        return None

    async def reboot(self) -> None:
        """Ask for a reboot; a page that answers anything but 200 raises DeviceError."""
        await self._call("GET", "reboot", READ_DEADLINE_S)

    async def _configuration(self) -> Configuration:
        return configuration(_json("get_miner_conf.cgi", await self._call("GET", "get_miner_conf", READ_DEADLINE_S)))

    def _expect_success(self, page: str, body: bytes) -> None:
        answer = _json(page, body)
        if answer.get("stats") != "success":
            raise DeviceError(
                f'{self._base}: expected {page} to answer stats "success", came code {answer.get("code")!r}'
            )

    async def kind(self) -> tuple[str, str]:
        """Return the model, and the control board as far as the subtype names it: `AMLCtrl` of `AMLCtrl_BHB42601`."""
        page = _json("miner_type.cgi", await self._call("GET", "miner_type", READ_DEADLINE_S))
        model, subtype = page.get("miner_type"), page.get("subtype")
        if not isinstance(model, str) or not isinstance(subtype, str):
            raise CodecError("expected miner_type.cgi to name miner_type and subtype, it does not")
        return model, subtype.partition("_")[0]

    async def log(self) -> bytes:
        """Return what its log page shows."""
        return await self._call("GET", "log", READ_DEADLINE_S)

    async def upgrade(self, name: str, image: bytes) -> None:
        """Post a firmware image to the page that keeps the settings; it is written while the request lasts.

        Raises:
            DeviceError, RefusedError: the page said no, or was not reached; nothing was written.
            CodecError, SilentError, TransportError: it may have been written, or may yet be.
        """
        files = {"firmware": (name, image, "application/octet-stream")}
        status, body = await self._answered("POST", "upgrade", UPGRADE_DEADLINE_S, files=files)
        if status != 200:
            raise CodecError(f"{self._base}: expected upgrade.cgi to answer with status 200, came {status}")
        self._expect_success("upgrade.cgi", body)

    async def _call(self, method: str, page: str, deadline_s: float, body: Json | None = None) -> bytes:
        status, content = await self._answered(method, page, deadline_s, body)
        if status != 200:
            raise DeviceError(f"{self._base}/cgi-bin/{page}.cgi: expected status 200, came {status}")
        return content

    async def _answered(
        self, method: str, page: str, deadline_s: float, body: Json | None = None, files: Files | None = None
    ) -> tuple[int, bytes]:
        """Return status and body of the page's answer; a refused login is a DeviceError."""
        import httpx  # noqa: PLC0415 - 150 ms that only a control needs

        url = f"{self._base}/cgi-bin/{page}.cgi"
        try:
            async with asyncio.timeout(deadline_s):
                status, content = await self._exchange(method, url, body, files)
        except (TimeoutError, httpx.TimeoutException):
            raise SilentError(f"{url}: expected an answer within {deadline_s:g} s, none came") from None
        except httpx.ConnectError as error:
            raise _connect_error(url, error) from None
        except httpx.TransportError as error:
            raise TransportError(f"{url}: the connection broke ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CodecError(f"{url}: expected HTTP, came something else ({type(error).__name__})") from None
        if status == 401:
            raise DeviceError(
                f"{url}: login refused for user {self._login.user!r}; check the credential {self._login.credential!r}"
            )
        return status, content

    async def _exchange(self, method: str, url: str, body: Json | None, files: Files | None) -> tuple[int, bytes]:
        """Send the request, and once more with the answer to the digest challenge; return status and body.

        The challenge is answered here and not by the client, which would read its body without a bound. It is kept: a
        large body is not to be sent twice.
        """
        import httpx  # noqa: PLC0415 - see _answered

        self._digest = self._digest or httpx.DigestAuth(self._login.user, self._password)
        async with httpx.AsyncClient(trust_env=False, timeout=None, verify=_PLAIN) as client:  # noqa: S113 - the caller's deadline
            headers = {"Accept-Encoding": "identity"}
            request = client.build_request(method, url, json=body, files=files, headers=headers)
            flow = self._digest.auth_flow(request)
            request = next(flow)
            while True:
                response = await client.send(request, stream=True)
                try:
                    content = await _bounded(response)
                finally:
                    await response.aclose()
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response.status_code, content
                except (LookupError, ValueError, NotImplementedError, httpx.ProtocolError):
                    raise CodecError(f"{url}: expected a digest challenge, came one that cannot be answered") from None


async def _bounded(response: "httpx.Response") -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > BODY_LIMIT_BYTES:
            raise CodecError(f"expected a page of at most {BODY_LIMIT_BYTES} bytes, more came; is this a miner?")
    return bytes(content)


def _connect_error(url: str, error: BaseException) -> TransportError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError | ConnectionResetError):
            return RefusedError(f"{url}: connection refused; the host is up and nothing listens there")
        cause = cause.__cause__ or cause.__context__
    return SilentError(f"{url}: no connection; no way to the host")


def _json(page: str, body: bytes) -> Json:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CodecError(f"expected {page} to answer a JSON object, came {len(body)} bytes that are none")
    return value
