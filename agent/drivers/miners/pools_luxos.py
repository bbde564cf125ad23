"""LuxOS's list of pools, changed line by line without restarting the mining process.

Its commands are cgminer's: `addpool` appends a line with the lowest priority, `switchpool` gives a line the highest and
works for it, `removepool` takes one out that is not worked for. They ask for no session (Luxor's own client lists which
commands do). One is opened all the same: lines go by number, and only the session keeps another program from changing
the numbers in between. pyasic's `switchpool` cannot be used: it joins its number as text and fails.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from agent.codecs import cgminer
from agent.codecs.cgminer import Section
from agent.drivers.miners.connection import request
from agent.drivers.miners.pools_api import (
    READ_DEADLINE_S,
    REPLY_LIMIT_BYTES,
    SETTLE_EVERY_S,
    SETTLE_S,
    ListedPool,
    PoolsApi,
)
from agent.drivers.miners.pools_list import PoolLine, agree, differs, once_written, promotions
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError, SilentError, TransportError
from agent.model.ids import MinerId

CHANGE_DEADLINE_S = 50.0
SESSION_TRIES = 14
SESSION_EVERY_S = 5.0
"""How often somebody else's session is tried, and how long apart. One that is not used ends after a minute (Luxor's
documentation of the API, "Session management"): so does that of an agent that died in the midst of a change."""
_MAX_PARAMETER_CHARS = 512


class SessionTakenError(DeviceError):
    """Another program holds the miner's one session."""


class LuxOsPools:
    """One miner's list."""

    def __init__(self, miner: MinerId, endpoint: tuple[str, int]) -> None:
        self._miner = miner
        self._api = PoolsApi(endpoint)

    async def set(self, wanted: Sequence[PoolLine]) -> None:
        """Have the list be exactly these lines, in this order; the errors are those of `MinerDriver.switch_pool`."""
        taken = AsyncRetrying(
            stop=stop_after_attempt(SESSION_TRIES),
            wait=wait_fixed(SESSION_EVERY_S),
            retry=retry_if_exception_type(SessionTakenError),
            reraise=True,
        )
        await taken(self._bounded, wanted)

    async def _bounded(self, wanted: Sequence[PoolLine]) -> None:
        try:
            async with asyncio.timeout(CHANGE_DEADLINE_S):
                await self._set(wanted)
        except TimeoutError:
            raise SilentError(
                f"{self._miner}: expected its pools to be changed within {CHANGE_DEADLINE_S:g} s, they were not"
            ) from None

    async def _set(self, wanted: Sequence[PoolLine]) -> None:
        if await self._is_so(wanted):
            return
        async with self._session():
            found, lost = await self._written(wanted)
        if not agree(found, wanted):
            raise differs(self._miner, wanted, found) if lost is None else lost

    async def _written(self, wanted: Sequence[PoolLine]) -> tuple[list[PoolLine], TransportError | None]:
        """Change the list; return what it is then, and the error where an answer was lost."""
        lost: TransportError | None = None
        try:
            with once_written():
                await self._change(wanted)
        except TransportError as error:
            lost = error
        with once_written():
            return (await self._api.settled(wanted) if lost is None else await self._api.lines()), lost

    async def _is_so(self, wanted: Sequence[PoolLine]) -> bool:
        """Tell whether there is nothing to do. Raises PolicyError for a list that is not ours to change."""
        pools = await self._api.listed()
        groups = {pool.group for pool in pools}
        if len(groups) > 1:
            raise PolicyError(
                f"{self._miner}: expected one group of pools, it splits its hashrate over {len(groups)}; nothing was "
                "written; remove the other groups first"
            )
        return agree(_lines(pools), wanted)

    # -- the change ----------------------------------------------------------------------------------------------------

    async def _change(self, wanted: Sequence[PoolLine]) -> None:
        lines = await self._api.lines()
        missing = [want for want in wanted if not _holds(lines, want)]
        for want in missing:
            await self._command("addpool", _parameter(want))
        pools = await self._until(lambda pools: all(_holds(_lines(pools), want) for want in wanted))
        for _ in wanted:
            if not all(_holds(_lines(pools), want) for want in wanted):
                raise differs(self._miner, wanted, _lines(pools))
            places = promotions(_lines(pools), wanted)
            if not places:
                break
            await self._command("switchpool", str(pools[places[0]].number))
            pools = await self._api.listed()
        if len(pools) > len(wanted):
            await self._remove_others(wanted)

    async def _remove_others(self, wanted: Sequence[PoolLine]) -> None:
        """Take out what is not wanted, and what is there twice, once a wanted pool is worked for."""
        pools = await self._until(
            lambda pools: any(pool.active and any(map(pool.line.agrees, wanted)) for pool in pools)
        )
        while others := _others(pools, wanted):
            await self._command("removepool", str(others[-1].number))
            left = await self._api.listed()
            if len(left) >= len(pools):
                raise differs(self._miner, wanted, _lines(left))
            pools = left

    async def _until(self, condition: Callable[[Sequence[ListedPool]], bool]) -> list[ListedPool]:
        """Return the list once the condition holds, or as it is after SETTLE_S."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLE_S
        while True:
            pools = await self._api.listed()
            if condition(pools) or loop.time() >= until:
                return pools
            await asyncio.sleep(SETTLE_EVERY_S)

    # -- commands ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[None]:
        """Hold the miner's one session. A session that is not given back ends after a minute by itself."""
        row = (await self._command("logon", None)).widest
        session = row.get("SessionID")
        if not isinstance(session, str) or not session.isalnum() or len(session) > _MAX_PARAMETER_CHARS:
            raise CodecError(f"{self._miner}: expected logon to answer a session, came none")
        try:
            yield
        finally:
            with suppress(AgentError):
                await self._command("logoff", session)

    async def _command(self, name: str, parameter: str | None) -> Section:
        """Send a command and return its answer; raises DeviceError where the miner did not accept it."""
        content = {"command": name} if parameter is None else {"command": name, "parameter": parameter}
        payload = json.dumps(content).encode()
        endpoint = self._api.endpoint
        reply = await request(endpoint, payload, deadline_s=READ_DEADLINE_S, limit_bytes=REPLY_LIMIT_BYTES)
        answer = next(iter(cgminer.decode(reply).values()))
        if answer.status not in ("S", "I", "W"):
            taken = name == "logon" and "session" in answer.message.lower()
            raise (SessionTakenError if taken else DeviceError)(
                f"{self._miner}: expected {name} to be accepted, the miner answered {answer.status!r}: "
                f"{answer.message!r}; {_remedy(name)}"
            )
        return answer


