"""The model check: shipped playbooks pass, playbooks broken on purpose fail where they should, and it agrees with
enumeration, with the ledger's fold and with settle."""

import math
import pkgutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import playbooks
from agent.model.action import Action, Result, Verb
from agent.model.events import Escalated, Intended
from agent.model.ids import MinerId
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition, Wait
from agent.model.topology import Family, Miner, Outlet
from agent.remediate import duty
from agent.remediate.bounds import bounds
from agent.remediate.graph import HANDED_OVER, REFERENCE_MINERS, End, Exit, Graph, after
from agent.remediate.machine import Table
from agent.remediate.properties import OWED, PROPERTIES, RISK_EXEMPT, Broken, Kept, Outlets, Property, outlets, risk
from agent.remediate.settle import settled
from agent.remediate.tables import Tables
from agent.remediate.verify import CHECKS, Fault, Verification, explore, verify
from tests.factory import EPOCH, PDU
from tests.ledger.builder import INCIDENT, Story

SHIPPED = {m.name: import_module(f"playbooks.{m.name}").PLAYBOOK for m in pkgutil.iter_modules(playbooks.__path__)}


def holds(_: Situation) -> bool:
    """It holds."""
    return True


def book(steps: dict[str, Step], *rows: tuple[str, str, str], initial: str = "a") -> Playbook:
    """Rows are (trigger, source, dest)."""
    return Playbook("p", Category.STUCK, initial, steps, tuple(Transition(*row) for row in rows))


def checks(found: Verification) -> list[str]:
    return list(dict.fromkeys(fault.check for fault in found.faults))


def of(found: Verification, check: str) -> Fault:
    return next(fault for fault in found.faults if fault.check == check)


OFF, ON, RESTART = (Act(verb, "ok", "no") for verb in (Verb.POWER_OFF, Verb.POWER_ON, Verb.RESTART))
ASK, DONE = Escalate("x"), Resolve()

POWER_CYCLE = book(
    {
        "a": OFF,
        "dwell": Wait(60.0, "go"),
        "on": ON,
        "undo": ON,
        "look": Check((), 600.0, "late"),
        "ask": ASK,
        "end": DONE,
    },
    ("ok", "a", "dwell"),
    ("no", "a", "undo"),
    ("go", "dwell", "on"),
    ("ok", "on", "look"),
    ("no", "on", "ask"),
    ("ok", "undo", "look"),
    ("no", "undo", "ask"),
    ("late", "look", "ask"),
    ("recovered", "look", "end"),
)
"""Sound, and small enough to know by heart."""


def but(
    playbook: Playbook, *rows: tuple[str, str, str], without: tuple[str, str] = ("", ""), **steps: Step
) -> Playbook:
    """The playbook with other steps, with more rows, and without the row of this (trigger, source)."""
    kept = [(t.trigger, t.source, t.dest) for t in playbook.transitions if (t.trigger, t.source) != without]
    return book(dict(playbook.steps) | steps, *kept, *rows, initial=playbook.initial)


def limit_of(miner: Miner) -> float:
    return math.nan if miner.family is Family.LUXOS else 60.0


class Case(NamedTuple):
    """A broken playbook; the checks that fail; what the last of them says and shows."""

    broken: Playbook
    fails: list[str]
    message: str
    trail: tuple[tuple[str, str], ...]


