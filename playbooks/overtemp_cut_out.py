"""Over-temperature cut-out: let a miner that stopped for its heat cool down, run at less, and be seen to hash again.

Firmware stops hashboards at a limit of theirs. Some begin again by themselves once they are cool, as often as they
stop; some stay as they are for days (facts "detection", section 0, has one that stood for 14 hours). Nothing is done
while the miner is hot, and nothing but its mining process is ever restarted: its fans have to go on turning. It is
derated before it hashes again, for nothing tells that what made it hot is over; it goes back to full once it would be
cool in full (agent.remediate.restore). What a person is left to find out is what made it hot.

Only what it shows leads to less power: of one that is not read, or not for long enough, nothing is known. One that has
stopped at the least share there is has nothing to be set to; it is started once it has cooled down.

Times: facts "detection", section 5; facts "failures", row 16.
"""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.thermal import (
    DerateMiner,
    has_cooled,
    has_stopped,
    hashes,
    is_at_least,
    is_close_to_limit,
    is_cool_at_work,
    is_still_hot,
    is_warm,
    stopped_again,
)
from agent.model.topology import FAMILY_TRAITS, Miner

COOL_DOWN_S = 1800.0
"""Without power an air-cooled miner is cold within minutes: one that is not by then has a sensor that lies."""

PROOF_S = 1200.0
"""The clear window of heat (600 s), the 300 s that a new share takes to show, and polls."""

WATCH_S = 1800.0
"""Who was not proved by then, and shows no heat, is watched for three clear windows more: polls that are lost one after
the other begin them anew."""

LOOK_S = 120.0
"""Who is warm and not close to his limit is looked at for so long before he is derated further: what made him hot may
have passed just now, and he cools with a time constant of 75 s and shows it a poll later."""

AGAIN_S = 60.0
"""Who is close to his limit is derated further once he was seen so again: the first such reading may be a poll old,
and what lay on his intake gone since. Should he reach the limit meanwhile, he stops by himself."""

READ_S = 120.0
"""Some polls more for one that could not be read by then."""

STANDS_S = 360.0
"""Firmware that begins again by itself has done so by then, five minutes after it stopped: an estimate."""

ROUNDS = 3


def starts_within_s(miner: Miner) -> float:
    """Return how long a start of the mining process may take, to nearly its full rate."""
    return FAMILY_TRAITS[miner.family].boot_grace_s


def stays_close(s: Situation) -> bool:
    """It has been looked at again since, and is close to its limit."""
    return s.in_state_s >= AGAIN_S and is_close_to_limit(s)


def stays_warm(s: Situation) -> bool:
    """It has been looked at for long enough, and is warm."""
    return s.in_state_s >= LOOK_S and is_warm(s)


def cooled_at_least(s: Situation) -> bool:
    """It has stopped and cooled down, and is derated as far as it can be."""
    return is_at_least(s) and has_cooled(s)


def hashes_at_least(s: Situation) -> bool:
    """It hashes again by itself, and is derated as far as it can be."""
    return is_at_least(s) and hashes(s)


def stands_still(s: Situation) -> bool:
    """It has been told, and has begun no new process for it, nor hashed with the one that it has."""
    age_s = float(s.row.view.elapsed_s.value[s.row.index])
    return s.in_state_s >= STANDS_S and has_stopped(s) and age_s > s.in_state_s


_STEPS: dict[str, Step] = {
    "resolved": Resolve(),
    "resolved_derated": Resolve("find_what_made_it_hot"),
    "ask_hot": Escalate("does_not_cool_down"),
    "ask_share": Escalate("hot_at_any_share"),
    "ask_derate": Escalate("cannot_be_derated"),
    "ask_idle": Escalate("does_not_hash_again"),
    "ask_unproven": Escalate("heat_unproven"),
}
_TRANSITIONS = []

