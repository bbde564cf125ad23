"""What a sound table is: every fault a playbook can have is found when it is loaded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.model.action import Verb
from agent.model.errors import InvariantError
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Step, Transition, Wait
from agent.remediate.machine import Table, fingerprint


def playbook(steps: dict[str, Step], *rows: tuple[str, str, str], initial: str = "a") -> Playbook:
    return Playbook("p", Category.STUCK, initial, steps, tuple(Transition(*row) for row in rows))


SOUND = playbook(
    {"a": Wait(1.0, "go"), "b": Act(Verb.RESTART, "ok", "no"), "c": Resolve(), "d": Escalate("x")},
    ("go", "a", "b"),
    ("ok", "b", "c"),
    ("no", "b", "d"),
)


def test_a_sound_table_loads_and_leads() -> None:
    table = Table(SOUND)
    assert table.leads_to("b", "ok") == "c"
    assert table.fingerprint == fingerprint(SOUND)
    assert table.has("a", "go")
    assert not table.has("a", "ok")
    assert sorted(path[-1][0] for path in table.paths()) == ["c", "d"]
    with pytest.raises(InvariantError, match="no transition"):
        table.leads_to("a", "ok")


@pytest.mark.parametrize(
    ("unsound", "complaint"),
    [
        (playbook({"a": Wait(1.0, "go"), "c": Resolve()}), "uses trigger 'go', which has no row"),
        (playbook({"a": Wait(1.0, "go"), "c": Resolve(), "z": Resolve()}, ("go", "a", "c")), "cannot be reached"),
        (playbook({"a": Wait(1.0, "go"), "b": Wait(1.0, "go")}, ("go", "a", "b"), ("go", "b", "a")), "form a cycle"),
        (playbook({"a": Wait(1.0, "go"), "c": Resolve()}, ("go", "a", "c"), ("x", "a", "c")), "its step never uses"),
        (
            playbook(
                {"a": Act(Verb.POWER_OFF, "ok", "no"), "c": Resolve(), "d": Escalate("x")},
                ("ok", "a", "c"),
                ("no", "a", "d"),
            ),
            "never tries to switch on",
        ),
        (playbook({"a": Wait(1.0, "go")}, ("go", "a", "nowhere")), "without a step"),
    ],
)
def test_an_unsound_table_is_refused(unsound: Playbook, complaint: str) -> None:
    with pytest.raises(InvariantError, match=complaint):
        Table(unsound)


def test_the_fingerprint_changes_with_the_table_and_with_nothing_else() -> None:
    same = playbook(dict(SOUND.steps), *((t.trigger, t.source, t.dest) for t in reversed(SOUND.transitions)))
    longer = playbook(dict(SOUND.steps) | {"a": Wait(2.0, "go")}, ("go", "a", "b"), ("ok", "b", "c"), ("no", "b", "d"))
    assert fingerprint(same) == fingerprint(SOUND)
    assert fingerprint(longer) != fingerprint(SOUND)


def made(name: str) -> Callable[[object], Any]:
    """Another function of that name each time, as another process would have."""

    def condition(_: object) -> float:
        return 1.0

    condition.__qualname__ = name
    return condition


PINNED = "3d65a093fdae05e7255260dddf4e7ba2806191a34480df226f15accf15e322f4"

LOOK = Check((Arm(made("one"), "go"), Arm(made("two"), "stay")), 5.0, "late")
ACT = Act(Verb.RESTART, "ok", "no")


def of(step: Step) -> str:
    return fingerprint(playbook({"a": step}))


@pytest.mark.parametrize(
    ("step", "other"),
    [
        (LOOK, replace(LOOK, arms=(Arm(made("three"), "go"), LOOK.arms[1]))),
        (LOOK, replace(LOOK, arms=(Arm(made("one"), "leave"), LOOK.arms[1]))),
        (LOOK, replace(LOOK, arms=LOOK.arms[::-1])),
        (LOOK, replace(LOOK, within_s=6.0)),
        (LOOK, replace(LOOK, within_s=made("limit"))),
        (replace(LOOK, within_s=made("slow")), replace(LOOK, within_s=made("limit"))),
        (LOOK, replace(LOOK, otherwise="later")),
        (ACT, replace(ACT, verb=Verb.REBOOT)),
        (ACT, replace(ACT, on_ok="fine")),
        (ACT, replace(ACT, on_fail="bad")),
        (ACT, replace(ACT, on=made("whom"))),
        (replace(ACT, on=made("whom")), replace(ACT, on=made("them"))),
        (ACT, replace(ACT, unless=made("so"))),
        (replace(ACT, unless=made("so")), replace(ACT, unless=made("else"))),
        (Resolve(), Resolve(leaves="warm")),
        (Resolve(leaves="warm"), Resolve(leaves="cold")),
        (Escalate("x"), Escalate("y")),
    ],
)
def test_whatever_a_step_says_is_in_the_fingerprint(step: Step, other: Step) -> None:
    assert of(step) != of(other)


def test_another_process_comes_to_the_same_fingerprint() -> None:
    """A run in flight when the agent is restarted, or upgraded, goes on."""
    again = replace(LOOK, arms=(Arm(made("one"), "go"), Arm(made("two"), "stay")), within_s=made("limit"))
    assert of(again) == of(replace(LOOK, within_s=made("limit")))
    assert of(replace(ACT, on=made("whom"), unless=made("so"))) == of(replace(ACT, on=made("whom"), unless=made("so")))
    every = {"a": again, "b": replace(ACT, on=made("whom")), "c": Resolve(), "d": Escalate("x"), "e": Wait(1.0, "go")}
    rows = (("go", "a", "b"), ("ok", "b", "c"))
    assert fingerprint(playbook(every, *rows)) == PINNED, "who changes how it is told hands every run in flight over"
