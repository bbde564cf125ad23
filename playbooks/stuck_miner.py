"""Stuck miner: restart the process, reboot, power cycle; the mildest step that can work, each proved by counters.

Evidence comes first. A miner that gives no telemetry is touched only when something outside it says that it does not
hash: its outlets draw little, or its switch port hears nothing of it. With its outlet on and drawing nothing its power
supply is dead and a cycle is no help; with its port down it is a network fault; and when nothing outside it can be
read, a person is asked.

Times: facts "detection", sections 1.1 and 7; facts "control", section 2 (a latched supply lets go after 30 s without
power, a crowbar after 60 s).
"""

from agent.model.action import Verb
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.surroundings import all_read_lately, is_fed_lately, outlets_lately, port_lately, watts_lately
from agent.model.telemetry import OutletState, Reach
from agent.model.topology import FAMILY_TRAITS, Miner

HOLD_S = 75.0
"""A cause shared with others is named 60 s after it shows in them (facts "detection", section 7, group hold), and one
of them may show it a poll later."""

GATHER_S = 90.0
"""Longest wait for a fresh reading of the outlets and the port."""

SILENT_S = 180.0
"""Below this a firmware may still come back by itself: the stock watchdog, a spontaneous reboot."""

QUIET_S = 120.0
"""A hashing miner never keeps its port quiet this long: at 18 shares a minute the odds are e**-36."""

JUDGE_S = 1800.0
"""How long a miner that may be working is watched before a person is asked."""

DEAD_DRAW_W = 3.0
"""Less than any supply's standby: nothing is drawn."""

IDLE_SHARE = 0.25
"""Below this share of its nominal power no miner hashes; control board and fans draw 10-100 W."""

DEAD_RATE_SHARE = 0.10
STILL_S = 120.0
"""A miner that answers does not hash when its rate is below this share, or its hashes stood still for this long."""

INEFFECTIVE_S = 180.0
"""A restart or reboot that took shows in the process age by then."""

LATE_S = 120.0
"""A relay that did not move in time may still move: an off that was not seen is undone only after this long, or it
would come after the on that was to undo it. Six times what a PDU is given (facts "control", section 1)."""

PROOF_S = 480.0
"""The clear window (300 s) and what the slowest poll and ramp add to it."""

DWELL_S = 60.0


def recovered(s: Situation) -> bool:
    """The detector's clear condition has held for its whole window: counters, not averages."""
    return s.recovered


def evidence_is_fresh(s: Situation) -> bool:
    """Every outlet and the port were read since this state was entered."""
    port = s.row.port
    return all(o.at >= s.run.entered_at for o in s.row.outlets) and (port is None or port.at >= s.run.entered_at)


def outlet_is_off(s: Situation) -> bool:
    """An outlet is off where this run has none off: somebody wants it so."""
    return any(o.state is OutletState.OFF for o in outlets_lately(s))


def draws_nothing(s: Situation) -> bool:
    """Every outlet is on, metered, and next to nothing flows."""
    draw_w = watts_lately(s)
    return draw_w is not None and draw_w < DEAD_DRAW_W and is_fed_lately(s)


def link_is_down(s: Situation) -> bool:
    """Silent, its switch port without link, and yet it is seen to draw power: the network, not the miner."""
    port = port_lately(s)
    draw_w = watts_lately(s)
    works = draw_w is not None and draw_w >= s.miner.power_w * IDLE_SHARE
    return s.row.reach is Reach.SILENT and port is not None and port.up is False and works


def wants_restart(s: Situation) -> bool:
    """Its process can be reached, does not hash or says so itself, and was not restarted in this incident yet."""
    return _is_reachable(s) and (_is_not_hashing(s) or _says_so_itself(s)) and not s.tried(Verb.RESTART)


def wants_reboot(s: Situation) -> bool:
    """Its process can be reached, does not hash, and a restart did not help."""
    return _is_reachable(s) and _is_not_hashing(s) and not s.tried(Verb.REBOOT)


def is_mute(s: Situation) -> bool:
    """Nothing sensible has come back for so long that nothing milder than power can reach it."""
    return s.row.mute_s >= SILENT_S


def wants_power(s: Situation) -> bool:
    """Nothing milder can reach it or is left, and something outside it says that it does not hash."""
    nothing_milder = is_mute(s) or s.tried(Verb.REBOOT) > 0
    return _is_not_hashing(s) and nothing_milder and not _may_be_booting(s) and is_fed_lately(s)


def works_again(s: Situation) -> bool:
    """It answers, and hashes or is only starting: what was to be done for it would now be done to it."""
    return s.row.reach is Reach.ANSWERED and not _is_not_hashing(s)


