"""Broken parts: one cold power cycle where that can help, and a ticket with what a technician needs. Nothing twice.

A lost hashboard comes back after a minute without power in 15 to 20 % of cases, and a supply that cuts out may let go
of what it latched; a second cycle finds nothing that the first did not. A fan, worn chips and whatever returns after
the cycle are a person's. Sources: facts "failures", rows 5, 14, 19 and 32; facts "control", section 2.
"""

import numpy as np

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.telemetry import OutletState, Reach
from agent.model.topology import FAMILY_TRAITS, Miner

HOLD_S = 60.0
"""A cause shared with others shows itself within this time (facts "detection", section 7, group hold)."""

GATHER_S = 90.0
"""Longest wait for a fresh reading of the outlets."""

DWELL_S = 60.0
"""A board that comes back does so after so long without power: facts "failures", row 5."""

LATE_S = 120.0
"""A relay that did not move in time may still move: an off that was not seen is undone only after this long."""

DEAD_S = 300.0
"""A hiccup is over long before: who is silent for so long has lost its supply, not a moment."""

BOOT_S = 240.0
"""No process begins later than this after its outlets were closed, unless the supply cut out once more."""

PROOF_S = 600.0
"""The clear window of a part (300 s), and what the slowest poll and ramp add to it."""

QUIET_S = 9000.0
"""The clear window of a supply is two hours without another hiccup; this is what the boot and the polls add."""


def was_cycled(s: Situation) -> bool:
    """It came back after the cycle of this incident: another one finds nothing new."""
    return s.tried(Verb.POWER_OFF) > 0


def is_fan(s: Situation) -> bool:
    """A fan stands still, and no command makes it turn."""
    return s.incident.cause is Reason.FAN_LOST


def is_worn(s: Situation) -> bool:
    """It hashes below what it aims at; nothing remote is known to mend that."""
    return s.incident.cause is Reason.DEGRADED


def is_board(s: Situation) -> bool:
    """A hashboard is lost."""
    return s.incident.cause is Reason.BOARD_LOST


def is_supply(s: Situation) -> bool:
    """Its supply cuts out."""
    return s.incident.cause is Reason.PSU_HICCUP


def has_no_outlet(s: Situation) -> bool:
    """Nobody knows where its power comes from."""
    return not s.miner.outlets


def outlets_were_read(s: Situation) -> bool:
    """Every outlet was read since this state was entered."""
    return all(outlet.at >= s.run.entered_at for outlet in s.row.outlets)


def outlet_is_off(s: Situation) -> bool:
    """An outlet is off where this run has none off: somebody wants it so."""
    return any(outlet.state is OutletState.OFF for outlet in s.row.outlets)


def outlets_are_on(s: Situation) -> bool:
    """All of them are."""
    return all(outlet.state is OutletState.ON for outlet in s.row.outlets)


def board_is_still_lost(s: Situation) -> bool:
    """The process that began after the cycle is past its start, and still finds fewer boards than there are."""
    view, row = s.row.view, s.row.index
    began_at = float(view.elapsed_s.at[row] - view.elapsed_s.value[row])
    started = began_at >= s.run.entered_at - DWELL_S and s.now - began_at >= FAMILY_TRAITS[s.miner.family].boot_grace_s
    fewer = view.boards_up.value[row] < view.hardware.boards_most[row] and view.boards_up.at[row] >= began_at
    return is_board(s) and started and bool(fewer)


def is_mended(s: Situation) -> bool:
    """It has all its boards again; of a supply that cuts out now and then no single look tells."""
    view, row = s.row.view, s.row.index
    has_all = view.boards_up.value[row] >= view.hardware.boards_most[row]
    return is_board(s) and s.row.reach is Reach.ANSWERED and bool(has_all)


def cut_out_again(s: Situation) -> bool:
    """A process began long after the cycle, and nobody asked for it."""
    view, row = s.row.view, s.row.index
    began_at = float(view.elapsed_s.at[row] - view.elapsed_s.value[row])
    return is_supply(s) and not np.isnan(began_at) and began_at > s.run.entered_at + BOOT_S


def is_dead(s: Situation) -> bool:
    """Nothing has been heard of it for longer than any start takes."""
    return s.row.missing_s >= max(DEAD_S, FAMILY_TRAITS[s.miner.family].boot_grace_s)


