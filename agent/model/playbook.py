"""A playbook as data: a `transitions` table and one step per state.

Nothing here runs a playbook; `agent.remediate` does. Conditions and computed actions are pure functions of a Situation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.model.action import VERB_TRAITS, Action, Risk, Verb
from agent.model.domains import Kind
from agent.model.incident import Category, Incident, Reason, Run
from agent.model.site_view import MinerRow
from agent.model.topology import Miner


@dataclass(frozen=True, slots=True)
class Situation:
    """All a step may look at.

    Attributes:
        now: UTC s.
        recovered: the detector's clear condition has held for its whole clear window.
    """

    now: float
    incident: Incident
    run: Run
    miner: Miner
    row: MinerRow
    recovered: bool

    @property
    def in_state_s(self) -> float:
        """Seconds since the present state was entered."""
        return self.now - self.run.entered_at

    def tried(self, verb: Verb) -> int:
        """How often that verb was intended in this incident."""
        return self.incident.tried(verb)


Condition = Callable[[Situation], bool]


@dataclass(frozen=True, slots=True)
class Act:
    """Do something to the incident's miner (power verbs: to all its outlets), or what `on` works out.

    A computed action that may be on many has an attribute `reaches_many`, for the bounds of a run.

    The outcome picks the trigger. An unknown outcome counts as failed where the action may be repeated, and as done
    where it may not: the state that follows looks for its effect.

    Attributes:
        unless: what makes it needless: while that holds it is not asked for. Guards may put an action off for long
            after the evidence for it was weighed; and an agent may die before it knows the outcome.
    """

    verb: Verb
    on_ok: str
    on_fail: str
    on: Callable[[Situation], Action] | None = None
    unless: Condition | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    duration_s: float
    then: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One way out of a Check."""

    when: Condition
    trigger: str


@dataclass(frozen=True, slots=True)
class Check:
    """Look until the first arm holds, in the order written; `otherwise` once the time is up.

    Attributes:
        within_s: seconds, or a function of the miner (boot times differ by family).
    """

    arms: tuple[Arm, ...]
    within_s: float | Callable[[Miner], float]
    otherwise: str

    def limit_s(self, miner: Miner) -> float:
        """The check's deadline for that miner, in s after entry."""
        return self.within_s(miner) if callable(self.within_s) else self.within_s


@dataclass(frozen=True, slots=True)
class Resolve:
    """Final: proven fixed.

    Attributes:
        leaves: what a person is still to do, in his own time; empty for nothing.
    """

    leaves: str = ""


@dataclass(frozen=True, slots=True)
class Escalate:
    """Final: ask a person, for this reason."""

    reason: str


Step = Act | Wait | Check | Resolve | Escalate


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table, in the words of the `transitions` library."""

    trigger: str
    source: str
    dest: str


@dataclass(frozen=True)
class Playbook:
    """A named table with its steps. Every state has exactly one step.

    Attributes:
        category: the incidents it is for.
        causes: which of them; empty for those of the category that no other playbook names.
        domains: with causes, only those that are shared and lie in such a domain (`breaker`, `switch`); empty for all
            that no other playbook of the cause is for.
        initial: the state a run begins in.
        on_recovered: the trigger taken, from any state that has it, as soon as the symptom has cleared by itself.
    """

    name: str
    category: Category
    initial: str
    steps: Mapping[str, Step]
    transitions: tuple[Transition, ...]
    causes: frozenset[Reason] = frozenset()
    domains: frozenset[Kind] = frozenset()
    on_recovered: str = "recovered"

    @property
    def risks(self) -> tuple[Risk, ...]:
        """The risks of what it may do, the least first; looks are none."""
        found = {VERB_TRAITS[step.verb].risk for step in self.steps.values() if isinstance(step, Act)}
        return tuple(sorted(found - {Risk.OBSERVE}))
