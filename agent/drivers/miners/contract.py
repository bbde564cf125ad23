"""What a miner family's driver must offer."""

from dataclasses import dataclass
from typing import Protocol

from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner


@dataclass(frozen=True, slots=True)
class MinerLogin:
    """How to log in to a family's control interface.

    Attributes:
        credential: the name of the secret, not the secret.
    """

    user: str
    credential: str


class MinerDriver(Protocol):
    """One family's protocol. It does not poll and it does not judge.

    Observe sends `request` and hands the reply to `decode`. A control that returns only means that the device accepted
    the command; whether it took effect is seen in the next polls.
    """

    @property
    def family(self) -> Family:
        """Return the family it speaks for."""
        ...

    @property
    def port(self) -> int:
        """Return the TCP port of the telemetry API."""
        ...

    @property
    def request(self) -> bytes:
        """Return the one joined telemetry command of a poll."""
        ...

    def decode(self, reply: bytes) -> Telemetry:
        """Return what the reply tells.

        Raises CodecError for garbage and DeviceError where the API answered an error in place of telemetry.
        """
        ...

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Ask whether it was told to sleep, where the poll's reply does not say; None where it cannot be told.

        Raises an error of the agent's tree where the answer was lost.
        """
        ...

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process; raises an error of the agent's tree where that was not accepted."""
        ...

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board; raises an error of the agent's tree where that was not accepted."""
        ...
