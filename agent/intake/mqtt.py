"""The curtailment signal over MQTT: subscribes one topic, and reconnects for as long as it runs.

The protocol is paho's, through aiomqtt. The broker is told how long a message may be, so that it sends none longer.
"""

import asyncio
import ssl
import uuid
from contextlib import AbstractAsyncContextManager

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.config.signals import MqttSource
from agent.intake.signal import MAX_BYTES
from agent.intake.source import Intake
from agent.model.errors import AgentError, PolicyError

_log = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
MOST_WAITING = 16
PACKET_BYTES = MAX_BYTES + 1024
"""Longest packet: a message, its topic and properties."""


class MqttListener:
    """Listens to one topic.

    Args:
        source: where. secret: the user's password.
        intake: who takes what comes.
        tls: None for a broker that is spoken to in the clear.
    """

    def __init__(self, source: MqttSource, secret: str, intake: Intake, tls: ssl.SSLContext | None) -> None:
        self._source = source
        self._secret = secret
        self._intake = intake
        self._tls = tls
        self._id = f"terrahash-{uuid.uuid4().hex[:12]}"

    async def run(self) -> None:
        """Listen until cancelled; what breaks is logged once, and tried again."""
        wait_s, is_lost = RETRY_S, False
        while True:
            try:
                async with self._client() as client:
                    await client.subscribe(self._source.topic, qos=1)
                    _log.info("mqtt_listening", source=self._intake.window, topic=self._source.topic)
                    wait_s, is_lost = RETRY_S, False
                    async for message in client.messages:
                        await self._take(message)
            except (aiomqtt.MqttError, OSError) as error:
                if not is_lost:
                    _log.warning("mqtt_lost", source=self._intake.window, host=self._source.host, why=str(error))
                is_lost = True
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, LONGEST_RETRY_S)

    async def _take(self, message: aiomqtt.Message) -> None:
        payload = message.payload if isinstance(message.payload, bytes) else b""
        try:
            await self._intake.take(payload)
        except AgentError as error:
            _log.warning("signal_refused", source=self._intake.window, why=str(error))

    def _client(self) -> AbstractAsyncContextManager[aiomqtt.Client]:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # as paho has it
        properties.MaximumPacketSize = PACKET_BYTES
        return aiomqtt.Client(
            self._source.host,
            self._source.port,
            username=self._source.user,
            password=self._secret,
            identifier=self._id,
            protocol=aiomqtt.ProtocolVersion.V5,
            properties=properties,
            tls_context=self._tls,
            timeout=TIMEOUT_S,
            max_queued_incoming_messages=MOST_WAITING,
        )


def tls_of(source: MqttSource) -> ssl.SSLContext | None:
    """Return what a broker is verified against. Raises PolicyError where its authority cannot be read."""
    if not source.tls:
        return None
    try:
        return ssl.create_default_context(cafile=source.ca_file)
    except OSError as error:
        raise PolicyError(f"{source.ca_file}: expected certificates in PEM: {error}") from error
