"""The soak's own sense of what is wrong, and a handful of its scenarios; many of them are `make soak`."""

from pathlib import Path

import pytest

from agent.ledger.fold import State
from agent.model.action import Verb
from agent.model.events import Actor, AgentStarted, AgentStopped, Escalated, Intended, Record
from agent.model.site_view import SiteView
from tests.cli.test_incidents_cli import write
from tests.factory import site
from tests.ledger.examples import LIFE, OPENED
from tests.soak.__main__ import Peace, fitting, play, shrunk
from tests.soak.check import NEVER, violations
from tests.soak.generate import PEACE_S, Trial, trial

WELL = {"harm": dict.fromkeys(NEVER, 0)}


@pytest.mark.parametrize("seed", [3, 5, 60906, 106384])
def test_whatever_goes_wrong_nothing_is_left_undone(seed: int) -> None:
    """In 60906 the agent wakes whom it had put to sleep as somebody comes to want them asleep, and says nothing.

    In 106384 the first of a loop to be woken is clogged, and derated just below its limit, and the others slept on.
    """
    assert play(fitting(trial(seed), "fast-forward"), "fast-forward") == []


def test_a_scenario_is_the_same_for_its_seed_and_another_for_another() -> None:
    assert trial(7) == trial(7)
    assert trial(7) != trial(8)


def test_what_has_no_outcome_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    intended = next(event for event in LIFE if isinstance(event, Intended) and event.action.verb is Verb.POWER_OFF)
    upto = LIFE[: LIFE.index(intended) + 1]
    write(path, *upto, intended)
    found = violations(path, WELL)
    assert any("a second action of" in line for line in found)
    assert any("still owed a switch-on" in line for line in found)
    assert any("has no outcome" in line for line in found)
    assert any("and nobody was asked" in line for line in found)


def test_an_incident_that_opens_as_the_run_ends_is_in_nobodys_hands_yet(tmp_path: Path) -> None:
    started = next(event for event in LIFE if isinstance(event, AgentStarted))
    just, left = tmp_path / "just.sqlite3", tmp_path / "left.sqlite3"
    write(just, started, OPENED)
    assert violations(just, WELL) == []
    write(left, started, OPENED, AgentStopped(reason="a tick later"))
    assert ["nobody was asked" in line for line in violations(left, WELL)] == [True]


def test_harm_and_a_broken_chain_are_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    started = next(event for event in LIFE if isinstance(event, AgentStarted))
    write(path, started)
    assert violations(path, WELL) == []
    assert violations(path, {"harm": {**WELL["harm"], "budget_breaches": 2}}) == ["harm.budget_breaches is 2"]


def test_a_failing_scenario_is_shrunk_to_what_makes_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    of = trial(5)
    culprit = of.faults[1]

    def fails(tried: Trial, _tier: str) -> list[str]:
        return ["bad"] if culprit in tried.faults else []

    monkeypatch.setattr("tests.soak.__main__.play", fails)
    assert shrunk(of, "fast-forward").faults == (culprit,)


def test_people_say_what_they_are_about_to_do_as_long_as_it_lasts() -> None:
    of = next(of for of in map(trial, range(200)) if any(fault["kind"] == "site.maintenance" for fault in of.faults))
    (said,) = of.tree("fast-forward")["orders"]
    (done,) = (fault for fault in of.faults if fault["kind"] == "site.maintenance")
    assert (said["at"], said["maintain"], said["for"]) == (done["at"], done["target"], done["for"])


def test_a_run_is_over_when_nothing_has_been_in_the_agents_hands_for_a_while() -> None:
    peace, state, view = Peace(passed_s=900.0), State(), SiteView(site())
    peace.look(view, 899.0 + PEACE_S)
    assert not peace.is_enough(state)
    peace.look(view, 900.0 + PEACE_S)
    assert peace.is_enough(state)
    state.apply(Record(1, 0.0, Actor.AGENT, OPENED, "", ""))
    assert not peace.is_enough(state)
    asked = Escalated(incident=OPENED.incident, reason="no_recovery", tried=(), evidence={})
    state.apply(Record(2, 0.0, Actor.AGENT, asked, "", ""))
    peace.look(view, 900.0 + 2 * PEACE_S)
    assert peace.is_enough(state)
