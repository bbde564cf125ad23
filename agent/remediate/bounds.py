"""How long and how much a playbook can take: paths, times and actions, at most. By dynamic programming over the table.

A time is the sum of waits, check windows and action timeouts along a path, for a miner with two cords of the slowest
family. What the guards may add is told apart: they put off each action by so much at most, then the run is handed over.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from agent.model.action import VERB_TRAITS, Verb
from agent.model.playbook import Act, Check, Escalate, Step, Wait
from agent.model.topology import Family, Miner
from agent.remediate.graph import REFERENCE_MINERS, End, Graph, Trail, triggers
from agent.remediate.reconcile import action_of, deferred_s

MEMBERS = (2_000, 14_000)
"""Sizes of incidents for which the longest run is told: a usual site, and the largest."""


@dataclass(frozen=True, slots=True)
class EndBound:
    """One end.

    Attributes:
        reason: why a person is asked; empty where none is.
        paths: how many lead to it, told apart by states and triggers.
        slowest: the path that takes `longest_s`, on a miner of `family`.
    """

    state: str
    end: End
    reason: str
    paths: int
    longest_s: float
    family: Family
    slowest: Trail


@dataclass(frozen=True, slots=True)
class VerbBound:
    """One verb: how many states do it, and how often it is done in one run at most."""

    verb: Verb
    risk: str
    states: int
    most: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds a run of one playbook.

    Attributes:
        moves: the most transitions in one run.
        longest_s: the longest run about one miner; group_s: about as many as MEMBERS says, all told and none answering.
        actions: the most actions in one run; guards_s: what the guards can add to it by putting each of them off.
    """

    paths: int
    moves: int
    longest_s: float
    group_s: Mapping[int, float]
    actions: int
    guards_s: float
    ends: tuple[EndBound, ...]
    verbs: tuple[VerbBound, ...]


def bounds(graph: Graph) -> Bounds | None:
    """Return the bounds; None where a cycle or a missing end leaves none."""
    ends = [state for state in graph.order if state in graph.trails and graph.end(state)]
    if not ends:
        return None
    paths = Counter({graph.playbook.initial: 1})
    for state in graph.order:
        for _, dest in graph.moves(state):
            paths[dest] += paths[state]
    times = {miner.family: _longest(graph, _lasting(graph, miner)) for miner in REFERENCE_MINERS}
    told = tuple(_end(graph, state, paths[state], times) for state in ends)
    states = Counter(step.verb for step in graph.playbook.steps.values() if isinstance(step, Act))
    most = {verb: _most(graph, ends, {verb}) for verb in states}
    actions = _most(graph, ends, set(states))
    return Bounds(
        paths=sum(end.paths for end in told),
        moves=int(max(_longest(graph, lambda _, __: 1.0)[state][0] for state in ends)),
        longest_s=max(end.longest_s for end in told),
        group_s={members: _group_s(graph, ends, members) for members in MEMBERS},
        actions=actions,
        guards_s=max(_longest(graph, lambda state, trigger: _waits_s(graph, state, trigger))[end][0] for end in ends),
        ends=told,
        verbs=tuple(
            VerbBound(verb, VERB_TRAITS[verb].risk.name.lower(), states[verb], most[verb])
            for verb in sorted(states, key=lambda verb: (VERB_TRAITS[verb].risk, verb))
        ),
    )


def limit_s(step: Step, miner: Miner, members: int = 1) -> float:
    """Return how long a run can stay in a step, in s; an action's waiting for the guards is not in it.

    Args:
        step: the step.
        miner: whose run it is, the first member of its incident.
        members: how many the incident has; an act whose computed action says `reaches_many` may be on all of them.
    """
    match step:
        case Act():
            action = action_of(step.verb, miner)
            if getattr(step.on, "reaches_many", False):
                action = msgspec.structs.replace(action, others=(miner.id,) * (members - 1))
            return action.limit_s
        case Wait():
            return step.duration_s
        case Check():
            return step.limit_s(miner)
        case _:
            return 0.0


def _group_s(graph: Graph, ends: list[str], members: int) -> float:
    """Return how long the longest run about so many members can take, in s."""
    times = [_longest(graph, _lasting(graph, miner, members)) for miner in REFERENCE_MINERS]
    return max(best[end][0] for best in times for end in ends)


_Weight = Callable[[str, str], float]
"""What leaving a state by a trigger adds."""


def _end(graph: Graph, state: str, paths: int, times: dict[Family, dict[str, tuple[float, Trail]]]) -> EndBound:
    family = max(times, key=lambda family: times[family][state][0])
    longest_s, slowest = times[family][state]
    step, end = graph.playbook.steps[state], graph.end(state)
    reason = step.reason if isinstance(step, Escalate) else ""
    return EndBound(state, end or End.HANDED_OVER, reason, paths, longest_s, family, slowest)


def _longest(graph: Graph, weight: _Weight) -> dict[str, tuple[float, Trail]]:
    """Return the heaviest path to each state that can be reached, and its weight."""
    best: dict[str, tuple[float, Trail]] = {graph.playbook.initial: (0.0, ((graph.playbook.initial, ""),))}
    for state in graph.order:
        if state not in best:
            continue
        so_far, trail = best[state]
        for trigger, dest in graph.moves(state):
            total = so_far + weight(state, trigger)
            if dest not in best or total > best[dest][0]:
                best[dest] = (total, (*trail[:-1], (state, trigger), (dest, "")))
    return best


def _lasting(graph: Graph, miner: Miner, members: int = 1) -> _Weight:
    return lambda state, trigger: (
        limit_s(graph.playbook.steps[state], miner, members) if _uses_step(graph, state, trigger) else 0.0
    )


def _most(graph: Graph, ends: list[str], verbs: set[Verb]) -> int:
    best = _longest(
        graph, lambda state, trigger: float(_verb(graph, state) in verbs and _uses_step(graph, state, trigger))
    )
    return int(max(best[state][0] for state in ends))


def _uses_step(graph: Graph, state: str, trigger: str) -> bool:
    """Whether the step was done: an act that recovers before it was allowed is left without."""
    step = graph.playbook.steps[state]
    return not isinstance(step, Act) or trigger in triggers(step)


def _verb(graph: Graph, state: str) -> Verb | None:
    step = graph.playbook.steps[state]
    return step.verb if isinstance(step, Act) else None


def _waits_s(graph: Graph, state: str, trigger: str) -> float:
    """Return how long the guards may put off what the state does; 0 where nothing was done."""
    verb = _verb(graph, state)
    return deferred_s(verb) if verb is not None and _uses_step(graph, state, trigger) else 0.0
