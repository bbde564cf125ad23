"""Hot miner: have it run at a share of its power at which it is cool, and ask a person to clean it or mend its fan.

The loop is left alone: its neighbours are well. Each share is worked out from what the miner shows, and is given time
to show. It stays derated, and its ticket open, until it would be cool in full again; then it is put back to full,
whatever became of this run (agent.remediate.restore).

Times: facts "detection", section 5; facts "failures", row 16.
"""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Step, Transition, Wait
from agent.model.thermal import DerateMiner, is_cool
from agent.model.topology import FAMILY_TRAITS, Miner

HOLD_S = 60.0
"""A cause shared with others shows itself within this time (facts "detection", section 7, group hold)."""

COOL_S = 300.0
"""Four time constants of an air-cooled miner, and some polls."""


def cools_within_s(miner: Miner) -> float:
    """Return how long a miner may take to be cool at another share, a new start of its mining process included."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + COOL_S


_STEPS: dict[str, Step] = {
    "hold": Wait(HOLD_S, "held"),
    "derate": Act(Verb.DERATE, "told", "refused", on=DerateMiner()),
    "cools": Check((Arm(is_cool, "cool"),), cools_within_s, "hot"),
    "derate_more": Act(Verb.DERATE, "told", "refused", on=DerateMiner()),
    "cools_more": Check((Arm(is_cool, "cool"),), cools_within_s, "hot"),
    "derate_most": Act(Verb.DERATE, "told", "refused", on=DerateMiner()),
    "cools_most": Check((Arm(is_cool, "cool"),), cools_within_s, "hot"),
    "resolved": Resolve(),
    "ask_clean": Escalate("derated_needs_cleaning"),
    "ask_hot": Escalate("hot_at_any_share"),
    "ask_derate": Escalate("cannot_be_derated"),
}

_TRANSITIONS = (
    Transition("held", "hold", "derate"),
    Transition("told", "derate", "cools"),
    Transition("refused", "derate", "ask_derate"),
    Transition("cool", "cools", "ask_clean"),
    Transition("hot", "cools", "derate_more"),
    Transition("told", "derate_more", "cools_more"),
    Transition("refused", "derate_more", "ask_derate"),
    Transition("cool", "cools_more", "ask_clean"),
    Transition("hot", "cools_more", "derate_most"),
    Transition("told", "derate_most", "cools_most"),
    Transition("refused", "derate_most", "ask_derate"),
    Transition("cool", "cools_most", "ask_clean"),
    Transition("hot", "cools_most", "ask_hot"),
    *(Transition("recovered", state, "resolved") for state in ("hold", "derate", "cools", "cools_more", "cools_most")),
)

PLAYBOOK = Playbook(
    name="hot_miner",
    category=Category.THERMAL,
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
    causes=frozenset({Reason.OVERHEATED}),
)
