"""The deciding half as a whole: when it looks at everybody, and when it goes on with what it has just seen."""

import numpy as np
import pytest

from agent.detect.screen import health
from agent.guard.limits import GuardLimits
from agent.ledger.fold import State
from agent.model.incident import Category
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts
from agent.remediate.tables import Tables
from agent.stages import ANEW_S, Stages
from agent.triage.limits import TriageLimits
from tests.factory import EPOCH, site


class Counting:
    """A detector that finds everybody well, and counts how often it was asked."""

    category = Category.STUCK

    def __init__(self) -> None:
        self.looks = 0

    def judge(self, view: SiteView, now: float) -> Verdicts:
        self.looks += 1
        none, nobody = np.full(len(view.reach), np.nan), np.zeros(0, dtype=np.int64)
        return Verdicts(self.category, health(len(none), suspect=nobody, firing=nobody), none, none, None)  # type: ignore[arg-type]


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def counted(state: State) -> tuple[Stages, Counting]:
    view, detector = SiteView(site(3)), Counting()
    made = Stages(view, state, [detector], Tables(()), modes={}, guard=GuardLimits(), limits=TriageLimits())  # type: ignore[list-item]
    return made, detector


def test_a_tick_that_follows_at_once_goes_on_with_what_was_seen(counted: tuple[Stages, Counting]) -> None:
    stages, detector = counted
    for after_s, looks in ((0.0, 1), (0.1, 1), (ANEW_S - 0.01, 1), (ANEW_S, 2), (ANEW_S + 0.1, 2), (2.0, 3)):
        stages.tick(EPOCH + after_s)
        assert detector.looks == looks, f"{after_s} s after the first"


def test_a_clock_that_goes_back_and_a_state_put_back_are_looked_at_anew(counted: tuple[Stages, Counting]) -> None:
    stages, detector = counted
    stages.tick(EPOCH)
    stages.tick(EPOCH - 0.1)
    assert detector.looks == 2
    stages.look_anew()
    stages.tick(EPOCH - 0.1)
    stages.restore(EPOCH - 0.1)
    stages.tick(EPOCH - 0.1)
    assert detector.looks == 4


def test_what_somebody_has_said_meanwhile_is_looked_at_anew(counted: tuple[Stages, Counting], state: State) -> None:
    stages, detector = counted
    stages.tick(EPOCH)
    state.windows.version += 1
    stages.tick(EPOCH + 0.1)
    assert detector.looks == 2
