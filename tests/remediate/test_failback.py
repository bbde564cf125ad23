"""Fail-back: who was moved away goes home when home has been good for long enough, a few at first, and not for ever."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.events import Actor, AnyEvent, Closed, IncidentOpened, Intended, Record, Settled
from agent.model.ids import IncidentId, MinerId, PoolGroupId, PoolId
from agent.model.incident import Category, Outcome, Phase, Reason, Severity
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.telemetry import Telemetry
from agent.model.topology import Pool, PoolGroup
from agent.remediate.failback import DROPS_PROOF_S, GOOD_S, LONGEST_S, REJECTS_PROOF_S, owed, wait_s
from tests.factory import EPOCH, miner, site

PRIMARY, BACKUP = Pool(PoolId("primary"), "one.example", 3333), Pool(PoolId("backup"), "two.example", 3333)
SECOND = Pool(PoolId("second"), "three.example", 3333)
GROUPS = (
    PoolGroup(PoolGroupId("main"), (PRIMARY.id, BACKUP.id)),
    PoolGroup(PoolGroupId("others"), (SECOND.id, BACKUP.id)),
)
MINERS = 20


class World:
    """A site whose miners an incident has moved to the backup. Of two groups, the second has the odd numbers."""

    def __init__(self, groups: int = 1) -> None:
        made = tuple(replace(miner(k), pool_group=GROUPS[k % groups].id) for k in range(1, MINERS + 1))
        self.site = replace(site(made), pools=(PRIMARY, BACKUP, SECOND), pool_groups=GROUPS[:groups])
        self.view = SiteView(self.site)
        self.memory = State()
        self.incidents = 0

    def tell(self, event: AnyEvent, at: float) -> None:
        self.memory.apply(Record(self.memory.seq + 1, at, Actor.AGENT, event, "", ""))

    def move(self, targets: tuple[MinerId, ...], pool: PoolId, at: float, incident: IncidentId) -> None:
        action = Action(Verb.SWITCH_POOL, targets[0], others=targets[1:], pool=pool)
        self.tell(Intended(incident=incident, run=None, state="x", attempt=1, action=action), at)
        settled = Settled(
            incident=incident,
            run=None,
            attempt=1,
            action=action,
            result=Result.OK,
            detail="",
            from_state="x",
            to_state="x",
            trigger="x",
        )
        self.tell(settled, at + 1.0)

    def leave(
        self,
        at: float,
        targets: tuple[MinerId, ...] | None = None,
        cause: Reason = Reason.NO_POOL,
        *,
        category: Category = Category.POOL,
        group: PoolGroup = GROUPS[0],
    ) -> IncidentId:
        """Let an incident at a group's primary move miners away, and end."""
        self.incidents += 1
        incident = IncidentId(f"inc-{self.incidents:06d}")
        everybody = tuple(m.id for m in self.site.miners if m.pool_group == group.id)
        self.tell(
            IncidentOpened(
                incident=incident,
                category=category,
                cause=cause,
                severity=Severity.HIGH,
                members=everybody,
                detected_at=at,
                evidence={},
                domain=f"pool:{group.pools[0]}",
            ),
            at,
        )
        self.move(targets or everybody, BACKUP.id, at, incident)
        self.tell(Closed(incident=incident, outcome=Outcome.AUTO_RESOLVED), at + 2.0)
        return incident

    def probe(self, verdict: Verdict, at: float, pool: Pool = PRIMARY) -> None:
        self.view.put_probe(ProbeResult(pool.id, at, (), verdict, ""))

    def mine(self, targets: tuple[MinerId, ...], pool: Pool, at: float, shares: float, drops: float = 0.0) -> None:
        for target in targets:
            reply = Telemetry(
                elapsed_s=9e4, accepted=shares, pool_url=pool.url, pool_user=f"site.{target}", drops=drops
            )
            self.view.put_answer(self.site.rows[target], at, reply)

    def due(self, at: float) -> tuple[MinerId, ...]:
        """Carry out what is due, and return who was told to go home."""
        found = owed(self.memory, self.view, at)
        if not found:
            return ()
        ((incident, action),) = found
        assert (action.verb, action.pool) == (Verb.SWITCH_POOL, PRIMARY.id)
        self.move(action.targets, PRIMARY.id, at, incident.id)
        return action.targets

    def first_home(self, at: float) -> dict[PoolId | None, MinerId]:
        """Return who would go home first at each pool, and carry out nothing."""
        return {action.pool: action.miner for _, action in owed(self.memory, self.view, at)}


