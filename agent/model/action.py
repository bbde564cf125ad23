"""What the agent can do to the world. An action sets a state, it never toggles one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import msgspec

from agent.model.ids import CoolingUnitId, ImageId, MinerId, PoolId
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
    REBIND = "rebind"
    """Find the miner by its hardware address at another address of the site, and look for it there from then on."""
    COLLECT_LOGS = "collect_logs"
    """Copy what the miner has written of its troubles, before something erases it."""
    FLASH = "flash"
    """Put the named firmware image into the miner and have it started; whether it runs is verified by another."""
    VERIFY_FIRMWARE = "verify_firmware"
    """See that the miner runs the named image's version. Changes nothing."""
    DERATE = "derate"
    """Have every target run at a share of its nominal power, and read that back; a share of 1 is in full again."""
    SLEEP = "sleep"
    """Have every target stop hashing until it is woken, and read that back."""
    WAKE = "wake"
    """Have every target hash again that was told to sleep, and read that back."""
    SET_SUPPLY = "set_supply"
    """Have a cooling unit aim at another supply temperature: one write, read back."""
    SET_FLOW = "set_flow"
    """Have a cooling unit aim at another flow: one write, read back."""


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
    Verb.SWITCH_POOL: VerbTraits(Risk.SOFT, Repeat.SAFE, 130.0),
    Verb.BOUNCE_PORT: VerbTraits(Risk.SOFT, Repeat.SAFE, 90.0),
    Verb.REBIND: VerbTraits(Risk.OBSERVE, Repeat.SAFE, 180.0),
    Verb.COLLECT_LOGS: VerbTraits(Risk.OBSERVE, Repeat.SAFE, 120.0),
    Verb.FLASH: VerbTraits(Risk.FLASH, Repeat.PROBE, 2400.0),
    Verb.VERIFY_FIRMWARE: VerbTraits(Risk.OBSERVE, Repeat.SAFE, 60.0),
    Verb.DERATE: VerbTraits(Risk.SOFT, Repeat.SAFE, 60.0),
    Verb.SLEEP: VerbTraits(Risk.SOFT, Repeat.SAFE, 60.0),
    Verb.WAKE: VerbTraits(Risk.SOFT, Repeat.SAFE, 60.0),
    Verb.SET_SUPPLY: VerbTraits(Risk.COOLING, Repeat.PROBE, 30.0),
    Verb.SET_FLOW: VerbTraits(Risk.COOLING, Repeat.PROBE, 30.0),
}


DISRUPTIVE = frozenset({Verb.REBOOT, Verb.POWER_OFF, Verb.FLASH})
"""What takes a miner out of service for minutes, whether or not it was in service."""


TOGETHER = 64
"""Miners that are told something at the same time."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do to one miner, or to many.

    Attributes:
        miner: the target; the first of them where there are several.
        outlets: filled for power verbs and never empty there.
        others: the targets after the first, for verbs that take several.
        pool: which pool to work for, for SWITCH_POOL.
        image: which firmware image, for FLASH and VERIFY_FIRMWARE.
        share: of the nominal power, 0 < share ≤ 1, for DERATE.
        unit: the cooling unit, for SET_SUPPLY and SET_FLOW; `miner` is then one that it cools.
        supply_c, flow_lpm: what it is to aim at, in °C and L/min.
        was: what it aims at before, by the last reading. A unit found to aim at anything else is left alone: somebody
            else has moved it.
    """

    verb: Verb
    miner: MinerId
    outlets: tuple[Outlet, ...] = ()
    others: tuple[MinerId, ...] = ()
    pool: PoolId | None = None
    image: ImageId | None = None
    share: float | None = None
    unit: CoolingUnitId | None = None
    supply_c: float | None = None
    flow_lpm: float | None = None
    was: float | None = None

    @property
    def targets(self) -> tuple[MinerId, ...]:
        """Every miner it is done to; none where it is done to a cooling unit."""
        return () if self.unit is not None else (self.miner, *self.others)

    @property
    def disrupts(self) -> bool:
        """Whether it takes its miners out of service for a while."""
        return self.verb in DISRUPTIVE

    @property
    def traits(self) -> VerbTraits:
        """The verb's declared properties."""
        return VERB_TRAITS[self.verb]

    @property
    def limit_s(self) -> float:
        """How long it may take, in s: its verb's time for each outlet, or for each batch of targets."""
        batches = -(-len(self.targets) // TOGETHER)
        return self.traits.timeout_s * max(1, len(self.outlets), batches)


class Result(StrEnum):
    """How an action settled."""

    OK = "ok"
    """Done and verified as far as the actuator can verify it."""
    FAILED = "failed"
    """Seen not to have happened."""
    UNKNOWN = "unknown"
    """The wire was lost in between."""
