"""Expected state and incident lifecycle."""

import numpy as np

from agent.model.action import Result, Verb
from agent.model.events import Closed, IncidentOpened, IncidentRelapsed, IncidentUpdated
from agent.model.incident import Category, Evidence, Health, Outcome, Reason, Severity
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Telemetry
from agent.model.topology import Family
from agent.model.verdicts import Verdicts
from agent.triage.expected import ExpectedState
from agent.triage.lifecycle import triage
from agent.triage.limits import TriageLimits
from tests.factory import EPOCH, healthy, miner, site
from tests.ledger.builder import INCIDENT, Story


class Says:
    """Evidence that gives one reason for every row."""

    def __init__(self, reason: Reason) -> None:
        self._reason = reason

    def reason(self, row: int) -> Reason:
        return self._reason

    def of(self, row: int) -> Evidence:
        return {"row": row}


def firing(rows: tuple[int, ...], of: int, reason: Reason = Reason.UNRESPONSIVE) -> Verdicts:
    health = np.zeros(of, dtype=np.int8)
    since = np.full(of, np.nan)
    for row in rows:
        health[row] = Health.FIRING
        since[row] = EPOCH
    return Verdicts(Category.STUCK, health, since, np.full(of, np.nan), Says(reason))


def expected(view: SiteView, story: Story, now: float) -> list[Expected]:
    ExpectedState(view).update(view, story.state, now)
    return [Expected(int(e)) for e in view.expected]


def test_a_young_process_is_booting_for_its_familys_grace() -> None:
    view = SiteView(site((miner(1), miner(2, family=Family.WHATSMINER))))
    for row in (0, 1):
        view.put_answer(row, EPOCH, healthy(100.0))
    assert expected(view, Story(), EPOCH + 259.0) == [Expected.BOOTING, Expected.BOOTING]
    assert expected(view, Story(), EPOCH + 261.0) == [Expected.RUNNING, Expected.BOOTING]
    assert expected(view, Story(), EPOCH + 801.0) == [Expected.RUNNING, Expected.RUNNING]


def test_a_ramp_that_says_it_is_complete_ends_the_grace() -> None:
    view = SiteView(site((miner(1, family=Family.WHATSMINER),)))
    view.put_answer(0, EPOCH, Telemetry(elapsed_s=200.0, tuned=True))
    assert expected(view, Story(), EPOCH + 1.0) == [Expected.RUNNING]


def test_a_sleeping_miner_is_suspended_not_stuck() -> None:
    view = SiteView(site(1))
    view.put_answer(0, EPOCH, Telemetry(elapsed_s=9e4, hashrate_th=0.0, suspended=True))
    assert expected(view, Story(), EPOCH + 1.0) == [Expected.SUSPENDED]


def test_own_actions_are_expected_until_they_settle_and_then_the_boot_is() -> None:
    view = SiteView(site(2))
    story = Story().opened().running("restart").intended(Verb.RESTART, EPOCH)
    assert expected(view, story, EPOCH + 1.0) == [Expected.ACTING, Expected.RUNNING]
    story.settled(Verb.RESTART, EPOCH + 2.0)
    assert expected(view, story, EPOCH + 361.0) == [Expected.BOOTING, Expected.RUNNING]
    assert expected(view, story, EPOCH + 363.0) == [Expected.RUNNING, Expected.RUNNING]


def test_an_outlet_owed_keeps_its_miner_expected_to_be_down() -> None:
    view = SiteView(site(2))
    story = Story().opened().running("power_off").intended(Verb.POWER_OFF, EPOCH)
    story.settled(Verb.POWER_OFF, EPOCH + 2.0, Result.FAILED)
    assert expected(view, story, EPOCH + 9e5)[0] is Expected.ACTING


def test_one_incident_a_miner_numbered_in_order() -> None:
    view = SiteView(site(200))
    made = triage(view, Story().state, [firing((1, 3), 200)], TriageLimits(), EPOCH)
    opened = [e for e in made.events if isinstance(e, IncidentOpened)]
    assert [(e.incident, e.members) for e in opened] == [("inc-000001", ("m2",)), ("inc-000002", ("m4",))]
    assert [e.severity for e in opened] == [Severity.MEDIUM] * 2


def test_severity_follows_the_share_of_the_site() -> None:
    for miners, severity in ((5, Severity.CRITICAL), (48, Severity.HIGH), (200, Severity.MEDIUM)):
        made = triage(SiteView(site(miners)), Story().state, [firing((0,), miners)], TriageLimits(), EPOCH)
        (opened,) = made.events
        assert isinstance(opened, IncidentOpened)
        assert opened.severity is severity


def test_an_open_incident_is_not_opened_twice_and_a_change_of_symptom_updates_it() -> None:
    view = SiteView(site(4))
    story = Story().opened()
    assert triage(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH).events == []
    changed = triage(view, story.state, [firing((0,), 4, Reason.NOT_HASHING)], TriageLimits(), EPOCH).events
    assert [type(e) for e in changed] == [IncidentUpdated]
    story.running("restart").intended(Verb.RESTART, EPOCH)
    assert triage(view, story.state, [firing((0,), 4, Reason.NOT_HASHING)], TriageLimits(), EPOCH).events == []


def test_what_no_longer_fires_has_recovered() -> None:
    view = SiteView(site(4))
    story = Story().opened()
    assert triage(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH).recovered == frozenset()
    assert triage(view, story.state, [firing((), 4)], TriageLimits(), EPOCH).recovered == {INCIDENT}


def test_a_relapse_within_an_hour_reopens_and_later_it_is_a_new_incident() -> None:
    view = SiteView(site(4))
    story = Story().opened().tell(Closed(incident=INCIDENT, outcome=Outcome.AUTO_RESOLVED), EPOCH)
    soon = triage(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH + 3599.0).events
    late = triage(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH + 3600.0).events
    assert [type(e) for e in soon] == [IncidentRelapsed]
    assert [type(e) for e in late] == [IncidentOpened]
