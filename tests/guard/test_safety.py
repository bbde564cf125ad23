"""What counts as safety at every gate that makes an exception; nothing is given power under a person's hands."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.guard.order import judge
from agent.guard.request import Request
from agent.guard.safety import for_those_free
from agent.model.action import DISRUPTIVE, Action, Verb
from agent.model.events import HoldChanged, IncidentOpened, WindowSet
from agent.model.guard import Allow
from agent.model.ids import MinerId, WindowId
from agent.model.incident import Category, Phase, Reason, Severity
from agent.model.itself import Part
from agent.model.safety import DANGER
from agent.model.telemetry import Reach
from agent.model.windows import Purpose
from tests.factory import EPOCH, healthy
from tests.guard.test_gates import OTHER, request
from tests.ledger.builder import INCIDENT, Story
from tests.remediate.loop_bench import LoopBench

GIVES_POWER = (*DISRUPTIVE, Verb.POWER_ON, Verb.RESTART, Verb.WAKE)
HEAT = (*DANGER, Reason.LOOP_HOT, Reason.OVERHEATED)


def of_heat(cause: Reason) -> Story:
    return Story().tell(
        IncidentOpened(
            incident=INCIDENT,
            category=Category.THERMAL,
            cause=cause,
            severity=Severity.CRITICAL,
            members=(MinerId("m1"),),
            detected_at=EPOCH,
            evidence={},
        ),
        EPOCH,
    )


def held(story: Story) -> Story:
    return story.tell(HoldChanged(why="electrician in container 2"), EPOCH)


def in_trouble(story: Story) -> Story:
    return story.tell(
        IncidentOpened(
            incident=OTHER,
            category=Category.OTHER,
            cause=Reason.OWN_CLOCK,
            severity=Severity.MEDIUM,
            members=(),
            detected_at=EPOCH,
            evidence={},
            domain="host:agent",
        ),
        EPOCH,
    )


def away(story: Story, purpose: Purpose) -> Story:
    return story.tell(
        WindowSet(
            window=WindowId("w-000001"),
            purpose=purpose,
            scope=("miner:m1",),
            miners=(MinerId("m1"),),
            share=0.0,
            until=EPOCH + 9000.0,
            why="",
        ),
        EPOCH,
    )


def asked(story: Story, verb: Verb, share: float | None = None, *, hashes: bool = True) -> Request:
    found = request(verb, story, braked=(0, 1, 2))
    if hashes:
        found.view.put_answer(0, found.now, healthy(50_000.0))
    else:
        found.view.put_miss(0, found.now, Reach.SILENT)
    if share is None:
        return found
    return replace(found, action=Action(verb=verb, miner=MinerId("m1"), share=share), calm_at=found.now + 600.0)


@pytest.mark.parametrize("cause", sorted(DANGER))
@pytest.mark.parametrize(("verb", "share"), [(Verb.SLEEP, None), (Verb.DERATE, 0.6)])
def test_load_is_taken_off_miners_in_danger_whatever_else_there_is(
    cause: Reason, verb: Verb, share: float | None
) -> None:
    for story in (
        held(of_heat(cause)),
        in_trouble(of_heat(cause)),
        away(of_heat(cause), Purpose.MAINTENANCE),
        away(of_heat(cause), Purpose.CURTAILED),
        held(in_trouble(away(of_heat(cause), Purpose.MAINTENANCE))),
    ):
        assert judge(asked(story, verb, share)) == ("all", Allow())


def test_heat_that_is_no_danger_waits_for_a_person_and_for_the_agent_itself_and_for_nothing_else() -> None:
    for cause in (Reason.OVERHEATED, Reason.LOOP_HOT):
        calm = replace(asked(held(of_heat(cause)), Verb.DERATE, 0.6), braked=None)
        assert judge(calm)[0] == "hold"
        assert judge(replace(asked(in_trouble(of_heat(cause)), Verb.DERATE, 0.6), braked=None))[0] == "itself"
        assert judge(asked(of_heat(cause), Verb.DERATE, 0.6))[0] == "all"
        assert judge(asked(of_heat(cause), Verb.RESTART))[0] == "brake"
        for purpose in Purpose:
            assert judge(replace(asked(away(of_heat(cause), purpose), Verb.DERATE, 0.6), braked=None))[0] == "all"


def test_another_power_is_not_told_to_a_miner_that_stands_still_and_may_have_hands_in_it() -> None:
    cut_out = of_heat(Reason.OVERTEMP_CUT_OUT)
    still = replace(asked(in_trouble(cut_out), Verb.DERATE, 0.6, hashes=False), braked=None)
    assert judge(still) == ("all", Allow())
    assert judge(asked(held(of_heat(Reason.OVERTEMP_CUT_OUT)), Verb.DERATE, 0.6, hashes=False))[0] == "hold"
    assert judge(asked(held(of_heat(Reason.OVERTEMP_CUT_OUT)), Verb.SLEEP, hashes=False)) == ("all", Allow())
    worked_on = away(of_heat(Reason.OVERTEMP_CUT_OUT), Purpose.MAINTENANCE)
    assert judge(asked(worked_on, Verb.DERATE, 0.6, hashes=False))[0] == "expected"


def test_more_than_a_miner_was_told_is_no_relief() -> None:
    higher = asked(in_trouble(of_heat(Reason.COOLING_LOST)), Verb.DERATE, 0.8)
    assert judge(higher) == ("all", Allow())
    higher.view.derated[0] = 0.6
    assert judge(higher)[0] == "itself"
    assert judge(replace(higher, action=Action(verb=Verb.DERATE, miner=MinerId("m1"), share=1.0)))[0] == "itself"


@given(
    verb=st.sampled_from(list(Verb)),
    share=st.floats(0.3, 1.0),
    cause=st.sampled_from([*HEAT, Reason.UNRESPONSIVE, Reason.NO_POOL]),
    owed=st.booleans(),
    hashes=st.booleans(),
    hands=st.sampled_from(["hold", "maintenance"]),
)
@settings(max_examples=150, deadline=None)
def test_nothing_is_given_power_where_people_may_have_their_hands(
    *, verb: Verb, share: float, cause: Reason, owed: bool, hashes: bool, hands: str
) -> None:
    story = of_heat(cause).running("x") if cause in HEAT else Story().opened().running("x")
    if owed:
        story.intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
        story.intended(Verb.SLEEP, EPOCH + 6).settled(Verb.SLEEP, EPOCH + 7)
    story = held(story) if hands == "hold" else away(story, Purpose.MAINTENANCE)
    wanted = asked(story, verb, share if verb is Verb.DERATE else None, hashes=hashes)
    _, verdict = judge(replace(wanted, braked=None, calm_at=0.0))
    if isinstance(verdict, Allow):
        assert verb not in GIVES_POWER
        assert verb is Verb.SLEEP or (verb is Verb.DERATE and hashes and share < 1.0)


def test_one_that_is_busy_does_not_keep_the_others_waiting_without_coolant() -> None:
    many = Action(verb=Verb.SLEEP, miner=MinerId("m2"), others=(MinerId("m1"), MinerId("m3")))
    story = of_heat(Reason.COOLING_LOST).opened(EPOCH, OTHER, MinerId("m2"))
    story.intended(Verb.REBOOT, EPOCH, incident=OTHER)
    wanted = replace(request(Verb.SLEEP, story), action=many)
    assert judge(wanted)[0] == "in_flight"
    free = for_those_free(wanted)
    assert free.action.targets == ("m1", "m3")
    assert judge(free) == ("all", Allow())
    alone = replace(wanted, action=Action(verb=Verb.SLEEP, miner=MinerId("m2")))
    assert for_those_free(alone) == alone, "never nobody, which might be read as all"
    cool = replace(wanted, incident=replace(wanted.incident, cause=Reason.OVERHEATED))
    assert for_those_free(cool) == cool


def test_a_loop_that_is_not_cooled_is_put_to_sleep_under_a_hold_and_not_woken() -> None:
    bench = LoopBench(miners=10)
    bench._commit([HoldChanged(why="electrician in container 2")])
    bench.world.wear = 1.0
    bench.run(120.0)
    assert len(bench.world.asleep) == 10
    bench.world.wear = 0.0
    bench.run(7200.0)
    assert len(bench.world.asleep) == 10, "nobody is woken under a person's hands"
    bench._commit([HoldChanged(why=None)])
    bench.run(3 * 3600.0)
    assert bench.world.asleep == set()


def test_a_loop_that_is_not_cooled_goes_through_its_run_while_the_agent_suspects_itself() -> None:
    bench = LoopBench(miners=10)

    def ail() -> None:
        bench.view.itself[Part.CLOCK].put(3600.0, bench.now)

    bench.run(60.0, ail)
    own = bench.memory.own_incident
    assert own is not None
    assert own.is_open
    bench.world.wear = 1.0
    bench.run(300.0, ail)
    assert len(bench.world.asleep) == 10
    (lost,) = [i for i in bench.memory.open_incidents if not i.is_own]
    assert (lost.phase, lost.escalation_reason) == (Phase.ESCALATED, "cooling_lost"), "its waits do not stand still"