def supply_did_not_start(s: Situation) -> bool:
    """Cold for long enough, on again, and not even its control board has power: the supply is dead, not latched."""
    draw_w = watts_lately(s)
    port = port_lately(s)
    is_dark = s.row.reach is Reach.SILENT and port is not None and port.up is False
    return is_dark and is_fed_lately(s) and draw_w is not None and draw_w < s.miner.power_w * IDLE_SHARE


def restart_was_ineffective(s: Situation) -> bool:
    """Time enough for a new process has passed, and the one that answers is the old one, or still absent."""
    if s.in_state_s < INEFFECTIVE_S or _started_at(s) >= s.run.entered_at - INEFFECTIVE_S:
        return False
    return s.row.reach in (Reach.ANSWERED, Reach.ERRORED) and _is_not_hashing(s)


def reboot_was_ineffective(s: Situation) -> bool:
    """The same, told by the process that answers: one that is absent says nothing until the board has had its boot.

    An API that is down for longer than that, on a host that answers, is the firmware's, and no cycle is tried for it.
    """
    return s.row.reach is Reach.ANSWERED and restart_was_ineffective(s)


def recovery_s(miner: Miner) -> float:
    """Return how long boot, ramp and proof may take."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + PROOF_S


def _is_reachable(s: Situation) -> bool:
    return s.row.reach in (Reach.ANSWERED, Reach.ERRORED, Reach.REFUSED)


def _is_not_hashing(s: Situation) -> bool:
    """Telemetry says so itself; without telemetry something outside the miner must. One that just began is excused."""
    if s.row.reach is Reach.ANSWERED:
        is_new = s.now - _started_at(s) < FAMILY_TRAITS[s.miner.family].boot_grace_s
        return not is_new and (s.row.rate_share < DEAD_RATE_SHARE or s.row.work_still_s >= STILL_S)
    if s.row.missing_s < SILENT_S:
        return False
    draw_w = watts_lately(s)
    port = port_lately(s)
    idles = draw_w is not None and draw_w < s.miner.power_w * IDLE_SHARE
    is_quiet = port is not None and port.up is True and port.quiet_s >= QUIET_S
    return idles or is_quiet


def _says_so_itself(s: Situation) -> bool:
    """Its API has long been down and nothing outside it can be read: enough for a restart, for nothing harder."""
    is_down = s.row.reach in (Reach.ERRORED, Reach.REFUSED) and s.row.missing_s >= SILENT_S
    return is_down and watts_lately(s) is None and port_lately(s) is None


def _may_be_booting(s: Situation) -> bool:
    """A control board that refused lately has power and a network, and its services may be on their way."""
    refused_lately = s.row.reach not in (Reach.ANSWERED, Reach.ERRORED) and s.row.mute_s < SILENT_S
    return refused_lately and s.row.missing_s < FAMILY_TRAITS[s.miner.family].boot_grace_s


def _started_at(s: Situation) -> float:
    """Return when the mining process that answered last had begun, by its own age; NaN where none ever told."""
    age_s = s.row.view.elapsed_s
    return float(age_s.at[s.row.index] - age_s.value[s.row.index])


_UNFIT = (
    Arm(outlet_is_off, "outlet_off"),
    Arm(draws_nothing, "no_draw"),
    Arm(link_is_down, "link_down"),
)

_STEPS: dict[str, Step] = {
    "hold": Wait(HOLD_S, "held"),
    "gather": Check((Arm(all_read_lately, "gathered"),), GATHER_S, "unread"),
    "judge": Check(
        (*_UNFIT, Arm(wants_restart, "restart"), Arm(wants_reboot, "reboot"), Arm(wants_power, "power")),
        JUDGE_S,
        "undecided",
    ),
    "restart": Act(Verb.RESTART, "accepted", "failed", unless=works_again),
    "after_restart": Check((Arm(restart_was_ineffective, "ineffective"),), recovery_s, "not_recovered"),
    "judge_reboot": Check((Arm(wants_reboot, "reboot"), Arm(is_mute, "mute")), JUDGE_S, "undecided"),
    "reboot": Act(Verb.REBOOT, "accepted", "failed", unless=works_again),
    "after_reboot": Check((Arm(reboot_was_ineffective, "ineffective"),), recovery_s, "not_recovered"),
    "gather_power": Check((Arm(evidence_is_fresh, "gathered"),), GATHER_S, "unread"),
    "judge_power": Check((*_UNFIT, Arm(wants_power, "power")), JUDGE_S, "undecided"),
    "power_off": Act(Verb.POWER_OFF, "is_off", "failed", unless=works_again),
    "dwell": Wait(DWELL_S, "discharged"),
    "power_on": Act(Verb.POWER_ON, "is_on", "failed"),
    "after_power": Check((), recovery_s, "not_recovered"),
    "gather_again": Check((Arm(evidence_is_fresh, "gathered"),), GATHER_S, "unread"),
    "judge_again": Check(
        (*_UNFIT, Arm(supply_did_not_start, "no_start"), Arm(wants_power, "power")), JUDGE_S, "undecided"
    ),
    "power_off_again": Act(Verb.POWER_OFF, "is_off", "failed", unless=works_again),
    "dwell_again": Wait(DWELL_S, "discharged"),
    "power_on_again": Act(Verb.POWER_ON, "is_on", "failed"),
    "after_power_again": Check((), recovery_s, "not_recovered"),
    "late_off": Wait(LATE_S, "waited"),
    "late_off_again": Wait(LATE_S, "waited"),
    "restore": Act(Verb.POWER_ON, "is_on", "failed"),
    "restore_again": Act(Verb.POWER_ON, "is_on", "failed"),
    "retry_on": Act(Verb.POWER_ON, "is_on", "failed"),
    "retry_on_again": Act(Verb.POWER_ON, "is_on", "failed"),
    "resolved": Resolve(),
    "ask_outlet_off": Escalate("outlet_off"),
    "ask_no_draw": Escalate("no_power_draw"),
    "ask_no_start": Escalate("supply_did_not_start"),
    "ask_link_down": Escalate("link_down"),
    "ask_undecided": Escalate("evidence_missing"),
    "ask_pdu": Escalate("pdu_failed"),
    "ask_exhausted": Escalate("exhausted"),
}

_JUDGES = ("judge", "judge_power", "judge_again")

_TRANSITIONS = (
    Transition("held", "hold", "gather"),
    Transition("gathered", "gather", "judge"),
    Transition("unread", "gather", "judge"),
    *(Transition("outlet_off", state, "ask_outlet_off") for state in _JUDGES),
    *(Transition("no_draw", state, "ask_no_draw") for state in _JUDGES),
    *(Transition("link_down", state, "ask_link_down") for state in _JUDGES),
    *(Transition("undecided", state, "ask_undecided") for state in _JUDGES),
    Transition("restart", "judge", "restart"),
    Transition("reboot", "judge", "reboot"),
    Transition("power", "judge", "power_off"),
    Transition("accepted", "restart", "after_restart"),
    Transition("failed", "restart", "judge_reboot"),
    Transition("ineffective", "after_restart", "judge_reboot"),
    Transition("not_recovered", "after_restart", "judge_reboot"),
    Transition("reboot", "judge_reboot", "reboot"),
    Transition("mute", "judge_reboot", "gather_power"),
    Transition("undecided", "judge_reboot", "ask_undecided"),
    Transition("accepted", "reboot", "after_reboot"),
    Transition("failed", "reboot", "gather_power"),
    Transition("ineffective", "after_reboot", "gather_power"),
    Transition("not_recovered", "after_reboot", "gather_power"),
    Transition("gathered", "gather_power", "judge_power"),
    Transition("unread", "gather_power", "judge_power"),
    Transition("power", "judge_power", "power_off"),
    Transition("is_off", "power_off", "dwell"),
    Transition("failed", "power_off", "late_off"),
    Transition("waited", "late_off", "restore"),
    Transition("discharged", "dwell", "power_on"),
    Transition("is_on", "power_on", "after_power"),
    Transition("failed", "power_on", "retry_on"),
    Transition("is_on", "retry_on", "after_power"),
    Transition("failed", "retry_on", "ask_pdu"),
    Transition("is_on", "restore", "gather_again"),
    Transition("failed", "restore", "ask_pdu"),
    Transition("not_recovered", "after_power", "gather_again"),
    Transition("gathered", "gather_again", "judge_again"),
    Transition("unread", "gather_again", "judge_again"),
    Transition("no_start", "judge_again", "ask_no_start"),
    Transition("power", "judge_again", "power_off_again"),
    Transition("is_off", "power_off_again", "dwell_again"),
    Transition("failed", "power_off_again", "late_off_again"),
    Transition("waited", "late_off_again", "restore_again"),
    Transition("discharged", "dwell_again", "power_on_again"),
    Transition("is_on", "power_on_again", "after_power_again"),
    Transition("failed", "power_on_again", "retry_on_again"),
    Transition("is_on", "retry_on_again", "after_power_again"),
    Transition("failed", "retry_on_again", "ask_pdu"),
    Transition("not_recovered", "after_power_again", "ask_exhausted"),
    Transition("is_on", "restore_again", "ask_pdu"),
    Transition("failed", "restore_again", "ask_pdu"),
    *(
        Transition("recovered", state, "resolved")
        for state in (
            "hold",
            "gather",
            "judge",
            "restart",
            "after_restart",
            "judge_reboot",
            "reboot",
            "after_reboot",
            "gather_power",
            "judge_power",
            "power_off",
            "after_power",
            "gather_again",
            "judge_again",
            "power_off_again",
            "after_power_again",
        )
    ),
)

PLAYBOOK = Playbook(
    name="stuck_miner",
    category=Category.STUCK,
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
