"""Symptoms that begin together become one incident, and what they had been opened for alone is part of it."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.ledger.fold import State
from agent.model.columns import Floats
from agent.model.events import (
    AnyEvent,
    Closed,
    Escalated,
    IncidentAbsorbed,
    IncidentJoined,
    IncidentOpened,
    IncidentRelapsed,
    Mitigated,
    Record,
)
from agent.model.ids import MinerId
from agent.model.incident import Category, Evidence, Health, Outcome, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletState, PortReading, Reach
from agent.model.topology import Miner, Port
from agent.model.verdicts import Verdicts
from agent.triage.correlate import ABSORB_S, CONSIDERED, HOLD_S, LINGER_S, WINDOW_S, WORK_LASTS_S, Correlator
from agent.triage.lifecycle import Triage, triage
from agent.triage.limits import TriageLimits
from agent.triage.unseen import MOST_MISSES
from tests.factory import EPOCH, NOMINAL_W, SWITCH, miner, put_outlets, site

MINERS = 12
"""All behind one switch and one PDU, three to a breaker."""


class Silent:
    """What the detector of stuck miners says of silent ones."""

    reasons = frozenset(Reason)

    def reason(self, _: int) -> Reason:
        return Reason.UNRESPONSIVE

    def of(self, row: int) -> Evidence:
        return {"row": row}

    def domain(self, _: int) -> str:
        return ""


class World:
    """A view whose miners fall silent, and the ledger's fold over what triage says of it."""

    def __init__(self, miners: int | tuple[Miner, ...] = MINERS) -> None:
        self.view = SiteView(site(miners))
        self.state = State()
        self.correlator = Correlator(self.view.domains)
        self.since: Floats = np.full(MINERS, np.nan)
        self.now = EPOCH
        put_outlets(self.view, EPOCH - 60.0, power_w=NOMINAL_W)

    def fall_silent(self, rows: Iterable[int], *, power_w: float | None, link: bool | None) -> None:
        """`power_w`: what their outlets are read to give afterwards; None: the PDU is silent too. `link`: likewise."""
        for row in rows:
            self.since[row] = self.now
            self.view.reach[row] = Reach.SILENT
            self.view.misses[row] = 6
            self.view.missing_since[row] = self.now - 40.0
            miner = self.view.site.miners[row]
            if power_w is not None:
                for outlet in miner.outlets:
                    at = self.view.outlet_rows[outlet]
                    self.view.outlet_state.put(at, float(OutletState.ON), self.now)
                    self.view.outlet_w.put(at, power_w, self.now)
            if link is not None and miner.port is not None:
                self.view.put_port(Port(SWITCH, miner.port.number), self.now, PortReading(link, 100))

    def answer(self, rows: Iterable[int]) -> None:
        for row in rows:
            self.since[row] = np.nan
            self.view.reach[row] = Reach.ANSWERED
            self.view.misses[row] = 0
            self.view.missing_since[row] = np.nan

    def tick(self, after_s: float = 0.0, *, pool: tuple[int, ...] = ()) -> Triage:
        """`pool`: the rows that say that theirs is gone."""
        self.now += after_s
        lost = np.where(np.isin(np.arange(MINERS), pool), self.now, np.nan)
        of_pools = Verdicts(Category.POOL, fires(lost), lost, np.full(MINERS, np.nan), Silent())
        silent = Verdicts(Category.STUCK, fires(self.since), self.since.copy(), np.full(MINERS, np.nan), Silent())
        made = triage(self.view, self.state, [of_pools, silent], TriageLimits(), self.now, correlator=self.correlator)
        for event in made.events:
            self.apply(event)
        return made

    def apply(self, event: AnyEvent) -> None:
        self.state.apply(Record(self.state.seq + 1, self.now, "agent", event, "", ""))  # type: ignore[arg-type]


def fires(since: Floats) -> NDArray[np.int8]:
    return np.where(np.isnan(since), Health.HEALTHY, Health.FIRING).astype(np.int8)


@pytest.fixture
def world() -> World:
    return World()


