"""Everything that integrations say to a running agent, for as long as it runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import structlog

from agent.api.door import Door
from agent.api.routes import Routes
from agent.api.server import ApiServer
from agent.config.signals import Signals
from agent.intake.source import Intake
from agent.model.errors import PolicyError

_log = structlog.get_logger(__name__)


class Secrets(Protocol):
    """Where secrets come from."""

    def get(self, name: str) -> str:
        """Return the secret of that name; PolicyError where there is none."""


@contextlib.asynccontextmanager
async def listening(door: Door, signals: Signals, secrets: Secrets, now: Callable[[], float]) -> AsyncIterator[None]:
    """Listen to every integration while the block lasts; one that cannot be had is logged, and the others go on."""
    works: list[Coroutine[Any, Any, None]] = []
    async with contextlib.AsyncExitStack() as stack:
        for hook in signals.webhooks:
            from agent.intake.webhook import Webhook, loopback  # noqa: PLC0415 - few sites have one

            intake = Intake(door, "webhook", hook.source, now)
            try:
                key = secrets.get(hook.source.credential)
                server = ApiServer(partial(loopback, hook.port), Routes(Webhook(intake, key, now).routes))
                await server.start()
            except PolicyError as error:
                _log.error("no_webhook", source=intake.window, reason=str(error))
                continue
            stack.push_async_callback(server.stop)
            works.append(intake.watch())
        for topic in signals.mqtt:
            from agent.intake.mqtt import MqttListener, tls_of  # noqa: PLC0415 - few sites have one

            intake = Intake(door, "mqtt", topic.source, now)
            try:
                listener = MqttListener(topic, secrets.get(topic.source.credential), intake, tls_of(topic))
            except PolicyError as error:
                _log.error("no_mqtt", source=intake.window, reason=str(error))
                continue
            works += [listener.run(), intake.watch()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
