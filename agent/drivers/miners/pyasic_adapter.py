"""pyasic, kept in one place: identification of unknown hosts, and the control commands of LuxOS and Whatsminer.

pyasic is trusted for what a command looks like and for nothing else. Its control methods report success that did not
happen, and its wire has neither deadlines nor bounds (facts "miners", sections 0 and 2). So commands go out over our
own connection, and the device's own reply is read. Its `config` field is never asked for. It is imported when first
needed, and what it does to the root logger is undone.
"""

import asyncio
import contextlib
import importlib
import logging
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from agent.codecs import cgminer
from agent.codecs.telemetry import MAX_TH
from agent.drivers.miners.connection import Upload, request
from agent.drivers.net import Credentials, Dialer
from agent.model.errors import AgentError, DeviceError, SilentError, TransportError
from agent.model.topology import Family, Miner

CONCURRENCY = 20
"""pyasic's calls are bound by CPU: more at a time and all of them miss their deadlines (facts "miners", section 0)."""
CONTROL_DEADLINE_S = 20.0
COMMAND_DEADLINE_S = 8.0
IDENTIFY_DEADLINE_S = 20.0
REPLY_LIMIT_BYTES = 65_536
API_PORT = 4028
WEB_PORT = 80
_CANCEL_S = 1.0
_WORDS_CHARS = 120

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Identified:
    """A host that answered like a miner.

    Attributes:
        family: None where no driver speaks its firmware.
        hashrate_th: the rate it aims at, in TH/s, where it tells one.
    """

    host: str
    family: Family | None
    model: str
    mac: str | None
    firmware: str | None
    hashrate_th: float | None


def warm_up() -> None:
    """Import pyasic now: it takes about a second, which the first control would take from the event loop."""
    for module in ("pyasic.miners.backends", "pyasic.rpc.luxminer", "pyasic.rpc.btminer"):
        _load(module)


