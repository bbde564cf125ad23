"""Every gate: allow, defer, refuse; and the order they stand in."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.limits import GuardLimits
from agent.guard.order import GATES, judge
from agent.guard.request import Request
from agent.model.action import Action, Result, Risk, Verb
from agent.model.guard import Allow, Defer, GuardReason, Mode, Refuse
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState
from agent.model.topology import Outlet, Site
from tests.factory import EPOCH, PDU, miner, put_outlets, site
from tests.ledger.builder import INCIDENT, MINER, Story

OTHER = IncidentId("inc-000002")


def request(
    verb: Verb,
    story: Story,
    *,
    of: Site | None = None,
    now: float = EPOCH + 1000.0,
    outlets: tuple[int, ...] = (1,),
    mode: Mode = Mode.AUTO,
    wanted: tuple[Action, ...] = (),
    braked: tuple[int, ...] = (),
) -> Request:
    view = SiteView(of or site(6))
    put_outlets(view, now - 5.0)
    view.polled_at.fill(now - 5.0)
    targets = tuple(Outlet(PDU, k) for k in outlets) if verb in (Verb.POWER_OFF, Verb.POWER_ON) else ()
    return Request(
        Action(verb=verb, miner=MINER, outlets=targets),
        story.state.incidents[INCIDENT],
        now,
        view,
        story.state,
        wanted,
        GuardLimits(),
        dict.fromkeys(Risk, mode),
        np.isin(np.arange(6), braked) if braked else None,
    )


def story() -> Story:
    return Story().opened().running("power_off")


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.FLASH])
def test_a_first_action_on_a_quiet_site_is_allowed(verb: Verb) -> None:
    assert judge(request(verb, story())) == ("all", Allow())


def test_one_of_several_that_fell_ill_together_is_left_alone() -> None:
    deferred = Defer(EPOCH + 1010.0, GuardReason.SHARED_CAUSE)
    assert judge(request(Verb.RESTART, story(), braked=(0, 1, 2))) == ("brake", deferred)
    assert judge(request(Verb.RESTART, story(), braked=(3, 4, 5))) == ("all", Allow())


def test_the_brake_holds_up_no_duty_and_no_shared_incident() -> None:
    owed = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    assert judge(request(Verb.POWER_ON, owed, braked=(0, 1, 2)))[0] != "brake"
    asked = request(Verb.RESTART, story(), braked=(0, 1, 2))
    whole = replace(asked.incident, domain="switch:sw-1")
    assert judge(replace(asked, incident=whole)) == ("all", Allow())


def test_nothing_is_started_among_miners_that_somebody_has_put_to_sleep() -> None:
    asked = request(Verb.POWER_ON, story(), braked=(0, 1, 2))
    shared = replace(asked, incident=replace(asked.incident, domain="breaker:pdu-1:bank1"))
    assert judge(shared)[0] != "brake", "its own domain holds nothing up"
    deferred = Defer(EPOCH + 1010.0, GuardReason.SHARED_CAUSE)
    assert judge(replace(shared, drowsy=shared.braked)) == ("brake", deferred)
    assert judge(replace(shared, drowsy=np.zeros(6, dtype=np.bool_)))[0] != "brake"
    restart = replace(shared, action=Action(verb=Verb.RESTART, miner=MINER))
    assert judge(replace(restart, drowsy=shared.braked))[0] != "brake"
    owed = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    duty = request(Verb.POWER_ON, owed, braked=(0, 1, 2))
    assert judge(replace(duty, drowsy=duty.braked))[0] != "brake", "what the agent owes goes on again"


def test_the_brake_holds_up_nothing_that_takes_load_off_a_hot_miner() -> None:
    asked = request(Verb.SLEEP, story(), braked=(0, 1, 2))
    assert judge(asked)[0] == "brake"
    assert judge(replace(asked, incident=replace(asked.incident, category=Category.THERMAL)))[0] != "brake"


def test_an_empty_target_list_is_refused() -> None:
    assert judge(request(Verb.POWER_OFF, story(), outlets=())) == ("target", Refuse(GuardReason.NO_TARGET))


def test_a_protected_outlet_is_never_switched() -> None:
    for verb in (Verb.POWER_OFF, Verb.POWER_ON):
        gate, verdict = judge(request(verb, story(), of=site(6, protected=(1,))))
        assert (gate, verdict) == ("protected", Refuse(GuardReason.PROTECTED))


@pytest.mark.parametrize("verb", [Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF])
def test_observe_mode_touches_nothing(verb: Verb) -> None:
    assert judge(request(verb, story(), mode=Mode.OBSERVE)) == ("mode", Refuse(GuardReason.OBSERVE_MODE))


def test_what_the_agent_switched_off_it_may_switch_on_in_every_mode() -> None:
    told = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    assert judge(request(Verb.POWER_ON, told, mode=Mode.OBSERVE)) == ("all", Allow())
    assert judge(request(Verb.POWER_ON, story(), mode=Mode.OBSERVE))[0] == "mode"


def test_a_shared_outlet_waits_for_all_its_miners_to_be_down() -> None:
    shared = site((miner(1), miner(2, outlets=(1,))))
    told = story()
    assert judge(request(Verb.POWER_OFF, told, of=shared)) == ("shared", Refuse(GuardReason.SHARED_OUTLET))
    told.opened(EPOCH + 10, OTHER, MinerId("m2"))
    assert judge(request(Verb.POWER_OFF, told, of=shared)) == ("all", Allow())


def test_one_action_per_device() -> None:
    busy = Action(verb=Verb.RESTART, miner=MINER)
    gate, verdict = judge(request(Verb.REBOOT, story(), wanted=(busy,)))
    assert gate == "in_flight"
    assert isinstance(verdict, Defer)
    other = Action(verb=Verb.RESTART, miner=MinerId("m5"))
    assert judge(request(Verb.REBOOT, story(), wanted=(other,))) == ("all", Allow())


def test_cool_down_and_daily_limit() -> None:
    told = story().intended(Verb.POWER_OFF, EPOCH).settled(Verb.POWER_OFF, EPOCH + 5)
    told.intended(Verb.POWER_ON, EPOCH + 40).settled(Verb.POWER_ON, EPOCH + 42)
    assert judge(request(Verb.POWER_OFF, told, now=EPOCH + 1204.0)) == (
        "cooldown",
        Defer(EPOCH + 1205.0, GuardReason.COOLDOWN),
    )
    assert judge(request(Verb.POWER_OFF, told, now=EPOCH + 1205.0)) == ("all", Allow())
    told.intended(Verb.POWER_OFF, EPOCH + 1205).settled(Verb.POWER_OFF, EPOCH + 1210)
    told.intended(Verb.POWER_ON, EPOCH + 1300).settled(Verb.POWER_ON, EPOCH + 1301)
    assert judge(request(Verb.POWER_OFF, told, now=EPOCH + 80_000.0)) == ("cooldown", Refuse(GuardReason.DAILY_LIMIT))
    assert judge(request(Verb.POWER_OFF, told, now=EPOCH + 86_405.0)) == ("all", Allow())


def test_switch_ons_of_one_bank_stand_apart() -> None:
    told = story().opened(EPOCH + 1, OTHER, MinerId("m2"))
    told.intended(Verb.POWER_ON, EPOCH + 900, outlets=(2,), incident=OTHER)
    gate, verdict = judge(request(Verb.POWER_ON, told, now=EPOCH + 901.0))
    assert (gate, isinstance(verdict, Defer)) == ("bank", True), "one switching in flight per bank"
    told.settled(Verb.POWER_ON, EPOCH + 902, outlets=(2,), incident=OTHER)
    assert judge(request(Verb.POWER_ON, told, now=EPOCH + 904.0)) == ("bank", Defer(EPOCH + 907.0, GuardReason.INRUSH))
    assert judge(request(Verb.POWER_ON, told, now=EPOCH + 907.0)) == ("all", Allow())
    assert judge(request(Verb.POWER_ON, told, now=EPOCH + 904.0, outlets=(4,))) == ("all", Allow()), "another bank"


def test_a_bank_beyond_its_share_is_not_switched() -> None:
    # Three miners of 13.5 A on one bank: 40.6 A, more than 0.8 x 50 A.
    tight = site(6, rating_a=50.0)
    assert judge(request(Verb.POWER_OFF, story(), of=tight)) == ("bank", Refuse(GuardReason.BANK_LOAD))
    gate, verdict = judge(request(Verb.POWER_ON, story(), of=tight))
    assert gate == "bank"
    assert isinstance(verdict, Defer)
    assert verdict.reason is GuardReason.BANK_LOAD


def test_an_unmetered_or_ramping_neighbour_counts_with_its_nominal() -> None:
    tight = site(6, rating_a=50.0)
    asked = request(Verb.POWER_ON, story(), of=tight)
    for number in (2, 3):
        asked.view.put_outlet(Outlet(PDU, number), asked.now, OutletReading(OutletState.ON, 0.1, 20.0))
    assert judge(asked) == ("all", Allow()), "neighbours that idle leave room"
    told = story().opened(EPOCH + 1, OTHER, MinerId("m2"))
    told.intended(Verb.POWER_ON, EPOCH + 900, outlets=(2, 3), incident=OTHER)
    told.settled(Verb.POWER_ON, EPOCH + 902, outlets=(2, 3), incident=OTHER)
    ramping = replace(asked, memory=told.state)
    assert judge(ramping)[0] == "bank", "they were just switched on and will draw their nominal"


def test_refusals_come_before_waits() -> None:
    names = [gate.__name__ for gate in GATES]
    never = ["target", "protected", "mode", "shared", "outlet_map", "flash"]
    of_units = ["unit", "moved", "one_writer", "setpoint"]
    of_one = ["hold", "itself", "expected", "stale", "hot", "storm", "brake", "in_flight", "proof", "step", "cooldown"]
    assert names == [*never, *of_units, *of_one, "bank", "blast_radius", "budget", "approval"]


@given(st.lists(st.floats(min_value=1.0, max_value=90_000.0), min_size=1, max_size=40))
def test_whatever_is_asked_the_budget_of_power_cycles_is_kept(gaps_s: list[float]) -> None:
    told = story()
    now = EPOCH
    done: list[float] = []
    for gap_s in gaps_s:
        now += gap_s
        if judge(request(Verb.POWER_OFF, told, now=now)) == ("all", Allow()):
            told.intended(Verb.POWER_OFF, now).settled(Verb.POWER_OFF, now + 0.1, Result.OK)
            told.intended(Verb.POWER_ON, now + 0.2).settled(Verb.POWER_ON, now + 0.3)
            done.append(now)
    limits = GuardLimits()
    for at in done:
        assert sum(at - 86_400.0 < other <= at for other in done) <= limits.power_cycles_per_day
        assert not [other for other in done if 0.0 < at - other < limits.cooldown_s]


def test_an_outlet_that_was_just_switched_on_and_is_still_read_as_off_draws_all_the_same() -> None:
    """Five of 13.5 A behind 80 A: the fifth would be 84 %, the fourth 68 %."""
    tight = site(5, rating_a=80.0, bank_size=5)
    told = story()
    for number in (2, 3, 4):
        incident = IncidentId(f"inc-00000{number}")
        told.opened(EPOCH + 1, incident, MinerId(f"m{number}"))
        told.intended(Verb.POWER_ON, EPOCH + 900, outlets=(number,), incident=incident)
        told.settled(Verb.POWER_ON, EPOCH + 902, outlets=(number,), incident=incident)
    asked = request(Verb.POWER_OFF, told, of=tight)
    for number in (2, 3, 4):
        asked.view.put_outlet(Outlet(PDU, number), asked.now, OutletReading(OutletState.OFF, 0.0, 0.0))
    assert judge(asked) == ("bank", Refuse(GuardReason.BANK_LOAD))
    asked.view.put_outlet(Outlet(PDU, 5), asked.now, OutletReading(OutletState.OFF, 0.0, 0.0))
    assert judge(asked) == ("all", Allow())
