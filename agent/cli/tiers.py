"""The tiers: how much of the way between agent and plant is simulated byte by byte, and how each is run."""

import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from agent.cli.fast_forward import fast_forward_site
from agent.cli.redact import redact, scrub
from agent.cli.simulated import Staged, simulated_site, with_host_keys
from agent.clock import Clock
from agent.config import Settings
from agent.config.scenario import TierName
from agent.touch import Wired
from simulators.memory_net import run_memory
from simulators.plant.history import HistorySettings
from simulators.virtual_time import run as run_wire

T = TypeVar("T")


@contextlib.asynccontextmanager
async def _byte_by_byte(
    settings: Settings, clock: Clock, *, seed: int, history: HistorySettings
) -> AsyncIterator[Staged]:
    async with simulated_site(settings, clock, seed=seed, history=history) as site:

        def touch() -> Wired:
            return Wired(
                with_host_keys(settings, seed),
                clock,
                dialer=site.dialer,
                credentials=redact(site.secrets, settings.credentials),
                scrub=scrub,
                nameservers=site.nameservers,
                trust=site.trust(),
                host=site.host,
            )

        yield Staged(site.plant, site.truth, touch)


class Runs(Protocol):
    """Runs a coroutine to its end on an event loop of its own, in virtual time."""

    def __call__(self, main: Coroutine[Any, Any, T], *, timeout_wall_s: float) -> T:
        """Return its result. Raises WallTimeoutError after so much real time."""


class Stages(Protocol):
    """Brings a simulated copy of a site to life, and what the agent touches it with."""

    def __call__(
        self, settings: Settings, clock: Clock, *, seed: int, history: HistorySettings
    ) -> AbstractAsyncContextManager[Staged]:
        """Return the running copy, until the end of the context."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier."""

    name: TierName
    run: Runs
    stage: Stages


TIERS: Mapping[TierName, Tier] = {
    tier.name: tier
    for tier in (
        Tier(TierName.WIRE, run_wire, _byte_by_byte),
        Tier(TierName.MEMORY, run_memory, _byte_by_byte),
        Tier(TierName.FAST_FORWARD, run_memory, fast_forward_site),
    )
}
