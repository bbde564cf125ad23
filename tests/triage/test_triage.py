"""Expected state and incident lifecycle."""

from collections.abc import Sequence

import numpy as np
import pytest

from agent.model.action import Result, Verb
from agent.model.events import (
    AnyEvent,
    Closed,
    IncidentAbsorbed,
    IncidentJoined,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Mitigated,
    RunStarted,
)
from agent.model.ids import IncidentId, RunId
from agent.model.incident import Category, Evidence, Health, Outcome, Reason, Severity
from agent.model.memory import Memory
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import Reach, Telemetry
from agent.model.topology import Family
from agent.model.verdicts import Verdicts
from agent.triage.correlate import WINDOW_S, Correlator
from agent.triage.ends import COME_ALONG_S
from agent.triage.expected import ExpectedState
from agent.triage.lifecycle import TOGETHER_S, Triage, triage
from agent.triage.limits import TriageLimits
from tests.factory import EPOCH, healthy, miner, site
from tests.ledger.builder import INCIDENT, Story


class Says:
    """Evidence that gives one reason for every row."""

    reasons = frozenset(Reason)

    def __init__(self, reason: Reason, domain: str = "") -> None:
        self._reason = reason
        self._domain = domain

    def reason(self, row: int) -> Reason:
        return self._reason

    def of(self, row: int) -> Evidence:
        return {"row": row}

    def domain(self, row: int) -> str:
        return self._domain


def judged(view: SiteView, memory: Memory, verdicts: Sequence[Verdicts], limits: TriageLimits, now: float) -> Triage:
    return triage(view, memory, verdicts, limits, now, correlator=Correlator(view.domains))


def firing(
    rows: tuple[int, ...],
    of: int,
    reason: Reason = Reason.UNRESPONSIVE,
    *,
    category: Category = Category.STUCK,
    domain: str = "",
) -> Verdicts:
    health = np.zeros(of, dtype=np.int8)
    since = np.full(of, np.nan)
    for row in rows:
        health[row] = Health.FIRING
        since[row] = EPOCH
    return Verdicts(category, health, since, np.full(of, np.nan), Says(reason, domain))


def poolless(rows: tuple[int, ...], of: int, domain: str = "pool:primary") -> Verdicts:
    return firing(rows, of, Reason.NO_POOL, category=Category.POOL, domain=domain)


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
    made = judged(view, Story().state, [firing((1, 3), 200)], TriageLimits(), EPOCH)
    opened = [e for e in made.events if isinstance(e, IncidentOpened)]
    assert [(e.incident, e.members) for e in opened] == [("inc-000001", ("m2",)), ("inc-000002", ("m4",))]
    assert [e.severity for e in opened] == [Severity.MEDIUM] * 2


def test_severity_follows_the_share_of_the_site() -> None:
    for miners, severity in ((5, Severity.CRITICAL), (48, Severity.HIGH), (200, Severity.MEDIUM)):
        made = judged(SiteView(site(miners)), Story().state, [firing((0,), miners)], TriageLimits(), EPOCH)
        (opened,) = made.events
        assert isinstance(opened, IncidentOpened)
        assert opened.severity is severity


def test_where_nobody_aims_at_anything_the_share_is_of_what_the_site_could_do() -> None:
    for miners, severity in ((5, Severity.CRITICAL), (48, Severity.HIGH), (200, Severity.MEDIUM)):
        view = SiteView(site(miners))
        view.expected_th.put_rows(np.ones(miners, dtype=bool), np.zeros(miners), np.full(miners, EPOCH))
        (opened,) = judged(view, Story().state, [firing((0,), miners)], TriageLimits(), EPOCH).events
        assert isinstance(opened, IncidentOpened)
        assert opened.severity is severity


def test_an_open_incident_is_not_opened_twice_and_a_change_of_symptom_updates_it() -> None:
    view = SiteView(site(4))
    story = Story().opened()
    assert judged(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH).events == []
    changed = judged(view, story.state, [firing((0,), 4, Reason.NOT_HASHING)], TriageLimits(), EPOCH).events
    assert [type(e) for e in changed] == [IncidentUpdated]
    story.running("restart").intended(Verb.RESTART, EPOCH)
    assert judged(view, story.state, [firing((0,), 4, Reason.NOT_HASHING)], TriageLimits(), EPOCH).events == []


