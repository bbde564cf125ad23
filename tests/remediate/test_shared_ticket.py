"""The ticket of a shared cause says where to go, what hangs on it and what was read around it."""

from dataclasses import replace

from agent.ledger.fold import State
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.remediate.shared_ticket import BRING_BACK, NAMED, _listed
from agent.remediate.ticket import ticket
from tests.factory import EPOCH, NOMINAL_W, SWITCH, put_outlets, put_ports, site


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


def test_what_silent_devices_are_called_is_bounded() -> None:
    assert _listed(f"p{k}" for k in range(NAMED + 3)) == "p0, p1, p2, p3, p4, p5, p6, p7 and 3 more"
    view = view_of()
    told = ticket(view, State(), incident(Reason.POWER_LOST, "pdu:pdu-1", view, 6), EPOCH)
    assert (told["pdus_silent"], told["model"]) == ("pdu-1", "apc_rpdu2")


def test_other_shared_causes_have_their_own_evidence() -> None:
    view = view_of()
    assert ticket(view, State(), replace(incident(Reason.NO_POOL, "pool:x", view, 3)), EPOCH) == {}
