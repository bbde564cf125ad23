"""The ticket of a single miner: what a technician needs, bounded, printable, and nothing where nothing is known."""

from dataclasses import replace

import msgspec
import pytest

from agent.ledger.fold import State
from agent.model.action import Result, Verb
from agent.model.events import OutletsDoubted
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Attempt, Category, Incident, Outcome, Phase, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import BoardReading
from agent.model.topology import Outlet
from agent.remediate.ticket import EARLIER, MAX_TEXT, ticket
from tests.factory import EPOCH, PDU, healthy, miner, site

M1 = MinerId("m1")


def incident(number: int, *, members: tuple[MinerId, ...] = (M1,), domain: str = "") -> Incident:
    return Incident(
        id=IncidentId(f"inc-{number:06d}"),
        category=Category.OTHER,
        cause=Reason.BOARD_LOST,
        severity=Severity.MEDIUM,
        members=members,
        evidence={},
        detected_at=EPOCH,
        alerted_at=EPOCH,
        domain=domain,
    )


def memory_of(*incidents: Incident) -> State:
    state = State()
    state.incidents.update({i.id: i for i in incidents})
    return state


def view_of(*boards: BoardReading, codes: tuple[str, ...] = ()) -> SiteView:
    place = site(2)
    known = replace(place.miners[0], mac="02:00:00:00:00:01", rack="r1", position="4", loop="loop-1", boards=3)
    view = SiteView(replace(place, miners=(known, place.miners[1])))
    whole = tuple(BoardReading(slot, 114, 36.7) for slot in (1, 2, 3))
    for at, told in ((EPOCH - 60.0, whole), (EPOCH, boards)):
        reply = healthy(50_000.0 + at - EPOCH)
        fans = (0.0, 5500.0)
        view.put_answer(0, at, msgspec.structs.replace(reply, boards=told, fans_rpm=fans, codes=codes))
    return view


LOST = (
    BoardReading(1, 114, 36.7, "SN-A"),
    BoardReading(2, 0, 0.0, "SN-B"),
    BoardReading(3, None, 36.7),
    BoardReading(4, 0, None),
)


def test_it_says_where_the_miner_is_and_what_is_broken_in_it() -> None:
    now = incident(1)
    told = ticket(view_of(*LOST, codes=("531", "110")), memory_of(now), now, EPOCH + 20.0)
    assert (told["rack"], told["position"], told["mac"], told["loop"]) == ("r1", "4", "02:00:00:00:00:01", "loop-1")
    assert (told["outlets"], told["port"], told["model"], told["host"]) == ("pdu-1/1", "sw-1/1", "S19 Pro", "10.0.0.1")
    assert told["board_1"] == "114 of 114 chips, 36.7 TH/s, serial SN-A"
    assert told["board_2"] == "0 of 114 chips, 0.0 TH/s, serial SN-B"
    assert told["board_3"] == "chips unknown, 36.7 TH/s"
    assert "board_4" not in told, "a slot that never had a board"
    assert (told["fans"], told["codes"]) == ("1: 0 rpm, 2: 5500 rpm", "531, 110")
    assert (told["told_s"], told["earlier_incidents"]) == (20.0, 0)


def test_it_says_what_befell_the_miner_before_the_latest_first() -> None:
    tried = (Attempt(1, Verb.POWER_OFF, "power_off", EPOCH, Result.OK), Attempt(2, Verb.POWER_ON, "power_on", EPOCH))
    done = replace(incident(1), attempts=tried, phase=Phase.CLOSED, outcome=Outcome.AUTO_RESOLVED)
    asked = replace(incident(2), phase=Phase.ESCALATED, escalation_reason="fan_lost")
    others = incident(3, members=(MinerId("m2"),))
    now = replace(incident(9), relapses=1)
    told = ticket(view_of(*LOST), memory_of(done, asked, others, now), now, EPOCH)
    assert (told["earlier_incidents"], told["relapses"]) == (2, 1)
    assert told["earlier_1"] == "inc-000002 other board_lost: fan_lost; done: nothing"
    assert told["earlier_2"] == "inc-000001 other board_lost: auto_resolved; done: power_off ok, power_on in flight"


def test_it_is_bounded_and_printable_whatever_a_device_writes() -> None:
    nasty = BoardReading(1, 1, 1.0, "\x1b[31m\n" + "x" * 5000)
    now = incident(99)
    told = ticket(view_of(nasty, codes=("\x00",) * 900), memory_of(*map(incident, range(1, 60)), now), now, EPOCH)
    texts = [value for value in told.values() if isinstance(value, str)]
    assert all(len(text) <= MAX_TEXT and text.isprintable() for text in texts)
    assert sum(key.startswith("earlier_") for key in told) == EARLIER + 1
    assert told["earlier_incidents"] == 59


@pytest.mark.parametrize(
    "shared",
    [
        incident(1, domain="pool:primary"),
        incident(1, members=(M1, MinerId("m2"))),
        incident(1, members=(MinerId("gone"),)),
    ],
)
def test_what_several_share_or_nobody_knows_is_no_ticket_of_one_miner(shared: Incident) -> None:
    assert ticket(view_of(*LOST), memory_of(shared), shared, EPOCH) == {}


def test_of_a_miner_that_never_answered_its_place_is_told() -> None:
    now = incident(1)
    told = ticket(SiteView(site(1)), memory_of(now), now, EPOCH)
    assert (told["miner"], told["outlets"]) == ("m1", "pdu-1/1")
    assert (told["told_s"], told["fans"], told["codes"]) == (None, None, None)


def test_both_cords_are_told_and_a_port_that_nobody_knows_is_none() -> None:
    place = site((replace(miner(1, outlets=(1, 2)), port=None),))
    now = incident(1)
    told = ticket(SiteView(place), memory_of(now), now, EPOCH)
    assert (told["outlets"], told["port"]) == ("pdu-1/1, pdu-1/2", None)


def test_a_board_of_which_little_is_known_is_told_by_that() -> None:
    view, now = SiteView(site(1)), incident(1)
    view.put_answer(0, EPOCH, msgspec.structs.replace(healthy(9e4), boards=(BoardReading(1, 63, None),)))
    view.hardware.chips_most[0] = 0
    assert ticket(view, memory_of(now), now, EPOCH)["board_1"] == "63 of ? chips"


def test_what_a_power_cycle_has_shown_of_the_outlet_map_is_told_of_that_incident_alone() -> None:
    mine, other = incident(1), incident(2)
    memory = memory_of(mine, other)
    doubt = OutletsDoubted(incident=mine.id, miner=M1, outlets=(Outlet(PDU, 1),), fell=(), evidence={"fell": "m2"})
    memory.doubted[PDU] = doubt
    told = [ticket(view_of(*LOST), memory, one, EPOCH).get("fell") for one in (mine, other)]
    assert told == ["m2", None]
