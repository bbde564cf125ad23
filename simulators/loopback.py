"""Where a simulated device listens: every inventory address has its own place in 127/8.

Servers bind what `loopback_endpoint` returns and the dialer hands the same to the drivers, so a whole site fits on one
machine without privileges. Nothing here opens a socket.
"""

import hashlib
import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from agent.model.errors import PolicyError

PRIVILEGED_PORTS = 1024
PORT_SHIFT = 10_000
"""Added to a privileged port: 80 becomes 10080, 161 becomes 10161."""
HOSTS_REMEMBERED = 65_536


def loopback_endpoint(host: str, port: int) -> tuple[str, int]:
    """Return the loopback address and port that stand for `host` and `port`.

    10.20.30.40 becomes 127.20.30.40 (an address already in 127/8 stays); a name, or an address that is not IPv4, gets a
    stable address derived from its SHA-256.
    """
    return _address(host), port + PORT_SHIFT if port < PRIVILEGED_PORTS else port


def check_distinct(hosts: Iterable[str]) -> None:
    """Raise PolicyError if two hosts of a site would share one loopback address, or one cannot be bound.

    The message names both hosts. The same host named twice is a collision too.
    """
    taken: dict[str, str] = {}
    for host in hosts:
        address = _address(host)
        if address in {"127.0.0.0", "127.255.255.255"}:
            raise PolicyError(f"{host} falls on {address}, which no server can bind: give it another address")
        if address in taken:
            raise PolicyError(
                f"{taken[address]} and {host} both fall on {address} in the simulated site: "
                "expected addresses that differ after the first octet; change one of them"
            )
        taken[address] = host


class LoopbackDialer:
    """Lead every connection to the simulated site."""

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        """Return where the simulated `host` listens for `port`."""
        return loopback_endpoint(host, port)


@lru_cache(HOSTS_REMEMBERED)
def _address(host: str) -> str:
    try:
        octets = ipaddress.IPv4Address(host).packed
    except ValueError:
        digest = hashlib.sha256(host.encode()).digest()
        # 1..254 in the last octet keeps clear of the two addresses nobody can bind.
        octets = bytes((127, digest[0], digest[1], digest[2] % 254 + 1))
    return f"127.{octets[1]}.{octets[2]}.{octets[3]}"