def test_what_no_longer_fires_has_recovered() -> None:
    view = SiteView(site(4))
    story = Story().opened()
    assert judged(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH).recovered == frozenset()
    assert judged(view, story.state, [firing((), 4)], TriageLimits(), EPOCH).recovered == {INCIDENT}


def test_a_relapse_within_an_hour_reopens_and_later_it_is_a_new_incident() -> None:
    view = SiteView(site(4))
    story = Story().opened().tell(Closed(incident=INCIDENT, outcome=Outcome.AUTO_RESOLVED), EPOCH)
    soon = judged(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH + 3599.0).events
    late = judged(view, story.state, [firing((0,), 4)], TriageLimits(), EPOCH + 3600.0).events
    assert [type(e) for e in soon] == [IncidentRelapsed]
    assert [type(e) for e in late] == [IncidentOpened]


def told(story: Story, *verdicts: Verdicts, at: float = EPOCH, miners: int = 8) -> list[AnyEvent]:
    """Triage once and let the memory take in what came of it."""
    made = judged(SiteView(site(miners)), story.state, list(verdicts), TriageLimits(), at)
    for event in made.events:
        story.tell(event, at)
    return made.events


def test_what_shares_a_pool_is_one_incident_and_late_members_join_it() -> None:
    story = Story()
    (opened,) = told(story, poolless((0, 1, 2), 8))
    assert isinstance(opened, IncidentOpened)
    assert (opened.members, opened.domain, opened.category) == (("m1", "m2", "m3"), "pool:primary", Category.POOL)
    (joined,) = told(story, poolless((0, 1, 2, 5), 8), at=EPOCH + 8.0)
    assert isinstance(joined, IncidentJoined)
    assert story.state.incidents[opened.incident].members == ("m1", "m2", "m3", "m6")
    assert told(story, poolless((0, 1, 2, 5), 8), at=EPOCH + 16.0) == []


def test_two_pools_are_two_incidents_each_severe_for_being_shared() -> None:
    lost, others = tuple(range(12)), tuple(range(20, 32))
    events = told(Story(), poolless(lost, 200), poolless(others, 200, "pool:backup"), miners=200)
    assert [(e.domain, e.severity) for e in events if isinstance(e, IncidentOpened)] == [
        ("pool:primary", Severity.HIGH),
        ("pool:backup", Severity.HIGH),
    ]


def test_two_of_two_hundred_lose_their_pool_each_by_itself_until_there_are_many() -> None:
    story = Story()
    assert told(story, poolless((0, 1), 200), miners=200) == [], "more may follow"
    events = told(story, poolless((0, 1), 200), miners=200, at=EPOCH + TOGETHER_S)
    assert [(e.members, e.severity) for e in events if isinstance(e, IncidentOpened)] == [
        (("m1",), Severity.MEDIUM),
        (("m2",), Severity.MEDIUM),
    ]
    assert told(story, poolless((0, 1, 2), 200), miners=200, at=EPOCH + 28.0) == [], "a third"
    *absorbed, parent = told(story, poolless(tuple(range(12)), 200), miners=200, at=EPOCH + 36.0)
    assert [type(event) for event in absorbed] == [IncidentAbsorbed] * 2
    assert isinstance(parent, IncidentOpened)
    assert len(parent.members) == 12
    (late,) = told(story, poolless(tuple(range(13)), 200), miners=200, at=EPOCH + 44.0)
    assert isinstance(late, IncidentJoined)


def test_three_of_two_hundred_that_lose_their_pool_are_opened_alone_in_the_end() -> None:
    story = Story()
    told(story, poolless((0, 1), 200), miners=200, at=EPOCH + TOGETHER_S)
    (third,) = told(story, poolless((0, 1, 2), 200), miners=200, at=EPOCH + WINDOW_S + 1.0)
    assert isinstance(third, IncidentOpened)
    assert third.members == ("m3",)


