"""The curtailment signal as a signed request to a port of this machine, on loopback.

    POST /v1/curtailment
    X-Terrahash-Timestamp: 1772370000
    X-Terrahash-Signature: sha256=<hex HMAC-SHA256, by the shared key, of "1772370000." and the body>

    {"target": 0, "timestamp": 1772370000}

A signature is taken once, and only while its timestamp is fresh. Everything else is the local API's server.
"""

import hmac
import socket
from collections.abc import Callable, Mapping

import msgspec

from agent.api.routes import Call, Route
from agent.intake.source import Intake, refused
from agent.model.errors import AgentError, CodecError, PolicyError
from agent.notify.channels import signature as signed

FRESH_S = 300.0
"""How far a request's timestamp may lie from now; signatures are remembered for twice as long."""

MOST_REMEMBERED = 4096
TIMESTAMP, SIGNATURE = "x-terrahash-timestamp", "x-terrahash-signature"


class Taken(msgspec.Struct, frozen=True):
    """What is answered: the window that the signal is about."""

    window: str


class Webhook:
    """Verifies requests of one source, and hands them on.

    Args:
        intake: who takes what they say.
        key: what they are signed with.
        now: UTC s.
    """

    def __init__(self, intake: Intake, key: str, now: Callable[[], float]) -> None:
        self._intake = intake
        self._key = key
        self._now = now
        self._seen: dict[str, float] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers to."""
        return (Route("POST", "/curtailment", self._take),)

    async def _take(self, call: Call) -> Taken:
        self._verify(call.headers, call.body)
        try:
            await self._intake.take(call.body)
        except (CodecError, AgentError) as error:
            raise refused(error) from error
        return Taken(self._intake.window)

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise PolicyError for a request that is not signed, not fresh, or was here before."""
        stamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        wanted = signed(self._key, stamp, body)
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise PolicyError(f"expected {SIGNATURE}: sha256=HMAC of timestamp, a dot and the body; it does not fit")
        now = self._now()
        at = float(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 else -FRESH_S
        if abs(now - at) > FRESH_S:
            raise PolicyError(f"expected {TIMESTAMP} in UTC s, within {FRESH_S:.0f} s of now: sign it anew")
        self._seen = {known: until for known, until in self._seen.items() if until > now}
        if signature in self._seen or len(self._seen) >= MOST_REMEMBERED:
            raise PolicyError("expected a request that was not sent before: sign it anew, with another timestamp")
        self._seen[signature] = now + 2.0 * FRESH_S


def loopback(port: int) -> socket.socket:
    """Return a socket on loopback. Raises PolicyError where the port cannot be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PolicyError(f"127.0.0.1:{port}: expected a free port for the webhook; {error.strerror}") from error
    return listener
