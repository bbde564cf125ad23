"""A simulated managed switch: interface tables (IF-MIB) and those of its bridge (BRIDGE-MIB, Q-BRIDGE-MIB).

What they tell is the plant's network. A port can be taken down and up; nothing else is writable.
"""

from collections.abc import Iterator
from typing import Final

from agent.model.topology import Port, Switch
from simulators.devices.snmp_ber import Oid
from simulators.devices.snmp_mib import MibObject, Status, constant, counter, gauge, integer
from simulators.plant.network import USUAL_VLAN, NetworkPlant

SWITCH_OBJECT_ID: Final[Oid] = (1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)
SWITCH_DESCR: Final = "Simulated access switch"
BRIDGE_PORT_FIRST: Final = 513
"""The bridge counts its ports from here, so that nobody takes its numbers for those of the interface table."""
UP: Final = 1
DOWN: Final = 2
_INTERFACES: Final[Oid] = (1, 3, 6, 1, 2, 1, 2, 2, 1)
_LONG_COUNTERS: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
_BRIDGE: Final[Oid] = (1, 3, 6, 1, 2, 1, 17)
_IF_INDEX: Final[Oid] = (*_BRIDGE, 1, 4, 1, 2)
_PVID: Final[Oid] = (*_BRIDGE, 7, 1, 4, 5, 1, 1)
_FDB_PORT: Final[Oid] = (*_BRIDGE, 4, 3, 1, 2)
_VLAN_FDB_PORT: Final[Oid] = (*_BRIDGE, 7, 1, 2, 2, 1, 2)


def switch_objects(
    switch: Switch, network: NetworkPlant, *, long_counters: bool = True, vlans: bool = True
) -> Iterator[MibObject]:
    """Make the objects of one switch; an old one has no 64-bit counters, a plain one no VLANs."""
    yield constant((1, 3, 6, 1, 2, 1, 2, 1, 0), switch.port_count)
    for number in range(1, switch.port_count + 1):
        port = Port(switch.id, number)
        yield from _port_objects(port, network, long_counters)
        yield from _bridge_objects(port, network, vlans)


def _port_objects(port: Port, network: NetworkPlant, long_counters: bool) -> Iterator[MibObject]:
    yield constant((*_INTERFACES, 1, port.number), port.number)
    yield constant((*_INTERFACES, 2, port.number), f"ge-0/0/{port.number}")
    yield integer(
        (*_INTERFACES, 7, port.number),
        lambda: UP if network.admin_up(port) else DOWN,
        lambda value: _switch(port, network, value),
    )
    yield integer((*_INTERFACES, 8, port.number), lambda: UP if network.port_up(port) else DOWN)
    yield counter((*_INTERFACES, 10, port.number), lambda: network.in_octets(port), bits=32)
    yield counter((*_INTERFACES, 14, port.number), lambda: network.in_errors(port), bits=32)
    if long_counters:
        yield counter((*_LONG_COUNTERS, 6, port.number), lambda: network.in_octets(port))


def _bridge_objects(port: Port, network: NetworkPlant, vlans: bool) -> Iterator[MibObject]:
    bridge_port = BRIDGE_PORT_FIRST + port.number - 1
    yield constant((*_IF_INDEX, bridge_port), port.number)
    if vlans:
        yield gauge((*_PVID, bridge_port), lambda: network.pvid(port))
    mac = network.mac(port)
    if mac is not None:
        at = (*_VLAN_FDB_PORT, USUAL_VLAN, *mac) if vlans else (*_FDB_PORT, *mac)
        yield integer(at, lambda: bridge_port if network.heard(port) else 0)


def _switch(port: Port, network: NetworkPlant, value: int) -> Status:
    if value not in (UP, DOWN):
        return Status.WRONG_VALUE
    network.set_admin(port, value == UP)
    return Status.OK
