"""A playbook's table as a `transitions` machine: where a trigger leads, and what a sound table looks like.

The machine is built with `auto_transitions=False` and without callbacks: it only knows the table. A run's state lives
in the ledger, never in a machine.
"""

import hashlib
from collections.abc import Iterator

from transitions import Machine

from agent.model.action import Verb
from agent.model.errors import InvariantError
from agent.model.playbook import Act, Check, Escalate, Playbook, Resolve, Step, Wait

Path = tuple[tuple[str, str], ...]


class Table:
    """One playbook's table, checked once.

    Raises:
        InvariantError: the table is unsound; the message lists every fault.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.fingerprint = fingerprint(playbook)
        self._machine = Machine(
            model=None,
            states=list(playbook.steps),
            transitions=[{"trigger": t.trigger, "source": t.source, "dest": t.dest} for t in playbook.transitions],
            initial=playbook.initial,
            auto_transitions=False,
        )
        faults = list(self._faults())
        if faults:
            raise InvariantError(f"playbook {playbook.name} is unsound: {'; '.join(faults)}")

    def has(self, state: str, trigger: str) -> bool:
        """Whether that trigger leads anywhere from that state."""
        return bool(self._machine.get_transitions(trigger=trigger, source=state))

    def leads_to(self, state: str, trigger: str) -> str:
        """Return the state a trigger leads to.

        Raises:
            InvariantError: the table has no such row.
        """
        found = self._machine.get_transitions(trigger=trigger, source=state)
        if not found:
            raise InvariantError(f"playbook {self.playbook.name}: no transition {trigger!r} from {state!r}")
        return str(found[0].dest)

    def paths(self) -> Iterator[Path]:
        """Yield every path from the initial state to an end, as (state, trigger taken) pairs, the end's trigger empty.

        Finite, because a sound table has no cycle.
        """
        stack: list[tuple[Path, str]] = [((), self.playbook.initial)]
        while stack:
            path, state = stack.pop()
            exits = self._exits(state)
            if not exits:
                yield (*path, (state, ""))
            stack.extend(((*path, (state, trigger)), dest) for trigger, dest in exits)

    def _exits(self, state: str) -> list[tuple[str, str]]:
        return [(row.trigger, row.dest) for row in self.playbook.transitions if row.source == state]

    def _faults(self) -> Iterator[str]:
        steps = self.playbook.steps
        for row in self.playbook.transitions:
            if row.source not in steps or row.dest not in steps:
                yield f"row {row} names a state without a step"
                return
        for state, step in steps.items():
            yield from self._missing_rows(state, step)
        if cycle := self._cycle():
            yield f"states {' > '.join(cycle)} form a cycle; write a second attempt as states of its own"
            return
        unreached = set(steps) - {state for path in self.paths() for state, _ in path}
        if unreached:
            yield f"states {sorted(unreached)} cannot be reached"
        for path in self.paths():
            written = " > ".join(state for state, _ in path)
            if not isinstance(steps[path[-1][0]], Resolve | Escalate):
                yield f"path {written} ends in neither resolve nor escalate"
            if self._leaves_off(path):
                yield f"path {written} never tries to switch on what it switched off"

    def _leaves_off(self, path: Path) -> bool:
        owed = False
        for state, trigger in path:
            step = self.playbook.steps[state]
            # A run that recovers before its act was allowed leaves the state without having acted.
            if isinstance(step, Act) and trigger != self.playbook.on_recovered:
                owed = (owed or step.verb is Verb.POWER_OFF) and step.verb is not Verb.POWER_ON
        return owed

    def _missing_rows(self, state: str, step: Step) -> Iterator[str]:
        wanted = set(triggers(step))
        for trigger in sorted(wanted):
            if not self.has(state, trigger):
                yield f"state {state} uses trigger {trigger!r}, which has no row"
        for row in self.playbook.transitions:
            if row.source == state and row.trigger not in wanted | {self.playbook.on_recovered}:
                yield f"row {row} has a trigger its step never uses"

    def _cycle(self) -> list[str] | None:
        done: set[str] = set()

        def visit(state: str, trail: list[str]) -> list[str] | None:
            if state in trail:
                return [*trail[trail.index(state) :], state]
            if state in done:
                return None
            for _, following in self._exits(state):
                if cycle := visit(following, [*trail, state]):
                    return cycle
            done.add(state)
            return None

        return visit(self.playbook.initial, [])


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


def fingerprint(playbook: Playbook) -> str:
    """Return a hex SHA-256 over the table and its steps: a run never goes on under another table than its own."""
    lines = [f"{t.trigger} {t.source} {t.dest}" for t in playbook.transitions]
    for state, step in playbook.steps.items():
        lines.append(f"{state} {_described(step)}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _described(step: Step) -> str:
    match step:
        case Check():
            arms = ", ".join(f"{arm.when.__qualname__}:{arm.trigger}" for arm in step.arms)
            within = step.within_s.__qualname__ if callable(step.within_s) else step.within_s
            return f"check {arms} within {within} otherwise {step.otherwise}"
        case _:
            return repr(step)
