"""What a power cycle shows of the outlet map: who fell, who went on, who began anew, and what shows nothing."""

import math
from dataclasses import replace

import pytest

from agent.model.action import Verb
from agent.model.events import AnyEvent, OutletsDoubted, OutletsProven
from agent.model.ids import MinerId
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState, PortReading, Reach
from agent.model.topology import Outlet, Port
from agent.remediate.outlet_map import judged
from tests.factory import EPOCH, NOMINAL_W, PDU, SWITCH, healthy, put_outlets, put_ports, site
from tests.ledger.builder import INCIDENT, MINER, Story

OUTLETS = (Outlet(PDU, 1), Outlet(PDU, 2))
OUTLET = OUTLETS[0]
OFF = EPOCH + 100.0
"""When the outlet was seen off; it was asked for two seconds before."""


class Cycle:
    """A site of six miners of which the first hangs, and a power-off on its outlet."""

    def __init__(self, *, ports: bool = True, cords: int = 1) -> None:
        of = site(6)
        of = replace(of, miners=(replace(of.miners[0], outlets=OUTLETS[:cords]), *of.miners[1:]))
        self.view = SiteView(of if ports else replace(of, miners=tuple(replace(m, port=None) for m in of.miners)))
        self.told = Story().opened().running("power_off")
        for row in range(1, 6):
            self.view.put_answer(row, OFF - 6.0, healthy(5000.0))
        self.view.put_miss(0, OFF - 6.0, Reach.SILENT)
        put_outlets(self.view, OFF - 6.0)
        put_ports(self.view, OFF - 6.0, 1000)
        fed = tuple(range(1, cords + 1))
        self.told.intended(Verb.POWER_OFF, OFF - 2.0, outlets=fed).settled(Verb.POWER_OFF, OFF, outlets=fed)

    def misses(self, row: int, *after_s: float) -> None:
        for late_s in after_s:
            self.view.put_miss(row, OFF + late_s, Reach.SILENT)

    def link(self, row: int, after_s: float, *, up: bool) -> None:
        self.view.put_port(Port(SWITCH, row + 1), OFF + after_s, PortReading(up=up, in_octets=1000))

    def shows(self, after_s: float) -> list[AnyEvent]:
        return judged(self.told.state, self.view, OFF + after_s)

    def fell(self, after_s: float) -> tuple[MinerId, ...] | None:
        """Who fell, empty where the map is doubted for another reason; None where nothing is shown."""
        found = self.shows(after_s)
        if not found:
            return None
        assert isinstance(found[0], OutletsDoubted)
        return found[0].fell


def test_a_neighbour_without_link_fell() -> None:
    cycle = Cycle()
    cycle.misses(2, 5.0)
    assert cycle.fell(6.0) is None, "its port was not read since"
    cycle.link(2, 6.0, up=False)
    assert cycle.shows(6.0) == [
        OutletsDoubted(
            incident=INCIDENT,
            miner=MINER,
            outlets=(OUTLET,),
            fell=(MinerId("m3"),),
            evidence={"outlets_off": str(OUTLET), "fell": "m3"},
        )
    ]


def test_a_neighbour_that_lost_polls_and_kept_its_link_did_not_fall() -> None:
    cycle = Cycle()
    cycle.misses(2, 5.0, 13.0, 21.0)
    cycle.link(2, 20.0, up=True)
    assert cycle.fell(22.0) is None


def test_without_a_port_two_lost_polls_count() -> None:
    cycle = Cycle(ports=False)
    cycle.misses(2, 5.0)
    assert cycle.fell(6.0) is None
    cycle.misses(2, 13.0)
    assert cycle.fell(14.0) == ("m3",)


def test_who_was_silent_before_or_refuses_did_not_fall() -> None:
    cycle = Cycle(ports=False)
    cycle.misses(2, -5.0, 3.0, 11.0)
    cycle.view.put_miss(3, OFF + 5.0, Reach.REFUSED)
    cycle.view.put_miss(3, OFF + 13.0, Reach.REFUSED)
    assert cycle.fell(14.0) is None


