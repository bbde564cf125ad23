"""Whoever is asked is told what to do: each reason that the agent can have to ask has its sentence, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

from agent.cli.playbooks import shipped
from agent.model.guard import GuardReason
from agent.model.playbook import Escalate
from agent.remediate.outlet_map import WRONG
from agent.report.needed import NEEDED, OWN, needed

ROOT = Path(__file__).parents[2]


def named_in(folder: str, what: str) -> Iterator[str]:
    """Yield what is given to every call of that name in a folder's code: a reason of the guards, or a plain word."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == what:
                match node.args[-1:]:
                    case [ast.Attribute(value=ast.Name(id="GuardReason"), attr=reason)]:
                        yield GuardReason[reason]
                    case [ast.Constant(value=str(word))]:
                        yield word


def asked_for() -> set[str]:
    steps = (step for playbook in shipped().values() for step in playbook.steps.values())
    escalated = {step.reason for step in steps if isinstance(step, Escalate)}
    return escalated | set(named_in("agent/guard", "Refuse")) | set(named_in("agent", "HandOver")) | {WRONG}


def test_every_reason_has_a_sentence_and_every_sentence_a_reason() -> None:
    assert asked_for() == set(NEEDED) - set(OWN)


def test_a_sentence_says_what_to_do_and_fits_a_pager() -> None:
    for reason, sentence in NEEDED.items():
        assert sentence[0].islower(), reason
        assert not sentence.endswith("."), reason
        assert 10 < len(sentence) <= 110, reason


def test_a_reason_of_a_playbook_of_ones_own_is_told_as_it_is() -> None:
    assert needed("pump_room_locked") == "a person (pump room locked)"
    assert needed("") == "a person (no reason recorded)"
