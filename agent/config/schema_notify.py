"""The shape of a configuration's channels: through what people are told, and of what."""

from pydantic import Field

from agent.config.fields import Id
from agent.config.schema_devices import CredentialRef
from agent.config.schema_thresholds import Section
from agent.model.notice import Topic


class ChannelSection(Section):
    """One way to tell people: `apprise`, or `webhook` with `key`."""

    id: Id
    """Its name in the ledger and in commands."""
    apprise: CredentialRef | None = None
    """Credential of an apprise URL: mail, chat, pager, whatever it names."""
    webhook: CredentialRef | None = None
    """Credential of an http or https address that every message is posted to as JSON."""
    key: CredentialRef | None = None
    """Credential of the key that each post is signed with (HMAC-SHA256); goes with webhook."""
    about: list[Topic] = Field(default=list(Topic), min_length=1)
    """What is told through it; everything by default."""
