"""Our Sobol points are SciPy's (Joe and Kuo's direction numbers), and the shift keeps their balance."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.space.sobol import MOST_DIMS, Sobol


@pytest.mark.parametrize("n_dims", [1, 2, 7, MOST_DIMS])
def test_the_plain_sequence_is_scipys(n_dims):
    from scipy.stats import qmc

    np.testing.assert_array_equal(Sobol(n_dims).random(1024), qmc.Sobol(n_dims, scramble=False).random(1024))


def test_the_sequence_goes_on_where_it_stopped():
    whole = Sobol(5, np.random.default_rng(1)).random(64)
    parts = Sobol(5, np.random.default_rng(1))
    np.testing.assert_array_equal(np.vstack([parts.random(10), parts.random(54)]), whole)


@pytest.mark.parametrize("seed", range(5))
def test_each_dimension_has_one_point_in_each_of_n_equal_parts(seed):
    points = Sobol(MOST_DIMS, np.random.default_rng(seed)).random(256)
    assert ((points > 0) & (points < 1)).all()
    for column in points.T:
        assert sorted((column * 256).astype(int)) == list(range(256))
