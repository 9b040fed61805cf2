"""PED-ANOVA: densities against slow loops, and that the deciding parameter is found; Optuna's is in tests/peers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from strategy_optimizer.analysis.ped_anova import (
    LEAST_WIDTH,
    PRIOR_WEIGHT,
    best_rows,
    cells_of,
    density,
    divergence,
)
from strategy_optimizer.space import Categorical, Continuous, Discrete


def slow_density(cells: list[int], n_cells: int) -> np.ndarray:
    """Return the mean of a Gaussian kernel for each trial and one for the prior, all cut at the ends of the grid."""
    width = 1.059 * min(np.ptp(_quartiles(cells)) / 1.34, np.std(cells, ddof=1)) * len(cells) ** -0.2
    kernels = [(cell, max(width, LEAST_WIDTH), 1.0) for cell in cells]
    kernels.append(((n_cells - 1) / 2, float(n_cells), PRIOR_WEIGHT))
    total = np.zeros(n_cells)
    for middle, deviation, weight in kernels:
        inside = [
            norm.cdf(g + 0.5, middle, deviation) - norm.cdf(g - 0.5, middle, deviation)
            for g in range(n_cells)
        ]
        total += weight * np.array(inside) / sum(inside)
    return total / (len(cells) + PRIOR_WEIGHT)


def _quartiles(cells: list[int]) -> tuple[int, int]:
    ordered = sorted(cells)
    return ordered[max(len(cells) // 4 - 1, 0)], ordered[len(cells) * 3 // 4]


@pytest.mark.parametrize("seed", range(5))
def test_density_of_numbers(seed: int) -> None:
    cells = np.random.default_rng(seed).binomial(19, 0.3, 60)
    counts = np.bincount(cells, minlength=20).astype(float)
    found = density(counts, categorical=False)
    assert found.sum() == pytest.approx(1.0)
    assert found == pytest.approx(slow_density(cells.tolist(), 20), abs=1e-12)


def test_density_of_choices_is_their_shares_and_a_little_of_an_even_one() -> None:
    found = density(np.array([500.0, 300.0, 0.0]), categorical=True)
    assert found * 801.0 == pytest.approx([500.0 + 1 / 3, 300.0 + 1 / 3, 1 / 3])


def test_divergence_of_what_does_not_differ_is_none() -> None:
    counts = np.random.default_rng(0).multinomial(500, np.full(10, 0.1)).astype(float)
    assert divergence(counts, counts, categorical=False) == pytest.approx(0.0, abs=1e-12)
    moved = np.roll(np.array([90.0, 10.0, *[0.0] * 8]), 3)
    assert divergence(moved, counts, categorical=False) > 1.0


def test_cells_follow_the_scale() -> None:
    log = Continuous(0.01, 1.0, log=True)
    assert cells_of(log, np.array([0.01, 0.1, 1.0]))[0].tolist() == [0, 24, 49]
    assert cells_of(Discrete(1, 9, step=2), np.array([1.0, 5.0, 9.0]))[0].tolist() == [0, 2, 4]
    assert cells_of(Categorical(["a", "b"]), np.array([0.0, 1.0]))[1] == 2
    assert cells_of(Discrete(3, 3), np.array([3.0]))[1] == 1


def test_best_rows_are_at_least_the_share() -> None:
    gains = np.random.default_rng(1).random(333)
    assert best_rows(gains, 0.1).sum() == math.ceil(33.3)
    assert gains[best_rows(gains, 0.1)].min() > gains[~best_rows(gains, 0.1)].max()
