"""Taking a switch port down and up again over SNMP, so that it is never left down.

A SET is one datagram that nobody repeats, and its reply may be lost; setting a state twice does no harm. So the port is
looked at after every SET, and what began with "down" ends with a port that was seen to be up, however often that takes.
Which ports may be bounced is not decided here.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from agent.drivers.snmp import SnmpAccess, SnmpClient, Value
from agent.model.errors import AgentError, DeviceError, PolicyError, TransportError
from agent.model.topology import Port

IF_ADMIN_STATUS: Final = "1.3.6.1.2.1.2.2.1.7"
IF_OPER_STATUS: Final = "1.3.6.1.2.1.2.2.1.8"
UP: Final = 1
DOWN: Final = 2
"""Values of both (IF-MIB, RFC 2863)."""

DOWN_S: Final = 5.0
"""How long the port stays down: long enough for both ends to see the link go. An estimate."""
LINK_S: Final = 20.0
"""A link comes back within 2 to 4 s, and with the switch's loop protection in its way within 20. An estimate."""
LOOK_EVERY_S: Final = 1.0
SETTLE_S: Final = 5.0
"""Within this an accepted SET shows in what is read back."""
AGAIN_S: Final = 5.0
GIVE_UP_S: Final = 600.0
"""How often, and for how long at most, a port that is not seen to be up is set to be up."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    """One port as just read: what is wanted of it, and whether it has a link."""

    wanted: Value
    link: Value


class PortBouncer:
    """Bounce ports of one switch, each by its ifIndex.

    Args:
        down_s: how long a port stays down.
    """

    def __init__(self, host: str, access: SnmpAccess, client: SnmpClient, *, down_s: float = DOWN_S) -> None:
        self._host = host
        self._down_s = down_s
        self._access = access
        self._client = client
        self._raising: dict[Port, asyncio.Task[None]] = {}

    async def bounce(self, port: Port) -> None:
        """Take a port down, see that, and bring it up again; return once its link is back.

        Who stops waiting for it, does not stop the part that brings it up.

        Raises:
            PolicyError: it is down already, or being bounced; nothing was done.
            DeviceError: the switch refused, or what it accepted did not happen, or the link did not come back.
            TransportError: nobody could look.
        """
        if port in self._raising:
            raise PolicyError(f"{port}: it is still being brought up after another bounce; wait for that to end")
        if (await self._look(port)).wanted != UP:
            raise PolicyError(f"{port}: expected it to be up administratively; somebody took it down: ask who and why")
        try:
            await self._take_down(port)
            await asyncio.sleep(self._down_s)
        finally:
            # A SET that nobody answered may still be carried out, so that this comes last whatever happened.
            await self.bring_up(port)
        await self._await_link(port)

    async def bring_up(self, port: Port) -> None:
        """Have a port administratively up; return once that was seen.

        It goes on trying for GIVE_UP_S, also when the caller no longer waits. Raises TransportError after that.
        """
        if port not in self._raising:
            task = asyncio.create_task(self._raise(port), name=f"bring up {port}")
            self._raising[port] = task
            task.add_done_callback(lambda done: self._raised(port, done))
        await asyncio.shield(self._raising[port])

    # -- down ----------------------------------------------------------------------------------------------------------

    async def _take_down(self, port: Port) -> None:
        """Set it down, once, and see that it is."""
        reply: AgentError | None = None
        try:
            await self._set(port, DOWN)
        except AgentError as error:
            reply = error
        until = asyncio.get_running_loop().time() + SETTLE_S
        while (await self._look(port)).wanted != DOWN:
            if reply is not None:
                raise reply
            if asyncio.get_running_loop().time() >= until:
                raise DeviceError(
                    f"{port}: the switch accepted to take it down, and {SETTLE_S:g} s later it is still up: "
                    "check whether something else manages that port"
                )
            await asyncio.sleep(LOOK_EVERY_S)

    # -- up ------------------------------------------------------------------------------------------------------------

    async def _raise(self, port: Port) -> None:
        """Set it up and look, until it was seen to be up."""
        until = asyncio.get_running_loop().time() + GIVE_UP_S
        while True:
            try:
                await self._set(port, UP)
                if (await self._look(port)).wanted == UP:
                    return
                why = "the switch accepted it and did not do it"
            except AgentError as error:
                why = str(error)
                if await self._is_up(port):
                    return
            if asyncio.get_running_loop().time() >= until:
                raise TransportError(f"{port}: MAY BE LEFT DOWN, bring it up by hand; tried for {GIVE_UP_S:g} s: {why}")
            await asyncio.sleep(AGAIN_S)

    async def _is_up(self, port: Port) -> bool:
        try:
            return (await self._look(port)).wanted == UP
        except AgentError:
            return False

    def _raised(self, port: Port, done: asyncio.Task[None]) -> None:
        self._raising.pop(port, None)
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            _log.error("port_left_down", switch=port.switch, port=port.number, why=str(error or "stopped while trying"))

    async def _await_link(self, port: Port) -> None:
        until = asyncio.get_running_loop().time() + LINK_S
        while (await self._look(port)).link != UP:
            if asyncio.get_running_loop().time() >= until:
                raise DeviceError(f"{port}: it is up again, without a link for {LINK_S:g} s: look at cable and device")
            await asyncio.sleep(LOOK_EVERY_S)

    # -- the wire ------------------------------------------------------------------------------------------------------

    async def _set(self, port: Port, value: int) -> None:
        await self._client.set(self._host, self._access, f"{IF_ADMIN_STATUS}.{port.number}", value)

    async def _look(self, port: Port) -> _Look:
        oids = [f"{IF_ADMIN_STATUS}.{port.number}", f"{IF_OPER_STATUS}.{port.number}"]
        values = await self._client.get(self._host, self._access, oids)
        return _Look(values[oids[0]], values[oids[1]])
