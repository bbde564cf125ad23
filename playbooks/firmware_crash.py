"""Firmware that crashes: keep its logs, restart, reboot, flash an allowed image; each proved by an hour of work.

The logs come first, because every later step may erase them. No step takes the power away: a boot loop is not ended by
one more boot, and a board that is being flashed is lost without power. A flash wants an image of the site's allow-list
for that family, model and control board; whether it took is asked of the miner itself before anything else is done, and
from the flash on the run can end well only through that proof (docs/decisions/0014-flashing.md). A flash of which
nothing was written is tried once more.

Times: facts "detection", sections 1.1 and 7 (D4: an hour without a restart), and facts "failures", row 24: a Whatsminer
that rebooted over an exception is back within 90 s by itself.
"""

from agent.model.action import Action, Result, Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.telemetry import Reach
from agent.model.topology import FAMILY_TRAITS, Image, Miner

HOLD_S = 90.0
"""What comes back by itself is back by then, and a cause shared with others has shown itself."""

REACH_S = 1800.0
"""How long a miner that boots again and again is waited for: some of the time somebody listens."""

ANEW_S = 180.0
"""A process that we had started begins within this time of the command; one that begins later began by itself."""

SLACK_S = 10.0
"""Ages are whole seconds and polls late: who began this soon after a moment may have begun before it."""

DOWN_S = 180.0
"""An API that is down for so long on a host that answers does not come back by itself: the watchdog had its turn."""

HOUR_S = 3600.0
"""A process that has lived so long does not loop (D4)."""

PROOF_S = 900.0
"""What the clear window and the slowest ramp add to that."""

WRITTEN_S = 1800.0
"""By then a board that was flashed is back, or will not be."""

AGAIN_S = 180.0
"""Time before the version is asked a second time: services come up one by one."""

BREATH_S = 300.0
"""Time before a flash of which nothing was written is tried once more: what broke it off may be over, a boot is."""

LOW_SHARE = 0.5
"""Below this share of its rate a miner that tells a crash code is not well. A code stands for a while after what it
tells of, and one reading of a rate that is nearly there proves nothing."""


def can_be_told_to_restart(s: Situation) -> bool:
    """Something listens there, and its process was not restarted in this incident yet."""
    return _is_reachable(s) and not s.tried(Verb.RESTART)


def has_been_restarted(s: Situation) -> bool:
    """A restart was tried in this incident already."""
    return s.tried(Verb.RESTART) > 0


def can_be_told_to_reboot(s: Situation) -> bool:
    """Something listens there, and its board was not rebooted in this incident yet."""
    return _is_reachable(s) and not s.tried(Verb.REBOOT)


def has_been_rebooted(s: Situation) -> bool:
    """A reboot was tried in this incident already."""
    return s.tried(Verb.REBOOT) > 0


def restart_left_it_down(s: Situation) -> bool:
    """Its API is down on a host that answers, or it tells a crash code and falls short of its rate."""
    return _is_down(s, ANEW_S) or _tells_so(s, ANEW_S)


def reboot_left_it_down(s: Situation) -> bool:
    """The same, once the board has had its family's time to boot."""
    grace_s = FAMILY_TRAITS[s.miner.family].boot_grace_s
    return _is_down(s, grace_s) or _tells_so(s, grace_s)


def started_after_restart(s: Situation) -> bool:
    """Its process began by itself since, later than the one that we had started."""
    return _began_by_itself(s, ANEW_S)


def started_after_reboot(s: Situation) -> bool:
    """The same, once the board has had its family's time to boot."""
    return _began_by_itself(s, FAMILY_TRAITS[s.miner.family].boot_grace_s)


def started_once_more(s: Situation) -> bool:
    """Its process began by itself a second time: one alone can happen to a miner that is well again."""
    return _began_by_itself(s, SLACK_S)


def down_meanwhile(s: Situation) -> bool:
    """Its API is down on a host that answers."""
    return _is_down(s, 0.0)


def was_flashed_before(s: Situation) -> bool:
    """A flash was begun in this incident already, or may have been: the same one again is no help."""
    return any(a.verb is Verb.FLASH and a.result is not Result.FAILED for a in s.incident.attempts)


def cannot_be_flashed(s: Situation) -> bool:
    """The agent knows no way into the firmware of that family."""
    return FAMILY_TRAITS[s.miner.family].transport is None


def has_no_image(s: Situation) -> bool:
    """The site allows no image for that family, model and control board."""
    return not _images(s)


def has_several_images(s: Situation) -> bool:
    """The site allows several, and the inventory does not say which control board it has."""
    return len(_images(s)) > 1


def can_be_flashed(s: Situation) -> bool:
    """Something listens there, and the site allows one image for it."""
    return _is_reachable(s) and len(_images(s)) == 1


def answers_anew(s: Situation) -> bool:
    """It answers, and its process began after the flash did."""
    return s.row.reach is Reach.ANSWERED and _started_at(s) >= _flashed_at(s)


def has_pools(s: Situation) -> bool:
    """The site says which pools it works for."""
    return bool(s.row.view.site.pools_of(s.miner))


