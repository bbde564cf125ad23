"""Settle: an action's outcome and what it means for its run, as one event."""

from collections.abc import Mapping

from agent.model.action import Result
from agent.model.errors import InvariantError
from agent.model.events import Intended, Settled
from agent.model.incident import Category, Incident
from agent.model.playbook import Act
from agent.remediate import duty
from agent.remediate.machine import Table


def settled(
    intent: Intended, result: Result, detail: str, incident: Incident, tables: Mapping[Category, Table]
) -> Settled:
    """Return the event that records the outcome of `intent` and moves its run; a duty has no run to move.

    Raises:
        InvariantError: the run's state is no act, or its table is gone.
    """
    trigger = to_state = duty.STATE
    if intent.run is not None:
        table = tables.get(incident.category)
        step = table.playbook.steps.get(intent.state) if table else None
        if table is None or not isinstance(step, Act):
            raise InvariantError(f"run {intent.run}: state {intent.state} has an intent but is no act of its playbook")
        trigger = step.on_ok if result is Result.OK else step.on_fail
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
    )
