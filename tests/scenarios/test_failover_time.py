"""How long miners that know the lost pool alone are without one: from its loss to 95 % paid elsewhere, in waves."""

from pathlib import Path

import pytest

from agent.cli.tiers import TIERS
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.model.action import Verb
from agent.model.events import Intended
from benchmarks.failover import lose_the_pool

MINERS = 120


@pytest.mark.parametrize(("kind", "most_s"), [("pool.down", 420.0), ("pool.hung", 480.0)])
def test_95_per_cent_are_paid_elsewhere_within_minutes_and_nobody_is_told_twice(
    tmp_path: Path, kind: str, most_s: float
) -> None:
    run = TIERS[TierName.FAST_FORWARD].run
    reached = run(lose_the_pool(tmp_path, TierName.FAST_FORWARD, MINERS, kind), timeout_wall_s=60.0)
    assert reached[0.95] <= most_s
    told = [
        miner
        for record in read(tmp_path / "ledger.sqlite3")
        if isinstance(record.event, Intended) and record.event.action.verb is Verb.SWITCH_POOL
        for miner in record.event.action.targets
    ]
    assert len(told) == len(set(told)) == MINERS