CASES = {
    "unreachable state": Case(but(POWER_CYCLE, lost=DONE), ["reachable"], "['lost'] cannot be reached", ()),
    "cycle without bound": Case(
        book(
            {"a": Wait(1.0, "go"), "b": Wait(1.0, "go"), "c": Check((Arm(holds, "back"),), 9.0, "late"), "end": DONE},
            ("go", "a", "b"),
            ("go", "b", "c"),
            ("back", "c", "b"),
            ("late", "c", "end"),
        ),
        ["bounded"],
        "form a cycle",
        (("a", "go"), ("b", "go"), ("c", "back"), ("b", "")),
    ),
    "cycle upon itself": Case(
        book({"a": Check((Arm(holds, "again"),), 9.0, "late"), "end": DONE}, ("again", "a", "a"), ("late", "a", "end")),
        ["bounded"],
        "a > a form a cycle",
        (("a", "again"), ("a", "")),
    ),
    "wait without bound": Case(
        but(POWER_CYCLE, dwell=Wait(math.inf, "go")),
        ["bounded"],
        "state dwell lasts inf s",
        (("a", "power_off ok: ok"), ("dwell", "")),
    ),
    "check without bound for one family": Case(
        but(POWER_CYCLE, look=Check((), limit_of, "late")),
        ["bounded"],
        "state look lasts nan s",
        (("a", "power_off failed: no"), ("undo", "power_on ok: ok"), ("look", "")),
    ),
    "off without on": Case(
        book(
            {"a": OFF, "dwell": Wait(60.0, "go"), "ask": ASK},
            ("ok", "a", "dwell"),
            ("no", "a", "dwell"),
            ("go", "dwell", "ask"),
        ),
        ["outlets"],
        "is escalated with its outlets off, and never tries to switch on",
        (("a", "power_off ok: ok"), ("dwell", "go"), ("ask", "")),
    ),
    "on missing on the failed branch": Case(
        book(
            {"a": OFF, "on": ON, "ask": ASK, "end": DONE},
            ("ok", "a", "on"),
            ("no", "a", "ask"),
            ("ok", "on", "end"),
            ("no", "on", "ask"),
        ),
        ["outlets"],
        "is escalated with its outlets perhaps off, and never tries",
        (("a", "power_off failed: no"), ("ask", "")),
    ),
    "resolved while off": Case(
        book(
            {"a": OFF, "on": ON, "ask": ASK, "end": DONE},
            ("ok", "a", "end"),
            ("no", "a", "on"),
            ("ok", "on", "end"),
            ("no", "on", "ask"),
        ),
        ["outlets"],
        "is resolved with its outlets off",
        (("a", "power_off ok: ok"), ("end", "")),
    ),
    "resolved though the switch-on failed": Case(
        but(POWER_CYCLE, ("no", "on", "end"), without=("no", "on")),
        ["outlets"],
        "is resolved with its outlets perhaps off",
        (("a", "power_off ok: ok"), ("dwell", "go"), ("on", "power_on failed: no"), ("end", "")),
    ),
    "resolved by a short cut while off": Case(
        but(POWER_CYCLE, ("recovered", "dwell", "end")),
        ["outlets"],
        "is resolved with its outlets off, and never tries",
        (("a", "power_off ok: ok"), ("dwell", "recovered"), ("end", "")),
    ),
    "dead-end check": Case(
        book({"a": Wait(1.0, "go"), "look": Check((), 9.0, "late")}, ("go", "a", "look")),
        ["rows", "ends"],
        "look is neither resolve nor escalate",
        (("a", "go"), ("look", "")),
    ),
    "missing transition": Case(
        but(POWER_CYCLE, without=("no", "undo")), ["rows"], "state undo uses trigger 'no', which has no row", ()
    ),
    "action in a loop": Case(
        book(
            {"a": RESTART, "look": Check((Arm(holds, "again"),), 60.0, "late"), "ask": ASK},
            ("ok", "a", "look"),
            ("no", "a", "ask"),
            ("again", "look", "a"),
            ("late", "look", "ask"),
        ),
        ["bounded", "attempts"],
        "does restart a 2. time; 1 in a run",
        (("a", "restart ok: ok"), ("look", "again"), ("a", "restart ok: ok")),
    ),
    "wrong initial": Case(
        book(dict(POWER_CYCLE.steps), *((t.trigger, t.source, t.dest) for t in POWER_CYCLE.transitions), initial="z"),
        ["rows", "reachable"],
        "cannot be reached",
        (),
    ),
    "end with successors": Case(
        but(POWER_CYCLE, ("recovered", "ask", "end")),
        ["after_end"],
        "ask is an end, and 'recovered' leads on from it",
        (("ask", "recovered"), ("end", "")),
    ),
    "two rows for one trigger": Case(
        but(POWER_CYCLE, ("late", "look", "end")), ["rows"], "state look has 2 rows for trigger 'late'", ()
    ),
    "a row its step never takes": Case(
        but(POWER_CYCLE, ("odd", "look", "end")), ["rows"], "has a trigger its step never uses", ()
    ),
    "a row to nowhere": Case(
        but(POWER_CYCLE, ("recovered", "a", "nowhere")), ["rows"], "names a state without a step", ()
    ),
    "milder after harder": Case(
        but(
            POWER_CYCLE,
            ("late", "look", "soft"),
            ("ok", "soft", "end"),
            ("no", "soft", "ask"),
            without=("late", "look"),
            soft=RESTART,
        ),
        ["risk"],
        "does restart, of risk soft, after something of risk power",
        (
            ("a", "power_off failed: no"),
            ("undo", "power_on ok: ok"),
            ("look", "late"),
            ("soft", "restart ok: ok"),
        ),
    ),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_playbook_is_sound(name: str) -> None:
    found = verify(SHIPPED[name])
    assert found.faults == ()
    assert [explored.name for explored in found.explored] == [
        "outlets",
        "flashes",
        "attempts",
        "risk",
        "gentle",
        "rollback",
    ]


def test_the_bench_playbook_is_sound() -> None:
    assert verify(POWER_CYCLE).faults == ()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_broken_playbook_fails_where_it_is_broken(case: Case) -> None:
    found = verify(case.broken)
    assert checks(found) == case.fails
    last = of(found, case.fails[-1])
    assert case.message in last.message
    assert last.trail == case.trail
    assert set(case.fails) <= {*CHECKS, "outlets", "flashes", "attempts", "risk", "gentle", "rollback"}


@pytest.mark.parametrize("category", Category)
@pytest.mark.parametrize("verb", [Verb.REBOOT, Verb.RESTART])
def test_nobody_is_rebooted_for_a_pool_a_network_rejects_or_heat(category: Category, verb: Verb) -> None:
    rows = (("ok", "a", "end"), ("no", "a", "ask"))
    playbook = replace(book({"a": Act(verb, "ok", "no"), "end": DONE, "ask": ASK}, *rows), category=category)
    allowed = verb is Verb.RESTART or category not in (
        Category.POOL,
        Category.NETWORK,
        Category.REJECTS,
        Category.THERMAL,
    )
    found = verify(playbook)
    assert checks(found) == ([] if allowed else ["gentle"])
    if not allowed:
        fault = of(found, "gentle")
        assert fault.message == f"this run does reboot for an incident of the class {category}"
        assert fault.trail == (("a", "reboot ok: ok"),)


def test_a_fault_reads_as_one_line() -> None:
    fault = of(verify(CASES["resolved while off"].broken), "outlets")
    assert str(fault) == (
        "outlets: this run is resolved with its outlets off, and never tries to switch on what it may have switched "
        "off (path a [power_off ok: ok] > end)"
    )


def test_every_end_says_whether_the_outlet_is_on_or_owed() -> None:
    found = verify(POWER_CYCLE)
    ends = {(end.state, end.how) for end in found.explored[0].ends}
    assert ends == {
        ("end", Outlets.ON),
        ("ask", Outlets.ON),
        ("ask", OWED),
        (HANDED_OVER, Outlets.AS_FOUND),
        (HANDED_OVER, Outlets.ON),
        (HANDED_OVER, OWED),
    }


def test_an_escalation_that_leaves_it_to_the_duty_is_told_apart_in_the_shipped_playbook() -> None:
    (explored,) = (found for found in verify(SHIPPED["stuck_miner"]).explored if found.name == "outlets")
    assert {end.state for end in explored.ends if end.how == OWED} == {"ask_pdu", HANDED_OVER}
    assert {end.how for end in explored.ends if end.state == "resolved"} == {Outlets.AS_FOUND, Outlets.ON}


def test_another_property_is_one_more_object() -> None:
    """Nothing is switched off before a restart was tried: a promise that neither playbook makes."""

    def step(tried: bool, way: Exit) -> bool | Broken:
        if way.verb is Verb.POWER_OFF and not tried:
            return Broken("switches off first")
        return tried or way.verb is Verb.RESTART

    def restart_first(_: Playbook) -> Property[bool]:
        return Property("restart_first", "restart before power", False, step, lambda _, __: Kept("fine"))

    found = verify(POWER_CYCLE, (*PROPERTIES, restart_first))
    assert checks(found) == ["restart_first"]
    assert of(found, "restart_first").trail == (("a", "power_off ok: ok"),)
    shortest = of(verify(SHIPPED["stuck_miner"], (restart_first,)), "restart_first").trail
    assert [state for state, _ in shortest] == ["hold", "gather", "judge", "power_off"]


# What the checker takes for granted, held against the code it speaks of.


@pytest.mark.parametrize(("verb", "result"), list(product(Verb, Result)))
def test_it_takes_outcomes_as_settle_does(verb: Verb, result: Result) -> None:
    step = Act(verb, "ok", "no")
    look = Act(Verb.VERIFY_FIRMWARE, "ok", "no")
    last = look if verb is Verb.FLASH else ON
    table = Table(
        book(
            {"a": step, "last": last, "ask": ASK},
            ("ok", "a", "last"),
            ("no", "a", "last"),
            *(("ok", "last", "ask"), ("no", "last", "ask")),
        )
    )
    story = Story().opened().running("a", fingerprint=table.fingerprint)
    outlet = (Outlet(PDU, 1),) if verb in (Verb.POWER_OFF, Verb.POWER_ON) else ()
    incident = story.state.incidents[INCIDENT]
    assert incident.run is not None
    intent = Intended(
        incident=INCIDENT, run=incident.run.id, state="a", attempt=1, action=Action(verb, MinerId("m1"), outlet)
    )
    event = settled(intent, result, "", incident, Tables([replace(table.playbook, name="stuck_miner")]))
    assert event.trigger == after(step, result)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_ledger_holds_a_duty_just_where_the_outlets_are_not_known_to_be_on(length: int) -> None:
    follow = outlets(POWER_CYCLE)
    moves = list(product((Verb.POWER_OFF, Verb.POWER_ON), Result))
    for sequence in product(moves, repeat=length):
        story = Story().opened().running("a")
        known = follow.initial
        for number, (verb, result) in enumerate(sequence):
            at = EPOCH + 100.0 * number
            story.intended(verb, at).settled(verb, at + 10.0, result)
            reached = follow.step(known, Exit("t", "b", verb, result))
            assert not isinstance(reached, Broken)
            known = reached
        is_owed = known[0] in (Outlets.OFF, Outlets.UNKNOWN)
        assert is_owed == bool(story.state.duties), sequence
        story.tell(Escalated(incident=INCIDENT, reason="x", tried=(), evidence={}), EPOCH + 1000.0)
        assert [action.verb for _, action in duty.owed(story.state, EPOCH + 1e6)] == [Verb.POWER_ON] * is_owed


# The same answers by enumeration, where that is possible.


def runs(graph: Graph, state: str, so_far: tuple[Exit, ...] = ()) -> Iterator[tuple[str, tuple[Exit, ...]]]:
    """Every run there can be, as (the end, the ways taken)."""
    if graph.end(state):
        yield state, so_far
    for way in graph.exits[state]:
        if way.dest is None:
            yield HANDED_OVER, (*so_far, way)
        else:
            yield from runs(graph, way.dest, (*so_far, way))


def judged(graph: Graph, prop: Property[tuple[Outlets, bool]], end: str, ways: tuple[Exit, ...]) -> Kept | Broken:
    known = prop.initial
    for way in ways:
        reached = prop.step(known, way)
        assert not isinstance(reached, Broken)
        known = reached
    return prop.at_end(known, End.HANDED_OVER if end == HANDED_OVER else graph.end(end) or End.HANDED_OVER)


@st.composite
def acyclic(draw: st.DrawFn) -> Playbook:
    """A table of up to six states and two ends in which every row leads forward; often with something amiss."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    steps: dict[str, Step] = {}
    rows: list[tuple[str, str, str]] = []
    for number, name in enumerate(names):
        later = st.sampled_from([*names[number + 1 :], "end", "ask"])
        acts: list[Step] = [Act(verb, "ok", "no") for verb in Verb]
        step = draw(st.sampled_from([*acts, Wait(5.0, "ok"), Check((Arm(holds, "ok"),), 7.0, "no")]))
        steps[name] = step
        triggers = ["ok"] if isinstance(step, Wait) else ["ok", "no"]
        triggers += draw(st.sampled_from([[], ["recovered"]]))
        rows += [(trigger, name, draw(later)) for trigger in triggers]
    return book(steps | {"end": DONE, "ask": ASK}, *rows, initial="s0")


@settings(max_examples=100)
@given(acyclic())
def test_the_explorer_agrees_with_enumeration(playbook: Playbook) -> None:
    graph, prop = Graph(playbook), outlets(playbook)
    found = explore(graph, prop)
    told = [(end, ways, judged(graph, prop, end, ways)) for end, ways in runs(graph, "s0")]
    broken = [len(ways) + (end != HANDED_OVER) for end, ways, verdict in told if isinstance(verdict, Broken)]
    assert (found.fault is not None) == bool(broken)
    if found.fault is not None:
        assert len(found.fault.trail) == min(broken)
    kept = Counter((end, verdict.how) for end, _, verdict in told if isinstance(verdict, Kept))
    assert {(end.state, end.how): end.runs for end in found.ends} == kept


@settings(max_examples=50)
@given(acyclic())
def test_no_run_is_milder_after_harder_unless_it_says_so(playbook: Playbook) -> None:
    graph = Graph(playbook)
    falls = False
    for _, ways in runs(graph, "s0"):
        done = [Action(way.verb, MinerId("m")).traits.risk for way in ways if way.verb not in (None, *RISK_EXEMPT)]
        falls = falls or done != sorted(done)
    assert (explore(graph, risk(playbook)).fault is not None) == falls


@pytest.mark.parametrize("playbook", [POWER_CYCLE, *SHIPPED.values()], ids=["bench", *SHIPPED])
def test_bounds_agree_with_enumeration(playbook: Playbook) -> None:
    paths = list(Table(playbook).paths())
    found = bounds(Graph(playbook))
    assert found is not None
    assert found.paths == len(paths)
    assert found.moves == max(map(len, paths)) - 1
    assert {end.state: end.paths for end in found.ends} == Counter(path[-1][0] for path in paths)
    for bound in found.verbs:
        assert bound.most == max(
            sum(getattr(playbook.steps[s], "verb", None) is bound.verb and t != "recovered" for s, t in path)
            for path in paths
        )


def test_times_are_added_up_for_the_slowest_family() -> None:
    found = bounds(Graph(POWER_CYCLE))
    assert found is not None
    # Two switchings of two outlets at 120 s each, and a wait; or one after the other failed.
    assert found.longest_s == 240.0 + 60.0 + 240.0 + 600.0
    assert (found.actions, found.guards_s) == (2, 7200.0)
    slowest = {end.state: [state for state, _ in end.slowest] for end in found.ends}
    assert slowest["end"] == ["a", "dwell", "on", "look", "end"]


def test_an_act_that_recovers_before_it_was_allowed_is_not_counted() -> None:
    found = bounds(
        Graph(
            book(
                {"a": RESTART, "ask": ASK, "end": DONE},
                ("ok", "a", "ask"),
                ("no", "a", "ask"),
                *(("recovered", "a", "end"),),
            )
        )
    )
    assert found is not None
    assert {end.state: end.longest_s for end in found.ends} == {"ask": 60.0, "end": 0.0}


def test_a_cycle_leaves_no_bounds() -> None:
    assert bounds(Graph(CASES["cycle without bound"].broken)) is None


def test_limits_are_asked_for_every_family() -> None:
    assert {miner.family for miner in REFERENCE_MINERS} == set(Family)