def test_a_miner_is_a_member_of_one_open_incident_at_a_time() -> None:
    story = Story()
    told(story, firing((3,), 8))
    events = told(story, poolless((2, 3), 8), firing((3,), 8), at=EPOCH + TOGETHER_S)
    assert [(type(e), e.members) for e in events if isinstance(e, IncidentOpened)] == [(IncidentOpened, ("m3",))]


def test_the_first_detector_that_fires_owns_the_row() -> None:
    (opened,) = told(Story(), poolless((1,), 8), firing((1,), 8), at=EPOCH + TOGETHER_S)
    assert isinstance(opened, IncidentOpened)
    assert opened.category is Category.POOL


def cut_off(rows: tuple[int, ...], of: int = 8) -> Verdicts:
    return firing(rows, of, Reason.CUT_OFF, category=Category.NETWORK)


def test_before_anything_was_done_the_evidence_may_say_it_is_another_class() -> None:
    story = Story().opened()
    story.tell(
        RunStarted(incident=INCIDENT, run=RunId("r1"), playbook="stuck_miner", fingerprint="f", state="hold"), EPOCH
    )
    (changed,) = told(story, cut_off((0,)), at=EPOCH + 20.0)
    assert isinstance(changed, IncidentReclassified)
    incident = story.state.incidents[INCIDENT]
    assert (incident.category, incident.cause, incident.run) == (Category.NETWORK, Reason.CUT_OFF, None)
    assert story.state.next_run(incident) == f"{INCIDENT}/run-2", "another run, with an id of its own"
    assert told(story, cut_off((0,)), at=EPOCH + 30.0) == []


def test_as_long_as_the_first_class_still_fires_it_keeps_the_incident() -> None:
    story = Story().opened()
    assert told(story, cut_off((0,)), firing((0,), 8), at=EPOCH + 20.0) == []


def test_after_something_was_done_a_change_of_symptom_stays_the_same_incident() -> None:
    story = Story().opened().running("restart").intended(Verb.RESTART, EPOCH)
    made = judged(SiteView(site(8)), story.state, [cut_off((0,))], TriageLimits(), EPOCH + 20.0)
    assert (made.events, made.recovered) == ([], frozenset()), "and it has not recovered while anything fires"


def test_a_shared_incident_is_over_when_its_own_symptom_is_whatever_else_a_member_shows() -> None:
    story = Story()
    (opened,) = told(story, poolless((0, 1, 2), 8))
    assert isinstance(opened, IncidentOpened)
    made = judged(SiteView(site(8)), story.state, [firing((1,), 8)], TriageLimits(), EPOCH + 60.0)
    assert made.recovered == {opened.incident}
    story.tell(Closed(incident=opened.incident, outcome=Outcome.AUTO_RESOLVED), EPOCH + 60.0)
    (single,) = told(story, firing((1,), 8), at=EPOCH + 62.0)
    assert isinstance(single, IncidentOpened)
    assert single.members == ("m2",)


def test_a_loop_that_is_well_is_over_though_one_of_its_miners_is_hot_by_itself() -> None:
    """From the soak: a clogged miner kept the incident of its tank open, and could not be looked after for that."""
    story = Story()
    lost = firing((0, 1, 2), 8, Reason.COOLING_LOST, category=Category.THERMAL, domain="loop:c1")
    (opened,) = told(story, lost)
    assert isinstance(opened, IncidentOpened)
    clogged = firing((1,), 8, Reason.OVERTEMP_CUT_OUT, category=Category.THERMAL)
    view = SiteView(site(8))
    assert judged(view, story.state, [lost, clogged], TriageLimits(), EPOCH + 60.0).recovered == frozenset()
    other = firing((1,), 8, Reason.LOOP_HOT, category=Category.THERMAL, domain="loop:c1")
    assert judged(view, story.state, [other, clogged], TriageLimits(), EPOCH + 60.0).recovered == frozenset()
    assert judged(view, story.state, [clogged], TriageLimits(), EPOCH + 60.0).recovered == {opened.incident}
    story.tell(Closed(incident=opened.incident, outcome=Outcome.HUMAN_RESOLVED), EPOCH + 60.0)
    (single,) = told(story, clogged, at=EPOCH + 62.0)
    assert isinstance(single, IncidentOpened)
    assert (single.cause, single.members) == (Reason.OVERTEMP_CUT_OUT, ("m2",))


