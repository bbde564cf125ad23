"""A change that a miner takes a moment for: looked for again and again, for a while, and never made twice."""

import asyncio
from collections.abc import Awaitable, Callable

from agent.model.errors import AgentError, RefusedError, TransportError

EVERY_S = 3.0
WITHIN_S = 40.0
"""Mining processes that start anew for it do not answer at once."""


async def attempted(command: Awaitable[None]) -> TransportError | None:
    """Send a command; return the error in which its answer was lost, None where it was accepted; raise any other."""
    try:
        await command
    except RefusedError:
        raise
    except TransportError as error:
        return error
    return None


async def settled(is_so: Callable[[], Awaitable[bool]], wanted: str, lost: AgentError | None) -> None:
    """Return once it is so.

    Args:
        is_so: looks; errors of the agent's tree are looks that failed.
        wanted: what is expected, for the error.
        lost: the error in which the command's answer was lost, if it was.

    Raises:
        TransportError: the command was accepted and it is not so yet: a process that starts anew for it may yet make it
            so. Otherwise `lost`, or the last look's error.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + WITHIN_S
    while True:
        failed: AgentError | None = None
        try:
            if await is_so():
                return
        except AgentError as error:
            failed = error
        if loop.time() >= until:
            raise (
                failed
                or lost
                or TransportError(f"{wanted}; it was accepted, and is not so after {WITHIN_S:g} s: the outcome is open")
            )
        await asyncio.sleep(EVERY_S)
