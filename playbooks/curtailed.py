"""Curtailed by nobody knows whom: see that they sleep on, and ask a person. Nothing here is woken.

Many miners of a rack, a container or the site were told to sleep within a minute, and say so. Somebody wanted that: the
grid, a trader, a technician. Who knows of it answers with `terrahash curtail` or `terrahash maintain`; who does not
wakes them (facts "failures", row 10).
"""

from agent.model.incident import Category, Reason
from agent.model.playbook import Check, Escalate, Playbook, Resolve, Step, Transition

AGAIN_S = 30.0
"""Who was told by mistake is told again within this time."""

_STEPS: dict[str, Step] = {
    "hold": Check((), AGAIN_S, "sleep_on"),
    "resolved": Resolve(),
    "ask": Escalate("curtailed_by_whom"),
}

_TRANSITIONS = (
    Transition("sleep_on", "hold", "ask"),
    Transition("recovered", "hold", "resolved"),
)

PLAYBOOK = Playbook(
    name="curtailed",
    category=Category.OTHER,
    causes=frozenset({Reason.CURTAILED}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