@pytest.mark.parametrize("replies", [Category.REJECTS, Category.POOL])
def test_what_is_amiss_with_its_shares_does_not_keep_open_what_a_miner_is_well_of(replies: Category) -> None:
    """From `month`: a miner that was flashed and had bad shares half an hour later froze the image for all others."""
    story = Story().opened().running("restart").intended(Verb.RESTART, EPOCH)
    bad = firing((0,), 8, Reason.REJECTS, category=replies)
    view = SiteView(site(8))
    assert judged(view, story.state, [bad], TriageLimits(), EPOCH).recovered == frozenset(), "it never was well"
    story.tell(Mitigated(incident=INCIDENT), EPOCH + 60.0)
    assert judged(view, story.state, [bad, firing((0,), 8)], TriageLimits(), EPOCH + 60.0).recovered == frozenset()
    assert judged(view, story.state, [bad], TriageLimits(), EPOCH + 60.0).recovered == {INCIDENT}


def test_what_many_share_is_no_relapse_of_what_one_of_them_had() -> None:
    """From `month`: a miner was restarted for a pool that rejected everybody's shares; another slept by itself."""
    story = Story()
    (own,) = told(story, firing((1,), 8, Reason.OVERHEATED, category=Category.THERMAL))
    assert isinstance(own, IncidentOpened)
    story.tell(Closed(incident=own.incident, outcome=Outcome.AUTO_RESOLVED), EPOCH + 60.0)
    lost = firing((0, 1, 2), 8, Reason.COOLING_LOST, category=Category.THERMAL, domain="loop:c1")
    (opened,) = told(story, lost, at=EPOCH + 600.0)
    assert isinstance(opened, IncidentOpened)
    assert opened.members == ("m1", "m2", "m3")


def test_who_was_the_first_to_show_what_all_share_is_part_of_it_if_nothing_was_done() -> None:
    """From `month`: 29 miners of a pool that rejects were restarted, for they had been found before the pool was."""
    story = Story()
    told(story, firing((1, 2), 8, Reason.REJECTS, category=Category.REJECTS))
    first, second = (incident.id for incident in story.state.open_incidents)
    story.intended(Verb.RESTART, EPOCH)
    all_ = firing((1, 2, 3, 4), 8, Reason.REJECTS, category=Category.REJECTS, domain="pool:primary")
    told(story, all_, at=EPOCH + 30.0)
    told(story, all_, at=EPOCH + 60.0)
    assert {i.members for i in story.state.open_incidents} == {("m2",), ("m4", "m5", "m3")}
    assert (first, story.state.incidents[second].outcome) == (INCIDENT, Outcome.SUPPRESSED)


def test_a_shared_incident_relapses_once_however_many_members_do() -> None:
    story = Story()
    (opened,) = told(story, poolless((0, 1, 2), 8))
    assert isinstance(opened, IncidentOpened)
    story.tell(Closed(incident=opened.incident, outcome=Outcome.AUTO_RESOLVED), EPOCH + 60.0)
    (again,) = told(story, poolless((0, 1, 2), 8), at=EPOCH + 600.0)
    assert isinstance(again, IncidentRelapsed)
    assert story.state.owner(opened.members[2]) == story.state.incidents[opened.incident]


@pytest.mark.parametrize(
    ("shared", "alone"),
    [
        (poolless((0, 1, 2), 8), poolless((1,), 8)),
        (
            firing((0, 1, 2), 8, Reason.LOOP_HOT, category=Category.THERMAL, domain="loop:c1"),
            firing((1,), 8, Reason.OVERHEATED, category=Category.THERMAL),
        ),
        (
            firing((0, 1, 2), 8, Reason.REJECTS, category=Category.REJECTS, domain="pool:primary"),
            firing((1,), 8, Reason.REJECTS, category=Category.REJECTS),
        ),
    ],
    ids=["pool", "loop", "rejects"],
)
def test_what_one_member_shows_within_the_hour_is_its_own(shared: Verdicts, alone: Verdicts) -> None:
    story = Story()
    (opened,) = told(story, shared)
    assert isinstance(opened, IncidentOpened)
    story.tell(Closed(incident=opened.incident, outcome=Outcome.AUTO_RESOLVED), EPOCH + 60.0)
    (own,) = told(story, alone, at=EPOCH + 600.0)
    assert isinstance(own, IncidentOpened)
    assert own.members == ("m2",)


