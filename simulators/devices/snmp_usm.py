"""SNMPv3's user-based security (RFC 3414, 3826, 7860) as a device sees it: keys, digests, encryption. No messages."""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

DIGEST_BYTES: Final = {"md5": 12, "sha1": 12, "sha224": 16, "sha256": 24, "sha384": 32, "sha512": 48}
"""Octets of the digest that travel, by authentication protocol."""
AES_KEY_BYTES: Final = {"aes128": 16, "aes192": 24, "aes256": 32}
SALT_BYTES: Final = 8
_EXPANDED_BYTES: Final = 1_048_576
"""RFC 3414, A.2: a passphrase is repeated to this length before it is hashed."""
_DES_BLOCK: Final = 8


@dataclass(frozen=True, slots=True)
class UsmUser:
    """A user as set up on the device. Holds the passphrases, so it never prints them.

    Attributes:
        auth: md5, sha1, sha224, sha256, sha384 or sha512.
        priv: des, aes128, aes192 or aes256 (long keys extended after draft-blumenthal-aes-usm).
    """

    name: str
    auth: str
    auth_secret: str = field(repr=False)
    priv: str
    priv_secret: str = field(repr=False)
    may_write: bool = True

    def digest(self, engine_id: bytes, message: bytes) -> bytes:
        """Return the digest of a message whose digest field holds zeros."""
        key = _localised(self.auth, self.auth_secret, engine_id)
        return hmac.new(key, message, self.auth).digest()[: DIGEST_BYTES[self.auth]]

    def encrypt(self, engine_id: bytes, boots: int, clock_s: int, plain: bytes) -> tuple[bytes, bytes]:
        """Return (ciphertext, salt)."""
        salt = os.urandom(SALT_BYTES)
        padded = plain + bytes(-len(plain) % _DES_BLOCK) if self.priv == "des" else plain
        encryptor = self._cipher(engine_id, boots, clock_s, salt).encryptor()
        return encryptor.update(padded) + encryptor.finalize(), salt

    def decrypt(self, engine_id: bytes, boots: int, clock_s: int, salt: bytes, data: bytes) -> bytes:
        """Return the plain text; ValueError for a salt or a length that cannot be."""
        if len(salt) != SALT_BYTES:
            raise ValueError(f"expected a salt of {SALT_BYTES} octets, {len(salt)} came")
        decryptor = self._cipher(engine_id, boots, clock_s, salt).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def _cipher(self, engine_id: bytes, boots: int, clock_s: int, salt: bytes) -> Cipher[CBC] | Cipher[CFB]:
        key = _localised(self.auth, self.priv_secret, engine_id)
        if self.priv == "des":
            vector = bytes(a ^ b for a, b in zip(key[8:16], salt, strict=True))
            return Cipher(TripleDES(key[:8] * 3), CBC(vector))  # three equal keys make it single DES
        while len(key) < AES_KEY_BYTES[self.priv]:
            key += hashlib.new(self.auth, key).digest()
        vector = boots.to_bytes(4, "big") + clock_s.to_bytes(4, "big") + salt
        return Cipher(AES(key[: AES_KEY_BYTES[self.priv]]), CFB(vector))


@lru_cache(maxsize=1024)
def _localised(algorithm: str, secret: str, engine_id: bytes) -> bytes:
    key = _expanded(algorithm, secret)
    return hashlib.new(algorithm, key + engine_id + key).digest()


@lru_cache(maxsize=256)
def _expanded(algorithm: str, secret: str) -> bytes:
    text = secret.encode()
    return hashlib.new(algorithm, (text * (_EXPANDED_BYTES // len(text) + 1))[:_EXPANDED_BYTES]).digest()
