"""A site's surroundings: functions of time and seed, with the laws they are said to follow."""

import statistics

import numpy as np
import pytest

from agent.model.ids import MinerId
from agent.model.topology import Family
from simulators.plant.firmware import FIRMWARES, firmware_of, profile_of
from simulators.plant.history import CALM, DAY_S, History, HistorySettings, shift
from simulators.plant.profile import PROFILES
from simulators.plant.site import SitePlant
from tests.factory import miner, site

M1 = MinerId("m1")
WEEK_S = 7.0 * DAY_S


def history(seed: int = 1, settings: HistorySettings | None = None, start_s: float = 0.0) -> History:
    return History(settings or HistorySettings(), seed=seed, start_s=start_s)


def test_blocks_come_every_ten_minutes_in_the_mean_and_at_random() -> None:
    blocks = history().blocks_between(0.0, 26 * WEEK_S)
    gaps = np.diff(blocks)
    assert statistics.mean(gaps) == pytest.approx(600.0, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(600.0, rel=0.05), "a Poisson process: spread as wide as its mean"


def test_blocks_are_the_same_whoever_asks_for_what_first() -> None:
    late_first, in_order = history(), history()
    late = late_first.blocks_between(WEEK_S, 2 * WEEK_S)
    pieces = [b for k in range(14) for b in in_order.blocks_between(k * DAY_S, (k + 1) * DAY_S)]
    assert late_first.blocks_between(0.0, WEEK_S) + late == tuple(pieces)
    assert history(2).blocks_between(0.0, WEEK_S) != history(1).blocks_between(0.0, WEEK_S)


@pytest.mark.parametrize("start_s", [0.0, 5e5])
def test_the_blocks_around_a_moment(start_s: float) -> None:
    h = history(start_s=start_s)
    blocks = h.blocks_between(start_s, start_s + DAY_S)
    assert h.around(start_s)[0] == -np.inf
    assert h.around(start_s)[1] == blocks[0]
    assert h.around(blocks[3]) == (blocks[3], blocks[4])
    assert h.around((blocks[3] + blocks[4]) / 2) == (blocks[3], blocks[4])


def test_the_stale_window_is_the_average_share_of_the_mean_gap() -> None:
    h = history()
    assert h.stale_window_s(0.0005) == pytest.approx(0.3), 'facts "detection", section 2'
    assert len(h.blocks_between(0.0, 26 * WEEK_S)) * 0.3 / (26 * WEEK_S) == pytest.approx(0.0005, rel=0.03)


def test_difficulties_move_by_two_around_their_base_twice_a_day() -> None:
    h = history()
    changes, factors = 0, []
    for k in range(40):
        at = 0.0
        while at < 4 * WEEK_S:
            factor, until = h.difficulty_factor(MinerId(f"m{k}"), at)
            assert factor in {0.5, 1.0, 2.0}
            changes += at > 0.0
            factors.append((factor, until - at))
            at = until
    assert changes / 40 / 28 == pytest.approx(2.0, rel=0.1)
    held_s = sum(s for _, s in factors)
    assert sum(s for f, s in factors if f == 1.0) / held_s == pytest.approx(0.5, abs=0.06)
    assert sum(s for f, s in factors if f == 2.0) / held_s == pytest.approx(0.25, abs=0.05)


def test_nothing_moves_before_the_site_begins() -> None:
    h = history(start_s=1e6)
    assert h.difficulty_factor(M1, 0.0)[0] == 1.0
    assert h.blocks_between(0.0, 1e6) == ()


def test_a_calm_site_has_no_surroundings() -> None:
    h = history(settings=CALM)
    assert h.blocks_between(0.0, WEEK_S) == ()
    assert h.around(WEEK_S) == (-np.inf, np.inf)
    assert h.difficulty_factor(M1, WEEK_S) == (1.0, np.inf)
    assert h.stale_window_s(0.1) == 0.0


@pytest.mark.parametrize(
    ("hour", "which"), [(0, 0), (7.99, 0), (8, 1), (15.99, 1), (16, 2), (23.99, 2), (24, 0), (32, 1)]
)
def test_three_shifts_a_day_lose_different_shares_of_polls(hour: float, which: int) -> None:
    h = history(settings=HistorySettings(lost_polls=0.004))
    assert shift(hour * 3600.0) == which
    assert h.lost_polls(hour * 3600.0) == pytest.approx((0.002, 0.006, 0.004)[which])
    factor, until = h.noise_factor(hour * 3600.0)
    assert factor == (0.9, 1.1, 1.0)[which]
    assert h.noise_factor(until)[0] == (1.1, 1.0, 0.9)[which]
    assert h.noise_factor(until - 1e-6)[0] == factor


def test_no_polls_are_lost_unless_asked_for_and_never_more_than_all() -> None:
    assert history().lost_polls(10 * 3600.0) == 0.0
    assert history(settings=HistorySettings(lost_polls=0.9)).lost_polls(10 * 3600.0) == 1.0


@pytest.mark.parametrize("family", Family)
def test_firmware_is_spread_by_its_shares(family: Family) -> None:
    h, n = history(), 2000
    drawn = [firmware_of(MinerId(f"m{k}"), family, h) for k in range(n)]
    assert sum(v.share for v in FIRMWARES[family]) == pytest.approx(1.0)
    for version in FIRMWARES[family]:
        assert drawn.count(version) / n == pytest.approx(version.share, abs=0.04)
    assert {firmware_of(MinerId(f"m{k}"), family, history(settings=CALM)) for k in range(50)} == {FIRMWARES[family][0]}
    assert profile_of(family, FIRMWARES[family][0], None) == PROFILES[family]
    assert profile_of(family, FIRMWARES[family][0], 4).boards == 4


def test_a_miners_firmware_decides_how_it_starts() -> None:
    plant = SitePlant(site(tuple(miner(k) for k in range(1, 13))), seed=3)
    family = PROFILES[Family.ANTMINER_STOCK]
    assert {m.firmware.version for m in plant.miners.values()} == {v.version for v in FIRMWARES[Family.ANTMINER_STOCK]}
    for m in plant.miners.values():
        assert m.profile.freezes is (m.firmware.version == "49.0.1.3")
        m.reboot(0.0)
        least_s, most_s = (family.boot_s[k] * m.firmware.boot_factor for k in (0, 1))
        assert m.profile.boot_s == pytest.approx((least_s, most_s))
    plant.advance(400.0)
    assert all(m.healthy for m in plant.miners.values())
