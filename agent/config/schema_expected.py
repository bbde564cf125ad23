"""The shape of `expected` in a configuration file: who announces that miners are curtailed or worked on, and when."""

import datetime
import re
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from agent.config.fields import FilePath, Host, Id, Label, Number, Truth, Whole, refuse
from agent.config.schema_devices import CredentialRef
from agent.config.schema_thresholds import Section
from agent.config.wording import Expect
from agent.model.scope import LONGEST, MOST
from agent.model.windows import Purpose

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _clock(value: object) -> object:
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse('write hours and minutes in quotes, such as "22:00" or "06:30"')
    return datetime.time(int(match[1]), int(match[2]))


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refuse("write a name of the IANA time zone database, such as Europe/Berlin or America/Chicago") from None
    return value


def _topic(value: str) -> str:
    if not 0 < len(value.encode()) <= 256 or not value.isprintable() or any(c in "#+" for c in value):
        raise refuse("write one topic without + and #, such as site/north/curtailment")
    return value


def _selectors(value: object) -> object:
    selectors = [value] if isinstance(value, str) else value
    if not isinstance(selectors, list) or not 0 < len(selectors) <= MOST:
        raise refuse(f"write one selector, or a list of at most {MOST}, such as [rack:r1, rack:r2]")
    if not all(isinstance(one, str) and 0 < len(one) <= LONGEST and ":" in one for one in selectors):
        raise refuse("write each as a word, a colon and a name, such as rack:r1 or site:north")
    return tuple(selectors)


Clock = Annotated[
    datetime.time,
    BeforeValidator(_clock),
    Expect("a time of day"),
    WithJsonSchema(
        {"type": "string", "description": "Hours and minutes, 22:00.", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}
    ),
]
Zone = Annotated[str, AfterValidator(_zone), Expect("a time zone")]
Selectors = Annotated[
    tuple[str, ...],
    BeforeValidator(_selectors),
    Expect("selectors such as rack:r1"),
    WithJsonSchema(
        {
            "description": "Which miners: miner:, rack:, pdu:, switch:, loop:, pool: or site:, and a name or pattern.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    ),
]


Topic = Annotated[str, AfterValidator(_topic), Expect("a topic")]

HOLD_S = 4 * 3600.0


class ScheduleSection(Section):
    """A window that comes again and again, by the clock on the wall."""

    name: Id
    """Its name; its windows are called schedule:NAME."""
    scope: Selectors
    """Which miners."""
    purpose: Purpose = Purpose.CURTAILED
    """curtailed: somebody puts them to sleep, or slows them down. maintenance: people work on them."""
    to_percent: Whole = Field(default=0, ge=0, le=99)
    """Per cent of nominal power that curtailed miners are to run at; 0 for asleep."""
    days: list[Day] = Field(default=list(DAYS), min_length=1, max_length=7)
    """Days of the week on which it begins."""
    begins: Clock
    """Local time at which it begins."""
    ends: Clock
    """Local time at which it ends; where that is not later, the next day's."""
    timezone: Zone
    """Time zone of both; the clock's changes are followed."""
    why: Label = ""
    """For the ledger and whoever reads it."""


class MqttSection(Section):
    """A topic on which somebody says that miners are curtailed: {"target": 0, "timestamp": UTC s}; 100 ends it."""

    name: Id
    """Its name; its windows are called mqtt:NAME."""
    scope: Selectors
    """Which miners it speaks of."""
    host: Host
    """The broker."""
    port: Whole = Field(default=1883, ge=1, le=65_535)
    """Its port; usually 8883 with tls."""
    tls: Truth = False
    """Speak through TLS."""
    ca_file: FilePath | None = None
    """Certificates of who vouches for the broker, PEM; the system's where it is left out."""
    user: Label
    """The user to log in as."""
    password: CredentialRef
    """Its password."""
    topic: Topic
    """The topic, without wildcards."""
    hold_s: Number = Field(default=HOLD_S, ge=60, le=7 * 86_400)
    """Seconds for which what was said holds without another word; then it is over."""


class WebhookSection(Section):
    """A port of this machine on which somebody says so in signed requests: docs/expected-state.md."""

    name: Id
    """Its name; its windows are called webhook:NAME."""
    scope: Selectors
    """Which miners it speaks of."""
    port: Whole = Field(ge=1, le=65_535)
    """The port, on 127.0.0.1."""
    key: CredentialRef
    """What its requests are signed with."""
    hold_s: Number = Field(default=HOLD_S, ge=60, le=7 * 86_400)
    """As for MQTT."""


class ExpectedSection(Section):
    """Who announces that miners are curtailed or worked on. Operators may always: `terrahash curtail`, `maintain`."""

    schedules: list[ScheduleSection] = Field(default=[], max_length=64)
    """Windows that come again and again."""
    mqtt: list[MqttSection] = Field(default=[], max_length=8)
    """Topics on which somebody says that miners are curtailed."""
    webhooks: list[WebhookSection] = Field(default=[], max_length=8)
    """Ports on which somebody says so."""