class PyasicAdapter:
    """Calls into pyasic, at most CONCURRENCY at a time, each under a deadline."""

    def __init__(self, dialer: Dialer, credentials: Credentials) -> None:
        self._dialer = dialer
        self._credentials = credentials
        self._places = asyncio.Semaphore(CONCURRENCY)

    async def luxos_restart(self, miner: Miner) -> None:
        """Restart LuxOS's mining process; the errors are those of `_command`."""
        rpc = self._rpc("luxminer", "LUXMinerRPCAPI", miner)
        await self._command(miner, "resetminer", rpc.resetminer, secret="")

    async def luxos_reboot(self, miner: Miner) -> None:
        """Reboot LuxOS's control board; the errors are those of `_command`."""
        rpc = self._rpc("luxminer", "LUXMinerRPCAPI", miner)
        await self._command(miner, "rebootdevice", rpc.rebootdevice, secret="")

    async def luxos_sleep(self, miner: Miner, *, asleep: bool) -> None:
        """Have LuxOS stop hashing, or go on; the errors are those of `_command`."""
        rpc = self._rpc("luxminer", "LUXMinerRPCAPI", miner)
        await self._command(miner, "curtail", rpc.sleep if asleep else rpc.wakeup, secret="")

    async def luxos_set_profile(self, miner: Miner, profile: str) -> None:
        """Have LuxOS run by one of its profiles; the errors are those of `_command`."""
        rpc = self._rpc("luxminer", "LUXMinerRPCAPI", miner)
        await self._command(miner, "profileset", lambda: rpc.profileset(profile), secret="")

    async def whatsminer_sleep(self, miner: Miner, credential: str, *, asleep: bool) -> None:
        """Have the Whatsminer stop hashing, or go on, with the admin password of that name."""
        command, asked = ("power_off", {"respbefore": "true"}) if asleep else ("power_on", {})
        await self._whatsminer(miner, credential, command, asked)

    async def whatsminer_limit(self, miner: Miner, credential: str, power_w: int) -> None:
        """Set the Whatsminer's power limit in W, with the admin password of that name."""
        await self._whatsminer(miner, credential, "adjust_power_limit", {"power_limit": str(power_w)})

    async def _whatsminer(self, miner: Miner, credential: str, command: str, asked: Mapping[str, str]) -> None:
        secret = self._credentials.get(credential)
        rpc = self._rpc("btminer", "BTMinerRPCAPI", miner)
        rpc.pwd = secret
        await self._command(miner, command, lambda: rpc.send_privileged_command(command, **asked), secret=secret)

    async def whatsminer_restart(self, miner: Miner, credential: str) -> None:
        """Restart the Whatsminer's mining process, with the admin password of that name."""
        secret = self._credentials.get(credential)
        rpc = self._rpc("btminer", "BTMinerRPCAPI", miner)
        rpc.pwd = secret
        await self._command(miner, "restart_btminer", rpc.restart, secret=secret)

    async def whatsminer_reboot(self, miner: Miner, credential: str) -> None:
        """Reboot the Whatsminer's control board, with the admin password of that name."""
        secret = self._credentials.get(credential)
        rpc = self._rpc("btminer", "BTMinerRPCAPI", miner)
        rpc.pwd = secret
        await self._command(miner, "reboot", lambda: rpc.send_privileged_command("reboot"), secret=secret)

    async def whatsminer_set_pools(self, miner: Miner, credential: str, fields: Mapping[str, str]) -> None:
        """Write the Whatsminer's list of pools, with the admin password of that name.

        `fields` are `pool1`, `worker1`, `passwd1` and so on for all slots. pyasic's own method sends null for empty
        ones.
        """
        secret = self._credentials.get(credential)
        rpc = self._rpc("btminer", "BTMinerRPCAPI", miner)
        rpc.pwd = secret
        await self._command(
            miner, "update_pools", lambda: rpc.send_privileged_command("update_pools", **fields), secret=secret
        )

    async def whatsminer_update(self, miner: Miner, credential: str, image: bytes) -> None:
        """Send a firmware image after `update_firmware`, with the admin password of that name.

        Raises:
            DeviceError, RefusedError: the device did not say that it is ready; no byte of the image was sent.
            TransportError, CodecError: some of it was sent; what became of it is unknown.
        """
        secret = self._credentials.get(credential)
        rpc = self._rpc("btminer", "BTMinerRPCAPI", miner)
        rpc.pwd = secret
        endpoint = self._dialer.endpoint(miner.host, API_PORT)
        async with Upload(endpoint) as upload:

            async def offer() -> object:
                await rpc.get_token()
                rpc._send_bytes = upload.offer  # noqa: SLF001 - from here on the connection stays open
                return await rpc.send_privileged_command("update_firmware")

            try:
                await self._command(miner, "update_firmware", offer, secret=secret, words="ready")
            except (SilentError, TransportError) as error:
                raise DeviceError(f"{miner.id}: {error}; nothing of the image was sent") from error
            await upload.send(image)

    async def identify(self, host: str) -> Identified | None:
        """Return what stands at `host`, None if nothing there answers like a miner within the deadline."""
        address = self._dialer.endpoint(host, API_PORT)[0]
        async with self._places:
            with _contained():
                pyasic = _load("pyasic")
                try:
                    miner = await _bounded(pyasic.get_miner(address), IDENTIFY_DEADLINE_S)
                    if miner is None:
                        return None
                    if getattr(miner, "web", None) is not None:
                        miner.web.port = self._dialer.endpoint(host, WEB_PORT)[1]
                    data = await _bounded(
                        miner.get_data(include=["mac", "fw_ver", "expected_hashrate"]), IDENTIFY_DEADLINE_S
                    )
                except SilentError:
                    return None
                except Exception as error:  # pyasic's getters raise whatever their parsing trips over
                    logging.getLogger(__name__).debug("identify_failed: %s: %s", host, type(error).__name__)
                    return None
        found = _identified(host, miner, data)
        if found.mac is None and found.family is Family.LUXOS:
            return replace(found, mac=await self._luxos_mac(host))
        return found

    async def _luxos_mac(self, host: str) -> str | None:
        """Return the MAC address LuxOS tells in its configuration, which pyasic reads and drops."""
        try:
            reply = await request(
                self._dialer.endpoint(host, API_PORT),
                b'{"command":"config"}',
                deadline_s=COMMAND_DEADLINE_S,
                limit_bytes=REPLY_LIMIT_BYTES,
            )
            sections = cgminer.decode(reply)
        except AgentError:
            return None
        return _text(sections["config"].widest.get("MACAddr")) if "config" in sections else None

    def _rpc(self, module: str, name: str, miner: Miner) -> Any:
        """Return pyasic's command set of a family, speaking over our own connection."""
        host, port = self._dialer.endpoint(miner.host, API_PORT)
        rpc = getattr(_load(f"pyasic.rpc.{module}"), name)("127.0.0.1", port=port)

        async def send(data: bytes, **_ignored: object) -> bytes:
            return await request((host, port), data, deadline_s=COMMAND_DEADLINE_S, limit_bytes=REPLY_LIMIT_BYTES)

        rpc._send_bytes = send  # noqa: SLF001 - the one seam below its commands; its own wire hides every failure
        return rpc

    async def _command(
        self,
        miner: Miner,
        command: str,
        call: Callable[[], Coroutine[Any, Any, object]],
        *,
        secret: str,
        words: str | None = None,
    ) -> None:
        """Send a control command and return only if the device itself accepted it, in these words where they matter.

        Raises:
            RefusedError, SilentError, TransportError: from our connection; after the command the outcome is unknown.
            DeviceError: the device said no, wants a login it did not get, or answered nothing that accepts.
        """
        async with self._places:
            with _contained():
                try:
                    reply = await _bounded(call(), CONTROL_DEADLINE_S)
                except AgentError:
                    raise
                except Exception as error:  # KeyError, TypeError, APIError …: all mean "not accepted"
                    words = _scrubbed(str(getattr(error, "message", "")), secret)
                    raise DeviceError(
                        f"{miner.id}: expected {command} to be accepted, the device did not ({type(error).__name__}: "
                        f"{words}); {_remedy(words)}"
                    ) from None
        if not _accepted(reply) or (words is not None and not (isinstance(reply, dict) and reply.get("Msg") == words)):
            raise DeviceError(f"{miner.id}: expected {command} to be accepted, came a reply that does not say so")


