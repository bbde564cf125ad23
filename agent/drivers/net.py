"""How a driver finds a device and its secrets: the two things a real and a simulated site do differently."""

from typing import Protocol


class Dialer(Protocol):
    """Where a device is reached. The only difference between a real site and a simulated one."""

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        """Return the address to connect to for the device's own host and port."""
        ...


class DirectDialer:
    """The real site: a device is where the inventory says."""

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        """Return (host, port) unchanged."""
        return host, port


class Addresses:
    """A dialer that knows which devices are not at the address they were given: the inventory's, for all others."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._moved: dict[str, str] = {}

    def move(self, host: str, to: str) -> None:
        """Reach the device that the inventory has at `host` at another address from now on."""
        self._moved[host] = to

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        """Return the address to connect to for the device's own host and port."""
        return self._dialer.endpoint(self._moved.get(host, host), port)


class Credentials(Protocol):
    """Where secrets come from; drivers hold names, never secrets."""

    def get(self, name: str) -> str:
        """Return the secret of that name; raises PolicyError naming the missing credential."""
        ...
