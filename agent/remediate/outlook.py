"""Outlook: what happens next to an incident, and when at the latest, told from its memory and its playbook. Pure.

It says what reconcile would do, without deciding anything: a reader may ask at any moment, also of a stopped agent.
"""

from collections.abc import Iterator

import msgspec

from agent.model.approval import Standing
from agent.model.guard import GuardReason
from agent.model.incident import OWN, Incident, Phase
from agent.model.memory import Memory
from agent.model.playbook import Act, Check, Escalate, Playbook, Resolve, Step, Wait
from agent.model.topology import Miner
from agent.remediate.reconcile import deferred_s
from agent.report.needed import needed
from agent.report.text import duration
from agent.report.timeline import words_of

CLEARED = "the symptom has cleared"
PERSON = "a person has it"
GUARDS = "the guards"
PASSING = "time to pass"


class Way(msgspec.Struct, frozen=True):
    """One way in which it goes on: what has to be, and where that leads."""

    when: str
    then: str


class Outlook(msgspec.Struct, frozen=True):
    """What an incident waits for.

    Attributes:
        waits_for: in words.
        until: UTC s at which that ends at the latest; None where it has no end, or needs the inventory to be told.
        ways: how it goes on, in the order in which they are looked at.
        answer: the command by which a person answers, where one is waited for.
    """

    waits_for: str
    until: float | None = None
    ways: tuple[Way, ...] = ()
    answer: str | None = None


def outlook(memory: Memory, incident: Incident, playbook: Playbook | None, miner: Miner | None) -> Outlook:
    """Return what happens next.

    Args:
        memory: what is remembered of the incident, at least.
        incident: which.
        playbook: the one its run goes by, as it is now; None where that has changed.
        miner: the first of its members; None where the inventory is not at hand.
    """
    flying = memory.flying.get(incident.id)
    if flying is not None:
        sent_at = incident.attempts[-1].at
        ways = () if flying.run is None else tuple(_outcomes(playbook, flying.state))
        return Outlook(f"the outcome of {words_of(flying.action)}", sent_at + flying.action.limit_s, ways)
    run = incident.run
    if not incident.is_running or run is None or _stands_still(memory):
        return _outside_a_run(memory, incident)
    if playbook is None:
        return Outlook("the next tick: its playbook is another than it began with", ways=(Way("then", PERSON),))
    return _question(memory, incident) or _step(memory, incident, playbook, playbook.steps[run.state], miner)


def _stands_still(memory: Memory) -> bool:
    """Whether the agent has trouble of its own, so that the waits of every run stand still."""
    return memory.own_incident is not None and memory.own_incident.is_open


def _outside_a_run(memory: Memory, incident: Incident) -> Outlook:
    owed = sum(owner == incident.id for owner in memory.duties.values())
    also = f"; {owed} of its outlets are still to be switched on again" if owed else ""
    if incident.phase is Phase.CLOSED:
        return Outlook(f"nothing: it is over, {incident.outcome}{also}")
    if incident.is_own:
        return Outlook(f"{OWN} to be well; until then it holds everything else", ways=(Way(CLEARED, "closed"),))
    if incident.phase is Phase.ESCALATED:
        ways = (Way(CLEARED, "closed as human_resolved"),)
        return Outlook(
            f"a person ({incident.escalation_reason}): {needed(incident.escalation_reason)}{also}", ways=ways
        )
    if _stands_still(memory):
        return Outlook(f"{OWN} to be well; until then its waits stand still{also}")
    return Outlook("the next tick, at which its playbook begins")


def meanings(playbook: Playbook) -> dict[tuple[str, str], str]:
    """Return what each condition says, by the state it is looked at in and the trigger it takes.

    Where several take the same one, the record does not tell which of them held: all are said.
    """
    told: dict[tuple[str, str], str] = {}
    for state, step in playbook.steps.items():
        for arm in step.arms if isinstance(step, Check) else ():
            before = told.get((state, arm.trigger))
            told[state, arm.trigger] = _meaning(arm.when) if before is None else f"{before}; or: {_meaning(arm.when)}"
    return told


def waits(playbook: Playbook) -> dict[str, str]:
    """Return what each state waits for, by the state; those that end the run wait for nothing."""
    told = {state: _waits(step) for state, step in playbook.steps.items()}
    return {state: words for state, words in told.items() if words}


