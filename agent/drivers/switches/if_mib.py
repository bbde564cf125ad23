"""A network switch over SNMP, read through the standard interface table (IF-MIB, RFC 2863). Nothing is ever written."""

from collections.abc import Mapping
from typing import Final

from agent.drivers.snmp import SnmpAccess, SnmpClient, Value
from agent.model.errors import DeviceError
from agent.model.telemetry import PortReading
from agent.model.topology import Switch

IF_OPER_STATUS: Final = "1.3.6.1.2.1.2.2.1.8"
IF_IN_OCTETS: Final = "1.3.6.1.2.1.2.2.1.10"
"""32 bits: wraps every 34 s at 1 Gbit/s; only for switches without the long counter."""
IF_HC_IN_OCTETS: Final = "1.3.6.1.2.1.31.1.1.1.6"

_UP: Final[Mapping[object, bool]] = {1: True, 2: False, 5: False, 6: False, 7: False}
"""ifOperStatus: up, down, dormant, notPresent, lowerLayerDown. Testing (3) and unknown (4) tell nothing."""


class IfMibSwitch:
    """Read one switch. A port's number is its ifIndex."""

    def __init__(self, switch: Switch, access: SnmpAccess, client: SnmpClient) -> None:
        self._switch = switch
        self._access = access
        self._client = client
        self._indices = [str(number) for number in range(1, switch.port_count + 1)]
        self._status, self._long, self._short = (
            [f"{column}.{index}" for index in self._indices]
            for column in (IF_OPER_STATUS, IF_HC_IN_OCTETS, IF_IN_OCTETS)
        )

    async def read(self) -> dict[int, PortReading]:
        """Read link state and received octets of the ports of the inventory.

        Ports the device does not list are left out. Raises DeviceError where it lists none of them.
        """
        columns = [IF_OPER_STATUS, IF_HC_IN_OCTETS]
        table = await self._client.walk(self._switch.host, self._access, columns, self._indices)
        octets = self._long
        if not any(oid in table for oid in octets):
            octets = self._short
            table |= await self._client.walk(self._switch.host, self._access, [IF_IN_OCTETS], self._indices)
        ports = {
            number: PortReading(_UP.get(table[status]), _count(table.get(received)))
            for number, (status, received) in enumerate(zip(self._status, octets, strict=True), start=1)
            if status in table
        }
        if not ports:
            raise DeviceError(
                f"{self._switch.id}: expected ports 1 to {self._switch.port_count} in its interface table, it lists "
                "none of them: check the inventory's port numbers against ifIndex, and what this login may see"
            )
        return ports


def _count(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None