def test_a_breaker_is_named_after_the_hold_and_takes_over_what_was_opened_before(world: World) -> None:
    world.fall_silent((0, 1), power_w=0.0, link=False)
    assert [type(event) for event in world.tick().events] == [IncidentOpened] * 2
    world.fall_silent((2,), power_w=0.0, link=False)
    third = world.tick()
    assert third.events == [], "nothing is opened for who is braked: what they share is about to be known"
    assert third.braked is not None
    assert np.flatnonzero(third.braked).tolist() == list(range(MINERS)), "the whole PDU: three of it are dark"
    assert world.tick(HOLD_S - 1.0).events == []
    *children, parent = world.tick(1.0).events
    assert [type(child) for child in children] == [IncidentAbsorbed] * 2
    assert isinstance(parent, IncidentOpened)
    assert (parent.category, parent.cause, parent.domain) == (Category.OTHER, Reason.POWER_LOST, "breaker:pdu-1:bank1")
    assert parent.evidence["miners"] == 3
    considered = str(parent.evidence[CONSIDERED])
    assert considered.startswith("breaker:pdu-1:bank1 ")
    assert "; pdu:pdu-1 -" in considered, "fewer of the whole PDU than chance would have it"
    assert parent.detected_at == EPOCH
    open_ones = world.state.open_incidents
    assert [incident.members for incident in open_ones] == [("m1", "m2", "m3")]
    outcomes = [incident.outcome for incident in world.state.incidents.values()]
    assert outcomes == [Outcome.SUPPRESSED] * 2 + [Outcome.OPEN]
    assert world.tick(2.0).events == [], "once named, it is not named again"


def test_a_pdu_that_is_silent_itself_is_dark_where_its_miners_have_no_link(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=None, link=False)
    world.tick()
    parent = world.tick(HOLD_S).events[-1]
    assert isinstance(parent, IncidentOpened)
    assert (parent.cause, parent.domain) == (Reason.POWER_LOST, "pdu:pdu-1")


def test_miners_that_draw_in_full_and_cannot_be_asked_about_are_cut_off_together(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=NOMINAL_W, link=None)
    world.tick()
    parent = world.tick(HOLD_S).events[-1]
    assert isinstance(parent, IncidentOpened)
    assert (parent.category, parent.cause) == (Category.NETWORK, Reason.CUT_OFF)
    assert parent.domain == "switch:sw-1"


def test_miners_that_ran_out_of_work_before_they_were_found_are_cut_off_all_the_same(world: World) -> None:
    """Seldom polls find them minutes later; by then whoever has no pool draws little."""
    world.now += WORK_LASTS_S
    world.fall_silent(range(MINERS), power_w=0.5 * NOMINAL_W, link=None)
    world.view.missing_since[:] = EPOCH
    world.tick()
    (opened,) = world.tick(HOLD_S).events
    assert isinstance(opened, IncidentOpened)
    assert (opened.category, opened.domain, len(opened.members)) == (Category.NETWORK, f"switch:{SWITCH}", MINERS)


def test_of_miners_without_outlets_nobody_knows_what_they_draw() -> None:
    world = World(tuple(replace(miner(k), outlets=()) for k in range(1, MINERS + 1)))
    world.fall_silent(range(MINERS), power_w=None, link=None)
    world.tick()
    (opened,) = world.tick(HOLD_S).events
    assert isinstance(opened, IncidentOpened)
    assert (opened.category, opened.domain) == (Category.NETWORK, f"switch:{SWITCH}")


@pytest.mark.parametrize(("power_w", "link"), [(60.0, True), (14.0, False), (NOMINAL_W, False)])
def test_boards_that_hang_supplies_that_latch_and_cables_that_are_out_have_nothing_in_common(
    world: World, power_w: float, link: bool
) -> None:
    world.fall_silent(range(MINERS), power_w=power_w, link=link)
    world.tick()
    assert world.tick(HOLD_S).events == []
    assert len(world.state.open_incidents) == MINERS


def test_one_that_was_silent_just_before_hurries_nothing(world: World) -> None:
    world.fall_silent((0,), power_w=None, link=False)
    world.tick()
    world.now += HOLD_S - 1.0
    world.fall_silent((1, 2, 3), power_w=None, link=False)
    assert world.tick(2.0).events == [], "the first is ripe, most are not, and more may follow"
    world.fall_silent(range(4, MINERS), power_w=None, link=False)
    *_, parent = world.tick(HOLD_S).events
    assert isinstance(parent, IncidentOpened)
    assert (parent.domain, len(parent.members)) == ("pdu:pdu-1", MINERS)


def test_who_waited_for_nothing_in_common_is_opened_alone(world: World) -> None:
    world.fall_silent((0, 3, 6), power_w=0.0, link=False)  # one behind each of three breakers
    assert world.tick().events == []
    assert world.tick(WINDOW_S - 1.0).events == []
    assert [type(event) for event in world.tick(2.0).events] == [IncidentOpened] * 3


def test_a_switch_that_answers_has_not_failed(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=NOMINAL_W, link=True)
    world.tick()
    (parent,) = world.tick(HOLD_S).events
    assert isinstance(parent, IncidentOpened)
    assert parent.domain.startswith("subnet:")


