"""Host keys of simulated miners: made from the seed when first asked for, the same every time."""

import hashlib
import random
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.model.ids import MinerId

if TYPE_CHECKING:
    from asyncssh import SSHKey

_ROUNDS = 24
"""Of Miller and Rabin's test: far fewer would do for numbers drawn at random."""
_EXPONENT = 65_537


class KeyKind(StrEnum):
    """What sort of host key a miner has."""

    ED25519 = "ed25519"
    RSA_1024 = "rsa-1024"
    """As firmware of ten years ago made it on its first start."""
    RSA_2048 = "rsa-2048"


class HostKeys:
    """The host keys of one site."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[tuple[MinerId, KeyKind, bool], SSHKey] = {}

    def of(self, miner: MinerId, kind: KeyKind = KeyKind.ED25519, *, changed: bool = False) -> "SSHKey":
        """Return a miner's host key; `changed`: the one it has after it was exchanged."""
        name = (miner, kind, changed)
        key = self._made.get(name)
        if key is None:
            key = self._made[name] = _made(f"{self._seed}/{miner}/{kind}/{changed}", kind)
        return key

    def public(self, miner: MinerId, kind: KeyKind = KeyKind.ED25519) -> str:
        """Return the public half as OpenSSH writes it, without a comment: what is pinned."""
        return " ".join(self.of(miner, kind).export_public_key("openssh").decode().split()[:2])


def _made(name: str, kind: KeyKind) -> "SSHKey":
    import asyncssh  # noqa: PLC0415 -- heavy, and most simulated sites never need it

    if kind is KeyKind.ED25519:
        secret = hashlib.sha256(name.encode()).digest()
        private = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    else:
        rng = random.Random(name)  # noqa: S311 -- a simulation wants repeatable chance
        pem = _rsa(rng, 1024 if kind is KeyKind.RSA_1024 else 2048).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    return asyncssh.import_private_key(pem)


def _rsa(rng: random.Random, bits: int) -> rsa.RSAPrivateKey:
    p, q = _prime(rng, bits // 2), _prime(rng, bits // 2)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return private.private_key()


def _prime(rng: random.Random, bits: int) -> int:
    """Return a prime whose two uppermost bits are set, so that a product of two has its full length."""
    while True:
        candidate = rng.getrandbits(bits) | 3 << bits - 2 | 1
        fits = candidate % _EXPONENT != 1 and all(candidate % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31))
        if fits and _is_prime(candidate, rng):
            return candidate


def _is_prime(n: int, rng: random.Random) -> bool:
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(_ROUNDS):
        x = pow(rng.randrange(2, n - 1), odd, n)
        if x in {1, n - 1}:
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True