def _remedy(words: str) -> str:
    """Return what to do about a refusal in the device's words."""
    if "access write" in words or "permission denied" in words:
        return "switch its API on for writing (WhatsMinerTool, remote control, miner API switch)"
    return "check that its API allows writing and that the password is right"


def _accepted(reply: object) -> bool:
    """Tell whether a reply's STATUS is S or I, in cgminer's form or in the Whatsminer's."""
    head = reply.get("STATUS") if isinstance(reply, dict) else None
    if isinstance(head, list):
        head = head[0].get("STATUS") if head and isinstance(head[0], dict) else None
    return head in ("S", "I", "RESTART")


def _identified(host: str, miner: Any, data: Any) -> Identified:
    rate = getattr(data, "expected_hashrate", None)
    try:
        rate_th = float(rate.into(rate.unit.TH)) if rate is not None else None
    except (AttributeError, TypeError, ValueError):
        rate_th = None
    return Identified(
        host=host,
        family=_family(miner),
        model=str(getattr(miner, "raw_model", None) or "unknown")[:_WORDS_CHARS],
        mac=_text(getattr(data, "mac", None)),
        firmware=_text(getattr(data, "fw_ver", None)),
        hashrate_th=rate_th if rate_th is not None and 0.0 < rate_th <= MAX_TH else None,
    )


def _family(miner: object) -> Family | None:
    backends = _load("pyasic.miners.backends")
    for family, names in {
        Family.LUXOS: ("LUXMiner",),
        Family.WHATSMINER: ("BTMinerV2",),
        Family.ANTMINER_STOCK: ("AntminerModern",),
    }.items():
        if isinstance(miner, tuple(getattr(backends, name) for name in names)):
            return family
    return None


def _text(value: object) -> str | None:
    return value[:_WORDS_CHARS] if isinstance(value, str) and value else None


def _scrubbed(words: str, secret: str) -> str:
    """Return the device's words, bounded, without the secret should the device repeat it."""
    return (words.replace(secret, "***") if secret else words)[:_WORDS_CHARS]


async def _bounded(call: Awaitable[_T], deadline_s: float) -> _T:
    """Await `call` in a task of its own: pyasic swallows a cancellation in places, so nothing waits for it for long.

    Raises SilentError at the deadline.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=deadline_s)
        if not task.done():
            raise SilentError(f"expected the exchange to end within {deadline_s:g} s, it did not")
        return task.result()
    finally:
        if not task.done():
            task.add_done_callback(_forget)
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_S)


def _forget(task: "asyncio.Future[Any]") -> None:
    """Look at what an abandoned task ended with, so that asyncio does not complain that nobody did."""
    if not task.cancelled():
        task.exception()


# -- what pyasic does to the process -----------------------------------------------------------------------------------


def _load(module: str) -> Any:
    """Import a module of pyasic and leave the root logger as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = importlib.import_module(module)
    if root.handlers != handlers or root.level != level:
        root.setLevel(level)
        root.handlers[:] = handlers
    if not any(isinstance(f, _NotFromPyasic) for f in root.filters):
        root.addFilter(_NotFromPyasic(str(Path(importlib.import_module("pyasic").__file__ or "pyasic").parent)))
    return loaded


class _NotFromPyasic(logging.Filter):
    """Drops what pyasic logs: it writes to the root logger itself, tokens made from passwords included."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep records that others made."""
        return not record.pathname.startswith(self._folder)


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Keep pyasic's warnings (and those about how it calls passlib) quiet and the root logger as it is.

    `logging.debug` gives a root logger without handlers one that prints; a handler that drops everything prevents that.
    """
    warnings.filterwarnings("ignore", module=r"(pyasic|passlib)(\.|$)")
    shield = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(shield)
    try:
        yield
    finally:
        root.removeHandler(shield)
