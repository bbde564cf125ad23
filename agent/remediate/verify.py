"""The model check of a playbook: is the table sound, and does every run there can be keep every property?

Pure and exhaustive: it visits every state of the table with every abstract state of a property that a run can have
there, and never a path by itself. Figures that are neither right nor wrong are in bounds.
"""

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from agent.model.playbook import Check, Playbook, Step, Wait
from agent.remediate.graph import HANDED_OVER, REFERENCE_MINERS, End, Exit, Graph, Trail, triggers
from agent.remediate.properties import PROPERTIES, Broken, Kept, Property, PropertyOf

CHECKS: Mapping[str, str] = {
    "rows": "the initial state exists, every trigger a step takes has one row, every row is used",
    "after_end": "nothing can be reached from an end",
    "reachable": "every state can be reached",
    "bounded": "no cycle, and every wait and check has a limit",
    "ends": "every path ends in resolve or escalate",
}
"""What is asked of the table alone, in the order it is reported."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        check: the check or property that found it.
        trail: the counterexample, as short as there is one; empty where the fault is in no path.
    """

    check: str
    message: str
    trail: Trail = ()

    def __str__(self) -> str:
        path = " > ".join(f"{state} [{way}]" if way else state for state, way in self.trail)
        return f"{self.check}: {self.message}" + (f" (path {path})" if path else "")


@dataclass(frozen=True, slots=True)
class EndCount:
    """How many runs come to one end in one way.

    Attributes:
        state: the end, or where handed over, HANDED_OVER.
        how: the property's word for the way.
        runs: by states, triggers, outcomes of actions and hand-overs told apart; None where a cycle makes them endless.
    """

    state: str
    how: str
    runs: int | None


@dataclass(frozen=True, slots=True)
class Explored:
    """What the explorer found of one property; `pairs` of states and abstract states were visited."""

    name: str
    claim: str
    pairs: int
    ends: tuple[EndCount, ...]
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The whole answer on one playbook; it is sound where there is no fault."""

    playbook: str
    faults: tuple[Fault, ...]
    explored: tuple[Explored, ...]


def verify(playbook: Playbook, properties: Sequence[PropertyOf] = PROPERTIES) -> Verification:
    """Check the table, and explore every property from its initial state."""
    graph = Graph(playbook)
    faults = [
        *_rows(playbook),
        *_after_end(playbook),
        *_unreachable(graph),
        *_unbounded(graph),
        *_dead_ends(graph),
    ]
    explored: list[Explored] = []
    if playbook.initial in playbook.steps:
        explored = [explore(graph, of(playbook)) for of in properties]
    faults.extend(found.fault for found in explored if found.fault is not None)
    return Verification(playbook.name, tuple(faults), tuple(explored))


def explore(graph: Graph, prop: Property[Any]) -> Explored:
    """Visit every pair of state and abstract state that a run can come to, nearest first.

    A run that broke the property is not followed further; the first one found is a shortest.
    """
    return _Exploration(graph, prop).result()


@dataclass
class _Exploration:
    """One property's exploration: how each pair was first come to, where it leads, and which runs end in it."""

    graph: Graph
    prop: Property[Any]
    came: dict[tuple[str, Any], tuple[tuple[str, Any], Exit] | None] = field(default_factory=dict)
    leads: dict[tuple[str, Any], list[tuple[str, Any]]] = field(default_factory=dict)
    ends: dict[tuple[str, str], list[tuple[str, Any]]] = field(default_factory=dict)
    fault: Fault | None = None

    def result(self) -> Explored:
        first = (self.graph.playbook.initial, self.prop.initial)
        self.came[first] = None
        queue = deque([first])
        self._arrive(first)
        while queue:
            pair = queue.popleft()
            self.leads[pair] = []
            for way in self.graph.exits[pair[0]]:
                reached = self._take(pair, way)
                if reached is None:
                    continue
                self.leads[pair].append(reached)
                if reached not in self.came:
                    self.came[reached] = (pair, way)
                    self._arrive(reached)
                    queue.append(reached)
        return Explored(self.prop.name, self.prop.claim, len(self.came), self._counted(), self.fault)

    def _take(self, pair: tuple[str, Any], way: Exit) -> tuple[str, Any] | None:
        """Return the pair a move leads to; None where the run ends with it or breaks the property."""
        known = self.prop.step(pair[1], way)
        if isinstance(known, Broken):
            self._blame(known, pair, str(way))
        elif way.dest is None:
            self._judge(self.prop.at_end(known, End.HANDED_OVER), HANDED_OVER, pair, str(way))
        else:
            return (way.dest, known)
        return None

    def _arrive(self, pair: tuple[str, Any]) -> None:
        if end := self.graph.end(pair[0]):
            self._judge(self.prop.at_end(pair[1], end), pair[0], pair, "")

    def _judge(self, verdict: Kept | Broken, name: str, pair: tuple[str, Any], way: str) -> None:
        if isinstance(verdict, Broken):
            self._blame(verdict, pair, way)
        else:
            self.ends.setdefault((name, verdict.how), []).append(pair)

    def _blame(self, broken: Broken, pair: tuple[str, Any], way: str) -> None:
        """Keep the first, which is a shortest: the way the pair was first come to, and how it is left."""
        if self.fault is None:
            trail = [(pair[0], way)]
            while (before := self.came[pair]) is not None:
                pair, taken = before
                trail.append((pair[0], str(taken)))
            self.fault = Fault(self.prop.name, f"this run {broken.why}", tuple(reversed(trail)))

    def _counted(self) -> tuple[EndCount, ...]:
        if self.graph.cycle:
            return tuple(EndCount(state, how, None) for state, how in self.ends)
        runs = Counter({(self.graph.playbook.initial, self.prop.initial): 1})
        place = {state: number for number, state in enumerate(self.graph.order)}
        for pair in sorted(self.leads, key=lambda pair: place[pair[0]]):
            for reached in self.leads[pair]:
                runs[reached] += runs[pair]
        return tuple(EndCount(state, how, sum(runs[pair] for pair in at)) for (state, how), at in self.ends.items())


