"""Switch down: give it the time of a restart, find out whether it answers, and tell a person. No miner is touched.

Its miners draw in full and work on what they have; nothing done to one of them brings the switch back (facts
"failures", row 1). Stock Antminers take the power off their hashboards 5 to 10 minutes later, and start by themselves
when the network is back (row 25): they stay members.
"""

from agent.model.domains import Kind
from agent.model.incident import Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition

RESTART_S = 60.0
"""One that restarts is back by then, two minutes after it went: the verdict took one. An estimate."""

GATHER_S = 60.0
"""Longest wait for an answer of the switch."""


def switch_answers(s: Situation) -> bool:
    """The switch answers: what is broken lies behind it."""
    return s.row.port is not None and s.row.port.at >= s.run.entered_at


_STEPS: dict[str, Step] = {
    "hold": Check((), RESTART_S, "stays_away"),
    "gather": Check((Arm(switch_answers, "answers"),), GATHER_S, "silent"),
    "resolved": Resolve(),
    "ask_uplink": Escalate("switch_uplink"),
    "ask_silent": Escalate("switch_silent"),
}

_TRANSITIONS = (
    Transition("stays_away", "hold", "gather"),
    Transition("answers", "gather", "ask_uplink"),
    Transition("silent", "gather", "ask_silent"),
    *(Transition("recovered", state, "resolved") for state in ("hold", "gather")),
)

PLAYBOOK = Playbook(
    name="switch_down",
    category=Category.NETWORK,
    causes=frozenset({Reason.CUT_OFF}),
    domains=frozenset({Kind.SWITCH}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
