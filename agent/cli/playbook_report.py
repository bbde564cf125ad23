"""What `terrahash playbooks` prints: a playbook's states, bounds and verdict, gathered and put into tables."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from agent.model.action import VERB_TRAITS, Result
from agent.model.playbook import Act, Check, Condition, Escalate, Playbook, Resolve, Step, Wait
from agent.remediate.bounds import Bounds, VerbBound, bounds, limit_s
from agent.remediate.graph import HANDED_OVER, REFERENCE_MINERS, Graph, after
from agent.remediate.machine import fingerprint
from agent.remediate.properties import OWED
from agent.remediate.verify import CHECKS, Explored, Fault, verify
from agent.report.playbook_text import State, Way, as_table
from agent.report.table import Table
from agent.report.text import NOTHING, duration

SHORT = 12
"""Characters of a fingerprint that are enough for a person."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line on one playbook; `longest_s` and `verbs` are missing where a cycle leaves no bound."""

    name: str
    category: str
    initial: str
    states: int
    rows: int
    verbs: tuple[VerbBound, ...]
    longest_s: float | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that was found of one playbook."""

    playbook: Summary
    sound: bool
    faults: tuple[Fault, ...]
    properties: tuple[Explored, ...]
    bounds: Bounds | None


def summary(playbook: Playbook) -> Summary:
    """Return the line on one playbook."""
    return _summary(playbook, bounds(Graph(playbook)))


def verdict(playbook: Playbook) -> Verdict:
    """Verify one playbook and gather what bounds it."""
    found = verify(playbook)
    bound = bounds(Graph(playbook))
    return Verdict(_summary(playbook, bound), not found.faults, found.faults, found.explored, bound)


def states(playbook: Playbook) -> tuple[State, ...]:
    """Return every state with what it does, its limits and where each of its triggers leads."""
    graph = Graph(playbook)
    told = []
    for name, step in playbook.steps.items():
        limits = [limit_s(step, miner) for miner in REFERENCE_MINERS]
        moves = dict(graph.moves(name))
        ways = (*_ways(step), (_CLEARED, "", playbook.on_recovered))
        led = tuple(Way(when, meaning, t, moves[t]) for when, meaning, t in ways if t in moves)
        told.append(State(name, type(step).__name__.lower(), _does(step), min(limits), max(limits), led))
    return tuple(told)


def listed(told: Iterable[Summary]) -> Table:
    """Return the table of all playbooks."""
    headers = ("playbook", "category", "begins in", "states", "does at most", "risks", "longest", "fingerprint")
    rows = [
        (
            t.name,
            t.category,
            t.initial,
            str(t.states),
            _verbs(t.verbs),
            ", ".join(dict.fromkeys(v.risk for v in t.verbs)) or NOTHING,
            duration(t.longest_s),
            t.fingerprint[:SHORT],
        )
        for t in told
    ]
    notes = (
        "longest: waits, check windows and action timeouts on a miner of the slowest family with two cords;",
        "what the guards put off comes on top",
    )
    return Table("", headers, rows, frozenset(("states", "longest")), notes)


def shown(playbook: Playbook) -> Table:
    """Return the table of one playbook's states."""
    found = summary(playbook)
    notes = (
        f"{found.states} states, {found.rows} rows, at most {duration(found.longest_s)}; does at most "
        f"{_verbs(found.verbs)}",
        f"fingerprint {found.fingerprint}",
        "a check takes the first condition that holds, in the order written",
        "any state hands over to a person when the playbook has changed or the miner is gone, an act also when the",
        "guards refuse it or put it off for too long",
    )
    return as_table(f"{found.name}: {found.category} incidents, begins in {found.initial}", states(playbook), notes)


def told(found: Verdict) -> Iterator[Table]:
    """Yield the tables of one verdict: the checks, a counterexample for each fault, the ends with their bounds."""
    book = found.playbook
    word = "sound" if found.sound else "NOT SOUND"
    notes = () if found.bounds is None else _bound_notes(found.bounds, book)
    yield Table(
        f"{book.name}: {word}",
        ("check", "", "pairs", "runs", "what is promised"),
        list(_check_rows(found)),
        _RIGHT,
        notes,
    )
    for fault in found.faults:
        path = [(state, way) for state, way in fault.trail]
        yield Table(f"{fault.check}: {fault.message}", ("state", "left by"), path)
    if found.bounds is not None:
        yield _ends(found.bounds, found.properties)


_CLEARED = "symptom has cleared"
_RIGHT = frozenset(("pairs", "paths", "longest"))
_OWED = (
    "owed: not known to be on when the run is over; the ledger has had the duty to switch on since before the",
    "switch-off, and the agent goes on trying",
)


