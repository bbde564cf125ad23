"""The model check of what has to be undone of heat: setpoints, and miners put to sleep."""

from dataclasses import replace

import pytest

from agent.model.action import Result, Verb
from agent.model.incident import Category
from agent.model.playbook import Act, Check, Step
from agent.remediate.graph import End, Exit
from agent.remediate.properties import Heat, Kept, Property, rollback
from agent.remediate.verify import verify
from tests.remediate.test_verify import ASK, DONE, book, checks, of

STEP = Act(Verb.SET_SUPPLY, "ok", "no")
SLEEPS = Act(Verb.SLEEP, "ok", "no")


def test_no_run_lowers_a_supply_more_often_than_a_loop_may_be() -> None:
    steps: dict[str, Step] = {f"s{n}": STEP for n in range(4)}
    steps |= {f"look{n}": Check((), 600.0, "settled") for n in range(4)}
    rows = [(trigger, f"s{n}", f"look{n}") for n in range(4) for trigger in ("ok", "no")]
    rows += [("settled", f"look{n}", f"s{n + 1}" if n < 3 else "ask") for n in range(4)]
    found = verify(replace(book(steps | {"ask": ASK}, *rows, initial="s0"), category=Category.THERMAL))
    assert checks(found) == ["rollback"]
    assert "moves a supply temperature 4 times" in of(found, "rollback").message
    allowed = [row for row in rows if "3" not in row[1] and "s3" not in row[2]] + [("settled", "look2", "ask")]
    three = {name: step for name, step in steps.items() if "3" not in name}
    found = verify(replace(book(three | {"ask": ASK}, *allowed, initial="s0"), category=Category.THERMAL))
    assert checks(found) == []
    (explored,) = (one for one in found.explored if one.name == "rollback")
    assert {(end.state, end.how) for end in explored.ends if end.state == "ask"} == {
        ("ask", "owed"),
        ("ask", "as found"),
    }


def test_no_write_follows_one_whose_outcome_nobody_has_looked_at() -> None:
    rows = (("ok", "a", "b"), ("no", "a", "ask"), ("ok", "b", "ask"), ("no", "b", "ask"))
    found = verify(replace(book({"a": STEP, "b": STEP, "ask": ASK}, *rows), category=Category.THERMAL))
    assert of(found, "rollback").message.endswith("whose outcome is unknown, and has not looked")
    assert of(found, "rollback").trail == (("a", "set_supply unknown: ok"), ("b", "set_supply ok: ok"))


def test_no_run_is_over_and_well_while_its_miners_sleep() -> None:
    rows = (("ok", "a", "end"), ("no", "a", "ask"))
    found = verify(replace(book({"a": SLEEPS, "end": DONE, "ask": ASK}, *rows), category=Category.THERMAL))
    assert of(found, "rollback").message == "this run is over and well with its miners asleep"


@pytest.mark.parametrize(("woken", "is_well"), [(Result.OK, True), (Result.FAILED, False), (Result.UNKNOWN, False)])
def test_who_was_seen_to_wake_sleeps_no_longer(woken: Result, is_well: bool) -> None:
    follow = rollback(book({"a": SLEEPS, "end": DONE}))
    asleep = after(follow, Exit("t", "b", Verb.SLEEP, Result.OK))
    known = after(follow, Exit("t", "b", Verb.WAKE, woken), asleep)
    assert isinstance(follow.at_end(known, End.RESOLVED), Kept) is is_well
    assert isinstance(follow.at_end(known, End.ESCALATED), Kept), "who is asked brings them back from then on"
    other = after(follow, Exit("t", "b", Verb.RESTART, Result.OK), asleep)
    assert not isinstance(follow.at_end(other, End.RESOLVED), Kept), "something else has not woken them"


@pytest.mark.parametrize(
    ("verb", "result", "steps", "how"),
    [
        (Verb.SET_SUPPLY, Result.OK, 1, "owed"),
        (Verb.SET_SUPPLY, Result.UNKNOWN, 1, "owed"),
        (Verb.SET_SUPPLY, Result.FAILED, 0, "as found"),
        (Verb.SET_FLOW, Result.OK, 0, "owed"),
        (Verb.SET_FLOW, Result.FAILED, 0, "as found"),
        (Verb.SLEEP, Result.FAILED, 0, "owed"),
        (Verb.WAKE, Result.OK, 0, "as found"),
    ],
)
def test_what_may_have_been_written_is_a_step_and_owed_back(verb: Verb, result: Result, steps: int, how: str) -> None:
    follow = rollback(book({"a": STEP, "end": DONE}))
    known = after(follow, Exit("t", "b", verb, result))
    assert (known.steps, follow.at_end(known, End.ESCALATED)) == (steps, Kept(how))


def after(follow: Property[Heat], way: Exit, known: Heat | None = None) -> Heat:
    reached = follow.step(follow.initial if known is None else known, way)
    assert isinstance(reached, Heat)
    return reached
