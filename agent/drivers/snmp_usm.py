"""SNMPv3's user-based security as a manager sees it: what is known of each device's engine, sealing and opening.

No sockets and no clock of its own: the loop's time is an argument. Keys and ciphers are pysnmp's, digests the standard
library's, bytes `agent.codecs.snmp`'s. What is here is the order of RFC 3414, section 3: who is spoken to, whose time
it is, and what is believed of an answer.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final

from agent.codecs.snmp import (
    AUTH,
    PRIV,
    REPORT,
    REPORTABLE,
    RESPONSE,
    Get,
    Pdu,
    Request,
    ScopedPdu,
    V3Message,
    decode_scoped,
    encode_request,
    encode_scoped,
    encode_v3,
)
from agent.model.errors import CodecError

TIME_WINDOW_S: Final = 150
"""How far a message's time may be off (RFC 3414, section 2.2.3)."""
ENGINE_ID_OCTETS: Final = range(5, 33)
"""RFC 3411, SnmpEngineID."""
_SALT_OCTETS: Final = 8
_MASTER_KEYS: Final = 256
_USM_STATS: Final = "1.3.6.1.6.3.15.1.1."


class AuthProtocol(StrEnum):
    """SNMPv3 authentication, as set on the device."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class PrivProtocol(StrEnum):
    """SNMPv3 encryption, as set on the device. 192 and 256 bit keys are extended the way net-snmp extends them."""

    DES = "des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"


class Complaint(StrEnum):
    """What a device complains of below the PDU: the counters of RFC 3414, section 5."""

    UNSUPPORTED_LEVEL = "UnsupportedSecurityLevel"
    NOT_IN_WINDOW = "NotInTimeWindow"
    UNKNOWN_USER = "UnknownUserName"
    UNKNOWN_ENGINE = "UnknownEngineID"
    WRONG_DIGEST = "WrongDigest"
    DECRYPTION = "DecryptionError"
    OTHER = "Report"


_COMPLAINTS: Final[Mapping[str, Complaint]] = {
    f"{_USM_STATS}{number}.0": complaint for number, complaint in enumerate(list(Complaint)[:-1], start=1)
}

_DIGEST_OCTETS: Final[Mapping[AuthProtocol, int]] = {
    AuthProtocol.MD5: 12,
    AuthProtocol.SHA1: 12,
    AuthProtocol.SHA224: 16,
    AuthProtocol.SHA256: 24,
    AuthProtocol.SHA384: 32,
    AuthProtocol.SHA512: 48,
}
"""Octets of the digest that travel (RFC 3414 and 7860)."""

_AUTH_OIDS: Final[Mapping[AuthProtocol, tuple[int, ...]]] = {
    protocol: (1, 3, 6, 1, 6, 3, 10, 1, 1, number) for number, protocol in enumerate(AuthProtocol, start=2)
}
"""The protocols' names in SNMP-USER-BASED-SM-MIB and SNMP-USM-HMAC-SHA2-MIB."""

_PRIV_OIDS: Final[Mapping[PrivProtocol, tuple[int, ...]]] = {
    PrivProtocol.DES: (1, 3, 6, 1, 6, 3, 10, 1, 2, 2),
    PrivProtocol.AES128: (1, 3, 6, 1, 6, 3, 10, 1, 2, 4),
    PrivProtocol.AES192: (1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 1),
    PrivProtocol.AES256: (1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 2),
}
"""The same for privacy; the long keys have theirs from the vendor who was first."""


@dataclass(frozen=True, slots=True)
class User:
    """A v3 authPriv login. Holds the secrets, so it never prints them."""

    name: str
    auth: AuthProtocol
    auth_secret: str = field(repr=False)
    priv: PrivProtocol
    priv_secret: str = field(repr=False)


@cache
def ciphers() -> Mapping[PrivProtocol, Any]:
    """Return pysnmp's ciphers. The first call takes a tenth of a second: pay for it before anything waits."""
    # The package is entered by this door because its modules import each other in circles.
    from pysnmp.proto.secmod.rfc3414.service import SnmpUSMSecurityModel  # noqa: PLC0415 - only SNMPv3 should pay

    return {protocol: SnmpUSMSecurityModel.PRIV_SERVICES[oid] for protocol, oid in _PRIV_OIDS.items()}