def test_who_still_has_bad_shares_long_after_the_others_of_a_pool_that_rejected_is_its_own() -> None:
    """Six miners that failed later were the same incident, a person's, and 120 members of it kept up a storm."""

    def bad(rows: tuple[int, ...]) -> Verdicts:
        return firing(rows, 20, Reason.REJECTS, category=Category.REJECTS, domain="pool:primary")

    story, of, late = Story(), SiteView(site(20)), EPOCH + 60.0 + COME_ALONG_S[Reason.REJECTS]
    (opened,) = told(story, bad(tuple(range(20))), miners=20)
    assert isinstance(opened, IncidentOpened)
    told(story, bad((0, 1)), at=EPOCH + 60.0, miners=20)
    assert judged(of, story.state, [bad((0, 1))], TriageLimits(), late).recovered == {opened.incident}
    story.tell(Closed(incident=opened.incident, outcome=Outcome.AUTO_RESOLVED), late)
    (rest,) = told(story, bad((0, 1)), at=late + 8.0, miners=20)
    assert isinstance(rest, IncidentOpened)
    assert rest.members == ("m1", "m2")


def test_a_lost_pool_is_over_when_most_have_one_again_and_who_has_not_has_an_incident_of_its_own() -> None:
    story, of, late = Story(), SiteView(site(20)), EPOCH + 60.0 + COME_ALONG_S[Reason.NO_POOL]

    def recovered(verdict: Verdicts, at: float) -> frozenset[IncidentId]:
        return judged(of, story.state, [verdict], TriageLimits(), at).recovered

    (opened,) = told(story, poolless(tuple(range(20)), 20), miners=20)
    assert isinstance(opened, IncidentOpened)
    assert told(story, poolless((0, 1, 2), 20), at=EPOCH + 50.0, miners=20) == []
    few = poolless((0, 1), 20)
    assert [type(event) for event in told(story, few, at=EPOCH + 60.0, miners=20)] == [Mitigated]
    assert recovered(few, late - 1.0) == frozenset(), "they may come along yet"
    assert recovered(few, late) == {opened.incident}
    assert recovered(poolless((0, 1, 2), 20), late) == frozenset(), "it is lost again"
    clearing = poolless((0, 1), 20)
    clearing.clear_since[0] = late - 10.0
    assert recovered(clearing, late) == frozenset(), "nearly proven"
    story.tell(Closed(incident=opened.incident, outcome=Outcome.AUTO_RESOLVED), late)
    own = [event for event in told(story, few, at=late + 8.0, miners=20) if isinstance(event, IncidentOpened)]
    assert [event.members for event in own] == [("m1",), ("m2",)]


def test_one_whose_client_hangs_while_an_unsteady_pool_is_proved_over_keeps_the_others_incident_not_open() -> None:
    def unsteady(rows: tuple[int, ...]) -> Verdicts:
        return firing(rows, 20, Reason.UNSTEADY_POOL, category=Category.POOL, domain="pool:primary")

    story, of, late = Story(), SiteView(site(20)), EPOCH + 60.0 + COME_ALONG_S[Reason.UNSTEADY_POOL]
    (opened,) = told(story, unsteady(tuple(range(20))), miners=20)
    assert isinstance(opened, IncidentOpened)
    hung = poolless((3,), 20)
    told(story, hung, at=EPOCH + 60.0, miners=20)
    assert judged(of, story.state, [hung], TriageLimits(), late - 1.0).recovered == frozenset()
    assert judged(of, story.state, [hung], TriageLimits(), late).recovered == {opened.incident}


