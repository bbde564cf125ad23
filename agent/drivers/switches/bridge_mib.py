"""The bridge in a switch, over SNMP: how it numbers ports, which VLAN they are in, where each MAC address was heard.

BRIDGE-MIB (RFC 4188) and Q-BRIDGE-MIB (RFC 4363). A bridge counts its ports in its own way; here they are told by
ifIndex. Nothing is ever written.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from agent.drivers.snmp import SnmpAccess, SnmpClient, Value, row_index
from agent.model.errors import DeviceError
from agent.model.topology import Switch

BASE_PORT_IF_INDEX: Final = "1.3.6.1.2.1.17.1.4.1.2"
PVID: Final = "1.3.6.1.2.1.17.7.1.4.5.1.1"
FDB_PORT: Final = "1.3.6.1.2.1.17.4.3.1.2"
"""dot1dTpFdbPort: indexed by the MAC address; 0 where it is known and was not heard."""
VLAN_FDB_PORT: Final = "1.3.6.1.2.1.17.7.1.2.2.1.2"
"""dot1qTpFdbPort: the same for each VLAN; indexed by VLAN and MAC address."""
_MAC_OCTETS: Final = 6


class Bridge:
    """Read one switch's bridge. Ports beyond those of the inventory, such as uplinks, are left out."""

    def __init__(self, switch: Switch, access: SnmpAccess, client: SnmpClient) -> None:
        self._switch = switch
        self._access = access
        self._client = client
        self._ports: dict[int, int] = {}

    async def pvids(self) -> dict[int, int]:
        """Return the VLAN of frames without a tag by port; nothing where the switch does not tell."""
        if not self._ports:
            await self._learn_ports()
        if not self._ports:
            return {}
        wanted = [str(bridge_port) for bridge_port in self._ports]
        table = await self._client.walk(self._switch.host, self._access, [PVID], wanted)
        if not table:
            self._ports.clear()  # it may number its ports otherwise by now
        return {
            self._ports[bridge_port]: pvid
            for (bridge_port,), pvid in _rows(table, PVID, 1)
            if bridge_port in self._ports and isinstance(pvid, int)
        }

    async def locate(self) -> Mapping[str, int]:
        """Return on which port each MAC address was last heard, as `02:54:48:01:01:07` → port.

        Raises DeviceError where the switch has no table of them, CodecError where that is longer than any we know.
        """
        await self._learn_ports()
        if not self._ports:
            raise DeviceError(
                f"{self._switch.id}: expected the ports of its bridge at {BASE_PORT_IF_INDEX}, it lists none of them: "
                "check what this login may see"
            )
        column, length = VLAN_FDB_PORT, 1 + _MAC_OCTETS
        table = await self._client.walk(self._switch.host, self._access, [column])
        if not table:
            column, length = FDB_PORT, _MAC_OCTETS
            table = await self._client.walk(self._switch.host, self._access, [column])
        found: dict[str, int] = {}
        for index, bridge_port in _rows(table, column, length):
            octets = index[-_MAC_OCTETS:]
            if bridge_port in self._ports and max(octets) <= 0xFF:
                found[":".join(f"{octet:02x}" for octet in octets)] = self._ports[int(bridge_port)]
        return found

    async def _learn_ports(self) -> None:
        table = await self._client.walk(self._switch.host, self._access, [BASE_PORT_IF_INDEX])
        self._ports = {
            bridge_port: if_index
            for (bridge_port,), if_index in _rows(table, BASE_PORT_IF_INDEX, 1)
            if isinstance(if_index, int) and 1 <= if_index <= self._switch.port_count
        }


def _rows(table: Mapping[str, Value], column: str, length: int) -> Iterator[tuple[tuple[int, ...], Value]]:
    """Yield index and value of the rows of a column whose index has that many parts."""
    for oid, value in table.items():
        index = row_index(column, oid)
        parts = tuple(map(int, index.split("."))) if index else ()
        if len(parts) == length:
            yield parts, value
