"""A network switch over SNMP, through the standard interface table (IF-MIB, RFC 2863).

Its bridge, and how a port is bounced, are next door.
"""

from collections.abc import Collection, Mapping
from typing import Final

from agent.drivers.snmp import SnmpAccess, SnmpClient, Value
from agent.drivers.switches.bounce import IF_ADMIN_STATUS, IF_OPER_STATUS, PortBouncer
from agent.drivers.switches.bridge_mib import Bridge
from agent.model.errors import DeviceError, PolicyError
from agent.model.telemetry import PortReading
from agent.model.topology import Port, Switch

IF_IN_OCTETS: Final = "1.3.6.1.2.1.2.2.1.10"
"""32 bits: wraps every 34 s at 1 Gbit/s; only for switches without the long counter."""
IF_HC_IN_OCTETS: Final = "1.3.6.1.2.1.31.1.1.1.6"
IF_IN_ERRORS: Final = "1.3.6.1.2.1.2.2.1.14"

CLOSE_EVERY: Final = 10
"""Every so many reads also read what is only needed to judge a fault: it costs more than the rest of the read."""

_UP: Final[Mapping[object, bool]] = {1: True, 2: False, 5: False, 6: False, 7: False}
"""ifOperStatus: up, down, dormant, notPresent, lowerLayerDown. Testing (3) and unknown (4) tell nothing."""
_ADMIN: Final[Mapping[object, bool]] = {1: True, 2: False}
"""ifAdminStatus: up, down. Testing (3) tells nothing."""


class IfMibSwitch:
    """Drive one switch. A port's number is its ifIndex.

    Args:
        may_bounce: the ports that may be switched.
    """

    def __init__(
        self, switch: Switch, access: SnmpAccess, client: SnmpClient, may_bounce: Collection[int] = ()
    ) -> None:
        self._switch = switch
        self._access = access
        self._client = client
        self._may_bounce = frozenset(may_bounce) - switch.protected
        self._bridge = Bridge(switch, access, client)
        self._bouncer = PortBouncer(switch.host, access, client)
        self._indices = [str(number) for number in range(1, switch.port_count + 1)]
        self._status, self._long, self._short, self._admin, self._errors = (
            [f"{column}.{index}" for index in self._indices]
            for column in (IF_OPER_STATUS, IF_HC_IN_OCTETS, IF_IN_OCTETS, IF_ADMIN_STATUS, IF_IN_ERRORS)
        )
        self._reads = 0

    async def read(self, *, closely: bool = False) -> dict[int, PortReading]:
        """Read link state and received octets of the ports of the inventory.

        `closely`, and at every CLOSE_EVERYth read anyway, also what is wanted of them, damaged frames, and their VLAN.
        Ports the device does not list are left out. Raises DeviceError where it lists none of them.
        """
        columns = [IF_OPER_STATUS, IF_HC_IN_OCTETS]
        table = await self._client.walk(self._switch.host, self._access, columns, self._indices)
        octets = self._long
        if not any(oid in table for oid in octets):
            octets = self._short
            table |= await self._client.walk(self._switch.host, self._access, [IF_IN_OCTETS], self._indices)
        if not any(status in table for status in self._status):
            raise DeviceError(
                f"{self._switch.id}: expected ports 1 to {self._switch.port_count} in its interface table, it lists "
                "none of them: check the inventory's port numbers against ifIndex, and what this login may see"
            )
        pvids: Mapping[int, int] = {}
        closely = closely or self._reads % CLOSE_EVERY == 0
        self._reads += 1
        if closely:
            rare = [IF_ADMIN_STATUS, IF_IN_ERRORS]
            table |= await self._client.walk(self._switch.host, self._access, rare, self._indices)
            pvids = await self._bridge.pvids()
        rows = enumerate(zip(self._status, octets, self._admin, self._errors, strict=True), start=1)
        return {
            number: PortReading(
                _UP.get(table[status]),
                _count(table.get(received)),
                _ADMIN.get(table.get(admin)),
                _count(table.get(damaged)),
                pvids.get(number),
            )
            for number, (status, received, admin, damaged) in rows
            if status in table
        }

    async def locate(self) -> Mapping[str, int]:
        """Return on which port of the inventory each MAC address was last heard, as `02:54:48:01:01:07` → port."""
        return await self._bridge.locate()

    async def bounce(self, port: int) -> None:
        """Take a port down administratively and up again; return once its link is back.

        Whatever happens, the port is not left down: see `PortBouncer`.

        Raises:
            PolicyError: this port, or this switch, is not ours to switch; nothing was done.
            DeviceError: it was refused, or seen not to work. TransportError: nobody could look.
        """
        self._check(port)
        await self._bouncer.bounce(Port(self._switch.id, port))

    async def bring_up(self, port: int) -> None:
        """Have a port administratively up, as after a bounce that was begun and not ended; raises as `bounce` does."""
        self._check(port)
        await self._bouncer.bring_up(Port(self._switch.id, port))

    def _check(self, port: int) -> None:
        where = Port(self._switch.id, port)
        if port in self._switch.protected:
            raise PolicyError(f"{where}: it is protected; take it off protected_ports if it may be switched")
        if port not in self._may_bounce:
            raise PolicyError(f"{where}: no miner of the inventory is behind it, and such a port is never switched")
        if self._access.version == "2c" and self._access.write_community is None:
            raise PolicyError(
                f"{where}: this switch may only be read: add write_community to its snmp, or a version 3 user that may "
                "write, if ports may be switched"
            )


def _count(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None
