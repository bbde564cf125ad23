"""The plant's own record of what was done to it and of which miners were healthy when. Ground truth, never shown."""

from dataclasses import dataclass
from enum import StrEnum

from agent.model.ids import MinerId
from agent.model.topology import Outlet
from simulators.plant.flash import FlashRecord


class What(StrEnum):
    """The kinds of entry."""

    RELAY_OFF = "relay_off"
    RELAY_ON = "relay_on"
    RESTART = "restart"
    REBOOT = "reboot"
    BREAKER_TRIP = "breaker_trip"
    LINE = "line"
    """The line before an outlet of the miner's lost its voltage or got it again."""
    REPLUGGED = "replugged"
    """One of the miner's cords went into that outlet, out of another; no miner's, where the outlet is empty now."""
    SET_POOLS = "set_pools"
    """The miner was told another list of pools."""
    SWITCH_POOL = "switch_pool"
    """The miner was told to work for another pool of its list."""
    FLASH = "flash"
    """A flash of the miner began; what came of it is in the record of flashes."""
    BRICKED = "bricked"
    """The miner's control board was to start, and has no firmware that starts."""
    SUSPEND = "suspend"
    """The miner was told to sleep; healthy tells whether it was, and neither hot nor on a loop that is out of order."""
    RESUME = "resume"
    """The miner was told to wake."""
    DERATE = "derate"
    """The miner was told to run at another share of its rate; healthy as with SUSPEND."""
    CURBED = "curbed"
    """The miner's firmware slowed it down or stopped it for its heat."""
    HEALTHY = "healthy"
    """The miner reached 95 % of its target, and works for a pool of the site that is sound."""
    UNHEALTHY = "unhealthy"
    """The miner fell below 95 % of its target, or its work is of no use, or nobody knows its address."""


ACTIONS = frozenset(
    {What.RELAY_OFF, What.RELAY_ON, What.RESTART, What.REBOOT, What.SET_POOLS, What.SWITCH_POOL, What.FLASH}
)
"""Entries that somebody's command caused directly."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        at: site time in s at which it took effect.
        asked_at: site time in s at which it was commanded; `at` where nobody commanded it.
        miner: the miner it happened to; None for an outlet that feeds none.
        outlet: the outlet whose relay moved, or that lost its breaker.
        healthy: whether the miner hashed at 95 % of its target or more just before.
        bank_load: for a relay that closes, its bank's draw with this outlet at full power over the breaker's rating.
    """

    at: float
    asked_at: float
    what: What
    miner: MinerId | None
    outlet: Outlet | None
    healthy: bool
    bank_load: float = 0.0


class Journal:
    """Entries in the order in which they happened, and every flash in the order in which they began."""

    __slots__ = ("entries", "flashes")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.flashes: list[FlashRecord] = []

    def note(
        self,
        at: float,
        what: What,
        *,
        miner: MinerId | None = None,
        outlet: Outlet | None = None,
        healthy: bool = False,
        bank_load: float = 0.0,
        asked_at: float | None = None,
    ) -> None:
        """Append one entry."""
        asked = at if asked_at is None else asked_at
        self.entries.append(Entry(at, asked, what, miner, outlet, healthy, bank_load))
