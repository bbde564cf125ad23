"""The part of the crash matrix that every run of the tests plays; `make crash` plays the whole of it."""

import io
from collections.abc import Iterator

import pytest

from agent.app import load_playbooks
from agent.cli import logs
from tests.crash.matrix import cases, failures, undisturbed
from tests.crash.points import Point
from tests.crash.stories import STORIES

EACH = 23
"""Each so-manieth case of the stories played here; a prime, so that no kind of point is always left out."""

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


def test_wherever_it_dies_and_wherever_it_dies_again_all_ends_as_it_would_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = [case for story in HERE for case in list(cases(story))[::EACH]]
    wrong = [line for case in chosen for line in failures(case)]
    with capsys.disabled():
        print(f"\ncrash matrix, every {EACH}th case of {len(HERE)} stories: {len(chosen)} cases, {len(wrong)} failures")
    assert wrong == []
