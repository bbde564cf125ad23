"""Hold, storm, blast radius and rate budgets: what many actions together may not do."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.budget import budget
from agent.guard.limits import GuardLimits
from agent.guard.order import judge
from agent.guard.request import Request
from agent.guard.storm import is_stormy
from agent.ledger.fold import State
from agent.model.action import Action, Result, Risk, Verb
from agent.model.domains import Domains, Kind
from agent.model.events import Actor, AnyEvent, HoldChanged, IncidentOpened, Intended, Record, Settled
from agent.model.guard import Allow, Defer, GuardReason, Mode
from agent.model.ids import IncidentId, MinerId, RunId
from agent.model.incident import Category, Reason, Severity
from agent.model.site_view import Expected, SiteView
from agent.model.topology import Outlet, Site
from tests.factory import EPOCH, PDU, miner, put_outlets, site

MINERS = 24
"""All on one PDU, behind one switch."""

AT_ONCE = 4
HOURLY = 12
"""Of a site, however small; half of a PDU's."""


class World:
    """A site and its ledger's fold; every miner has an incident."""

    def __init__(self, of: Site | None = None) -> None:
        self.view = SiteView(of or site(MINERS, rating_a=600.0))
        self.state = State()
        self.records: list[Record] = []
        for k in range(1, len(self.view.site.miners) + 1):
            self.tell(
                IncidentOpened(
                    incident=self.incident(k),
                    category=Category.STUCK,
                    cause=Reason.UNRESPONSIVE,
                    severity=Severity.MEDIUM,
                    members=(MinerId(f"m{k}"),),
                    detected_at=EPOCH,
                    evidence={},
                ),
                EPOCH,
            )

    @staticmethod
    def incident(number: int) -> IncidentId:
        return IncidentId(f"inc-{number:06}")

    def tell(self, event: AnyEvent, at: float) -> None:
        self.records.append(Record(len(self.records) + 1, at, Actor.AGENT, event, "", ""))
        self.state.apply(self.records[-1])

    def restart(self) -> None:
        """Forget everything, and fold the ledger again."""
        self.state = State()
        for record in self.records:
            self.state.apply(record)

    def ask(self, verb: Verb, number: int, now: float) -> Request:
        put_outlets(self.view, now - 5.0)
        self.view.polled_at.fill(now - 5.0)
        outlets = (Outlet(PDU, number),) if verb in (Verb.POWER_OFF, Verb.POWER_ON) else ()
        action = Action(verb=verb, miner=MinerId(f"m{number}"), outlets=outlets)
        incident = self.state.incidents[self.incident(number)]
        modes = dict.fromkeys(Risk, Mode.AUTO)
        return Request(action, incident, now, self.view, self.state, (), GuardLimits(), modes)

    def intend(self, verb: Verb, number: int, now: float) -> None:
        self.tell(self._intended(verb, number, now), now)

    def do(self, verb: Verb, number: int, now: float) -> None:
        self.intend(verb, number, now)
        self.settle(verb, number, now + 0.5, Result.OK)

    def settle(self, verb: Verb, number: int, now: float, result: Result) -> None:
        intended = self._intended(verb, number, now)
        self.tell(
            Settled(
                incident=intended.incident,
                run=intended.run,
                attempt=1,
                action=intended.action,
                result=result,
                detail="",
                from_state="a",
                to_state="b",
                trigger="ok",
            ),
            now,
        )

    def _intended(self, verb: Verb, number: int, now: float) -> Intended:
        action = self.ask(verb, number, now).action
        run = RunId(f"{self.incident(number)}/run-1")
        return Intended(incident=self.incident(number), run=run, state="a", attempt=1, action=action)


@pytest.fixture
def world() -> World:
    return World()


def test_a_held_agent_begins_nothing_and_switches_on_afterwards_what_it_owes(world: World) -> None:
    world.do(Verb.POWER_OFF, 1, EPOCH)
    world.tell(HoldChanged(why="electrician"), EPOCH + 1.0)
    held = Defer(EPOCH + 70.0, GuardReason.HELD)
    for verb in (Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF, Verb.SWITCH_POOL):
        assert judge(world.ask(verb, 2, EPOCH + 60.0)) == ("hold", held)
    assert judge(world.ask(Verb.POWER_ON, 1, EPOCH + 60.0)) == ("hold", held)
    world.tell(HoldChanged(why=None), EPOCH + 61.0)
    assert judge(world.ask(Verb.POWER_ON, 1, EPOCH + 62.0)) == ("all", Allow())
    assert judge(world.ask(Verb.RESTART, 2, EPOCH + 62.0)) == ("all", Allow())


@pytest.mark.parametrize(
    ("ill", "miners", "stormy"), [(19, 24, False), (20, 24, True), (799, 2000, False), (800, 2000, True)]
)
def test_a_storm_takes_a_share_of_the_site_and_never_a_handful(ill: int, miners: int, stormy: bool) -> None:
    assert is_stormy(ill, miners, GuardLimits().storm_share) is stormy


def test_in_a_storm_nothing_new_is_begun_on_single_miners(world: World) -> None:
    asked = replace(world.ask(Verb.REBOOT, 1, EPOCH), calm_at=EPOCH + 600.0)
    assert judge(asked) == ("storm", Defer(EPOCH + 600.0, GuardReason.STORM))
    assert judge(replace(asked, now=EPOCH + 600.0)) == ("all", Allow())
    shared = replace(asked, incident=replace(asked.incident, domain="pool:primary"))
    assert judge(shared) == ("all", Allow()), "what acts on a shared cause may be what ends it"
    soft = replace(world.ask(Verb.RESTART, 1, EPOCH), calm_at=EPOCH + 600.0)
    assert judge(soft) == ("all", Allow())


