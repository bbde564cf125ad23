"""What must hold along every run of every playbook, one small object each. The explorer that checks them is in verify.

A property watches a run through an abstract state of its own: it begins with one, each move of the run makes it
another, and at the run's end it says whether the promise was kept. Abstract states are compared and hashed, and there
must be few of them: the explorer visits every pair of a playbook's state and an abstract one.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from agent.model.action import VERB_TRAITS, Result, Risk, Verb
from agent.model.incident import Category
from agent.model.loops import STEPS
from agent.model.playbook import Act, Playbook
from agent.remediate.graph import End, Exit

A = TypeVar("A", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Kept:
    """The promise was kept; `how` is a word or two by which ends are told apart."""

    how: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The promise was broken; `why` goes on from "this run …"."""

    why: str


@dataclass(frozen=True, slots=True)
class Property(Generic[A]):
    """One promise.

    Attributes:
        claim: what it promises, in one line.
        initial: the abstract state a run begins with.
        step: the abstract state after one more move, or Broken.
        at_end: the verdict where a run ends.
    """

    name: str
    claim: str
    initial: A
    step: Callable[[A, Exit], A | Broken]
    at_end: Callable[[A, End], Kept | Broken]


class Outlets(StrEnum):
    """What is known of the outlets of the incident's miner, from what its run did to them."""

    AS_FOUND = "as found"
    ON = "on again"
    OFF = "off"
    UNKNOWN = "perhaps off"


OWED = "owed"
"""The run is over and the outlets are not known to be on; switching on was recorded as a duty with the switch-off, and
the agent goes on trying after the run (agent.remediate.duty)."""


def outlets(_: Playbook) -> Property[tuple[Outlets, bool]]:
    """Promise that no run leaves an outlet off.

    Every end finds the outlets as they were or seen to be on again; an escalation may also leave it to the recorded
    duty, once the run itself has tried. Where a run is handed over from outside, the duty alone is enough: the run was
    not asked. An act that failed may have switched one of two outlets. The flag says that the run has tried.
    """

    def step(known: tuple[Outlets, bool], way: Exit) -> tuple[Outlets, bool]:
        was, _ = known
        if way.verb is Verb.POWER_OFF:
            return (Outlets.OFF if way.result is Result.OK else Outlets.UNKNOWN), False
        if way.verb is not Verb.POWER_ON:
            return known
        if way.result is Result.OK:
            return Outlets.ON, True
        return (Outlets.UNKNOWN, True) if was in (Outlets.OFF, Outlets.UNKNOWN) else known

    def at_end(known: tuple[Outlets, bool], end: End) -> Kept | Broken:
        was, tried = known
        if was in (Outlets.AS_FOUND, Outlets.ON):
            return Kept(was.value)
        if end is End.HANDED_OVER or (end is End.ESCALATED and tried):
            return Kept(OWED)
        untried = "" if tried else ", and never tries to switch on what it may have switched off"
        return Broken(f"is {end} with its outlets {was}{untried}")

    return Property(
        "outlets",
        "every run ends with the outlets on, or escalates with a recorded duty to switch them on",
        (Outlets.AS_FOUND, False),
        step,
        at_end,
    )


def attempts(playbook: Playbook) -> Property[tuple[tuple[Verb, int], ...]]:
    """Promise that no run does a thing more often than the table has states that do it.

    A table declares a second attempt by writing it as a state of its own; a run that gets around twice breaks that.
    """
    declared = Counter(step.verb for step in playbook.steps.values() if isinstance(step, Act))

    def step(known: tuple[tuple[Verb, int], ...], way: Exit) -> tuple[tuple[Verb, int], ...] | Broken:
        if way.verb is None:
            return known
        done = Counter(dict(known))
        done[way.verb] += 1
        if done[way.verb] > declared[way.verb]:
            return Broken(f"does {way.verb} a {done[way.verb]}. time; {declared[way.verb]} in a run are written out")
        return tuple(sorted(done.items()))

    return Property(
        "attempts",
        "no run does a thing more often than the table has states that do it",
        (),
        step,
        lambda _, __: Kept("kept"),
    )


RISK_EXEMPT = frozenset(
    {
        Verb.POWER_ON,
        Verb.SWITCH_POOL,
        Verb.COLLECT_LOGS,
        Verb.VERIFY_FIRMWARE,
        Verb.DERATE,
        Verb.SLEEP,
        Verb.WAKE,
    }
)
"""What puts back what was taken, voltage or pools, what only looks, and what takes heat away: never too much."""


def risk(_: Playbook) -> Property[Risk]:
    """Promise that a run goes from the mild to the invasive: nothing is done after something riskier."""

    def step(known: Risk, way: Exit) -> Risk | Broken:
        if way.verb is None or way.verb in RISK_EXEMPT:
            return known
        taken = VERB_TRAITS[way.verb].risk
        if taken < known:
            return Broken(
                f"does {way.verb}, of risk {taken.name.lower()}, after something of risk {known.name.lower()}"
            )
        return taken

    return Property(
        "risk",
        "no action comes after a riskier one; what puts back, only looks or takes heat away is exempt",
        Risk.OBSERVE,
        step,
        lambda _, __: Kept("kept"),
    )


GENTLE = frozenset({Category.POOL, Category.NETWORK, Category.REJECTS, Category.THERMAL})
"""What is wrong there is not in the miner, or not to be cured by taking its power away."""

