"""Sobol indices: the published ones of Ishigami's function, exact ones of simple functions."""

from __future__ import annotations

import numpy as np
import pytest
from planted_landscapes import ishigami

from strategy_optimizer.analysis.sobol import sobol_indices

# Ishigami and Homma (1990) with a = 7, b = 0.1.
FIRST, TOTAL = [0.3139, 0.4424, 0.0], [0.5576, 0.4424, 0.2437]
VARIANCE = 49.0 / 8.0 + 0.1 * np.pi**4 / 5.0 + 0.01 * np.pi**8 / 18.0 + 0.5


@pytest.mark.parametrize("seed", range(3))
def test_ishigami(seed: int) -> None:
    found = sobol_indices(ishigami, 3, n=8192, seed=seed)
    assert found is not None
    assert found.first == pytest.approx(FIRST, abs=0.01)
    assert found.total == pytest.approx(TOTAL, abs=0.01)
    assert found.variance == pytest.approx(VARIANCE, rel=0.01)


def test_bands_hold_the_published_indices() -> None:
    held = []
    for seed in range(20):
        found = sobol_indices(ishigami, 3, n=1024, seed=seed)
        assert found is not None
        for band, true in ((found.first_band, FIRST), (found.total_band, TOTAL)):
            held += [low <= value <= high for (low, high), value in zip(band.tolist(), true, strict=True)]
    assert np.mean(held) >= 0.9  # an even sample is better than the independent one of the bands


def test_an_added_function_has_no_interaction() -> None:
    found = sobol_indices(lambda x: 3.0 * x[:, 0] + 4.0 * x[:, 1] + 1e6, 3)
    assert found is not None
    assert found.total == pytest.approx([9 / 25, 16 / 25, 0.0], abs=0.01)
    assert found.first == pytest.approx(found.total, abs=0.02)


def test_a_product_is_interaction_alone() -> None:
    found = sobol_indices(lambda x: (x[:, 0] - 0.5) * (x[:, 1] - 0.5), 2)
    assert found is not None
    assert found.first == pytest.approx([0.0, 0.0], abs=0.05)
    assert found.total == pytest.approx([1.0, 1.0], abs=0.05)


def test_a_constant_has_none() -> None:
    assert sobol_indices(lambda x: np.full(len(x), 3.7), 2) is None


def test_many_inputs_use_a_random_sample() -> None:
    found = sobol_indices(lambda x: x[:, 0] + 0.0 * x[:, 1], 25, n=4096)
    assert found is not None
    assert found.total[0] == pytest.approx(1.0, abs=0.05)
    assert found.total[1:] == pytest.approx(np.zeros(24), abs=1e-12)