def has_no_pools(s: Situation) -> bool:
    """The site does not say which pools it works for: what the flash left is what it has."""
    return not has_pools(s)


def flash(s: Situation) -> Action:
    """Return the flash with the one image that the site allows for it."""
    return Action(verb=Verb.FLASH, miner=s.miner.id, image=_images(s)[0].sha256 if _images(s) else None)


def verify(s: Situation) -> Action:
    """Return the question whether the image runs that it was flashed with."""
    image = next((a.image for a in reversed(s.incident.attempts) if a.verb is Verb.FLASH), None)
    return Action(verb=Verb.VERIFY_FIRMWARE, miner=s.miner.id, image=image)


def restore_pools(s: Situation) -> Action:
    """Return the switch to the first of its pools, with the others behind it: the list is written anew."""
    pools = s.row.view.site.pools_of(s.miner)
    return Action(verb=Verb.SWITCH_POOL, miner=s.miner.id, pool=pools[0].id if pools else None)


def an_hour_s(miner: Miner) -> float:
    """Return how long boot and the proof of an hour may take."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + HOUR_S + PROOF_S


def _is_reachable(s: Situation) -> bool:
    """Whether something listens there. A board that refuses for a short while is booting; wait for it."""
    if s.row.reach is Reach.REFUSED:
        return s.row.missing_s >= DOWN_S
    return s.row.reach in (Reach.ANSWERED, Reach.ERRORED)


def _images(s: Situation) -> list[Image]:
    return [image for image in s.row.view.site.images if image.may_be_for(s.miner)]


def _began_by_itself(s: Situation, after_s: float) -> bool:
    """Whether the process that answers began later than `after_s` after this state was entered."""
    return _started_at(s) > s.run.entered_at + after_s


def _tells_so(s: Situation, after_s: float) -> bool:
    """Whether it still tells a crash code out of its grace, and falls short of its rate."""
    if s.in_state_s < after_s or s.row.reach is not Reach.ANSWERED:
        return False
    is_new = s.now - _started_at(s) < FAMILY_TRAITS[s.miner.family].boot_grace_s
    return bool(s.row.view.hardware.crashed[s.row.index]) and s.row.rate_share < LOW_SHARE and not is_new


def _is_down(s: Situation, after_s: float) -> bool:
    is_there = s.row.reach in (Reach.REFUSED, Reach.ERRORED)
    return is_there and min(s.row.missing_s, s.in_state_s - after_s) >= DOWN_S


def _started_at(s: Situation) -> float:
    """Return when the mining process that answered last had begun, by its own age; NaN where none ever told."""
    age_s = s.row.view.elapsed_s
    return float(age_s.at[s.row.index] - age_s.value[s.row.index])


def _flashed_at(s: Situation) -> float:
    return max((a.at for a in s.incident.attempts if a.verb is Verb.FLASH), default=s.now)


_WATCHED = Check((Arm(down_meanwhile, "down"), Arm(started_once_more, "again")), an_hour_s, "not_recovered")
"""One restart by itself is no relapse: what began anew once gets its hour."""

_BOOTED = Check((Arm(reboot_left_it_down, "down"), Arm(started_after_reboot, "again")), an_hour_s, "not_recovered")


def _unproven(after: str, watch: str, then: str) -> tuple[Transition, ...]:
    """Return how a proof by an hour of work fails: at once where it is down, else only when it began anew twice."""
    return (
        Transition("again", after, watch),
        *(Transition(trigger, after, then) for trigger in ("down", "not_recovered")),
        *(Transition(trigger, watch, then) for trigger in ("down", "again", "not_recovered")),
    )


_STEPS: dict[str, Step] = {
    "hold": Wait(HOLD_S, "held"),
    "logs": Act(Verb.COLLECT_LOGS, "kept", "none"),
    "judge": Check(
        (Arm(has_been_restarted, "restarted"), Arm(can_be_told_to_restart, "restart")), REACH_S, "unreachable"
    ),
    "restart": Act(Verb.RESTART, "accepted", "failed"),
    "after_restart": Check(
        (Arm(restart_left_it_down, "down"), Arm(started_after_restart, "again")), an_hour_s, "not_recovered"
    ),
    "watch_restarts": _WATCHED,
    "judge_reboot": Check(
        (Arm(has_been_rebooted, "rebooted"), Arm(can_be_told_to_reboot, "reboot")), REACH_S, "unreachable"
    ),
    "reboot": Act(Verb.REBOOT, "accepted", "failed"),
    "after_reboot": _BOOTED,
    "watch_reboots": _WATCHED,
    "judge_flash": Check(
        (
            Arm(was_flashed_before, "flashed_before"),
            Arm(cannot_be_flashed, "no_way_in"),
            Arm(has_no_image, "no_image"),
            Arm(has_several_images, "several_images"),
            Arm(can_be_flashed, "flash"),
        ),
        REACH_S,
        "unreachable",
    ),
    "flash": Act(Verb.FLASH, "begun", "not_begun", on=flash),
    "before_flash_again": Wait(BREATH_S, "waited"),
    "judge_flash_again": Check((Arm(can_be_flashed, "flash"),), REACH_S, "unreachable"),
    "flash_again": Act(Verb.FLASH, "begun", "not_begun", on=flash),
    "after_flash": Check((Arm(answers_anew, "back"),), WRITTEN_S, "not_back"),
    "verify": Act(Verb.VERIFY_FIRMWARE, "proven", "unproven", on=verify),
    "before_verify_again": Wait(AGAIN_S, "waited"),
    "verify_again": Act(Verb.VERIFY_FIRMWARE, "proven", "unproven", on=verify),
    "judge_pools": Check((Arm(has_pools, "has_pools"), Arm(has_no_pools, "has_none")), AGAIN_S, "has_none"),
    "restore_pools": Act(Verb.SWITCH_POOL, "restored", "failed", on=restore_pools),
    "before_pools_again": Wait(AGAIN_S, "waited"),
    "restore_pools_again": Act(Verb.SWITCH_POOL, "restored", "failed", on=restore_pools),
    "prove": _BOOTED,
    "watch_flash": _WATCHED,
    "resolved": Resolve(),
    "ask_unreachable": Escalate("unreachable"),
    "ask_no_way_in": Escalate("no_way_to_flash"),
    "ask_no_image": Escalate("no_image_allowed"),
    "ask_several_images": Escalate("control_board_unknown"),
    "ask_flashed_before": Escalate("flash_did_not_hold"),
    "ask_not_begun": Escalate("flash_not_begun"),
    "ask_unproven": Escalate("flash_unproven"),
    "ask_pools": Escalate("pools_not_restored"),
    "ask_exhausted": Escalate("exhausted"),
}

_TRANSITIONS = (
    Transition("held", "hold", "logs"),
    Transition("kept", "logs", "judge"),
    Transition("none", "logs", "judge"),
    Transition("restarted", "judge", "judge_reboot"),
    Transition("restart", "judge", "restart"),
    Transition("unreachable", "judge", "ask_unreachable"),
    Transition("accepted", "restart", "after_restart"),
    Transition("failed", "restart", "judge_reboot"),
    *_unproven("after_restart", "watch_restarts", "judge_reboot"),
    Transition("rebooted", "judge_reboot", "judge_flash"),
    Transition("reboot", "judge_reboot", "reboot"),
    Transition("unreachable", "judge_reboot", "ask_unreachable"),
    Transition("accepted", "reboot", "after_reboot"),
    Transition("failed", "reboot", "judge_flash"),
    *_unproven("after_reboot", "watch_reboots", "judge_flash"),
    Transition("flashed_before", "judge_flash", "ask_flashed_before"),
    Transition("no_way_in", "judge_flash", "ask_no_way_in"),
    Transition("no_image", "judge_flash", "ask_no_image"),
    Transition("several_images", "judge_flash", "ask_several_images"),
    Transition("flash", "judge_flash", "flash"),
    Transition("unreachable", "judge_flash", "ask_unreachable"),
    Transition("begun", "flash", "after_flash"),
    Transition("not_begun", "flash", "before_flash_again"),
    Transition("waited", "before_flash_again", "judge_flash_again"),
    Transition("flash", "judge_flash_again", "flash_again"),
    Transition("unreachable", "judge_flash_again", "ask_not_begun"),
    Transition("begun", "flash_again", "after_flash"),
    Transition("not_begun", "flash_again", "ask_not_begun"),
    Transition("back", "after_flash", "verify"),
    Transition("not_back", "after_flash", "verify"),
    Transition("proven", "verify", "judge_pools"),
    Transition("unproven", "verify", "before_verify_again"),
    Transition("waited", "before_verify_again", "verify_again"),
    Transition("proven", "verify_again", "judge_pools"),
    Transition("unproven", "verify_again", "ask_unproven"),
    Transition("has_pools", "judge_pools", "restore_pools"),
    Transition("has_none", "judge_pools", "prove"),
    Transition("restored", "restore_pools", "prove"),
    Transition("failed", "restore_pools", "before_pools_again"),
    Transition("waited", "before_pools_again", "restore_pools_again"),
    Transition("restored", "restore_pools_again", "prove"),
    Transition("failed", "restore_pools_again", "ask_pools"),
    Transition("down", "prove", "ask_flashed_before"),
    Transition("again", "prove", "watch_flash"),
    Transition("not_recovered", "prove", "ask_exhausted"),
    Transition("down", "watch_flash", "ask_flashed_before"),
    Transition("again", "watch_flash", "ask_flashed_before"),
    Transition("not_recovered", "watch_flash", "ask_exhausted"),
    *(
        Transition("recovered", state, "resolved")
        for state in (
            "hold",
            "logs",
            "judge",
            "restart",
            "after_restart",
            "watch_restarts",
            "judge_reboot",
            "reboot",
            "after_reboot",
            "watch_reboots",
            "judge_flash",
            "flash",
            "before_flash_again",
            "judge_flash_again",
            "flash_again",
            "prove",
            "watch_flash",
        )
    ),
)

PLAYBOOK = Playbook(
    name="firmware_crash",
    category=Category.FIRMWARE,
    causes=frozenset({Reason.BOOT_LOOP, Reason.CRASHED}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
