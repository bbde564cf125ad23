"""Everything that can go wrong on a simulated site: one file a group, one entry a kind."""

from collections.abc import Mapping

from simulators.faults.curtailment import CURTAILMENT_FAULTS
from simulators.faults.firmware import FIRMWARE_FAULTS, FLASHING_FAULTS
from simulators.faults.host import HOST_FAULTS
from simulators.faults.kind import FaultKind, Knob, On, miners_of
from simulators.faults.miner import MINER_FAULTS
from simulators.faults.network import NETWORK_FAULTS
from simulators.faults.parts import PART_FAULTS
from simulators.faults.pdu import PDU_FAULTS
from simulators.faults.pool import POOL_FAULTS, WORK_FAULTS
from simulators.faults.thermal import HEAT_FAULTS
from simulators.faults.wire import WIRE_FAULTS

__all__ = ["FAULT_KINDS", "FaultKind", "Knob", "On", "miners_of"]

FAULT_KINDS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kinds in (
        MINER_FAULTS,
        PART_FAULTS,
        FIRMWARE_FAULTS,
        HEAT_FAULTS,
        NETWORK_FAULTS,
        PDU_FAULTS,
        CURTAILMENT_FAULTS,
        POOL_FAULTS,
        WORK_FAULTS,
        WIRE_FAULTS,
        FLASHING_FAULTS,
        HOST_FAULTS,
    )
    for kind in kinds
}
"""Every fault kind by the name scenarios use."""
