"""Ground truth and harm, told by the plant's own journal."""

import pytest

from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.topology import Outlet
from simulators.plant.journal import Entry, What
from simulators.plant.power import RELAY_DELAY_S
from simulators.plant.site import SitePlant
from simulators.truth import Harm, Truth, passed_at
from tests.factory import PDU, miner, pooled, site

M1 = MinerId("m1")
DAY_S = 86_400.0


def world(rating_a: float = 100.0) -> tuple[SitePlant, Truth]:
    plant = SitePlant(site(6, rating_a=rating_a), seed=11)
    return plant, Truth(plant)


def switch(plant: SitePlant, number: int, on: bool, at: float) -> None:
    plant.power.set_relay(Outlet(PDU, number), on, at)


def cycle(plant: SitePlant, number: int, at: float, off_s: float = 35.0) -> None:
    switch(plant, number, False, at)
    switch(plant, number, True, at + off_s)


def test_a_mended_fault_is_over_when_the_miner_hashes_again() -> None:
    plant, truth = world()
    truth.inject("miner.process_died", "miner:m1", 10.0, watchdog=True)
    truth.inject("miner.psu_latched", "miner:m1", 1000.0)
    first, second = truth.faults()
    assert first.over_at is not None
    assert 32.0 + 100.0 < first.over_at < 32.0 + 165.0
    assert second.over_at is None
    cycle(plant, 1, 1400.0)
    plant.advance(3000.0)
    first, second = truth.faults()
    assert (second.kind, second.miners, second.started_at) == ("miner.psu_latched", ("m1",), 1000.0)
    assert second.fixable
    assert second.over_at is not None
    assert 1435.0 + 150.0 < second.over_at < 1435.0 + 225.0
    assert truth.harm() == Harm()


def test_a_dead_supply_lasts_and_its_cycles_did_not_help() -> None:
    plant, truth = world()
    truth.inject("miner.psu_dead", "miner:m1", 100.0)
    cycle(plant, 1, 400.0)
    cycle(plant, 1, 2000.0, off_s=60.0)
    plant.advance(3000.0)
    assert truth.faults()[0].over_at is None
    assert truth.harm() == Harm(useless_power_cycles=2)


def test_a_cycle_is_not_useless_while_its_miner_still_starts() -> None:
    plant, truth = world()
    truth.inject("miner.psu_dead", "miner:m1", 100.0)
    cycle(plant, 1, 400.0)
    plant.advance(500.0)
    assert truth.harm().useless_power_cycles == 0
    plant.advance(800.0)
    assert truth.harm().useless_power_cycles == 1


def test_touching_a_healthy_miner_is_harm_by_the_minute() -> None:
    plant, truth = world()
    cycle(plant, 1, 100.0)
    plant.advance(2000.0)
    healthy_at = next(e.at for e in plant.journal.entries if e.what == "healthy")
    harm = truth.harm()
    assert (harm.actions_on_healthy, harm.useless_power_cycles) == (1, 1)
    assert harm.miner_minutes_lost == pytest.approx((healthy_at - 100.0 - RELAY_DELAY_S) / 60.0)


def test_restarts_and_reboots_of_healthy_miners_count_too() -> None:
    plant, truth = world()
    plant.miners[M1].restart_process(100.0)
    plant.miners[MinerId("m2")].reboot(100.0)
    plant.miners[MinerId("m2")].reboot(2000.0)
    plant.advance(4000.0)
    assert truth.harm().actions_on_healthy == 3
    assert 3 * 2.0 < truth.harm().miner_minutes_lost < 3 * 4.0


@pytest.mark.parametrize(
    ("kind", "woken", "away"),
    [
        pytest.param("site.curtailed_unannounced", True, 0, id="it hashed, and nobody had said a word"),
        pytest.param("site.curtailed_unannounced", False, 1, id="it slept"),
        pytest.param("site.curtailed", True, 1, id="it hashed, and somebody had said so"),
    ],
)
def test_who_hashes_shows_nobody_that_he_was_wanted_asleep(kind: str, woken: bool, away: int) -> None:
    """Seed 104522 of the soak: people unplugged sleepers, who hashed again; one of them was moved home to his pool."""
    plant, truth = world()
    truth.inject(kind, "miner:m1" if kind == "site.curtailed" else "site:test", 100.0, for_s=5000.0)
    plant.advance(300.0)
    if woken:
        plant.miners[M1].set_energised(False, 400.0)
        plant.miners[M1].set_energised(True, 500.0)
    plant.advance(2000.0)
    plant.miners[M1].restart_process(2000.0)
    plant.advance(6000.0)
    assert truth.harm().actions_while_away == away


