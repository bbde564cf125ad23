"""The configuration that decides, as bytes that a recording can carry: no logins, no channels to people, no file names.

Read back it decides as it did, on a machine that has neither the site nor its secrets.
"""

import typing
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from agent.config.settings import Settings
from agent.config.signals import Signals
from agent.drivers.hosts.access import SshBook
from agent.model.recording import RecordingError
from agent.model.topology import Site

LEFT_OUT = frozenset(
    {"site", "schedules", "signals", "pdu_access", "switch_access", "logins", "ssh", "notify", "ledger", "warnings"}
)
"""The site stands in a recording by itself. The rest decides nothing, and says how others are reached."""


def encoded(settings: Settings) -> bytes:
    """Return what of the settings decides."""
    kept = {field.name: getattr(settings, field.name) for field in fields(settings) if field.name not in LEFT_OUT}
    return msgspec.msgpack.encode(kept, enc_hook=_plain)


def _plain(value: object) -> object:
    """Return a read-only mapping, which loaded settings have, as one that can be written."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"expected plain settings, got {type(value).__name__}")


def decoded(data: bytes, site: Site) -> Settings:
    """Return settings that decide alike, for that site; they reach nothing.

    Raises:
        RecordingError: the bytes are not what this version writes.
    """
    hints = typing.get_type_hints(Settings)
    wanted = [field.name for field in fields(Settings) if field.name not in LEFT_OUT]
    try:
        found = msgspec.msgpack.decode(data, type=dict[str, Any])
        kept = {name: msgspec.convert(found[name], hints[name]) for name in wanted}
    except (KeyError, msgspec.MsgspecError) as error:
        raise RecordingError(
            f"expected the configuration as this version keeps it; got {error}: name one with --config"
        ) from error
    return Settings(
        site=site,
        schedules=(),
        signals=Signals(),
        pdu_access={},
        switch_access={},
        logins={},
        ssh=SshBook(),
        notify=(),
        ledger=Path(),
        **kept,
    )
