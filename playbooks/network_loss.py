"""Network loss: find out what is wrong with the way to a miner; bounce its port where that helps, else tell a person.

The miner is not touched: it works, or did until its work ran out. Two things remote mend a network, and each is done
once. A hung switch port is taken down and up. A miner that goes on drawing in full has work and so has a network, only
not where it is looked for: it is looked for by its hardware address at the site's other addresses, and from then on
where it was found. Of one that was derated the draw does not tell: it is looked for before its port is bounced. A port
without a link, one that somebody took down, one in another VLAN than its peers and one that receives damaged frames are
a person's.

Times: facts "detection", sections 1.3 and 7; facts "failures", rows 25 and 31.
"""

from agent.model.action import Verb
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.surroundings import all_read_lately, outlets_lately, port_lately, watts_lately
from agent.model.telemetry import OutletState, Reach
from agent.model.topology import FAMILY_TRAITS, Family, Miner

HOLD_S = 75.0
"""A cause shared with others is named 60 s after it shows in them (facts "detection", section 7, group hold), and one
of them may show it a poll later."""

GATHER_S = 90.0
"""Longest wait for a fresh reading of the outlets and the port."""

WORK_SHARE = 0.8
"""Of its nominal power: who draws that much computes. Who was derated never does, and its draw does not tell: boards
that wait for work draw half of what they would."""

WORK_LASTS_S = 240.0
"""Without a pool a miner has given it up and run out of work by then: 90 s and about a job's life, twice over."""

STOCK_GIVES_UP_S = 660.0
"""A stock Antminer has then, whatever else it does, taken the power off its hashboards: after 300 s and 1 to 300 s."""

ERRORS_PER_S = 0.1
"""A sound cable has none for days. An estimate."""

PROOF_S = 1560.0
"""Twelve polls at 30 s each, four times over, as one that is lost on the way begins them anew: where one in fifty is,
the proof of a miner that is well takes longer with odds of 1 in 10,000; taken twice over, of 2 in 100. What the slowest
poll and the way back to the pool add to them is in it."""


def evidence_is_fresh(s: Situation) -> bool:
    """Every outlet and the port, with what is wanted of it, were read since the symptom."""
    port = s.row.port
    return all_read_lately(s) and (port is None or port.admin_at >= s.incident.detected_at)


def outlet_is_off(s: Situation) -> bool:
    """An outlet is off, which this playbook never does: somebody wants it so."""
    return any(o.state is OutletState.OFF for o in outlets_lately(s))


def switch_is_silent(s: Situation) -> bool:
    """Nothing was heard of the switch since the symptom: the fault is larger than one port."""
    port = s.row.port
    return port is None or not port.at >= s.incident.detected_at


def port_was_taken_down(s: Situation) -> bool:
    """The port is down because somebody wants it so."""
    port = port_lately(s)
    return port is not None and port.admin_up is False and port.up is not True


def has_no_link(s: Situation) -> bool:
    """The port is wanted up and has no link: cable, plug, or a control board without power."""
    port = port_lately(s)
    return port is not None and port.up is False and port.admin_up is not False


def is_in_another_vlan(s: Situation) -> bool:
    """Frames without a tag go elsewhere than those of most other miners behind the same switch."""
    port = port_lately(s)
    usual = s.row.usual_pvid
    return port is not None and None not in (port.pvid, usual) and port.pvid != usual


def receives_damaged_frames(s: Situation) -> bool:
    """Frames from the miner arrive damaged now."""
    port = port_lately(s)
    return port is not None and port.up is True and s.row.port_error_rate >= ERRORS_PER_S


def works_elsewhere(s: Situation) -> bool:
    """Silent for longer than work lasts without a network, and drawing in full: it has one."""
    draw_w, long_silent = watts_lately(s), s.row.missing_s >= work_lasts_s(s.miner)
    return _is_silent(s) and long_silent and draw_w is not None and draw_w >= WORK_SHARE * s.miner.power_w


def port_is_hung(s: Situation) -> bool:
    """The port has a link, nobody hears the miner, and it ran out of work: not even the pool hears it."""
    port, draw_w = port_lately(s), watts_lately(s)
    gave_up = draw_w is not None and draw_w < WORK_SHARE * s.miner.power_w
    return _is_silent(s) and port is not None and port.up is True and gave_up


def draw_does_not_tell(s: Situation) -> bool:
    """The same, of one that was derated: it may work at another address, and draw no more than it was told to."""
    return port_is_hung(s) and bool(s.row.view.derated[s.row.index] < 1.0)