def test_an_outlet_left_open_is_counted_and_the_loss_goes_on() -> None:
    plant, truth = world()
    switch(plant, 1, False, 100.0)
    switch(plant, 20, False, 100.0)
    plant.advance(100.0 + RELAY_DELAY_S + 600.0)
    harm = truth.harm()
    assert harm.outlets_left_off == 2
    assert harm.miner_minutes_lost == pytest.approx(10.0)
    switch(plant, 1, True, 800.0)
    plant.advance(900.0)
    assert truth.harm().outlets_left_off == 1


def test_a_real_fault_is_nobodys_harm() -> None:
    plant, truth = world()
    plant.miners[M1].restart_process(100.0)
    plant.advance(500.0)
    assert plant.miners[M1].healthy
    plant.miners[M1].restart_process(600.0)
    plant.advance(610.0)
    with pytest.raises(PolicyError, match="not healthy now"):
        truth.inject("miner.psu_dead", "miner:m1", 610.0)
    plant.advance(1000.0)
    before = truth.harm().miner_minutes_lost
    truth.inject("miner.psu_dead", "miner:m1", 1000.0)
    plant.advance(5000.0)
    assert truth.harm().miner_minutes_lost == before


@pytest.mark.parametrize(("powered_again", "away"), [(True, 0), (False, 1)], ids=["it had forgotten", "it slept"])
def test_who_lost_his_power_has_forgotten_that_he_was_to_sleep_whatever_ails_him_later(
    powered_again: bool, away: int
) -> None:
    """Seed 600622 of the soak: an outage ended an unannounced sleep, and a miner's firmware broke before it did."""
    plant, truth = world()
    truth.inject("site.curtailed_unannounced", "site:test", 100.0, for_s=9000.0)
    plant.advance(300.0)
    if powered_again:
        plant.miners[M1].set_energised(False, 400.0)
        plant.miners[M1].set_energised(True, 500.0)
        plant.advance(2000.0)
        truth.inject("miner.process_died", "miner:m1", 2000.0)
    plant.advance(2500.0)
    plant.miners[M1].restart_process(2500.0)
    plant.advance(6000.0)
    assert truth.harm().actions_while_away == away


@pytest.mark.parametrize(("after_s", "away"), [(0.5, 0), (1.5, 1)])
def test_what_was_asked_for_in_the_moment_in_which_people_began_is_not_held_against_anybody(
    after_s: float, away: int
) -> None:
    """Seed 602187 of the soak: maintenance was announced, and began, in the tick that moved a miner to its pool."""
    plant, truth = world()
    truth.inject("site.curtailed", "miner:m1", 2000.0, for_s=5000.0, within_s=60.0)
    plant.miners[M1].restart_process(2000.0 + after_s)
    plant.advance(8000.0)
    assert truth.harm().actions_while_away == away


def test_a_tripped_bank_is_lost_to_whoever_closed_the_relay() -> None:
    plant, truth = world(rating_a=20.0)
    truth.inject("miner.psu_latched", "miner:m1", 10.0)
    cycle(plant, 1, 100.0, off_s=40.0)
    plant.advance(100.0 + 40.0 + RELAY_DELAY_S + 300.0)
    harm = truth.harm()
    assert harm.breaker_trips == 1
    assert harm.miner_minutes_lost == pytest.approx(2 * 5.0)
    assert harm.budget_breaches == 1, "closed into a bank beyond its share"


@pytest.mark.parametrize(
    ("starts", "breaches"),
    [
        ((100.0, 1300.0), 0),
        ((100.0, 1200.0), 1),
        ((100.0, 2000.0, 4000.0), 1),
        ((100.0, 2000.0, 100.0 + DAY_S), 0),
        ((100.0, 2000.0, 4000.0, 6000.0), 2),
    ],
)
def test_cycles_are_held_against_cooldown_and_daily_limit(starts: tuple[float, ...], breaches: int) -> None:
    plant, truth = world()
    truth.inject("miner.psu_dead", "miner:m1", 10.0)
    for start in starts:
        cycle(plant, 1, start)
    plant.advance(starts[-1] + 1000.0)
    assert truth.harm().budget_breaches == breaches


