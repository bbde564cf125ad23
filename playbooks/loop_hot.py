"""Loop hot: more flow where it is low, else a colder supply in small steps; miners near their limits are derated first.

The unit is left alone where it leaks, shows an alarm, is worked at by hand, was set by somebody else, does not answer,
or has a sensor that its miners contradict, and its supply is never lowered while the dew point around it is not known:
then a person is asked, and miners near their limits are derated before. A moved setpoint goes back to its base by
itself, a kelvin at a time, once the loop has recovered (agent.remediate.restore).

Times and steps: facts "detection", section 5 (control rule); facts "control", section 3; facts "failures", row 17.
"""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from agent.model.loops import SETTLE_S, STEPS
from agent.model.playbook import Act, Arm, Check, Condition, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.thermal import (
    DerateNear,
    LowerSupply,
    RaiseFlow,
    dew_is_unknown,
    flow_can_rise,
    has_alarm,
    is_doubted,
    is_local,
    is_near,
    is_no_better,
    is_read,
    is_unheard,
    lacks_pumps,
    leaks,
    must_derate,
    supply_can_fall,
    was_moved,
)
from agent.model.topology import Miner

GATHER_S = 60.0
"""Longest wait for a reading of the unit: six of its turns."""

PROOF_S = 900.0
"""A loop that is well again has shown it, for its whole clear window, by then."""

RELAPSES = 3
"""A loop that was well so often, and hot again within the hour each time, is not mended by steps of its setpoint; each
of them wears the unit's memory out (EEPROM, facts "control", section 3)."""


def keeps_returning(s: Situation) -> bool:
    """Something was done for it, it was well three times, and hot again each time."""
    return s.incident.relapses >= RELAPSES and bool(s.incident.attempts)


REASONS = {
    "leak": "leak",
    "alarm": "unit_alarm",
    "pumps": "pump_failed",
    "local": "unit_in_local_mode",
    "moved": "setpoint_moved",
    "lies": "sensor_contradicted",
    "unread": "unit_unread",
    "dew": "humidity_unknown",
    "floor": "no_step_left",
    "write": "setpoint_not_taken",
    "exhausted": "exhausted",
    "returns": "keeps_returning",
}
"""What a person is asked for, by the trigger that leads there."""

BLOCKED: tuple[tuple[str, Condition], ...] = (
    ("leak", leaks),
    ("alarm", has_alarm),
    ("pumps", lacks_pumps),
    ("local", is_local),
    ("moved", was_moved),
    ("lies", is_doubted),
    ("returns", keeps_returning),
)
"""Why the unit is left alone, in the order in which a person should hear of it."""


def settles_within_s(miner: Miner) -> float:
    """Return how long the miner's loop takes to settle after a step."""
    return SETTLE_S[miner.cooling]


def _judge(flow: bool) -> Check:
    arms = [Arm(condition, trigger) for trigger, condition in BLOCKED]
    if flow:
        arms.append(Arm(flow_can_rise, "more_flow"))
    return Check((*arms, Arm(dew_is_unknown, "dew"), Arm(supply_can_fall, "lower")), 0.0, "floor")


_STEPS: dict[str, Step] = {
    "gather": Check((Arm(is_unheard, "unread"), Arm(is_read, "read")), GATHER_S, "unread"),
    "protect": Check((Arm(must_derate, "near"),), 0.0, "far"),
    "derate": Act(Verb.DERATE, "told", "refused", on=DerateNear()),
    "judge": _judge(flow=True),
    "raise_flow": Act(Verb.SET_FLOW, "set", "write", on=RaiseFlow()),
    "settle_flow": Check((), settles_within_s, "settled"),
    "look_flow": Check((Arm(is_no_better, "no_better"),), PROOF_S, "no_better"),
    "resolved": Resolve(),
}
_TRANSITIONS = [
    Transition("read", "gather", "protect"),
    Transition("unread", "gather", "spare_unread"),
    Transition("near", "protect", "derate"),
    Transition("far", "protect", "judge"),
    Transition("told", "derate", "judge"),
    Transition("refused", "derate", "judge"),
    Transition("more_flow", "judge", "raise_flow"),
    Transition("lower", "judge", "lower_1"),
    Transition("set", "raise_flow", "settle_flow"),
    Transition("write", "raise_flow", "spare_write"),
    Transition("settled", "settle_flow", "look_flow"),
    Transition("no_better", "look_flow", "judge_1"),
    Transition("lower", "judge_1", "lower_1"),
]

for _step in range(1, STEPS + 1):
    _STEPS[f"judge_{_step}"] = _judge(flow=False)
    _STEPS[f"lower_{_step}"] = Act(Verb.SET_SUPPLY, "set", "write", on=LowerSupply())
    _STEPS[f"settle_{_step}"] = Check((), settles_within_s, "settled")
    _STEPS[f"look_{_step}"] = Check((Arm(is_no_better, "no_better"),), PROOF_S, "no_better")
    _TRANSITIONS += [
        Transition("set", f"lower_{_step}", f"settle_{_step}"),
        Transition("write", f"lower_{_step}", "spare_write"),
        Transition("settled", f"settle_{_step}", f"look_{_step}"),
    ]
    if _step < STEPS:
        _TRANSITIONS += [
            Transition("no_better", f"look_{_step}", f"judge_{_step + 1}"),
            Transition("lower", f"judge_{_step + 1}", f"lower_{_step + 1}"),
        ]
_TRANSITIONS.append(Transition("no_better", f"look_{STEPS}", "spare_exhausted"))

for _state in ("judge", *(f"judge_{_step}" for _step in range(1, STEPS + 1))):
    _TRANSITIONS += [Transition(_trigger, _state, f"spare_{_trigger}") for _trigger in (*dict(BLOCKED), "dew", "floor")]

for _trigger, _reason in REASONS.items():
    _STEPS[f"spare_{_trigger}"] = Check((Arm(is_near, "near"),), 0.0, "far")
    _STEPS[f"derate_{_trigger}"] = Act(Verb.DERATE, "told", "refused", on=DerateNear())
    _STEPS[f"ask_{_trigger}"] = Escalate(_reason)
    _TRANSITIONS += [
        Transition("near", f"spare_{_trigger}", f"derate_{_trigger}"),
        Transition("far", f"spare_{_trigger}", f"ask_{_trigger}"),
        Transition("told", f"derate_{_trigger}", f"ask_{_trigger}"),
        Transition("refused", f"derate_{_trigger}", f"ask_{_trigger}"),
    ]

_TRANSITIONS += [
    Transition("recovered", _state, "resolved")
    for _state, _of in _STEPS.items()
    if isinstance(_of, Act | Check) and not _state.startswith(("spare_", "derate_"))
]

PLAYBOOK = Playbook(
    name="loop_hot",
    category=Category.THERMAL,
    initial="gather",
    steps=_STEPS,
    transitions=tuple(_TRANSITIONS),
    causes=frozenset({Reason.LOOP_HOT}),
)
