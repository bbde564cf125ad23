"""Network switch drivers: the interface, and the choice of the driver for one."""

from collections.abc import Collection, Mapping
from typing import Protocol

from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches.if_mib import IfMibSwitch
from agent.model.telemetry import PortReading
from agent.model.topology import Switch

__all__ = ["SwitchDriver", "switch_driver"]


class SwitchDriver(Protocol):
    """One managed switch. Raises the AgentError tree only."""

    async def read(self, *, closely: bool = False) -> dict[int, PortReading]:
        """Read every port, by number; `closely`: what is needed to judge a fault, too."""
        ...

    async def locate(self) -> Mapping[str, int]:
        """Return on which port each MAC address was last heard."""
        ...

    async def bounce(self, port: int) -> None:
        """Take a port down administratively and up again; return once its link is back."""
        ...

    async def bring_up(self, port: int) -> None:
        """Have a port administratively up, as after a bounce that was begun and not ended."""
        ...


def switch_driver(
    switch: Switch, access: SnmpAccess, client: SnmpClient, may_bounce: Collection[int] = ()
) -> SwitchDriver:
    """Return the driver for a switch of the inventory.

    Only the ports `may_bounce` are ever switched: give it those with a miner behind them that are not protected.
    """
    return IfMibSwitch(switch, access, client, may_bounce)