@pytest.mark.parametrize(("other", "gap_s", "breaches"), [(2, 3.0, 1), (2, 5.0, 0), (4, 0.0, 0)])
def test_outlets_of_one_bank_are_closed_apart(other: int, gap_s: float, breaches: int) -> None:
    plant, truth = world()
    switch(plant, 1, False, 100.0)
    switch(plant, other, False, 100.0)
    switch(plant, 1, True, 200.0)
    switch(plant, other, True, 200.0 + gap_s)
    plant.advance(1000.0)
    assert truth.harm().budget_breaches == breaches


def test_a_miner_on_two_cords_is_cycled_once() -> None:
    plant = SitePlant(site((miner(1, outlets=(1, 2)),), rating_a=200.0), seed=11)
    truth = Truth(plant)
    truth.inject("miner.control_board_hung", "miner:m1", 10.0)
    switch(plant, 1, False, 100.0)
    switch(plant, 2, False, 102.0)
    switch(plant, 1, True, 140.0)
    switch(plant, 2, True, 146.0)
    plant.advance(1000.0)
    assert plant.miners[M1].healthy
    assert truth.harm() == Harm()


def test_a_fault_ends_when_it_was_told_to() -> None:
    plant, truth = world()
    truth.inject("pdu.slow", "pdu:pdu-1", 100.0, for_s=300.0)
    truth.inject("miner.psu_dead", "miner:m2", 100.0, for_s=600.0)
    plant.advance(2000.0)
    slow, dead = truth.faults()
    assert (slow.over_at, slow.counts, len(slow.miners)) == (400.0, False, 6)
    assert dead.over_at is not None
    assert 700.0 + 150.0 < dead.over_at < 700.0 + 225.0


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("miner.gremlin", "miner:m1", "no fault kind 'miner.gremlin': expected one of miner.process_died"),
        ("miner.psu_dead", "miner:m77", "no miner 'm77'"),
    ],
)
def test_what_cannot_be_injected_is_refused(kind: str, target: str, message: str) -> None:
    _, truth = world()
    with pytest.raises(PolicyError, match=message):
        truth.inject(kind, target, 0.0)
    assert truth.faults() == ()


# -- what befalls many -------------------------------------------------------------------------------------------------


def test_the_end_of_a_disturbance_ends_every_one_of_its_kind_at_its_target() -> None:
    plant, truth = world()
    truth.inject("pdu.slow", "pdu:pdu-1", 10.0, for_s=600.0)
    truth.inject("pdu.slow", "pdu:pdu-1", 20.0, for_s=60.0)
    truth.inject("pdu.set_lies", "pdu:pdu-1", 30.0)
    truth.inject("wire.silent", "miner:m1", 30.0)
    plant.advance(100.0)
    assert [fault.over_at for fault in truth.faults()] == [80.0, 80.0, None, None]
    truth.inject("pdu.slow", "pdu:pdu-1", 300.0)
    plant.advance(700.0)
    assert [fault.over_at for fault in truth.faults()] == [80.0, 80.0, None, None, None]
    assert plant.power.pdu[PDU].relay_delay_s > RELAY_DELAY_S, "the end of the first one was long ago"


def test_what_does_not_fit_is_refused_before_anything_happens() -> None:
    _, truth = world()
    for swap in (3, (3,), (3, 3), (3, 99)):
        with pytest.raises(PolicyError, match="swap"):
            truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", 10.0, swap=swap)
    assert truth.check("pdu.outlet_map_wrong", "pdu:pdu-1", swap=(3, 20))[1] == ("m3",)
    assert truth.faults() == ()


def test_a_cycle_is_that_of_the_miner_that_lost_its_power_whatever_the_inventory_says() -> None:
    plant, truth = world()
    truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", 10.0, swap=(1, 2))
    cycle(plant, 1, 100.0)
    cycle(plant, 1, 1000.0)
    plant.advance(3000.0)
    harm = truth.harm()
    assert (harm.actions_on_healthy, harm.useless_power_cycles, harm.budget_breaches) == (2, 2, 1)
    cycle(plant, 2, 3000.0)
    plant.advance(5000.0)
    assert truth.harm().budget_breaches == 1, "outlet 2 is another miner's"


