"""The part of each driver that observe uses: reading. Typed so, no code of this stage can act on a device."""

from typing import Protocol

from agent.model.telemetry import CoolingReading, PduReading, PortReading, Telemetry
from agent.model.topology import Miner


class MinerSource(Protocol):
    """One miner family's telemetry: what to send, and what the reply tells."""

    @property
    def port(self) -> int:
        """Return the TCP port of the telemetry API."""
        ...

    @property
    def request(self) -> bytes:
        """Return the one joined telemetry command of a poll."""
        ...

    def decode(self, reply: bytes) -> Telemetry:
        """Return what the reply tells; raises CodecError for garbage, DeviceError where an error came instead."""
        ...

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Ask whether it was told to sleep; None where it cannot tell. Raises an error of the agent's tree."""
        ...


class PduSource(Protocol):
    """One PDU."""

    async def read(self) -> PduReading:
        """Return every outlet and bank; raises an error of the agent's tree."""
        ...


class SwitchSource(Protocol):
    """One network switch."""

    async def read(self, *, closely: bool = False) -> dict[int, PortReading]:
        """Return every port by its number, `closely` with all that can be read; raises an error of the agent's tree."""
        ...


class CoolingSource(Protocol):
    """One cooling unit."""

    async def read(self) -> CoolingReading:
        """Return what it tells; raises an error of the agent's tree."""
        ...
