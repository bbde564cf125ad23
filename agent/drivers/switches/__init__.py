"""Network switch drivers: the interface, and the choice of the driver for one."""

from typing import Protocol

from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.drivers.switches.if_mib import IfMibSwitch
from agent.model.telemetry import PortReading
from agent.model.topology import Switch

__all__ = ["SwitchDriver", "switch_driver"]


class SwitchDriver(Protocol):
    """One managed switch. Raises the AgentError tree only."""

    async def read(self) -> dict[int, PortReading]:
        """Read every port, by number."""
        ...


def switch_driver(switch: Switch, access: SnmpAccess, client: SnmpClient) -> SwitchDriver:
    """Return the driver for a switch of the inventory."""
    return IfMibSwitch(switch, access, client)
