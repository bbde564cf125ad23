"""What a bank carries is added up outlet by outlet, and what is under way beside an action is seen."""

import math
from dataclasses import replace

import pytest

from agent.guard.bank import RECHECK_S, bank
from agent.guard.in_flight import in_flight
from agent.guard.outlet_map import FRESH_S, outlet_map
from agent.guard.proof import proof
from agent.model.action import Action, Verb
from agent.model.guard import Allow, Defer, GuardReason, Refuse
from agent.model.ids import CoolingUnitId, MinerId
from agent.model.telemetry import OutletReading, OutletState
from agent.model.topology import Outlet
from tests.factory import EPOCH, NOMINAL_W, PDU, miner, site
from tests.guard.test_gates import request, story
from tests.ledger.builder import Story

NOW = EPOCH + 1000.0
NOMINAL_A = NOMINAL_W / 240.0
UNIT, OTHER_UNIT = CoolingUnitId("cdu-1"), CoolingUnitId("cdu-2")


def owed() -> Story:
    return story().intended(Verb.POWER_OFF, EPOCH, outlets=(2,)).settled(Verb.POWER_OFF, EPOCH + 1.0, outlets=(2,))


@pytest.mark.parametrize(
    ("state", "current_a", "told", "carries_a"),
    [
        (OutletState.ON, 3.0, story(), 3.0),
        (OutletState.OFF, 0.0, story(), 0.0),
        (OutletState.OFF, 0.0, owed(), NOMINAL_A),
        (OutletState.ON, 20.0, owed(), 20.0),
        (OutletState.ON, math.nan, story(), NOMINAL_A),
    ],
    ids=["measured", "off", "off and owed", "owed and above its nominal", "not metered"],
)
def test_a_bank_carries_what_its_outlets_do_or_will(
    state: OutletState, current_a: float, told: Story, carries_a: float
) -> None:
    total_a = NOMINAL_A + carries_a + 5.0
    for rating_a, want in ((total_a / 0.8 + 0.01, None), (total_a / 0.8 - 0.01, GuardReason.BANK_LOAD)):
        asked = request(Verb.POWER_ON, told, of=site(6, rating_a=rating_a))
        asked.view.put_outlet(Outlet(PDU, 2), NOW, OutletReading(state, current_a, None))
        asked.view.put_outlet(Outlet(PDU, 3), NOW, OutletReading(OutletState.ON, 5.0, None))
        verdict = bank(asked)
        assert verdict == (Allow() if want is None else Defer(NOW + RECHECK_S, want))


def test_both_cords_of_a_miner_count_and_each_with_its_half() -> None:
    two_corded = (miner(1, outlets=(1, 2)), miner(4))
    for rating_a, passes in ((NOMINAL_A / 0.8 + 0.01, True), (NOMINAL_A / 0.8 - 0.01, False)):
        asked = request(Verb.POWER_ON, story(), of=site(two_corded, rating_a=rating_a), outlets=(1, 2))
        asked.view.put_outlet(Outlet(PDU, 3), NOW, OutletReading(OutletState.OFF, 0.0, None))
        assert isinstance(bank(asked), Allow) is passes


def off(number: int) -> Action:
    return Action(verb=Verb.POWER_OFF, miner=MinerId(f"m{number}"), outlets=(Outlet(PDU, number),))


def test_one_switching_a_bank_at_a_time() -> None:
    busy = Defer(NOW + RECHECK_S, GuardReason.BANK_BUSY)
    wide = site(6, rating_a=600.0)
    assert bank(request(Verb.POWER_OFF, story(), of=wide, wanted=(off(3),))) == busy
    assert bank(request(Verb.POWER_OFF, story(), of=wide, wanted=(off(4),))) == Allow(), "another bank's"


def test_the_first_use_of_an_outlet_waits_for_others_of_its_pdu_that_are_off() -> None:
    waits = Defer(NOW + 10.0, GuardReason.OUTLET_UNPROVEN)
    assert proof(request(Verb.POWER_OFF, story(), wanted=(off(4),))) == waits
    assert proof(request(Verb.POWER_OFF, owed())) == waits
    reboot = Action(verb=Verb.REBOOT, miner=MinerId("m4"))
    assert proof(request(Verb.POWER_OFF, story(), wanted=(reboot,))) == Allow()


@pytest.mark.parametrize(
    ("state", "power_w", "age_s", "refused"),
    [
        (OutletState.ON, 0.0, 5.0, True),
        (OutletState.ON, NOMINAL_W, 5.0, False),
        (OutletState.OFF, 0.0, 5.0, False),
        (OutletState.ON, 0.0, FRESH_S + 1.0, False),
    ],
    ids=["nothing is drawn", "drawn in full", "off", "read long ago"],
)
def test_an_outlet_that_is_seen_to_feed_nothing_is_not_switched_off(
    state: OutletState, power_w: float, age_s: float, refused: bool
) -> None:
    asked = request(Verb.POWER_OFF, story())
    asked.view.put_outlet(Outlet(PDU, 1), NOW - age_s, OutletReading(state, power_w / 240.0, power_w))
    assert outlet_map(asked) == (Refuse(GuardReason.OUTLET_WITHOUT_DRAW) if refused else Allow())


@pytest.mark.parametrize(("unit", "waits"), [(UNIT, True), (OTHER_UNIT, False), (None, False)])
def test_two_actions_on_one_cooling_unit_come_one_after_the_other(unit: CoolingUnitId | None, waits: bool) -> None:
    asked = request(Verb.SET_SUPPLY, story())
    setting = Action(verb=Verb.SET_SUPPLY, miner=MinerId("m1"), unit=UNIT, supply_c=33.0, was=35.0)
    other = Action(verb=Verb.SET_FLOW, miner=MinerId("m5"), unit=unit, flow_lpm=200.0, was=180.0)
    verdict = in_flight(replace(asked, action=setting, wanted=(other,)))
    assert verdict == (Defer(NOW + 2.0, GuardReason.IN_FLIGHT) if waits else Allow())
