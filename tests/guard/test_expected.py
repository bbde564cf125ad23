"""The gate `expected`: hands off what is worked on, nothing that ends a curtailment, no delay for a danger."""

from dataclasses import replace

import pytest

from agent.guard.expected import expected
from agent.guard.request import Request
from agent.model.action import Action, Verb
from agent.model.events import OutletsDoubted, WindowSet
from agent.model.guard import Allow, Defer, GuardReason
from agent.model.ids import MinerId, WindowId
from agent.model.incident import Category
from agent.model.site_view import Expected
from agent.model.topology import Outlet
from agent.model.windows import Purpose
from tests.factory import EPOCH, PDU, healthy
from tests.guard.test_cooling import UNIT, cooled
from tests.guard.test_gates import request, story
from tests.ledger.builder import INCIDENT, Story

ALL = tuple(verb for verb in Verb if verb not in (Verb.SET_SUPPLY, Verb.SET_FLOW))


def announced(purpose: Purpose, miner: str = "m1", *others: str, share: float = 0.0, of: Story | None = None) -> Story:
    return (of or story()).tell(
        WindowSet(
            window=WindowId("w-000001"),
            purpose=purpose,
            scope=(f"miner:{miner}",),
            miners=tuple(map(MinerId, (miner, *others))),
            share=share,
            until=EPOCH + 9000.0,
            why="",
        ),
        EPOCH,
    )


def reason(asked: Request) -> GuardReason | None:
    verdict = expected(asked)
    assert isinstance(verdict, Allow | Defer)
    return None if isinstance(verdict, Allow) else verdict.reason


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize(
    ("purpose", "share", "why"),
    [
        (Purpose.CURTAILED, 0.0, GuardReason.CURTAILED),
        (Purpose.CURTAILED, 0.6, GuardReason.CURTAILED),
        (Purpose.MAINTENANCE, 0.0, GuardReason.MAINTENANCE),
    ],
)
def test_nothing_is_done_to_who_is_away(verb: Verb, purpose: Purpose, share: float, why: GuardReason) -> None:
    assert reason(request(verb, announced(purpose, share=share))) is why
    assert reason(request(verb, announced(purpose, miner="m2", share=share))) is None


@pytest.mark.parametrize("purpose", list(Purpose))
def test_load_is_taken_off_what_is_hot_whatever_was_announced(purpose: Purpose) -> None:
    for verb, share in ((Verb.SLEEP, None), (Verb.DERATE, 0.5)):
        asked = request(verb, announced(purpose))
        hot = replace(asked, incident=replace(asked.incident, category=Category.THERMAL))
        hot.view.put_answer(0, hot.now, healthy(50_000.0))
        assert reason(replace(hot, action=Action(verb=verb, miner=MinerId("m1"), share=share))) is None
    in_full = Action(verb=Verb.DERATE, miner=MinerId("m1"), share=1.0)
    assert reason(replace(hot, action=in_full)) is not None, "that puts load on"
    asked = request(Verb.REBOOT, announced(purpose))
    assert reason(replace(asked, incident=replace(asked.incident, category=Category.THERMAL))) is not None


def test_an_outlet_is_switched_on_again_in_a_curtailment_and_not_under_the_hands_of_people() -> None:
    owed = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    assert reason(request(Verb.POWER_ON, announced(Purpose.CURTAILED, of=owed))) is None
    owed = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    assert reason(request(Verb.POWER_ON, announced(Purpose.MAINTENANCE, of=owed))) is GuardReason.MAINTENANCE


def test_a_unit_is_let_be_when_all_of_its_loop_are_worked_on() -> None:
    """With one on the loop that is not, it has somebody to cool."""
    action = Action(verb=Verb.SET_SUPPLY, miner=MinerId("m1"), unit=UNIT, supply_c=34.0, was=35.0)

    def found(*worked_on: str) -> GuardReason | None:
        asked = request(Verb.SET_SUPPLY, announced(Purpose.MAINTENANCE, *worked_on), of=cooled())
        return reason(replace(asked, action=action))

    assert found("m1", "m2") is None
    assert found("m1", "m2", "m3") is GuardReason.MAINTENANCE


@pytest.mark.parametrize(
    ("fell", "at_work", "waits"),
    [(("m2",), "m2", True), (("m2",), "m3", False), ((), "m3", True)],
)
def test_an_outlet_whose_cord_is_another_s_waits_for_the_people_at_that_one(
    *, fell: tuple[str, ...], at_work: str, waits: bool
) -> None:
    owed = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    owed.tell(
        OutletsDoubted(
            incident=INCIDENT,
            miner=MinerId("m1"),
            outlets=(Outlet(PDU, 1),),
            fell=tuple(map(MinerId, fell)),
            evidence={},
        ),
        EPOCH + 9,
    )
    asked = request(Verb.POWER_ON, announced(Purpose.MAINTENANCE, at_work, of=owed))
    assert reason(asked) is (GuardReason.MAINTENANCE if waits else None)


def test_what_the_agent_put_to_sleep_it_does_not_wake_in_a_curtailment() -> None:
    slept = story().intended(Verb.SLEEP, EPOCH).settled(Verb.SLEEP, EPOCH + 5)
    assert reason(request(Verb.WAKE, slept)) is None
    assert reason(request(Verb.WAKE, announced(Purpose.CURTAILED, of=slept))) is GuardReason.CURTAILED


def test_who_says_that_it_was_told_to_sleep_is_let_sleep_though_nobody_announced_it() -> None:
    asked = request(Verb.POWER_OFF, story())
    asked.view.expected[0] = Expected.SUSPENDED
    assert reason(asked) is GuardReason.CURTAILED
    slept = story().intended(Verb.SLEEP, EPOCH).settled(Verb.SLEEP, EPOCH + 5)
    own = request(Verb.WAKE, slept)
    own.view.expected[0] = Expected.SUSPENDED
    assert reason(own) is None


def test_one_of_many_is_enough() -> None:
    asked = request(Verb.SWITCH_POOL, announced(Purpose.CURTAILED, miner="m3"))
    many = Action(verb=Verb.SWITCH_POOL, miner=MinerId("m1"), others=(MinerId("m3"),))
    assert reason(replace(asked, action=many)) is GuardReason.CURTAILED
