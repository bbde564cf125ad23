"""Lost power of a rack or of the whole site: find out that it stays away, and tell a person. Nothing here is switched.

The miners start by themselves when there is power again; whatever is then still dark or silent becomes an incident of
its own. One PDU or one breaker has a playbook of its own.
"""

from agent.model.incident import Category, Reason
from agent.model.playbook import Check, Escalate, Playbook, Resolve, Step, Transition

RETURN_S = 60.0
"""A transfer switch or a utility's reclosing brings power back within this time, if it does by itself."""

_STEPS: dict[str, Step] = {
    "hold": Check((), RETURN_S, "stays_away"),
    "resolved": Resolve(),
    "ask": Escalate("power_lost"),
}

_TRANSITIONS = (
    Transition("stays_away", "hold", "ask"),
    Transition("recovered", "hold", "resolved"),
)

PLAYBOOK = Playbook(
    name="power_lost",
    category=Category.OTHER,
    causes=frozenset({Reason.POWER_LOST}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
