"""Chance for many rows: its distributions are those it stands for, tails included, and a seed gives the same again."""

import math

import numpy as np
import pytest

from simulators.fast_forward.chance import USUAL_MOST, Chance, Counts

ROWS = 1000
ROUNDS = 400


def test_normal_numbers_are_normal_and_have_their_tails() -> None:
    drawn = np.concatenate([Chance(seed).normal(100_000) for seed in range(30)])
    assert abs(float(drawn.mean())) < 0.003
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.002)
    assert float((drawn**4).mean()) == pytest.approx(3.0, abs=0.03)
    beyond = int((np.abs(drawn) > 4.2).sum())
    assert beyond == pytest.approx(len(drawn) * math.erfc(4.2 / math.sqrt(2.0)), rel=0.4)
    assert float(np.abs(drawn).max()) > 4.6
    assert (drawn > 4.2).any()
    assert (drawn < -4.2).any()


def scattered(chance: Chance, expected: np.ndarray) -> np.ndarray:
    return np.bincount(chance.events(expected), minlength=len(expected))


def counted(expected: float, usual: float) -> np.ndarray:
    chance = Chance(5)
    counts = Counts(ROWS, chance)
    for row in range(ROWS):
        counts.expect(row, usual)
    drawn = []
    for _ in range(ROUNDS):
        usually, rest = counts.draw(np.full(ROWS, expected))
        drawn.append(usually + scattered(chance, rest))
    return np.concatenate(drawn)


@pytest.mark.parametrize(
    ("expected", "usual"),
    [(0.0, 0.0), (0.03, 0.0), (4.5, 4.49), (9.0, 8.9), (18.0, 17.5), (9.0, 10.0), (18.0, 9.0), (60.0, 60.0)],
)
def test_counts_are_poisson_counts_whatever_is_usual(expected: float, usual: float) -> None:
    counts = counted(expected, usual)
    assert usual <= USUAL_MOST or expected > USUAL_MOST
    scale = math.sqrt(expected / len(counts)) if expected else 1e-9
    assert abs(float(counts.mean()) - expected) <= 4.5 * scale
    assert float(counts.var()) == pytest.approx(expected, rel=0.02, abs=1e-9)
    for k in range(int(expected + 3.0 * math.sqrt(expected)) + 1):
        chance = math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) if expected else float(k == 0)
        margin = 4.5 * math.sqrt(max(chance * (1.0 - chance), 1e-9) / len(counts))
        assert abs(float((counts == k).mean()) - chance) <= margin, k


def test_rare_events_are_poisson_counts_each_with_its_own_row() -> None:
    expected = np.array([0.0, 0.2, 0.0, 0.05, 0.0])
    chance = Chance(7)
    drawn = np.array([scattered(chance, expected) for _ in range(40_000)])
    assert drawn.mean(axis=0) == pytest.approx(expected, abs=0.01)
    assert drawn.var(axis=0) == pytest.approx(expected, abs=0.01)
    assert abs(float(np.corrcoef(drawn[:, 1], drawn[:, 3])[0, 1])) < 0.02
    assert not chance.events(np.zeros(4)).size


def test_what_a_row_comes_to_expect_is_drawn_at_once() -> None:
    chance = Chance(3)
    counts = Counts(ROWS, chance)
    for row in range(ROWS):
        counts.expect(row, 9.0)
    counts.draw(np.full(ROWS, 9.0))
    for row in range(ROWS):
        counts.expect(row, 4.5)
    usually, rest = zip(*(counts.draw(np.full(ROWS, 4.5)) for _ in range(ROUNDS)), strict=True)
    assert float(np.mean(usually)) == pytest.approx(4.5, rel=0.005)
    assert float(np.var(usually)) == pytest.approx(4.5, rel=0.02)
    assert not np.any(rest)


def test_a_seed_gives_the_same_again_and_another_does_not() -> None:
    one, same, other = Chance(1), Chance(1), Chance(2)
    expected = np.full(50, 0.4)
    assert (one.normal(50) == same.normal(50)).all()
    assert (one.events(expected) == same.events(expected)).all()
    assert (one.normal(50) != other.normal(50)).any()
