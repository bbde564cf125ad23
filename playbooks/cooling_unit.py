"""Cooling unit out of order: a person is told, at once and once. Nothing remote mends it.

One that is silent leaves its loop without watch and without remedy; one that leaks is a danger; one whose sensors lie
would have the loop steered by what is not so. What becomes of the loop meanwhile, its miners show
(playbooks/loop_hot.py, playbooks/cooling_lost.py). It is over when the unit is seen to be well.
"""

from agent.model.incident import OF_DEVICES, Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition


def is_silent(s: Situation) -> bool:
    """The unit answers nothing."""
    return s.incident.cause is Reason.UNIT_SILENT


def has_leak(s: Situation) -> bool:
    """The unit has found a leak."""
    return s.incident.cause is Reason.UNIT_LEAKS


def shows_no_flow(s: Situation) -> bool:
    """The unit tells of no flow, which its miners contradict."""
    return s.incident.cause is Reason.UNIT_FLOW_SENSOR


_STEPS: dict[str, Step] = {
    "look": Check((Arm(is_silent, "silent"), Arm(has_leak, "leaks"), Arm(shows_no_flow, "no_flow")), 0.0, "lies"),
    "resolved": Resolve(),
    "ask_silent": Escalate("cooling_unit_silent"),
    "ask_leak": Escalate("leak"),
    "ask_sensor": Escalate("sensor_contradicted"),
    "ask_flow_sensor": Escalate("flow_sensor_contradicted"),
}

_TRANSITIONS = (
    Transition("silent", "look", "ask_silent"),
    Transition("leaks", "look", "ask_leak"),
    Transition("lies", "look", "ask_sensor"),
    Transition("no_flow", "look", "ask_flow_sensor"),
    Transition("recovered", "look", "resolved"),
)

PLAYBOOK = Playbook(
    name="cooling_unit",
    category=Category.OTHER,
    initial="look",
    steps=_STEPS,
    transitions=_TRANSITIONS,
    causes=OF_DEVICES,
)
