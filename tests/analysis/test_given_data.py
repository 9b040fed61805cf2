"""PAWN and delta against slow twins with SciPy, their known values, and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde, ks_2samp, norm, rankdata

from strategy_optimizer.analysis.given_data import (
    LEAST_IN_CLASS,
    classes_of,
    delta,
    delta_classes,
    normal_scores,
    pawn,
)


def sample(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return x, np.round(2.0 * x + rng.standard_normal(n), 2)  # with equal values


def test_pawn_is_the_median_of_scipys_distances() -> None:
    x, y = sample()
    classes = classes_of(x, 10, False)
    distances = [ks_2samp(y[classes == one], y).statistic for one in range(10)]
    assert pawn(classes, y) == pytest.approx(np.median(distances), abs=1e-12)


def test_small_classes_are_left_out() -> None:
    y = np.arange(60.0)
    classes = np.array([0] * 27 + [1] * 28 + [2] * (LEAST_IN_CLASS - 5))
    others = [ks_2samp(y[classes == one], y).statistic for one in (0, 1)]
    assert pawn(classes, y) == pytest.approx(np.median(others))
    assert np.isnan(pawn(np.zeros(60, int), y))
    assert np.isnan(delta(np.zeros(60, int), y))


def test_delta_is_the_area_between_scipys_densities() -> None:
    x, y = sample()
    classes, scores = classes_of(x, 8, False), normal_scores(y)
    grid = np.linspace(scores.min(), scores.max(), 100)
    everywhere = gaussian_kde(scores, bw_method="silverman")(grid)
    areas = [
        np.mean(classes == one)
        * 0.5
        * np.trapezoid(
            np.abs(gaussian_kde(scores[classes == one], bw_method="silverman")(grid) - everywhere), grid
        )
        for one in range(8)
    ]
    assert delta(classes, y) == pytest.approx(sum(areas), abs=2e-3)  # ours is counted on a grid


def test_delta_of_a_normal_pair() -> None:
    # y = x + e: half the area between N(0, 2) and N(x, 1), averaged over x, by numerical integration: 0.3041.
    grid, x = np.linspace(-8.0, 8.0, 2001), norm.ppf((np.arange(2000) + 0.5) / 2000)
    everywhere = norm.pdf(grid, scale=np.sqrt(2.0))
    areas = [0.5 * np.trapezoid(np.abs(norm.pdf(grid, loc=one) - everywhere), grid) for one in x]
    true = float(np.mean(areas))
    rng = np.random.default_rng(1)
    x = rng.standard_normal(40_000)
    found = delta(classes_of(x, delta_classes(len(x)), False), x + rng.standard_normal(len(x)))
    assert found == pytest.approx(true, abs=0.03)


def test_neither_feels_the_units_nor_a_rising_function() -> None:
    x, y = sample()
    classes = classes_of(x, 8, False)
    for index in (pawn, delta):
        assert index(classes, y) == pytest.approx(index(classes, np.exp(3.0 * y) - 7.0), abs=1e-12)


def test_what_decides_everything_is_far_above_what_decides_nothing() -> None:
    rng = np.random.default_rng(2)
    x, z = rng.random((2, 1000))
    for index, most in ((pawn, 10), (delta, delta_classes(1000))):
        assert index(classes_of(x, most, False), x) > 0.5
        assert index(classes_of(z, most, False), x) < 0.12


def test_every_choice_counts_also_the_last() -> None:
    # SALib 1.6.0 leaves the highest value out: its PAWN would not see that choice 1 is different.
    x = np.repeat([0.0, 1.0], [900, 100])
    y = np.concatenate([np.random.default_rng(0).normal(size=900), np.full(100, 9.0) + np.arange(100) / 100])
    classes = classes_of(x, 10, True)
    assert np.unique(classes).tolist() == [0, 1]
    assert pawn(classes, y) == pytest.approx(np.median([0.1, 0.9]), abs=1e-9)


def test_classes() -> None:
    x = np.random.default_rng(3).random(1000)
    classes = classes_of(x, 10, False)
    assert np.bincount(classes).tolist() == [100] * 10
    assert np.all(np.diff(classes[np.argsort(x)]) >= 0)
    levels = rankdata(np.round(x, 1), method="dense").astype(float)
    assert len(np.unique(classes_of(levels, 20, False))) == 11  # few values are classes of their own
    tied = np.repeat([1.0, 2.0, 3.0], [500, 300, 200])
    assert all(len(np.unique(classes_of(tied, 2, False)[tied == value])) == 1 for value in (1.0, 2.0, 3.0))
    inactive = np.where(x < 0.3, np.nan, x)
    assert np.all(classes_of(inactive, 10, False)[np.isnan(inactive)] == 10)
