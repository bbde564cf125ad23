"""A miner's list of pools as its API on TCP 4028 tells it, and the wait until a change shows there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agent.codecs import cgminer
from agent.codecs.cgminer import Row, flag, within
from agent.drivers.miners.connection import request
from agent.drivers.miners.pools_list import PoolLine, agree
from agent.model.errors import AgentError, CodecError, DeviceError

POOLS = b'{"command":"pools"}'
READ_DEADLINE_S = 5.0
REPLY_LIMIT_BYTES = 65_536
MAX_LISTED = 32
"""More pools than anybody configures; a longer list is no list of pools."""
_MAX_NUMBER = 1e6

SETTLE_S = 15.0
"""How long an accepted change may take to show. An estimate: a mining process that is started anew says nothing at
first."""
SETTLE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class ListedPool:
    """A line of the list, by number as commands want it; `group` is the one of LuxOS, 0 elsewhere."""

    number: int
    line: PoolLine
    active: bool
    group: int


class PoolsApi:
    """One miner's list of pools, read over its API."""

    def __init__(self, endpoint: tuple[str, int]) -> None:
        self.endpoint = endpoint

    async def listed(self) -> list[ListedPool]:
        """Return the configured pools by priority, without empty slots.

        Raises:
            DeviceError: the API answered an error.
            CodecError: the reply is no whole list; nothing must be changed on its word.
            RefusedError, ResetError, SilentError, TransportError: as `request` does.
        """
        reply = await request(self.endpoint, POOLS, deadline_s=READ_DEADLINE_S, limit_bytes=REPLY_LIMIT_BYTES)
        return listed(reply)

    async def lines(self) -> list[PoolLine]:
        """Return the configured lines alone, by priority; raises as `listed` does."""
        return [pool.line for pool in await self.listed()]

    async def settled(self, wanted: Sequence[PoolLine]) -> list[PoolLine]:
        """Return the lines once they are the wanted ones, or as they are after SETTLE_S.

        Raises what `listed` does where the API still fails then.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLE_S
        while True:
            try:
                lines = await self.lines()
            except AgentError:
                if loop.time() >= until:
                    raise
            else:
                if agree(lines, wanted) or loop.time() >= until:
                    return lines
            await asyncio.sleep(SETTLE_EVERY_S)


def listed(reply: bytes) -> list[ListedPool]:
    """Return the pools in a reply to `pools`; raises as `PoolsApi.listed` does."""
    sections = cgminer.decode(reply)
    for name, section in sections.items():
        if section.failed:
            raise DeviceError(f"expected the list of pools, the API answered an error: {section.message!r}")
        if name == "pools":
            if len(section.rows) > MAX_LISTED:
                raise CodecError(f"expected at most {MAX_LISTED} pools, came {len(section.rows)}")
            pools = [(_number(row, "Priority"), _pool(row)) for row in section.rows if row.get("URL") != ""]
            return [pool for _, pool in sorted(pools, key=lambda entry: entry[0])]
    raise CodecError(f"expected a list of pools, none is in the reply ({', '.join(sections)})")


def _pool(row: Row) -> ListedPool:
    url, user = row.get("URL"), row.get("User")
    if not isinstance(url, str) or not isinstance(user, str):
        raise CodecError("expected each pool to have an address and a worker, one has not")
    group = _number(row, "GROUP") if "GROUP" in row else 0
    return ListedPool(_number(row, "POOL"), PoolLine(url, user), flag(row.get("Stratum Active")) is True, group)


def _number(row: Row, name: str) -> int:
    number = within(row.get(name), 0.0, _MAX_NUMBER)
    if number is None:
        raise CodecError(f"expected each pool to have a number as its {name}, one has not")
    return int(number)