def test_a_neighbour_that_still_answered_while_the_outlet_was_off_did_not_hang_on_it() -> None:
    cycle = Cycle(ports=False)
    cycle.view.put_answer(2, OFF + 10.0, healthy(5010.0))
    cycle.misses(2, 18.0, 26.0)
    assert cycle.fell(27.0) is None, "its own supply cut out for a moment"


def test_many_that_fall_at_once_share_something_else() -> None:
    cycle = Cycle(ports=False)
    for row in (1, 2, 3):
        cycle.misses(row, 5.0, 13.0)
    assert cycle.fell(14.0) is None


def test_who_falls_long_after_the_outlet_is_on_again_has_a_reason_of_its_own() -> None:
    cycle = Cycle(ports=False)
    cycle.told.intended(Verb.POWER_ON, OFF + 60.0).settled(Verb.POWER_ON, OFF + 62.0)
    cycle.view.put_answer(2, OFF + 60.0, healthy(5060.0))
    cycle.misses(2, 80.0, 88.0)
    assert cycle.fell(89.0) is None


def test_a_miner_that_goes_on_answering_is_not_on_that_outlet() -> None:
    cycle = Cycle()
    cycle.view.put_answer(0, OFF + 10.0, healthy(5000.0))
    assert cycle.fell(11.0) is None, "a reply may have been on its way"
    cycle.view.put_answer(0, OFF + 18.0, healthy(5008.0))
    evidence = {"outlets_off": str(OUTLET), "answers_while_off": True}
    assert cycle.shows(19.0) == [
        OutletsDoubted(incident=INCIDENT, miner=MINER, outlets=(OUTLET,), fell=(), evidence=evidence)
    ]


def test_a_cycle_that_shows_nothing_yet_hides_no_other() -> None:
    cycle = Cycle()
    for other in (MinerId("gone"), MinerId("m6")):
        cycle.told.state.cycles[other] = replace(cycle.told.state.cycles[MINER], off_at=math.nan)
    cycle.told.state.cycles[MINER] = cycle.told.state.cycles.pop(MINER)
    assert list(cycle.told.state.cycles)[-1] == MINER
    cycle.view.put_answer(0, OFF + 18.0, healthy(5008.0))
    assert cycle.fell(19.0) == ()


def test_who_answers_once_a_switch_on_was_asked_for_may_have_power_again() -> None:
    """The agent died before it could note that the outlets were on, or somebody closed them by hand meanwhile."""
    cycle = Cycle()
    cycle.told.intended(Verb.POWER_ON, OFF + 60.0)
    cycle.view.put_answer(0, OFF + 100.0, healthy(30.0))
    assert cycle.fell(101.0) is None
    by_hand = Cycle()
    by_hand.view.put_outlet(OUTLET, OFF + 90.0, OutletReading(OutletState.ON, 12.0, 3000.0))
    by_hand.view.put_answer(0, OFF + 100.0, healthy(30.0))
    assert by_hand.fell(101.0) is None


@pytest.mark.parametrize(("power_w", "fell"), [(20.0, None), (3000.0, ())])
def test_what_flows_through_an_outlet_that_is_off_says_that_it_is_another(power_w: float, fell: object) -> None:
    cycle = Cycle()
    cycle.view.put_outlet(OUTLET, OFF + 20.0, OutletReading(OutletState.OFF, power_w / 240.0, power_w))
    assert cycle.fell(21.0) == fell