def answers_again(s: Situation) -> bool:
    """It answers: its port passes on what it should."""
    return s.row.reach is Reach.ANSWERED


def port_was_left_down(s: Situation) -> bool:
    """The bounce ended with the port down."""
    port = s.row.port
    return port is not None and port.admin_at >= s.run.entered_at and port.admin_up is False


def work_lasts_s(miner: Miner) -> float:
    """Return after how long without a network a miner draws less than in full."""
    return STOCK_GIVES_UP_S if miner.family is Family.ANTMINER_STOCK else WORK_LASTS_S


def judge_s(miner: Miner) -> float:
    """Return how long it may take until the draw has told what is wrong."""
    return work_lasts_s(miner) + GATHER_S


def recovery_s(miner: Miner) -> float:
    """Return how long proof may take, a whole start of a miner that gave up included."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + PROOF_S


def _is_silent(s: Situation) -> bool:
    return s.row.reach is Reach.SILENT


_STEPS: dict[str, Step] = {
    "hold": Wait(HOLD_S, "held"),
    "gather": Check((Arm(evidence_is_fresh, "gathered"),), GATHER_S, "unread"),
    "judge": Check(
        (
            Arm(outlet_is_off, "outlet_off"),
            Arm(switch_is_silent, "switch_silent"),
            Arm(port_was_taken_down, "admin_down"),
            Arm(has_no_link, "no_link"),
            Arm(is_in_another_vlan, "vlan"),
            Arm(receives_damaged_frames, "errors"),
            Arm(works_elsewhere, "works"),
            Arm(draw_does_not_tell, "derated"),
            Arm(port_is_hung, "hung"),
        ),
        judge_s,
        "undecided",
    ),
    "rebind": Act(Verb.REBIND, "found", "not_found"),
    "after_rebind": Check((), PROOF_S, "not_recovered"),
    "rebind_first": Act(Verb.REBIND, "found", "not_found"),
    "bounce": Act(Verb.BOUNCE_PORT, "bounced", "failed", unless=answers_again),
    "after_bounce": Check((Arm(port_was_left_down, "left_down"),), recovery_s, "not_recovered"),
    "after_failed": Check((Arm(port_was_left_down, "left_down"),), PROOF_S, "not_recovered"),
    "resolved": Resolve(),
    "ask_outlet_off": Escalate("outlet_off"),
    "ask_switch_silent": Escalate("switch_silent"),
    "ask_admin_down": Escalate("port_admin_down"),
    "ask_no_link": Escalate("no_link"),
    "ask_vlan": Escalate("wrong_vlan"),
    "ask_errors": Escalate("cable_errors"),
    "ask_works": Escalate("works_unreached"),
    "ask_undecided": Escalate("evidence_missing"),
    "ask_left_down": Escalate("port_left_down"),
    "ask_bounce": Escalate("bounce_failed"),
    "ask_exhausted": Escalate("exhausted"),
}

_TRANSITIONS = (
    Transition("held", "hold", "gather"),
    Transition("gathered", "gather", "judge"),
    Transition("unread", "gather", "judge"),
    Transition("outlet_off", "judge", "ask_outlet_off"),
    Transition("switch_silent", "judge", "ask_switch_silent"),
    Transition("admin_down", "judge", "ask_admin_down"),
    Transition("no_link", "judge", "ask_no_link"),
    Transition("vlan", "judge", "ask_vlan"),
    Transition("errors", "judge", "ask_errors"),
    Transition("works", "judge", "rebind"),
    Transition("found", "rebind", "after_rebind"),
    Transition("not_found", "rebind", "ask_works"),
    Transition("not_recovered", "after_rebind", "ask_works"),
    Transition("derated", "judge", "rebind_first"),
    Transition("found", "rebind_first", "after_rebind"),
    Transition("not_found", "rebind_first", "bounce"),
    Transition("hung", "judge", "bounce"),
    Transition("undecided", "judge", "ask_undecided"),
    Transition("bounced", "bounce", "after_bounce"),
    Transition("failed", "bounce", "after_failed"),
    Transition("left_down", "after_bounce", "ask_left_down"),
    Transition("left_down", "after_failed", "ask_left_down"),
    Transition("not_recovered", "after_bounce", "ask_exhausted"),
    Transition("not_recovered", "after_failed", "ask_bounce"),
    *(
        Transition("recovered", state, "resolved")
        for state in (
            "hold",
            "gather",
            "judge",
            "rebind",
            "after_rebind",
            "rebind_first",
            "bounce",
            "after_bounce",
            "after_failed",
        )
    ),
)

PLAYBOOK = Playbook(
    name="network_loss",
    category=Category.NETWORK,
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
