"""What a fault kind declares: its ground truth, what it does to the plant, what it looks like. No kind lives here."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from agent.model.action import Verb
from agent.model.domains import subnet_of
from agent.model.errors import InvariantError, PolicyError
from agent.model.ids import CoolingUnitId, ImageId, MinerId, PduId, PoolId, SwitchId
from agent.model.incident import Category, Reason
from agent.model.topology import Outlet, Port, Site
from simulators.plant.journal import What
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant

Value = str | int | float | bool | None | tuple[int | float, ...]
Values = Mapping[str, Value]


class On(StrEnum):
    """What a fault can be aimed at; a target is written as this word, a colon and an id."""

    MINER = "miner"
    """`miner:r1-01`"""
    PDU = "pdu"
    """`pdu:c1-p2`"""
    OUTLET = "outlet"
    """`outlet:c1-p2/7`"""
    POOL = "pool"
    """`pool:primary`"""
    SWITCH = "switch"
    """`switch:c1-sw`"""
    PORT = "port"
    """`port:c1-sw/12`"""
    LOOP = "loop"
    """`loop:c1-loop`, a coolant loop as the inventory names it"""
    CDU = "cdu"
    """`cdu:c1-cdu`, a coolant unit"""
    SITE = "site"
    """`site:NAME`, the site itself, by its name"""
    RACK = "rack"
    """`rack:r1`, as the inventory names it"""
    IMAGE = "image"
    """`image:9f86d081…`, an allowed firmware image by its SHA-256"""
    SUBNET = "subnet"
    """`subnet:10.64.1.0/24`, the network of 256 addresses that its miners' are of"""
    HOST = "host"
    """`host:agent`, the machine that the agent runs on"""