def test_a_process_that_begins_as_its_outlet_is_closed_proves_the_map_for_good() -> None:
    cycle = Cycle()
    cycle.told.intended(Verb.POWER_ON, OFF + 60.0).settled(Verb.POWER_ON, OFF + 62.0)
    cycle.view.put_answer(0, OFF + 200.0, healthy(5200.0))
    assert cycle.shows(200.0) == [], "the old process: it was never without power, or that is not its outlet"
    cycle.view.put_answer(0, OFF + 208.0, healthy(100.0))
    (proven,) = cycle.shows(208.0)
    assert proven == OutletsProven(incident=INCIDENT, miner=MINER, outlets=(OUTLET,))
    cycle.told.tell(proven, OFF + 208.0)
    assert cycle.shows(209.0) == []
    assert cycle.told.state.is_mapped(OUTLET, MINER)
    assert not cycle.told.state.is_mapped(OUTLET, MinerId("m2")), "an inventory that was changed is to be proven anew"
    cycle.told.intended(Verb.POWER_OFF, OFF + 2000.0)
    assert not cycle.told.state.cycles


def test_an_outlet_that_was_not_seen_off_shows_nothing() -> None:
    cycle = Cycle(ports=False)
    cycle.told = Story().opened().running("power_off").intended(Verb.POWER_OFF, OFF - 2.0)
    cycle.misses(2, 5.0, 13.0)
    assert cycle.fell(14.0) is None


@pytest.mark.parametrize(("cords", "silent", "fell"), [(1, 2, 2), (1, 3, None), (2, 4, 4), (2, 5, None)])
def test_an_outlet_feeds_two_at_the_most(cords: int, silent: int, fell: int | None) -> None:
    cycle = Cycle(ports=False, cords=cords)
    for row in range(1, 1 + silent):
        cycle.misses(row, 5.0, 13.0)
    found = cycle.fell(14.0)
    assert (None if found is None else len(found)) == fell


def test_a_reply_or_a_reading_that_was_on_its_way_says_nothing_for_the_neighbour() -> None:
    cycle = Cycle()
    cycle.view.put_answer(2, OFF + 0.5, healthy(5000.0))
    cycle.misses(2, 8.0, 16.0)
    cycle.link(2, 2.0, up=True)
    assert cycle.fell(17.0) == ("m3",), "its port was read before a link is lost"


@pytest.mark.parametrize(("after_s", "fell"), [(10.0, ("m3",)), (20.0, None)])
def test_who_fell_is_known_for_a_while_after_the_outlet_is_on_again(after_s: float, fell: object) -> None:
    cycle = Cycle(ports=False)
    cycle.told.intended(Verb.POWER_ON, OFF + 5.0).settled(Verb.POWER_ON, OFF + 7.0)
    cycle.misses(2, 7.0 + after_s, 7.0 + after_s + 3.0)
    assert cycle.fell(7.0 + after_s + 4.0) == fell


def test_what_flows_is_the_sum_of_both_cords_once_the_meter_has_had_time() -> None:
    cycle = Cycle(cords=2)
    each = OutletReading(OutletState.OFF, 0.4, 0.03 * NOMINAL_W)
    for outlet in OUTLETS:
        cycle.view.put_outlet(outlet, OFF + 5.0, each)
    assert cycle.fell(6.0) is None, "a strip's meter lags"
    for outlet in OUTLETS:
        cycle.view.put_outlet(outlet, OFF + 20.0, each)
    (doubted,) = cycle.shows(21.0)
    assert isinstance(doubted, OutletsDoubted)
    assert (doubted.miner, doubted.outlets, doubted.evidence["draw_while_off_w"]) == (MINER, OUTLETS, 0.06 * NOMINAL_W)


def test_a_process_that_began_between_the_relay_and_its_outcome_proves_the_map_too() -> None:
    cycle = Cycle()
    cycle.told.intended(Verb.POWER_ON, OFF + 60.0).settled(Verb.POWER_ON, OFF + 75.0)
    cycle.view.put_answer(0, OFF + 200.0, healthy(200.0 - 65.0))
    assert cycle.shows(200.0) == [OutletsProven(incident=INCIDENT, miner=MINER, outlets=(OUTLET,))]


def test_the_miner_itself_falls_with_its_outlet_as_it_should() -> None:
    cycle = Cycle(ports=False)
    cycle.view.put_answer(0, OFF - 6.0, healthy(5000.0))
    cycle.misses(0, 5.0, 13.0, 21.0)
    assert cycle.shows(22.0) == []
