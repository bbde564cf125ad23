"""Lost power of many: find out that it stays away, and tell a person. Nothing here is switched.

A PDU without feed has nothing to switch with. A breaker that tripped did so for a reason, and closing it onto all its
supplies at once would trip it again (facts "failures", row 11): a person looks first. The miners start by themselves
when there is power again; whatever is then still dark or silent becomes an incident of its own.
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
