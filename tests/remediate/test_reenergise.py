"""Outlets come back one by one, once each, and only behind a line that somebody has shown to be live."""

import math
from dataclasses import replace

import msgspec
import pytest

from agent.model.action import Verb
from agent.model.events import Escalated, IncidentOpened
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState
from agent.model.topology import Outlet
from agent.remediate.reenergise import APART_S, FRESH_S, SEEN_S, owed
from tests.factory import EPOCH, PDU, site
from tests.ledger.builder import INCIDENT, Story

ASKED = EPOCH + 120.0
NOW = ASKED + 600.0


class Place:
    """A breaker with three miners that tripped, a person who was asked, and what the PDU tells afterwards."""

    def __init__(self, *, protected: tuple[int, ...] = ()) -> None:
        self.view = SiteView(site(6, protected=protected))
        self.story = Story().tell(
            IncidentOpened(
                incident=INCIDENT,
                category=Category.OTHER,
                cause=Reason.POWER_LOST,
                severity=Severity.HIGH,
                members=tuple(MinerId(f"m{k}") for k in (1, 2, 3)),
                detected_at=EPOCH,
                evidence={},
                domain=f"breaker:{PDU}:bank1",
            ),
            EPOCH,
        )

    def ask(self) -> None:
        self.story.tell(Escalated(incident=INCIDENT, reason="breaker_tripped", tried=(), evidence={}), ASKED)

    def read(self, at: float, *watts: float | None) -> None:
        """Read the outlets from the first one on: what each draws, None where it is off."""
        for number, power_w in enumerate(watts, start=1):
            state = OutletState.OFF if power_w is None else OutletState.ON
            reading = OutletReading(state, (power_w or 0.0) / 240.0, power_w or 0.0)
            self.view.put_outlet(Outlet(PDU, number), at, reading)

    def due(self, now: float = NOW) -> list[str]:
        return [action.miner for _, action in owed(self.story.state, self.view, now)]


def test_the_others_follow_the_first_that_draws() -> None:
    place = Place()
    place.ask()
    place.read(NOW - 1.0, 40.0, None, None)
    ((incident, action),) = owed(place.story.state, place.view, NOW)
    assert (incident.id, action.verb, action.miner, action.outlets) == (
        INCIDENT,
        Verb.POWER_ON,
        "m2",
        (Outlet(PDU, 2),),
    )
    place.story.intended(Verb.POWER_ON, NOW, outlets=(2,)).settled(Verb.POWER_ON, NOW + 2.0, outlets=(2,))
    place.read(NOW + 3.0, 40.0, 14.0, None)
    assert place.due(NOW + 2.0 + APART_S - 1.0) == [], "one by one"
    assert place.due(NOW + 2.0 + APART_S) == [], "the breaker was not read since it had time to trip"
    place.read(NOW + 2.0 + SEEN_S, 40.0, 14.0, None)
    assert place.due(NOW + 2.0 + APART_S) == ["m3"]


@pytest.mark.parametrize(
    ("watts", "why"),
    [
        ((None, None, None), "nobody has switched one on"),
        ((0.0, None, None), "one is on, and the breaker is open"),
        ((0.0, 0.0, 0.0), "they are on: whoever closes it now closes it onto all of them"),
        ((None, None, None, 3000.0), "what draws is behind another breaker"),
    ],
)
def test_a_line_that_is_not_shown_to_be_live_is_left_alone(watts: tuple[float | None, ...], why: str) -> None:
    place = Place()
    place.ask()
    place.read(NOW - 1.0, *watts)
    assert place.due() == [], why


def test_what_is_drawn_is_told_by_the_current_where_power_is_not_metered() -> None:
    for current_a, due in ((1.0, ["m2"]), (0.01, [])):
        place = Place()
        place.ask()
        for number, state in ((1, OutletState.ON), (2, OutletState.OFF)):
            place.view.put_outlet(Outlet(PDU, number), NOW - 1.0, OutletReading(state, current_a, math.nan))
        assert place.due() == due


def test_a_pdu_of_which_no_banks_are_known_is_one() -> None:
    whole = site(24)
    bankless = replace(whole, pdus=tuple(replace(pdu, banks=()) for pdu in whole.pdus))
    for number in (1, 24):
        place = Place()
        place.view = SiteView(bankless)
        place.ask()
        place.read(NOW - 1.0, *[None] * 24)
        place.view.put_outlet(Outlet(PDU, number), NOW - 1.0, OutletReading(OutletState.ON, 1.0, 240.0))
        assert place.due() == ["m2" if number == 1 else "m1"]


def test_while_one_is_being_switched_on_no_other_is() -> None:
    place = Place()
    place.ask()
    place.read(NOW - 1.0, 40.0, None, None)
    place.story.intended(Verb.POWER_ON, NOW - 60.0, outlets=(2,))
    place.read(NOW, 40.0, None, None)
    assert place.due() == []


def test_what_else_is_open_at_the_site_keeps_nothing_from_coming_back() -> None:
    """One that is no loss of power, and a breaker of which nobody was asked yet."""
    place = Place()
    (opened,) = place.story.records
    unasked = msgspec.structs.replace(opened.event, incident=IncidentId("inc-000003"), members=(MinerId("m5"),))
    place.story = Story().opened(incident=IncidentId("inc-000002"), miner=MinerId("m6"))
    place.story.tell(unasked, EPOCH).tell(opened.event, EPOCH)
    place.ask()
    place.read(NOW - 1.0, 40.0, None, None)
    assert place.due() == ["m2"]


def test_nothing_is_done_before_a_person_was_asked_or_on_old_readings() -> None:
    place = Place()
    place.read(NOW - 1.0, 40.0, None, None)
    assert place.due() == []
    place.ask()
    assert place.due() == ["m2"]
    assert place.due(NOW + FRESH_S) == []


def test_each_is_tried_once_and_a_breaker_that_trips_again_ends_it() -> None:
    place = Place()
    place.ask()
    place.read(NOW - 1.0, 40.0, None, None)
    place.story.intended(Verb.POWER_ON, NOW, outlets=(2,)).settled(Verb.POWER_ON, NOW + 2.0, outlets=(2,))
    place.read(NOW + 60.0, 0.0, 0.0, None)
    assert place.due(NOW + 60.0) == [], "it tripped again"
    place.read(NOW + 120.0, 40.0, None, 3000.0)
    assert place.due(NOW + 120.0) == [], "the second was tried, and somebody has switched it off"


def test_protected_outlets_are_nobodys() -> None:
    place = Place(protected=(2,))
    place.ask()
    place.read(NOW - 1.0, 40.0, None, None)
    assert place.due() == ["m3"]
