"""PDU drivers: the interface every PDU is used through, and the choice of the driver for one.

SNMP is one way to reach a PDU; one spoken to over HTTP gets a driver of its own behind the same protocol.
"""

from typing import Protocol

from agent.drivers.pdus.profile import load_profile, profile_names
from agent.drivers.pdus.snmp_pdu import SnmpPdu
from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.model.telemetry import PduReading
from agent.model.topology import Pdu

__all__ = ["PduDriver", "pdu_driver", "profile_names"]


class PduDriver(Protocol):
    """One PDU. Raises the AgentError tree only; every call ends within its own deadlines."""

    async def identify(self) -> str:
        """Return what the device says it is; raises DeviceError where that is not what the inventory says."""
        ...

    async def read(self) -> PduReading:
        """Read every outlet and every bank."""
        ...

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch one outlet and return once it is verified.

        Raises DeviceError where it was seen not to have happened, TransportError where the outcome is unknown,
        PolicyError where nothing was sent.
        """
        ...


def pdu_driver(pdu: Pdu, access: SnmpAccess, client: SnmpClient) -> PduDriver:
    """Return the driver for a PDU of the inventory; PolicyError for a profile nobody knows, listing the known ones."""
    return SnmpPdu(pdu, load_profile(pdu.profile), access, client)
