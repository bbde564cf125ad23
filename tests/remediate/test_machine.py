"""What a sound table is: every fault a playbook can have is found when it is loaded."""

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


def test_a_check_lists_its_arms_in_the_fingerprint() -> None:
    def one(_: object) -> bool:
        return True

    def two(_: object) -> bool:
        return True

    tables = [
        playbook({"a": Check((Arm(when, "go"),), 5.0, "go"), "c": Resolve()}, ("go", "a", "c")) for when in (one, two)
    ]
    assert fingerprint(tables[0]) != fingerprint(tables[1])
