"""Lo's scaling of Sharpe ratios and its standard error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import NotEnough, lo_scaling, lo_sharpe


def _autoregression(rng, shape, rho):
    noise = rng.standard_normal((*shape[:-1], shape[-1] + 100))
    for t in range(1, noise.shape[-1]):
        noise[..., t] += rho * noise[..., t - 1]
    return noise[..., 100:]


@given(q=st.integers(1, 60), rho=st.lists(st.floats(-0.2, 0.9), max_size=80))
def test_the_scaling_is_the_sum_over_all_pairs(q, rho):
    """The variance of a sum of q returns, term by term."""
    full = [1.0, *rho, *[0.0] * q]
    variance = sum(full[abs(i - j)] for i in range(q) for j in range(q))
    found = lo_scaling(q, rho)
    if variance > 1e-9:
        assert found == pytest.approx(q / np.sqrt(variance), rel=1e-9)
    elif variance < -1e-9:
        assert isinstance(found, NotEnough)


def test_estimated_autocorrelations_find_the_scaling():
    returns = 0.05 + _autoregression(np.random.default_rng(0), (40_000,), 0.3)
    found = lo_sharpe(returns, 12, lags=11)
    assert found.scaling == pytest.approx(2.6148, abs=0.05)
    assert found.sharpe == pytest.approx(found.scaling * returns.mean() / returns.std(ddof=1))
    assert lo_sharpe(returns, 12, lags=0).scaling == pytest.approx(12**0.5)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_the_standard_error_is_what_a_simulation_finds(rho):
    returns = 0.2 + _autoregression(np.random.default_rng(1), (1000, 3000), rho)
    sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    reported = [lo_sharpe(row, 1, lags=30).standard_error for row in returns[:200]]
    assert np.mean(reported) == pytest.approx(sharpes.std(), rel=0.07)  # three standard errors of the 1,000


def test_independent_normal_returns_have_lo_s_simple_error():
    returns = np.random.default_rng(2).normal(0.1, 1.0, 100_000)
    found = lo_sharpe(returns, 1, lags=0)
    assert found.standard_error == pytest.approx(np.sqrt((1 + found.sharpe**2 / 2) / 100_000), rel=0.01)


def test_lags_and_q():
    returns = np.random.default_rng(3).standard_normal(1250)
    assert lo_sharpe(returns, 252).lags == 7  # 4 * 12.5 ** (2 / 9)
    assert lo_sharpe(returns, 3).lags == 2
    assert lo_sharpe(returns, 1).scaling == 1.0
    with pytest.raises(StatisticsError, match="q is 0"):
        lo_sharpe(returns, 0)
    with pytest.raises(StatisticsError, match="lags is 1250"):
        lo_sharpe(returns, 12, lags=1250)


def test_alternating_returns_cannot_be_scaled():
    assert lo_scaling(12, [-0.9]) == NotEnough("variances above zero", 0, 1)
    returns = np.tile([0.01, -0.01], 50)
    assert lo_sharpe(returns, 10, lags=1) == NotEnough("variances above zero", 0, 1)