def test_ill_are_members_that_show_something_still_and_not_all_of_an_open_incident() -> None:
    story, of = Story(), SiteView(site(20))
    everybody = poolless(tuple(range(20)), 20)
    assert judged(of, story.state, [everybody], TriageLimits(), EPOCH).ill == 0, "not an incident before it is told"
    told(story, everybody, miners=20)
    assert judged(of, story.state, [everybody], TriageLimits(), EPOCH + 8.0).ill == 20
    assert judged(of, story.state, [poolless((0, 1), 20)], TriageLimits(), EPOCH + 16.0).ill == 2


def test_a_shared_incident_is_mitigated_when_all_that_fire_have_begun_to_clear() -> None:
    story = Story()
    told(story, poolless((0, 1, 2), 8))
    half, all_ = poolless((0, 1, 2), 8), poolless((0, 1, 2), 8)
    half.clear_since[0] = EPOCH + 5.0
    all_.clear_since[:3] = EPOCH + 5.0
    assert told(story, half, at=EPOCH + 8.0) == []
    assert [type(e) for e in told(story, all_, at=EPOCH + 16.0)] == [Mitigated]


def test_whoever_works_for_strangers_is_critical_at_once() -> None:
    thief = firing((4,), 200, Reason.FOREIGN_POOL, category=Category.OTHER)
    (opened,) = told(Story(), thief, miners=200)
    assert isinstance(opened, IncidentOpened)
    assert opened.severity is Severity.CRITICAL
    assert opened.incident == IncidentId("inc-000001")


def test_heat_waits_for_no_pool_and_the_miner_goes_back_to_the_pools_incident() -> None:
    pool = poolless((0, 1, 2, 3), 8)
    hot = firing((1,), 8, Reason.OVERTEMP_CUT_OUT, category=Category.THERMAL)
    story = Story()
    told(story, pool)
    (opened,) = told(story, pool, hot, at=EPOCH + 60)
    assert isinstance(opened, IncidentOpened)
    assert (opened.category, opened.members, opened.severity) == (Category.THERMAL, ("m2",), Severity.CRITICAL)
    assert told(story, pool, hot, at=EPOCH + 62) == []
    assert told(story, pool, at=EPOCH + 64) == [], "what it still shows is the pool's, and no news of its heat"
    recovered = judged(SiteView(site(8)), story.state, [pool], TriageLimits(), EPOCH + 64).recovered
    assert recovered == {opened.incident}
    story.tell(Closed(incident=opened.incident, outcome=Outcome.SELF_RECOVERED), EPOCH + 66)
    owner = story.state.owner(miner(2).id)
    assert owner is not None
    assert owner.category is Category.POOL
    assert told(story, pool, at=EPOCH + 68) == []


def test_who_was_well_at_the_pool_has_an_incident_of_his_own_however_long_the_pools_lasts() -> None:
    story, idle = Story(), firing((1,), 8, Reason.NOT_HASHING)
    told(story, poolless((0, 1, 2, 3), 8))
    assert told(story, poolless((0, 1, 2, 3), 8), idle, at=EPOCH + 60) == [], "it has no pool: that may be all"
    (opened,) = told(story, poolless((0,), 8), idle, at=EPOCH + 3600)
    assert isinstance(opened, IncidentOpened)
    assert (opened.category, opened.members) == (Category.STUCK, ("m2",))


def test_who_is_silent_for_longer_than_a_boot_waits_for_no_pool() -> None:
    """Nobody knows any more whether it has a pool; some firmware starts anew when it has none."""
    view = SiteView(site(8))
    for at in range(6):
        view.put_miss(1, EPOCH + 30.0 + at * 10.0, Reach.SILENT)
    pool, hung = poolless((0, 1, 2, 3), 8), firing((1,), 8)
    story = Story()
    told(story, pool)

    def then(at: float) -> list[AnyEvent]:
        return judged(view, story.state, [pool, hung], TriageLimits(), at).events

    assert then(EPOCH + 389.0) == [], "it may be starting"
    (opened,) = then(EPOCH + 391.0)
    assert isinstance(opened, IncidentOpened)
    assert (opened.category, opened.members) == (Category.STUCK, ("m2",))
