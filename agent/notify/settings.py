"""What a channel is, as the configuration has it. Values only; nothing that sends is loaded with them."""

from dataclasses import dataclass, field

from agent.model.ids import ChannelId
from agent.model.notice import Topic


@dataclass(frozen=True, slots=True)
class Channel:
    """One way out. Credentials are named, never held.

    Attributes:
        apprise: credential of an apprise URL. webhook, key: those of an address that is posted to, and of the key that
            each message is signed with. It is the one or the other.
        about: what is told through it.
    """

    id: ChannelId
    apprise: str | None = None
    webhook: str | None = None
    key: str | None = None
    about: frozenset[Topic] = field(default=frozenset(Topic))
