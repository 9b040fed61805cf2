"""The maximum of N normals and the deflated Sharpe ratio beyond the published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    approximate_expected_maximum,
    deflated_sharpe_2012,
    deflated_sharpe_h0,
    even_trials,
    expected_maximum,
    minimum_backtest_length,
    null_sharpe_variance,
    psr_2012,
    psr_h0,
    sharpe_moments,
    trials_sharpe_variance,
)

BEST = SharpeMoments(0.15, 1000, -0.5, 5.0)


@pytest.mark.parametrize("n", [1.5, 7, 46, 1000, 12_345.5, 1e5, 1e6, 1e7])
def test_quadrature_against_scipys(n):
    from scipy.integrate import quad
    from scipy.stats import norm

    def density(x):
        return n * np.exp((n - 1) * norm.logcdf(x) + norm.logpdf(x))

    def integral(function):
        return quad(function, -9, 14, points=[0, 2, 4, 5, 6], epsabs=1e-12, limit=400)[0]

    mean = integral(lambda x: x * density(x))
    variance = integral(lambda x: (x - mean) ** 2 * density(x))
    found = expected_maximum(n)
    assert found.mean == pytest.approx(mean, abs=1e-10)
    assert found.deviation == pytest.approx(math.sqrt(variance), abs=1e-10)


def test_one_trial_is_one_normal():
    assert expected_maximum(1) == (0.0, 1.0)
    near = expected_maximum(1.0 + 1e-9)
    assert near.mean == pytest.approx(0.0, abs=1e-8)
    assert near.deviation == pytest.approx(1.0, abs=1e-8)


def test_a_simulated_maximum():
    found = np.random.default_rng(0).standard_normal((20_000, 50)).max(axis=1)
    expected = expected_maximum(50)
    assert found.mean() == pytest.approx(expected.mean, abs=4 * expected.deviation / 20_000**0.5)
    assert found.std() == pytest.approx(expected.deviation, rel=0.03)


def test_how_far_off_the_approximation_is():
    """The figures that the documentation states."""
    errors = {n: approximate_expected_maximum(n) / expected_maximum(n).mean - 1.0 for n in (2, 5, 10, 100)}
    assert errors == pytest.approx({2: -0.0788, 5: 0.0255, 10: 0.0233, 100: 0.0092}, abs=1e-4)
    assert approximate_expected_maximum(1e7) == pytest.approx(expected_maximum(1e7).mean, rel=0.003)


@given(n=st.floats(1.0, 1e7), more=st.floats(1.0001, 10.0))
def test_more_trials_have_a_higher_and_surer_maximum(n, more):
    few, many = expected_maximum(n), expected_maximum(n * more)
    assert many.mean > few.mean
    assert many.deviation < few.deviation


@pytest.mark.parametrize("function", [deflated_sharpe_2012, deflated_sharpe_h0])
@given(n=st.floats(1.0, 1e6), more=st.floats(1.0, 100.0), variance=st.floats(0.0, 0.01))
def test_a_deflated_sharpe_is_a_probability_that_falls_with_the_trials(function, n, more, variance):
    few = function(BEST, n_trials=n, trials_variance=variance)
    many = function(BEST, n_trials=n * more, trials_variance=variance)
    assert 0.0 <= many <= 1.0
    # Above the benchmark the second convention grows surer of the maximum, so it need not fall.
    if function is deflated_sharpe_2012:
        assert many <= few + 1e-12


def test_one_trial_or_no_variance_is_no_selection():
    for n_trials, variance in ((1, 0.01), (1000, 0.0)):
        assert deflated_sharpe_2012(BEST, n_trials=n_trials, trials_variance=variance) == psr_2012(BEST)
    assert deflated_sharpe_h0(BEST, n_trials=1, trials_variance=0.01) == psr_h0(BEST)


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_the_minimum_backtest_length_is_below_its_bound(method):
    lengths = [minimum_backtest_length(n, 1.0, method=method) for n in (1, 2, 10, 100, 10_000)]
    assert lengths == sorted(lengths)
    assert all(length <= 2 * math.log(n) for length, n in zip(lengths, (1, 2, 10, 100, 10_000), strict=True))
    assert minimum_backtest_length(100, 2.0, method=method) == pytest.approx(lengths[3] / 4)


def test_the_variance_of_the_trials():
    assert trials_sharpe_variance([0.1, np.nan, 0.3, np.inf]) == pytest.approx(0.02)
    assert trials_sharpe_variance([0.1, np.nan]) == NotEnough("trials with a Sharpe ratio", 1, 2)
    assert trials_sharpe_variance([0.1, 0.1]) == NotEnough("distinct Sharpe ratios", 1, 2)


def related(n: int, alike: float, rng: np.random.Generator, observations: int = 500) -> np.ndarray:
    """Return returns (observations, n) of trials without skill, any two of which correlate by `alike`."""
    shared, own = rng.standard_normal((observations, 1)), rng.standard_normal((observations, n))
    return 0.01 * (math.sqrt(alike) * shared + math.sqrt(1.0 - alike) * own)


def sharpes(returns: np.ndarray) -> np.ndarray:
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1)


def test_the_variance_without_skill_is_one_minus_the_mean_of_numpys_correlations():
    returns = related(40, 0.6, np.random.default_rng(1))
    returns[:, 3] *= 50.0
    alike = np.corrcoef(returns.T)[np.triu_indices(40, 1)].mean()
    assert null_sharpe_variance(returns, 750) == pytest.approx((1.0 - alike) / 750, rel=1e-12)
    unusable = np.column_stack([returns, np.full(500, 0.001), np.where(np.arange(500) == 7, np.nan, 0.01)])
    assert null_sharpe_variance(unusable, 750) == null_sharpe_variance(returns, 750)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_it_is_the_variance_of_the_sharpe_ratios_across_trials_without_skill(alike):
    rng = np.random.default_rng(2)
    found, expected = [], []
    for _ in range(1000):
        returns = related(50, alike, rng)
        found.append(null_sharpe_variance(returns, 500))
        expected.append(trials_sharpe_variance(sharpes(returns)))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.03)


def test_an_edge_spreads_the_trials_apart_and_leaves_it_as_it_is():
    returns = related(50, 0.5, np.random.default_rng(3))
    skilled = returns + np.linspace(-0.002, 0.002, 50)
    assert null_sharpe_variance(skilled, 500) == pytest.approx(null_sharpe_variance(returns, 500), rel=1e-9)
    assert trials_sharpe_variance(sharpes(skilled)) > 5 * trials_sharpe_variance(sharpes(returns))


@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_without_skill_the_best_trial_passes_95_percent_in_at_most_one_of_twenty_samples(alike):
    """The estimates of the best trial scatter with what all share, so the share that passes is below 5 %."""
    rng, passed, n = np.random.default_rng(4), 0, 400
    for _ in range(n):
        returns = related(100, alike, rng)
        best = sharpe_moments(returns[:, sharpes(returns).argmax()])
        variance = null_sharpe_variance(returns, 500)
        passed += deflated_sharpe_2012(best, n_trials=100, trials_variance=variance) > 0.95
    assert passed / n <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / n)


def test_too_few_returns_or_trials_for_a_variance_without_skill():
    returns = related(9, 0.5, np.random.default_rng(5))
    assert null_sharpe_variance(returns, 500) == NotEnough("trials whose returns vary", 9, 10)
    assert null_sharpe_variance(np.zeros((500, 20)), 500) == NotEnough("trials whose returns vary", 0, 10)
    assert null_sharpe_variance(returns[:1], 500) == NotEnough("returns", 1, 2)
    assert null_sharpe_variance(np.empty((500, 0)), 500) == NotEnough("trials whose returns vary", 0, 10)


def test_each_trial_of_a_search_is_worth_a_hundred_even_ones():
    assert (even_trials(0), even_trials(1), even_trials(250.5)) == (1.0, 100.0, 25_050.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_maximum(0.5), "n_trials is 0.5"),
        (lambda: approximate_expected_maximum(math.nan), "n_trials is nan"),
        (lambda: deflated_sharpe_2012(BEST, n_trials=2, trials_variance=-1.0), "trials_variance is -1.0"),
        (lambda: deflated_sharpe_h0(BEST, n_trials=2, trials_variance=1.0, method="x"), "method is 'x'"),
        (lambda: minimum_backtest_length(10, 0.0), "sharpe is 0.0"),
        (lambda: null_sharpe_variance(np.zeros((20, 20)), 0), "observations is 0"),
        (lambda: null_sharpe_variance(np.zeros(20), 20), "returns has the shape"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
