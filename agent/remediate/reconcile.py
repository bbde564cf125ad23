"""Reconcile: the one function that says what an incident needs next.

Level-based: it looks at what is, never at what just happened, and gives the same answer however often it is asked.
"""

import math
from dataclasses import dataclass, field
from typing import assert_never

from agent.model.action import VERB_TRAITS, Action, Result, Risk, Verb
from agent.model.incident import Evidence, Incident, Outcome, Phase
from agent.model.playbook import Act, Check, Escalate, Resolve, Situation, Step, Wait
from agent.model.topology import Miner
from agent.remediate.machine import Table


@dataclass(frozen=True, slots=True)
class Begin:
    """Start this playbook on the incident."""

    table: Table


@dataclass(frozen=True, slots=True)
class Perform:
    """Do this, if the guards allow."""

    action: Action
    state: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing to do before `until` (UTC s) unless the view changes."""

    until: float


@dataclass(frozen=True, slots=True)
class Move:
    """Take this row of the table without acting."""

    trigger: str
    to_state: str
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Close:
    """The symptom has cleared: the incident is over, but for what it leaves to a person."""

    outcome: Outcome
    leaves: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Ask a person."""

    reason: str


Decision = Begin | Perform | Hold | Move | Close | HandOver

RECHECK_S = 2.0

JITTER_S = 0.5
"""Ticks that are meant to lie a wait apart may lie that much closer; a tick later could be half a minute."""

DEFERRED_S = 3600.0
"""An action the guards have put off for this long is a person's business; the longest cool-down is a third of it."""

FLASH_DEFERRED_S = 6 * 3600.0
"""A flash waits for those before it: its image's first one is proved for more than an hour, then one goes at a time."""


INTERRUPTED = "interrupted"
"""What a run says that looks anew at what it did before a window or a sleep; no table has a row for it."""

MOST_RESUMES = 3
"""A run during which the agent broke off more often may be what breaks it."""


def deferred_s(verb: Verb) -> float:
    """Return how long the guards may put off an action before it is a person's business."""
    return FLASH_DEFERRED_S if verb is Verb.FLASH else DEFERRED_S


def reconcile(situation: Situation, table: Table | None, *, answer_by: float = -math.inf) -> Decision:
    """Return what the incident's run needs next.

    Args:
        situation: the incident with a run, its miner and what is seen of it now.
        table: the playbook the run was started with; None where that has changed since.
        answer_by: UTC s until which a person may answer whether the present step may be done.
    """
    incident, run, now = situation.incident, situation.run, situation.now
    if incident.in_flight is not None:
        return Hold(now + RECHECK_S)
    if incident.phase is Phase.ESCALATED:
        return Close(outcome(incident)) if situation.recovered else Hold(now + RECHECK_S)
    if table is None:
        return HandOver("playbook_changed")
    if run.resumes > MOST_RESUMES:
        return HandOver("resumed_too_often")
    trigger = table.playbook.on_recovered
    if situation.recovered and table.has(run.state, trigger):
        return Move(trigger, table.leads_to(run.state, trigger))
    return _step(table.playbook.steps[run.state], situation, table, answer_by)


def taken_up(incident: Incident, table: Table, running: Table | None) -> Begin | Move:
    """Return how a run goes on that a window, or a sleep for safety, interrupted: it begins anew, by `table`.

    But for one that has done something and looks what came of it: what it did is done, and its proof alone begins anew.
    `running` is the table it goes by; None where its playbook has changed since.
    """
    run = incident.run
    if run is None or running is None or not isinstance(running.playbook.steps[run.state], Check | Wait):
        return Begin(table)
    has_acted = any(attempt.at >= run.started_at for attempt in incident.attempts)
    return Move(INTERRUPTED, run.state) if has_acted else Begin(table)


def outcome(incident: Incident) -> Outcome:
    """Return how an incident ended whose symptom has just cleared.

    What its present stretch ended by counts; but who relapsed after a person had mended it was never the agent's alone.
    """
    if incident.asked_at is not None:
        return Outcome.ASSISTED if _was_helped(incident) else Outcome.HUMAN_RESOLVED
    # An action that was seen not to happen fixed nothing.
    acted = [a for a in incident.attempts if a.result in (Result.OK, Result.UNKNOWN)]
    if any(spell.outcome is Outcome.HUMAN_RESOLVED for spell in incident.earlier):
        mended = any(a.at >= incident.began for a in acted)
        return Outcome.ASSISTED if mended else Outcome.HUMAN_RESOLVED
    if any(a.approved for a in acted):
        return Outcome.ASSISTED
    return Outcome.AUTO_RESOLVED if acted else Outcome.SELF_RECOVERED


def _was_helped(incident: Incident) -> bool:
    """Whether a person only gave his word, and the agent did the rest."""
    answered_at = incident.answered_at
    if answered_at is None or incident.escalated_at is None or incident.escalated_at > answered_at:
        return False
    return any(
        attempt.at >= answered_at
        and attempt.result in (Result.OK, Result.UNKNOWN)
        and VERB_TRAITS[attempt.verb].risk is not Risk.OBSERVE
        for attempt in incident.attempts
    )


def action_of(verb: Verb, miner: Miner) -> Action:
    """Return the action of that verb on that miner; power verbs name every outlet that feeds it."""
    outlets = miner.outlets if VERB_TRAITS[verb].risk is Risk.POWER else ()
    return Action(verb=verb, miner=miner.id, outlets=outlets)


def _step(step: Step, situation: Situation, table: Table, answer_by: float) -> Decision:
    match step:
        case Act():
            return _act(step, situation, answer_by)
        case Wait():
            return _after(step.duration_s, step.then, situation, table)
        case Check():
            held = next((arm for arm in step.arms if arm.when(situation)), None)
            if held is not None:
                return Move(held.trigger, table.leads_to(situation.run.state, held.trigger))
            return _after(step.limit_s(situation.miner), step.otherwise, situation, table)
        case Resolve():
            return Close(outcome(situation.incident), step.leaves)
        case Escalate():
            return HandOver(step.reason)
        case _:
            assert_never(step)


def _act(step: Act, situation: Situation, answer_by: float) -> Decision:
    # What a person may still answer is not the guards' delay.
    waited_s = min(situation.in_state_s, situation.now - answer_by)
    if waited_s >= deferred_s(step.verb):
        return HandOver("deferred_too_long")
    if step.unless is not None and step.unless(situation):
        return Hold(situation.now + RECHECK_S)
    action = action_of(step.verb, situation.miner) if step.on is None else step.on(situation)
    return Perform(action, situation.run.state)


def _after(duration_s: float, trigger: str, situation: Situation, table: Table) -> Hold | Move:
    run = situation.run
    if situation.in_state_s < duration_s - JITTER_S:
        return Hold(run.entered_at + duration_s)
    return Move(trigger, table.leads_to(run.state, trigger))