_HARSH = frozenset({Risk.REBOOT, Risk.POWER, Risk.FLASH})


def gentle(playbook: Playbook) -> Property[bool]:
    """Promise that no miner is rebooted or power-cycled for its pool, its network or its rejects.

    The abstract state says nothing; what counts is each move by itself.
    """

    def step(known: bool, way: Exit) -> bool | Broken:
        if way.verb is None or playbook.category not in GENTLE or VERB_TRAITS[way.verb].risk not in _HARSH:
            return known
        return Broken(f"does {way.verb} for an incident of the class {playbook.category}")

    return Property(
        "gentle",
        "nobody is rebooted or power-cycled for a pool, a network, rejects or heat",
        True,
        step,
        lambda _, __: Kept("kept"),
    )


class Firmware(StrEnum):
    """What is known of the firmware of the incident's miner, from what its run did to it."""

    AS_FOUND = "as found"
    UNVERIFIED = "perhaps being written"
    VERIFIED = "verified"


DISTURBS = frozenset({Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF, Verb.BOUNCE_PORT, Verb.FLASH, Verb.SWITCH_POOL})
"""What may cut a flash short, or make two of it."""


def flashes(_: Playbook) -> Property[tuple[Firmware, bool]]:
    """Promise that no run leaves a flash unverified, nor disturbs one that may be under way.

    A run is resolved only with the version verified. An escalation may leave it open, once the run has itself asked:
    its image is then frozen and its miner left alone (agent.guard.flash). Where a run is handed over from outside, that
    alone is enough: the run was not asked. The flag says that the run has asked.
    """

    def step(known: tuple[Firmware, bool], way: Exit) -> tuple[Firmware, bool] | Broken:
        was, _ = known
        if was is Firmware.UNVERIFIED and way.verb in DISTURBS:
            return Broken(f"does {way.verb} while a flash may be under way")
        if was is Firmware.VERIFIED and way.verb is Verb.FLASH:
            return Broken("flashes a second time")
        if way.verb is Verb.FLASH and way.result is not Result.FAILED:
            return Firmware.UNVERIFIED, False
        if way.verb is Verb.VERIFY_FIRMWARE and was is Firmware.UNVERIFIED:
            return (Firmware.VERIFIED, True) if way.result is Result.OK else (was, True)
        return known

    def at_end(known: tuple[Firmware, bool], end: End) -> Kept | Broken:
        was, asked = known
        if was is not Firmware.UNVERIFIED:
            return Kept(was.value)
        if end is End.HANDED_OVER or (end is End.ESCALATED and asked):
            return Kept(FROZEN)
        untried = "" if asked else ", and never asks what became of it"
        return Broken(f"is {end} with its firmware {was}{untried}")

    return Property(
        "flashes",
        "no run leaves a flash unverified, disturbs one, or makes two",
        (Firmware.AS_FOUND, False),
        step,
        at_end,
    )


@dataclass(frozen=True, slots=True)
class Heat:
    """What a run has changed about heat, as far as it knows.

    Attributes:
        steps: writes of a supply temperature that may have happened.
        blind: the last write's outcome is unknown, and nobody has looked since.
        asleep: miners may sleep.
    """

    steps: int = 0
    blind: bool = False
    moved: bool = False
    asleep: bool = False


def rollback(playbook: Playbook) -> Property[Heat]:
    """Promise that no run leaves a setpoint moved, or a miner asleep, that nobody will bring back.

    A moved setpoint, a derating and a sleep are recorded with the intent, before anything is written; from the run's
    end on, whatever end that is, the agent brings them back (agent.remediate.restore). What is left to promise is that
    a run stops after as many steps as a loop may be lowered by, looks before it goes on from a write whose outcome it
    does not know, and is not over and well while miners sleep.
    """

    def step(known: Heat, way: Exit) -> Heat | Broken:
        if way.verb is None:
            return replace(known, blind=False)
        if way.verb in (Verb.SET_SUPPLY, Verb.SET_FLOW):
            if known.blind:
                return Broken(f"does {way.verb} after a write whose outcome is unknown, and has not looked")
            steps = known.steps + (way.verb is Verb.SET_SUPPLY and way.result is not Result.FAILED)
            moved = known.moved or way.result is not Result.FAILED
            if steps > STEPS:
                return Broken(f"moves a supply temperature {steps} times; {STEPS} steps are a loop's most")
            return replace(known, steps=steps, moved=moved, blind=way.result is Result.UNKNOWN)
        if way.verb is Verb.SLEEP:
            return replace(known, asleep=True)
        return replace(known, asleep=False) if way.verb is Verb.WAKE and way.result is Result.OK else known

    def at_end(known: Heat, end: End) -> Kept | Broken:
        if known.asleep and end is End.RESOLVED:
            return Broken("is over and well with its miners asleep")
        return Kept(OWED if known.moved or known.asleep else Outlets.AS_FOUND.value)

    return Property(
        "rollback",
        "what a run moves is owed back from its end on; no step more than a loop may take, none after a blind one",
        Heat(),
        step,
        at_end,
    )


FROZEN = "left alone"
"""The run is over and nobody saw the flash end well: its image is frozen, and nothing disturbs the miner."""

PropertyOf = Callable[[Playbook], Property[Any]]

PROPERTIES: tuple[PropertyOf, ...] = (outlets, flashes, attempts, risk, gentle, rollback)
"""Every property a playbook is held to. A new one is a function here, added to this line."""