def test_so_many_may_be_out_of_service_at_once(world: World) -> None:
    for number in range(1, AT_ONCE + 1):
        assert judge(world.ask(Verb.REBOOT, number, EPOCH)) == ("all", Allow())
        world.intend(Verb.REBOOT, number, EPOCH)
    deferred = Defer(EPOCH + 10.0, GuardReason.TOO_MANY_AT_ONCE)
    assert judge(world.ask(Verb.REBOOT, 20, EPOCH)) == ("blast_radius", deferred)
    assert judge(world.ask(Verb.RESTART, 20, EPOCH)) == ("all", Allow()), "a process that restarts is back in a minute"


def test_miners_that_are_not_back_yet_count_as_out(world: World) -> None:
    world.view.expected[:AT_ONCE] = Expected.ACTING
    assert judge(world.ask(Verb.POWER_OFF, 20, EPOCH))[0] == "blast_radius"
    world.view.expected[0] = Expected.RUNNING
    assert judge(world.ask(Verb.POWER_OFF, 20, EPOCH)) == ("all", Allow())


def test_a_miner_that_works_is_one_more_beside_those_that_are_ill(world: World) -> None:
    world.view.hashrate_th.put(19, 110.0, EPOCH)
    world.view.expected_th.put(19, 110.0, EPOCH)
    assert judge(world.ask(Verb.REBOOT, 20, EPOCH))[0] == "blast_radius", "all its neighbours have an incident"
    assert judge(world.ask(Verb.REBOOT, 19, EPOCH)) == ("all", Allow()), "this one is out of service itself"
    world.view.misses[19] = 6
    assert judge(world.ask(Verb.REBOOT, 20, EPOCH)) == ("all", Allow()), "what it told before it fell silent is nothing"


def test_the_budget_of_an_hour_is_given_back_as_it_was_spent(world: World) -> None:
    for number in range(1, HOURLY + 1):
        world.do(Verb.REBOOT, number, EPOCH + 60.0 * number)
    gate, verdict = judge(world.ask(Verb.REBOOT, 20, EPOCH + 1800.0))
    assert (gate, verdict) == ("budget", Defer(EPOCH + 60.0 + 3600.0, GuardReason.RATE_BUDGET))
    world.restart()
    assert judge(world.ask(Verb.REBOOT, 20, EPOCH + 1800.0)) == (gate, verdict), "a restart forgets nothing"
    assert judge(world.ask(Verb.REBOOT, 20, EPOCH + 3660.0)) == ("all", Allow())


RACKS, IN_RACK = 5, 40
"""Of a larger site: half of a rack are 20 an hour, 15 % and 30 % of the site 30 an hour and 60 a day."""


@pytest.mark.parametrize(
    ("numbers", "every_s", "window_s", "spares"),
    [
        (range(1, 21), 60.0, 3600.0, True),
        (range(1, 200, 6), 60.0, 3600.0, False),
        (range(1, 181, 3), 300.0, 86_400.0, False),
    ],
    ids=["a rack's hour", "the site's hour", "the site's day"],
)
def test_each_budget_is_spent_and_given_back(numbers: range, every_s: float, window_s: float, spares: bool) -> None:
    racks = [f"r{k // IN_RACK}" for k in range(RACKS * IN_RACK)]
    world = World(site(tuple(replace(miner(k + 1), outlets=(), port=None, rack=r) for k, r in enumerate(racks))))
    most = {60.0: 20 if spares else 30, 300.0: 60}[every_s]
    at = [EPOCH + every_s * k for k in range(most)]
    for number, when in zip(numbers, at, strict=False):
        assert isinstance(budget(world.ask(Verb.REBOOT, number, when)), Allow)
        world.do(Verb.REBOOT, number, when)
    now = at[-1] + 1.0
    spent = Defer(EPOCH + window_s, GuardReason.RATE_BUDGET)
    assert budget(world.ask(Verb.REBOOT, 40, now)) == spent
    assert budget(world.ask(Verb.REBOOT, 200, now)) == (Allow() if spares else spent)
    assert isinstance(budget(world.ask(Verb.REBOOT, 40, EPOCH + window_s)), Allow)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 900.0), st.integers(1, MINERS), st.sampled_from((Verb.REBOOT, Verb.POWER_OFF)), st.booleans()
        ),
        max_size=80,
    )
)
def test_whatever_is_asked_no_budget_is_exceeded(asked: list[tuple[float, int, Verb, bool]]) -> None:
    """Random requests and restarts in between: never more within an hour, or a day, than the limits say."""
    world, now = World(), EPOCH
    done: list[float] = []
    for gap_s, number, verb, restarts in asked:
        now += gap_s
        if restarts:
            world.restart()
        if judge(world.ask(verb, number, now)) == ("all", Allow()):
            world.do(verb, number, now)
            done.append(now)
            if verb is Verb.POWER_OFF:
                world.do(Verb.POWER_ON, number, now + 1.0)
    for at in done:
        assert sum(at - 3600.0 < other <= at for other in done) <= HOURLY
        assert sum(at - 86_400.0 < other <= at for other in done) <= 48


def test_a_miner_is_under_every_domain_that_holds_it() -> None:
    domains = Domains(site(MINERS))
    kinds = Counter(domain.kind for domain in domains.of(5))
    assert kinds == {Kind.BREAKER: 1, Kind.PDU: 1, Kind.SWITCH: 1, Kind.SUBNET: 1, Kind.SITE: 1}
    assert all(5 in domain.rows for domain in domains.of(5))
    sizes = [len(domain.rows) for domain in domains.of(5)]
    assert sizes == sorted(sizes)
    assert np.array_equal(np.sort([len(d.rows) for d in domains.all]), domains.sizes)
