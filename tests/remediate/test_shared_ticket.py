"""The ticket of a shared cause says where to go, what hangs on it and what was read around it."""

import math
from dataclasses import replace

import pytest

from agent.ledger.fold import State
from agent.model.ids import IncidentId, PoolId
from agent.model.incident import Category, Incident, Reason, Severity
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState, PortReading, Reach
from agent.model.topology import Port
from agent.remediate.shared_ticket import BRING_BACK, FRESH_S, NAMED, _listed
from agent.remediate.ticket import ticket
from tests.factory import EPOCH, NOMINAL_TH, NOMINAL_W, SWITCH, put_outlets, put_ports, site


def incident(cause: Reason, domain: str, view: SiteView, count: int) -> Incident:
    return Incident(
        id=IncidentId("inc-000001"),
        category=Category.OTHER,
        cause=cause,
        severity=Severity.HIGH,
        members=tuple(miner.id for miner in view.site.miners[:count]),
        evidence={},
        detected_at=EPOCH,
        alerted_at=EPOCH,
        domain=domain,
    )


def view_of() -> SiteView:
    view = SiteView(site(6))
    view.reach[:6] = Reach.SILENT
    return view


def test_a_breaker_is_told_with_its_outlets_and_how_to_bring_them_back() -> None:
    view = view_of()
    put_outlets(view, EPOCH, power_w=0.0)
    told = ticket(view, State(), incident(Reason.POWER_LOST, "breaker:pdu-1:bank1", view, 3), EPOCH)
    assert (told["place"], told["outlets"], told["rating_a"]) == ("breaker:pdu-1:bank1", "1, 2, 3", 60.0)
    assert told["bring_back"] == BRING_BACK
    assert (told["power_missing_w"], told["outlets_on_without_draw"], told["members_silent"]) == (3 * NOMINAL_W, 3, 3)
    assert (told["pdus_silent"], told["switches_silent"]) == (None, SWITCH)


def test_a_switch_is_told_with_its_address_and_what_its_miners_draw() -> None:
    view = view_of()
    put_outlets(view, EPOCH)
    told = ticket(view, State(), incident(Reason.CUT_OFF, f"switch:{SWITCH}", view, 6), EPOCH)
    assert (told["host"], told["switches_silent"]) == ("10.0.2.1", SWITCH)
    assert (told["outlets_on_drawing"], told["outlets_off"]) == (6, 0)
    assert told["racks"] == "no rack 6"
    put_ports(view, EPOCH, 100)
    told = ticket(view, State(), incident(Reason.CUT_OFF, f"switch:{SWITCH}", view, 6), EPOCH + 1.0)
    assert (told["switches_silent"], told["ports_with_link"]) == (None, 6)


@pytest.mark.parametrize(
    ("current_a", "power_w", "without", "drawing"),
    [
        pytest.param(13.5, 3250.0, 0, 1, id="works"),
        pytest.param(0.0, 0.0, 1, 0, id="nothing flows"),
        pytest.param(0.0, 8.0, 0, 1, id="idles, and its current is rounded to none"),
        pytest.param(0.4, 0.0, 0, 1, id="idles, and its power is rounded to none"),
        pytest.param(0.4, math.nan, 0, 1, id="flows, and nobody measures power"),
        pytest.param(0.0, math.nan, 1, 0, id="does not flow, and nobody measures power"),
        pytest.param(math.nan, 2.0, 1, 0, id="less than a supply idles at, and nobody measures currents"),
        pytest.param(math.nan, 3.0, 0, 1, id="what a supply idles at, and nobody measures currents"),
        pytest.param(math.nan, math.nan, 0, 0, id="nobody measures anything"),
    ],
)
def test_an_outlet_that_is_on_draws_or_does_not_or_nobody_knows(
    current_a: float, power_w: float, without: int, drawing: int
) -> None:
    view = view_of()
    view.put_outlet(view.site.miners[0].outlets[0], EPOCH, OutletReading(OutletState.ON, current_a, power_w))
    told = ticket(view, State(), incident(Reason.CUT_OFF, f"switch:{SWITCH}", view, 1), EPOCH)
    assert (told["outlets_on_without_draw"], told["outlets_on_drawing"]) == (without, drawing)


def test_ports_are_told_by_their_link_and_pools_by_what_the_gateway_finds() -> None:
    view = view_of()
    view.put_probe(ProbeResult(PoolId("good"), EPOCH, (), Verdict.GOOD, ""))
    view.put_probe(ProbeResult(PoolId("bad"), EPOCH, (), Verdict.REFUSED, ""))
    for number, (up, at) in enumerate(((True, 0.0), (False, 0.0), (False, 0.0), (True, -FRESH_S - 1.0)), start=1):
        view.put_port(Port(SWITCH, number), EPOCH + at, PortReading(up=up, in_octets=100))
    told = ticket(view, State(), incident(Reason.POWER_LOST, "pdu:pdu-1", view, 4), EPOCH)
    assert (told["ports_with_link"], told["ports_without_link"], told["pools_good"]) == (1, 2, "good")
    assert (told["switches_silent"], told["host"], told["bring_back"]) == (SWITCH, "10.0.1.1", BRING_BACK)
    assert told["hashrate_missing_th"] == 4 * NOMINAL_TH


@pytest.mark.parametrize("domain", ["switch:gone", "pdu:gone", "breaker:gone:bank1", "rack:bank1"])
def test_a_place_that_the_inventory_has_no_longer_is_told_by_its_name(domain: str) -> None:
    view = view_of()
    told = ticket(view, State(), incident(Reason.POWER_LOST, domain, view, 2), EPOCH)
    assert (told["place"], told.get("host"), told.get("rating_a")) == (domain, None, None)


def test_what_silent_devices_are_called_is_bounded() -> None:
    assert _listed(f"p{k}" for k in range(NAMED)) == "p0, p1, p2, p3, p4, p5, p6, p7"
    assert _listed(f"p{k}" for k in range(NAMED + 3)) == "p0, p1, p2, p3, p4, p5, p6, p7 and 3 more"
    view = view_of()
    told = ticket(view, State(), incident(Reason.POWER_LOST, "pdu:pdu-1", view, 6), EPOCH)
    assert (told["pdus_silent"], told["model"]) == ("pdu-1", "apc_rpdu2")


def test_other_shared_causes_have_their_own_evidence() -> None:
    view = view_of()
    assert ticket(view, State(), replace(incident(Reason.NO_POOL, "pool:x", view, 3)), EPOCH) == {}
