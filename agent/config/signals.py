"""Integrations that say when miners are curtailed, as the configuration has them. Their secrets are named, not here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """What every source has.

    Attributes:
        name: its windows' id is made of it.
        scope: selectors of the miners that it speaks of.
        hold_s: what it said holds for so long without a word.
        credential: names its secret: the password, or the key that its messages are signed with.
    """

    name: str
    scope: tuple[str, ...]
    hold_s: float
    credential: str


@dataclass(frozen=True, slots=True)
class MqttSource:
    """A topic of an MQTT broker.

    Attributes:
        tls: the broker is spoken to through TLS; `ca_file` says who vouches for it, None for the system's authorities.
    """

    source: Source
    host: str
    port: int
    user: str
    topic: str
    tls: bool
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """Signed requests to a port of this machine, on loopback."""

    source: Source
    port: int


@dataclass(frozen=True, slots=True)
class Signals:
    """Every integration."""

    mqtt: tuple[MqttSource, ...] = ()
    webhooks: tuple[WebhookSource, ...] = ()
