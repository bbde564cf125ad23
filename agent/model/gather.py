"""How a run about pools begins: wait for who else shows the symptom, then look at every pool of the group.

As rows of a playbook's table, that go on in its state `judge`.
"""

from agent.model.playbook import Arm, Check, Condition, Situation, Step, Transition, Wait
from agent.model.pools import probed_since
from agent.model.waves import Table

GATHER_S = 60.0
"""Longest wait for a look at every pool of the group; pools in focus are looked at every 10 s."""


def probes_are_fresh(s: Situation) -> bool:
    """Every pool of the group was looked at since this state was entered."""
    return probed_since(s, s.run.entered_at)


def gathering(hold_s: float, fresh: Condition = probes_are_fresh) -> Table:
    """Return the states `hold` and `gather`, and their rows.

    Args:
        hold_s: how long others are waited for.
        fresh: what was waited for in `gather`.
    """
    steps: dict[str, Step] = {
        "hold": Wait(hold_s, "held"),
        "gather": Check((Arm(fresh, "gathered"),), GATHER_S, "unread"),
    }
    rows = (
        Transition("held", "hold", "gather"),
        Transition("gathered", "gather", "judge"),
        Transition("unread", "gather", "judge"),
        *(Transition("recovered", state, "resolved") for state in steps),
    )
    return steps, rows