def _waits(step: Step) -> str:
    match step:
        case Act():
            needless = "" if step.unless is None else f", unless this is so: {_meaning(step.unless)}"
            return f"{GUARDS}, about {step.verb}{needless}"
        case Wait():
            return f"{PASSING}, {duration(step.duration_s)}"
        case Check():
            arms = "; ".join(_meaning(arm.when) for arm in step.arms)
            if step.within_s == 0.0:
                return f"nothing: it goes by which of these is so now: {arms}"
            until = "" if callable(step.within_s) else f", for {duration(step.within_s)} at most"
            return f"one of these{until}: {arms}" if arms else f"the symptom to clear{until}"
        case Resolve() | Escalate():
            return ""


def _question(memory: Memory, incident: Incident) -> Outlook | None:
    """Return what a person is asked; None where nobody is."""
    judged, run = memory.judged.get(incident.id), incident.run
    numbers = memory.asked.get(incident.id, ())
    asked = memory.approvals[numbers[-1]] if numbers else None
    waits = judged is not None and judged.reason == GuardReason.AWAITING_APPROVAL
    if (
        asked is None
        or not waits
        or asked.standing is not Standing.ASKED
        or not asked.is_wanted(incident)
        or run is None
    ):
        return None
    ways = (
        Way("approved", "it is done, once every guard allows it"),
        Way("denied, or no answer in time", PERSON),
        Way(CLEARED, "it is not done"),
    )
    what = f"a person to confirm {words_of(asked.action)}"
    return Outlook(what, asked.expires_at, ways, f"terrahash approve {asked.id}, or deny {asked.id} --why …")


def _step(memory: Memory, incident: Incident, playbook: Playbook, step: Step, miner: Miner | None) -> Outlook:
    run = incident.run
    state, entered_at = ("", 0.0) if run is None else (run.state, run.entered_at)
    cleared = tuple(Way(CLEARED, to) for to in _leads_to(playbook, state, playbook.on_recovered))
    match step:
        case Act():
            judged = memory.judged.get(incident.id)
            until = entered_at + deferred_s(step.verb)
            if judged is None:
                return Outlook(f"{GUARDS}, about {step.verb}", until, cleared)
            ways = (Way("allowed", "it is done"), Way("put off until then", PERSON), *cleared)
            return Outlook(f"the guard {judged.gate}, about {words_of(judged.action)}: {judged.reason}", until, ways)
        case Wait():
            ways = tuple(Way("then", to) for to in _leads_to(playbook, state, step.then))
            return Outlook(PASSING, entered_at + step.duration_s, (*cleared, *ways))
        case Check():
            until_s = step.limit_s(miner) if miner is not None else None if callable(step.within_s) else step.within_s
            ways = tuple(
                Way(_meaning(arm.when), to) for arm in step.arms for to in _leads_to(playbook, state, arm.trigger)
            )
            late = tuple(Way("none of it in time", to) for to in _leads_to(playbook, state, step.otherwise))
            until_at = None if until_s is None else entered_at + until_s
            return Outlook(f"what is seen, in {state}", until_at, (*cleared, *ways, *late))
        case Resolve() | Escalate():
            return Outlook(
                "the next tick, at which it ends" if isinstance(step, Resolve) else f"a person: {step.reason}"
            )


def _outcomes(playbook: Playbook | None, state: str) -> Iterator[Way]:
    step = None if playbook is None else playbook.steps.get(state)
    if playbook is not None and isinstance(step, Act):
        yield from (Way("done", to) for to in _leads_to(playbook, state, step.on_ok))
        yield from (Way("not done", to) for to in _leads_to(playbook, state, step.on_fail))


def _leads_to(playbook: Playbook, state: str, trigger: str) -> list[str]:
    """Return where a trigger leads, and what is done there; nothing where it leads nowhere."""
    return [
        f"{row.dest}{_done_in(playbook.steps[row.dest])}"
        for row in playbook.transitions
        if (row.source, row.trigger) == (state, trigger)
    ]


def _done_in(step: Step) -> str:
    match step:
        case Act():
            return f" ({step.verb})"
        case Escalate():
            return f" (a person: {step.reason})"
        case _:
            return ""


def _meaning(condition: object) -> str:
    """Return the first sentence of what a condition says of itself."""
    told = (getattr(condition, "__doc__", None) or "").strip().partition("\n")[0].rstrip(".")
    return told or str(getattr(condition, "__qualname__", condition))
