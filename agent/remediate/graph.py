"""A playbook as a graph of what a run can do: every way out of every state, and what is done on it.

What a run does is decided by reconcile and settle; this says which moves those two can make. It judges nothing.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from agent.model.action import VERB_TRAITS, Repeat, Result, Verb
from agent.model.ids import MinerId, PduId
from agent.model.playbook import Act, Check, Escalate, Playbook, Resolve, Step, Wait
from agent.model.topology import Family, Miner, Outlet

HANDED_OVER = "(handed over)"
"""Stands for the trigger where a run ends without the table: the guards refused an action or put it off for too long,
the playbook has changed, or the miner left the inventory."""

REFERENCE_MINERS = tuple(
    Miner(
        id=MinerId(family.value),
        host="192.0.2.1",
        family=family,
        model="any",
        hashrate_th=100.0,
        power_w=3300.0,
        outlets=(Outlet(PduId("any"), 1), Outlet(PduId("any"), 2)),
    )
    for family in Family
)
"""One miner of each family, with two cords: what a limit that depends on the miner is asked about."""

Trail = tuple[tuple[str, str], ...]
"""A path as (state, how it was left) pairs. The last state's second half is empty where the path stops in it."""


class End(StrEnum):
    """How a run can end."""

    RESOLVED = "resolved"
    ESCALATED = "escalated"
    HANDED_OVER = "handed over"


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out of a state.

    Attributes:
        dest: the state it leads to; None where the run is handed over.
        verb: what was done on the way, None where nothing was; result: how that settled.
    """

    trigger: str
    dest: str | None
    verb: Verb | None = None
    result: Result | None = None

    def __str__(self) -> str:
        return self.trigger if self.verb is None else f"{self.verb} {self.result}: {self.trigger}"


class Graph:
    """The moves of one playbook. Rows that name no state are left out: finding them is another's work.

    Attributes:
        exits: every way out, by state; none from an end.
        trails: a shortest path to every state that can be reached, by state.
        cycle: states that lead back to the first of them, which is also the last; empty where there is no cycle.
        order: every state after all that lead to it; empty where there is a cycle.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self._dest: dict[tuple[str, str], str] = {}
        for row in playbook.transitions:
            if row.source in playbook.steps and row.dest in playbook.steps:
                self._dest.setdefault((row.source, row.trigger), row.dest)
        self.exits: Mapping[str, tuple[Exit, ...]] = {state: self._exits(state) for state in playbook.steps}
        self.trails: Mapping[str, Trail] = self._trails()
        self.cycle, self.order = self._sorted()

    def moves(self, state: str) -> list[tuple[str, str]]:
        """Return the table's own ways out of a state, as (trigger, state it leads to), each trigger once."""
        by_trigger = {way.trigger: way.dest for way in self.exits[state]}
        return [(trigger, dest) for trigger, dest in by_trigger.items() if dest is not None]

    def end(self, state: str) -> End | None:
        """Return how a run ends in that state; None where it does not."""
        match self.playbook.steps[state]:
            case Resolve():
                return End.RESOLVED
            case Escalate():
                return End.ESCALATED
            case _:
                return None

    def _exits(self, state: str) -> tuple[Exit, ...]:
        step = self.playbook.steps[state]
        if isinstance(step, Resolve | Escalate):
            return ()
        ways: list[Exit] = []
        if isinstance(step, Act):
            for result in Result:
                trigger = after(step, result)
                ways.extend(Exit(trigger, dest, step.verb, result) for dest in self._dests(state, trigger))
                # Where the playbook has changed meanwhile, the outcome is recorded and the run handed over as it is.
                ways.append(Exit(HANDED_OVER, None, step.verb, result))
        # A run that recovers before its act was allowed leaves the state without having acted.
        idle = (self.playbook.on_recovered, *(() if isinstance(step, Act) else triggers(step)))
        for trigger in dict.fromkeys(idle):
            ways.extend(Exit(trigger, dest) for dest in self._dests(state, trigger))
        return (*ways, Exit(HANDED_OVER, None))

    def _dests(self, state: str, trigger: str) -> tuple[str, ...]:
        dest = self._dest.get((state, trigger))
        return () if dest is None else (dest,)

    def _trails(self) -> dict[str, Trail]:
        first = self.playbook.initial
        if first not in self.exits:
            return {}
        trails: dict[str, Trail] = {first: ((first, ""),)}
        queue = deque([first])
        while queue:
            state = queue.popleft()
            for way in self.exits[state]:
                if way.dest is not None and way.dest not in trails:
                    trails[way.dest] = (*trails[state][:-1], (state, str(way)), (way.dest, ""))
                    queue.append(way.dest)
        return trails

    def _sorted(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for state in self.exits:
            sorter.add(state)
            for _, dest in self.moves(state):
                sorter.add(dest, state)
        try:
            return (), tuple(sorter.static_order())
        except CycleError as error:
            return tuple(error.args[1]), ()


def triggers(step: Step) -> tuple[str, ...]:
    """Return the triggers a step can take."""
    match step:
        case Act():
            return (step.on_ok, step.on_fail)
        case Wait():
            return (step.then,)
        case Check():
            return (*(arm.trigger for arm in step.arms), step.otherwise)
        case Resolve() | Escalate():
            return ()


def after(step: Act, result: Result) -> str:
    """Return the trigger an act takes when it has settled so."""
    may_be_done = result is Result.UNKNOWN and VERB_TRAITS[step.verb].repeat is Repeat.PROBE
    return step.on_ok if result is Result.OK or may_be_done else step.on_fail