def proof_s(miner: Miner) -> float:
    """Return how long a start and the proof of any of these may take."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + QUIET_S


def board_s(miner: Miner) -> float:
    """Return how long a start and the proof of a board may take."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + PROOF_S


_STEPS: dict[str, Step] = {
    "sort": Check(
        (
            Arm(is_fan, "fan"),
            Arm(is_worn, "worn"),
            Arm(was_cycled, "again"),
            Arm(has_no_outlet, "no_outlet"),
            Arm(is_board, "cycle"),
            Arm(is_supply, "cycle"),
        ),
        0.0,
        "no_outlet",
    ),
    "hold": Wait(HOLD_S, "held"),
    "gather": Check((Arm(outlets_were_read, "gathered"),), GATHER_S, "unread"),
    "ready": Check((Arm(outlet_is_off, "outlet_off"), Arm(outlets_are_on, "power")), 0.0, "unread"),
    "power_off": Act(Verb.POWER_OFF, "is_off", "failed", unless=is_mended),
    "dwell": Wait(DWELL_S, "discharged"),
    "power_on": Act(Verb.POWER_ON, "is_on", "failed"),
    "retry_on": Act(Verb.POWER_ON, "is_on", "failed"),
    "late_off": Wait(LATE_S, "waited"),
    "restore": Act(Verb.POWER_ON, "is_on", "failed"),
    "after_power": Check((Arm(is_board, "board"), Arm(is_supply, "supply")), 0.0, "board"),
    "after_board": Check((Arm(board_is_still_lost, "lost"), Arm(is_dead, "dead")), board_s, "lost"),
    "after_supply": Check((Arm(cut_out_again, "again"), Arm(is_dead, "dead")), proof_s, "again"),
    "name": Check((Arm(is_board, "board"), Arm(is_supply, "supply")), 0.0, "board"),
    "resolved": Resolve(),
    "ask_fan": Escalate("fan_lost"),
    "ask_worn": Escalate("degraded"),
    "ask_board": Escalate("board_lost"),
    "ask_supply": Escalate("supply_cuts_out"),
    "ask_dead": Escalate("did_not_come_back"),
    "ask_outlet_off": Escalate("outlet_off"),
    "ask_pdu_failed": Escalate("pdu_failed"),
}

_TRANSITIONS = (
    Transition("fan", "sort", "ask_fan"),
    Transition("worn", "sort", "ask_worn"),
    Transition("again", "sort", "name"),
    Transition("no_outlet", "sort", "name"),
    Transition("cycle", "sort", "hold"),
    Transition("held", "hold", "gather"),
    Transition("gathered", "gather", "ready"),
    Transition("unread", "gather", "name"),
    Transition("outlet_off", "ready", "ask_outlet_off"),
    Transition("power", "ready", "power_off"),
    Transition("unread", "ready", "name"),
    Transition("is_off", "power_off", "dwell"),
    Transition("failed", "power_off", "late_off"),
    Transition("discharged", "dwell", "power_on"),
    Transition("is_on", "power_on", "after_power"),
    Transition("failed", "power_on", "retry_on"),
    Transition("is_on", "retry_on", "after_power"),
    Transition("failed", "retry_on", "ask_pdu_failed"),
    Transition("waited", "late_off", "restore"),
    Transition("is_on", "restore", "name"),
    Transition("failed", "restore", "ask_pdu_failed"),
    Transition("board", "after_power", "after_board"),
    Transition("supply", "after_power", "after_supply"),
    Transition("lost", "after_board", "ask_board"),
    Transition("dead", "after_board", "ask_dead"),
    Transition("again", "after_supply", "ask_supply"),
    Transition("dead", "after_supply", "ask_dead"),
    Transition("board", "name", "ask_board"),
    Transition("supply", "name", "ask_supply"),
    *(
        Transition("recovered", state, "resolved")
        for state in ("sort", "hold", "gather", "ready", "power_off", "after_board", "after_supply")
    ),
)

PLAYBOOK = Playbook(
    name="hardware",
    category=Category.OTHER,
    causes=frozenset({Reason.BOARD_LOST, Reason.FAN_LOST, Reason.PSU_HICCUP, Reason.DEGRADED}),
    initial="sort",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
