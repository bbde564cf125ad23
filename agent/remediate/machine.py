"""A playbook's table as a `transitions` machine: where a trigger leads. What a sound table is stands in verify.

The machine is built with `auto_transitions=False` and without callbacks: it only knows the table. A run's state lives
in the ledger, never in a machine.
"""

import hashlib
from collections.abc import Iterator

from transitions import Machine

from agent.model.errors import InvariantError
from agent.model.playbook import Act, Check, Playbook, Resolve, Step
from agent.remediate.verify import verify

Path = tuple[tuple[str, str], ...]


class Table:
    """One playbook's table, checked once.

    Raises:
        InvariantError: the table is unsound; the message lists every fault.
    """

    def __init__(self, playbook: Playbook) -> None:
        if faults := verify(playbook).faults:
            raise InvariantError(f"playbook {playbook.name} is unsound: {'; '.join(map(str, faults))}")
        self.playbook = playbook
        self.fingerprint = fingerprint(playbook)
        self._machine = Machine(
            model=None,
            states=list(playbook.steps),
            transitions=[{"trigger": t.trigger, "source": t.source, "dest": t.dest} for t in playbook.transitions],
            initial=playbook.initial,
            auto_transitions=False,
        )

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
        case Act():
            on = getattr(step.on, "__qualname__", step.on)  # a function's own repr is another in every process
            unless = "" if step.unless is None else f" unless {step.unless.__qualname__}"
            return f"act {step.verb} on {on} ok {step.on_ok} fail {step.on_fail}{unless}"
        case Resolve(leaves=""):
            return "Resolve()"
        case _:
            return repr(step)
