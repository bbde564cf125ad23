"""A Whatsminer's write protection: tokens derived from the admin password, and commands under AES-256 in ECB mode.

The vendor's API 2.0.5 sends time, salt and a second salt; both sides make from them and the password

    key  = the hash part of md5crypt(password, salt)
    sign = the hash part of md5crypt(key + time, newsalt)

A command is JSON with `sign` as its token, padded with NUL bytes, encrypted under SHA-256(key), in base64.
"""

import base64
import binascii
import hashlib
import random
import warnings
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

with warnings.catch_warnings():
    # passlib looks for the standard library's crypt module, which warns of its own end in Python 3.13; passlib has
    # an implementation of its own and does without.
    warnings.simplefilter("ignore", DeprecationWarning)
    from passlib.hash import md5_crypt

TOKEN_S = 30 * 60.0
MAX_TOKENS = 32
"""Live tokens a client may have: facts "miners", section 4."""
BLOCK = 16
_SALT_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class TokenError(Exception):
    """The command is not under a live token of this miner."""


class EncodingError(Exception):
    """What should be base64 is not."""


@dataclass(frozen=True, slots=True)
class Token:
    """One issued token. `peer` is the client's address, `until` loop time in s."""

    sign: str
    peer: str
    until: float


class TokenVault:
    """Issues tokens and opens the commands that come under them."""

    def __init__(self, password: str, rng: random.Random) -> None:
        self._password = password
        self._rng = rng
        self._salt = self._fresh_salt()
        self._key: str | None = None
        self._issued: list[Token] = []

    def issue(self, peer: str, now: float, utc: int) -> dict[str, str] | None:
        """Return time, salt and newsalt of a new token for `peer`; None when it has too many live ones."""
        self._issued = [token for token in self._issued if token.until > now]
        if sum(token.peer == peer for token in self._issued) >= MAX_TOKENS:
            return None
        time, newsalt = f"{utc % 10_000:04d}", self._fresh_salt()
        sign = _md5crypt(self._password_key() + time, newsalt)
        self._issued.append(Token(sign, peer, now + TOKEN_S))
        return {"time": time, "salt": self._salt, "newsalt": newsalt}

    def open(self, data: str, peer: str, now: float) -> dict[str, object]:
        """Return the command in an encrypted message of `peer`.

        Raises:
            EncodingError: the message is not base64 of whole blocks.
            TokenError: it was not made with the password, or its token is unknown, another client's or too old.
        """
        try:
            secret = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise EncodingError from None
        if not secret or len(secret) % BLOCK:
            raise EncodingError
        decryptor = self._cipher().decryptor()
        plain = (decryptor.update(secret) + decryptor.finalize()).rstrip(b"\0")
        try:
            command = msgspec.json.decode(plain, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise TokenError from None
        sign = command.get("token")
        if not any(token.sign == sign and token.peer == peer and token.until > now for token in self._issued):
            raise TokenError
        return command

    def seal(self, reply: dict[str, object]) -> dict[str, object]:
        """Return a reply in its encrypted form."""
        plain = msgspec.json.encode(reply)
        plain += b"\0" * (-len(plain) % BLOCK)
        encryptor = self._cipher().encryptor()
        return {"enc": base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()}

    def forget(self) -> None:
        """Forget every token, as a reboot does."""
        self._issued.clear()

    def _password_key(self) -> str:
        if self._key is None:
            self._key = _md5crypt(self._password, self._salt)
        return self._key

    def _cipher(self) -> "Cipher[modes.ECB]":
        key = hashlib.sha256(self._password_key().encode()).digest()
        return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 -- the vendor's protocol, not a choice

    def _fresh_salt(self) -> str:
        return "".join(self._rng.choices(_SALT_LETTERS, k=8))


def _md5crypt(word: str, salt: str) -> str:
    return str(md5_crypt.using(salt=salt).hash(word)).rpartition("$")[2]