class Engine:
    """One device's engine as one user knows it: its identity, its clock, and that user's keys on it.

    Attributes:
        is_known: whether it has been asked who it is; until then nothing can be sealed for it.
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self._digest_octets = _DIGEST_OCTETS[user.auth]
        self._block_octets = 8 if user.priv is PrivProtocol.DES else 1
        self._cipher = ciphers()[user.priv]
        self.forget()

    def forget(self) -> None:
        """Know nothing of it any more: it has to introduce itself again."""
        self._id = b""
        self._auth_key = b""
        self._priv_key: Any = None
        self._boots = 0
        self._clock_s = 0
        self._heard_at = 0.0
        self._is_proven = False

    @property
    def is_known(self) -> bool:
        """Whether it has introduced itself."""
        return bool(self._id)

    # -- out -----------------------------------------------------------------------------------------------------------

    def introduction(self, message_id: int) -> bytes:
        """Return the message that asks an engine who it is (RFC 3414, section 4)."""
        scoped = encode_scoped(b"", encode_request(Get(()), message_id))
        return encode_v3(V3Message(message_id, REPORTABLE, b"", 0, 0, b"", b"", scoped, b"", 0, 0), 0)[0]

    def seal(self, request: Request, message_id: int, now: float) -> bytes:
        """Encrypt and sign a request; the message's id is the request's too."""
        clock_s = self._clock_at(now)
        scoped = encode_scoped(self._id, encode_request(request, message_id))
        secret, salt = self._cipher.encrypt_data(self._priv_key, (self._boots, clock_s, None), scoped)
        user = self._user.name.encode()
        flags = AUTH | PRIV | REPORTABLE
        message = V3Message(
            message_id, flags, self._id, self._boots, clock_s, user, bytes(salt), bytes(secret), b"", 0, 0
        )
        whole, at = encode_v3(message, self._digest_octets)
        return whole[:at] + self._digest(whole) + whole[at + self._digest_octets :]

    # -- in ------------------------------------------------------------------------------------------------------------

    def open(self, message: V3Message, now: float) -> Pdu | Complaint | None:
        """Return the response or the complaint that a message carries; None for one that is not to be believed.

        A response is believed only if it is signed, encrypted and in time. A complaint may come unsigned, since a
        device that does not know the user cannot sign; it is never more than a reason to fail. Raises CodecError where
        a signed message holds garbage.
        """
        if not message.flags & AUTH:
            return None if message.flags & PRIV else self._complaint(message, now, is_signed=False)
        if not self._is_authentic(message):
            return None
        is_in_time = self._follow_clock(message, now)
        if not message.flags & PRIV:
            complaint = self._complaint(message, now, is_signed=True)
            if complaint is Complaint.NOT_IN_WINDOW and not is_in_time:
                self.forget()  # its clock went back: only meeting it anew can tell what that means
            return complaint
        scoped = self._decrypted(message) if is_in_time else None
        if scoped is None or scoped.engine_id != self._id or scoped.context:
            return None
        return scoped.pdu if scoped.pdu.kind == RESPONSE else None

    def _complaint(self, message: V3Message, now: float, *, is_signed: bool) -> Complaint | None:
        try:
            pdu = decode_scoped(message.payload).pdu
            values = pdu.values() if pdu.kind == REPORT else []
        except CodecError:
            return None
        if not values:
            return None
        complaint = _COMPLAINTS.get(values[0][0], Complaint.OTHER)
        if complaint is Complaint.UNKNOWN_ENGINE and not self.is_known:
            self._meet(message, now)
        if complaint is Complaint.NOT_IN_WINDOW and not is_signed:
            return None
        return complaint

    def _meet(self, message: V3Message, now: float) -> None:
        """Learn who the engine is. What it says of its clock is a guess until a signed message bears it out."""
        if len(message.engine_id) not in ENGINE_ID_OCTETS:
            return
        self._id = message.engine_id
        self._auth_key, self._priv_key = _local_keys(self._user, self._id)
        self._boots, self._clock_s, self._heard_at = message.boots, message.clock_s, now

    def _is_authentic(self, message: V3Message) -> bool:
        start, stop = message.digest_start, message.digest_stop
        if not self.is_known or message.engine_id != self._id or message.user != self._user.name.encode():
            return False
        if stop - start != self._digest_octets:
            return False
        whole = message.octets
        return hmac.compare_digest(self._digest(whole[:start] + bytes(stop - start) + whole[stop:]), whole[start:stop])

    def _follow_clock(self, message: V3Message, now: float) -> bool:
        """Take over a later clock; tell whether the message is in time (RFC 3414, section 3.2, 7b)."""
        if not self._is_proven or (message.boots, message.clock_s) > (self._boots, self._clock_s):
            self._boots, self._clock_s, self._heard_at = message.boots, message.clock_s, now
            self._is_proven = True
        return message.boots == self._boots and message.clock_s >= self._clock_at(now) - TIME_WINDOW_S

    def _clock_at(self, now: float) -> int:
        return self._clock_s + int(now - self._heard_at)

    def _decrypted(self, message: V3Message) -> ScopedPdu | None:
        if len(message.salt) != _SALT_OCTETS or len(message.payload) % self._block_octets:
            return None
        hint = message.boots, message.clock_s, _text(message.salt)
        return decode_scoped(self._cipher.decrypt_data(self._priv_key, hint, _text(message.payload)))

    def _digest(self, whole: bytes) -> bytes:
        # Not pysnmp's: that looks for a run of zeros to sign, which an engine's id may hold before the digest does.
        return hmac.digest(self._auth_key, whole, self._user.auth.value)[: self._digest_octets]


def _text(octets: bytes) -> Any:
    from pyasn1.type.univ import OctetString  # noqa: PLC0415 - what pysnmp's ciphers take

    return OctetString(octets)


@lru_cache(_MASTER_KEYS)
def _master_key(auth: AuthProtocol, secret: str) -> Any:
    """Stretch a passphrase (RFC 3414, A.2): some milliseconds, and the same for every device of that login."""
    from pysnmp.proto.secmod.rfc3414 import localkey  # noqa: PLC0415 - as above

    return localkey.hash_passphrase(secret.encode(), getattr(hashlib, auth.value))


def _local_keys(user: User, engine_id: bytes) -> tuple[bytes, Any]:
    """Return a user's authentication key (as octets) and privacy key (as the cipher takes it) on one engine."""
    from pysnmp.proto.secmod.rfc3414 import localkey  # noqa: PLC0415 - as above

    auth = localkey.localize_key(
        _master_key(user.auth, user.auth_secret), _text(engine_id), getattr(hashlib, user.auth)
    )
    priv = _master_key(user.auth, user.priv_secret)
    return bytes(auth), ciphers()[user.priv].localize_key(_AUTH_OIDS[user.auth], priv, _text(engine_id))