for _round in range(1, ROUNDS + 1):
    _STEPS |= {
        f"cool_{_round}": Check(
            (
                Arm(cooled_at_least, "cooled_at_least"),
                Arm(hashes_at_least, "hashes_at_least"),
                Arm(has_cooled, "cooled"),
                Arm(hashes, "hashes"),
            ),
            COOL_DOWN_S,
            "hot",
        ),
        f"derate_{_round}": Act(
            Verb.DERATE, "told", "refused", on=DerateMiner(most=_round == ROUNDS), unless=is_cool_at_work
        ),
        f"starts_{_round}": Check((Arm(hashes, "hashes"), Arm(stands_still, "idle")), starts_within_s, "idle"),
        f"restart_{_round}": Act(Verb.RESTART, "told", "refused"),
        f"restarts_{_round}": Check((Arm(hashes, "hashes"),), starts_within_s, "idle"),
        f"proof_{_round}": Check((Arm(stopped_again, "stopped"), Arm(is_still_hot, "warm")), PROOF_S, "unproven"),
        f"look_{_round}": Check(
            (
                Arm(has_stopped, "stopped"),
                Arm(stays_close, "still_hot"),
                Arm(is_cool_at_work, "cool"),
                Arm(stays_warm, "still_hot"),
            ),
            LOOK_S + READ_S,
            "unproven",
        ),
        f"cooler_{_round}": Check(
            (Arm(stopped_again, "stopped"), Arm(is_close_to_limit, "still_hot"), Arm(is_still_hot, "still_hot")),
            WATCH_S,
            "unproven",
        ),
    }
    _more = f"judge_{_round + 1}" if _round < ROUNDS else "ask_share"
    _again = f"cool_{_round + 1}" if _round < ROUNDS else "ask_share"
    _TRANSITIONS += [
        Transition("cooled", f"cool_{_round}", f"derate_{_round}"),
        Transition("hashes", f"cool_{_round}", f"derate_{_round}"),
        Transition("cooled_at_least", f"cool_{_round}", f"restart_{_round}"),
        Transition("hashes_at_least", f"cool_{_round}", f"proof_{_round}"),
        Transition("hot", f"cool_{_round}", "ask_hot"),
        Transition("told", f"derate_{_round}", f"starts_{_round}"),
        Transition("refused", f"derate_{_round}", "ask_derate"),
        Transition("hashes", f"starts_{_round}", f"proof_{_round}"),
        Transition("idle", f"starts_{_round}", f"restart_{_round}"),
        Transition("told", f"restart_{_round}", f"restarts_{_round}"),
        Transition("refused", f"restart_{_round}", "ask_idle"),
        Transition("hashes", f"restarts_{_round}", f"proof_{_round}"),
        Transition("idle", f"restarts_{_round}", "ask_idle"),
        Transition("unproven", f"proof_{_round}", f"cooler_{_round}"),
        Transition("warm", f"proof_{_round}", f"look_{_round}"),
        Transition("cool", f"look_{_round}", f"cooler_{_round}"),
        Transition("unproven", f"look_{_round}", f"cooler_{_round}"),
        Transition("unproven", f"cooler_{_round}", "ask_unproven"),
        *(Transition("stopped", f"{_state}_{_round}", _again) for _state in ("proof", "look", "cooler")),
        *(Transition("still_hot", f"{_state}_{_round}", _more) for _state in ("look", "cooler")),
        *(
            Transition("recovered", f"{_state}_{_round}", "resolved" if _round == 1 else "resolved_derated")
            for _state in ("cool", "derate")
        ),
        *(
            Transition("recovered", f"{_state}_{_round}", "resolved_derated")
            for _state in ("starts", "restarts", "proof", "look", "cooler")
        ),
    ]

for _round in range(2, ROUNDS + 1):
    _STEPS[f"judge_{_round}"] = Check((Arm(is_at_least, "least"),), 0.0, "more")
    _TRANSITIONS += [
        Transition("least", f"judge_{_round}", "ask_share"),
        Transition("more", f"judge_{_round}", f"derate_{_round}"),
        Transition("recovered", f"judge_{_round}", "resolved_derated"),
    ]

PLAYBOOK = Playbook(
    name="overtemp_cut_out",
    category=Category.THERMAL,
    initial="cool_1",
    steps=_STEPS,
    transitions=tuple(_TRANSITIONS),
    causes=frozenset({Reason.OVERTEMP_CUT_OUT}),
)
