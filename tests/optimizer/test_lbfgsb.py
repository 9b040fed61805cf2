"""The steps of L-BFGS-B: those of SciPy's own `minimize`, to the bit."""

import numpy as np
import pytest
from scipy.optimize import minimize

from strategy_optimizer.optimizer.bayes import gaussian_process, lbfgsb
from strategy_optimizer.optimizer.bayes.gaussian_process import EXACT_LENGTHS, LENGTH_BOUNDS, NOISE_BOUNDS
from strategy_optimizer.optimizer.bayes.lbfgsb import minimise

BOX = np.array([[-2.0, 3.0]] * 4)


def by_scipy(function, start, bounds, max_steps=30):
    """Return what `scipy.optimize.minimize` finds."""
    options = {"maxiter": max_steps, "gtol": 1e-3, "ftol": 1e-6}
    found = minimize(function, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x, found.fun


def same(function, start, bounds, max_steps=30):
    """Return whether both find the same point and value."""
    point, value = minimise(function, start, bounds, max_steps=max_steps, gradient=1e-3, decrease=1e-6)
    theirs = by_scipy(function, start, bounds, max_steps)
    return np.array_equal(point, theirs[0], equal_nan=True) and np.array_equal(
        value, theirs[1], equal_nan=True
    )


@pytest.mark.parametrize("max_steps", [3, 30, 100])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_fits_of_a_model(d, max_steps):
    bounds = np.array([LENGTH_BOUNDS] * d + [NOISE_BOUNDS])
    for seed in range(8):
        rng = np.random.default_rng([seed, d])
        features, scores = rng.random((int(rng.integers(3, 60)), d)), rng.standard_normal(60)
        features[rng.random(features.shape) < 0.1] = np.nan

        def loss(log_values, features=features, scores=scores):
            categorical = np.zeros(d, bool)
            return gaussian_process._loss(
                log_values, features, scores[: len(features)], None, categorical, EXACT_LENGTHS
            )

        assert same(loss, rng.uniform(*bounds.T), bounds, max_steps), (seed, d)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (float(np.abs(x).sum()), np.sign(x)),  # a kink: line searches end without success
        lambda x: (1.0, np.zeros_like(x)),
        lambda x: (float(x.sum()), np.ones_like(x)),  # the least value is in a corner
        lambda x: (
            (1e10, np.zeros_like(x)) if x[0] > 0.3 else (float(x @ x), 2.0 * x)
        ),  # as where a model has no factor
        lambda x: (float(x @ x), -2.0 * x),  # a gradient that is wrong
        lambda x: (np.nan, x),
    ],
)
def test_functions_that_are_no_bowls(function):
    rng = np.random.default_rng(0)
    for case in range(20):
        assert same(function, rng.uniform(*BOX.T), BOX), case


def test_without_the_steps_scipy_takes_them(monkeypatch):
    def bowl(x):
        return float(((x - 1.0) ** 2).sum()), 2.0 * (x - 1.0)

    start = np.zeros(4)
    known = minimise(bowl, start, BOX, max_steps=30, gradient=1e-3, decrease=1e-6)
    monkeypatch.setattr(lbfgsb, "lbfgsb", lambda: None)
    found = minimise(bowl, start, BOX, max_steps=30, gradient=1e-3, decrease=1e-6)
    assert np.array_equal(found[0], known[0])
    assert found[1] == known[1]
