"""The part of the crash matrix that every run of the tests plays; `make crash` plays the whole of it."""

import io
from collections.abc import Iterator

import pytest

from agent.app import load_playbooks
from agent.cli import logs
from tests.crash.matrix import COME_UP, Case, cases, failures, undisturbed
from tests.crash.points import Place, Point
from tests.crash.stories import STORIES

EACH = 23
"""Each so-manieth case of the stories played here; a prime, so that no kind of point is always left out."""

TOLD = (
    # An answer after the switch-on was asked for, and before it was known, is no proof of a wrong cord.
    ("power cycle", Place(Point.DEED, "relay_on"), COME_UP),
    # A miner with a board less answers all the time, and is to be cycled all the same.
    ("board lost", Place(Point.CALLING, "power_off"), None),
    # A run at its end has seen its symptom gone: what is left is to close its incident.
    ("board lost", Place(Point.DECIDED, "closed"), None),
    # What had not been done, for all that the ledger tells, is done.
    ("port hung", Place(Point.CALLING, "bounce_port"), None),
    # One that ran out of work before anybody could see it fall silent is cut off all the same.
    ("port hung", Place(Point.DECIDED, "incident_opened"), None),
    # A breaker that is still open is not closed because the agent has come up and not yet seen who is silent.
    ("breaker", Place(Point.DECIDED, "escalated"), None),
    # A reboot proves that a firmware crashes, also where nobody knows if the process was restarted before.
    ("firmware corrupt", Place(Point.RETURNED, "restart"), None),
    # A flash that an agent wanted which died before it began is no flash: the image is not frozen for it.
    ("firmware corrupt", Place(Point.CALLING, "flash"), None),
    # What was known of one miner alone waits for its neighbours, which have to be found silent anew.
    ("breaker", Place(Point.COMMITTED, "incident_opened"), None),
)
"""Cases that one cause each was found by."""

HERE = ("restart", "power cycle", "port hung", "foreign pool")


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    logs.configure(stream=io.StringIO())
    yield
    logs.configure()


def test_every_playbook_has_a_story() -> None:
    assert {story.playbook for story in STORIES.values()} == {table.playbook.name for table in load_playbooks()}


def test_an_action_passes_every_point() -> None:
    (life,) = undisturbed("restart").passed
    of_action = [place.point for place in life if place.of in ("intended", "restart", "settled")]
    assert of_action == [
        Point.DECIDED,
        Point.COMMITTED,
        Point.ANNOUNCED,
        Point.CALLING,
        Point.DEED,
        Point.RETURNED,
        Point.DECIDED,
        Point.COMMITTED,
        Point.ANNOUNCED,
    ]


@pytest.mark.parametrize(("story", "at", "again"), TOLD, ids=str)
def test_what_once_ended_with_a_person_ends_as_without_a_death(story: str, at: Place, again: int | None) -> None:
    (life,) = undisturbed(story).passed
    first = life.index(at) + 1
    assert failures(Case(story, (first,) if again is None else (first, again))) == []


def test_wherever_it_dies_and_wherever_it_dies_again_all_ends_as_it_would_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = [case for story in HERE for case in list(cases(story))[::EACH]]
    wrong = [line for case in chosen for line in failures(case)]
    with capsys.disabled():
        print(f"\ncrash matrix, one case in {EACH} of {len(HERE)} stories: {len(chosen)} cases, {len(wrong)} failures")
    assert wrong == []