def test_a_budget_begins_anew_where_cords_were_changed_and_nobody_said_so() -> None:
    plant, truth = world()
    cycle(plant, 1, 100.0)
    truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", 400.0, swap=(1, 2))
    cycle(plant, 2, 500.0)
    plant.advance(1000.0)
    assert truth.harm().budget_breaches == 0, "outlet 2 was another miner's until then"
    cycle(plant, 2, 1000.0)
    plant.advance(3000.0)
    assert truth.harm().budget_breaches == 1


def test_a_cycle_that_a_person_cuts_short_by_plugging_the_cord_elsewhere_is_over() -> None:
    plant, truth = world()
    switch(plant, 1, False, 100.0)
    truth.inject("pdu.outlet_map_wrong", "pdu:pdu-1", 200.0, swap=(1, 20))
    plant.advance(1500.0)
    assert plant.miners[M1].healthy
    harm = truth.harm()
    assert (harm.actions_on_healthy, harm.useless_power_cycles, harm.outlets_left_off) == (1, 1, 1)


def test_who_is_out_of_order_already_is_no_victim_of_what_befalls_many() -> None:
    plant = SitePlant(pooled(site(3), "primary", "backup"), seed=11)
    truth = Truth(plant)
    truth.inject("miner.psu_dead", "miner:m2", 10.0)
    truth.inject("pool.down", "pool:primary", 60.0, for_s=1200.0)
    truth.inject("pool.down", "pool:backup", 70.0)
    dead, down, unused = truth.faults()
    assert dead.miners == ("m2",)
    assert (down.counts, down.miners) == (True, ("m1", "m3"))
    assert (unused.counts, unused.miners) == (False, ()), "nobody has it first"
    plant.advance(3000.0)
    dead, down, _ = truth.faults()
    assert dead.over_at is None
    assert down.over_at is not None
    assert down.gone_at == 1260.0
    assert [down.lasted_at(at) for at in (59.9, 60.0, 1259.9, 1260.0)] == [False, True, True, False]
    assert [dead.lasted_at(at) for at in (9.9, 10.0, 1e9)] == [False, True, True]


def health(*changes: float) -> list[Entry]:
    """A miner's entries: it falls ill at the first time, is well again at the second, and so on."""
    return [
        Entry(at, at, What.HEALTHY if k % 2 else What.UNHEALTHY, M1, None, healthy=not k % 2)
        for k, at in enumerate(changes)
    ]


@pytest.mark.parametrize(
    ("of_miners", "ended_at", "over_at"),
    [
        ([health(100.0, 195.0), health(101.0, 260.0)], None, 260.0),
        ([health(100.0, 195.0), health(100.0)], None, None),
        ([health(100.0, 195.0), health(100.0)], 1300.0, 1300.0),
        ([health(100.0, 195.0), health()], None, 195.0),
        ([health(), health()], None, None),
        ([health(), health()], 1300.0, 1300.0),
        ([health(20.0, 60.0, 100.0, 195.0)], 1300.0, 195.0),
        ([health(100.0, 195.0, 500.0)], None, 195.0),
        ([], None, None),
    ],
    ids=[
        "the last one's recovery",
        "one still suffers",
        "it ended before one recovered",
        "one never suffered",
        "nobody suffers",
        "nobody suffered",
        "what was before is another's",
        "what comes after is another's",
        "it hits nobody",
    ],
)
def test_what_befalls_many_is_over_when_each_was_well_once_or_it_ended(
    of_miners: list[list[Entry]], ended_at: float | None, over_at: float | None
) -> None:
    assert passed_at(of_miners, 100.0, ended_at) == over_at


def test_a_person_repairs_what_lasts_and_not_what_came_after_it() -> None:
    plant, truth = world()
    truth.inject("miner.process_died", "miner:m1", 10.0, watchdog=True, for_s=2000.0)
    plant.advance(1000.0)
    truth.inject("miner.psu_dead", "miner:m1", 1000.0)
    plant.advance(5000.0)
    assert [fault.over_at is None for fault in truth.faults()] == [False, True], "the end of the first is none of both"
    truth.repair(M1, 6000.0)
    truth.repair(MinerId("m2"), 6000.0)
    plant.advance(7000.0)
    over_at = truth.faults()[1].over_at
    assert over_at is not None
    assert 6000.0 <= over_at < 6400.0