@pytest.fixture
def world() -> World:
    return World()


def test_nobody_goes_home_before_home_has_been_good_for_half_an_hour(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.REFUSED, EPOCH + 10.0)
    world.probe(Verdict.GOOD, EPOCH + 600.0)
    assert world.due(EPOCH + 600.0 + GOOD_S - 1.0) == ()
    assert world.due(EPOCH + 600.0 + GOOD_S) == ("m1",)


def test_a_pool_that_dropped_its_miners_is_proved_by_one_that_is_there_for_half_an_hour_without_a_drop(
    world: World,
) -> None:
    world.leave(EPOCH, cause=Reason.UNSTEADY_POOL)
    world.probe(Verdict.GOOD, EPOCH)
    at = EPOCH + GOOD_S + 100.0
    assert world.due(at) == ("m1",)
    for k in range(20):  # it is dropped every five minutes, and has shares accepted all the same
        at += 300.0
        world.mine(("m1",), PRIMARY, at, 10.0 * k, drops=float(k))
        assert world.due(at) == ()
    world.mine(("m1",), PRIMARY, at + DROPS_PROOF_S - 20.0, 500.0, drops=19.0)
    assert world.due(at + DROPS_PROOF_S - 10.0) == ()
    assert world.due(at + DROPS_PROOF_S + 10.0) == ("m2", "m3")


def test_a_break_starts_the_wait_anew(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.GOOD, EPOCH + 10.0)
    world.probe(Verdict.SILENT, EPOCH + 900.0)
    world.probe(Verdict.GOOD, EPOCH + 960.0)
    assert world.due(EPOCH + 10.0 + GOOD_S) == ()
    assert world.due(EPOCH + 960.0 + GOOD_S) == ("m1",)


def test_one_goes_then_a_tenth_then_the_rest_each_once_the_one_before_mines_there(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.GOOD, EPOCH)
    at = EPOCH + GOOD_S + 100.0
    canary = world.due(at)
    assert canary == ("m1",)
    assert world.due(at + 30.0) == (), "it does not mine there yet"
    world.mine(canary, PRIMARY, at + 60.0, 5.0)
    tenth = world.due(at + 62.0)
    assert tenth == ("m2", "m3")
    world.mine(tenth, PRIMARY, at + 120.0, 5.0)
    rest = world.due(at + 122.0)
    assert len(rest) == MINERS - 3
    world.mine(rest, PRIMARY, at + 180.0, 5.0)
    assert world.due(at + 200.0) == ()


def test_a_wave_that_does_not_mine_at_home_keeps_the_others_where_they_are_well(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.GOOD, EPOCH)
    canary = world.due(EPOCH + GOOD_S + 100.0)
    world.mine(canary, BACKUP, EPOCH + GOOD_S + 160.0, 5.0)
    assert world.due(EPOCH + GOOD_S + 9000.0) == ()


def test_a_pool_that_is_left_again_and_again_waits_longer_each_time(world: World) -> None:
    assert [wait_s(n) for n in (1, 2, 3)] == [GOOD_S, 2 * GOOD_S, 4 * GOOD_S]
    assert wait_s(40) == LONGEST_S
    world.leave(EPOCH)
    world.leave(EPOCH + 4000.0)
    world.probe(Verdict.GOOD, EPOCH)
    assert world.due(EPOCH + 4001.0 + GOOD_S + 10.0) == ()
    assert world.due(EPOCH + 4001.0 + 2 * GOOD_S) == ("m1",)


def test_what_was_left_days_ago_does_not_count(world: World) -> None:
    world.leave(EPOCH)
    world.leave(EPOCH + 90_000.0)
    world.probe(Verdict.GOOD, EPOCH)
    assert world.due(EPOCH + 90_001.0 + GOOD_S) == ("m1",)


def test_while_an_incident_at_that_pool_is_open_nobody_goes_home(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.GOOD, EPOCH)
    world.tell(
        IncidentOpened(
            incident=IncidentId("inc-000002"),
            category=Category.POOL,
            cause=Reason.NO_POOL,
            severity=Severity.HIGH,
            members=(MinerId("m9"),),
            detected_at=EPOCH + 50.0,
            evidence={},
            domain="pool:primary",
        ),
        EPOCH + 50.0,
    )
    assert world.due(EPOCH + 2 * GOOD_S) == ()


