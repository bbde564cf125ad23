"""The ways out: whatever apprise knows by its URLs, and a plain webhook with a signature. One thread's work, blocking.

A channel's URL is a secret. What goes wrong is told without it: TransportError for what may be tried again, any other
error of the tree for what will never work as it is.
"""

import hashlib
import hmac
import logging
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from agent.model.errors import DeviceError, PolicyError, TransportError
from agent.notify.message import Message
from agent.notify.settings import Channel

TIMEOUT_S: Final = 10.0
AGAIN: Final = frozenset({408, 425, 429})
"""Of the answers that say it is our fault, those that say to come again."""
TIMESTAMP, SIGNATURE, DELIVERY = "X-Terrahash-Timestamp", "X-Terrahash-Signature", "X-Terrahash-Delivery"


class Credentials(Protocol):
    """Where secrets come from."""

    def get(self, name: str) -> str:
        """Return the secret of that name; raises PolicyError naming the missing credential."""
        ...


def send(
    channel: Channel, message: Message, credentials: Credentials, now: float, timeout_s: float = TIMEOUT_S
) -> None:
    """Send a message and return once it was taken; blocks for as long as the other end may take.

    Args:
        channel: the way out.
        message: what is sent.
        credentials: the secrets that the channel names.
        now: UTC s, which the signature is over.
        timeout_s: how long a webhook is waited for, for each of connection and answer; apprise's URLs have their own.

    Raises:
        TransportError: nobody took it; it may be tried again.
        DeviceError: it was refused, and will be again.
        PolicyError: a credential is missing, or names nothing that could be sent to.
    """
    if channel.apprise is not None:
        _by_apprise(channel.apprise, message, credentials)
    elif channel.webhook is not None and channel.key is not None:
        _by_webhook(
            _Hook(credentials.get(channel.webhook), credentials.get(channel.key), channel.webhook),
            message,
            now,
            timeout_s,
        )


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return what proves that whoever knows the key sent this body at that time."""
    return "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _by_apprise(name: str, message: Message, credentials: Credentials) -> None:
    url = credentials.get(name)
    import apprise  # noqa: PLC0415 - half a second, 40 MB, and only where somebody is told something

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs addresses; what went wrong is recorded here
    asset = apprise.AppriseAsset(app_id="terrahash", app_desc="terrahash-agent", async_mode=False)
    service = apprise.Apprise(asset=asset)
    if not service.add(url):
        raise PolicyError(
            f"expected an apprise URL in the credential {name!r}, got what no service answers to; correct it"
        )
    if not service.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT):
        raise TransportError(f"the service behind the credential {name!r} did not take it")


@dataclass(frozen=True, slots=True)
class _Hook:
    """A webhook. Holds secrets, so it never prints them. name: the credential of its address."""

    url: str = field(repr=False)
    key: str = field(repr=False)
    name: str

    def refusal(self) -> PolicyError:
        return PolicyError(f"expected an http or https address in the credential {self.name!r}; correct it")


def _by_webhook(hook: _Hook, message: Message, now: float, timeout_s: float) -> None:
    import httpx  # noqa: PLC0415 - as above

    if not hook.url.startswith(("https://", "http://")):
        raise hook.refusal()
    body = msgspec.json.encode({**message.facts, "title": message.title, "body": message.body})
    timestamp = f"{now:.0f}"
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(hook.key, timestamp, body),
        DELIVERY: message.id,
    }
    try:
        with httpx.stream("POST", hook.url, content=body, headers=headers, timeout=timeout_s) as answer:
            status = answer.status_code
    except httpx.InvalidURL:
        raise hook.refusal() from None
    except httpx.HTTPError as error:
        raise TransportError(f"nobody took it ({type(error).__name__})") from None
    if status in AGAIN or status >= 500:
        raise TransportError(f"answered with HTTP status {status}")
    if not 200 <= status < 300:
        raise DeviceError(f"answered with HTTP status {status}; it is not sent again")
