"""PDU dark: find out whether it is the PDU or its feed, and tell a person. Nothing here is switched.

A PDU that does not answer has nothing to switch with. One that answers and gives nothing has lost its feed behind its
controller; one that answers with its outlets off has had it back and waits to be told. A person looks first: whatever
took it down may still be there. Outlets that are left off then are switched on one by one once one of them draws
(agent.remediate.reenergise); most PDUs do that themselves. A PDU that gives power again has its miners starting, and
they are waited for.

Sources: facts "detection", section 3; facts "failures", row 11.
"""

from agent.model.domains import Kind
from agent.model.incident import Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.surroundings import watts_lately
from agent.model.telemetry import OutletState

RETURN_S = 60.0
"""A transfer switch or a utility's reclosing brings power back within this time, if it does by itself."""

GATHER_S = 60.0
"""Longest wait for a fresh reading of the outlets: PDUs of silent miners are read every few seconds."""

START_S = 1200.0
"""With power again its miners answer by then: the slowest family has 15 min (facts "detection", section 1.1)."""

DEAD_DRAW_W = 3.0
"""Less than any supply's standby: nothing is drawn."""


def outlets_are_off(s: Situation) -> bool:
    """The PDU answers, and its outlets are off."""
    return any(o.state is OutletState.OFF and o.at >= s.run.entered_at for o in s.row.outlets)


def outlets_are_read(s: Situation) -> bool:
    """The PDU answers."""
    return any(o.at >= s.run.entered_at for o in s.row.outlets)


def feed_is_back(s: Situation) -> bool:
    """The PDU answers, and power flows again: its miners are starting."""
    draw_w = watts_lately(s)
    return outlets_are_read(s) and draw_w is not None and draw_w >= DEAD_DRAW_W


_STEPS: dict[str, Step] = {
    "hold": Check((), RETURN_S, "stays_away"),
    "gather": Check(
        (Arm(outlets_are_off, "off"), Arm(feed_is_back, "back"), Arm(outlets_are_read, "fed_nothing")),
        GATHER_S,
        "silent",
    ),
    "starting": Check((), START_S, "stay_silent"),
    "resolved": Resolve(),
    "ask_off": Escalate("pdu_outlets_off"),
    "ask_feed": Escalate("pdu_without_feed"),
    "ask_silent": Escalate("pdu_silent"),
    "ask_members": Escalate("pdu_back_miners_silent"),
}

_TRANSITIONS = (
    Transition("stays_away", "hold", "gather"),
    Transition("off", "gather", "ask_off"),
    Transition("fed_nothing", "gather", "ask_feed"),
    Transition("silent", "gather", "ask_silent"),
    Transition("back", "gather", "starting"),
    Transition("stay_silent", "starting", "ask_members"),
    *(Transition("recovered", state, "resolved") for state in ("hold", "gather", "starting")),
)

PLAYBOOK = Playbook(
    name="pdu_dark",
    category=Category.OTHER,
    causes=frozenset({Reason.POWER_LOST}),
    domains=frozenset({Kind.PDU}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
