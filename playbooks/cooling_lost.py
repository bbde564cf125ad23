"""Cooling lost: stop mining on that loop at once, the hottest miners first; then tell a person.

Without pumps a chip gains 0.8 K a second, without a cooler a loop 5 K a minute: there is no time to try anything, and
nothing remote brings a pump back. The miners are woken again, a few first, once the loop has recovered: that is owed
whatever became of this run (agent.remediate.restore).

Who was starting when his loop was put to sleep hashes without coolant while the others are waited for: he is told again
as soon as that shows. After that a person is asked, and agent.remediate.sleep_on looks to it.

Times: facts "detection", section 5; facts "failures", row 18.
"""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Step, Transition
from agent.model.thermal import SleepLoop, all_sleep, one_hashes_on

ASLEEP_S = 90.0
"""Some firmware stops its mining process for it, and tells so with its next poll or two."""

_STEPS: dict[str, Step] = {
    "sleep": Act(Verb.SLEEP, "told", "refused", on=SleepLoop()),
    "falls_asleep": Check((Arm(all_sleep, "asleep"), Arm(one_hashes_on, "awake")), ASLEEP_S, "awake"),
    "sleep_again": Act(Verb.SLEEP, "told", "refused", on=SleepLoop()),
    "ask_asleep": Escalate("cooling_lost"),
    "ask_awake": Escalate("cooling_lost_miners_awake"),
    "falls_asleep_again": Check((Arm(all_sleep, "asleep"),), ASLEEP_S, "awake"),
}

_TRANSITIONS = (
    Transition("told", "sleep", "falls_asleep"),
    Transition("refused", "sleep", "sleep_again"),
    Transition("asleep", "falls_asleep", "ask_asleep"),
    Transition("awake", "falls_asleep", "sleep_again"),
    Transition("told", "sleep_again", "falls_asleep_again"),
    Transition("refused", "sleep_again", "ask_awake"),
    Transition("asleep", "falls_asleep_again", "ask_asleep"),
    Transition("awake", "falls_asleep_again", "ask_awake"),
)

PLAYBOOK = Playbook(
    name="cooling_lost",
    category=Category.THERMAL,
    initial="sleep",
    steps=_STEPS,
    transitions=_TRANSITIONS,
    causes=frozenset({Reason.COOLING_LOST}),
)
