"""Unsteady pool: one that drops all its miners again and again is left once, for good, and a person is told the period.

A proxy's time-out, or a pool that sheds its miners and takes them back. Nothing is wrong with any miner, and none of
the drops is followed: where another pool of the group is good, its miners are told once to work there, a few at first;
those that leave and return are told wherever they happen to be.
Where none is, or where the drops follow them there, it is the site's own way out or nobody's to mend from here, and a
person gets the period that was measured.

They come home as after a lost pool, but only after one of them has been there for half an hour without a drop.

Source: facts "failures", rows 7 and 8.
"""

from agent.model.gather import gathering
from agent.model.incident import Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.pools import PLACES, best_place, keeps_returning
from agent.model.stay import stay
from agent.model.waves import waves

HOLD_S = 60.0
"""The pool's other miners show themselves within this time (facts "detection", section 7, group hold)."""

PROOF_S = 3000.0
"""The longest distance of two drops (900 s), a quarter more, and the clear window (300 s): twice, for a restart of the
agent in between."""


def first_is_best(s: Situation) -> bool:
    """The first other pool of the group is the best that is good."""
    return best_place(s) == 1


def second_is_best(s: Situation) -> bool:
    """The second other pool of the group is the best that is good."""
    return best_place(s) == 2


def they_leave_and_return(s: Situation) -> bool:
    """Its miners leave it each time and come back, and another pool of the group is good."""
    return s.incident.evidence.get("miners_leave") is True and best_place(s) > 0


_STAY = stay(PROOF_S)
_WAVES = [waves(place, PROOF_S) for place in PLACES]

_BEGIN = gathering(HOLD_S)
_STEPS: dict[str, Step] = {
    **_BEGIN[0],
    "judge": Check(
        (
            Arm(keeps_returning, "returns"),
            Arm(they_leave_and_return, "stay"),
            Arm(first_is_best, "to_1"),
            Arm(second_is_best, "to_2"),
        ),
        0.0,
        "nowhere",
    ),
    **_STAY[0],
    **{state: step for steps, _ in _WAVES for state, step in steps.items()},
    "resolved": Resolve(),
    "ask_nowhere": Escalate("pool_times_out"),
    "ask_failed": Escalate("switch_failed"),
    "ask_stay": Escalate("pool_flaps"),
    "ask_returns": Escalate("keeps_returning"),
    "ask_stragglers": Escalate("drops_elsewhere"),
}

_TRANSITIONS = (
    *_BEGIN[1],
    *(Transition(f"to_{place}", "judge", f"canary_{place}") for place in PLACES),
    Transition("stay", "judge", "stay_first"),
    Transition("returns", "judge", "ask_returns"),
    Transition("nowhere", "judge", "ask_nowhere"),
    Transition("recovered", "judge", "resolved"),
    *_STAY[1],
    *(row for _, rows in _WAVES for row in rows),
)

PLAYBOOK = Playbook(
    name="unsteady_pool",
    category=Category.POOL,
    causes=frozenset({Reason.UNSTEADY_POOL}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
