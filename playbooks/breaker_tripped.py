"""Breaker tripped: find out that it stays open, and tell a person how to close it. It cannot be closed from here.

It tripped for a reason, and closed onto all its supplies it trips again, or welds relays (facts "failures", row 11;
facts "control", section 2). So the person is asked to switch its outlets off first, to unplug what must not start, to
close it, and to switch one outlet on. When that one draws, the others follow from here, one by one and once each
(agent.remediate.reenergise). The outlets are not switched off from here: an outlet that gives nothing proves nothing
of who hangs on it.
"""

from agent.model.domains import Kind
from agent.model.incident import Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.telemetry import OutletState

RETURN_S = 60.0
"""Who works at a breaker opens and closes it within moments, if he does not mean to leave it open."""

GATHER_S = 60.0
"""Longest wait for a fresh reading of the outlets."""


def outlets_are_off(s: Situation) -> bool:
    """The outlets behind it were switched off: nothing says that it tripped."""
    return any(o.state is OutletState.OFF and o.at >= s.run.entered_at for o in s.row.outlets)


def outlets_are_on(s: Situation) -> bool:
    """The outlets behind it are on, as they were."""
    on = [o for o in s.row.outlets if o.state is OutletState.ON and o.at >= s.run.entered_at]
    return bool(on) and len(on) == len(s.row.outlets)


_STEPS: dict[str, Step] = {
    "hold": Check((), RETURN_S, "stays_away"),
    "gather": Check((Arm(outlets_are_off, "off"), Arm(outlets_are_on, "tripped")), GATHER_S, "silent"),
    "resolved": Resolve(),
    "ask_tripped": Escalate("breaker_tripped"),
    "ask_off": Escalate("outlets_off"),
    "ask_silent": Escalate("pdu_silent"),
}

_TRANSITIONS = (
    Transition("stays_away", "hold", "gather"),
    Transition("off", "gather", "ask_off"),
    Transition("tripped", "gather", "ask_tripped"),
    Transition("silent", "gather", "ask_silent"),
    *(Transition("recovered", state, "resolved") for state in ("hold", "gather")),
)

PLAYBOOK = Playbook(
    name="breaker_tripped",
    category=Category.OTHER,
    causes=frozenset({Reason.POWER_LOST}),
    domains=frozenset({Kind.BREAKER}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