def test_it_is_the_networks_until_nobody_is_silent_any_more(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=NOMINAL_W, link=None)
    world.tick()
    world.tick(HOLD_S)
    (parent,) = world.state.open_incidents
    assert world.tick(30.0).recovered == frozenset()
    world.answer(range(MINERS))
    assert world.tick(30.0).recovered == {parent.id}


def test_nobody_under_a_dark_pdu_is_acted_on_alone_however_late(world: World) -> None:
    world.fall_silent(range(10), power_w=None, link=False)
    world.tick()
    world.tick(HOLD_S)
    world.now += ABSORB_S + 1.0
    world.fall_silent((11,), power_w=None, link=False)
    late = world.tick()
    assert [type(event) for event in late.events] == [IncidentOpened]
    assert late.braked is not None
    assert late.braked[11]


def test_outlets_that_are_off_give_no_power(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=None, link=None)
    put_outlets(world.view, world.now, power_w=0.0, state=OutletState.OFF)
    world.tick()
    (parent,) = world.tick(HOLD_S).events
    assert isinstance(parent, IncidentOpened)
    assert (parent.cause, parent.domain) == (Reason.POWER_LOST, "pdu:pdu-1")


def test_two_of_twelve_are_chance(world: World) -> None:
    world.fall_silent((0, 6), power_w=0.0, link=False)
    assert world.tick().braked is None
    assert world.tick(HOLD_S).events == []


def test_what_began_long_before_has_nothing_to_do_with_it(world: World) -> None:
    world.fall_silent((0,), power_w=0.0, link=False)
    world.tick()
    world.now += HOLD_S + WINDOW_S + 1.0
    world.fall_silent((1, 2), power_w=0.0, link=False)
    world.tick()
    events = world.tick(HOLD_S).events
    assert all(not isinstance(e, IncidentAbsorbed) or e.incident != "inc-000001" for e in events)
    assert world.state.incidents["inc-000001"].is_open  # type: ignore[index]


def test_who_falls_silent_later_joins_for_a_while(world: World) -> None:
    world.fall_silent((0, 1), power_w=0.0, link=False)
    world.tick()
    world.tick(HOLD_S)
    (parent,) = world.state.open_incidents
    world.now += ABSORB_S - 1.0
    world.fall_silent((2,), power_w=0.0, link=False)
    (joined,) = world.tick().events
    assert isinstance(joined, IncidentJoined)
    assert joined.incident == parent.id
    world.now += 2.0
    world.fall_silent((3,), power_w=0.0, link=False)
    (alone,) = world.tick().events
    assert isinstance(alone, IncidentOpened), "another breaker's, and too late"


def test_what_a_member_still_shows_long_after_is_its_own(world: World) -> None:
    world.fall_silent(range(MINERS), power_w=None, link=False)
    world.tick()
    world.tick(HOLD_S)
    (parent,) = world.state.open_incidents
    world.answer(range(1, MINERS))
    assert [type(event) for event in world.tick(600.0).events] == [Mitigated]
    assert world.tick(LINGER_S - 1.0).recovered == frozenset()
    assert world.tick(1.0).recovered == {parent.id}


def test_one_of_three_that_stays_ill_is_its_own_in_the_end(world: World) -> None:
    world.fall_silent((0, 1, 2), power_w=0.0, link=False)
    world.tick()
    world.tick(HOLD_S)
    (parent,) = world.state.open_incidents
    world.answer((0,))
    assert world.tick(300.0).events == []
    world.answer((1,))
    assert [type(event) for event in world.tick(10.0).events] == [Mitigated]
    assert world.tick(LINGER_S).recovered == {parent.id}
    world.apply(Closed(incident=parent.id, outcome=Outcome.HUMAN_RESOLVED))
    (alone,) = world.tick(2.0).events
    assert isinstance(alone, IncidentOpened)
    assert (alone.members, alone.domain) == (("m3",), "")


def test_power_that_goes_again_within_the_hour_is_the_same_incident(world: World) -> None:
    world.fall_silent((0, 1, 2), power_w=0.0, link=False)
    world.tick()
    world.tick(HOLD_S)
    (parent,) = world.state.open_incidents
    world.answer((0, 1, 2))
    world.now += 600.0
    world.apply(Closed(incident=parent.id, outcome=Outcome.HUMAN_RESOLVED))
    world.now += 600.0
    world.fall_silent((0, 1, 2), power_w=0.0, link=False)
    assert world.tick().events == []
    (again,) = world.tick(HOLD_S).events
    assert isinstance(again, IncidentRelapsed)
    assert again.incident == parent.id