def _lines(pools: Sequence[ListedPool]) -> list[PoolLine]:
    return [pool.line for pool in pools]


def _holds(lines: Sequence[PoolLine], want: PoolLine) -> bool:
    return any(map(want.agrees, lines))


def _others(pools: Sequence[ListedPool], wanted: Sequence[PoolLine]) -> list[ListedPool]:
    """Return what is not wanted, and what is there once more."""
    kept: list[PoolLine] = []
    others: list[ListedPool] = []
    for pool in pools:
        if _holds(wanted, pool.line) and not _holds(kept, pool.line):
            kept.append(pool.line)
        else:
            others.append(pool)
    return others


def _remedy(command: str) -> str:
    match command:
        case "logon":
            return "another program holds its session, which ends after a minute without use; nothing was written"
        case "removepool":
            return "it keeps the pool it works for, so see whether the wanted ones answer it; the list is half changed"
        case _:
            return "check its pool configuration"


def _parameter(line: PoolLine) -> str:
    """Return a line as `addpool` takes it. Raises PolicyError for what would fall apart into other parameters."""
    parts = (line.url, line.user, line.password)
    if any("," in part or "\\" in part or not part.isprintable() for part in parts):
        raise PolicyError(f"expected a worker without commas, came {line.user!r}; LuxOS separates parameters with them")
    parameter = ",".join(parts)
    if len(parameter) > _MAX_PARAMETER_CHARS:
        raise PolicyError(f"expected a pool and a worker of at most {_MAX_PARAMETER_CHARS} characters together")
    return parameter
