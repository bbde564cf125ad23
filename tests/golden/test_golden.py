"""Replay shows of recorded incidents what it showed when they were recorded, and decides them as they were decided."""

import pytest

from agent.cli.redecide import Decider
from agent.model.incident import Category
from agent.redecide import Verdict
from tests.golden import CLASSES, FOLDER, kept, told

ANEW = "if this is what you wanted: python -m tests.golden, and look at the difference"


@pytest.fixture(scope="module")
def decider() -> Decider:
    return Decider(None)


def test_every_class_of_incident_is_kept() -> None:
    assert set(CLASSES) == {category.value for category in Category}
    for name in CLASSES:
        assert (FOLDER / f"{name}.txt").read_text(encoding="utf-8").startswith(f"inc-000001: {name}, ")


@pytest.mark.parametrize("name", CLASSES)
def test_a_replay_tells_what_it_told(name: str) -> None:
    archive = kept(name)
    assert archive.recording is not None
    assert archive.is_from_the_beginning
    assert told(archive).splitlines() == (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines(), ANEW


@pytest.mark.parametrize("name", CLASSES)
def test_what_was_decided_is_decided_again(name: str, decider: Decider) -> None:
    recording = kept(name).recording
    assert recording is not None
    found = decider.decide(recording)
    others = [(pair.at, pair.then, pair.now) for pair in found.pairs if pair.verdict is Verdict.DIFFERENT]
    assert others == [], ANEW
    assert found.count(Verdict.SAME) > 0
    assert found.unknown_from is None
