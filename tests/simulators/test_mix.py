"""Background faults: how often, of which kind, where; and what happens to one that finds nobody well."""

import asyncio
import random
from collections import Counter

import pytest

from agent.model.incident import Category
from simulators.faults import FAULT_KINDS
from simulators.mix import CATEGORY_SHARES, UNFIXABLE, Happening, arrivals, drawn, play, shuffled
from simulators.plant.site import SitePlant
from simulators.truth import Truth
from simulators.virtual_time import run
from tests.factory import site

DRAWS = 4000


def test_the_shares_are_the_whole() -> None:
    assert sum(CATEGORY_SHARES.values()) == pytest.approx(1.0)


def test_arrivals_are_as_many_as_the_rate_says_and_come_in_order() -> None:
    found = list(arrivals(random.Random(1), 0.01, 100_000.0))
    assert found == sorted(found)
    assert found[0] > 0.0
    assert found[-1] < 100_000.0
    assert len(found) == pytest.approx(1000, abs=100)


def test_a_mix_is_of_incidents_alone_and_its_hopeless_share_is_as_documented() -> None:
    rng = random.Random(2)
    kinds = Counter(drawn(rng)[0] for _ in range(DRAWS))
    assert all(FAULT_KINDS[kind].counts for kind in kinds)
    hopeless = sum(n for kind, n in kinds.items() if not FAULT_KINDS[kind].fixable)
    assert hopeless / DRAWS == pytest.approx(UNFIXABLE, abs=0.015)


def test_a_mix_has_every_category_by_its_share() -> None:
    rng = random.Random(6)
    drawn_of = Counter(FAULT_KINDS[drawn(rng, 0.0)[0]].category for _ in range(DRAWS))
    assert set(drawn_of) == set(CATEGORY_SHARES) == set(Category)
    for category, share in CATEGORY_SHARES.items():
        assert drawn_of[category] / DRAWS == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize(("unfixable", "fixable"), [(0.0, {True}), (1.0, {False})])
def test_the_hopeless_share_can_be_chosen(unfixable: float, fixable: set[bool]) -> None:
    rng = random.Random(3)
    assert {FAULT_KINDS[drawn(rng, unfixable)[0]].fixable for _ in range(300)} == fixable


def test_some_of_many_are_drawn_and_all_of_all_stay_in_order() -> None:
    targets = [f"miner:m{k}" for k in range(20)]
    assert shuffled(random.Random(4), targets, 20) == tuple(targets)
    some = shuffled(random.Random(4), targets, 3)
    assert some != tuple(targets)
    assert sorted(some) == sorted(targets)


def test_who_is_not_well_is_passed_over_and_who_is_missing_is_told() -> None:
    async def main() -> tuple[Truth, int]:
        plant = SitePlant(site(3), seed=5)
        truth = Truth(plant)
        everyone = tuple(f"miner:{m.id}" for m in plant.site.miners)
        short = await play(
            truth,
            plant,
            [
                Happening(60.0, "miner.psu_dead", everyone, 3),
                Happening(10.0, "miner.control_board_hung", everyone, 1),
                Happening(65.0, "miner.psu_latched", everyone, 1, background=True),
                Happening(70.0, "wire.silent", everyone, 1),
            ],
        )
        return truth, short

    truth, short = run(main(), timeout_wall_s=30.0)
    first = truth.faults()[0]
    assert (first.kind, first.started_at) == ("miner.control_board_hung", 10.0)
    assert [f.kind for f in truth.faults()[1:]] == ["miner.psu_dead", "miner.psu_dead", "wire.silent"]
    assert first.miners not in [f.miners for f in truth.faults()[1:3]]
    assert short == 1


def test_nothing_to_play_is_over_at_once() -> None:
    async def main() -> float:
        plant = SitePlant(site(1), seed=5)
        await play(Truth(plant), plant, [])
        return asyncio.get_running_loop().time()

    assert run(main(), timeout_wall_s=30.0) == 0.0