def _rows(playbook: Playbook) -> Iterator[Fault]:
    steps, recovered = playbook.steps, playbook.on_recovered
    if playbook.initial not in steps:
        yield Fault("rows", f"initial state {playbook.initial!r} has no step; it must be one of {sorted(steps)}")
    found = Counter((row.source, row.trigger) for row in playbook.transitions)
    for (source, trigger), times in found.items():
        if times > 1:
            yield Fault("rows", f"state {source} has {times} rows for trigger {trigger!r}; only one can be taken")
    for row in playbook.transitions:
        if row.source not in steps or row.dest not in steps:
            yield Fault("rows", f"row {row} names a state without a step")
        elif (used := triggers(steps[row.source])) and row.trigger not in (*used, recovered):
            yield Fault("rows", f"row {row} has a trigger its step never uses")
    for state, step in steps.items():
        for trigger in dict.fromkeys(triggers(step)):
            if (state, trigger) not in found:
                yield Fault("rows", f"state {state} uses trigger {trigger!r}, which has no row")


def _after_end(playbook: Playbook) -> Iterator[Fault]:
    for row in playbook.transitions:
        step = playbook.steps.get(row.source)
        if step is not None and not triggers(step):
            yield Fault(
                "after_end",
                f"{row.source} is an end, and {row.trigger!r} leads on from it",
                ((row.source, row.trigger), (row.dest, "")),
            )


def _unreachable(graph: Graph) -> Iterator[Fault]:
    if unreached := [state for state in graph.exits if state not in graph.trails]:
        yield Fault("reachable", f"states {sorted(unreached)} cannot be reached")


def _unbounded(graph: Graph) -> Iterator[Fault]:
    if cycle := graph.cycle:
        entered = min(
            (state for state in cycle if state in graph.trails), key=lambda s: len(graph.trails[s]), default=""
        )
        message = f"states {' > '.join(cycle)} form a cycle; write a second attempt as states of its own"
        yield Fault("bounded", message, (*graph.trails.get(entered, ())[:-1], *_around(graph, cycle, entered)))
    for state, step in graph.playbook.steps.items():
        for limit_s in _limits_s(step):
            if not 0.0 <= limit_s < math.inf:
                message = f"state {state} lasts {limit_s} s; expected a finite time"
                yield Fault("bounded", message, graph.trails.get(state, ()))
                break


def _around(graph: Graph, cycle: tuple[str, ...], entered: str) -> Iterator[tuple[str, str]]:
    """Yield the cycle once around from where it is entered, with the triggers taken, and back there."""
    start = cycle.index(entered) if entered in cycle else 0
    turn = (*cycle[start:-1], *cycle[:start], cycle[start])
    for state, following in pairwise(turn):
        yield state, next(str(way) for way in graph.exits[state] if way.dest == following)
    yield turn[-1], ""


def _dead_ends(graph: Graph) -> Iterator[Fault]:
    for state in graph.exits:
        if graph.end(state) is None and not graph.moves(state):
            message = f"{state} is neither resolve nor escalate, and nothing leads on from it"
            yield Fault("ends", message, graph.trails.get(state, ()))


def _limits_s(step: Step) -> list[float]:
    match step:
        case Wait():
            return [step.duration_s]
        case Check():
            return [step.limit_s(miner) for miner in REFERENCE_MINERS]
        case _:
            return []
