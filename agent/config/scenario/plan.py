"""A scenario as the program uses it: checked and immutable. How it is written in YAML is its readers' business."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from agent.config.errors import Place
from agent.config.scenario.history import HistoryPlan
from agent.config.scenario.orders import OrderPlan
from agent.config.settings import Settings
from agent.model.action import VERB_TRAITS, Risk, Verb
from agent.model.ids import MinerId
from agent.model.incident import Category, Incident, Outcome, Phase, Reason, Severity
from agent.model.topology import Site

Value = str | int | float | bool | None | tuple[int | float, ...]

MIX = "mix"
"""The kind that stands for a mixture of all kinds, by the shares of the categories."""


class TierName(StrEnum):
    """How much of the way between agent and plant is simulated byte by byte."""

    WIRE = "wire"
    """Real sockets on loopback addresses."""
    MEMORY = "memory"
    """The same bytes without sockets."""
    FAST_FORWARD = "fast-forward"
    """No bytes: the plant writes the columns the agent decides on."""


class KnobLike(Protocol):
    """What must be known of a parameter of a fault kind to check a value for it."""

    @property
    def default(self) -> Value:
        """What holds where the scenario says nothing."""

    @property
    def choices(self) -> tuple[Value, ...]:
        """The allowed values where there are only a few."""

    @property
    def span(self) -> tuple[float, float] | None:
        """Least and greatest allowed number."""

    @property
    def whole(self) -> bool:
        """Whether numbers must be whole ones."""

    @property
    def length(self) -> int | None:
        """It is a list of so many numbers; None where it is a single value."""


class ObjectionLike(Protocol):
    """Why a parameter that is right by itself does not fit the target it is meant for."""

    @property
    def knob(self) -> str:
        """The parameter's name."""

    @property
    def expected(self) -> str:
        """What would fit, in words."""

    @property
    def got(self) -> str:
        """What came, in words."""

    @property
    def remedy(self) -> str:
        """What to write."""


class KindLike(Protocol):
    """What must be known of a fault kind to check a scenario."""

    @property
    def counts(self) -> bool:
        """Whether it is an incident of its own, and not a disturbance."""

    @property
    def on(self) -> Collection[str]:
        """The words its targets may begin with."""

    @property
    def knobs(self) -> Mapping[str, KnobLike]:
        """Its parameters."""

    def objection(self, site: Site, target: str, params: Mapping[str, Value]) -> ObjectionLike | None:
        """Tell what keeps parameters, each right by itself, from fitting a target of the site; None if nothing does."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a scenario can refer to.

    Attributes:
        kinds: fault kinds by name.
        figures: the dotted names of everything a scoreboard can say.
    """

    kinds: Mapping[str, KindLike]
    figures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Timed:
    """Faults at a fixed time.

    Attributes:
        at_s, for_s: site time in s; None until it is fixed.
        targets: every target that the pattern matches, e.g. `miner:r1-01`, in the site's order.
        count: how many of them are hit.
        params: the kind's own parameters that were given.
    """

    kind: str
    at_s: float
    targets: tuple[str, ...]
    count: int
    for_s: float | None
    params: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Rated:
    """Faults at random times.

    Attributes:
        kind: a fault kind, or MIX.
        per_s: expected number of them in a second on the whole site, over all targets.
        until_s: site time in s from which on none begins any more.
        unfixable: share of faults that nothing remote can fix, in a mix; None for the mix's own figure.
    """

    kind: str
    per_s: float
    targets: tuple[str, ...]
    for_s: float | None
    until_s: float
    params: Mapping[str, Value]
    unfixable: float | None


FaultPlan = Timed | Rated


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are meant; None where anything will do.

    Attributes:
        miners: an incident with one of these among its members; None for any.
    """

    category: Category | None = None
    outcome: Outcome | None = None
    cause: Reason | None = None
    severity: Severity | None = None
    phase: Phase | None = None
    escalation: str | None = None
    miners: frozenset[MinerId] | None = None

    def fits(self, incident: Incident) -> bool:
        """Tell whether the incident, as it stands, is one of those."""
        pairs = (
            (self.category, incident.category),
            (self.outcome, incident.outcome),
            (self.cause, incident.cause),
            (self.severity, incident.severity),
            (self.phase, incident.phase),
            (self.escalation, incident.escalation_reason),
        )
        hit = self.miners is None or not self.miners.isdisjoint(incident.members)
        return hit and all(wanted is None or wanted == came for wanted, came in pairs)


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How people answer one sort of escalation.

    Attributes:
        asked: which ones.
        after_s: least and most time in s between the question and the answer; drawn evenly for each.
        does: what they do, in this order: some of `people.DEEDS`.
    """

    asked: IncidentFilter
    after_s: tuple[float, float]
    does: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Which actions are meant: of one verb, or any that can change something; on some miners or any."""

    verb: Verb | None
    miners: frozenset[MinerId] | None

    def fits(self, verb: Verb, miner: MinerId) -> bool:
        """Tell whether an action is one of those."""
        is_meant = VERB_TRAITS[verb].risk > Risk.OBSERVE if self.verb is None else verb is self.verb
        return is_meant and (self.miners is None or miner in self.miners)


What = IncidentFilter | ActionFilter


@dataclass(frozen=True, slots=True)
class By:
    """At site time `at_s` there are, or have been, at least `count` of them.

    Attributes:
        text: the expectation in words; place: where it is written.
    """

    text: str
    place: Place
    at_s: float
    what: What
    count: int


@dataclass(frozen=True, slots=True)
class Never:
    """There never is one; with `during` none while a fault of one of these kinds lasts."""

    text: str
    place: Place
    what: What
    during: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class AtEnd:
    """A figure lies between two bounds when the run is over.

    Attributes:
        figure: a dotted name of the scoreboard, or a short one.
        least, most: bounds, each included.
    """

    text: str
    place: Place
    figure: str
    least: float
    most: float


Expectation = By | Never | AtEnd


@dataclass(frozen=True)
class Scenario:
    """One scenario, ready to run.

    Attributes:
        duration_s: site time in s.
        history: what the site's surroundings do.
        people: how escalations are answered; the first that fits decides.
        orders: what people tell the agent meanwhile.
        settings: the agent's, with the scenario's overrides; the mode is that of the simulation.
    """

    name: str
    path: Path
    seed: int
    duration_s: float
    tier: TierName
    settings: Settings
    faults: tuple[FaultPlan, ...]
    expect: tuple[Expectation, ...]
    history: HistoryPlan
    people: tuple[AnswerPlan, ...]
    orders: tuple[OrderPlan, ...]
