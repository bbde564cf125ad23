"""What the agent can do to the world. An action sets a state, it never toggles one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import msgspec

from agent.model.ids import ImageId, MinerId, PoolId
from agent.model.topology import Outlet


class Risk(IntEnum):
    """How much an action can hurt; the trust ladder is set per risk."""

    OBSERVE = 0
    SOFT = 1
    REBOOT = 2
    POWER = 3
    COOLING = 4
    FLASH = 5


class Repeat(StrEnum):
    """What to do with an action whose outcome is unknown after a crash or a lost reply."""

    SAFE = "safe"
    """Doing it again sets the same state."""
    PROBE = "probe"
    """Look at the world first; do it again only if it did not happen."""


class Verb(StrEnum):
    """The closed list of what can be done."""

    RESTART = "restart"
    """Restart the mining process."""
    REBOOT = "reboot"
    """Reboot the control board through its own management interface."""
    POWER_OFF = "power_off"
    """Open every listed outlet and verify state and current."""
    POWER_ON = "power_on"
    """Close every listed outlet in sequence and verify each."""
    SWITCH_POOL = "switch_pool"
    """Have every target work for the named pool, with its group's others behind it, and read that back."""
    BOUNCE_PORT = "bounce_port"
    """Take the miner's switch port down administratively and up again, and see its link come back."""
    COLLECT_LOGS = "collect_logs"
    """Copy what the miner has written of its troubles, before something erases it."""
    FLASH = "flash"
    """Put the named firmware image into the miner and have it started; whether it runs is verified by another."""
    VERIFY_FIRMWARE = "verify_firmware"
    """See that the miner runs the named image's version. Changes nothing."""


@dataclass(frozen=True, slots=True)
class VerbTraits:
    """Declared properties of a verb.

    Attributes:
        timeout_s: an action that has not settled by then is settled as unknown.
    """

    risk: Risk
    repeat: Repeat
    timeout_s: float


VERB_TRAITS: Mapping[Verb, VerbTraits] = {
    Verb.RESTART: VerbTraits(Risk.SOFT, Repeat.PROBE, 60.0),
    Verb.REBOOT: VerbTraits(Risk.REBOOT, Repeat.PROBE, 60.0),
    Verb.POWER_OFF: VerbTraits(Risk.POWER, Repeat.SAFE, 120.0),
    Verb.POWER_ON: VerbTraits(Risk.POWER, Repeat.SAFE, 120.0),
    Verb.SWITCH_POOL: VerbTraits(Risk.SOFT, Repeat.SAFE, 60.0),
    Verb.BOUNCE_PORT: VerbTraits(Risk.SOFT, Repeat.SAFE, 90.0),
    Verb.COLLECT_LOGS: VerbTraits(Risk.OBSERVE, Repeat.SAFE, 120.0),
    Verb.FLASH: VerbTraits(Risk.FLASH, Repeat.PROBE, 2400.0),
    Verb.VERIFY_FIRMWARE: VerbTraits(Risk.OBSERVE, Repeat.SAFE, 60.0),
}


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do to one miner, or to many.

    Attributes:
        miner: the target; the first of them where there are several.
        outlets: filled for power verbs and never empty there.
        others: the targets after the first, for verbs that take several.
        pool: which pool to work for, for SWITCH_POOL.
        image: which firmware image, for FLASH and VERIFY_FIRMWARE.
    """

    verb: Verb
    miner: MinerId
    outlets: tuple[Outlet, ...] = ()
    others: tuple[MinerId, ...] = ()
    pool: PoolId | None = None
    image: ImageId | None = None

    @property
    def targets(self) -> tuple[MinerId, ...]:
        """Every miner it is done to."""
        return (self.miner, *self.others)

    @property
    def traits(self) -> VerbTraits:
        """The verb's declared properties."""
        return VERB_TRAITS[self.verb]


class Result(StrEnum):
    """How an action settled."""

    OK = "ok"
    """Done and verified as far as the actuator can verify it."""
    FAILED = "failed"
    """Seen not to have happened."""
    UNKNOWN = "unknown"
    """The wire was lost in between."""