def test_nobody_comes_for_what_is_over_where_only_an_older_clog_is_left() -> None:
    plant, truth = world()
    one = plant.miners[M1]
    truth.inject("miner.clogged", "miner:m1", 10.0)
    plant.advance(2400.0)
    one.derate(2400.0, 0.6, restarts=True)
    plant.advance(4000.0)
    truth.inject("miner.process_died", "miner:m1", 4000.0, watchdog=True, for_s=6000.0)
    plant.advance(9000.0)
    assert one.healthy
    plant.advance(11_000.0)
    assert one.warmth.clog > 1.2
    assert not [e for e in plant.journal.entries if e.at > 9000.0 and e.what is What.UNHEALTHY]
    truth.inject("miner.psu_dead", "miner:m1", 11_000.0, for_s=600.0)
    plant.advance(15_000.0)
    assert one.warmth.clog == 1.0, "who comes for something else cleans it as well"


def test_a_clog_is_cleaned_when_its_time_is_up_though_another_fault_came_since() -> None:
    plant, truth = world()
    one = plant.miners[M1]
    truth.inject("miner.clogged", "miner:m1", 10.0, for_s=9000.0)
    plant.advance(2400.0)
    one.derate(2400.0, 0.6, restarts=True)
    plant.advance(4000.0)
    truth.inject("miner.psu_dead", "miner:m1", 4000.0)
    plant.advance(8999.0)
    assert one.warmth.clog > 1.2
    plant.advance(9011.0)
    assert one.warmth.clog == 1.0
    assert [fault.over_at is None for fault in truth.faults()] == [False, True], "and nothing else is mended by it"


@pytest.mark.parametrize(
    ("kind", "others", "fixable"),
    [
        pytest.param("pool.hung", [], True, id="another pool is well"),
        pytest.param("pool.hung", [("pool.hung", 1000.0, 2600.0)], False, id="both at once"),
        pytest.param("pool.flaps", [("pool.flaps", 1000.0, 2600.0)], False, id="both flap"),
        pytest.param("pool.hung", [("pool.down", 10.0, 6000.0)], False, id="the other was gone already"),
        pytest.param(
            "pool.hung", [("pool.down", 1060.0, 6000.0)], False, id="the other falls before anybody can leave"
        ),
        pytest.param("pool.rejects", [("pool.down", 1480.0, 2900.0)], True, id="the other was well for long enough"),
        pytest.param("pool.rejects", [("pool.down", 1479.0, 2521.0)], False, id="too briefly before and after"),
        pytest.param("pool.rejects", [("pool.down", 1479.0, 2520.0)], True, id="for long enough in the end"),
        pytest.param(
            "pool.rejects",
            [("pool.down", 1050.0, 2800.0), ("pool.hung", 1100.0, 1200.0)],
            False,
            id="of two troubles one ends while the other lasts",
        ),
        pytest.param("pool.rejects", [("pool.down", 10.0, 900.0)], True, id="the other was gone before"),
        pytest.param(
            "pool.rejects",
            [("pool.down", 900.0, 2700.0), ("pool.down", 3400.0, 5000.0)],
            False,
            id="well for long later",
        ),
    ],
)
def test_a_pools_fault_is_fixable_where_another_was_well_for_long_enough_meanwhile(
    kind: str, others: list[tuple[str, float, float]], fixable: bool
) -> None:
    plant = SitePlant(pooled(site(3), "primary", "backup"), seed=11)
    truth = Truth(plant)
    begins = sorted(
        [("pool:primary", kind, 1000.0, 3000.0), *(("pool:backup", *other) for other in others)],
        key=lambda begin: begin[2],
    )
    for target, what, begun, ended in begins:
        truth.inject(what, target, begun, for_s=ended - begun)
    plant.advance(6000.0)
    (fault,) = [fault for fault in truth.faults() if fault.counts]
    assert (fault.target, fault.fixable) == ("pool:primary", fixable)
