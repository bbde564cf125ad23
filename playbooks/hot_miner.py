"""Hot miner: have it run at a share of its power at which it is cool, and leave a person to clean it or mend its fan.

The loop is left alone: its neighbours are well. Each share is worked out from what the miner shows, and is given time
to show. Cool at its share for the whole clear window it is throttled no more, and the incident is over; that it wants
cleaning is left to a person. It stays derated until it would be cool in full again; then it is put back to full,
whatever became of this run (agent.remediate.restore).

Only what it shows leads to less power: of one that is not read, or not for long enough, nothing is known.

Times: facts "detection", section 5; facts "failures", row 16.
"""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.thermal import (
    DerateMiner,
    has_stopped,
    is_at_least,
    is_cool,
    is_cool_at_work,
    is_still_hot,
    is_warm,
    stopped_again,
)
from agent.model.topology import FAMILY_TRAITS, Miner

HOLD_S = 60.0
"""A cause shared with others shows itself within this time (facts "detection", section 7, group hold)."""

COOL_S = 300.0
"""Four time constants of an air-cooled miner, and some polls."""

READ_S = 120.0
"""Some polls more for one that could not be read when it was to be cool."""

PROOF_S = 1800.0
"""The clear window of heat (600 s), three times over, as polls that are lost one after the other begin it anew."""

STATES = ("derate", "derate_more", "derate_most")
"""Three shares are tried: two of them worked out anew, then the least that there is."""


def cools_within_s(miner: Miner) -> float:
    """Return how long a miner may take to be cool at another share, a new start of its mining process included."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + COOL_S


def read_within_s(miner: Miner) -> float:
    """Return how long it may take until it is known whether it is cool at another share."""
    return cools_within_s(miner) + READ_S


def does_not_cool(s: Situation) -> bool:
    """It has had the time to be cool at another share, and is warm, or has stopped."""
    return s.in_state_s >= cools_within_s(s.miner) and (is_warm(s) or has_stopped(s))


_STEPS: dict[str, Step] = {
    "hold": Wait(HOLD_S, "held"),
    "resolved": Resolve(),
    "resolved_derated": Resolve("clean_or_mend_fan"),
    "ask_hot": Escalate("hot_at_any_share"),
    "ask_derate": Escalate("cannot_be_derated"),
    "ask_unproven": Escalate("heat_unproven"),
}
_TRANSITIONS = [Transition("held", "hold", "judge_derate"), Transition("recovered", "hold", "resolved")]

for _state, _next in zip(STATES, (*(f"judge_{_state}" for _state in STATES[1:]), "ask_hot"), strict=True):
    _STEPS |= {
        f"judge_{_state}": Check((Arm(is_at_least, "least"),), 0.0, "more"),
        _state: Act(Verb.DERATE, "told", "refused", on=DerateMiner(most=_state == STATES[-1]), unless=is_cool_at_work),
        f"{_state}_cools": Check((Arm(is_cool, "cool"), Arm(does_not_cool, "hot")), read_within_s, "unread"),
        f"{_state}_proof": Check((Arm(is_still_hot, "hot"), Arm(stopped_again, "hot")), PROOF_S, "unproven"),
    }
    _TRANSITIONS += [
        Transition("least", f"judge_{_state}", "ask_hot"),
        Transition("more", f"judge_{_state}", _state),
        Transition("told", _state, f"{_state}_cools"),
        Transition("refused", _state, "ask_derate"),
        Transition("cool", f"{_state}_cools", f"{_state}_proof"),
        Transition("unread", f"{_state}_cools", f"{_state}_proof"),
        Transition("hot", f"{_state}_cools", _next),
        Transition("hot", f"{_state}_proof", _next),
        Transition("unproven", f"{_state}_proof", "ask_unproven"),
        *(
            Transition("recovered", _before, "resolved" if _state == STATES[0] else "resolved_derated")
            for _before in (f"judge_{_state}", _state)
        ),
        Transition("recovered", f"{_state}_cools", "resolved_derated"),
        Transition("recovered", f"{_state}_proof", "resolved_derated"),
    ]

PLAYBOOK = Playbook(
    name="hot_miner",
    category=Category.THERMAL,
    initial="hold",
    steps=_STEPS,
    transitions=tuple(_TRANSITIONS),
    causes=frozenset({Reason.OVERHEATED}),
)
