"""What a miner family's driver must offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool


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

    async def mac_at(self, host: str) -> str | None:
        """Ask whatever stands at an address for its hardware address; None where it does not say.

        Raises an error of the agent's tree where it is no such device, or the answer was lost.
        """
        ...

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process; raises an error of the agent's tree where that was not accepted."""
        ...

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board; raises an error of the agent's tree where that was not accepted."""
        ...

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Have the miner's pool list be exactly these, in this order, each under that worker, and work for the first.

        Pools beyond the firmware's slots are left out. Nothing is written where it is so already; passwords that the
        miner shows are kept. The list is read back; which pool is worked for in the end is seen in the next polls, as
        some firmware starts another mining process for it.

        Raises:
            PolicyError: the list is not one to configure, or the miner's is not one to change; nothing was written.
            DeviceError: the device said no, or its list is another afterwards.
            CodecError: the device answered garbage.
            RefusedError, SilentError, TransportError: the wire was lost, and the list was not seen to be as wanted.
        """
        ...

    async def derate(self, miner: Miner, share: float) -> None:
        """Have it run at that share of its nominal power, 1 for in full, or at the nearest below that it knows.

        Nothing is written where it is so already, and what was written is read back. It may start its mining process
        anew.

        Raises PolicyError where the firmware knows no such thing, else as `switch_pool` does.
        """
        ...

    async def sleep(self, miner: Miner) -> None:
        """Have it stop hashing until it is woken; as `derate` in all else."""
        ...

    async def wake(self, miner: Miner) -> None:
        """Have it hash again that was told to sleep; as `derate` in all else."""
        ...