AGENT_HOST = "agent"
"""What the machine that the agent runs on is called in a target."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter of a fault kind.

    Attributes:
        default: what holds where the scenario says nothing.
        meaning: one sentence, with the unit.
        choices: the allowed values where there are only a few.
        span: least and greatest allowed number.
        whole: numbers must be whole ones.
        length: it is a list of so many numbers, each within `span`; None where it is a single value.
        odds: of true, where it is a flag that each fault draws for itself unless the scenario writes it.
    """

    default: Value
    meaning: str
    choices: tuple[Value, ...] = ()
    span: tuple[float, float] | None = None
    whole: bool = False
    length: int | None = None
    odds: float | None = None

    def __post_init__(self) -> None:
        if (self.length is not None or self.whole) and self.span is None:
            raise InvariantError("a knob of whole numbers or of a list of numbers needs their span")
        if self.odds is not None and self.default is not None:
            raise InvariantError("a knob that is drawn has no default")


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a parameter that is right by itself does not fit the target it is meant for; words as in other refusals."""

    knob: str
    expected: str
    got: str
    remedy: str


Apart = Callable[[SitePlant, str, tuple[MinerId, ...], bool], None]
"""Has these of a target's miners hang elsewhere than the inventory says, so that what befalls it does not reach them;
or where the inventory has them again."""

COVERAGE = "coverage"
COVERS = Knob(
    1.0, "share of its miners that it reaches; the others hang elsewhere than the inventory says", span=(0.0, 1.0)
)
"""The parameter of kinds that hit many miners at once; with `apart`."""


@dataclass(frozen=True)
class FaultKind:
    """One thing that can go wrong.

    Attributes:
        name: as scenarios write it.
        category: the class of incident it should be seen as.
        counts: whether it is an incident of its own. A disturbance is not: an incident seen in it is not false, and
            none is expected.
        passes: it is over as soon as its miner is well again, though it is no incident.
        apart: how some of its miners come to be none of its, where it has the parameter `coverage`.
        lingers: what is broken stays so until somebody mends it, though its miner is well again meanwhile.
        hands_off: nothing may be done to its miners while it lasts, but what takes load off them.
        asleep: nobody works at them meanwhile, so an outlet that was switched off before may be switched on again.
        remedy: the mildest verb that fixes it; POWER_OFF stands for the whole power cycle; None if nothing remote does.
        causes: the reasons a detector may truthfully give for it.
        does: what happens to the plant.
        signature: what it looks like from outside.
        knobs: its parameters.
        on: what it can be aimed at.
        hits: the miners that it really concerns, where that is not everybody behind the target.
        objects: what is wrong with parameters at a target, where that takes a look at the site; None where nothing is.
        remedies: the remedy by what the parameter `cured_by` says; empty where there is no such parameter.
        curable: whether the remedy can work at that target of the site as it is; None: always.
        cures: whether, with these parameters, the remedy works; None: always.
        masked: whether, with these parameters, nothing outside the miner tells it from a fault that a power cycle
            fixes, so that one cycle is the only way to find out. None: never.
        felt: what the plant's record has of a miner to whom it ever did anything; one that left nothing of that behind
            did not befall it.
        start, stop: begin it and end it at a site time; ending is a person's repair, or the disturbance passing.
    """

    name: str
    category: Category
    counts: bool
    remedy: Verb | None
    causes: frozenset[Reason]
    does: str
    signature: str
    on: frozenset[On]
    start: Callable[[SitePlant, str, float, Values], None]
    stop: Callable[[SitePlant, str, float], None]
    knobs: Mapping[str, Knob] = field(default_factory=dict)
    hits: Callable[[Site, str, Values], tuple[MinerId, ...]] | None = None
    objects: Callable[[Site, str, Values], Objection | None] | None = None
    masked: Callable[[Values], bool] | None = None
    curable: Callable[[SitePlant, str, Values], bool] | None = None
    cures: Callable[[Values], bool] | None = None
    remedies: Mapping[str, Verb | None] = field(default_factory=dict)
    passes: bool = False
    apart: Apart | None = None
    hands_off: bool = False
    asleep: bool = False
    lingers: bool = False
    felt: What = What.UNHEALTHY

    def remedy_for(self, params: Values) -> Verb | None:
        """Return the mildest verb that fixes it with these parameters; None if nothing remote does."""
        return self.remedies[str(self._complete(params)["cured_by"])] if self.remedies else self.remedy

    def is_fixable(self, plant: SitePlant, target: str, params: Values) -> bool:
        """Whether anything remote fixes it there, with these parameters, as the site is now."""
        values = self._complete(params)
        there = self.curable is None or self.curable(plant, target, values)
        return self.remedy_for(params) is not None and there and (self.cures is None or self.cures(values))

    def drawn(self, params: Values, rng: random.Random) -> Values:
        """Return the parameters with those that each fault draws for itself."""
        odds = {name: knob.odds for name, knob in self.knobs.items() if knob.odds is not None}
        return {name: rng.random() < chance for name, chance in odds.items()} | dict(params)

    def is_masked(self, params: Values) -> bool:
        """Whether one power cycle is the only way to tell it from a fault that a cycle fixes."""
        return self.masked is not None and self.masked(self._complete(params))

    @property
    def fixable(self) -> bool:
        """Whether anything remote fixes it."""
        return self.remedy is not None

    def inject(self, plant: SitePlant, target: str, now: float, **params: Value) -> None:
        """Begin it at `target`. Raises PolicyError for a target or a parameter that does not fit."""
        self.check(plant.site, target, params)
        plant.advance(now)
        self._set_apart(plant, target, now, params)
        self.start(plant, target, now, self._complete(params))

    def check(self, site: Site, target: str, params: Values) -> None:
        """Raise PolicyError for a target of the site or a parameter that does not fit."""
        miners_of(site, target, self.on)
        for name, value in params.items():
            self._check(name, value)
        if (objection := self.objection(site, target, params)) is not None:
            told = f"expected {objection.knob} to be {objection.expected}; got {objection.got}: {objection.remedy}"
            raise PolicyError(f"{self.name} at {target}: {told}")

    def objection(self, site: Site, target: str, params: Values) -> Objection | None:
        """Tell what keeps parameters, each right by itself, from fitting a target of the site; None if nothing does."""
        return None if self.objects is None else self.objects(site, target, self._complete(params))

    def victims(self, site: Site, target: str, params: Values) -> tuple[MinerId, ...]:
        """Return the miners it concerns at a target and with parameters that fit."""
        complete = self._complete(params)
        return miners_of(site, target, self.on) if self.hits is None else self.hits(site, target, complete)

    def reached(self, plant: SitePlant, target: str, now: float, params: Values) -> tuple[MinerId, ...]:
        """Return the miners that it reaches when it begins at a site time.

        What it covers is met as nearly as whole miners can, on average over seeds exactly.
        """
        victims = self.victims(plant.site, target, params)
        share = number(self._complete(params), COVERAGE) if self.apart is not None else 1.0
        if share >= 1.0:
            return victims
        rng = plant.rng(f"coverage/{self.name}/{target}/{now}")
        chosen = frozenset(rng.sample(victims, int(share * len(victims) + rng.random())))
        return tuple(miner for miner in victims if miner in chosen)

    def may_begin(self, plant: SitePlant, target: str) -> bool:
        """Whether it can begin at a target now.

        One that counts needs a miner that is well, and has what breaks: nobody could tell which of two faults was
        mended. What befalls a pool, a switch or a PDU asks nobody.
        """
        if not self.counts or not target.startswith(f"{On.MINER}:"):
            return True
        return miner_at(plant, target).healthy and self.objection(plant.site, target, {}) is None

    def end(self, plant: SitePlant, target: str, now: float) -> None:
        """End it at `target`."""
        plant.advance(now)
        self.stop(plant, target, now)
        if self.apart is not None:
            self.apart(plant, target, miners_of(plant.site, target, self.on), False)

    def _set_apart(self, plant: SitePlant, target: str, now: float, params: Values) -> None:
        """Have those behind a target whom it does not reach hang elsewhere."""
        if self.apart is not None:
            reached = frozenset(self.reached(plant, target, now, params))
            others = [miner for miner in self.victims(plant.site, target, params) if miner not in reached]
            self.apart(plant, target, tuple(others), True)

    def _complete(self, params: Values) -> Values:
        return {name: knob.default for name, knob in self.knobs.items()} | dict(params)

    def _check(self, name: str, value: Value) -> None:
        knob = self.knobs.get(name)
        if knob is None:
            known = ", ".join(self.knobs) or "none"
            raise PolicyError(f"{self.name} has no parameter {name}: expected one of: {known}")
        if knob.choices and value not in knob.choices:
            allowed = ", ".join(str(choice) for choice in knob.choices)
            raise PolicyError(f"{self.name}: expected {name} to be one of {allowed}; got {value!r}")
        if knob.span is None or (value is None and knob.default is None):
            return
        least, most = knob.span
        number = "whole number" if knob.whole else "number"
        if knob.length is not None:
            fits = isinstance(value, tuple) and len(value) == knob.length and all(_within(v, knob) for v in value)
            want = f"a list of {knob.length} {number}s, each from {least} to {most}"
        else:
            fits = _within(value, knob)
            want = f"a {number} from {least} to {most}"
        if not fits:
            raise PolicyError(f"{self.name}: expected {name} to be {want}; got {value!r}")


def number(values: Values, name: str) -> float:
    """Return the parameter of that name as a number; 0.0 where it is None."""
    value = values[name]
    if isinstance(value, tuple):
        raise InvariantError(f"{name} is a list of numbers, not one")
    return float(value or 0.0)


def numbers(values: Values, name: str) -> tuple[float, ...]:
    """Return the parameter of that name as the list of numbers it was declared as."""
    value = values[name]
    if not isinstance(value, tuple):
        raise InvariantError(f"{name} is no list of numbers")
    return value


def _within(value: Value, knob: Knob) -> bool:
    least, most = knob.span or (-math.inf, math.inf)
    right = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    return right and not (knob.whole and isinstance(value, float) and not value.is_integer())


def miners_of(site: Site, target: str, on: frozenset[On] = frozenset(On)) -> tuple[MinerId, ...]:
    """Return the miners behind a target; PolicyError if it is not of the form or not on the site.

    Those behind a pool are the ones that have it first in their group; behind a switch, those at its ports.
    """
    word, _, name = target.partition(":")
    if word not in on:
        forms = ", ".join(f"{form.value}:…" for form in On if form in on)
        raise PolicyError(f"expected a target of the form {forms}; got {target!r}")
    match On(word):
        case On.MINER:
            if name not in site.rows:
                raise PolicyError(f"the site has no miner {name!r}: name one of its inventory")
            return (MinerId(name),)
        case On.PDU | On.OUTLET:
            fed = (miner for outlet in outlets_of(site, target) for miner in site.fed_by.get(outlet, ()))
            return tuple(dict.fromkeys(fed))
        case On.POOL:
            if PoolId(name) not in site.pool:
                raise PolicyError(f"the site has no pool {name!r}: name one of its configuration")
            return tuple(miner.id for miner in site.miners if [p.id for p in site.pools_of(miner)[:1]] == [name])
        case On.SWITCH | On.PORT:
            ports = frozenset(ports_of(site, target))
            return tuple(miner.id for miner in site.miners if miner.port in ports)
        case On.LOOP | On.CDU | On.SITE | On.SUBNET | On.RACK | On.HOST:
            return _sharing(site, On(word), name)
        case On.IMAGE:
            if ImageId(name) not in site.image:
                raise PolicyError(f"the site has no image {name!r}: name one of its configuration")
            return tuple(miner.id for miner in site.miners if site.image[ImageId(name)].may_be_for(miner))
        case _ as unreachable:
            assert_never(unreachable)


def _of_subnet(site: Site, name: str) -> tuple[MinerId, ...]:
    found = tuple(miner.id for miner in site.miners if subnet_of(miner.host) == name)
    if not found:
        raise PolicyError(f"the site has no subnet {name!r} with miners: name the 256 addresses of one, 10.64.1.0/24")
    return found


def _of_rack(site: Site, name: str) -> tuple[MinerId, ...]:
    found = tuple(miner.id for miner in site.miners if miner.rack == name)
    if not found:
        raise PolicyError(f"the site has no rack {name!r} with miners: name one of its inventory")
    return found


def _sharing(site: Site, on: On, name: str) -> tuple[MinerId, ...]:
    """Return who is on a loop, a unit's loop, a subnet, in a rack, on the site; PolicyError if there is none such."""
    loop: str | None = name
    if on is On.HOST:
        if name != AGENT_HOST:
            raise PolicyError(f"there is one machine that the agent runs on: write {On.HOST}:{AGENT_HOST}")
        return ()
    if on is On.SUBNET:
        return _of_subnet(site, name)
    if on is On.RACK:
        return _of_rack(site, name)
    if on is On.SITE:
        if name != site.name:
            raise PolicyError(f"the site is called {site.name!r}; got {name!r}")
        return tuple(miner.id for miner in site.miners)
    if on is On.CDU:
        unit = site.cooling_unit.get(CoolingUnitId(name))
        loop = None if unit is None else unit.loop
    found = tuple(miner.id for miner in site.miners if loop is not None and miner.loop == loop)
    if not found:
        what = "cooling unit" if on is On.CDU else "loop"
        raise PolicyError(f"the site has no {what} {name!r} with miners: name one of its configuration")
    return found


