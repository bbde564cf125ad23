"""How a miner's control board is logged in to over SSH. No connection is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.model.ids import MinerId
from agent.model.topology import Family, Miner


class LegacyAlgorithm(StrEnum):
    """Algorithms that are used only where an entry asks for them, by the names SSH gives them."""

    GROUP1_SHA1 = "diffie-hellman-group1-sha1"
    GROUP14_SHA1 = "diffie-hellman-group14-sha1"
    GROUP_EXCHANGE_SHA1 = "diffie-hellman-group-exchange-sha1"
    SSH_RSA = "ssh-rsa"
    SSH_DSS = "ssh-dss"
    AES128_CBC = "aes128-cbc"
    AES256_CBC = "aes256-cbc"
    TRIPLE_DES_CBC = "3des-cbc"
    HMAC_SHA1 = "hmac-sha1"
    HMAC_MD5 = "hmac-md5"


@dataclass(frozen=True, slots=True)
class SshAccess:
    """One entry of the configuration's section `ssh`.

    Attributes:
        credential: the name of the password, not the password.
        host_keys: public keys as OpenSSH writes them, of which the host must show one; never empty.
        legacy: what is allowed beyond today's algorithms.
    """

    user: str
    credential: str
    host_keys: tuple[str, ...]
    port: int = 22
    legacy: frozenset[LegacyAlgorithm] = frozenset()


@dataclass(frozen=True, slots=True)
class SshBook:
    """Every entry: a miner's own goes before its family's."""

    miners: Mapping[MinerId, SshAccess] = field(default_factory=dict)
    families: Mapping[Family, SshAccess] = field(default_factory=dict)

    def of(self, miner: Miner) -> SshAccess | None:
        """Return how to log in to that miner; None where no entry says."""
        return self.miners.get(miner.id, self.families.get(miner.family))
