"""A simulated managed switch: the standard interface tables (IF-MIB) over the plant's network. It takes no writes."""

from collections.abc import Iterator
from typing import Final

from agent.model.topology import Port, Switch
from simulators.devices.snmp_ber import Oid
from simulators.devices.snmp_mib import MibObject, constant, counter, integer
from simulators.plant.network import NetworkPlant

SWITCH_OBJECT_ID: Final[Oid] = (1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)
SWITCH_DESCR: Final = "Simulated access switch"
_INTERFACES: Final[Oid] = (1, 3, 6, 1, 2, 1, 2, 2, 1)
_LONG_COUNTERS: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)


def switch_objects(switch: Switch, network: NetworkPlant, *, long_counters: bool = True) -> Iterator[MibObject]:
    """Make the objects of one switch; an old one has no 64-bit counters."""
    yield constant((1, 3, 6, 1, 2, 1, 2, 1, 0), switch.port_count)
    for number in range(1, switch.port_count + 1):
        yield from _port_objects(Port(switch.id, number), network, long_counters)


def _port_objects(port: Port, network: NetworkPlant, long_counters: bool) -> Iterator[MibObject]:
    yield constant((*_INTERFACES, 1, port.number), port.number)
    yield constant((*_INTERFACES, 2, port.number), f"ge-0/0/{port.number}")
    yield constant((*_INTERFACES, 7, port.number), 1)
    yield integer((*_INTERFACES, 8, port.number), lambda: 1 if network.port_up(port) else 2)
    yield counter((*_INTERFACES, 10, port.number), lambda: network.in_octets(port), bits=32)
    if long_counters:
        yield counter((*_LONG_COUNTERS, 6, port.number), lambda: network.in_octets(port))
