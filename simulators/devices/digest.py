"""HTTP digest authentication as a stock Antminer demands it: RFC 2617 with qop=auth, the client's response verified."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

NONCE_S = 300.0
_PAIR = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Verdict(Enum):
    """What the guard thinks of a request."""

    ADMITTED = "admitted"
    DENIED = "denied"
    STALE = "stale"
    """Right in everything but the age of the nonce: the client is to ask anew without troubling its user."""


@dataclass(frozen=True, slots=True)
class DigestGuard:
    """Checks who may see the pages.

    Attributes:
        nonce_key: what the server's nonces are derived from; never leaves it.
        clock: loop time in s.
    """

    realm: str
    user: str
    password: str
    nonce_key: bytes
    clock: Callable[[], float]

    def challenge(self, *, stale: bool = False) -> str:
        """Return the value of a WWW-Authenticate header with a fresh nonce."""
        nonce = self._nonce(int(self.clock() * 1000.0))
        suffix = ", stale=true" if stale else ""
        return f'Digest realm="{self.realm}", nonce="{nonce}", qop="auth", algorithm=MD5{suffix}'

    def verify(self, method: str, target: str, authorization: str) -> Verdict:
        """Judge an Authorization header for a request of `method` to `target`."""
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest":
            return Verdict.DENIED
        given = {key.lower(): quoted or plain for key, quoted, plain in _PAIR.findall(rest)}
        issued_ms = self._issued_ms(given.get("nonce", ""))
        if (
            given.get("username") != self.user
            or given.get("realm") != self.realm
            or given.get("uri") != target
            or given.get("qop") != "auth"
            or not given.get("cnonce")
            or not re.fullmatch(r"[0-9a-fA-F]{8}", given.get("nc", ""))
            or issued_ms is None
        ):
            return Verdict.DENIED
        if not hmac.compare_digest(self._response(method, given), given.get("response", "").lower()):
            return Verdict.DENIED
        return Verdict.STALE if self.clock() - issued_ms / 1000.0 > NONCE_S else Verdict.ADMITTED

    def _response(self, method: str, given: dict[str, str]) -> str:
        secret = _md5(f"{self.user}:{self.realm}:{self.password}")
        request = _md5(f"{method}:{given['uri']}")
        return _md5(f"{secret}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{request}")

    def _nonce(self, issued_ms: int) -> str:
        stamp = f"{issued_ms:012x}"
        return stamp + hmac.new(self.nonce_key, stamp.encode(), hashlib.sha256).hexdigest()[:20]

    def _issued_ms(self, nonce: str) -> int | None:
        """Return when the server made that nonce, in ms of loop time; None if it did not make it."""
        try:
            issued_ms = int(nonce[:12], 16)
        except ValueError:
            return None
        return issued_ms if hmac.compare_digest(self._nonce(issued_ms).encode(), nonce.encode()) else None


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
