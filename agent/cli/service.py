"""Keeps an agent running on a simulated site, as a service manager would: one that dies is started again."""

import asyncio
from collections.abc import Callable

from agent.app import Agent
from agent.ledger.store import Ledger
from agent.model.errors import InvariantError
from simulators.plant.agent_host import AgentHostPlant


class Service:
    """One ledger's agents, one after another.

    Args:
        open_ledger: opens the ledger, which is whatever the one before left on the disk.
        make: makes an agent that is not started yet.
        host: the machine they run on; it says when one dies.
    """

    def __init__(
        self, open_ledger: Callable[[], Ledger], make: Callable[[Ledger], Agent], host: AgentHostPlant
    ) -> None:
        self._open_ledger = open_ledger
        self._make = make
        self._host = host
        self._died: asyncio.Future[float] | None = None
        self._agent: Agent | None = None
        self._ledger: Ledger | None = None
        self._is_up = False

    @property
    def agent(self) -> Agent:
        """Return the agent that runs, or ran last."""
        if self._agent is None:
            raise InvariantError("the service was asked for its agent before it was started; call start() first")
        return self._agent

    @property
    def is_up(self) -> bool:
        """Whether an agent has come up and has not died since."""
        return self._is_up

    async def start(self) -> None:
        """Start an agent; returns once it has polled everybody."""
        self._host.on_kill = self._kill
        self._ledger = self._open_ledger()
        self._agent = self._make(self._ledger)
        await self._agent.start()
        self._is_up = True

    async def run(self) -> None:
        """Have it tick until cancelled, and start another one whenever one has died."""
        while True:
            self._died = asyncio.get_running_loop().create_future()
            living = asyncio.create_task(self._live())
            try:
                await asyncio.wait((living, self._died), return_when=asyncio.FIRST_COMPLETED)
            finally:
                living.cancel()
                await asyncio.gather(living, return_exceptions=True)
            if not self._died.done():
                living.result()
                return
            await self._drop()
            await asyncio.sleep(self._died.result())

    async def stop(self, reason: str) -> None:
        """Stop the agent in order, if one is up, and close the ledger."""
        if self._is_up:
            await self.agent.stop(reason)
        await self.close()

    async def close(self) -> None:
        """Close the ledger, if it is open."""
        self._is_up = False
        if self._ledger is not None:
            await self._ledger.close()

    async def _live(self) -> None:
        if not self._is_up:
            await self.start()
        await self.agent.run()

    async def _drop(self) -> None:
        await self.agent.drop()
        await self.close()

    def _kill(self, down_s: float) -> None:
        if self._died is not None and not self._died.done():
            self._died.set_result(down_s)
