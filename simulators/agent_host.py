"""The agent's own machine as its kernel would show it, read off the plant; and what else that machine is busy with."""

import asyncio

from agent.model.itself import Way
from simulators.plant.agent_host import AgentHostPlant
from simulators.virtual_time import stall

PATIENCE_S = 1.0
"""A router that does not answer is waited for so long."""


class SimulatedHost:
    """What a look at the machine finds."""

    def __init__(self, plant: AgentHostPlant) -> None:
        self._plant = plant

    async def look(self) -> Way:
        """Return whether there is a link, and whether a router answers."""
        answers = self._plant.reaches_pools
        if not answers:
            await asyncio.sleep(PATIENCE_S)
        return Way(self._plant.linked, answers)

    def boot(self) -> str:
        """Return what tells this start of the machine from another: it is never started anew."""
        return "simulated"

    def wall_ahead_s(self) -> float:
        """Return by how much the wall clock is ahead of the site's time, in s."""
        return self._plant.wall_ahead_s


async def keep_busy(plant: AgentHostPlant) -> None:
    """Keep this thread busy with something else whenever the plant says so, for ever."""
    while True:
        await asyncio.sleep(plant.lag_every_s)
        if plant.lag_s > 0.0:
            stall(plant.lag_s)
