"""One simulated miner on a site of a few pools, and the agent's driver for it: what the tests of pools stand on."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from agent.drivers.miners import MinerDriver, MinerLogin, miner_drivers
from agent.drivers.miners.connection import request
from agent.model.errors import AgentError
from agent.model.ids import PoolId
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool
from simulators.loopback import LoopbackDialer
from simulators.plant.journal import What
from simulators.plant.miner import MinerPlant
from simulators.virtual_time import run
from tests.simulators.devices_site import LOGINS, Running, running

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
WRONG_SECRET = "not-the-password-4711"
WORKER = "site.m1"
ELSEWHERE = "stratum+tcp://elsewhere.example.net:3333"
"""A pool that is not the site's."""
CHANGES = {What.SET_POOLS, What.SWITCH_POOL}


@dataclass
class Secrets:
    """The devices' own passwords, or a wrong one for everything."""

    site: Running
    wrong: bool

    def get(self, name: str) -> str:
        return WRONG_SECRET if self.wrong else self.site.secrets.get(name)


@dataclass
class Bench:
    """One simulated miner on a site of three pools, and the agent's driver for it."""

    site: Running
    driver: MinerDriver

    @property
    def plant(self) -> MinerPlant:
        self.now()
        return self.site.miner()

    @property
    def spec(self) -> Miner:
        return self.site.miner().spec

    def now(self) -> float:
        now = asyncio.get_running_loop().time()
        self.site.plant.advance(now)
        return now

    def pools(self, *numbers: int) -> list[Pool]:
        return [self.site.plant.site.pool[PoolId(f"p{number}")] for number in numbers]

    async def switch(self, *numbers: int, worker: str = WORKER) -> None:
        await self.driver.switch_pool(self.spec, self.pools(*numbers), worker)

    async def refused(self, kind: type[AgentError], *numbers: int, match: str = ".") -> str:
        """Switch in vain; return what the error and its chain say."""
        with pytest.raises(kind, match=match) as caught:
            await self.switch(*numbers)
        return "".join(traceback.format_exception(caught.value))

    def order(self) -> list[str]:
        """Host of each configured pool, by priority."""
        pools = sorted(self.plant.readings(self.now()).pools, key=lambda pool: pool.priority)
        return [pool.url.split("/")[2].split(".")[0] for pool in pools]

    def works_for(self) -> str:
        line = self.plant.client.line
        return "" if line is None else line.url.split("/")[2].split(".")[0]

    def changes(self) -> list[What]:
        return [entry.what for entry in self.site.plant.journal.entries if entry.what in CHANGES]

    async def poll(self) -> Telemetry:
        endpoint = LoopbackDialer().endpoint(self.spec.host, self.driver.port)
        reply = await request(endpoint, self.driver.request, deadline_s=2.0, limit_bytes=262_144)
        return self.driver.decode(reply)


@asynccontextmanager
async def bench(family: Family, *, pools: int = 3, wrong: bool = False, logins: bool = True) -> AsyncIterator[Bench]:
    async with running(family, pools=pools) as site:
        known: Mapping[Family, MinerLogin] = {f: MinerLogin(*login) for f, login in LOGINS.items()} if logins else {}
        yield Bench(site, miner_drivers(LoopbackDialer(), Secrets(site, wrong), known)[family])


def played(
    family: Family,
    story: Callable[[Bench], Awaitable[None]],
    *,
    on: Callable[..., None] = run,
    **how: Any,
) -> None:
    """Play it in virtual time, on the wire or where `on` has it."""

    async def main() -> None:
        async with bench(family, **how) as b:
            await story(b)

    on(main(), timeout_wall_s=30)