def outlets_of(site: Site, target: str) -> tuple[Outlet, ...]:
    """Return the outlets of a target `pdu:…` or `outlet:…/n`; PolicyError if the site has none such."""
    word, _, name = target.partition(":")
    pdu_name, _, number = name.partition("/")
    pdu = site.pdu.get(PduId(pdu_name))
    if pdu is None:
        raise PolicyError(f"the site has no PDU {pdu_name!r}: name one of its inventory")
    if word == On.PDU:
        return tuple(Outlet(pdu.id, k) for k in range(1, pdu.outlet_count + 1))
    if not number.isdecimal() or not 1 <= int(number) <= pdu.outlet_count:
        raise PolicyError(f"{pdu.id} has outlets 1 to {pdu.outlet_count}; got {number!r}")
    return (Outlet(pdu.id, int(number)),)


def ports_of(site: Site, target: str) -> tuple[Port, ...]:
    """Return the ports of a target `switch:…` or `port:…/n`; PolicyError if the site has none such."""
    word, _, name = target.partition(":")
    switch_name, _, number = name.partition("/")
    switch = next((switch for switch in site.switches if switch.id == SwitchId(switch_name)), None)
    if switch is None:
        raise PolicyError(f"the site has no switch {switch_name!r}: name one of its configuration")
    if word == On.SWITCH:
        return tuple(Port(switch.id, k) for k in range(1, switch.port_count + 1))
    if not number.isdecimal() or not 1 <= int(number) <= switch.port_count:
        raise PolicyError(f"{switch.id} has ports 1 to {switch.port_count}; got {number!r}")
    return (Port(switch.id, int(number)),)


def miner_at(plant: SitePlant, target: str) -> MinerPlant:
    """Return the simulated miner of a target `miner:…`."""
    return plant.miners[MinerId(target.partition(":")[2])]


def repair(plant: SitePlant, target: str, now: float) -> None:
    """Let a person put right whatever is broken of the simulated miner of a target `miner:…`."""
    miner_at(plant, target).repair(now)
