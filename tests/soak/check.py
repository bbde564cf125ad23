"""What must hold of every run, whatever went wrong in it: told by its ledger and by the plant's own record."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.ledger import chain
from agent.ledger.fold import State
from agent.ledger.reader import audit, read
from agent.model.action import Verb
from agent.model.events import AgentStarted, Intended, Record, Settled
from agent.model.incident import Phase
from simulators.plant.journal import What

NEVER = (
    "budget_breaches",
    "flashes_twice",
    "power_cut_while_flashing",
    "wrong_image",
    "setpoints_below_dew_point",
    "actions_during_hold",
    "actions_while_away",
)
"""Figures of harm that are 0 whatever happens. Outlets may be left off, by the person who closes a breaker again; what
the agent itself has switched off is in the ledger as owed."""

DEEDS = {
    # A stock Antminer begins a new process whenever its settings are written: to wake it, say.
    What.RESTART: frozenset({Verb.RESTART, Verb.SWITCH_POOL, Verb.DERATE, Verb.WAKE}),
    What.REBOOT: frozenset({Verb.REBOOT, Verb.FLASH}),
    What.FLASH: frozenset({Verb.FLASH}),
    What.RELAY_OFF: frozenset({Verb.POWER_OFF}),
}
"""What must not happen more often than it was intended, and what intends it."""


JUST_S = 30.0
"""A tick: an incident opened within it of the end of its run has been in nobody's hands yet."""


def violations(ledger: Path, board: dict[str, Any]) -> list[str]:
    """Return what did not hold, in words; nothing where all did."""
    found = [f"harm.{name} is {board['harm'][name]}" for name in NEVER if board["harm"].get(name)]
    if not isinstance(audited := audit(ledger), chain.Sound):
        found.append(f"the chain does not hold: {audited}")
    state, ended_at = State(), 0.0
    for record in read(ledger):
        found += _of_act(record, state)
        state.apply(record)
        ended_at = record.at
    found += [f"{outlet} is still owed a switch-on to {incident}" for outlet, incident in state.duties.items()]
    found += [f"an action of {incident} has no outcome" for incident in state.flying]
    for incident in state.open_incidents:
        if incident.phase is not Phase.ESCALATED and ended_at - incident.alerted_at >= JUST_S:
            where = incident.run.state if incident.run else incident.phase
            found.append(f"{incident.id} ({incident.cause}) is still in {where}, and nobody was asked")
    return found


def left(site: Mapping[str, Any], state: State) -> Iterator[str]:
    """Yield what the agent has left undone and no longer knows of.

    Args:
        site: what the plant's process tells, as `tests.soak.outlive.told` returns it.
        state: the fold.
    """
    if off := site["harm"]["outlets_left_off"]:
        yield f"harm.outlets_left_off is {off}"
    records = {"lowered": {u for u, _ in state.setpoints}, "asleep": state.asleep, "slowed": state.derated}
    for word, known in records.items():
        yield from (f"{one} was left {word}, and nothing remembers it" for one in site[word] if one not in known)


def repeated(deeds: Iterable[Sequence[str]], records: Iterable[Record]) -> Iterator[str]:
    """Yield what was done to a miner more often than the ledger has intents of it: `deeds` as the plant tells them."""
    meant: Counter[tuple[Verb, str]] = Counter()
    for record in records:
        if isinstance(record.event, Intended):
            action = record.event.action
            each = len(action.outlets) if action.verb is Verb.POWER_OFF else 1
            meant.update({(action.verb, target): each for target in action.targets})
    for (what, miner), times in Counter((What(what), miner) for what, miner, *_ in deeds).items():
        intended = sum(meant[verb, miner] for verb in DEEDS.get(what, ()))
        if what in DEEDS and times > intended:
            yield f"{miner} had {times} of {what}, and {intended} were intended"


def _of_act(record: Record, before: State) -> Iterator[str]:
    """Yield what is wrong with an intent or an outcome, by what was known before it."""
    event = record.event
    if isinstance(event, Intended):
        if event.incident in before.flying:
            yield f"event {record.seq}: a second action of {event.incident} while one is in flight"
        for other in before.flying.values():
            miners = set(event.action.targets) & set(other.action.targets)
            outlets = set(event.action.outlets) & set(other.action.outlets)
            if other.incident != event.incident and (miners or outlets):
                yield f"event {record.seq}: two actions at once on {miners or outlets}"
        if not (event.action.targets or event.action.unit):
            yield f"event {record.seq}: an action without a target"
    elif isinstance(event, Settled) and event.incident not in before.flying:
        yield f"event {record.seq}: an outcome that nobody had intended"
    elif isinstance(event, AgentStarted) and before.started is None and record.seq != 1:
        yield f"event {record.seq}: the first start is not the first event"
