"""Relays, meters, inrush and breakers."""

import pytest

from agent.model.topology import Bank, Outlet
from simulators.plant.journal import What
from simulators.plant.site import SitePlant
from simulators.plant.state import Board
from tests.factory import PDU, miner, site


def plant_of(count: int = 6, *, rating_a: float = 60.0) -> SitePlant:
    return SitePlant(site(count, rating_a=rating_a), seed=3)


def outlet(number: int) -> Outlet:
    return Outlet(PDU, number)


def first_bank(plant: SitePlant) -> Bank:
    return plant.site.pdus[0].banks[0]


def test_a_relay_moves_after_the_command_not_with_it() -> None:
    plant = plant_of()
    plant.power.set_relay(outlet(1), False, 10.0)
    assert plant.power.relay_on(outlet(1))
    assert plant.power.pending(outlet(1))
    plant.advance(11.4)
    assert plant.power.relay_on(outlet(1))
    plant.advance(11.5)
    assert not plant.power.relay_on(outlet(1))
    assert not plant.power.pending(outlet(1))
    assert plant.power.switched_at(outlet(1)) == 11.5
    assert plant.power.power_w(outlet(1)) == 0.0
    assert plant.power.current_a(outlet(2)) == pytest.approx(3250.0 / 240.0, rel=0.03)


def test_the_latest_command_wins() -> None:
    plant = plant_of()
    plant.power.set_relay(outlet(1), False, 10.0)
    plant.power.set_relay(outlet(1), True, 10.5)
    plant.advance(20.0)
    assert plant.power.relay_on(outlet(1))
    assert plant.journal.entries == []


def test_meters_add_up() -> None:
    plant = plant_of()
    bank = first_bank(plant)
    total = sum(plant.power.current_a(outlet(k)) for k in bank.outlets)
    assert plant.power.bank_current_a(bank) == pytest.approx(total)
    assert total == pytest.approx(3 * 3250.0 / 240.0, rel=0.03)
    assert plant.power.power_w(outlet(24)) == 0.0


def test_a_bank_switched_on_all_at_once_trips_its_breaker() -> None:
    plant = plant_of()
    bank = first_bank(plant)
    for k in bank.outlets:
        plant.power.set_relay(outlet(k), False, 0.0)
    for k in bank.outlets:
        plant.power.set_relay(outlet(k), True, 60.0)
    plant.advance(70.0)
    assert not plant.power.breaker_closed(bank)
    assert [plant.power.relay_on(outlet(k)) for k in bank.outlets] == [True] * 3
    assert [plant.power.energised(outlet(k)) for k in bank.outlets] == [False] * 3
    assert plant.power.bank_current_a(bank) == 0.0
    assert plant.power.energised(outlet(4))
    plant.power.reset_breaker(bank, 100.0)
    plant.advance(500.0)
    assert all(plant.miners[m.id].healthy for m in plant.site.miners)


def test_the_same_bank_switched_on_one_by_one_does_not() -> None:
    plant = plant_of()
    bank = first_bank(plant)
    for k in bank.outlets:
        plant.power.set_relay(outlet(k), False, 0.0)
    for i, k in enumerate(bank.outlets):
        plant.power.set_relay(outlet(k), True, 60.0 + 5.0 * i)
    plant.advance(400.0)
    assert plant.power.breaker_closed(bank)
    assert all(plant.miners[m.id].healthy for m in plant.site.miners)


def test_a_relay_that_trips_the_bank_takes_its_running_neighbours_down() -> None:
    plant = plant_of(rating_a=20.0)
    bank = first_bank(plant)
    plant.power.set_relay(outlet(1), False, 0.0)
    plant.power.set_relay(outlet(1), True, 60.0)
    plant.advance(62.0)
    assert not plant.power.breaker_closed(bank)
    assert [plant.miners[m.id].board is Board.OFF for m in plant.site.miners] == [True] * 3 + [False] * 3
    tripped = [e for e in plant.journal.entries if e.what is What.BREAKER_TRIP]
    assert [(e.miner, e.healthy) for e in tripped] == [("m1", False), ("m2", True), ("m3", True)]


def test_a_miner_that_has_a_breaker_to_itself_can_be_switched_on() -> None:
    plant = SitePlant(site((miner(1),), rating_a=20.0), seed=3)
    plant.power.set_relay(outlet(1), False, 0.0)
    plant.power.set_relay(outlet(1), True, 60.0)
    plant.advance(600.0)
    assert plant.power.breaker_closed(first_bank(plant))
    assert plant.miners[miner(1).id].healthy


def test_relays_behind_a_tripped_breaker_move_and_feed_nothing() -> None:
    plant = plant_of(rating_a=22.0)
    for on, at in ((False, 0.0), (True, 60.0), (False, 100.0), (True, 140.0)):
        plant.power.set_relay(outlet(1), on, at)
    plant.advance(200.0)
    assert plant.power.relay_on(outlet(1))
    assert not plant.power.energised(outlet(1))
    assert plant.miners[miner(1).id].board is Board.OFF


def test_the_journal_says_who_was_healthy_when_its_relay_moved() -> None:
    plant = plant_of()
    plant.power.set_relay(outlet(1), False, 10.0)
    plant.power.set_relay(outlet(1), True, 50.0)
    plant.power.set_relay(outlet(20), False, 60.0)
    plant.advance(100.0)
    moves = [e for e in plant.journal.entries if e.what in {What.RELAY_OFF, What.RELAY_ON}]
    assert [(e.what, e.asked_at, e.at, e.miner, e.healthy) for e in moves] == [
        (What.RELAY_OFF, 10.0, 11.5, "m1", True),
        (What.RELAY_ON, 50.0, 51.5, "m1", False),
        (What.RELAY_OFF, 60.0, 61.5, None, False),
    ]
    assert moves[1].bank_load == pytest.approx(3 * 3250.0 / 240.0 / 60.0, rel=0.03)


def test_a_shared_outlet_feeds_and_meters_both_its_miners() -> None:
    plant = SitePlant(site((miner(1, outlets=(1,)), miner(2, outlets=(1,)))), seed=3)
    assert plant.power.power_w(outlet(1)) == pytest.approx(6500.0, rel=0.03)
    plant.power.set_relay(outlet(1), False, 0.0)
    plant.advance(2.0)
    assert [m.board for m in plant.miners.values()] == [Board.OFF, Board.OFF]