def lost_pool(world: World) -> IncidentOpened:
    return IncidentOpened(
        incident=world.state.incident_id(0),
        category=Category.POOL,
        cause=Reason.NO_POOL,
        severity=Severity.CRITICAL,
        members=tuple(miner.id for miner in world.view.site.miners),
        detected_at=world.now,
        evidence={},
        domain="pool:primary",
    )


def test_power_that_goes_while_a_pool_is_lost_is_the_breakers_and_those_miners_go_back_to_the_pool(
    world: World,
) -> None:
    world.apply(lost_pool(world))
    (pool,) = world.state.open_incidents
    world.fall_silent((0, 1, 2), power_w=0.0, link=False)
    assert world.tick().events == []
    (parent,) = world.tick(HOLD_S).events
    assert isinstance(parent, IncidentOpened)
    assert (parent.cause, parent.domain, parent.members) == (
        Reason.POWER_LOST,
        "breaker:pdu-1:bank1",
        ("m1", "m2", "m3"),
    )
    assert world.state.incidents[pool.id].is_open, "the pool's is not part of it"
    world.fall_silent((3,), power_w=0.0, link=False)
    lost = tuple(range(MINERS))
    assert world.tick(1.0, pool=lost).events == [], "one alone waits for the pool: nobody knows what it would show"
    world.answer((0, 1, 2))
    assert parent.incident in world.tick(30.0, pool=(3,)).recovered
    world.apply(Closed(incident=parent.incident, outcome=Outcome.HUMAN_RESOLVED))
    assert {owner.id for k in (1, 2, 3) if (owner := world.state.owner(MinerId(f"m{k}")))} == {pool.id}
    world.apply(Closed(incident=pool.id, outcome=Outcome.AUTO_RESOLVED))
    assert world.state.open_incidents == []


def test_who_has_power_again_and_no_pool_yet_is_back_from_lost_power(world: World) -> None:
    world.apply(lost_pool(world))
    world.fall_silent((0, 1, 2), power_w=0.0, link=False)
    world.tick()
    (parent,) = world.tick(HOLD_S).events
    assert isinstance(parent, IncidentOpened)
    world.answer((0, 1, 2))
    assert parent.incident in world.tick(1.0, pool=(0, 1, 2)).recovered


# -- after a start of the agent ----------------------------------------------------------------------------------------


def wait_for(world: World, rows: Iterable[int], *, misses: int) -> None:
    """These are silent since the agent came up, and were not asked often enough yet to be judged."""
    world.fall_silent(rows, power_w=0.0, link=False)
    for row in rows:
        world.since[row] = np.nan
        world.view.misses[row] = misses


def known_alone(world: World) -> IncidentOpened:
    """The first one had an incident already, of which nobody knows what came of it."""
    world.fall_silent((0,), power_w=0.0, link=False)
    (opened,) = world.tick().events
    assert isinstance(opened, IncidentOpened)
    return opened


def test_who_was_known_alone_waits_for_the_neighbours_that_nobody_saw_fall_silent(world: World) -> None:
    opened = known_alone(world)
    wait_for(world, (1, 2), misses=1)
    assert world.tick(60.0).undecided == {opened.incident}
    world.now += 240.0
    world.since[[1, 2]] = world.now
    assert world.tick().undecided == {opened.incident}, "judged now, and what they share is to be named"
    *children, parent = world.tick(HOLD_S).events
    assert [child.incident for child in children if isinstance(child, IncidentAbsorbed)] == [opened.incident]
    assert isinstance(parent, IncidentOpened)
    assert parent.members == ("m1", "m2", "m3"), "polled as seldom as that, and yet one fault"


def test_it_waits_for_nobody_who_answers_was_seen_to_fall_silent_or_is_not_going_to_be_judged(world: World) -> None:
    known_alone(world)
    assert world.tick(HOLD_S).undecided == frozenset(), "nobody else is silent"
    wait_for(world, (1,), misses=MOST_MISSES + 1)
    assert world.tick().undecided == frozenset()
    wait_for(world, (1,), misses=1)
    assert world.tick().undecided
    world.view.answered_at[1] = world.now
    assert world.tick().undecided == frozenset()


def test_an_incident_goes_on_in_which_something_was_done(world: World) -> None:
    opened = known_alone(world)
    wait_for(world, (1,), misses=1)
    world.apply(Escalated(incident=opened.incident, reason="no_power_draw", tried=(), evidence={}))
    assert world.tick().undecided == frozenset()
