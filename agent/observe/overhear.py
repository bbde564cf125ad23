"""Listens to what drivers and devices say to each other, for whoever records it; hears nothing while nobody does.

A driver is heard at its contract: what it was asked to do, what came of it, when, and how long it took. Polls of miners
are heard by the byte. What is a secret is blotted out by the recorder, before anything is kept.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast

from agent.clock import Clock
from agent.model.errors import AgentError
from agent.model.recording import Exchange

MARGIN_BYTES = 512
"""Of a side that was cut so many are left out in the end: in them a secret may have been cut beyond recognition."""

MOST_BYTES = 4096 + MARGIN_BYTES
"""Of each side of an exchange."""

FAILED_CHARS = 200
"""What is kept in the end of how an exchange failed; the margin is handed over beyond it, as of a side."""

_MOST_FAILED = FAILED_CHARS + MARGIN_BYTES

Driver = TypeVar("Driver")


class Listens(Protocol):
    """Who listens."""

    def wants(self, device: str) -> bool:
        """Whether polls of that device are of interest."""

    def note(self, exchange: Exchange) -> None:
        """Take in one exchange with a device."""


class Ear:
    """What one site's drivers are heard by; whoever listens comes later, or never."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.listener: Listens | None = None

    def heard(self, driver: Driver, protocol: str, device: str = "") -> Driver:
        """Return the driver, with everything that it is asked to do being heard.

        Args:
            driver: of one device, or of a family's miners.
            protocol: what is spoken.
            device: its address; empty where each call names a miner or a pool by its first argument.
        """
        return cast(Driver, _Heard(driver, self, protocol, device))

    def poll(self, where: tuple[str, int], at: float, sent: bytes, got: bytes, failed: str) -> None:
        """Tell of one poll of a miner: at which address and port, when it began (UTC s), and each side of it."""
        device, port = where
        listener = self.listener
        if listener is not None and listener.wants(device):
            took_s = self.clock.now() - at
            sides = sent[:MOST_BYTES], got[:MOST_BYTES], len(sent), len(got)
            listener.note(Exchange(at, took_s, device, port, "tcp", *sides, failed[:_MOST_FAILED]))

    def tell(self, call: "_Call", at: float, result: object, failed: str) -> None:
        """Tell of one call of a driver that began at `at` (UTC s)."""
        if self.listener is not None:
            # As Python writes it, which is a form in which secrets are known; others encode bytes beyond recognition.
            got = b"" if result is None else repr(result).encode()
            sides = call.sent[:MOST_BYTES], got[:MOST_BYTES], len(call.sent), len(got)
            took_s = self.clock.now() - at
            self.listener.note(Exchange(at, took_s, call.device, 0, call.protocol, *sides, failed[:_MOST_FAILED]))


class _Call:
    """One call of a driver, as it is told."""

    def __init__(
        self, protocol: str, device: str, name: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        self.protocol = protocol
        self.device = device or str(getattr(arguments[0], "host", "") if arguments else "")
        told = [_told(argument) for argument in arguments] + [f"{key}={_told(v)}" for key, v in named.items()]
        self.sent = f"{name}({', '.join(told)})".encode()


class _Heard:
    """Stands in for a driver: everything is the driver's own, and its coroutines are heard."""

    def __init__(self, driver: object, ear: Ear, protocol: str, device: str) -> None:
        self._driver = driver
        self._ear = ear
        self._protocol = protocol
        self._device = device

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._driver, name)
        if inspect.iscoroutinefunction(value):
            value = self._listening(name, value)
        if inspect.isroutine(value):
            self.__dict__[name] = value  # found at once from now on
        return value

    def _listening(self, name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **named: Any) -> Any:
            ear = self._ear
            if ear.listener is None:
                return await method(*arguments, **named)
            made, at = _Call(self._protocol, self._device, name, arguments, named), ear.clock.now()
            try:
                result = await method(*arguments, **named)
            except (AgentError, TimeoutError, asyncio.CancelledError) as error:
                ear.tell(made, at, None, f"{type(error).__name__}: {error}")
                raise
            ear.tell(made, at, result, "")
            return result

        return call


def _told(argument: object) -> str:
    """Return how an argument is told: by its id where it has one."""
    return str(getattr(argument, "id", getattr(argument, "sha256", argument)))
