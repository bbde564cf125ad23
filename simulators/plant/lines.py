"""The lines that run to a miner: its mains cords, and what it sends over its network cable by itself."""

import math
from collections.abc import Iterable

from agent.model.topology import Outlet

COLD_S = 30.0
"""A latched supply forgets after so long without any mains: facts "control", section 2."""

CHATTER_OCTETS_PER_S = 6.0
"""What a board with a living operating system sends by itself (ARP, NTP, TCP acknowledgements)."""


class Mains:
    """A miner's cords: which have voltage, and when one last lost it.

    Attributes:
        live: how many have voltage. whole: all of them have.
    """

    __slots__ = ("_cords", "_having", "_lost_at", "live", "whole")

    def __init__(self, cords: Iterable[Outlet]) -> None:
        self._cords = frozenset(cords)
        self._having = set(self._cords)
        self._lost_at = math.inf
        self._count()

    def cold_s(self, now: float) -> float:
        """Return for how long none has had any."""
        return 0.0 if self.live else now - self._lost_at

    def is_cold(self, now: float) -> bool:
        """Whether none has had any for COLD_S."""
        return self.cold_s(now) >= COLD_S

    def give(self, cord: Outlet) -> None:
        """Give voltage to one cord."""
        self._having.add(cord)
        self._count()

    def take(self, cord: Outlet, now: float) -> None:
        """Take the voltage from one cord."""
        if cord in self._having:
            self._having.discard(cord)
            self._lost_at = now
            self._count()

    def _count(self) -> None:
        self.live = len(self._having)
        self.whole = self.live == len(self._cords)


class Chatter:
    """What an operating system sends by itself while it lives."""

    __slots__ = ("_lived_s", "_since")

    def __init__(self, since: float) -> None:
        self._lived_s = 0.0
        self._since: float | None = since

    @property
    def per_s(self) -> float:
        """Return how many octets a second that is now."""
        return 0.0 if self._since is None else CHATTER_OCTETS_PER_S

    def begin(self, now: float) -> None:
        """Come to life."""
        self._since = now

    def end(self, now: float) -> None:
        """Fall silent."""
        if self._since is not None:
            self._lived_s += now - self._since
            self._since = None

    def octets(self, now: float) -> int:
        """Return how many octets that has been, ever."""
        living_s = 0.0 if self._since is None else now - self._since
        return int((self._lived_s + living_s) * CHATTER_OCTETS_PER_S)
