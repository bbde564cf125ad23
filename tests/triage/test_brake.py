"""The brake on what miners say themselves: what counts as several, what does not, and when it is let go."""

from dataclasses import replace

import numpy as np
import pytest

from agent.ledger.fold import State
from agent.model.events import IncidentOpened, Record
from agent.model.ids import MinerId
from agent.model.incident import Category, Health, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.triage.correlate import WINDOW_S, Correlator
from agent.triage.lifecycle import triage
from agent.triage.limits import TriageLimits
from tests.factory import EPOCH, miner, site
from tests.triage.test_triage import Says

MINERS = 12
"""All behind one switch and one PDU, three to a breaker, in one rack."""

SAYS = {
    Category.POOL: Reason.NO_POOL,
    Category.THERMAL: Reason.OVERHEATED,
    Category.REJECTS: Reason.REJECTS,
    Category.STUCK: Reason.NOT_HASHING,
}


class World:
    def __init__(self) -> None:
        self.view = SiteView(site(tuple(replace(miner(k), rack="r1") for k in range(1, MINERS + 1))))
        self.view.reach[:] = Reach.ANSWERED
        self.state = State()
        self.correlator = Correlator(self.view.domains)

    def braked(self, category: Category, rows: tuple[int, ...], *, age_s: float = 10.0) -> list[int]:
        """Return whom the brake holds when these rows have shown something of that class for so long."""
        since = np.full(MINERS, np.nan)
        since[list(rows)] = EPOCH - age_s
        health = np.where(np.isnan(since), Health.HEALTHY, Health.FIRING).astype(np.int8)
        verdict = Verdicts(category, health, since, np.full(MINERS, np.nan), Says(SAYS[category]))
        made = triage(self.view, self.state, [verdict], TriageLimits(), EPOCH, correlator=self.correlator)
        return [] if made.braked is None else np.flatnonzero(made.braked).tolist()


@pytest.mark.parametrize("category", list(SAYS))
def test_three_alike_under_one_domain_hold_it_and_two_do_not(category: Category) -> None:
    world = World()
    braked = world.braked(category, (0, 4, 8))
    assert {0, 4, 8} <= set(braked)
    assert world.braked(category, (0, 4)) == []


@pytest.mark.parametrize("category", list(SAYS))
def test_two_minutes_later_it_is_let_go(category: Category) -> None:
    assert World().braked(category, (0, 4, 8), age_s=WINDOW_S)
    assert World().braked(category, (0, 4, 8), age_s=WINDOW_S + 1.0) == []


def test_what_is_not_alike_does_not_add_up() -> None:
    world = World()
    world.view.reach[4] = Reach.SILENT
    assert world.braked(Category.STUCK, (0, 4, 8)) == [], "one is silent, two answer and stand still"


def test_what_has_been_named_is_no_reason_any_more() -> None:
    world = World()
    opened = IncidentOpened(
        incident=world.state.incident_id(0),
        category=Category.POOL,
        cause=Reason.NO_POOL,
        severity=Severity.HIGH,
        members=tuple(MinerId(f"m{k}") for k in (1, 5, 9)),
        detected_at=EPOCH,
        evidence={},
        domain="pool:primary",
    )
    world.state.apply(Record(1, EPOCH, "agent", opened, "", ""))  # type: ignore[arg-type]
    assert world.braked(Category.POOL, (0, 4, 8)) == []
    assert world.braked(Category.POOL, (0, 4, 8, 9, 10)) == [], "two more are two"
    assert world.braked(Category.POOL, (1, 2, 3))
