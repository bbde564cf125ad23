"""Settle: an action's outcome and what it means for its run, as one event."""

from agent.model.action import Repeat, Result
from agent.model.errors import InvariantError
from agent.model.events import Intended, Settled
from agent.model.incident import Evidence, Incident
from agent.model.playbook import Act
from agent.remediate import duty
from agent.remediate.tables import Tables

CHANGED = "playbook_changed"
"""Stands where a run that cannot go on would name the trigger it takes."""


def settled(
    intent: Intended,
    result: Result,
    detail: str,
    incident: Incident,
    tables: Tables,
    *,
    evidence: Evidence | None = None,
) -> Settled:
    """Return the event that records the outcome of `intent` and moves its run; a duty has no run to move.

    A run whose playbook has changed stays where it is: it is going to be handed to a person.

    Raises:
        InvariantError: the run's state is no act.
    """
    trigger = to_state = duty.STATE
    if intent.run is not None:
        table = tables.running(incident)
        if table is None:
            trigger, to_state = CHANGED, intent.state
        else:
            step = table.playbook.steps.get(intent.state)
            if not isinstance(step, Act):
                raise InvariantError(f"run {intent.run}: state {intent.state} has an intent but is no act")
            trigger = step.on_ok if _counts_as_done(intent, result) else step.on_fail
            to_state = table.leads_to(intent.state, trigger)
    return Settled(
        incident=intent.incident,
        run=intent.run,
        attempt=intent.attempt,
        action=intent.action,
        result=result,
        detail=detail,
        from_state=intent.state,
        to_state=to_state,
        trigger=trigger,
        evidence=evidence or {},
    )


def _counts_as_done(intent: Intended, result: Result) -> bool:
    """Whether the run goes on as if it had happened.

    What may have happened and must not be repeated blindly is waited for: the state that follows looks for the effect.
    """
    return result is Result.OK or (result is Result.UNKNOWN and intent.action.traits.repeat is Repeat.PROBE)
