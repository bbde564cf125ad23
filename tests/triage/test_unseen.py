"""Silence that nobody saw begin: for whom one waits, how far that reaches, and that it does not last."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agent.model.ids import PduId
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Outlet
from agent.triage.unseen import as_if_together, undecided
from tests.factory import EPOCH, miner, site

HOLD_S, WINDOW_S = 90.0, 60.0
NOW = EPOCH + 1000.0
LONG_AGO, JUST_NOW = NOW - HOLD_S - 1.0, NOW - 1.0
EACH = 3
"""So many miners are on each of two PDUs, with nothing else in common but the site."""


class Place:
    """Two PDUs of three miners each, of whom nobody has answered since the agent came up."""

    def __init__(self) -> None:
        made = [replace(miner(k), host=f"m{k}.example", port=None) for k in range(1, 2 * EACH + 1)]
        one = site(tuple(made))
        second = replace(one.pdus[0], id=PduId("pdu-2"), banks=())
        far = (replace(m, outlets=(Outlet(second.id, k),)) for k, m in enumerate(made[EACH:], start=1))
        self.view = SiteView(replace(one, miners=(*made[:EACH], *far), pdus=(*one.pdus, second)))

    def misses(self, *rows: int, polls: int = 6) -> None:
        for row in rows:
            self.view.reach[row], self.view.misses[row] = Reach.SILENT, polls
            self.view.missing_since[row] = NOW - 200.0

    def waiting(self, judged: Sequence[int], since: float | Sequence[float], *, alone: Sequence[int] = ()) -> list[int]:
        """Return about whom nothing is decided. `alone`: who is part of no shared cause; nobody named: all."""
        self.misses(*judged, polls=20)
        free = np.ones(len(self.view.reach), dtype=np.bool_)
        if alone:
            free[:] = False
            free[list(alone)] = True
        rows = np.array(judged, dtype=np.int64)
        began = np.broadcast_to(np.asarray(since, dtype=np.float64), rows.shape)
        found = undecided(self.view, self.view.domains, rows, free, began, hold_s=HOLD_S, now=NOW)
        return [] if found is None else np.flatnonzero(found).tolist()


@pytest.fixture
def place() -> Place:
    return Place()


def test_one_waits_for_a_neighbour_that_misses_polls_and_for_nobody_elsewhere(place: Place) -> None:
    place.misses(1)
    assert place.waiting([0], LONG_AGO) == [0, 1, 2]
    assert Place().waiting([0, 1], JUST_NOW) == [0, 1, 2], "what they share is about to be named"


def test_once_all_that_are_silent_are_judged_nobody_waits(place: Place) -> None:
    assert place.waiting([0, 1], LONG_AGO) == []


def test_one_that_is_silent_alone_is_waited_for_by_nobody(place: Place) -> None:
    assert place.waiting([0], JUST_NOW) == []


def test_of_a_whole_site_somebody_is_always_silent(place: Place) -> None:
    place.misses(4)
    assert place.waiting([0], LONG_AGO) == []
    assert place.waiting([0, 1], LONG_AGO) == [], "nor is anybody waited for who has been judged"


def test_a_silence_that_was_seen_to_begin_holds_nobody_up(place: Place) -> None:
    place.view.answered_at[1] = NOW - 300.0
    assert place.waiting([0, 1], [LONG_AGO, JUST_NOW]) == []
    place.view.answered_at[0] = NOW - 300.0
    place.misses(2)
    assert place.waiting([0, 1], JUST_NOW) == []


def test_who_is_part_of_a_shared_cause_is_decided_about_with_that(place: Place) -> None:
    place.misses(1)
    assert place.waiting([0], LONG_AGO, alone=(3, 4, 5)) == []


def test_those_that_were_missed_together_count_since_the_last_of_them_and_others_since_their_own() -> None:
    view = SiteView(site(5))
    view.missing_since[:5] = [NOW - 300.0, NOW - 120.0, NOW - 100.0, NOW - 100.0, NOW - 100.0]
    view.answered_at[3] = NOW - 105.0
    rows, since = np.arange(5), np.array([NOW - k for k in (250.0, 70.0, 50.0, 45.0, 40.0)])
    free = np.array([True, True, True, True, False])
    told = as_if_together(view, rows, free, since, window_s=WINDOW_S)
    assert told.tolist() == [NOW - k for k in (250.0, 50.0, 50.0, 45.0, 40.0)]
    nobody = as_if_together(view, rows, np.zeros(5, dtype=np.bool_), since, window_s=WINDOW_S)
    assert nobody.tolist() == since.tolist()
