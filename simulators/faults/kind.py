"""What a fault kind declares: its ground truth, what it does to the plant, what it looks like. No kind lives here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PduId
from agent.model.incident import Category, Reason
from agent.model.topology import Outlet, Site
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant

Value = str | int | float | bool | None
Values = Mapping[str, Value]


class On(StrEnum):
    """What a fault can be aimed at; a target is written as this word, a colon and an id."""

    MINER = "miner"
    """`miner:r1-01`"""
    PDU = "pdu"
    """`pdu:c1-p2`"""
    OUTLET = "outlet"
    """`outlet:c1-p2/7`"""


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter of a fault kind.

    Attributes:
        default: what holds where the scenario says nothing.
        meaning: one sentence, with the unit.
        choices: the allowed values where there are only a few.
        span: least and greatest allowed number.
    """

    default: Value
    meaning: str
    choices: tuple[Value, ...] = ()
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class FaultKind:
    """One thing that can go wrong.

    Attributes:
        name: as scenarios write it.
        category: the class of incident it should be seen as.
        counts: whether it is an incident of its own. A disturbance is not: an incident seen in it is not false, and
            none is expected.
        remedy: the mildest verb that fixes it; POWER_OFF stands for the whole power cycle; None if nothing remote does.
        causes: the reasons a detector may truthfully give for it.
        does: what happens to the plant.
        signature: what it looks like from outside.
        knobs: its parameters.
        on: what it can be aimed at.
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

    @property
    def fixable(self) -> bool:
        """Whether anything remote fixes it."""
        return self.remedy is not None

    def inject(self, plant: SitePlant, target: str, now: float, **params: Value) -> None:
        """Begin it at `target`. Raises PolicyError for a target or a parameter that does not fit."""
        miners_of(plant.site, target, self.on)
        values = {name: knob.default for name, knob in self.knobs.items()}
        for name, value in params.items():
            values[name] = self._checked(name, value)
        plant.advance(now)
        self.start(plant, target, now, values)

    def end(self, plant: SitePlant, target: str, now: float) -> None:
        """End it at `target`."""
        plant.advance(now)
        self.stop(plant, target, now)

    def _checked(self, name: str, value: Value) -> Value:
        knob = self.knobs.get(name)
        if knob is None:
            known = ", ".join(self.knobs) or "none"
            raise PolicyError(f"{self.name} has no parameter {name}: expected one of: {known}")
        if knob.choices and value not in knob.choices:
            allowed = ", ".join(str(choice) for choice in knob.choices)
            raise PolicyError(f"{self.name}: expected {name} to be one of {allowed}; got {value!r}")
        if knob.span is not None and value is not None:
            least, most = knob.span
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise PolicyError(f"{self.name}: expected {name} to be a number from {least} to {most}; got {value!r}")
        return value


def miners_of(site: Site, target: str, on: frozenset[On] = frozenset(On)) -> tuple[MinerId, ...]:
    """Return the miners behind a target; PolicyError if it is not of the form or not on the site."""
    word, _, name = target.partition(":")
    if word not in on:
        forms = ", ".join(f"{form.value}:…" for form in On if form in on)
        raise PolicyError(f"expected a target of the form {forms}; got {target!r}")
    if word == On.MINER:
        if name not in site.rows:
            raise PolicyError(f"the site has no miner {name!r}: name one of its inventory")
        return (MinerId(name),)
    outlets = outlets_of(site, target)
    return tuple(dict.fromkeys(miner for outlet in outlets for miner in site.fed_by.get(outlet, ())))


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


def miner_at(plant: SitePlant, target: str) -> MinerPlant:
    """Return the simulated miner of a target `miner:…`."""
    return plant.miners[MinerId(target.partition(":")[2])]