def test_a_site_whose_miners_were_never_moved_owes_nothing(world: World) -> None:
    world.probe(Verdict.GOOD, EPOCH)
    assert world.due(EPOCH + 10 * GOOD_S) == ()


def test_only_those_that_were_moved_go_home(world: World) -> None:
    world.leave(EPOCH, (MinerId("m4"), MinerId("m7")))
    world.probe(Verdict.GOOD, EPOCH)
    assert world.due(EPOCH + GOOD_S + 10.0) == ("m4",)
    world.mine((MinerId("m4"),), PRIMARY, EPOCH + GOOD_S + 60.0, 3.0)
    assert world.due(EPOCH + GOOD_S + 70.0) == ("m7",)


def test_a_pool_that_rejected_is_proved_by_one_that_mines_there_for_half_an_hour(world: World) -> None:
    world.leave(EPOCH, cause=Reason.REJECTS, category=Category.REJECTS)
    world.probe(Verdict.GOOD, EPOCH)
    at = EPOCH + GOOD_S + 100.0
    assert world.due(at) == ("m1",)
    world.mine((MinerId("m1"),), PRIMARY, at + 60.0, 5.0)
    assert world.due(at + 1.0 + REJECTS_PROOF_S - 1.0) == ()
    assert world.due(at + 1.0 + REJECTS_PROOF_S) == ("m2", "m3")


@pytest.mark.parametrize(("well", "goes_on"), [(7, False), (8, True)])
def test_four_of_five_that_went_home_have_to_mine_there_before_the_next_go(
    world: World, well: int, goes_on: bool
) -> None:
    ids = tuple(m.id for m in world.site.miners)
    incident = world.leave(EPOCH)
    world.move(ids[:10], PRIMARY.id, EPOCH + 10.0, incident)
    world.probe(Verdict.GOOD, EPOCH)
    world.mine(ids[:well], PRIMARY, EPOCH + 60.0, 5.0)
    assert world.due(EPOCH + 2.0 * GOOD_S) == (ids[10:] if goes_on else ())


GOOD = EPOCH + 2.0 * LONGEST_S


def still_open(world: World) -> None:
    world.leave(EPOCH)
    first = next(iter(world.memory.incidents))
    world.memory.incidents[first] = replace(world.memory.incidents[first], phase=Phase.ESCALATED)


def in_flight(world: World) -> None:
    incident = world.leave(EPOCH)
    action = Action(Verb.SWITCH_POOL, MinerId("m2"), pool=PRIMARY.id)
    world.tell(Intended(incident=incident, run=None, state="x", attempt=2, action=action), EPOCH + 5.0)


def not_good(world: World) -> None:
    world.leave(EPOCH)
    world.probe(Verdict.REFUSED, GOOD - 60.0)


def all_home(world: World) -> None:
    incident = world.leave(EPOCH, (MinerId("m2"),))
    world.move((MinerId("m2"),), PRIMARY.id, EPOCH + 100.0, incident)


def does_not_mine(world: World) -> None:
    incident = world.leave(EPOCH)
    world.move((MinerId("m2"),), PRIMARY.id, EPOCH + 100.0, incident)


def just_went(world: World) -> None:
    incident = world.leave(EPOCH, category=Category.REJECTS, cause=Reason.REJECTS)
    world.move((MinerId("m2"),), PRIMARY.id, GOOD - 60.0, incident)
    world.mine((MinerId("m2"),), PRIMARY, GOOD - 10.0, 5.0)


@pytest.mark.parametrize(
    "first",
    [lambda world: None, still_open, in_flight, not_good, all_home, does_not_mine, just_went],
    ids=["never left", "open", "in flight", "not good", "all home", "does not mine there", "went just now"],
)
def test_a_group_that_has_to_stay_away_keeps_no_other_from_going_home(first: Callable[[World], None]) -> None:
    world = World(groups=2)
    world.probe(Verdict.GOOD, EPOCH)
    world.probe(Verdict.GOOD, EPOCH, SECOND)
    first(world)
    world.leave(EPOCH + 10.0, group=GROUPS[1])
    assert world.first_home(GOOD) == {SECOND.id: "m1"}


def test_two_groups_go_home_each_to_its_own() -> None:
    world = World(groups=2)
    for group, pool in zip(GROUPS, (PRIMARY, SECOND), strict=True):
        world.leave(EPOCH, group=group)
        world.probe(Verdict.GOOD, EPOCH, pool)
    assert world.first_home(GOOD) == {PRIMARY.id: "m2", SECOND.id: "m1"}