def _summary(playbook: Playbook, bound: Bounds | None) -> Summary:
    return Summary(
        name=playbook.name,
        category=playbook.category.value,
        initial=playbook.initial,
        states=len(playbook.steps),
        rows=len(playbook.transitions),
        verbs=() if bound is None else bound.verbs,
        longest_s=None if bound is None else bound.longest_s,
        fingerprint=fingerprint(playbook),
    )


def _verbs(verbs: Sequence[VerbBound]) -> str:
    return ", ".join(f"{verb.verb} {verb.most}" for verb in verbs) or NOTHING


def _does(step: Step) -> str:
    match step:
        case Act():
            needless = "" if step.unless is None else f" unless {step.unless.__qualname__}"
            return f"{step.verb} ({VERB_TRAITS[step.verb].risk.name.lower()}){needless}"
        case Wait():
            return "wait"
        case Check():
            return "check"
        case Resolve():
            return f"resolve, leaving: {step.leaves}" if step.leaves else "resolve"
        case Escalate():
            return f"escalate: {step.reason}"
        case _:
            assert_never(step)


def _ways(step: Step) -> Iterator[tuple[str, str, str]]:
    """Yield when a step takes which trigger: (when, what that means, trigger)."""
    match step:
        case Act():
            results: dict[str, list[str]] = {}
            for result in Result:
                results.setdefault(after(step, result), []).append(result.value)
            for trigger, names in results.items():
                yield ", ".join(names), "", trigger
        case Wait():
            yield "time is up", "", step.then
        case Check():
            for arm in step.arms:
                yield arm.when.__qualname__, _meaning(arm.when), arm.trigger
            yield "time is up", "", step.otherwise
        case Resolve() | Escalate():
            return


def _meaning(condition: Condition) -> str:
    return (condition.__doc__ or "").strip().partition("\n")[0]


def _check_rows(found: Verdict) -> Iterator[tuple[str, ...]]:
    faulty = {fault.check for fault in found.faults}
    for name, claim in CHECKS.items():
        yield name, _word(name in faulty), "", "", claim
    for explored in found.properties:
        runs: Counter[str] = Counter()
        for end in explored.ends:
            runs[end.how] += end.runs or 0
        ended = ", ".join(f"{how} {number:,}" if number else how for how, number in runs.items())
        yield explored.name, _word(explored.name in faulty), f"{explored.pairs:,}", ended, explored.claim


def _word(faulty: bool) -> str:
    return "FAILS" if faulty else "holds"


def _group_notes(bound: Bounds) -> tuple[str, ...]:
    """Return how long a run about many can take, where it does something to many."""
    if all(group_s == bound.longest_s for group_s in bound.group_s.values()):
        return ()
    told = ", ".join(f"{duration(group_s)} for {members:,}" for members, group_s in bound.group_s.items())
    return (f"about many miners, every one of them silent when it is told: {told}",)


def _bound_notes(bound: Bounds, book: Summary) -> tuple[str, ...]:
    does = ", ".join(f"{v.verb} {v.most} ({v.states} written)" for v in bound.verbs)
    slowest = max(bound.ends, key=lambda end: end.longest_s)
    return (
        f"fingerprint {book.fingerprint}",
        f"{book.states} states, {book.rows} rows, {bound.paths:,} paths of at most {bound.moves} moves",
        f"in one run at most: {does or 'no action'}",
        f"in one run at most: {duration(bound.longest_s)}; {duration(bound.guards_s)} more where the guards put off "
        f"each action ({bound.actions}) for as long as they may",
        *_group_notes(bound),
        f"slowest ({slowest.family}): {' > '.join(state for state, _ in slowest.slowest)}",
        "runs: every outcome of every action, every short cut and every hand-over told apart",
    )


def _ends(bound: Bounds, properties: Sequence[Explored]) -> Table:
    """Return every end with its bounds, and how it leaves what a property tells apart."""
    telling = [explored for explored in properties if len({end.how for end in explored.ends}) > 1]
    headers = ("end", "is", "paths", "longest", *(explored.name for explored in telling))
    rows = [
        (
            end.state,
            f"{end.end}: {end.reason}" if end.reason else end.end.value,
            f"{end.paths:,}",
            duration(end.longest_s),
            *_hows(end.state, telling),
        )
        for end in bound.ends
    ]
    rows.append((HANDED_OVER, "from any state", "", "", *_hows(HANDED_OVER, telling)))
    return Table("How it ends", headers, rows, _RIGHT, _OWED if any(OWED in row[-1] for row in rows) else ())


def _hows(state: str, properties: Sequence[Explored]) -> Iterator[str]:
    for explored in properties:
        yield ", ".join(end.how for end in explored.ends if end.state == state) or NOTHING
