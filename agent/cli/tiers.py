"""The tiers that this version runs: each is a name and a way to run a coroutine in virtual time."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from agent.config.scenario import TierName
from agent.config.wording import choice
from agent.model.errors import PolicyError
from simulators.memory_net import run_memory
from simulators.virtual_time import run as run_wire

T = TypeVar("T")


class Runs(Protocol):
    """Runs a coroutine to its end on an event loop of its own, in virtual time."""

    def __call__(self, main: Coroutine[Any, Any, T], *, timeout_wall_s: float) -> T:
        """Return its result. Raises WallTimeoutError after so much real time."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier."""

    name: TierName
    run: Runs


TIERS: Mapping[TierName, Tier] = {
    tier.name: tier for tier in (Tier(TierName.WIRE, run_wire), Tier(TierName.MEMORY, run_memory))
}


def tier_of(name: TierName) -> Tier:
    """Return the tier of that name. Raises PolicyError for one that this version cannot run."""
    tier = TIERS.get(name)
    if tier is None:
        known = choice(str(t) for t in TIERS)
        raise PolicyError(f"expected a tier that this version runs ({known}), got {name}; choose one with --tier")
    return tier
